#include "storage/log/log_roll.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/log/log_snapshot.h"
#include "storage/log/segment_aborted.h"

#include <string.h>

struct segment *log_add_segment(struct log *log, int64_t base_offset)
{
    struct segment *segment = segment_create(&log->segment_environment, base_offset);

    segment_manifest_add(&log->segments, segment);
    return segment;
}

/* Of a segment that has not got its name after a swap (log_swap.h): the next start would give it to
 * a segment that is not there any more. */
static void delete_swap(struct log *log, struct segment *named, enum log_file_kind kind)
{
    struct log_environment *env = log->env;
    char from[LOG_PATH_MAX];
    char to[LOG_PATH_MAX];

    named->is_swap = true;
    segment_path(named, kind, false, from);
    named->is_swap = false;
    segment_path(named, kind, true, to);
    if (kind <= LOG_FILE_TXN_INDEX && env->io->v->file_rename(env->io, from, to) == OK)
        file_deletion_add(env->deletion, to, false, log->config.file_delete_delay_ms);
}

void log_delete_segment_files(struct log *log, int64_t base_offset)
{
    struct log_environment *env = log->env;
    struct segment *named = segment_create(&log->segment_environment, base_offset);
    char from[LOG_PATH_MAX];
    char to[LOG_PATH_MAX];

    for (int kind = 0; kind < LOG_FILE_KIND_COUNT; kind++) {
        if (kind == LOG_FILE_WINDOW)
            continue; /* named by offset and mark, not by segment */
        segment_path(named, (enum log_file_kind)kind, false, from);
        segment_path(named, (enum log_file_kind)kind, true, to);
        if (env->io->v->file_rename(env->io, from, to) == OK)
            file_deletion_add(env->deletion, to, false, log->config.file_delete_delay_ms);
        delete_swap(log, named, (enum log_file_kind)kind);
    }
    segment_free(named);
}

void log_drop_first_segment(struct log *log, bool delete_files)
{
    struct segment *segment = segment_manifest_take_first(&log->segments);
    struct tail_entry *entry;

    while ((entry = log_tail_first(&log->tail)) != NULL && entry->segment == segment)
        log_tail_remove(entry);
    if (delete_files)
        log_delete_segment_files(log, segment->base_offset);
    segment_free(segment);
}

void log_drop_last_segment(struct log *log, bool delete_files)
{
    struct segment *segment = segment_manifest_take_last(&log->segments);

    if (delete_files)
        log_delete_segment_files(log, segment->base_offset);
    segment_free(segment);
}

/* Kafka's LogSegment.timeWaitedForRoll, but that what is dated later than now counts as now. */
static bool is_time_to_roll(struct segment *active, int64_t timestamp_ms)
{
    int64_t segment_ms = active->of->config->segment_ms;
    int64_t first_ms = active->first_timestamp_ms;
    int64_t now_ms;

    if (first_ms < 0 || timestamp_ms < 0)
        return false;
    if (timestamp_ms >= first_ms && timestamp_ms - first_ms <= segment_ms)
        return false; /* whatever the clock says */
    now_ms = clock_wall_ms(active->of->clock);
    if (first_ms > now_ms)
        active->first_timestamp_ms = first_ms = now_ms; /* the clock was set back */
    if (timestamp_ms > now_ms)
        timestamp_ms = now_ms;
    return timestamp_ms - first_ms > segment_ms;
}

bool log_must_roll(const struct log *log, uint32_t size_bytes, int64_t last_offset,
                   int64_t timestamp_ms)
{
    struct segment *active = log_active(log);

    if (active->size_bytes == 0)
        return false;
    if (active->size_bytes + size_bytes >
            log->config.segment_bytes / log->env->options->segment_shrink ||
        BUGGIFY("log: a segment is closed early"))
        return true;
    if (offset_index_is_full(&active->index, last_offset) ||
        active->aborted.count >= log->config.segment_index_bytes / TRANSACTION_INDEX_ENTRY_BYTES)
        return true;
    return is_time_to_roll(active, timestamp_ms);
}

void log_begin_segment(struct log *log, int64_t base_offset)
{
    struct segment *closed;
    struct segment *segment;

    log_active(log)->indexes_dirty = true;
    closed = log_active(log);
    segment = log_add_segment(log, base_offset);
    segment_aborted_use(closed);
    segment->indexes_loaded = true;
    segment->indexes_dirty = true;
    log_freeze_snapshot(log, base_offset);
    log_mark_dirty(log);
}

/* Everything of the last block is in the head block, or in entries that are not written. */
enum err log_block_prefix(struct log *log, uint8_t *bytes, uint32_t *size_out)
{
    struct segment *active = log_active(log);
    uint64_t start = active->size_bytes & ~(uint64_t)(STORE_BLOCK - 1);
    uint64_t written_start = active->written_pos & ~(uint64_t)(STORE_BLOCK - 1);
    enum err err;

    *size_out = (uint32_t)(active->size_bytes - start);
    if (*size_out == 0)
        return OK;
    if (written_start == start && active->written_pos > start) {
        err = segment_need_head(active);
        if (err != OK)
            return err;
        memcpy(bytes, active->head_block, active->written_pos - start);
    }
    for (struct tail_entry *entry = log->tail.first_unwritten; entry != NULL;
         entry = log_tail_next(entry)) {
        uint64_t from = entry->pos > start ? entry->pos : start;
        uint64_t end = entry->pos + entry->size_bytes;
        if (entry->segment == active && end > from)
            memcpy(bytes + (from - start), entry->bytes + (from - entry->pos), end - from);
    }
    return OK;
}

/* An append without batches: a replay passes over it, and finds in it what a cut may have hurt. */
enum err log_protect_end(struct log *log, bool urgent)
{
    struct segment *active = log_active(log);
    uint8_t prefix[STORE_BLOCK];
    struct iovec vec = {.iov_base = prefix};
    struct journal_entry entry = {.topic_id = log->id.topic_id,
                                  .partition = log->id.partition,
                                  .kind = JOURNAL_APPEND,
                                  .offset = log->offsets.log_end,
                                  .end_offset = log->offsets.log_end,
                                  .segment_base_offset = active->base_offset,
                                  .pos = active->size_bytes,
                                  .urgent = urgent};
    enum err err;

    if (!log->prefix_pending || active->size_bytes % STORE_BLOCK == 0)
        return OK;
    err = log_block_prefix(log, prefix, &entry.prefix_bytes);
    vec.iov_len = entry.prefix_bytes;
    if (err == OK)
        err = journal_append(log->env->journal, &entry, &vec, 1, log->config.relaxed, NULL, NULL,
                             NULL);
    if (err == OK)
        log->prefix_pending = false;
    return err;
}

enum err log_roll(struct log *log, int64_t base_offset, bool urgent)
{
    enum err err = log_protect_end(log, urgent);

    if (err == OK)
        log_begin_segment(log, base_offset);
    return err;
}
