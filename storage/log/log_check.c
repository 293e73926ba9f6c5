#include "storage/log/log_check.h"

#include "base/check.h"
#include "storage/log/log_private.h"

#ifndef LEVEE_RELEASE

enum { ENTRIES_MAX = 128 }; /* a longer tail is not walked through */

/* LTL-1: the entries stand by offset inside the log, those that are written first; the sums are
 * theirs (LTL-2). */
static void check_tail(const struct log *log)
{
    const struct log_tail *tail = &log->tail;
    const struct tail_entry *first_unwritten = NULL;
    int64_t end_offset = 0;
    uint64_t ready_bytes = 0;
    uint32_t count = 0;

    list_for_each(node, &tail->entries)
    {
        const struct tail_entry *entry = container_of(node, struct tail_entry, log_node);
        check(entry->tail == tail);
        check(entry->base_offset >= end_offset && entry->end_offset > entry->base_offset);
        end_offset = entry->end_offset;
        count++;
        if (first_unwritten == NULL && !entry->written)
            first_unwritten = entry;
        check(entry->written == (first_unwritten == NULL));
        if (entry->written)
            continue;
        check(entry->pos + entry->size_bytes <= entry->segment->size_bytes);
        if (entry->sequence <= tail->cache->committed)
            ready_bytes += entry->size_bytes;
    }
    check(count == tail->ring.count);
    check(end_offset <= log->offsets.log_end);
    check(first_unwritten == tail->first_unwritten);
    check(ready_bytes == tail->ready_bytes);
}

/* The newest two; LOG-2. */
static void check_segments(const struct log *log)
{
    const struct segment *active = log_active(log);
    const struct segment *before;

    check(active->is_active);
    check(active->written_pos <= active->size_bytes);
    check(active->base_offset <= active->end_offset);
    check(active->end_offset <= log->offsets.log_end);
    if (log->segments.count == 1)
        return;
    before = segment_manifest_at(&log->segments, log->segments.count - 2);
    check(!before->is_active);
    check(before->written_pos <= before->size_bytes);
    check(before->base_offset < before->end_offset);
    check(before->end_offset <= active->base_offset);
}

void log_check_invariants(const struct log *log)
{
    const struct log_offsets *offsets = &log->offsets;

    if (log->quarantined || log->env->state != STORE_RUNNING)
        return;
    check(offsets->log_start <= offsets->last_stable);      /* LOG-1 */
    check(offsets->last_stable <= offsets->high_watermark); /* LOG-1 */
    check(offsets->high_watermark <= offsets->log_end);     /* LOG-1 */
    check(offsets->durable <= offsets->accepted);
    check(offsets->accepted <= offsets->log_end); /* LOG-1 */
    check_segments(log);
    if (log->tail.ring.count <= ENTRIES_MAX)
        check_tail(log);
}

#endif
