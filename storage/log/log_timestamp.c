/* How old a record is, from what is in memory: for whoever watches how far readers are behind. */
#include "storage/log/log_private.h"

/* The batch that holds offset, among those that lie in an entry. */
static int64_t timestamp_in(const struct tail_entry *entry, int64_t offset)
{
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;

    batch_walk_init(&walk, entry->bytes, entry->size_bytes);
    while (batch_next(&walk, &header, &bytes) == OK)
        if (offset <= batch_last_offset(&header))
            return offset <= header.base_offset && !batch_is_log_append_time(&header)
                       ? header.base_timestamp_ms
                       : header.max_timestamp_ms;
    return -1;
}

/* An entry of the time index at or behind offset; without one, the largest of the segment. */
static int64_t timestamp_by_index(const struct segment *segment, int64_t offset)
{
    const struct time_index *times = &segment->times;
    uint32_t low = 0;
    uint32_t high = segment->indexes_loaded ? times->count : 0;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (times->base_offset + times->entries[middle].relative_offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (segment->indexes_loaded && low < times->count)
        return times->entries[low].timestamp_ms;
    return segment->indexes_loaded || times->max_timestamp_ms > segment->newest_ms
               ? times->max_timestamp_ms
               : segment->newest_ms;
}

int64_t log_timestamp_near(const struct log *log, int64_t offset)
{
    const struct tail_entry *entry;
    int64_t timestamp_ms = -1;
    uint32_t index = 0;

    if (log->quarantined || log->segments.count == 0)
        return -1;
    if (offset < log->offsets.log_start)
        offset = log->offsets.log_start;
    if (offset >= log->offsets.log_end)
        return -1;
    entry = log_tail_find(&log->tail, offset);
    if (entry != NULL && entry->base_offset <= offset)
        return timestamp_in(entry, offset);
    if (segment_manifest_find(&log->segments, offset, &index) == NULL)
        return -1;
    /* of one whose index is not in memory nothing may be known: then what follows it is later */
    for (; timestamp_ms < 0 && index < log->segments.count; index++)
        timestamp_ms = timestamp_by_index(segment_manifest_at(&log->segments, index), offset);
    return timestamp_ms;
}
