#include "storage/cleaner/cleaner_group.h"

#include "base/check.h"
#include "base/mem.h"
#include "storage/log/log_swap.h"
#include "storage/log/log_trim.h"
#include "storage/log/segment_aborted.h"

void cleaner_group_init(struct cleaner_group *group)
{
    *group = (struct cleaner_group){0};
    for (int i = 0; i < CLEANER_FILES; i++)
        group->fds[i] = -1;
}

void cleaner_group_deinit(struct cleaner_group *group, struct io *io)
{
    for (int i = 0; i < CLEANER_FILES; i++)
        if (group->fds[i] >= 0)
            io->v->close(io, group->fds[i]);
    offset_index_deinit(&group->index);
    time_index_deinit(&group->times);
    cleaner_group_init(group);
}

/* ---- which */

/* An index holds an entry for each interval at most, whatever becomes of the batches. */
static uint64_t index_bytes(const struct segment *segment)
{
    return segment->size_bytes / (segment->index.interval_bytes + 1) * TIME_INDEX_ENTRY_BYTES;
}

static enum err open_file(struct cleaner_group *group, const struct log *log,
                          enum cleaner_file file, enum log_file_kind kind)
{
    struct io *io = log->env->io;
    char path[LOG_PATH_MAX];

    log_swap_format_cleaned(log, group->base_offset, kind, path);
    return io->v->file_open(io, path, IO_WRITE | IO_CREATE | IO_TRUNCATE, &group->fds[file]);
}

enum err cleaner_group_begin(struct cleaner_group *group, struct log *log, int64_t from_offset,
                             int64_t end_offset)
{
    uint64_t bytes_max = log->config.segment_bytes / log->env->options->segment_shrink;
    uint64_t bytes = 0;
    uint64_t indexes = 0;

    cleaner_group_deinit(group, log->env->io);
    group->old_bytes = 0;
    for (uint32_t i = 0; i < log->segments.count && group->count < CLEANER_GROUP_MAX; i++) {
        const struct segment *segment = segment_manifest_at(&log->segments, i);
        if (segment->base_offset < from_offset)
            continue;
        if (segment->is_active || segment->base_offset >= end_offset)
            break;
        if (segment->size_bytes == 0 || segment->is_swap) {
            if (group->count > 0)
                break;
            continue;
        }
        if (group->count == 0)
            group->base_offset = segment->base_offset;
        bytes += segment->size_bytes;
        indexes += index_bytes(segment);
        if (group->count > 0 && (bytes > bytes_max || indexes > log->config.segment_index_bytes ||
                                 segment->end_offset - 1 - group->base_offset > INT32_MAX))
            break; /* CLG-1 */
        group->old_bytes += segment->size_bytes;
        group->generations[group->count] = segment->generation;
        group->base_offsets[group->count++] = segment->base_offset;
        group->end_offset = segment->end_offset;
    }
    if (group->count == 0)
        return ERR_NOT_FOUND;
    offset_index_init(&group->index, group->base_offset, log->config.index_interval_bytes,
                      log->config.segment_index_bytes / OFFSET_INDEX_ENTRY_BYTES);
    time_index_init(&group->times, group->base_offset,
                    log->config.segment_index_bytes / TIME_INDEX_ENTRY_BYTES);
    return open_file(group, log, CLEANER_FILE_LOG, LOG_FILE_LOG);
}

struct segment *cleaner_group_segment(const struct cleaner_group *group, const struct log *log,
                                      uint32_t at)
{
    uint32_t index;
    struct segment *segment =
        segment_manifest_find(&log->segments, group->base_offsets[at], &index);

    if (segment == NULL || segment->generation != group->generations[at] || segment->is_active)
        return NULL;
    return segment;
}

bool cleaner_group_stands(const struct cleaner_group *group, const struct log *log,
                          uint32_t *index_out)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const struct segment *segment = cleaner_group_segment(group, log, i);
        if (segment == NULL || log_recovery_needs(log, segment))
            return false;
    }
    segment_manifest_find(&log->segments, group->base_offset, index_out);
    return segment_manifest_at(&log->segments, *index_out + group->count - 1)->end_offset ==
           group->end_offset;
}

/* ---- the new one */

void cleaner_group_note(struct cleaner_group *group, const uint8_t *bytes, size_t size_bytes)
{
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *at;

    batch_walk_init(&walk, bytes, size_bytes);
    while (batch_next(&walk, &header, &at) == OK) {
        int64_t last_offset = batch_last_offset(&header);
        if (header.record_count > 0) /* the others have no record that the index could lead to */
            time_index_note_batch(&group->times, header.max_timestamp_ms, last_offset);
        group->last_timestamp_ms = header.max_timestamp_ms;
        if (offset_index_add_batch(&group->index, last_offset, group->noted_pos, header.size_bytes))
            time_index_add_entry(&group->times, false);
        group->noted_pos += header.size_bytes;
    }
}

static enum err write_index(struct cleaner_group *group, struct log *log, enum cleaner_file file,
                            enum log_file_kind kind, uint8_t *bytes, size_t size_bytes)
{
    struct io *io = log->env->io;
    enum err err = open_file(group, log, file, kind);

    if (err == OK && size_bytes > 0)
        err = io->v->file_write(io, group->fds[file], bytes, (uint32_t)size_bytes, 0);
    return err;
}

static enum err write_indexes(struct cleaner_group *group, struct log *log,
                              const struct transaction_index *aborted)
{
    size_t index_size = offset_index_size_bytes(&group->index);
    size_t aborted_size = transaction_index_size_bytes(aborted);
    size_t times_size;
    uint8_t *bytes;
    enum err err;

    if (group->times.max_timestamp_ms < 0) /* nothing but empty batches: it was written then */
        time_index_note_batch(&group->times, group->last_timestamp_ms, group->end_offset - 1);
    time_index_add_entry(&group->times, true);
    times_size = time_index_size_bytes(&group->times);
    bytes = mem_try_alloc(index_size + times_size + aborted_size);
    if (bytes == NULL)
        return ERR_NOMEM;
    offset_index_encode(&group->index, bytes);
    time_index_encode(&group->times, bytes + index_size);
    transaction_index_encode(aborted, 0, bytes + index_size + times_size);
    err = write_index(group, log, CLEANER_FILE_INDEX, LOG_FILE_INDEX, bytes, index_size);
    if (err == OK)
        err = write_index(group, log, CLEANER_FILE_TIME_INDEX, LOG_FILE_TIME_INDEX,
                          bytes + index_size, times_size);
    if (err == OK && aborted_size > 0)
        err = write_index(group, log, CLEANER_FILE_TXN_INDEX, LOG_FILE_TXN_INDEX,
                          bytes + index_size + times_size, aborted_size);
    mem_free(bytes);
    return err;
}

static bool stays(const struct cleaner_offsets *aborts, int64_t marker_offset)
{
    uint32_t low = 0;
    uint32_t high = aborts->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (aborts->items[middle] < marker_offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < aborts->count && aborts->items[low] == marker_offset;
}

/* The entries of a segment whose markers abort something that is still there. */
static enum err keep_aborted(struct transaction_index *index, struct segment *from,
                             const struct cleaner_offsets *aborts)
{
    enum err err = from->aborted.is_loaded ? OK : segment_aborted_load(from);

    for (uint32_t i = 0; i < from->aborted.count && err == OK; i++) {
        const struct transaction_index_entry *entry = &from->aborted.entries[i];
        if (!stays(aborts, entry->last_offset))
            continue;
        if (!transaction_index_reserve(index))
            return ERR_NOMEM;
        transaction_index_add(index, entry);
    }
    return err;
}

enum err cleaner_group_make(struct cleaner_group *group, struct log *log,
                            const struct cleaner_offsets *aborts, struct segment **made_out)
{
    struct segment *made = segment_create(&log->segment_environment, group->base_offset);
    enum err err = OK;

    check(group->noted_pos == group->out_pos);
    made->end_offset = group->end_offset; /* SWP-1: the batch that ends there stays */
    made->size_bytes = group->out_pos;
    made->written_pos = group->out_pos;
    for (uint32_t i = 0; i < group->count && err == OK; i++) {
        struct segment *from = cleaner_group_segment(group, log, i);
        err = from == NULL ? ERR_AGAIN : keep_aborted(&made->aborted, from, aborts);
    }
    made->aborted_saved = made->aborted.count;
    if (err == OK)
        err = write_indexes(group, log, &made->aborted);
    if (err == OK)
        *made_out = made;
    else
        segment_free(made);
    return err;
}
