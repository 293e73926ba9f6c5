/* Kafka's producer snapshots: one at each roll, named by the base offset of the new segment, and
 * one of an orderly stop.  Nothing here reads them; Kafka and its tools do.
 *
 * What a roll freezes is written by the checkpoint that covers it, as index files are; of several
 * rolls between two checkpoints the last one's.  A snapshot goes with the segment of its name;
 * those that belong to none (of stops before, of what was lost with the power) go at the first
 * checkpoint of a life, for what is appended may contradict them. */
#include "storage/log/log_snapshot.h"

#include "base/mem.h"
#include "base/small_file.h"
#include "storage/log/producer_files.h"

/* NULL: no memory; then there is no file, and Kafka reads the log where it needs one. */
static uint8_t *encode(const struct log *log, size_t *size_out)
{
    uint8_t *bytes;

    *size_out = producer_snapshot_size(&log->producers);
    bytes = mem_try_alloc(*size_out);
    if (bytes != NULL)
        producer_snapshot_encode(&log->producers, bytes);
    return bytes;
}

enum err log_write_snapshot(struct log *log, int64_t offset)
{
    char path[LOG_PATH_MAX];
    size_t size_bytes;
    uint8_t *bytes;
    enum err err;

    if (producer_state_count(&log->producers) == 0)
        return OK;
    bytes = encode(log, &size_bytes);
    if (bytes == NULL)
        return OK;
    log_format_path(log, offset, LOG_FILE_SNAPSHOT, path);
    err = small_file_write(log->env->io, path, bytes, size_bytes);
    mem_free(bytes);
    return err;
}

/* ---- at a roll */

void log_freeze_snapshot(struct log *log, int64_t offset)
{
    struct frozen_snapshot *frozen = &log->roll_snapshot;

    log_thaw_snapshot(log);
    if (producer_state_count(&log->producers) == 0)
        return; /* it would say nothing */
    frozen->offset = offset;
    frozen->bytes = encode(log, &frozen->size_bytes);
}

void log_thaw_snapshot(struct log *log)
{
    mem_free(log->roll_snapshot.bytes);
    log->roll_snapshot = (struct frozen_snapshot){0};
}

enum err log_write_frozen_snapshot(struct log *log, int64_t end_offset)
{
    struct frozen_snapshot *frozen = &log->roll_snapshot;
    char path[LOG_PATH_MAX];
    enum err err;

    if (frozen->bytes == NULL || frozen->offset > end_offset)
        return OK; /* rolled since this checkpoint began: the next one has it */
    log_format_path(log, frozen->offset, LOG_FILE_SNAPSHOT, path);
    err = small_file_write(log->env->io, path, frozen->bytes, frozen->size_bytes);
    if (err == OK)
        log_thaw_snapshot(log);
    return err;
}

/* ---- those that belong to nothing */

static bool is_stray(const struct log *log, int64_t offset, enum log_file_kind kind)
{
    uint32_t index;

    if (kind == LOG_FILE_WINDOW)
        return offset != log->window_offset && offset != log->window_pending;
    if (kind != LOG_FILE_SNAPSHOT)
        return false;
    return segment_manifest_find(&log->segments, offset, &index) == NULL ||
           segment_manifest_at(&log->segments, index)->base_offset != offset;
}

struct stray_list {
    const struct log *log;
    struct stray {
        int64_t offset;
        enum log_file_kind kind;
    } * items;
    uint32_t count;
};

static void note_stray(void *context, const char *name, bool is_dir)
{
    struct stray_list *strays = context;
    struct stray stray;
    bool deleted;

    if (is_dir || log_names_parse_file(name, &stray.offset, &stray.kind, &deleted) != OK ||
        deleted || !is_stray(strays->log, stray.offset, stray.kind))
        return;
    strays->items = mem_realloc(strays->items, (strays->count + 1) * sizeof(stray));
    strays->items[strays->count++] = stray;
}

void log_remove_strays(struct log *log)
{
    struct io *io = log->env->io;
    struct stray_list strays = {.log = log};
    char path[LOG_PATH_MAX];

    if (log->strays_removed || log->env->state != STORE_RUNNING)
        return;
    log->strays_removed = io->v->dir_list(io, log->dir, note_stray, &strays) == OK;
    for (uint32_t i = 0; i < strays.count; i++) {
        log_format_path(log, strays.items[i].offset, strays.items[i].kind, path);
        (void)!io->v->file_unlink(io, path);
    }
    mem_free(strays.items);
}
