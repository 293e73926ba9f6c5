/* WriteTxnMarkers (key 27; KIP-98, 664): an administrator ends what hangs in a partition
 * (kafka-transactions.sh abort).  Our own markers do not come this way.
 *
 * What a coordinator still has open, or is ending, is refused with INVALID_TXN_STATE: Kafka would
 * abort a part of a transaction that is committed later.  Such a transaction is ended as a whole by
 * fencing its producer (Admin.fenceProducers).  So the coordinators of all shards are asked first;
 * then the markers are written, one after the other. */
#include "base/hash_map.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/coordinator/transaction_marker.h"
#include "broker/handlers.h"
#include "broker/internal_topics.h"
#include "broker/kafka_error.h"
#include "broker/shard_tour.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_write_txn_markers.h"

typedef struct write_txn_markers_request_writable_txn_marker asked_marker;
typedef struct write_txn_markers_request_writable_txn_marker_topic asked_topic;
typedef struct write_txn_markers_response_writable_txn_marker_result marker_result;
typedef struct write_txn_markers_response_writable_txn_marker_topic_result topic_result;
typedef struct write_txn_markers_response_writable_txn_marker_partition_result partition_result;

/* One of the request's markers. */
struct asked_of {
    const asked_marker *asked;
    marker_result *result;
    struct asked_of *next; /* of the same producer */
};

struct writing {
    struct shard_tour tour;
    struct asked_of *asked;           /* as many as the answer has markers */
    struct hash_map by_producer;      /* of asked_of: the first of each producer */
    int32_t marker, topic, partition; /* the next one */
    struct transaction_marker under_way;
    bool is_running;
};

/* ---- asking the coordinators */

static void refuse(const struct asked_of *asked, const struct transaction_partitions *set)
{
    for (int32_t t = 0; t < asked->result->topics.count; t++) {
        const topic_result *topic = &asked->result->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            partition_result *result = &topic->partitions.items[p];
            if (transaction_partitions_has(set, topic->name.text, (size_t)topic->name.size_bytes,
                                           result->partition_index))
                result->error_code = KAFKA_INVALID_TXN_STATE;
        }
    }
}

static void refuse_all(const struct writing *all, int16_t error)
{
    const struct write_txn_markers_response *response = all->tour.request->response;

    for (int32_t m = 0; m < response->markers.count; m++)
        for (int32_t t = 0; t < response->markers.items[m].topics.count; t++) {
            const topic_result *topic = &response->markers.items[m].topics.items[t];
            for (int32_t p = 0; p < topic->partitions.count; p++)
                topic->partitions.items[p].error_code = error;
        }
}

static void visit(struct shard_tour *tour, struct shard *at)
{
    struct writing *all = container_of(tour, struct writing, tour);
    const struct transaction_entry *entry = NULL;

    if (runtime_is_loading(&at->transactions->runtime)) {
        refuse_all(all, KAFKA_NOT_LEADER_OR_FOLLOWER); /* that the client asks again after */
        return;
    }
    while ((entry = transaction_coordinator_next(at->transactions, entry)) != NULL) {
        const struct transaction_fields *fields = &entry->transaction.fields;
        const struct asked_of *asked;
        if (fields->state != TRANSACTION_ONGOING && !transaction_is_ending(&entry->transaction))
            continue;
        asked = hash_map_find(&all->by_producer, &fields->producer_id, sizeof(fields->producer_id));
        for (; asked != NULL; asked = asked->next)
            refuse(asked, &entry->partitions);
    }
}

/* ---- writing */

static int16_t error_of(enum err err)
{
    if (err == ERR_FENCED_EPOCH)
        return KAFKA_TRANSACTION_COORDINATOR_FENCED;
    if (err == ERR_NOT_FOUND)
        return KAFKA_NOT_LEADER_OR_FOLLOWER;
    return kafka_error(err);
}

static partition_result *result_of(const struct writing *all)
{
    const struct write_txn_markers_response *response = all->tour.request->response;

    return &response->markers.items[all->marker]
                .topics.items[all->topic]
                .partitions.items[all->partition];
}

static void step_over(struct writing *all)
{
    const struct write_txn_markers_response *response = all->tour.request->response;
    const marker_result *marker = &response->markers.items[all->marker];

    if (++all->partition < marker->topics.items[all->topic].partitions.count)
        return;
    all->partition = 0;
    if (++all->topic < marker->topics.count)
        return;
    all->topic = 0;
    all->marker++;
}

/* The place is at a partition, or at the end. */
static void skip_empty(struct writing *all)
{
    const struct write_txn_markers_response *response = all->tour.request->response;

    while (all->marker < response->markers.count) {
        const marker_result *marker = &response->markers.items[all->marker];
        if (marker->topics.count == 0) {
            all->marker++;
        } else if (marker->topics.items[all->topic].partitions.count == 0) {
            if (++all->topic == marker->topics.count) {
                all->topic = 0;
                all->marker++;
            }
        } else {
            return;
        }
    }
}

static void go_on(struct writing *all);

static void on_written(struct transaction_marker *marker, enum err err)
{
    struct writing *all = container_of(marker, struct writing, under_way);

    result_of(all)->error_code = err == OK ? KAFKA_NONE : error_of(err);
    step_over(all);
    if (!all->is_running)
        go_on(all);
    else
        all->is_running = false; /* go_on is above */
}

static void write_one(struct writing *all, const struct image_topic *topic)
{
    struct request *request = all->tour.request;
    const asked_marker *asked = all->asked[all->marker].asked;

    all->under_way = (struct transaction_marker){
        .topic_id = topic->id,
        .index = result_of(all)->partition_index,
        .is_offsets =
            topic == internal_topics_image(request->home->image, KAFKA_COORDINATOR_KEY_TYPE_GROUP),
        .producer_id = asked->producer_id,
        .epoch = asked->producer_epoch,
        .coordinator_epoch = asked->coordinator_epoch,
        .commit = asked->transaction_result,
        .txn_v2 = asked->transaction_version >= TRANSACTION_V2,
        .is_awaited = true,
        .done = on_written,
    };
    transaction_marker_start(&all->under_way, request->home);
}

static void go_on(struct writing *all)
{
    struct request *request = all->tour.request;
    const struct write_txn_markers_response *response = request->response;

    for (;;) {
        const struct image_topic *topic;
        partition_result *result;
        int16_t error;
        skip_empty(all);
        if (all->marker == response->markers.count)
            break;
        result = result_of(all);
        topic = topic_ref_find(request->home->image, false,
                               response->markers.items[all->marker].topics.items[all->topic].name,
                               NULL, &error);
        if (!topic_ref_has(topic, result->partition_index))
            result->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        if (result->error_code != KAFKA_NONE) {
            step_over(all);
            continue;
        }
        all->is_running = true;
        write_one(all, topic);
        if (all->is_running) { /* it ends later */
            all->is_running = false;
            return;
        }
    }
    request_answer(request);
}

static void on_asked(struct shard_tour *tour)
{
    struct writing *all = container_of(tour, struct writing, tour);

    hash_map_deinit(&all->by_producer);
    go_on(all);
}

/* ---- the request */

/* False: there is no memory; here and below. */
static bool add_topic(struct request *request, const asked_topic *asked, topic_result *out)
{
    out->name = asked->name;
    out->partitions.items = request_try_array(
        request, &write_txn_markers_response_writable_txn_marker_partition_result_struct,
        asked->partition_indexes.count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = asked->partition_indexes.count;
    for (int32_t p = 0; p < out->partitions.count; p++) {
        out->partitions.items[p].partition_index = asked->partition_indexes.items[p];
        out->partitions.items[p].error_code = KAFKA_NONE;
    }
    return true;
}

static bool add_marker(struct writing *all, const asked_marker *asked, marker_result *out,
                       struct asked_of *of)
{
    struct request *request = all->tour.request;
    struct asked_of *first =
        hash_map_find(&all->by_producer, &asked->producer_id, sizeof(asked->producer_id));

    out->producer_id = asked->producer_id;
    out->topics.items = request_try_array(
        request, &write_txn_markers_response_writable_txn_marker_topic_result_struct,
        asked->topics.count);
    if (out->topics.items == NULL)
        return false;
    out->topics.count = asked->topics.count;
    for (int32_t t = 0; t < asked->topics.count; t++)
        if (!add_topic(request, &asked->topics.items[t], &out->topics.items[t]))
            return false;
    of->asked = asked;
    of->result = out;
    if (first == NULL)
        return hash_map_insert(&all->by_producer, &asked->producer_id, sizeof(asked->producer_id),
                               of) == OK;
    of->next = first->next;
    first->next = of;
    return true;
}

static bool prepare(struct writing *all, struct request *request)
{
    const struct write_txn_markers_request *body = request->body;
    struct write_txn_markers_response *response = request->response;
    int32_t count = body->markers.count < 0 ? 0 : body->markers.count;

    all->asked = request_try_alloc(request, (size_t)count, sizeof(*all->asked));
    response->markers.items = request_try_array(
        request, &write_txn_markers_response_writable_txn_marker_result_struct, count);
    if (all->asked == NULL || response->markers.items == NULL)
        return false;
    for (int32_t m = 0; m < count; m++) {
        int32_t at = response->markers.count;
        if (body->markers.items[m].topics.count <= 0)
            continue; /* Kafka leaves it out of its answer */
        if (!add_marker(all, &body->markers.items[m], &response->markers.items[at],
                        &all->asked[at]))
            return false;
        response->markers.count++;
    }
    return true;
}

static bool is_allowed(const struct request *request)
{
    return request_may(request, KAFKA_ACL_OPERATION_CLUSTER_ACTION, KAFKA_ACL_RESOURCE_TYPE_CLUSTER,
                       "kafka-cluster", 13) ||
           request_may(request, KAFKA_ACL_OPERATION_ALTER, KAFKA_ACL_RESOURCE_TYPE_CLUSTER,
                       "kafka-cluster", 13);
}

void handle_write_txn_markers(struct request *request)
{
    struct writing *all;

    if (!is_allowed(request)) {
        request_answer_error(request, KAFKA_CLUSTER_AUTHORIZATION_FAILED, NULL);
        return;
    }
    all = request_try_alloc(request, 1, sizeof(*all));
    if (all == NULL) {
        request_refuse_memory(request);
        return;
    }
    all->tour.request = request;
    hash_map_init(&all->by_producer, prng_u64(&request->home->prng));
    if (prepare(all, request)) {
        shard_tour_start(&all->tour, request, visit, on_asked);
        return;
    }
    hash_map_deinit(&all->by_producer);
    request_refuse_memory(request);
}
