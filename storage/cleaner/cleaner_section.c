#include "storage/cleaner/cleaner_section.h"

#include "storage/log/log_trim.h"

/* May the indexes of one more segment be read? */
static bool may_load(struct cleaner_section_look *look)
{
    if (look->loads_left == 0) {
        look->is_cut = true;
        return false;
    }
    look->loads_left--;
    return true;
}

static bool is_young(const struct log *log, struct segment *segment,
                     struct cleaner_section_look *look)
{
    int64_t lag_ms = log->config.min_compaction_lag_ms;
    int64_t newest_ms;

    if (lag_ms <= 0)
        return false;
    if (segment->newest_ms < 0 && !may_load(look))
        return true;
    newest_ms = log_segment_newest_ms(segment);
    look->has_failed = look->has_failed || newest_ms < 0;
    return newest_ms < 0 || newest_ms > look->now_ms - lag_ms;
}

static bool may_be_cleaned(const struct log *log, struct segment *segment,
                           struct cleaner_section_look *look)
{
    return !segment->is_active && !segment->is_swap && segment->size_bytes > 0 &&
           segment->written_pos == segment->size_bytes && log->marked_base_offset >= 0 &&
           !log_recovery_needs(log, segment) && segment->end_offset <= log->offsets.last_stable &&
           !is_young(log, segment, look); /* CLS-1 */
}

/* When its first record was made; INT64_MAX: it does not say.  -1: not known now.  It is read once,
 * and stays known. */
static int64_t first_ms(struct segment *segment, struct cleaner_section_look *look)
{
    if (segment->first_timestamp_ms >= 0)
        return segment->first_timestamp_ms;
    if (!may_load(look))
        return -1;
    if (segment_load_indexes(segment) != OK) {
        look->has_failed = true;
        return -1;
    }
    if (segment->first_timestamp_ms < 0)
        segment->first_timestamp_ms = INT64_MAX; /* it is closed: it says nothing else any more */
    return segment->first_timestamp_ms;
}

static bool is_overdue(const struct log *log, struct segment *segment,
                       struct cleaner_section_look *look)
{
    int64_t lag_ms = log->config.max_compaction_lag_ms;
    int64_t first = lag_ms == INT64_MAX ? -1 : first_ms(segment, look);

    return first >= 0 && first < look->now_ms - lag_ms;
}

bool cleaner_section_find(struct log *log, struct cleaner_section_look *look,
                          struct cleaner_section *out)
{
    int64_t first_dirty = log->cleaned_offset;

    if (!log->config.compact || log->quarantined || log->closing || log->is_uncleanable ||
        log->is_swapping || log->segments.count < 2)
        return false;
    if (!list_is_empty(&log->segments.retired)) /* CLS-3 */
        return false;
    if (first_dirty > log_active(log)->base_offset)
        first_dirty = 0; /* it is not this log's any more (LogCleanerManager) */
    if (first_dirty < log->offsets.log_start)
        first_dirty = log->offsets.log_start;
    *out = (struct cleaner_section){.first_dirty = first_dirty, .end_offset = first_dirty};
    for (uint32_t i = 0; i < log->segments.count; i++) {
        struct segment *segment = segment_manifest_at(&log->segments, i);
        if (segment->is_swap)
            return false; /* CLS-4 */
        if (segment->end_offset <= first_dirty) {
            out->clean_bytes += segment->size_bytes;
            continue;
        }
        if (!may_be_cleaned(log, segment, look))
            break;
        out->dirty_bytes += segment->size_bytes;
        out->end_offset = segment->end_offset;
        out->is_overdue = out->is_overdue || is_overdue(log, segment, look);
    }
    return out->dirty_bytes > 0 && out->end_offset > log->undecided_end; /* CLS-2 */
}

double cleaner_section_ratio(const struct cleaner_section *section)
{
    return (double)section->dirty_bytes / (double)(section->clean_bytes + section->dirty_bytes);
}

bool cleaner_section_is_due(const struct log *log, const struct cleaner_section *section)
{
    return section->is_overdue ||
           cleaner_section_ratio(section) >= log->config.min_cleanable_dirty_ratio;
}
