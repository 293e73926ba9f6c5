/* A piece of a Produce request: one batch, on the shard of its partition.
 *
 * The walk: append_partition: check, and recode when the topic has a codec of its own
 * (batch_check); where its transaction is not open on the partition, wait for the coordinator's
 * word (produce_registration) → append_batch, which may wait for a longer check and for room in the
 * order of arrival (partition_append) → on_appended: wait for the acknowledgement, acks=all until
 * the high watermark has passed the batch, acks=1 until it is durable (or, by the topic's mode, in
 * the kernel) here; all waits together at most for the client's timeout. */
#include "broker/handlers/produce_private.h"
#include "broker/handlers/produce_transaction.h"
#include "broker/kafka_error.h"
#include "broker/topic_table.h"
#include "broker/validation.h"
#include "net/protocol/kafka_enums.h"

enum {
    /* Kafka gives the timeout no meaning below acks=all, so a tiny one there is none. */
    UNASKED_TIMEOUT_MIN_MS = 10000,
    /* What a piece that waits keeps beside its records, roughly: its part of the request. */
    HELD_BYTES = 8 << 10,
};

static void finish_piece(struct produce_piece *piece)
{
    loop_cancel_timer(&piece->at->loop, &piece->timeout);
    batch_check_cancel(&piece->check);
    produce_registration_leave(&piece->registration);
    scatter_finish(&piece->piece);
}

/* On the piece's shard; NULL: it is not there. */
static struct partition *partition_of(const struct produce_piece *piece)
{
    return topic_table_find(piece->at->topics, &piece->topic_id, piece->asked->index);
}

static void count(const struct produce_piece *piece, enum topic_metric metric, uint64_t n)
{
    struct partition *partition = partition_of(piece);

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

/* The partition was here when we looked it up.  What lacks memory comes again: every producer does
 * so after NOT_ENOUGH_REPLICAS, and librdkafka gives the records up after other words for it. */
static int16_t partition_error(enum err err)
{
    if (err == ERR_NOMEM || err == ERR_FULL)
        return KAFKA_NOT_ENOUGH_REPLICAS;
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

const uint8_t *produce_piece_records(const struct produce_piece *piece)
{
    const struct wire_records *records = &piece->asked->records;

    return records->slice_count == 0 ? NULL : records->slices[0].bytes;
}

/* It is not appended now, and comes again: what its producer sent after it has to wait for it. */
static void note_refused(struct produce_piece *piece)
{
    struct partition *partition = partition_of(piece);

    if (partition != NULL)
        partition_note_refused(partition, produce_piece_records(piece),
                               piece->asked->records.size_bytes);
}

/* What waits for its check, its coordinator or for room is not appended any more; what waits for
 * its acknowledgement may be there. */
static void end_wait(struct produce_piece *piece)
{
    if (produce_registration_waits(&piece->registration))
        note_refused(piece);
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
        return produce_registration_waits(&piece->registration) ||
               partition_presses_append(&piece->append);
    case REQUEST_PEER_GONE:
        return !append_op_is_waiting(&piece->append.op) &&
               !produce_registration_waits(&piece->registration);
    default:
        return why == REQUEST_CUT;
    }
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

void produce_piece_cancel(struct scatter_piece *scattered, int why)
{
    struct produce_piece *piece = container_of(scattered, struct produce_piece, piece);

    if (ends_for(piece, why))
        end_wait(piece);
}

/* ---- the append */

/* What the check found, in the words that clients know. */
static void refuse_batch(struct produce_piece *piece, enum err err)
{
    const struct partition *partition = partition_of(piece);
    const struct batch_info *info = &piece->check.info;
    struct produce_response_partition_produce_response *answer = piece->answer;

    log_line(piece->at->sink, LOG_DEBUG, "LVE-4102", "a batch was refused",
             log_str("topic", partition == NULL ? "" : partition->topic_name),
             log_i64("partition", piece->asked->index), log_str("reason", info->text),
             log_err(err));
    if (partition != NULL && (err == ERR_RECORD || err == ERR_TIMESTAMP))
        answer->log_start_offset = partition_offsets(partition).log_start;
    finish_with_error(piece, partition_error(err));
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
        .bytes = produce_piece_records(piece),
        .size_bytes = piece->asked->records.size_bytes,
        .frame = request->frame,
        .owner = {.client = piece->all->owner, .request = request},
        .budget = memory_budget(&request->home->memory, MEMORY_DECODED),
        .done = on_checked,
    };
    return batch_check_start(&piece->check, piece->at);
}

/* As Kafka does, where the log refuses; of a transaction the coordinator does, for these two. */
static bool tells_log_start(const struct produce_piece *piece, enum err err)
{
    switch (err) {
    case ERR_SEQUENCE:
        return true;
    case ERR_PRODUCER_EPOCH:
    case ERR_TXN_STATE:
        return !batch_is_transactional(&piece->check.info.header);
    default:
        return false;
    }
}

static void on_appended(struct partition_append *append, enum err err)
{
    struct produce_piece *piece = container_of(append, struct produce_piece, append);
    struct partition *partition = append->partition;
    const struct log_append_result *result = &append->result;
    struct produce_response_partition_produce_response *answer = piece->answer;
    int16_t acks = piece->all->acks;

    if (err != OK) {
        if (tells_log_start(piece, err))
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

/* It takes its place in the partition's order, also while it is still looked at. */
static void append_batch(struct produce_piece *piece, struct partition *partition)
{
    const struct batch_check *check = &piece->check;
    bool is_preparing = batch_check_is_running(check);
    const uint8_t *bytes = produce_piece_records(piece);
    uint32_t size_bytes = piece->asked->records.size_bytes;

    piece->append = (struct partition_append){
        .op.wait = keep_piece,
        .op.is_preparing = is_preparing,
        .op.held_bytes = size_bytes + HELD_BYTES,
        .bytes = is_preparing ? bytes : check->stored,
        .size_bytes = is_preparing ? size_bytes : check->stored_bytes,
        .max_timestamp_ms = check->info.max_timestamp_ms,
        .for_all = piece->all->acks == KAFKA_ACKS_ALL_ISR,
        .rules = produce_transaction_rules(piece->all->request->api_version, piece->all->owner,
                                           bytes, size_bytes),
        .done = on_appended,
    };
    piece->append.rules.is_registered = piece->is_registered;
    partition_append(partition, &piece->append);
}

static void refuse_for_word(struct produce_piece *piece, int16_t error)
{
    int16_t code = produce_transaction_error(error, piece->all->request->api_version);

    piece->answer->error_message = wire_string(produce_transaction_message(error, code));
    if (produce_transaction_keeps_place(code))
        note_refused(piece);
    finish_with_error(piece, code);
}

static void on_word(struct produce_registration *registration, int16_t error)
{
    struct produce_piece *piece = container_of(registration, struct produce_piece, registration);
    struct partition *partition = partition_of(piece);

    if (error != KAFKA_NONE) {
        refuse_for_word(piece, error);
    } else if (partition == NULL) {
        finish_with_error(piece, KAFKA_NOT_LEADER_OR_FOLLOWER);
    } else {
        piece->is_registered = true;
        append_batch(piece, partition);
    }
}

/* The outcome of a check that did not end at once: its place in the order was kept. */
static void on_checked(struct batch_check *check, enum err err)
{
    struct produce_piece *piece = container_of(check, struct produce_piece, check);
    struct partition_append *append = &piece->append;

    if (err == OK)
        err = batch_check_keep(check); /* it may have to wait for room */
    if (err != OK) {
        if (produce_registration_waits(&piece->registration) && err == ERR_NOMEM)
            note_refused(piece);
        else if (err == ERR_NOMEM)
            partition_cancel_append(append); /* it comes again, and keeps its place */
        else
            partition_refuse_append(append);
        refuse_batch(piece, err);
        return;
    }
    if (produce_registration_waits(&piece->registration))
        return; /* on_word appends it */
    append->bytes = check->stored;
    append->size_bytes = check->stored_bytes;
    append->max_timestamp_ms = check->info.max_timestamp_ms;
    partition_append_ready(append);
}

/* It waits for the coordinator's word; the piece may be gone.  Else the error. */
static enum err wait_for_word(struct produce_piece *piece,
                              const struct produce_registration_ask *ask)
{
    enum err err = batch_check_is_running(&piece->check) ? OK : batch_check_keep(&piece->check);

    if (err != OK)
        return err;
    limit_wait(piece);
    piece->registration.done = on_word;
    return produce_registration_wait(piece->at->registrations, ask, &piece->registration);
}

static void append_partition(struct produce_piece *piece)
{
    struct partition *partition = partition_of(piece);
    uint32_t size_bytes = piece->asked->records.size_bytes;
    const uint8_t *bytes = produce_piece_records(piece);
    struct produce_registration_ask ask;
    enum err err;

    count(piece, TOPIC_METRIC_PRODUCES, 1);
    if (partition == NULL) {
        finish_with_error(piece, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    err = check_batch(piece, partition);
    if (err == ERR_AGAIN)
        err = OK; /* it goes on */
    if (err == OK && !produce_transaction_asks(piece->all->request, partition, bytes, size_bytes,
                                               &ask, &piece->is_registered)) {
        append_batch(piece, partition);
        return;
    }
    if (err == OK)
        err = wait_for_word(piece, &ask);
    if (err == ERR_NOMEM)
        note_refused(piece);
    if (err == ERR_EXISTS)
        finish_with_error(piece, KAFKA_NOT_ENOUGH_REPLICAS);
    else if (err != OK)
        refuse_batch(piece, err);
}

void produce_piece_run(struct scatter_piece *scattered, struct shard *at)
{
    struct produce_piece *piece = container_of(scattered, struct produce_piece, piece);

    piece->at = at;
    piece->timeout.fire = on_timeout;
    append_partition(piece);
}
