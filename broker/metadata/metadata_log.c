/* Opening, replay and appends; metadata_log_snapshot.c holds the rest of metadata_log.h.
 *
 * The walk of an append: build_batch → append_queue, which may wait for room in the journal →
 * put_batch → on_progress: the batch is durable: the high watermark moves, committed → the follower
 * applies it → metadata_log_taken: done. */
#include "broker/metadata/metadata_log.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/metadata/image_replay.h"
#include "broker/metadata/metadata_log_private.h"

#include <stdio.h>

#define APPEND_ARENA_MAX_BYTES ((size_t)64 << 20)

static const struct log_id metadata_log_id = {
    .topic_id = {.bytes = {[15] = 1}}, /* Kafka's Uuid.METADATA_TOPIC_ID */
    .partition = 0,
};

/* ---- open */

struct replaying {
    struct metadata_log *log;
    struct image_replay replay;
    struct delta delta;
    enum err err;
    int64_t offset;
};

static bool on_batch(void *context, const uint8_t *bytes, uint32_t size_bytes)
{
    struct replaying *replaying = context;
    struct batch_header header;
    enum err err = batch_parse(bytes, size_bytes, &header);

    if (err == OK) {
        replaying->offset = header.base_offset;
        err = batch_crc_is_good(bytes, &header) ? OK : ERR_CORRUPT;
    }
    if (err == OK && header.leader_epoch > replaying->log->epoch)
        replaying->log->epoch = header.leader_epoch;
    /* a batch below the snapshot's end was only read because the scan begins at whole batches */
    if (err == OK && batch_last_offset(&header) > image_offset(replaying->replay.image))
        err = image_replay_batch(&replaying->replay, bytes, size_bytes, &replaying->delta);
    replaying->log->appended_bytes += size_bytes;
    replaying->err = err;
    return err == OK;
}

static enum err replay_log(struct metadata_log *log, struct image *image)
{
    struct replaying replaying = {.log = log, .offset = image_offset(image) + 1};
    struct log_offsets offsets = log_offsets(log->log);
    int64_t from = image_offset(image) + 1;
    enum err err = OK;

    if (offsets.log_start > from || offsets.log_end < from)
        err =
            ERR_CORRUPT; /* a gap between snapshot and log, or a tail that the snapshot outlived */
    image_replay_init(&replaying.replay, image);
    delta_init(&replaying.delta);
    if (err == OK)
        err = log_scan(log->log, from, on_batch, &replaying);
    if (err == OK)
        err = replaying.err;
    log->open_transaction = replaying.replay.in_transaction;
    delta_deinit(&replaying.delta);
    image_replay_deinit(&replaying.replay);
    if (err != OK)
        log_line(log->world.sink, LOG_ERROR, "LVE-4001", "the metadata log cannot be replayed",
                 log_i64("offset", replaying.offset), log_i64("log_start", offsets.log_start),
                 log_i64("log_end", offsets.log_end), log_err(err),
                 log_str("record", image_refused(image)));
    return err;
}

static void on_progress(void *context, struct log *log);

enum err metadata_log_open(const struct metadata_log_world *world,
                           const struct metadata_log_options *options, struct image *image,
                           struct metadata_log **out)
{
    static const struct log_events events = {.progress = on_progress};
    const struct log_config config = {
        .segment_bytes = options->segment_bytes,
        .segment_ms = INT64_MAX,
        .retention_ms = -1,
        .retention_bytes = -1,
        .index_interval_bytes = 4096,
        .segment_index_bytes = 10 << 20,
        .file_delete_delay_ms = 60000,
        .reserved_space = true,
        .required = true,
    };
    struct batch_builder_options builder = batch_builder_options_default();
    struct metadata_log *log = mem_alloc(sizeof(*log));
    char dir[PATH_MAX_BYTES];
    enum err err;

    log->world = *world;
    log->options = *options;
    snprintf(dir, sizeof(dir), "%s/%s-0", world->dir, METADATA_LOG_TOPIC);
    log->dir = mem_strdup(dir);
    log->world.dir = NULL;
    append_queue_init(&log->queue, world->store, NULL, 0); /* none of its own has a key */
    batch_builder_init(&log->builder, &builder);
    arena_init(&log->arena, APPEND_ARENA_MAX_BYTES);
    err = log_open(world->store, &metadata_log_id, METADATA_LOG_TOPIC, &config, &events, log,
                   &log->log);
    if (err == OK && log_is_quarantined(log->log)) {
        err = ERR_QUARANTINED;
    } else if (err == OK) {
        err = metadata_log_load_snapshot(log, image);
        if (err == OK && log->snapshot_count > 0)
            log->epoch = log->snapshots[0].epoch;
        if (err == OK)
            err = replay_log(log, image);
    }
    if (err != OK) {
        metadata_log_close(log);
        return err;
    }
    *out = log;
    return OK;
}

void metadata_log_close(struct metadata_log *log)
{
    if (log == NULL)
        return;
    check(!log->writing.write.op.in_flight);
    append_queue_deinit(&log->queue);
    if (log->log != NULL)
        log_close(log->log);
    mem_free(log->writing.bytes);
    batch_builder_deinit(&log->builder);
    arena_deinit(&log->arena);
    mem_free(log->dir);
    mem_free(log);
}

int32_t metadata_log_last_epoch(const struct metadata_log *log)
{
    return log->epoch;
}

int64_t metadata_log_end(const struct metadata_log *log)
{
    return log_offsets(log->log).log_end;
}

/* ---- appends */

static enum err build_batch(struct metadata_log *log, const struct metadata_records *records,
                            const uint8_t **bytes_out, uint32_t *size_out)
{
    struct batch_builder_options options = batch_builder_options_default();
    int64_t now_ms = clock_wall_ms(log->world.clock);
    enum err err = OK;

    options.base_offset = metadata_log_end(log);
    options.leader_epoch = log->epoch;
    batch_builder_reset(&log->builder, &options);
    arena_reset(&log->arena);
    for (uint32_t i = 0; i < records->count && err == OK; i++) {
        struct wire_writer writer;
        struct wire_bytes value;
        wire_writer_init(&writer, &log->arena);
        err = metadata_record_encode(&records->items[i], &writer);
        if (err == OK)
            err = wire_writer_flatten(&writer, &value);
        if (err == OK)
            err = batch_builder_add_pair(&log->builder, NULL, -1, value.bytes, value.size_bytes,
                                         now_ms);
    }
    if (err == OK)
        err = batch_builder_finish(&log->builder, NULL, bytes_out, size_out);
    if (err == OK)
        err = batch_parse(*bytes_out, *size_out, &log->header);
    return err;
}

/* The bytes to the storage log, which takes them or says why not. */
static enum err put_batch(struct metadata_log *log, const uint8_t *bytes, uint32_t size_bytes,
                          bool urgent)
{
    struct log_append_result result;
    struct log_append append = {.bytes = bytes,
                                .size_bytes = size_bytes,
                                .max_timestamp_ms = log->header.max_timestamp_ms,
                                .leader_epoch = log->epoch,
                                .now_ms = clock_wall_ms(log->world.clock),
                                .urgent = urgent};
    enum err err = log_append_leader(log->log, &append, &result);

    if (err != OK)
        return err;
    check(result.base_offset == log->header.base_offset); /* nobody else appends here */
    log->appended_bytes += size_bytes;
    return OK;
}

static void finish_append(struct metadata_log *log, enum err err)
{
    struct metadata_append *append = log->in_flight;

    log->in_flight = NULL;
    append->done(append, err);
}

/* The batch in flight is durable: it may be seen.  (MLG-1) */
static void hand_over(struct metadata_log *log)
{
    struct metadata_append *append = log->in_flight;

    append->is_committed = true;
    if (log->committed == NULL)
        finish_append(log, OK);
    else
        log->committed(log->committed_context, append->bytes, append->size_bytes);
}

void metadata_log_follow(struct metadata_log *log,
                         void (*committed)(void *context, const uint8_t *bytes,
                                           uint32_t size_bytes),
                         void *context)
{
    log->committed = committed;
    log->committed_context = context;
}

bool metadata_log_is_handing_over(const struct metadata_log *log)
{
    return log->in_flight != NULL && log->in_flight->is_committed;
}

void metadata_log_taken(struct metadata_log *log)
{
    check(metadata_log_is_handing_over(log)); /* MLG-1 */
    finish_append(log, OK);
}

static enum err put_append(struct append_op *op)
{
    struct metadata_append *append = container_of(op, struct metadata_append, op);

    return put_batch(append->log, append->bytes, append->size_bytes, append->urgent);
}

/* The log has it, or will not have it; durable it is later. */
static void on_put(struct append_op *op, enum err err)
{
    struct metadata_append *append = container_of(op, struct metadata_append, op);

    if (append->is_starting)
        append->put_err = err;
    else if (err != OK)
        finish_append(append->log, err);
}

enum err metadata_log_append(struct metadata_log *log, const struct metadata_records *records,
                             struct metadata_append *append)
{
    enum err err;

    check(log->in_flight == NULL); /* MLG-1 */
    check(records->count > 0);
    err = build_batch(log, records, &append->bytes, &append->size_bytes);
    if (err != OK)
        return err;
    append->log = log;
    append->is_committed = false;
    append->op = (struct append_op){.put = put_append, .done = on_put};
    append->put_err = OK;
    append->is_starting = true;
    log->in_flight = append;
    append_queue_add(&log->queue, &append->op);
    append->is_starting = false;
    if (append->put_err != OK)
        log->in_flight = NULL;
    return append->put_err;
}

static void on_progress(void *context, struct log *storage_log)
{
    struct metadata_log *log = context;
    struct log_offsets offsets = log_offsets(storage_log);

    if (offsets.durable > offsets.high_watermark)
        log_set_high_watermark(storage_log, offsets.durable);
    if (log->in_flight == NULL || append_op_is_waiting(&log->in_flight->op))
        return;
    if (offsets.durable > batch_last_offset(&log->header) && !log->in_flight->is_committed)
        hand_over(log);
}

enum err metadata_log_begin(struct metadata_log *log, int32_t epoch)
{
    struct metadata_records records;
    struct arena arena;
    const uint8_t *bytes;
    uint32_t size_bytes;
    enum err err = OK;

    check(epoch > log->epoch || log_offsets(log->log).log_end == 0);
    log->epoch = epoch;
    log_begin_epoch(log->log, epoch);
    if (!log->open_transaction)
        return OK;
    arena_init(&arena, 64 << 10);
    metadata_records_init(&records, &arena);
    if (metadata_records_add(&records, METADATA_ABORT_TRANSACTION, 0) == NULL)
        err = ERR_NOMEM;
    if (err == OK)
        err = build_batch(log, &records, &bytes, &size_bytes);
    if (err == OK)
        err = put_batch(log, bytes, size_bytes, false);
    arena_deinit(&arena);
    log->open_transaction = err != OK;
    return err;
}

bool metadata_log_retract(struct metadata_log *log)
{
    if (log->in_flight == NULL || !append_op_is_waiting(&log->in_flight->op))
        return false;
    append_queue_cancel(&log->in_flight->op);
    log->in_flight = NULL;
    return true;
}

void metadata_log_fail(struct metadata_log *log, enum err err)
{
    if (log->in_flight == NULL || log->in_flight->is_committed)
        return;
    append_queue_cancel(&log->in_flight->op);
    finish_append(log, err);
}
