/* The walk of an append: build_batch → try_append (waits for room when the journal is full) →
 * on_progress: the batch is durable: the high watermark moves, done.  The walk of a snapshot:
 * encode in memory → on_written until all is written → on_synced → install: rename, sync the
 * directory, delete what is too old, cut the log. */
#include "broker/metadata/metadata_log.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/metadata/image_replay.h"
#include "broker/metadata/snapshot_file.h"
#include "storage/batch_builder.h"

#include <stdio.h>
#include <string.h>

enum { SNAPSHOTS_KEPT = 2, SNAPSHOTS_SEEN_MAX = 64, PATH_MAX_BYTES = 4096 + 128 };

#define APPEND_ARENA_MAX_BYTES ((size_t)64 << 20)

static const struct log_id metadata_log_id = {
    .topic_id = {.bytes = {[15] = 1}}, /* Kafka's Uuid.METADATA_TOPIC_ID */
    .partition = 0,
};

struct snapshot_write {
    bool active;
    struct io_op op;
    struct iovec rest;
    struct snapshot_id id;
    uint8_t *bytes;
    size_t size_bytes;
    size_t done_bytes;
    int32_t fd;
    uint64_t covers_bytes; /* of appended_bytes when it was begun */
    void (*done)(void *context, enum err err);
    void *context;
};

struct metadata_log {
    struct metadata_log_world world;
    struct metadata_log_options options;
    char *dir; /* of the log itself */
    struct log *log;
    int32_t epoch;
    bool open_transaction;                        /* the old tail ends inside one */
    struct snapshot_id snapshots[SNAPSHOTS_KEPT]; /* newest first */
    uint32_t snapshot_count;
    uint64_t appended_bytes; /* since the newest snapshot */
    struct batch_builder builder;
    struct arena arena;
    struct metadata_append *in_flight;
    struct batch_header header; /* of the batch in flight */
    struct snapshot_write writing;
};

/* ---- snapshots on disk */

static void path_of(const struct metadata_log *log, const struct snapshot_id *id,
                    const char *suffix, char out[PATH_MAX_BYTES])
{
    char name[SNAPSHOT_NAME_MAX];

    snapshot_format_name(id, name);
    snprintf(out, PATH_MAX_BYTES, "%s/%s%s", log->dir, name, suffix);
}

static void delete_snapshot(struct metadata_log *log, const struct snapshot_id *id)
{
    char path[PATH_MAX_BYTES];
    enum err err;

    path_of(log, id, "", path);
    err = log->world.io->v->file_unlink(log->world.io, path);
    if (err != OK && err != ERR_NOT_FOUND)
        log_line(log->world.sink, LOG_WARN, "LVE-4005", "an old metadata snapshot stays",
                 log_str("path", path), log_err(err));
}

struct found_snapshots {
    struct metadata_log *log;
    struct snapshot_id ids[SNAPSHOTS_SEEN_MAX]; /* newest first */
    uint32_t count;
    char parts[4][SNAPSHOT_NAME_MAX + 8];
    uint32_t part_count;
};

static bool is_newer(const struct snapshot_id *a, const struct snapshot_id *b)
{
    return a->end_offset != b->end_offset ? a->end_offset > b->end_offset : a->epoch > b->epoch;
}

static void on_name(void *context, const char *name, bool is_dir)
{
    struct found_snapshots *found = context;
    struct snapshot_id id;
    size_t size_bytes = strlen(name);
    uint32_t place;

    if (is_dir)
        return;
    if (size_bytes > 5 && strcmp(name + size_bytes - 5, ".part") == 0 &&
        size_bytes < sizeof(found->parts[0]) && found->part_count < array_count(found->parts)) {
        memcpy(found->parts[found->part_count++], name, size_bytes + 1);
        return;
    }
    if (snapshot_parse_name(name, &id) != OK)
        return;
    if (found->count == SNAPSHOTS_SEEN_MAX)
        found->count--; /* the oldest one is of least use */
    for (place = found->count; place > 0 && is_newer(&id, &found->ids[place - 1]); place--)
        found->ids[place] = found->ids[place - 1];
    found->ids[place] = id;
    found->count++;
}

static enum err read_file(struct io *io, const char *path, uint8_t **bytes_out, size_t *size_out)
{
    uint64_t size_bytes = 0;
    size_t done_bytes = 0;
    uint8_t *bytes = NULL;
    int32_t fd;
    enum err err = io->v->file_open(io, path, IO_READ, &fd);

    if (err != OK)
        return err;
    err = io->v->file_size(io, fd, &size_bytes);
    if (err == OK && size_bytes > UINT32_MAX)
        err = ERR_TOO_LARGE;
    if (err == OK) {
        bytes = mem_try_alloc(size_bytes + 1);
        err = bytes == NULL ? ERR_NOMEM : OK;
    }
    while (err == OK && done_bytes < size_bytes) {
        uint32_t read_bytes = 0;
        err = io->v->file_read(io, fd, bytes + done_bytes, (uint32_t)(size_bytes - done_bytes),
                               done_bytes, &read_bytes);
        if (err == OK && read_bytes == 0)
            err = ERR_TRUNCATED;
        done_bytes += read_bytes;
    }
    io->v->close(io, fd);
    if (err != OK) {
        mem_free(bytes);
        return err;
    }
    *bytes_out = bytes;
    *size_out = size_bytes;
    return OK;
}

/* One candidate.  Only a file that is whole is applied, so that a bad one leaves the image empty.
 */
static enum err load_snapshot(struct metadata_log *log, const struct snapshot_id *id,
                              struct image *image, bool *applied_out)
{
    char path[PATH_MAX_BYTES];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    path_of(log, id, "", path);
    err = read_file(log->world.io, path, &bytes, &size_bytes);
    if (err == OK) {
        err = snapshot_check(bytes, size_bytes);
        if (err == OK) {
            *applied_out = true;
            err = snapshot_apply(bytes, size_bytes, id, image);
        }
        mem_free(bytes);
    }
    if (err != OK)
        log_line(log->world.sink, LOG_ERROR, "LVE-4002", "a metadata snapshot cannot be used",
                 log_str("path", path), log_err(err));
    return err;
}

static enum err load_newest_snapshot(struct metadata_log *log, struct image *image)
{
    struct io *io = log->world.io;
    struct found_snapshots *found = mem_alloc(sizeof(*found));
    bool applied = false;
    char path[PATH_MAX_BYTES];
    enum err err;

    found->log = log;
    err = io->v->dir_list(io, log->dir, on_name, found);
    for (uint32_t i = 0; i < found->part_count && err == OK; i++) {
        snprintf(path, sizeof(path), "%s/%s", log->dir, found->parts[i]);
        err = io->v->file_unlink(io, path); /* of a start or stop that did not end */
    }
    for (uint32_t i = 0; i < found->count && err == OK; i++) {
        bool is_kept = log->snapshot_count > 0;
        if (!is_kept) {
            err = load_snapshot(log, &found->ids[i], image, &applied);
            is_kept = err == OK;
            if (err != OK && !applied && err != ERR_NOMEM)
                err = OK; /* an older one and a longer piece of log may do */
        }
        if (is_kept && log->snapshot_count < SNAPSHOTS_KEPT)
            log->snapshots[log->snapshot_count++] = found->ids[i];
    }
    mem_free(found);
    return err == ERR_NOT_FOUND ? OK : err;
}

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
                 log_i64("log_end", offsets.log_end), log_err(err));
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
    batch_builder_init(&log->builder, &builder);
    arena_init(&log->arena, APPEND_ARENA_MAX_BYTES);
    err = log_open(world->store, &metadata_log_id, METADATA_LOG_TOPIC, &config, &events, log,
                   &log->log);
    if (err == OK && log_is_quarantined(log->log)) {
        err = ERR_QUARANTINED;
    } else if (err == OK) {
        err = load_newest_snapshot(log, image);
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
    check(!log->writing.op.in_flight);
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
static enum err put_batch(struct metadata_log *log, const uint8_t *bytes, uint32_t size_bytes)
{
    struct log_append_result result;
    enum err err = log_append_leader(log->log, bytes, size_bytes, &log->header, log->epoch,
                                     clock_wall_ms(log->world.clock), &result);

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

static void on_room(struct store_waiter *waiter)
{
    struct metadata_append *append = container_of(waiter, struct metadata_append, room);
    struct metadata_log *log = append->log;
    enum err err = put_batch(log, append->bytes, append->size_bytes);

    if (err == ERR_FULL)
        store_wait_room(log->world.store, &append->room);
    else if (err != OK)
        finish_append(log, err);
}

enum err metadata_log_append(struct metadata_log *log, const struct metadata_records *records,
                             struct metadata_append *append)
{
    enum err err;

    check(log->in_flight == NULL); /* M1 */
    check(records->count > 0);
    err = build_batch(log, records, &append->bytes, &append->size_bytes);
    if (err == OK)
        err = put_batch(log, append->bytes, append->size_bytes);
    if (err != OK && err != ERR_FULL)
        return err;
    append->base_offset = log->header.base_offset;
    append->log = log;
    append->room = (struct store_waiter){.room = on_room};
    log->in_flight = append;
    if (err == ERR_FULL)
        store_wait_room(log->world.store, &append->room);
    return OK;
}

static void on_progress(void *context, struct log *storage_log)
{
    struct metadata_log *log = context;
    struct log_offsets offsets = log_offsets(storage_log);

    if (offsets.durable > offsets.high_watermark)
        log_set_high_watermark(storage_log, offsets.durable);
    if (log->in_flight == NULL || list_is_linked(&log->in_flight->room.node))
        return;
    if (offsets.durable > batch_last_offset(&log->header))
        finish_append(log, OK);
}

enum err metadata_log_begin(struct metadata_log *log, int32_t epoch)
{
    struct log_offsets offsets = log_offsets(log->log);
    struct metadata_records records;
    struct arena arena;
    const uint8_t *bytes;
    uint32_t size_bytes;
    enum err err = OK;

    check(epoch > log->epoch || offsets.log_end == 0);
    if (offsets.durable > offsets.high_watermark)
        log_set_high_watermark(log->log, offsets.durable);
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
        err = put_batch(log, bytes, size_bytes);
    arena_deinit(&arena);
    log->open_transaction = err != OK;
    return err;
}

void metadata_log_fail(struct metadata_log *log, enum err err)
{
    if (log->in_flight == NULL)
        return;
    if (list_is_linked(&log->in_flight->room.node))
        store_cancel_wait(&log->in_flight->room);
    finish_append(log, err);
}

/* ---- writing a snapshot */

bool metadata_log_wants_snapshot(const struct metadata_log *log)
{
    return !log->writing.active && log->appended_bytes >= log->options.snapshot_interval_bytes;
}

bool metadata_log_is_writing(const struct metadata_log *log)
{
    return log->writing.active;
}

bool metadata_log_has_news(const struct metadata_log *log, const struct image *image)
{
    return image_offset(image) >= 0 &&
           (log->snapshot_count == 0 || image_offset(image) >= log->snapshots[0].end_offset);
}

static void end_snapshot(struct metadata_log *log, enum err err)
{
    struct snapshot_write *writing = &log->writing;
    struct io *io = log->world.io;
    char part[PATH_MAX_BYTES];

    if (writing->fd >= 0)
        io->v->close(io, writing->fd);
    writing->fd = -1;
    mem_free(writing->bytes);
    writing->bytes = NULL;
    writing->active = false;
    if (err != OK) {
        path_of(log, &writing->id, ".part", part);
        (void)!io->v->file_unlink(io, part);
        log_line(log->world.sink, LOG_ERROR, "LVE-4003", "a metadata snapshot was not written",
                 log_i64("end_offset", writing->id.end_offset), log_err(err));
    }
    if (writing->done != NULL)
        writing->done(writing->context, err);
}

static void on_cut(void *context, enum err err)
{
    struct metadata_log *log = context;

    if (err != OK)
        log_line(log->world.sink, LOG_WARN, "LVE-4004", "the metadata log was not cut",
                 log_err(err));
}

/* The new file under its name: now older ones and the log below may go. */
static enum err install(struct metadata_log *log)
{
    struct snapshot_write *writing = &log->writing;
    struct io *io = log->world.io;
    char part[PATH_MAX_BYTES];
    char path[PATH_MAX_BYTES];
    int64_t cut_offset;
    enum err err;

    path_of(log, &writing->id, ".part", part);
    path_of(log, &writing->id, "", path);
    err = io->v->file_rename(io, part, path);
    if (err == OK)
        err = io->v->dir_sync(io, log->dir);
    if (err != OK)
        return err;
    if (log->snapshot_count == SNAPSHOTS_KEPT)
        delete_snapshot(log, &log->snapshots[--log->snapshot_count]);
    for (uint32_t i = log->snapshot_count; i > 0; i--)
        log->snapshots[i] = log->snapshots[i - 1];
    log->snapshots[0] = writing->id;
    log->snapshot_count++;
    log->appended_bytes -= writing->covers_bytes;
    cut_offset = log->snapshots[log->snapshot_count - 1].end_offset;
    if (log->snapshot_count == SNAPSHOTS_KEPT && cut_offset > log_offsets(log->log).log_start) {
        err = log_delete_records(log->log, cut_offset, on_cut, log); /* M3 */
        if (err != OK)
            on_cut(log, err);
    }
    return OK; /* a log that stays too long does no harm */
}

static void on_synced(struct io_op *op, int32_t result)
{
    struct metadata_log *log = container_of(op, struct metadata_log, writing.op);
    enum err err = result < 0 ? err_from_errno(-result) : OK;

    end_snapshot(log, err == OK ? install(log) : err);
}

static void on_written(struct io_op *op, int32_t result);

static void write_rest(struct metadata_log *log)
{
    struct snapshot_write *writing = &log->writing;
    size_t left_bytes = writing->size_bytes - writing->done_bytes;

    writing->rest.iov_base = writing->bytes + writing->done_bytes;
    writing->rest.iov_len = left_bytes > (1U << 30) ? (1U << 30) : left_bytes;
    io_writev(log->world.io, &writing->op, writing->fd, &writing->rest, 1, writing->done_bytes,
              false, on_written);
}

static void on_written(struct io_op *op, int32_t result)
{
    struct metadata_log *log = container_of(op, struct metadata_log, writing.op);

    if (result <= 0) {
        end_snapshot(log, result == 0 ? ERR_IO : err_from_errno(-result));
        return;
    }
    log->writing.done_bytes += (size_t)result;
    if (log->writing.done_bytes < log->writing.size_bytes)
        write_rest(log);
    else
        io_sync(log->world.io, op, log->writing.fd, on_synced);
}

void metadata_log_snapshot(struct metadata_log *log, const struct image *image,
                           void (*done)(void *context, enum err err), void *context)
{
    struct snapshot_write *writing = &log->writing;
    struct io *io = log->world.io;
    char part[PATH_MAX_BYTES];
    enum err err;

    if (writing->active) {
        check(writing->done == NULL || done == NULL);
        if (done != NULL) {
            writing->done = done;
            writing->context = context;
        }
        return;
    }
    *writing = (struct snapshot_write){
        .active = true,
        .fd = -1,
        .id = {.end_offset = image_offset(image) + 1, .epoch = image_epoch(image)},
        .covers_bytes = log->appended_bytes,
        .done = done,
        .context = context,
    };
    path_of(log, &writing->id, ".part", part);
    err = snapshot_encode(image, &writing->id, clock_wall_ms(log->world.clock), &writing->bytes,
                          &writing->size_bytes);
    if (err == OK)
        err = io->v->file_open(io, part, IO_WRITE | IO_CREATE | IO_TRUNCATE, &writing->fd);
    if (err != OK) {
        writing->fd = -1;
        end_snapshot(log, err);
        return;
    }
    write_rest(log);
}
