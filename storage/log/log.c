/* A log's life, and its small files. */
#include "base/check.h"
#include "base/mem.h"
#include "base/small_file.h"
#include "storage/log/log_private.h"
#include "storage/log/producer_files.h"

#include <stdio.h>
#include <string.h>

int64_t log_wall_ms(const struct log *log)
{
    return clock_wall_ms(log->store->loop->clock);
}

/* ---- small files */

enum err log_write_epochs(struct log *log)
{
    char path[LOG_PATH_MAX];
    size_t size_bytes = epoch_cache_encode(&log->epochs, NULL, 0);
    char *text = mem_try_alloc(size_bytes);
    enum err err;

    if (text == NULL)
        return ERR_NOMEM;
    epoch_cache_encode(&log->epochs, text, size_bytes);
    snprintf(path, sizeof(path), "%s/leader-epoch-checkpoint", log->dir);
    err = small_file_write(log->store->io, path, text, size_bytes);
    mem_free(text);
    if (err == OK)
        log->epochs_dirty = false;
    return err;
}

static void producer_file_path(const struct log *log, int64_t offset, enum log_file_kind kind,
                               char *out)
{
    char name[LOG_FILE_NAME_MAX];

    log_names_format_file(name, offset, kind);
    snprintf(out, LOG_PATH_MAX, "%s/%s", log->dir, name);
}

/* What was encoded when the checkpoint began: the state as of its target, and nothing later, so
 * that no batch is believed that only an undurable append knew. */
static enum err write_window(struct log *log, int64_t end_offset)
{
    char path[LOG_PATH_MAX];
    enum err err;

    producer_file_path(log, end_offset, LOG_FILE_WINDOW, path);
    err = small_file_write(log->store->io, path, log->window_bytes, log->window_size);
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
    struct store *store = log->store;

    gauge_set(&store->metrics.producers,
              (int64_t)store->producers.known_count + store->producers.recovered_count);
}

void log_producer_forgotten(void *context, const struct producer_forgotten *forgotten)
{
    struct log *log = context;

    counter_add(&log->store->metrics.producers_forgotten, 1);
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

/* The mark names window_pending now: the file before it is of no use any more. */
void log_window_is_marked(struct log *log)
{
    char path[LOG_PATH_MAX];

    log_drop_below_start(log); /* what only the mark before this one named may go */
    if (log->window_pending == log->window_offset)
        return;
    if (log->window_offset >= 0) {
        producer_file_path(log, log->window_offset, LOG_FILE_WINDOW, path);
        (void)!log->store->io->v->file_unlink(log->store->io, path);
    }
    log->window_offset = log->window_pending;
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

/* From the window file that the mark names; without it, from all batches that there are. */
enum err log_restore_producers(struct log *log, int64_t end_offset, int64_t window_offset)
{
    char path[LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    if (window_offset >= 0 && window_offset < INT64_MAX) {
        producer_file_path(log, window_offset, LOG_FILE_WINDOW, path);
        err = small_file_read(log->store->io, path, &bytes, &size_bytes);
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
        log_line(log->store->world.sink, LOG_WARN, "LVE-2208",
                 "a producer window file was lost; it is made anew from the log",
                 log_str("path", path), log_err(err));
    }
    producer_state_clear(&log->producers,
                         log->segment_count > 0 ? log->segments[0]->base_offset : end_offset);
    for (uint32_t i = 0; i < log->segment_count && window_offset >= 0; i++) {
        err = segment_walk(log->segments[i], 0, log->segments[i]->written_pos, apply_to_producers,
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

enum err log_write_small_files(struct log *log, int64_t end_offset)
{
    enum err err = OK;

    for (uint32_t i = 0; i < log->segment_count && err == OK; i++) {
        bool is_closed = i + 1 < log->segment_count;
        /* Its size is what is believed of it.  One that was closed since the checkpoint began is
         * cut by the next one: what protects its last block is perhaps not durable yet. */
        if (log->segments[i]->base_offset < log->target.segment_base_offset)
            err = segment_cut_padding(log->segments[i]);
        if (err == OK && log->segments[i]->indexes_dirty)
            err = segment_save_indexes(log->segments[i], is_closed);
    }
    if (err == OK && log->epochs_dirty)
        err = log_write_epochs(log);
    if (err == OK)
        err = log_write_frozen_snapshot(log, end_offset);
    log->window_pending = log->window_offset;
    if (err == OK && log->window_bytes != NULL) { /* the last that may fail: it is written once */
        err = write_window(log, end_offset);
        log->window_pending = end_offset;
    }
    if (err == OK)
        log_remove_strays(log);
    return err;
}

/* ---- life */

void log_mark_dirty(struct log *log)
{
    if (log->quarantined)
        return; /* its mark stays what it was */
    log->dirty = true;
    if (!list_is_linked(&log->dirty_node))
        list_push_back(&log->store->dirty_logs, &log->dirty_node);
}

/* An entry or a node that stayed behind would bring the log back after it was freed. */
static void check_has_left(const struct log *log)
{
    check(!list_is_linked(&log->node) && !list_is_linked(&log->dirty_node));
    check(!list_is_linked(&log->write_node) && !list_is_linked(&log->progress_node));
    check(!list_is_linked(&log->target_node) && log_tail_is_empty(&log->tail));
    for (uint32_t i = 0; i < log->segment_count; i++)
        check(!list_is_linked(&log->segments[i]->file.node) &&
              !list_is_linked(&log->segments[i]->cached.node));
}

static void free_log(struct log *log)
{
    check_has_left(log);
    while (log->segment_count > 0)
        log_drop_last_segment(log, false);
    mem_free(log->segments);
    log_tail_deinit(&log->tail);
    epoch_cache_deinit(&log->epochs);
    mem_free(log->window_bytes);
    log_thaw_snapshot(log);
    mem_free(log->name);
    mem_free(log->dir);
    mem_free(log);
}

/* Every list of the store: its entries in the cache, too, whose groups may commit after this.  An
 * operation in flight keeps the memory of the log and of its segments, and nothing else. */
static void leave_store(struct log *log)
{
    struct store *store = log->store;

    if (list_is_linked(&log->node)) {
        list_remove(&log->node);
        store->log_count--;
    }
    if (list_is_linked(&log->dirty_node))
        list_remove(&log->dirty_node);
    if (list_is_linked(&log->write_node))
        list_remove(&log->write_node);
    if (list_is_linked(&log->progress_node))
        list_remove(&log->progress_node);
    checkpointer_forget(log);
    log_forget_trims(log);
    log_tail_drop_all(&log->tail);
    for (uint32_t i = 0; i < log->segment_count; i++)
        segment_leave_store(log->segments[i]);
    producer_state_deinit(&log->producers); /* they count among the store's */
    log_note_producers(log);
    check_has_left(log);
}

static bool is_in_io(const struct log *log)
{
    for (uint32_t i = 0; i < log->segment_count; i++)
        if (log->segments[i]->file.io_count > 0)
            return true;
    return false;
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    leave_store(log);
    log->closing = true;
    log->segment_environment.is_closing = true;
    log->events = NULL;
    if (is_in_io(log))
        return; /* the last operation frees it: log_io_ended */
    free_log(log);
}

void log_io_ended(struct log *log)
{
    if (log->closing && !is_in_io(log))
        free_log(log);
}

static void delete_dir(struct store *store, const struct log_id *id, const char *name,
                       const char *dir, int64_t delay_ms)
{
    char deleted_name[LOG_DIR_NAME_MAX];
    char path[LOG_PATH_MAX];

    log_names_format_deleted_dir(deleted_name, name, id->partition, &id->topic_id);
    snprintf(path, sizeof(path), "%s/%s", store->world.dir->path, deleted_name);
    if (store->io->v->file_rename(store->io, dir, path) == OK)
        file_deletion_add(&store->deletion, path, true, delay_ms);
}

void log_delete_unopened(struct store *store, const struct log_id *id, const char *name)
{
    char dir_name[LOG_DIR_NAME_MAX];
    char dir[LOG_PATH_MAX];

    log_names_format_dir(dir_name, name, id->partition);
    snprintf(dir, sizeof(dir), "%s/%s", store->world.dir->path, dir_name);
    delete_dir(store, id, name, dir, 0);
}

void log_delete(struct log *log)
{
    struct store *store = log->store;

    delete_dir(store, &log->id, log->name, log->dir, log->config.file_delete_delay_ms);
    /* the mark of this log goes with the next checkpoint; its journal entries are passed over */
    log_close(log);
    store_kick_writes(store, NULL);
}

void log_set_config(struct log *log, const struct log_config *config)
{
    log->config = *config;
    for (uint32_t i = 0; i < log->segment_count; i++)
        log->segments[i]->index.interval_bytes = config->index_interval_bytes;
}

bool log_is_quarantined(const struct log *log)
{
    return log->quarantined;
}

const struct log_id *log_id(const struct log *log)
{
    return &log->id;
}

struct log_offsets log_offsets(const struct log *log)
{
    return log->offsets;
}

const struct epoch_cache *log_epochs(const struct log *log)
{
    return &log->epochs;
}

const struct producer_state *log_producers(const struct log *log)
{
    return &log->producers;
}

uint32_t log_segment_count(const struct log *log)
{
    return log->segment_count;
}

uint64_t log_size_bytes(const struct log *log)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < log->segment_count; i++)
        sum += log->segments[i]->size_bytes;
    return sum;
}

void log_set_high_watermark(struct log *log, int64_t offset)
{
    int64_t allowed = log->config.relaxed ? log->offsets.accepted : log->offsets.durable;

    check(offset >= log->offsets.high_watermark && offset <= allowed); /* L1 */
    log->offsets.high_watermark = offset;
    log->offsets.last_stable = offset; /* no transaction is ever open: they are refused above */
}
