/* Produce (key 0): one batch for each partition, appended by its leader (KIP-98, 467, 516, 890).
 *
 * The walk: what concerns the whole request, as the transaction that it writes in
 * (produce_transaction) → add_topic resolves and authorizes → start, in turns where there are many:
 * each batch on the shard of its partition (produce_piece.c) → all_answered, at home.
 *
 * While one of a client's requests begins in turns, its later ones wait behind it: what one
 * connection sends to a partition is appended in the order in which it came (DUR-L7, DUR-I2). */
#include "broker/handlers.h"
#include "broker/handlers/produce_private.h"
#include "broker/handlers/produce_transaction.h"
#include "broker/produce_frame.h"
#include "broker/produce_names.h"
#include "broker/producer_owner.h"
#include "broker/record_errors.h"
#include "broker/topic_ref.h"
#include "net/conn_server.h"
#include "net/protocol/kafka_enums.h"

#include <string.h>

enum {
    /* What the answer says of a partition, or of a topic beside its name, roughly. */
    ANSWERED_BYTES = 48,
    START_SLICE = 128, /* batches that begin at once, and again in each turn */
};

typedef struct produce_request_topic_produce_data asked_topic;
typedef struct produce_request_partition_produce_data asked_partition;
typedef struct produce_response_partition_produce_response answered_partition;

static bool any_failed(const struct produce_response *response)
{
    for (int32_t t = 0; t < response->responses.count; t++)
        for (int32_t p = 0; p < response->responses.items[t].partition_responses.count; p++)
            if (response->responses.items[t].partition_responses.items[p].error_code != KAFKA_NONE)
                return true;
    return false;
}

/* Here and not where it was found, because the arena is the home shard's. */
static void tell_record_errors(struct produce_piece *piece, struct record_errors_left *left)
{
    struct request *request = piece->all->request;
    const struct image_topic *topic = image_topic_by_id(request->home->image, &piece->topic_id);
    struct record_errors_scene scene = {
        .topic_name = topic == NULL ? "" : topic->name,
        .partition = piece->asked->index,
        .rules = &piece->check.rules,
        .bytes = produce_piece_records(piece),
        .size_bytes = piece->asked->records.size_bytes,
        .info = &piece->check.info,
        .errors = piece->check.errors,
        .error_count = piece->check.error_count,
    };

    if (piece->answer->error_code != KAFKA_NONE)
        record_errors_fill(request, &scene, piece->answer, left);
    batch_check_deinit(&piece->check);
}

static void all_answered(struct scatter *scatter)
{
    struct produce *all = container_of(scatter, struct produce, scatter);
    struct request *request = all->request;
    struct record_errors_left left = {RECORD_ERRORS_MAX, RECORD_ERRORS_WORK_BYTES};

    if (!request_has_long_room(request))
        left.count = BATCH_RECORD_ERRORS_MAX; /* Kafka's clients need none */
    for (struct produce_piece *piece = all->pieces; piece != NULL; piece = piece->next)
        tell_record_errors(piece, &left);

    if (all->acks != KAFKA_ACKS_NO_RESPONSE)
        request_answer(request);
    else if (any_failed(request->response))
        request_close(request); /* the only way to tell a client that wants no answer */
    else
        request_no_answer(request);
}

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct produce *all = request->cancel_context;

    scatter_cancel(&all->scatter, (int)why);
}

static int16_t check_topic(struct request *request, const asked_topic *asked,
                           const struct image_topic **topic_out)
{
    int16_t error_code;
    const struct image_topic *topic =
        topic_ref_find(request->home->image, request->api_version >= 13, asked->name,
                       &asked->topic_id, &error_code);

    *topic_out = topic;
    if (topic == NULL)
        return error_code;
    if (!request_may(request, KAFKA_ACL_OPERATION_WRITE, KAFKA_ACL_RESOURCE_TYPE_TOPIC, topic->name,
                     strlen(topic->name)))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    return topic_is_internal(topic->name) ? KAFKA_INVALID_TOPIC_EXCEPTION : KAFKA_NONE;
}

/* Of what has no partition, or cannot be asked of one. */
static void refuse_unseen(struct shard *home)
{
    topic_metrics_count(&home->topic_metrics, TOPIC_METRIC_PRODUCES, 1);
    topic_metrics_count(&home->topic_metrics, TOPIC_METRIC_PRODUCES_FAILED, 1);
}

/* An answer, or a piece that will fill it.  False: there is no memory. */
static bool add_partition(struct produce *all, const struct image_topic *topic,
                          const asked_partition *asked, answered_partition *answer)
{
    struct produce_piece *piece;

    if (all->acks < KAFKA_ACKS_ALL_ISR || all->acks > KAFKA_ACKS_LEADER)
        answer->error_code = KAFKA_INVALID_REQUIRED_ACKS;
    else if (!topic_ref_has(topic, asked->index))
        answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (answer->error_code != KAFKA_NONE) {
        refuse_unseen(all->request->home);
        return true;
    }
    piece = request_try_alloc(all->request, 1, sizeof(*piece));
    if (piece == NULL)
        return false;
    piece->all = all;
    piece->asked = asked;
    piece->answer = answer;
    piece->topic_id = topic->id;
    piece->piece.cancel = produce_piece_cancel;
    *all->last = piece;
    all->last = &piece->next;
    return true;
}

static bool add_topic(struct produce *all, const asked_topic *asked,
                      struct produce_response_topic_produce_response *out)
{
    struct request *request = all->request;
    int32_t count = asked->partition_data.count;
    const struct image_topic *topic;
    int16_t topic_error = check_topic(request, asked, &topic);

    out->name = asked->name;
    out->topic_id = asked->topic_id;
    out->partition_responses.items =
        request_try_array(request, &produce_response_partition_produce_response_struct, count);
    if (out->partition_responses.items == NULL)
        return false;
    out->partition_responses.count = count;
    for (int32_t p = 0; p < count; p++) {
        answered_partition *answer = &out->partition_responses.items[p];
        answer->index = asked->partition_data.items[p].index;
        answer->error_code = topic_error;
        answer->base_offset = -1;
        if (topic_error != KAFKA_NONE)
            refuse_unseen(request->home);
        else if (!add_partition(all, topic, &asked->partition_data.items[p], answer))
            return false;
    }
    return true;
}

/* One that says something of hundreds of partitions is long, which its frame did not show. */
static bool expect_answer(const struct produce *all)
{
    struct request *request = all->request;
    const struct produce_request *body = request->body;
    uint64_t bytes = 0;

    for (int32_t t = 0; t < body->topic_data.count; t++) {
        const asked_topic *topic = &body->topic_data.items[t];
        int32_t name_bytes = topic->name.size_bytes > 0 ? topic->name.size_bytes : 0;
        bytes +=
            (uint64_t)name_bytes + (1 + (uint64_t)topic->partition_data.count) * ANSWERED_BYTES;
    }
    return all->acks == KAFKA_ACKS_NO_RESPONSE || request_expects(request, bytes);
}

/* Everything that needs memory, before the first piece runs.  False: there is none. */
static bool prepare(struct produce *all)
{
    struct request *request = all->request;
    const struct produce_request *body = request->body;
    struct produce_response *response = request->response;

    response->responses.items = request_try_array(
        request, &produce_response_topic_produce_response_struct, body->topic_data.count);
    if (response->responses.items == NULL)
        return false;
    response->responses.count = body->topic_data.count;
    for (int32_t t = 0; t < body->topic_data.count; t++)
        if (!add_topic(all, &body->topic_data.items[t], &response->responses.items[t]))
            return false;
    return true;
}

/* As a whole, and nothing of it is appended. */
static void refuse_transaction(struct request *request, int16_t error_code)
{
    const struct produce_request *body = request->body;

    if (body->acks == KAFKA_ACKS_NO_RESPONSE)
        request_close(request);
    else
        request_answer_error(request, error_code, produce_transaction_check_message(error_code));
}

/* ---- beginning, in turns */

/* True: all have begun. */
static bool start_some(struct produce *all)
{
    struct shard *home = all->request->home;

    for (uint32_t i = 0; i < START_SLICE && all->to_start != NULL; i++) {
        struct produce_piece *piece = all->to_start;
        all->to_start = piece->next;
        scatter_start(&all->scatter, &piece->piece,
                      shard_of_partition(home->shards, &piece->topic_id, piece->asked->index),
                      produce_piece_run);
    }
    return all->to_start == NULL;
}

/* The request may be gone afterwards. */
static void end_start(struct produce *all)
{
    request_on_cancel(all->request, on_cancel, all);
    scatter_end(&all->scatter);
}

/* Of the oldest one of its client. */
static void on_turn(struct task *task)
{
    struct produce *all = container_of(task, struct produce, turn);
    struct list *starting = &all->request->client->starting;
    struct loop *loop = &all->request->home->loop;

    if (!start_some(all)) {
        loop_defer(loop, &all->turn);
        return;
    }
    list_remove(&all->starting);
    if (!list_is_empty(starting))
        loop_defer(loop, &list_first(starting, struct produce, starting)->turn);
    end_start(all);
}

static void start(struct produce *all)
{
    struct list *starting = &all->request->client->starting;
    bool is_first = list_is_empty(starting);

    all->to_start = all->pieces;
    all->turn.run = on_turn;
    scatter_begin(&all->scatter, all->request->home, all_answered);
    if (is_first && start_some(all)) {
        end_start(all);
        return;
    }
    list_push_back(starting, &all->starting);
    if (is_first)
        loop_defer(&all->request->home->loop, &all->turn);
}

/* ---- the request */

void handle_produce(struct request *request)
{
    const struct produce_request *body = request->body;
    struct produce *all = request_try_alloc(request, 1, sizeof(*all));
    enum err err = produce_names_check(request);
    int16_t error_code;

    if (err != OK) {
        request_refuse(request, err);
        return;
    }
    error_code = produce_transaction_check(request);
    if (error_code != KAFKA_NONE) {
        refuse_transaction(request, error_code);
        return;
    }
    produce_frame_trim(request);
    if (all != NULL) {
        all->request = request;
        all->last = &all->pieces;
        all->acks = body->acks;
        all->timeout_ms = body->timeout_ms;
        all->owner = producer_owner_of(&request->client->peer);
    }
    if (all == NULL || !expect_answer(all) || !prepare(all)) {
        request_refuse_memory(request);
        return;
    }
    start(all);
}
