#include "net/client/client_producer.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/client/client_producer_private.h"
#include "net/protocol/kafka_errors.h"

enum { IN_FLIGHT_MAX = 5 }; /* the batches of a producer that a partition remembers (KIP-98) */

struct client_producer_options client_producer_options_default(void)
{
    return (struct client_producer_options){.acks = -1,
                                            .is_idempotent = true,
                                            .transaction_timeout_ms = 60000,
                                            .linger_us = 5000,
                                            .batch_bytes = 16384,
                                            .request_max_bytes = 1 << 20,
                                            .in_flight_max = IN_FLIGHT_MAX,
                                            .delivery_timeout_ms = 120000,
                                            .request_timeout_ms = 30000,
                                            .buffer_memory_bytes = 32 << 20,
                                            .codec = COMPRESSION_NONE,
                                            .compression_level = COMPRESSION_LEVEL_DEFAULT};
}

static struct loop *loop_of(const struct client_producer *producer)
{
    return client_cluster_env(producer->cluster)->loop;
}

void client_producer_deliver_soon(struct client_producer *producer)
{
    loop_defer(loop_of(producer), &producer->deliver);
}

/* ---- what became of records */

static void tell(struct client_producer *producer, struct client_batch *batch)
{
    bool is_stored = batch->err == OK && batch->error_code == KAFKA_NONE;
    struct client_delivery delivery = {.topic = batch->part->topic,
                                       .partition = batch->part->partition,
                                       .error_code = batch->error_code,
                                       .err = batch->err,
                                       .is_ambiguous = !is_stored && batch->may_be_stored,
                                       .base_offset = is_stored ? batch->base_offset : -1,
                                       .append_time_ms = is_stored ? batch->append_time_ms : -1,
                                       .sent_ns = batch->sent_ns,
                                       .size_bytes = batch->size_bytes,
                                       .records_count =
                                           (uint32_t)(batch->records_count - batch->moved_count),
                                       .tokens = batch->tokens + batch->moved_count};

    producer->batches.pending_count -= delivery.records_count;
    producer->batches.pending_bytes -= client_batch_records_bytes(batch);
    producer->events.delivered(producer->context, &delivery);
}

static bool has_room(const struct client_producer *producer)
{
    const struct client_batch_pool *pool = &producer->batches.pool;

    return !list_is_empty(&pool->free) || pool->used_bytes == 0 ||
           pool->used_bytes + pool->batch_bytes + sizeof(struct client_batch) <= pool->max_bytes;
}

bool client_producer_is_drained(const struct client_producer *producer)
{
    return producer->batches.pending_count == 0 && client_sender_is_idle(&producer->sender);
}

static void end_drains(struct client_producer *producer, enum err err)
{
    struct list drains;
    struct list *node;

    list_init(&drains);
    list_splice_back(&drains, &producer->drains);
    while ((node = list_pop_front(&drains)) != NULL) {
        struct client_wait *wait = container_of(node, struct client_wait, node);

        wait->done(wait, err);
    }
}

/* Everything has ended: true when producer is freed. */
static bool close_if_ended(struct client_producer *producer)
{
    void (*closed)(void *context) = producer->closed;
    void *context = producer->closed_context;

    if (!producer->is_closing || !client_sender_is_idle(&producer->sender) ||
        !list_is_empty(&producer->sender.finished) || /* to be told: destroyed by an event */
        !client_identity_is_idle(&producer->identity) ||
        !client_transaction_is_idle(&producer->transaction))
        return false;
    loop_undefer(&producer->deliver);
    end_drains(producer, ERR_CANCELED);
    client_transaction_teardown(&producer->transaction);
    client_sender_deinit(&producer->sender);
    client_batches_deinit(&producer->batches);
    mem_free(producer->transactional_id);
    mem_free(producer);
    if (closed != NULL)
        closed(context);
    return true;
}

static void on_deliver(struct task *task)
{
    struct client_producer *producer = container_of(task, struct client_producer, deliver);
    struct list *node;

    while ((node = list_pop_front(&producer->sender.finished)) != NULL) {
        struct client_batch *batch = container_of(node, struct client_batch, node);

        tell(producer, batch);
        client_batches_give(&producer->batches, batch);
    }
    if (producer->is_fatal && !producer->is_fatal_told) {
        producer->is_fatal_told = true;
        if (producer->events.fatal != NULL)
            producer->events.fatal(producer->context, producer->fatal_code, producer->fatal_err);
    }
    if (producer->wants_room && has_room(producer)) {
        producer->wants_room = false;
        if (producer->events.room != NULL && !producer->is_closing)
            producer->events.room(producer->context);
    }
    client_transaction_advance(producer);
    if (!close_if_ended(producer) && producer->batches.pending_count == 0)
        end_drains(producer, OK);
}

/* ---- hooks */

static bool on_may_send(void *context, struct client_part *part)
{
    return client_transaction_may_send(context, part);
}

static bool on_gives_up(void *context, int16_t *error_code, enum err *err)
{
    const struct client_producer *producer = context;

    if (producer->is_closing) {
        *error_code = KAFKA_NONE;
        *err = ERR_CANCELED;
        return true;
    }
    if (producer->is_fatal) {
        *error_code = producer->fatal_code;
        *err = producer->fatal_err;
        return true;
    }
    return client_transaction_gives_up(producer, error_code, err);
}

static void on_failed(void *context, const struct client_batch *batch, int16_t error_code,
                      enum err err, bool is_fatal)
{
    struct client_producer *producer = context;

    if (is_fatal)
        client_producer_fail(producer, error_code, err);
    else if (producer->transactional_id != NULL)
        client_transaction_batch_failed(producer, batch->base_sequence >= 0, error_code, err);
}

static void on_tell(void *context, struct client_batch *batch)
{
    tell(context, batch);
    client_producer_deliver_soon(context);
}

static void on_ended(void *context)
{
    client_producer_deliver_soon(context);
}

static const struct client_sender_events sender_events = {.may_send = on_may_send,
                                                          .gives_up = on_gives_up,
                                                          .failed = on_failed,
                                                          .tell = on_tell,
                                                          .ended = on_ended};

static void on_known(struct client_identity *identity)
{
    struct client_producer *producer = container_of(identity, struct client_producer, identity);

    if (producer->is_closing)
        client_producer_deliver_soon(producer);
    else
        client_sender_wake_all(&producer->sender);
}

static void on_refused(struct client_identity *identity, int16_t error_code, enum err err)
{
    client_producer_fail(container_of(identity, struct client_producer, identity), error_code, err);
}

void client_producer_fail(struct client_producer *producer, int16_t error_code, enum err err)
{
    if (producer->is_fatal || producer->is_closing)
        return;
    producer->is_fatal = true;
    producer->fatal_code = error_code;
    producer->fatal_err = err;
    client_sender_drop_all(&producer->sender, error_code, err);
    client_transaction_end(producer);
    client_producer_deliver_soon(producer);
}

/* ---- life */

static bool is_valid(const struct client_producer_options *options)
{
    if (options->acks < -1 || options->acks > 1 || options->in_flight_max == 0 ||
        options->batch_bytes == 0 || options->request_max_bytes < BATCH_HEADER_BYTES ||
        options->request_max_bytes > INT32_MAX || options->request_timeout_ms > INT32_MAX ||
        options->transaction_timeout_ms > INT32_MAX || !compression_is_known((int)options->codec))
        return false;
    if (options->transactional_id != NULL && !options->is_idempotent)
        return false;
    return !options->is_idempotent ||
           (options->acks == -1 && options->in_flight_max <= IN_FLIGHT_MAX);
}

enum err client_producer_create(struct client_cluster *cluster,
                                const struct client_producer_options *options,
                                const struct client_producer_events *events, void *context,
                                struct client_producer **out)
{
    struct client_producer_options checked = *options;
    struct client_producer *producer;
    enum err err;

    if (checked.transactional_id != NULL)
        checked.is_idempotent = true;
    if (!is_valid(&checked))
        return ERR_INVALID;
    producer = mem_try_alloc(sizeof(*producer));
    if (producer == NULL)
        return ERR_NOMEM;
    producer->cluster = cluster;
    producer->options = checked;
    producer->events = *events;
    producer->context = context;
    if (checked.transactional_id != NULL)
        producer->transactional_id = mem_strdup(checked.transactional_id);
    producer->options.transactional_id = producer->transactional_id;
    err = client_batches_init(&producer->batches, &producer->options, cluster);
    if (err != OK) {
        mem_free(producer->transactional_id);
        mem_free(producer);
        return err;
    }
    client_identity_init(&producer->identity, cluster);
    producer->identity.known = on_known;
    producer->identity.refused = on_refused;
    client_sender_init(&producer->sender, cluster, &producer->options, &producer->batches,
                       &producer->identity, &sender_events, producer);
    client_transaction_setup(&producer->transaction);
    list_init(&producer->drains);
    producer->deliver.run = on_deliver;
    *out = producer;
    return OK;
}

void client_producer_destroy(struct client_producer *producer, void (*closed)(void *context),
                             void *context)
{
    check(!producer->is_closing);
    producer->is_closing = true;
    producer->closed = closed;
    producer->closed_context = context;
    client_sender_stop(&producer->sender);
    client_identity_stop(&producer->identity);
    client_transaction_end(producer);
    client_producer_deliver_soon(producer);
}

/* ---- records in */

enum err client_producer_send(struct client_producer *producer, const struct client_record *record)
{
    enum err err;

    if (producer->is_closing || producer->is_fatal)
        return ERR_REFUSED;
    if (producer->transactional_id != NULL &&
        producer->transaction.state != CLIENT_TRANSACTION_OPEN) /* CPR-5 */
        return ERR_REFUSED;
    err = client_batches_add(&producer->batches, record);
    if (err == ERR_FULL) {
        producer->wants_room = true;
        client_sender_flush(&producer->sender);
        if (producer->batches.pending_count == 0) /* memory was refused: nothing else will end */
            client_producer_deliver_soon(producer);
    }
    client_sender_note(&producer->sender);
    return err;
}

void client_producer_flush(struct client_producer *producer)
{
    client_sender_flush(&producer->sender);
}

void client_producer_drain(struct client_producer *producer, struct client_wait *wait)
{
    client_sender_flush(&producer->sender);
    list_push_back(&producer->drains, &wait->node);
    client_producer_deliver_soon(producer);
}

/* ---- questions */

uint64_t client_producer_pending_count(const struct client_producer *producer)
{
    return producer->batches.pending_count;
}

uint64_t client_producer_pending_bytes(const struct client_producer *producer)
{
    return producer->batches.pending_bytes;
}

int64_t client_producer_id(const struct client_producer *producer)
{
    return producer->identity.producer_id;
}

int16_t client_producer_epoch(const struct client_producer *producer)
{
    return producer->identity.producer_epoch;
}

int32_t client_producer_partition_of(const void *key, size_t key_bytes, int32_t partitions_count)
{
    return client_partitioner_of_key(key, key_bytes, partitions_count);
}
