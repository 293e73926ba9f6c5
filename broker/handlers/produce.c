/* Produce (key 0): one batch for each partition, appended by its leader (KIP-98, 467, 516).
 *
 * The walk: start_topic resolves and authorizes → append_partition, on the partition's shard:
 * check, and recode when the topic has a codec of its own (batch_check), append, which may wait for
 * a longer check and for room in the order of arrival (partition_append) → wait_for_ack: acks=all
 * until the high watermark has passed the batch, acks=1 until it is durable (or, by the topic's
 * mode, in the kernel) here; at most for the client's timeout → all_answered, at home. */
#include "base/check.h"
#include "broker/batch_check.h"
#include "broker/handlers.h"
#include "broker/kafka_error.h"
#include "broker/produce_frame.h"
#include "broker/produce_names.h"
#include "broker/producer_owner.h"
#include "broker/record_errors.h"
#include "broker/request.h"
#include "broker/scatter.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "broker/validation.h"
#include "net/conn_server.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_produce.h"

#include <string.h>

/* Kafka gives the timeout no meaning below acks=all, so a tiny one there is none. */
enum { UNASKED_TIMEOUT_MIN_MS = 10000 };

/* What a piece that waits keeps beside its records, roughly: its part of the request. */
enum { HELD_BYTES = 8 << 10 };

/* What the answer says of a partition, or of a topic beside its name, roughly. */
enum { ANSWERED_BYTES = 48 };

typedef struct produce_request_topic_produce_data asked_topic;
typedef struct produce_request_partition_produce_data asked_partition;
typedef struct produce_response_partition_produce_response answered_partition;

struct produce_piece {
    struct scatter_piece piece;
    struct produce *all;
    struct produce_piece *next; /* in the order of the request */
    const asked_partition *asked;
    answered_partition *answer;
    struct uuid topic_id;
    struct shard *at;
    struct batch_check check;
    struct partition_append append;
    struct partition_waiter ack;
    struct timer timeout;
};

struct produce {
    struct scatter scatter;
    struct request *request;
    struct produce_piece *pieces;
    struct produce_piece **last;
    int16_t acks;
    int32_t timeout_ms;
    uint64_t owner; /* of the producer ids that it brings */
};

static void finish_piece(struct produce_piece *piece)
{
    loop_cancel_timer(&piece->at->loop, &piece->timeout);
    batch_check_cancel(&piece->check);
    scatter_finish(&piece->piece);
}

/* On the piece's shard. */
static void count(const struct produce_piece *piece, enum topic_metric metric, uint64_t n)
{
    struct partition *partition =
        topic_table_find(piece->at->topics, &piece->topic_id, piece->asked->index);

    if (partition != NULL)
        partition_count(partition, metric, n);
    else
        topic_metrics_count(&piece->at->topic_metrics, metric, n);
}

static void finish_with_error(struct produce_piece *piece, int16_t error_code)
{
    count(piece, TOPIC_METRIC_PRODUCES_FAILED, 1);
    count(piece, TOPIC_METRIC_BYTES_REJECTED, piece->asked->records.size_bytes);
    piece->answer->error_code = error_code;
    piece->answer->base_offset = -1;
    piece->answer->log_append_time_ms = -1;
    finish_piece(piece);
}

/* The partition was here when we looked it up. */
static int16_t partition_error(enum err err)
{
    return err == ERR_NOT_FOUND ? (int16_t)KAFKA_NOT_LEADER_OR_FOLLOWER : kafka_error(err);
}

/* ---- waiting */

static void on_ack(struct partition_waiter *waiter, enum err err)
{
    struct produce_piece *piece = container_of(waiter, struct produce_piece, ack);

    if (err != OK)
        finish_with_error(piece, partition_error(err));
    else
        finish_piece(piece);
}

/* What waits for its check or for room is not appended any more; what waits for its acknowledgement
 * may be there. */
static void end_wait(struct produce_piece *piece)
{
    partition_cancel_append(&piece->append);
    partition_cancel_wait(&piece->ack);
    finish_with_error(piece, KAFKA_REQUEST_TIMED_OUT);
}

static void on_timeout(struct timer *timer)
{
    end_wait(container_of(timer, struct produce_piece, timeout));
}

/* An append is an effect that was asked for: it waits on when the peer is gone. */
static bool ends_for(const struct produce_piece *piece, int why)
{
    switch (why) {
    case REQUEST_PRESSED:
        return partition_presses_append(&piece->append);
    case REQUEST_PEER_GONE:
        return !append_op_is_waiting(&piece->append.op);
    default:
        return why == REQUEST_CUT;
    }
}

static void cancel_piece(struct scatter_piece *scattered, int why)
{
    struct produce_piece *piece = container_of(scattered, struct produce_piece, piece);

    if (ends_for(piece, why))
        end_wait(piece);
}

static void limit_wait(struct produce_piece *piece)
{
    int32_t timeout_ms = piece->all->timeout_ms;

    if (piece->all->acks != KAFKA_ACKS_ALL_ISR && timeout_ms < UNASKED_TIMEOUT_MIN_MS)
        timeout_ms = UNASKED_TIMEOUT_MIN_MS;
    if (!list_is_linked(&piece->timeout.node))
        loop_set_timer_ms(&piece->at->loop, &piece->timeout,
                          timeout_ms < 0 ? 0 : (uint64_t)timeout_ms);
}

/* ---- the append */

/* What the check found, in the words that clients know. */
static void refuse_batch(struct produce_piece *piece, struct partition *partition, enum err err)
{
    const struct batch_info *info = &piece->check.info;
    answered_partition *answer = piece->answer;

    log_line(piece->at->sink, LOG_DEBUG, "LVE-4102", "a batch was refused",
             log_str("topic", partition->topic_name), log_i64("partition", partition->index),
             log_str("reason", info->text), log_err(err));
    if (err == ERR_RECORD || err == ERR_TIMESTAMP)
        answer->log_start_offset = partition_offsets(partition).log_start;
    finish_with_error(piece, kafka_error(err));
}

/* What the client sent, in the frame, which is the request's until it is answered. */
static const uint8_t *records_of(const struct produce_piece *piece)
{
    const struct wire_records *records = &piece->asked->records;

    return records->slice_count == 0 ? NULL : records->slices[0].bytes;
}

static void on_checked(struct batch_check *check, enum err err);

static enum err check_batch(struct produce_piece *piece, struct partition *partition)
{
    const struct topic_config *config = &partition->config;
    const struct validation *validation = piece->at->validation;
    struct request *request = piece->all->request;

    piece->check = (struct batch_check){
        .rules =
            {
                .produce_version = request->api_version,
                .log_append_time = config->log_append_time,
                .compact = config->compact,
                .validate_compressed = validation->compressed,
                .max_message_bytes = (uint32_t)config->max_message_bytes,
                .uncompressed_max_bytes = validation->uncompressed_max_bytes,
                .now_ms = clock_wall_ms(piece->at->clock),
                .timestamp_before_max_ms = config->timestamp_before_max_ms,
                .timestamp_after_max_ms = config->timestamp_after_max_ms,
            },
        .codec = config->compression,
        .recode_max_bytes = validation->recode_max_bytes,
        .bytes = records_of(piece),
        .size_bytes = piece->asked->records.size_bytes,
        .frame = request->frame,
        .owner = {.client = piece->all->owner, .request = request},
        .budget = memory_budget(&request->home->memory, MEMORY_DECODED),
        .done = on_checked,
    };
    return batch_check_start(&piece->check, piece->at);
}

static void on_appended(struct partition_append *append, enum err err)
{
    struct produce_piece *piece = container_of(append, struct produce_piece, append);
    struct partition *partition = append->partition;
    const struct log_append_result *result = &append->result;
    answered_partition *answer = piece->answer;
    int16_t acks = piece->all->acks;

    if (err != OK) {
        if (err == ERR_SEQUENCE || err == ERR_PRODUCER_EPOCH || err == ERR_UNKNOWN_PRODUCER)
            answer->log_start_offset = partition_offsets(partition).log_start;
        finish_with_error(piece, partition_error(err));
        return;
    }
    answer->base_offset = result->base_offset;
    answer->log_append_time_ms = result->log_append_time_ms;
    answer->log_start_offset = result->log_start_offset;
    piece->ack = (struct partition_waiter){.offset = result->last_offset + 1, .wake = on_ack};
    if (acks == KAFKA_ACKS_NO_RESPONSE) {
        finish_piece(piece);
        return;
    }
    limit_wait(piece);
    if (acks == KAFKA_ACKS_LEADER)
        partition_wait_own(partition, &piece->ack);
    else
        partition_wait_ack(partition, &piece->ack);
}

/* It has to wait.  The recoder's memory is the next one's. */
static enum err keep_piece(struct append_op *op)
{
    struct produce_piece *piece = container_of(op, struct produce_piece, append.op);
    enum err err = OK;

    limit_wait(piece);
    if (!op->is_preparing) {
        err = batch_check_keep(&piece->check);
        piece->append.bytes = piece->check.stored;
    }
    return err;
}

/* The outcome of a check that did not end at once: its place in the order was kept. */
static void on_checked(struct batch_check *check, enum err err)
{
    struct produce_piece *piece = container_of(check, struct produce_piece, check);
    struct partition_append *append = &piece->append;

    if (err == OK)
        err = batch_check_keep(check); /* it may have to wait for room */
    if (err != OK) {
        if (err == ERR_NOMEM)
            partition_cancel_append(append); /* it comes again, and keeps its place */
        else
            partition_refuse_append(append);
        refuse_batch(piece, append->partition, err);
        return;
    }
    append->bytes = check->stored;
    append->size_bytes = check->stored_bytes;
    append->max_timestamp_ms = check->info.max_timestamp_ms;
    partition_append_ready(append);
}

/* There are no transactions here yet. */
static bool is_transactional(const uint8_t *bytes, uint32_t size_bytes)
{
    struct batch_header header;

    return bytes != NULL && batch_parse_header(bytes, size_bytes, &header) == OK &&
           batch_is_transactional(&header);
}

static void append_partition(struct produce_piece *piece)
{
    struct partition *partition =
        topic_table_find(piece->at->topics, &piece->topic_id, piece->asked->index);
    uint32_t size_bytes = piece->asked->records.size_bytes;
    const uint8_t *bytes = records_of(piece);
    enum err err;

    count(piece, TOPIC_METRIC_PRODUCES, 1);
    if (partition == NULL) {
        finish_with_error(piece, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    if (is_transactional(bytes, size_bytes)) { /* what Kafka says to a request without the id */
        finish_with_error(piece, KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
        return;
    }
    err = check_batch(piece, partition);
    if (err != OK && err != ERR_AGAIN) {
        if (err == ERR_NOMEM)
            partition_note_refused(partition, bytes, size_bytes);
        refuse_batch(piece, partition, err);
        return;
    }
    piece->append = (struct partition_append){
        .op.wait = keep_piece,
        .op.is_preparing = err == ERR_AGAIN,
        .op.held_bytes = size_bytes + HELD_BYTES,
        .bytes = err == ERR_AGAIN ? bytes : piece->check.stored,
        .size_bytes = err == ERR_AGAIN ? size_bytes : piece->check.stored_bytes,
        .max_timestamp_ms = piece->check.info.max_timestamp_ms,
        .for_all = piece->all->acks == KAFKA_ACKS_ALL_ISR,
        .rules.owner = piece->all->owner,
        .done = on_appended,
    };
    partition_append(partition, &piece->append);
}

static void run_piece(struct scatter_piece *scattered, struct shard *at)
{
    struct produce_piece *piece = container_of(scattered, struct produce_piece, piece);

    piece->at = at;
    piece->timeout.fire = on_timeout;
    append_partition(piece);
}

/* ---- at home */

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
        .bytes = records_of(piece),
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
    piece->piece.cancel = cancel_piece;
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

void handle_produce(struct request *request)
{
    const struct produce_request *body = request->body;
    struct shard *home = request->home;
    struct produce *all = request_try_alloc(request, 1, sizeof(*all));
    enum err err = produce_names_check(request);

    if (err != OK) {
        request_refuse(request, err);
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
    scatter_begin(&all->scatter, home, all_answered);
    for (struct produce_piece *piece = all->pieces; piece != NULL; piece = piece->next)
        scatter_start(&all->scatter, &piece->piece,
                      shard_of_partition(home->shards, &piece->topic_id, piece->asked->index),
                      run_piece);
    request_on_cancel(request, on_cancel, all);
    scatter_end(&all->scatter);
}
