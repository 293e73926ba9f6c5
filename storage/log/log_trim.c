/* Trimming at both ends: retention, DeleteRecords, truncate. */
#include "storage/log/log_trim.h"

#include "base/check.h"
#include "base/mem.h"
#include "storage/log/log_check.h"
#include "storage/log/log_producers.h"
#include "storage/log/log_roll.h"
#include "storage/log/log_snapshot.h"
#include "storage/log/log_swap.h"
#include "storage/log/segment_aborted.h"

/* ---- entries that wait for their journal group */

/* With room for so many dropped segments.  NULL: no memory. */
/* A log start, or a cut, that waits for its journal entry to be durable. */
struct log_trim {
    struct commit_waiter commit;
    struct list node; /* log.trims; off it: the log is gone */
    struct log *log;
    enum journal_kind kind;
    int64_t offset;
    int64_t *dropped_bases; /* of a cut: segments whose files go when it is durable */
    uint32_t dropped_count;
    void (*done)(void *context, enum err err);
    void *context;
};

static void on_committed(struct commit_waiter *waiter, enum err err);
static void on_dropped(struct commit_waiter *waiter);

static struct log_trim *new_trim(struct log *log, enum journal_kind kind, uint32_t dropped_max,
                                 void (*done)(void *context, enum err err), void *context)
{
    struct log_trim *trim = mem_try_alloc(sizeof(*trim));
    int64_t *dropped_bases = mem_try_alloc(dropped_max * sizeof(*dropped_bases));

    if (trim == NULL || dropped_bases == NULL) {
        mem_free(trim);
        mem_free(dropped_bases);
        return NULL;
    }
    *trim = (struct log_trim){.commit = {.committed = on_committed, .dropped = on_dropped},
                              .log = log,
                              .kind = kind,
                              .dropped_bases = dropped_bases,
                              .done = done,
                              .context = context};
    return trim;
}

static void free_trim(struct log_trim *trim)
{
    if (list_is_linked(&trim->node))
        list_remove(&trim->node);
    mem_free(trim->dropped_bases);
    mem_free(trim);
}

static void on_dropped(struct commit_waiter *waiter)
{
    free_trim(container_of(waiter, struct log_trim, commit));
}

void log_forget_trims(struct log *log)
{
    struct list *node;

    while ((node = list_pop_front(&log->trims)) != NULL)
        container_of(node, struct log_trim, node)->log = NULL;
}

/* Into the journal, where trim waits for it; on an error it is freed. */
static enum err journal_mark(struct log *log, struct log_trim *trim, int64_t offset, uint64_t pos,
                             int64_t segment_base_offset, bool urgent)
{
    struct journal_entry entry = {.topic_id = log->id.topic_id,
                                  .partition = log->id.partition,
                                  .kind = (uint8_t)trim->kind,
                                  .offset = offset,
                                  .end_offset = offset,
                                  .segment_base_offset = segment_base_offset,
                                  .pos = pos,
                                  .urgent = urgent};
    enum err err;

    if (log->env->state == STORE_FAILED)
        err = ERR_STORAGE;
    else if (log->quarantined)
        err = ERR_QUARANTINED;
    else if (log->env->state != STORE_RUNNING || log->env->stopping)
        err = ERR_CLOSED;
    else
        err = journal_append(log->env->journal, &entry, NULL, 0, false, NULL, NULL,
                             &trim->commit.sequence);
    if (err != OK) {
        free_trim(trim);
        return err == ERR_AGAIN ? ERR_FULL : err;
    }
    trim->offset = offset;
    list_push_back(&log->trims, &trim->node);
    commit_waiters_add(log->env->commits, &trim->commit);
    return OK;
}

bool log_recovery_needs(const struct log *log, const struct segment *segment)
{
    int64_t base_offset = segment->base_offset;

    return (log->marked_base_offset >= 0 && base_offset >= log->marked_base_offset) ||
           (log->believed_exists && base_offset >= log->believed.segment_base_offset) ||
           (log->in_checkpoint && base_offset >= log->target.segment_base_offset) ||
           (log->in_checkpoint && log->target_was_cut &&
            base_offset >= log->target_cut_base_offset) ||
           (log->was_cut && base_offset >= log->cut_base_offset);
}

/* Segments that end at or below log_start go; those that cannot yet go after the next mark, or when
 * retention is looked at. */
void log_drop_below_start(struct log *log)
{
    if (log->env->state != STORE_RUNNING || log->is_swapping) /* SWP-3 */
        return;
    while (log->segments.count > 1 &&
           segment_manifest_at(&log->segments, 0)->end_offset <= log->offsets.log_start &&
           segment_manifest_at(&log->segments, 0)->file.io_count == 0 &&
           !log_recovery_needs(log, segment_manifest_at(&log->segments, 0)))
        log_drop_first_segment(log, true);
}

static void raise_start(struct log *log, int64_t offset)
{
    if (offset <= log->offsets.log_start)
        return;
    log->offsets.log_start = offset;
    if (epoch_cache_truncate_start(&log->epochs, offset))
        log->epochs_dirty = true;
    producer_state_raise_start(&log->producers, offset);
    log_place_stable(log);
    log_mark_dirty(log);
    log_check_invariants(log);
}

/* The entry is durable: now it takes effect, and the files follow. */
static void on_committed(struct commit_waiter *waiter, enum err err)
{
    struct log_trim *trim = container_of(waiter, struct log_trim, commit);

    if (err == OK && trim->log != NULL && trim->kind == JOURNAL_LOG_START) {
        raise_start(trim->log, trim->offset);
        log_drop_below_start(trim->log);
        if (trim->log->events != NULL && trim->log->events->start_moved != NULL)
            trim->log->events->start_moved(trim->log->events_context, trim->log);
    }
    for (uint32_t i = 0; i < trim->dropped_count && err == OK && trim->log != NULL; i++)
        log_delete_segment_files(trim->log, trim->dropped_bases[i]);
    if (trim->done != NULL)
        trim->done(trim->context, err);
    free_trim(trim);
}

static void note_pending_start(struct log *log, int64_t offset)
{
    if (offset > log->start_pending)
        log->start_pending = offset;
}

enum err log_delete_records(struct log *log, int64_t offset,
                            void (*done)(void *context, enum err err), void *context)
{
    struct log_trim *trim;
    bool lets_go; /* a segment */
    enum err err;

    if (offset < log->offsets.log_start || offset > log->offsets.high_watermark)
        return ERR_OFFSET_RANGE;
    trim = new_trim(log, JOURNAL_LOG_START, 0, done, context);
    if (trim == NULL)
        return ERR_NOMEM;
    lets_go =
        log->segments.count > 1 && segment_manifest_at(&log->segments, 0)->end_offset <= offset;
    err = journal_mark(log, trim, offset, 0, 0, lets_go);
    if (err == OK)
        note_pending_start(log, offset);
    return err;
}

/* ---- retention */

enum { AHEAD_MAX_MS = 3600 * 1000 };

/* When the file was written to, where batches have no time (LogSegment.largestTimestamp); -1: it
 * was not yet. */
static int64_t file_ms(const struct segment *segment)
{
    struct io *io = segment->of->io;
    struct io_stat stat;
    char path[LOG_PATH_MAX];

    segment_path(segment, LOG_FILE_LOG, false, path);
    return io->v->file_stat(io, path, &stat) == OK ? stat.mtime_ms : -1;
}

/* That of a closed segment is kept, so that a look at retention does not load an index of every
 * log.
 */
int64_t log_segment_newest_ms(struct segment *segment)
{
    bool is_closed = !segment->is_active;
    int64_t newest;

    if (is_closed && segment->newest_ms >= 0)
        return segment->newest_ms;
    if (segment_load_indexes(segment) != OK)
        return -1;
    newest = segment->times.max_timestamp_ms;
    if (newest < 0)
        newest = file_ms(segment);
    if (is_closed)
        segment->newest_ms = newest;
    return newest;
}

/* When a segment was surely written by: at the last write to its file, or, where that is dated
 * later than now (the clock was set back), to one behind it; -1: not known. */
static int64_t written_by_ms(const struct log *log, uint32_t index, int64_t now_ms)
{
    for (; index < log->segments.count; index++) {
        int64_t ms = file_ms(segment_manifest_at(&log->segments, index));
        if (ms >= 0 && ms <= now_ms)
            return ms;
    }
    return -1;
}

/* A record that is dated later than anybody's clock is wrong (message.timestamp.after.max.ms is an
 * hour, unless somebody chose otherwise) is as old as its file: else one of the year 2100 would
 * keep its segment, and all behind it, until then. */
static bool is_too_old(const struct log *log, uint32_t index, int64_t now_ms)
{
    int64_t retention_ms = log->config.retention_ms;
    int64_t newest_ms;

    if (retention_ms < 0 || now_ms < 0)
        return false;
    newest_ms = log_segment_newest_ms(segment_manifest_at(&log->segments, index));
    if (newest_ms > now_ms && newest_ms - now_ms > AHEAD_MAX_MS)
        newest_ms = written_by_ms(log, index, now_ms);
    return newest_ms >= 0 && now_ms - newest_ms > retention_ms;
}

/* log_bytes: of it and all behind it. */
static bool is_expired(const struct log *log, uint32_t index, uint64_t log_bytes, int64_t now_ms)
{
    const struct segment *segment = segment_manifest_at(&log->segments, index);
    int64_t retention_bytes = log->config.retention_bytes;

    if (segment->end_offset > log->offsets.last_stable ||
        segment->file.io_count > 0 || /* DUR-L14 */
        segment->size_bytes == 0 || segment->written_pos < segment->size_bytes)
        return false;
    return (retention_bytes >= 0 && log_bytes - segment->size_bytes >= (uint64_t)retention_bytes) ||
           is_too_old(log, index, now_ms);
}

uint32_t log_apply_retention(struct log *log, int64_t now_ms)
{
    uint32_t count = 0;
    struct log_trim *trim;
    uint64_t log_bytes;
    int64_t start;

    if (log->env->state != STORE_RUNNING || log->quarantined)
        return 0;
    log_drop_below_start(log);
    if (!log->config.retention_by_delete || log->env->stopping)
        return 0;
    log_bytes = segment_manifest_bytes(
        &log->segments); /* without what has just gone: that would go twice */
    while (count < log->segments.count && is_expired(log, count, log_bytes, now_ms))
        log_bytes -= segment_manifest_at(&log->segments, count++)->size_bytes;
    if (count == 0)
        return 0;
    if (count == log->segments.count && log_roll(log, log->offsets.log_end, true) != OK)
        return 0; /* the active one goes with the others, when the journal has room */
    start = segment_manifest_at(&log->segments, count)->base_offset;
    if (start <= log->start_pending)
        return 0;
    trim = new_trim(log, JOURNAL_LOG_START, 0, NULL, NULL);
    if (trim == NULL || journal_mark(log, trim, start, 0, 0, true) != OK)
        return 0; /* the next look finds them again */
    note_pending_start(log, start);
    return count;
}

/* ---- truncate */

struct cut {
    int64_t offset;
    int64_t end_offset; /* of the last batch that stays, */
    uint64_t pos;       /* and where it ends */
};

static bool find_cut(void *context, const struct batch_header *header, const uint8_t *bytes,
                     uint64_t pos)
{
    struct cut *cut = context;

    if (batch_last_offset(header) >= cut->offset)
        return false;
    cut->end_offset = batch_last_offset(header) + 1;
    cut->pos = pos + header->size_bytes;
    return true;
}

/* Where the file or the tail of segment is to end. */
static enum err place_cut(struct log *log, struct segment *segment, struct cut *cut)
{
    enum err err = segment_load_indexes(segment);

    if (err != OK)
        return err;
    cut->end_offset = segment->base_offset;
    cut->pos = offset_index_find(&segment->index, cut->offset - 1).pos;
    err = segment_walk(segment, cut->pos, segment->written_pos, find_cut, cut);
    list_for_each(node, &log->tail.entries)
    {
        struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        if (entry->segment == segment && entry->end_offset <= cut->offset &&
            entry->pos + entry->size_bytes > cut->pos) {
            cut->end_offset = entry->end_offset;
            cut->pos = entry->pos + entry->size_bytes;
        }
    }
    return err;
}

/* Where the log is to end: a segment that is closed there holds all offsets below it, or what it
 * lacks is below the log start, and the segment with it. */
static int64_t end_behind(const struct log *log, const struct cut *cut)
{
    if (cut->offset == log->offsets.log_end)
        return cut->offset; /* nothing goes */
    return cut->end_offset > log->offsets.log_start ? cut->end_offset : log->offsets.log_start;
}

/* The state behind the cut: as after a recovery up to there. */
enum err log_cut_state(struct log *log, struct segment *segment, int64_t offset, uint64_t pos)
{
    segment->size_bytes = pos;
    segment->end_offset = offset > segment->base_offset ? offset : segment->base_offset;
    if (segment->written_pos > pos) {
        segment->written_pos = pos;
        mem_free(segment->head_block);
        segment->head_block = NULL;
    }
    offset_index_truncate(&segment->index, offset);
    time_index_truncate(&segment->times, offset);
    segment->newest_ms = -1;
    segment->padded = true; /* the old end is still in the file */
    segment->indexes_dirty = true;
    segment->index_saved = 0;
    segment->index_files_true = false;
    segment->times_saved = 0;
    if (epoch_cache_truncate_end(&log->epochs, offset))
        log->epochs_dirty = true;
    log->offsets.log_end = offset;
    if (log->cleaned_offset > offset)
        log_swap_forget_cleaned(log);
    if (log->offsets.durable > offset)
        log->offsets.durable = offset;
    if (log->offsets.accepted > offset)
        log->offsets.accepted = offset;
    log_cut_published(log, offset);
    if (log->roll_snapshot.offset >= offset)
        log_thaw_snapshot(log);
    log->producers_dirty = true;
    if (producer_state_truncate(&log->producers, offset) &&
        (segment->aborted.is_loaded || segment_aborted_load(segment) == OK)) /* SGA-1 */
        return OK; /* nor is there a marker behind it */
    log->window_offset = -1;
    return log_rebuild_producers(log);
}

static bool is_being_read(const struct log *log, uint32_t first_index)
{
    for (uint32_t i = first_index; i < log->segments.count; i++)
        if (segment_manifest_at(&log->segments, i)->file.io_count > 0)
            return true;
    return false;
}

/* Out of memory now; their files when the cut is durable. */
static void drop_segments_from(struct log *log, uint32_t first_index, struct log_trim *trim)
{
    while (log->segments.count > first_index) {
        trim->dropped_bases[trim->dropped_count++] = log_active(log)->base_offset;
        log_drop_last_segment(log, false);
    }
}

/* A checkpoint that is on its way must not name what is cut off. */
static void cut_target(struct log *log, const struct segment *segment, int64_t offset, uint64_t pos)
{
    if (!log->in_checkpoint || log->target.end_offset <= offset)
        return;
    log->target.end_offset = offset;
    log->target.segment_base_offset = segment->base_offset;
    log->target.pos = pos;
}

enum err log_truncate(struct log *log, int64_t offset, void (*done)(void *context, enum err err),
                      void *context)
{
    struct cut cut = {.offset = offset};
    struct segment *segment;
    uint32_t index;
    struct log_trim *trim;
    enum err err;

    if (log->env->state == STORE_FAILED)
        return ERR_STORAGE;
    if (log->quarantined)
        return ERR_QUARANTINED;
    if (log->start_pending > log->offsets.log_start)
        return ERR_FULL; /* a mark with the cut has to have that start, too */
    if (offset < log->offsets.log_start || offset > log->offsets.log_end)
        return ERR_OFFSET_RANGE;
    segment = segment_manifest_find(
        &log->segments,
        offset == segment_manifest_at(&log->segments, 0)->base_offset ? offset : offset - 1,
        &index);
    check(segment != NULL);
    err = place_cut(log, segment, &cut);
    if (err == OK && (log->writing || log->is_swapping || is_being_read(log, index + 1)))
        err = ERR_FULL; /* the files are in use: call again when that has ended */
    if (err != OK)
        return err;
    offset = end_behind(log, &cut);
    trim = new_trim(log, JOURNAL_TRUNCATE, log->segments.count - (index + 1), done, context);
    if (trim == NULL)
        return ERR_NOMEM;
    err = journal_mark(log, trim, offset, cut.pos, segment->base_offset, true);
    if (err != OK)
        return err;
    log_tail_cut(&log->tail, offset);
    drop_segments_from(log, index + 1, trim);
    cut_target(log, segment, offset, cut.pos);
    if (!log->was_cut || segment->base_offset < log->cut_base_offset)
        log->cut_base_offset = segment->base_offset;
    log->was_cut = true;
    log->prefix_pending = true; /* what follows rewrites a block that the mark covers */
    err = log_cut_state(log, segment, offset, cut.pos);
    log_mark_dirty(log);
    log_check_invariants(log);
    return err;
}
