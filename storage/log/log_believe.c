/* The segments of a log up to its mark: every one there and whole, the last batches of each sound,
 * the torn block mended, what lies above the mark cut off; then epochs and producers. */
#include "base/mem.h"
#include "base/small_file.h"
#include "base/sometimes.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_recover.h"
#include "storage/log/log_roll.h"

#include <stdio.h>

struct tail_check {
    uint64_t pos; /* behind the last good batch */
    int64_t end_offset;
    bool bad;
};

static bool check_batch(void *context, const struct batch_header *header, const uint8_t *bytes,
                        uint64_t pos)
{
    struct tail_check *tail = context;

    tail->bad = !batch_crc_is_good(bytes, header);
    if (tail->bad)
        return false;
    tail->pos = pos + header->size_bytes;
    tail->end_offset = batch_last_offset(header) + 1;
    return true;
}

/* A log may end behind its last batch: one that was cut in the batch that holds its start, and one
 * whose last segment was empty when it was adopted. */
static bool may_end_above(const struct log *log, const struct segment *active, int64_t end_offset)
{
    return end_offset <= log->offsets.log_start || active->size_bytes == 0;
}

/* The device or the system did not answer: that says nothing about the bytes, and another start may
 * read them.  log_open decides what becomes of the log. */
static bool is_unanswered(enum err err)
{
    return err == ERR_IO || err == ERR_NOMEM;
}

/* The batches from the last index entry to the end: does the chain end where it should, or is the
 * log to be quarantined?  A closed one ends where the next begins, for a mark does not say where
 * else: only so a missing file is told apart from offsets that nobody can read (DUR-L16), and an
 * emptied one from one that was never written to. */
static enum err check_tail(struct log *log, struct segment *segment, int64_t end_offset,
                           bool is_active)
{
    struct tail_check tail = {.end_offset = segment->base_offset};
    struct offset_position last;
    enum err err = segment_load_indexes(segment);

    if (err == OK && segment->size_bytes > 0) {
        if (offset_index_last(&segment->index, &last))
            tail.pos = last.pos;
        err = segment_walk(segment, tail.pos, segment->size_bytes, check_batch, &tail);
        if ((err != OK || tail.bad) && !is_unanswered(err) &&
            !segment->indexes_rebuilt) { /* the entry may be wrong */
            tail = (struct tail_check){.end_offset = segment->base_offset};
            err = segment_rebuild_indexes(segment);
            if (err == OK)
                err = segment_walk(segment, 0, segment->size_bytes, check_batch, &tail);
        }
    }
    if (err == OK && !tail.bad && tail.pos == segment->size_bytes &&
        (tail.end_offset == end_offset ||
         (is_active && tail.end_offset < end_offset && may_end_above(log, segment, end_offset))))
        return OK;
    if (is_unanswered(err))
        return err;
    log_quarantine(log, "the last batches of a segment are damaged", tail.end_offset, err);
    return OK;
}

static enum err add_believed(struct log *log, int64_t base_offset, int64_t end_offset, uint64_t pos,
                             bool is_active)
{
    struct segment *segment = log_add_segment(log, base_offset);
    uint64_t file_bytes = 0;
    enum err err = log_segment_file_size(segment, &file_bytes);

    if (err == ERR_NOT_FOUND && is_active && pos == 0)
        err = OK;
    segment->end_offset = end_offset;
    segment->size_bytes = is_active ? pos : file_bytes;
    segment->written_pos = segment->size_bytes;
    if (is_unanswered(err))
        return err;
    if (err != OK || file_bytes < segment->size_bytes) {
        log_quarantine(log, "a segment is missing or shorter than its mark", base_offset, err);
        return OK;
    }
    err = check_tail(log, segment, end_offset, is_active);
    if (err == OK && !log->quarantined && !is_active && !segment->indexes_dirty)
        segment_unload_indexes(segment); /* read again when they are needed */
    return err;
}

static enum err load_epochs(struct log *log)
{
    char path[LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    snprintf(path, sizeof(path), "%s/leader-epoch-checkpoint", log->dir);
    err = small_file_read(log->env->io, path, &bytes, &size_bytes);
    if (err == OK) {
        err = epoch_cache_decode(&log->epochs, (const char *)bytes, size_bytes);
        mem_free(bytes);
    }
    return err;
}

static bool note_epoch(void *context, const struct batch_header *header, const uint8_t *bytes,
                       uint64_t pos)
{
    struct log *log = context;

    if (header->leader_epoch > epoch_cache_latest(&log->epochs))
        epoch_cache_assign(&log->epochs, header->leader_epoch, header->base_offset);
    return true;
}

/* The file, or all batches when it is lost or contradicts the log. */
static enum err restore_epochs(struct log *log)
{
    enum err err = load_epochs(log);

    if (err == OK) {
        if (epoch_cache_truncate_end(&log->epochs, log->offsets.log_end))
            log->epochs_dirty = true;
        return OK;
    }
    if (err == ERR_NOMEM)
        return err; /* it may be whole */
    epoch_cache_clear(&log->epochs);
    log->epochs_dirty = true;
    for (uint32_t i = 0; i < log->segments.count; i++) {
        err = segment_walk(segment_manifest_at(&log->segments, i), 0,
                           segment_manifest_at(&log->segments, i)->written_pos, note_epoch, log);
        if (err != OK)
            return err;
    }
    return OK;
}

/* The last block below the bound was perhaps being rewritten when the power went: its bytes stand
 * in the first entry that follows. */
static enum err repair_block(struct log *log, const struct mark *bound, const uint8_t *prefix,
                             uint32_t prefix_bytes)
{
    struct segment *segment = segment_create(&log->segment_environment, bound->segment_base_offset);
    struct io *io = log->env->io;
    uint64_t file_bytes = 0;
    char path[LOG_PATH_MAX];
    int32_t fd;
    enum err err = OK;

    segment_path(segment, LOG_FILE_LOG, false, path);
    if (prefix_bytes > bound->pos || (prefix_bytes > 0 && prefix == NULL))
        err = ERR_CORRUPT;
    else if (prefix_bytes > 0 && log_segment_file_size(segment, &file_bytes) == OK &&
             file_bytes >= bound->pos) {
        err = io->v->file_open(io, path, IO_WRITE, &fd);
        if (err == OK) {
            SOMETIMES("log_believe: a block below the mark was written again", true);
            err = io->v->file_write(io, fd, prefix, prefix_bytes, bound->pos - prefix_bytes);
            if (err == OK) /* its size, too: a sync that failed may have forgotten it */
                err = io->v->file_truncate(io, fd, file_bytes);
            io->v->close(io, fd);
        }
    }
    segment_free(segment);
    return err;
}

/* After an orderly stop a log ends at its mark in the files, too.  What stands behind it another
 * broker wrote, Kafka on the same directory: it is no remainder of a crash, and is not cut off. */
static enum err find_foreign(struct log *log, const struct log_found *found,
                             const struct mark *mark, bool *is_foreign)
{
    struct segment *segment;
    uint64_t file_bytes = 0;
    enum err err;

    *is_foreign = false;
    if (log->env->marks_at_start == NULL || !marks_set_is_clean(log->env->marks_at_start))
        return OK;
    segment = segment_create(&log->segment_environment, mark->segment_base_offset);
    err = log_segment_file_size(segment, &file_bytes);
    segment_free(segment);
    if (is_unanswered(err))
        return err;
    *is_foreign = file_bytes > mark->pos ||
                  (found->count > 0 && found->bases[found->count - 1] > mark->segment_base_offset);
    return OK;
}

enum err log_believe(struct log *log, struct log_found *found, const struct mark *mark,
                     const uint8_t *prefix, uint32_t prefix_bytes)
{
    uint32_t count = 0;
    bool is_foreign;
    enum err err = find_foreign(log, found, mark, &is_foreign);

    if (err == OK && is_foreign) {
        log_quarantine(log,
                       "another broker has written here since levee stopped in order;"
                       " docs/operations.md says how to take it over",
                       mark->end_offset, OK);
        return OK;
    }
    if (err == OK)
        err = repair_block(log, mark, prefix, prefix_bytes);
    if (err != OK)
        return err;
    log->offsets.log_start =
        mark->log_start_offset < mark->end_offset ? mark->log_start_offset : mark->end_offset;
    log->offsets.log_end = mark->end_offset;
    log_recover_published(log, mark->high_watermark);
    while (count < found->count && found->bases[count] < mark->segment_base_offset)
        count++;
    for (uint32_t i = 0; i < count && err == OK && !log->quarantined; i++) {
        int64_t next = i + 1 < count ? found->bases[i + 1] : mark->segment_base_offset;
        if (next <= mark->log_start_offset) {
            log_remove_stale(log, found->bases[i]); /* dropped before the crash */
            continue;
        }
        err = add_believed(log, found->bases[i], next, 0, false);
    }
    if (err == OK && !log->quarantined)
        err = add_believed(log, mark->segment_base_offset, mark->end_offset, mark->pos, true);
    if (err != OK || log->quarantined)
        return err;
    if (segment_manifest_at(&log->segments, 0)->base_offset > mark->log_start_offset) {
        log_quarantine(log, "the first segments are missing", mark->log_start_offset, OK);
        return OK;
    }
    for (uint32_t i = 0; i < found->count && err == OK; i++)
        if (found->bases[i] > mark->segment_base_offset)
            log_remove_stale(log, found->bases[i]);
    err = log_cut_file(log_active(log));
    if (err == OK)
        err = restore_epochs(log);
    if (err == OK)
        err = log_restore_producers(log, mark->end_offset, mark->window_offset);
    return err;
}
