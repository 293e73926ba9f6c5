#include "broker/coordinator/state_log.h"

#include "base/check.h"

enum {
    RECORD_BYTES_MAX = 16 << 20,
    SMALL_BYTES = 512,       /* a key, or a value */
    LARGE_BYTES = 64 * 1024, /* of a write: it is counted */
};

/* ---- writes */

void state_write_init(struct state_write *write, struct state_queue *queue,
                      void (*done)(struct state_write *write, enum err err))
{
    struct batch_builder_options options = batch_builder_options_default();

    *write = (struct state_write){.queue = queue, .done = done};
    options.max_bytes = RECORD_BYTES_MAX;
    batch_builder_init(&write->builder, &options);
}

void state_write_deinit(struct state_write *write)
{
    batch_builder_deinit(&write->builder);
}

bool state_write_is_empty(const struct state_write *write)
{
    return batch_builder_record_count(&write->builder) == 0;
}

void state_write_add(struct state_write *write, int16_t type, const void *key,
                     int16_t value_version, const void *value)
{
    const struct record_desc *desc = record_find(RECORD_GROUP, type);
    struct wire_writer key_writer;
    struct wire_writer value_writer;
    struct wire_bytes key_bytes;
    struct wire_bytes value_bytes = {.size_bytes = -1};
    uint8_t key_chunk[SMALL_BYTES]; /* most fit, and many are written in one turn */
    uint8_t value_chunk[SMALL_BYTES];
    struct arena arena;
    enum err err;

    check(desc != NULL);
    if (write->err != OK)
        return;
    arena_init(&arena, RECORD_BYTES_MAX * 2);
    wire_writer_init_with(&key_writer, &arena, key_chunk, sizeof(key_chunk));
    err = record_encode_key(desc, key, &key_writer);
    if (err == OK)
        err = wire_writer_flatten(&key_writer, &key_bytes);
    if (err == OK && value != NULL) {
        wire_writer_init_with(&value_writer, &arena, value_chunk, sizeof(value_chunk));
        err = record_encode_value(desc, value_version, value, &value_writer);
        if (err == OK)
            err = wire_writer_flatten(&value_writer, &value_bytes);
    }
    if (err == OK)
        err = batch_builder_add_pair(&write->builder, key_bytes.bytes, key_bytes.size_bytes,
                                     value_bytes.bytes, value_bytes.size_bytes,
                                     clock_wall_ms(write->queue->partition->shard->clock));
    arena_deinit(&arena);
    write->err = err;
}

void state_write_fail(struct state_write *write, enum err err)
{
    if (write->err == OK)
        write->err = err;
}

/* A group that is written again and again must not fill the memory with copies of itself; but one
 * that takes more than what is left can still be written. */
static bool count(struct state_write *write)
{
    struct state_meter *meter = write->queue->meter;
    uint64_t bytes = write->append.size_bytes;

    if (bytes <= LARGE_BYTES)
        return true;
    if (meter->bytes == 0)
        budget_force(meter->budget, bytes);
    else if (!budget_take(meter->budget, bytes))
        return false;
    meter->bytes += bytes;
    write->counted_bytes = bytes;
    return true;
}

static void uncount(struct state_write *write)
{
    struct state_meter *meter = write->queue->meter;

    if (write->counted_bytes == 0)
        return;
    meter->bytes -= write->counted_bytes;
    budget_give(meter->budget, write->counted_bytes);
    write->counted_bytes = 0;
}

static void finish(struct state_write *write, enum err err)
{
    uncount(write);
    if (list_is_linked(&write->node))
        list_remove(&write->node);
    write->done(write, err);
}

static void on_ack(struct partition_waiter *waiter, enum err err)
{
    finish(container_of(waiter, struct state_write, ack), err);
}

static void on_appended(struct partition_append *append, enum err err)
{
    struct state_write *write = container_of(append, struct state_write, append);

    if (err != OK) {
        finish(write, err);
        return;
    }
    write->ack =
        (struct partition_waiter){.offset = append->result.last_offset + 1, .wake = on_ack};
    partition_wait_ack(append->partition, &write->ack);
}

/* Everything that was added, as one batch. */
static enum err build(struct state_write *write)
{
    struct partition_append *append = &write->append;
    struct batch_header header;
    enum err err = batch_builder_finish(&write->builder, NULL, &append->bytes, &append->size_bytes);

    if (err == OK)
        err = batch_parse(append->bytes, append->size_bytes, &header);
    if (err != OK)
        return err;
    append->max_timestamp_ms = header.max_timestamp_ms;
    append->for_all = true;
    append->done = on_appended;
    return OK;
}

void state_write_start(struct state_write *write)
{
    if (write->err == OK && state_write_is_empty(write)) {
        finish(write, OK);
        return;
    }
    if (write->err == OK)
        write->err = build(write);
    if (write->err == OK && !count(write))
        write->err = ERR_NOMEM;
    if (write->err != OK) {
        finish(write, write->err);
        return;
    }
    list_push_back(&write->queue->started, &write->node);
    partition_append(write->queue->partition, &write->append); /* W1 */
}

/* ---- the queue */

void state_queue_init(struct state_queue *queue, struct partition *partition,
                      struct state_meter *meter)
{
    *queue = (struct state_queue){.partition = partition, .meter = meter};
    list_init(&queue->started);
}

void state_queue_end(struct state_queue *queue, enum err err)
{
    while (!list_is_empty(&queue->started)) {
        struct state_write *write = list_first(&queue->started, struct state_write, node);
        partition_cancel_append(&write->append);
        partition_cancel_wait(&write->ack);
        finish(write, err);
    }
}
