/* add ... → start: appended → on_appended → on_ack: durable → go_on: applied → done.  With
 * applies_at_append: → on_appended → go_on: applied → on_ack: durable → go_on: done. */
#include "broker/coordinator/runtime_write.h"

#include "base/check.h"

enum {
    RECORD_BYTES_MAX = 16 << 20,
    SMALL_BYTES = 512,       /* a key, or a value */
    LARGE_BYTES = 64 * 1024, /* of a write: it is counted */
    SLICE_RECORDS = 1000,    /* applied in one turn of a write that is sliced */
};

/* ---- making one */

void runtime_write_init(struct runtime_write *write, struct runtime_partition *partition,
                        runtime_write_fn *done)
{
    struct batch_builder_options options = batch_builder_options_default();

    *write = (struct runtime_write){.partition = partition, .done = done};
    options.max_bytes = RECORD_BYTES_MAX;
    batch_builder_init(&write->builder, &options);
}

void runtime_write_deinit(struct runtime_write *write)
{
    check(!list_is_linked(&write->node));
    batch_builder_deinit(&write->builder);
}

static bool is_empty(const struct runtime_write *write)
{
    return batch_builder_record_count(&write->builder) == 0;
}

uint32_t runtime_write_size_bytes(const struct runtime_write *write)
{
    return batch_builder_size_bytes(&write->builder);
}

void runtime_write_add(struct runtime_write *write, int16_t type, const void *key,
                       int16_t value_version, const void *value)
{
    const struct runtime *runtime = write->partition->runtime;
    const struct record_desc *desc = record_find(runtime->kind->family, type);
    struct wire_writer key_writer;
    struct wire_writer value_writer;
    struct wire_bytes key_bytes;
    struct wire_bytes value_bytes = {.size_bytes = -1};
    uint8_t key_chunk[SMALL_BYTES]; /* most fit, and many are written in one turn */
    uint8_t value_chunk[SMALL_BYTES];
    struct arena arena;
    enum err err;

    check(desc != NULL && !write->is_marker);
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
                                     clock_wall_ms(runtime->shard->clock));
    arena_deinit(&arena);
    write->err = err;
}

/* Of a producer's transaction: who has brought them, and registered the partition, is a coordinator
 * of ours. */
static void set_producer(struct runtime_write *write, int64_t producer_id, int16_t epoch,
                         bool is_control)
{
    struct batch_builder_options options = write->builder.options;

    check(is_empty(write));
    options.transactional = true;
    options.control = is_control;
    options.producer_id = producer_id;
    options.producer_epoch = epoch;
    options.base_sequence = is_control ? BATCH_NO_SEQUENCE : 0;
    batch_builder_reset(&write->builder, &options);
    write->append.rules.origin = PRODUCER_COORDINATOR;
}

void runtime_write_set_transaction(struct runtime_write *write, int64_t producer_id, int16_t epoch)
{
    set_producer(write, producer_id, epoch, false);
}

void runtime_write_set_marker(struct runtime_write *write, const struct control_marker *marker,
                              int64_t producer_id, int16_t epoch, bool txn_v2)
{
    const struct runtime *runtime = write->partition->runtime;

    set_producer(write, producer_id, epoch, true);
    write->is_marker = true;
    write->marker = *marker;
    write->append.rules.txn_v2 = txn_v2;
    write->append.urgent = true; /* PMK-1 */
    if (write->err == OK)
        write->err =
            batch_builder_add_marker(&write->builder, marker, clock_wall_ms(runtime->shard->clock));
}

void runtime_write_fail(struct runtime_write *write, enum err err)
{
    if (write->err == OK)
        write->err = err;
}

/* ---- what large ones hold */

/* A state that is written again and again must not fill the memory with copies of itself; but one
 * that takes more than what is left can still be written. */
static bool count(struct runtime_write *write)
{
    struct runtime_meter *meter = &write->partition->runtime->meter;
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

static void uncount(struct runtime_write *write)
{
    struct runtime_meter *meter = &write->partition->runtime->meter;

    if (write->counted_bytes == 0)
        return;
    meter->bytes -= write->counted_bytes;
    budget_give(meter->budget, write->counted_bytes);
    write->counted_bytes = 0;
}

/* ---- applying, in order */

static void finish(struct runtime_write *write, enum err err)
{
    uncount(write);
    if (list_is_linked(&write->node))
        list_remove(&write->node);
    write->done(write, err);
}

/* True: that was all of it. */
static bool apply_marker(struct runtime_write *write)
{
    const struct runtime *runtime = write->partition->runtime;
    struct runtime_record of = {.write = write,
                                .batch = &write->reader.header,
                                .marker = &write->marker,
                                .partition_index = write->partition->partition->index,
                                .offset = write->append.result.base_offset,
                                .key_bytes = -1,
                                .value_bytes = -1};
    enum err err = runtime->kind->apply(runtime->coordinator, &of);

    check(err == OK || err == ERR_AGAIN);
    return err == OK;
}

/* So many of its records.  True: that was all. */
static bool apply_records(struct runtime_write *write, uint32_t max_count)
{
    const struct runtime *runtime = write->partition->runtime;
    struct runtime_record of = {.write = write,
                                .batch = &write->reader.header,
                                .partition_index = write->partition->partition->index};
    struct record record;
    enum err err = OK;

    for (uint32_t i = 0; i < max_count; i++) {
        err = batch_reader_next(&write->reader, &record, &of.offset, NULL);
        if (err != OK)
            break;
        of.key = record.key;
        of.key_bytes = record.key_bytes;
        of.value = record.value;
        of.value_bytes = record.value_bytes;
        of.index = write->applied_count++;
        check(runtime->kind->apply(runtime->coordinator, &of) == OK);
    }
    check(err == OK || err == ERR_NOT_FOUND);
    return err == ERR_NOT_FOUND;
}

/* All of it, or a slice.  True: that was all. */
static bool apply_some(struct runtime_write *write, bool is_sliced)
{
    if (is_empty(write) || write->append.result.duplicate) /* RWR-4 */
        return true;
    if (write->applied_count == 0) { /* its own bytes, not compressed: no memory is needed */
        check(batch_reader_open(&write->reader, write->append.bytes, write->append.size_bytes) ==
              OK);
        write->reader.header.base_offset = write->append.result.base_offset;
    }
    if (!write->is_marker)
        return apply_records(write, is_sliced ? SLICE_RECORDS : UINT32_MAX);
    while (!apply_marker(write))
        if (is_sliced)
            return false;
    return true;
}

static struct runtime_write *first_of(struct list *writes)
{
    return list_is_empty(writes) ? NULL : list_first(writes, struct runtime_write, node);
}

/* The first one that is applied may have become durable.  True: it has ended. */
static bool end_one(struct runtime_partition *partition)
{
    struct runtime_write *write = first_of(&partition->applied);

    if (write == NULL || !write->is_durable)
        return false;
    finish(write, is_empty(write) ? partition->lost : OK); /* RWR-3 */
    return true;
}

/* The first one that is not applied, where it may be.  False: it may not, or a turn goes on with
 * it. */
static bool apply_one(struct runtime_partition *partition)
{
    struct runtime_write *write = first_of(&partition->writes);
    bool at_append = partition->runtime->kind->applies_at_append;

    if (write == NULL || !(at_append ? write->is_appended : write->is_durable))
        return false;
    if (!apply_some(write, write->is_sliced || write->is_marker)) {
        loop_defer(&partition->runtime->shard->loop, &partition->turn);
        return false;
    }
    if (!at_append) {
        finish(write, OK);
        return true;
    }
    list_remove(&write->node);
    list_push_back(&partition->applied, &write->node);
    if (write->appended != NULL)
        write->appended(write);
    return true;
}

/* RWR-1: only the first of them; what ends in a done has its turn in the loop that is under way,
 * and while one is applied in turns nothing behind it is. */
void runtime_write_go_on(struct runtime_partition *partition)
{
    if (partition->is_going_on)
        return;
    partition->is_going_on = true;
    while (end_one(partition) || (!list_is_linked(&partition->turn.node) && apply_one(partition)))
        continue;
    partition->is_going_on = false;
}

/* ---- the log */

static void fail(struct runtime_write *write, enum err err)
{
    struct runtime_partition *partition = write->partition;

    finish(write, err);
    runtime_write_go_on(partition); /* it may have been the first one */
}

static void on_ack(struct partition_waiter *waiter, enum err err)
{
    struct runtime_write *write = container_of(waiter, struct runtime_write, ack);

    if (err != OK) {
        if (write->partition->runtime->kind->applies_at_append)
            write->partition->lost = err;
        fail(write, err);
        return;
    }
    write->is_durable = true;
    runtime_write_go_on(write->partition);
}

static void on_appended(struct partition_append *append, enum err err)
{
    struct runtime_write *write = container_of(append, struct runtime_write, append);
    struct runtime_partition *partition = write->partition;

    if (err != OK) {
        fail(write, err);
        return;
    }
    write->is_appended = true;
    if (write->appended != NULL && !partition->runtime->kind->applies_at_append)
        write->appended(write);
    write->ack =
        (struct partition_waiter){.offset = append->result.last_offset + 1, .wake = on_ack};
    partition_wait_ack(append->partition, &write->ack);
    runtime_write_go_on(partition); /* it may have ended in its wait */
}

/* Everything that was added, as one batch. */
static enum err build(struct runtime_write *write)
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

void runtime_write_start(struct runtime_write *write)
{
    struct runtime_partition *partition = write->partition;

    if (write->err == OK && !is_empty(write))
        write->err = build(write);
    if (write->err == OK && !count(write))
        write->err = ERR_NOMEM;
    if (write->err != OK) {
        finish(write, write->err);
        return;
    }
    list_push_back(&partition->writes, &write->node);
    if (!is_empty(write)) {
        partition_append(partition->partition, &write->append);
        return;
    }
    write->is_appended = true;
    write->is_durable = true; /* RWR-3 */
    runtime_write_go_on(partition);
}

void runtime_write_cancel(struct runtime_write *write)
{
    check(!write->partition->is_going_on && !write->is_marker);
    partition_cancel_append(&write->append);
    partition_cancel_wait(&write->ack);
    uncount(write);
    list_remove(&write->node);
    runtime_write_go_on(write->partition); /* it may have been the first one */
}

/* The first one of all. */
static struct runtime_write *next_to_end(struct runtime_partition *partition)
{
    struct runtime_write *write = first_of(&partition->applied);

    return write != NULL ? write : first_of(&partition->writes);
}

void runtime_write_end_all(struct runtime_partition *partition, enum err err)
{
    struct runtime_write *write;
    bool is_cut = false;

    partition->is_going_on = true;
    while ((write = next_to_end(partition)) != NULL) {
        bool is_applied = write == first_of(&partition->applied);
        is_cut = is_cut || !write->is_durable;
        partition_cancel_append(&write->append);
        partition_cancel_wait(&write->ack);
        if (!is_cut && !is_applied)
            check(apply_some(write, false));
        finish(write, is_cut ? err : OK);
    }
}
