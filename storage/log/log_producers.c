#include "storage/log/log_producers.h"

#include "base/mem.h"
#include "base/small_file.h"
#include "storage/log/log_transactions.h"
#include "storage/log/producer_files.h"

/* What was encoded when the checkpoint began: the state as of its target, and nothing later, so
 * that no batch is believed that only an undurable append knew. */
enum err log_write_window(struct log *log, int64_t end_offset)
{
    char path[LOG_PATH_MAX];
    enum err err;

    log_format_path(log, end_offset, LOG_FILE_WINDOW, path);
    err = small_file_write(log->env->io, path, log->window_bytes, log->window_size);
    if (err != OK)
        return err; /* it is written again when there is space */
    mem_free(log->window_bytes);
    log->window_bytes = NULL;
    return OK;
}

enum err log_freeze_window(struct log *log)
{
    size_t size_bytes;
    uint8_t *bytes;

    if (!log->producers_dirty)
        return OK;
    size_bytes = producer_window_size(&log->producers);
    bytes = mem_try_alloc(size_bytes + log_transactions_size(log));
    if (bytes == NULL)
        return ERR_NOMEM;
    mem_free(log->window_bytes); /* of a checkpoint that did not finish */
    log->window_size = size_bytes + log_transactions_size(log);
    log->window_bytes = bytes;
    log_transactions_encode(log, bytes + size_bytes);
    producer_window_encode(&log->producers, bytes, log->window_size);
    log->producers_dirty = false;
    return OK;
}

void log_thaw_window(struct log *log)
{
    if (log->window_bytes == NULL)
        return;
    mem_free(log->window_bytes);
    log->window_bytes = NULL;
    log->producers_dirty = true;
}

void log_note_producers(const struct log *log)
{
    struct log_environment *env = log->env;

    gauge_set(&env->metrics->producers,
              (int64_t)env->producers->known_count + env->producers->recovered_count);
}

void log_producer_forgotten(void *context, const struct producer_forgotten *forgotten)
{
    struct log *log = context;

    counter_add(&log->env->metrics->producers_forgotten, 1);
    log->producers_dirty = true;
    log_mark_dirty(log);
    if (log->events != NULL && log->events->producer_forgotten != NULL)
        log->events->producer_forgotten(log->events_context, forgotten);
}

uint32_t log_expire_producers(struct log *log, int64_t now_ms, int64_t idle_max_ms)
{
    uint32_t count = producer_state_expire(&log->producers, now_ms, idle_max_ms);

    if (count > 0) {
        log->producers_dirty = true;
        log_mark_dirty(log);
        log_note_producers(log);
    }
    return count;
}

struct producer_rebuild {
    struct log *log;
    struct segment *segment;
    enum err err;
};

static bool apply_to_producers(void *context, const struct batch_header *header,
                               const uint8_t *bytes, uint64_t pos)
{
    struct producer_rebuild *rebuild = context;

    rebuild->err =
        log_transactions_replay(rebuild->log, rebuild->segment, bytes, header, PRODUCER_OWNER_NONE);
    return rebuild->err == OK;
}

/* From all batches that there are, in segments and in the tail. */
static enum err rebuild_producers(struct log *log)
{
    struct producer_rebuild rebuild = {.log = log};
    enum err err = OK;

    for (uint32_t i = 0; i < log->segments.count && err == OK; i++) {
        rebuild.segment = segment_manifest_at(&log->segments, i);
        err = segment_walk(rebuild.segment, 0, rebuild.segment->written_pos, apply_to_producers,
                           &rebuild);
        if (err == OK)
            err = rebuild.err;
    }
    list_for_each(node, &log->tail.entries)
    {
        struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        struct batch_header header;
        if (err != OK)
            break;
        rebuild.segment = entry->segment;
        if (!entry->written && batch_parse_header(entry->bytes, entry->size_bytes, &header) == OK &&
            !apply_to_producers(&rebuild, &header, entry->bytes, entry->pos))
            err = rebuild.err;
    }
    return err;
}

/* The file of window_offset, and what it says of transactions. */
static enum err load_window(struct log *log, const char *path, int64_t end_offset,
                            int64_t window_offset)
{
    size_t used_bytes = 0;
    uint8_t *bytes;
    size_t size_bytes;
    enum err err = small_file_read(log->env->io, path, &bytes, &size_bytes);

    if (err != OK)
        return err;
    err = producer_window_decode(&log->producers, bytes, size_bytes, &used_bytes);
    if (err == OK) {
        log->window_offset = window_offset;
        if (!producer_state_truncate(&log->producers, end_offset))
            err = ERR_OFFSET_RANGE; /* the log was cut since */
    }
    if (err == OK && used_bytes < size_bytes)
        err = log_transactions_decode(log, bytes + used_bytes, size_bytes - used_bytes);
    mem_free(bytes);
    return err;
}

enum err log_restore_producers(struct log *log, int64_t end_offset, int64_t window_offset)
{
    char path[LOG_PATH_MAX];
    enum err err;

    if (window_offset >= 0 && window_offset < INT64_MAX) {
        log_format_path(log, window_offset, LOG_FILE_WINDOW, path);
        err = load_window(log, path, end_offset, window_offset);
        log_place_stable(log);
        if (err == OK || err == ERR_NOMEM) /* no memory: it may be whole, and knows more than the
                                            * log */
            return err;
        log_line(log->env->sink, LOG_WARN, "LVE-2208",
                 "a producer window file was lost; it is made anew from the log",
                 log_str("path", path), log_err(err));
    }
    producer_state_clear(&log->producers, log->segments.count > 0
                                              ? segment_manifest_at(&log->segments, 0)->base_offset
                                              : end_offset);
    if (window_offset >= 0) {
        log_transactions_clear(log);
        err = rebuild_producers(log);
        if (err != OK)
            return err;
    }
    producer_state_settle(&log->producers);
    log_place_stable(log);
    log->producers_dirty = producer_state_count(&log->producers) > 0;
    return OK;
}

enum err log_rebuild_producers(struct log *log)
{
    return log_restore_producers(log, log->offsets.log_end, INT64_MAX);
}
