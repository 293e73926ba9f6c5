#include "storage/log/log_producers.h"

#include "base/mem.h"
#include "base/small_file.h"
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
    bytes = mem_try_alloc(size_bytes);
    if (bytes == NULL)
        return ERR_NOMEM;
    mem_free(log->window_bytes); /* of a checkpoint that did not finish */
    log->window_size = size_bytes;
    log->window_bytes = bytes;
    producer_window_encode(&log->producers, bytes);
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

static bool apply_to_producers(void *context, const struct batch_header *header,
                               const uint8_t *bytes, uint64_t pos)
{
    struct log *log = context;
    struct producer_rules rules = {.origin = PRODUCER_VERBATIM};
    struct producer_check check_out;
    struct control_marker marker;
    struct control_marker *end = batch_is_control(header) ? &marker : NULL;

    if (!batch_has_producer(header) ||
        (end != NULL && control_parse_marker(bytes, header, end) != OK))
        return true;
    if (producer_state_check(&log->producers, header, end, &rules, &check_out) == OK)
        producer_state_update(&log->producers, header, end, log_wall_ms(log), NULL);
    return true;
}

enum err log_restore_producers(struct log *log, int64_t end_offset, int64_t window_offset)
{
    char path[LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    if (window_offset >= 0 && window_offset < INT64_MAX) {
        log_format_path(log, window_offset, LOG_FILE_WINDOW, path);
        err = small_file_read(log->env->io, path, &bytes, &size_bytes);
        if (err == OK) {
            err = producer_window_decode(&log->producers, bytes, size_bytes);
            mem_free(bytes);
        }
        if (err == OK) {
            log->window_offset = window_offset;
            if (producer_state_truncate(&log->producers, end_offset))
                return OK;
            err = ERR_OFFSET_RANGE; /* the log was cut since */
        }
        if (err == ERR_NOMEM)
            return err; /* it may be whole, and knows more than the log */
        log_line(log->env->sink, LOG_WARN, "LVE-2208",
                 "a producer window file was lost; it is made anew from the log",
                 log_str("path", path), log_err(err));
    }
    producer_state_clear(&log->producers, log->segments.count > 0
                                              ? segment_manifest_at(&log->segments, 0)->base_offset
                                              : end_offset);
    for (uint32_t i = 0; i < log->segments.count && window_offset >= 0; i++) {
        err = segment_walk(segment_manifest_at(&log->segments, i), 0,
                           segment_manifest_at(&log->segments, i)->written_pos, apply_to_producers,
                           log);
        if (err != OK)
            return err;
    }
    list_for_each(node, &log->tail.entries)
    {
        struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        struct batch_header header;
        if (!entry->written && batch_parse_header(entry->bytes, entry->size_bytes, &header) == OK)
            apply_to_producers(log, &header, entry->bytes, entry->pos);
    }
    producer_state_settle(&log->producers);
    log->producers_dirty = producer_state_count(&log->producers) > 0;
    return OK;
}

enum err log_rebuild_producers(struct log *log)
{
    return log_restore_producers(log, log->offsets.log_end, INT64_MAX);
}
