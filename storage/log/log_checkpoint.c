#include "storage/log/log_checkpoint.h"

#include "base/mem.h"
#include "base/small_file.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_snapshot.h"
#include "storage/log/log_trim.h"
#include "storage/log/segment_aborted.h"

#include <stdio.h>

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
    err = small_file_write(log->env->io, path, text, size_bytes);
    mem_free(text);
    if (err == OK)
        log->epochs_dirty = false;
    return err;
}

enum err log_write_small_files(struct log *log, int64_t end_offset)
{
    enum err err = OK;

    for (uint32_t i = 0; i < log->segments.count && err == OK; i++) {
        bool is_closed = i + 1 < log->segments.count;
        /* Its size is what is believed of it.  One that was closed since the checkpoint began is
         * cut by the next one: what protects its last block is perhaps not durable yet. */
        if (segment_manifest_at(&log->segments, i)->base_offset < log->target.segment_base_offset)
            err = segment_cut_padding(segment_manifest_at(&log->segments, i));
        if (err == OK && segment_manifest_at(&log->segments, i)->indexes_dirty)
            err = segment_save_indexes(segment_manifest_at(&log->segments, i), is_closed);
        if (err == OK)
            err = segment_aborted_save(segment_manifest_at(&log->segments, i));
    }
    if (err == OK && log->epochs_dirty)
        err = log_write_epochs(log);
    if (err == OK)
        err = log_write_frozen_snapshot(log, end_offset);
    log->window_pending = log->window_offset;
    if (err == OK && log->window_bytes != NULL) { /* the last that may fail: it is written once */
        err = log_write_window(log, end_offset);
        log->window_pending = end_offset;
    }
    if (err == OK)
        log_remove_strays(log);
    return err;
}

/* The mark names window_pending now: the file before it is of no use any more. */
void log_window_is_marked(struct log *log)
{
    char path[LOG_PATH_MAX];

    log_drop_below_start(log); /* what only the mark before this one named may go */
    if (log->window_pending == log->window_offset)
        return;
    if (log->window_offset >= 0) {
        log_format_path(log, log->window_offset, LOG_FILE_WINDOW, path);
        (void)!log->env->io->v->file_unlink(log->env->io, path);
    }
    log->window_offset = log->window_pending;
}
