/* AddPartitionsToTxn (key 24): clients of TV1 (KIP-98) put partitions into their transaction; from
 * version 4 on brokers do, for several transactions at once, or ask whether they are in it
 * (KIP-890).
 *
 * A transaction with a partition that is not there or not allowed gets none of them. */
#include "base/mem.h"
#include "broker/config.h"
#include "broker/coordinator/transaction_call.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/handlers.h"
#include "broker/internal_topics.h"
#include "broker/scatter.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_add_partitions_to_txn.h"

#include <stdlib.h>
#include <string.h>

typedef struct add_partitions_to_txn_request_add_partitions_to_txn_transaction asked_transaction;
typedef struct add_partitions_to_txn_request_add_partitions_to_txn_topic asked_topic;
typedef struct add_partitions_to_txn_response_add_partitions_to_txn_topic_result topic_result;

enum { VERSION_OF_BROKERS = 4 };

/* One transaction. */
struct addition {
    struct scatter_piece piece;
    struct request *request;
    int16_t version; /* of the request */
    asked_transaction asked;
    topic_result *results;         /* as many as asked.topics, with as many partitions */
    struct transaction_call *call; /* NULL: none is under way */
    bool is_late;                  /* a client's: transaction_guard.h */
};

struct adding {
    struct scatter scatter;
    struct request *request;
    struct addition *additions;
};

/* ---- results */

static void tell_all(struct addition *addition, int16_t error)
{
    if (error == KAFKA_PRODUCER_FENCED && addition->version < 2)
        error = KAFKA_INVALID_PRODUCER_EPOCH;
    for (int32_t i = 0; i < addition->asked.topics.count; i++)
        for (int32_t j = 0; j < addition->results[i].results_by_partition.count; j++)
            addition->results[i].results_by_partition.items[j].partition_error_code = error;
}

static bool prepare_results(struct request *request, struct addition *addition)
{
    int32_t count = addition->asked.topics.count;

    addition->results = request_try_array(
        request, &add_partitions_to_txn_response_add_partitions_to_txn_topic_result_struct, count);
    for (int32_t i = 0; addition->results != NULL && i < count; i++) {
        const asked_topic *topic = &addition->asked.topics.items[i];
        topic_result *result = &addition->results[i];
        result->name = topic->name;
        result->results_by_partition.items = request_try_array(
            request, &add_partitions_to_txn_response_add_partitions_to_txn_partition_result_struct,
            topic->partitions.count);
        if (result->results_by_partition.items == NULL)
            return false;
        result->results_by_partition.count = topic->partitions.count;
        for (int32_t j = 0; j < topic->partitions.count; j++)
            result->results_by_partition.items[j].partition_index = topic->partitions.items[j];
    }
    return addition->results != NULL;
}

/* ---- at home: may it, and are they there? */

static int16_t check_topic(const struct request *request, const asked_topic *topic,
                           const struct image_topic **image_out)
{
    int16_t error;

    *image_out = topic_ref_find(request->home->image, false, topic->name, NULL, &error);
    if (*image_out != NULL && !internal_topics_takes_transactions((*image_out)->name))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (request->api_version >= VERSION_OF_BROKERS)
        return error;
    if ((*image_out != NULL && topic_is_internal((*image_out)->name)) ||
        !request_may(request, KAFKA_ACL_OPERATION_WRITE, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                     topic->name.text, (size_t)topic->name.size_bytes))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    return error;
}

/* False: it is answered. */
static bool check_partitions(const struct request *request, struct addition *addition)
{
    bool is_good = true;

    tell_all(addition, KAFKA_OPERATION_NOT_ATTEMPTED);
    for (int32_t i = 0; i < addition->asked.topics.count; i++) {
        const struct image_topic *image;
        topic_result *result = &addition->results[i];
        int16_t of_topic = check_topic(request, &addition->asked.topics.items[i], &image);
        for (int32_t j = 0; j < result->results_by_partition.count; j++) {
            int16_t error = of_topic;
            if (error == KAFKA_NONE &&
                !topic_ref_has(image, result->results_by_partition.items[j].partition_index))
                error = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
            if (error == KAFKA_NONE)
                continue;
            result->results_by_partition.items[j].partition_error_code = error;
            is_good = false;
        }
    }
    return is_good;
}

/* ---- on the id's shard */

static void on_done(void *context, const struct transaction_decision *decision, int16_t error)
{
    struct addition *addition = context;
    bool is_told = addition->asked.verify_only &&
                   (error == KAFKA_NONE || error == KAFKA_TRANSACTION_ABORTABLE);

    addition->call = NULL;
    if (!is_told)
        tell_all(addition, error);
    scatter_finish(&addition->piece);
}

/* What it asked for goes on. */
static void cancel_one(struct scatter_piece *piece, int why)
{
    struct addition *addition = container_of(piece, struct addition, piece);

    if (why < REQUEST_PEER_GONE)
        return;
    transaction_call_forget(addition->call);
    on_done(addition, NULL, KAFKA_COORDINATOR_NOT_AVAILABLE);
}

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct adding *all = request->cancel_context;

    scatter_cancel(&all->scatter, (int)why);
}

static void verify_each(struct addition *addition, const struct transaction_partitions *set)
{
    for (int32_t i = 0; i < addition->asked.topics.count; i++) {
        topic_result *result = &addition->results[i];
        for (int32_t j = 0; j < result->results_by_partition.count; j++)
            result->results_by_partition.items[j].partition_error_code =
                transaction_partitions_has(set, result->name.text, (size_t)result->name.size_bytes,
                                           result->results_by_partition.items[j].partition_index)
                    ? KAFKA_NONE
                    : KAFKA_TRANSACTION_ABORTABLE;
    }
}

static int by_name(const void *left, const void *right)
{
    struct wire_string a = (*(const asked_topic *const *)left)->name;
    struct wire_string b = (*(const asked_topic *const *)right)->name;
    int order =
        memcmp(a.text, b.text, (size_t)(a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes));

    return order != 0 ? order : a.size_bytes - b.size_bytes;
}

/* In the order that the set has: many that come in another one would cost much.  ERR_FULL: more
 * than a transaction may have at all. */
static enum err take_asked(const struct addition *addition, uint32_t max,
                           struct transaction_partitions *set)
{
    int32_t topic_count = addition->asked.topics.count;
    const asked_topic **topics;
    uint64_t count = 0;
    enum err err = OK;

    for (int32_t i = 0; i < topic_count; i++)
        count += (uint64_t)addition->asked.topics.items[i].partitions.count;
    if (count > max || (uint32_t)topic_count > max)
        return ERR_FULL;
    topics = mem_try_alloc((size_t)topic_count * sizeof(*topics));
    if (topics == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < topic_count; i++)
        topics[i] = &addition->asked.topics.items[i];
    qsort(topics, (size_t)topic_count, sizeof(*topics), by_name);
    for (int32_t i = 0; err == OK && i < topic_count; i++) {
        const asked_topic *topic = topics[i];
        for (int32_t j = 0; err == OK && j < topic->partitions.count; j++)
            err = transaction_partitions_add(set, topic->name.text, (size_t)topic->name.size_bytes,
                                             topic->partitions.items[j]);
    }
    mem_free(topics);
    return err;
}

static void add_one(struct scatter_piece *piece, struct shard *at)
{
    struct addition *addition = container_of(piece, struct addition, piece);
    const asked_transaction *asked = &addition->asked;
    struct wire_string id = asked->transactional_id;
    const struct transaction_entry *entry =
        transaction_coordinator_find(at->transactions, id.text, (size_t)id.size_bytes);
    struct transaction_partitions set = {0};
    struct transaction_event event = {
        .kind = asked->verify_only ? TRANSACTION_VERIFY : TRANSACTION_ADD,
        .version = addition->version >= VERSION_OF_BROKERS ? TRANSACTION_V2 : TRANSACTION_V0,
        .producer_id = asked->producer_id,
        .epoch = asked->producer_epoch,
    };
    uint32_t max = (uint32_t)config_values(at->config)->levee_transaction_partitions_max;
    struct transaction_call *call;

    addition->is_late = addition->version < VERSION_OF_BROKERS &&
                        transaction_guard_is_late(at, addition->request->client, id,
                                                  asked->producer_id, asked->producer_epoch);
    if (addition->is_late) {
        scatter_finish(piece);
    } else if (take_asked(addition, max, &set) != OK) {
        tell_all(addition, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
        scatter_finish(piece);
    } else {
        if (asked->verify_only && entry != NULL)
            verify_each(addition, &entry->partitions);
        call = transaction_call_start(at->transactions, id, &event, &set, on_done, addition);
        if (call != NULL) /* else the request may be gone */
            addition->call = call;
    }
    transaction_partitions_deinit(&set);
}

/* ---- the request */

static void add(struct adding *all, struct addition *addition)
{
    struct request *request = all->request;
    struct wire_string id = addition->asked.transactional_id;
    int16_t error = addition->version >= VERSION_OF_BROKERS
                        ? KAFKA_NONE
                        : transaction_may(request, id, KAFKA_ACL_OPERATION_WRITE);

    if (error == KAFKA_NONE && !check_partitions(request, addition))
        return;
    if (error == KAFKA_NONE && id.size_bytes == 0)
        error = KAFKA_INVALID_REQUEST;
    if (error != KAFKA_NONE)
        tell_all(addition, error);
    else
        scatter_start(&all->scatter, &addition->piece,
                      transaction_shard(request->home, id.text, (size_t)id.size_bytes), add_one);
}

static void all_answered(struct scatter *scatter)
{
    const struct adding *all = container_of(scatter, struct adding, scatter);

    if (all->request->api_version < VERSION_OF_BROKERS && all->additions[0].is_late)
        transaction_guard_refuse(all->request, all->additions[0].asked.transactional_id);
    else
        request_answer(all->request);
}

/* A client's request is one of brokers with one transaction. */
static void fill_asked(const struct add_partitions_to_txn_request *body, int16_t version,
                       struct addition *additions, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        additions[i].version = version;
        additions[i].piece.cancel = cancel_one;
        if (version >= VERSION_OF_BROKERS) {
            additions[i].asked = body->transactions.items[i];
            continue;
        }
        additions[i].asked.transactional_id = body->v3_and_below_transactional_id;
        additions[i].asked.producer_id = body->v3_and_below_producer_id;
        additions[i].asked.producer_epoch = body->v3_and_below_producer_epoch;
        additions[i].asked.topics.items = body->v3_and_below_topics.items;
        additions[i].asked.topics.count = body->v3_and_below_topics.count;
    }
}

static bool prepare(struct request *request, struct addition *additions, int32_t count)
{
    struct add_partitions_to_txn_response *response = request->response;
    bool is_of_brokers = request->api_version >= VERSION_OF_BROKERS;

    for (int32_t i = 0; i < count; i++)
        if (!prepare_results(request, &additions[i]))
            return false;
    if (!is_of_brokers) {
        response->results_by_topic_v3_and_below.items = additions[0].results;
        response->results_by_topic_v3_and_below.count = additions[0].asked.topics.count;
        return true;
    }
    response->results_by_transaction.items = request_try_array(
        request, &add_partitions_to_txn_response_add_partitions_to_txn_result_struct, count);
    if (response->results_by_transaction.items == NULL)
        return false;
    response->results_by_transaction.count = count;
    for (int32_t i = 0; i < count; i++) {
        response->results_by_transaction.items[i].transactional_id =
            additions[i].asked.transactional_id;
        response->results_by_transaction.items[i].topic_results.items = additions[i].results;
        response->results_by_transaction.items[i].topic_results.count =
            additions[i].asked.topics.count;
    }
    return true;
}

void handle_add_partitions_to_txn(struct request *request)
{
    const struct add_partitions_to_txn_request *body = request->body;
    bool is_of_brokers = request->api_version >= VERSION_OF_BROKERS;
    int32_t count = is_of_brokers ? body->transactions.count : 1;
    struct addition *additions;
    struct adding *all;

    if (is_of_brokers && !request_may(request, KAFKA_ACL_OPERATION_CLUSTER_ACTION,
                                      KAFKA_ACL_RESOURCE_TYPE_CLUSTER, "kafka-cluster", 13)) {
        request_answer_error(request, KAFKA_CLUSTER_AUTHORIZATION_FAILED, NULL);
        return;
    }
    all = request_try_alloc(request, 1, sizeof(*all));
    additions = request_try_alloc(request, (size_t)count, sizeof(*additions));
    if (all != NULL && additions != NULL)
        fill_asked(body, request->api_version, additions, count);
    if (all == NULL || additions == NULL || !prepare(request, additions, count)) {
        request_refuse_memory(request);
        return;
    }
    all->request = request;
    all->additions = additions;
    for (int32_t i = 0; i < count; i++)
        additions[i].request = request;
    scatter_begin(&all->scatter, request->home, all_answered);
    for (int32_t i = 0; i < count; i++)
        add(all, &additions[i]);
    request_on_cancel(request, on_cancel, all);
    scatter_end(&all->scatter);
}
