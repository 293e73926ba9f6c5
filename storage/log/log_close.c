/* A log's end, and what it tells of itself.  (log.h) */
#include "storage/log/log_close.h"

#include "base/check.h"
#include "base/mem.h"
#include "storage/log/log_check.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_roll.h"
#include "storage/log/log_snapshot.h"
#include "storage/log/log_trim.h"

#include <stdio.h>

/* ---- life */

/* An entry or a node that stayed behind would bring the log back after it was freed. */
static void check_has_left(const struct log *log)
{
    check(!list_is_linked(&log->node) && !list_is_linked(&log->dirty_node));
    check(!list_is_linked(&log->write_node) && !list_is_linked(&log->progress_node));
    check(!list_is_linked(&log->target_node) && log_tail_is_empty(&log->tail));
    for (uint32_t i = 0; i < log->segments.count; i++)
        check(!list_is_linked(&segment_manifest_at(&log->segments, i)->file.node) &&
              !list_is_linked(&segment_manifest_at(&log->segments, i)->cached.node) &&
              !list_is_linked(&segment_manifest_at(&log->segments, i)->aborted_cached.node));
}

static void free_log(struct log *log)
{
    check_has_left(log);
    while (log->segments.count > 0)
        log_drop_last_segment(log, false);
    segment_manifest_deinit(&log->segments);
    log_tail_deinit(&log->tail);
    epoch_cache_deinit(&log->epochs);
    unreplicated_deinit(&log->unreplicated);
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
    struct log_environment *env = log->env;

    if (list_is_linked(&log->node)) {
        list_remove(&log->node);
        env->log_count--;
    }
    if (list_is_linked(&log->dirty_node))
        list_remove(&log->dirty_node);
    if (list_is_linked(&log->progress_node))
        list_remove(&log->progress_node);
    log_forget_trims(log);
    log_tail_drop_all(&log->tail);
    for (uint32_t i = 0; i < log->segments.count; i++)
        segment_leave_store(segment_manifest_at(&log->segments, i));
    producer_state_deinit(&log->producers); /* they count among the store's */
    log_note_producers(log);
    env->events->leaves(env->context, log);
    check_has_left(log);
}

void log_close(struct log *log)
{
    if (log == NULL)
        return;
    leave_store(log);
    log->closing = true;
    log->segment_environment.is_closing = true;
    log->events = NULL;
    if (segment_manifest_is_in_use(&log->segments))
        return; /* the last operation frees it: log_io_ended */
    free_log(log);
}

void log_io_ended(struct log *log)
{
    if (log->closing && !segment_manifest_is_in_use(&log->segments))
        free_log(log);
}

void log_delete_dir(struct log_environment *env, const struct log_id *id, const char *name,
                    const char *dir, int64_t delay_ms)
{
    char deleted_name[LOG_DIR_NAME_MAX];
    char path[LOG_PATH_MAX];

    log_names_format_deleted_dir(deleted_name, name, id->partition, &id->topic_id);
    snprintf(path, sizeof(path), "%s/%s", env->dir, deleted_name);
    if (env->io->v->file_rename(env->io, dir, path) == OK)
        file_deletion_add(env->deletion, path, true, delay_ms);
}

void log_delete(struct log *log)
{
    struct log_environment *env = log->env;

    log_delete_dir(env, &log->id, log->name, log->dir, log->config.file_delete_delay_ms);
    /* the mark of this log goes with the next checkpoint; its journal entries are passed over */
    log_close(log);
}

void log_set_config(struct log *log, const struct log_config *config)
{
    log->config = *config;
    for (uint32_t i = 0; i < log->segments.count; i++)
        segment_manifest_at(&log->segments, i)->index.interval_bytes = config->index_interval_bytes;
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
    return log->segments.count;
}

uint64_t log_size_bytes(const struct log *log)
{
    return segment_manifest_bytes(&log->segments);
}
