#include "storage/storage_metrics.h"

#include "base/check.h"
#include "base/metric_family.h"

enum { DIGITS = 1 };

void storage_metrics_init(struct storage_metrics *metrics, struct clock *clock)
{
    metrics->clock = clock;
    for (int i = 0; i < STORAGE_TIMING_COUNT; i++)
        if (histogram_init(&metrics->times[i], DIGITS) != OK)
            metrics->times[i] = (struct histogram){0}; /* STM-1 */
}

void storage_metrics_deinit(struct storage_metrics *metrics)
{
    for (int i = 0; i < STORAGE_TIMING_COUNT; i++)
        histogram_deinit(&metrics->times[i]);
}

uint64_t storage_metrics_begin(const struct storage_metrics *metrics)
{
    return metrics == NULL ? 0 : clock_mono_ns(metrics->clock);
}

void storage_metrics_end(struct storage_metrics *metrics, enum storage_timing timing,
                         uint64_t began_ns)
{
    uint64_t now_ns;

    if (metrics == NULL || metrics->times[timing].counts == NULL)
        return;
    now_ns = clock_mono_ns(metrics->clock);
    histogram_record(&metrics->times[timing], (now_ns - began_ns) / 1000);
}

static void add_time(const struct storage_metrics *metrics, enum storage_timing timing,
                     enum metric_id id, const char *label_text, struct metrics *registry)
{
    if (metrics->times[timing].counts != NULL)
        metrics_add_histogram(registry, metric_family(id), label_text, &metrics->times[timing]);
}

static void register_times(const struct storage_metrics *metrics, struct metrics *registry)
{
    static const char journal[] = "file=\"journal\"";

    add_time(metrics, STORAGE_JOURNAL_COMMIT, FAMILY_JOURNAL_COMMIT, "", registry);
    add_time(metrics, STORAGE_JOURNAL_WRITE, FAMILY_DEVICE_WRITE, journal, registry);
    add_time(metrics, STORAGE_SEGMENT_WRITE, FAMILY_DEVICE_WRITE, "file=\"segment\"", registry);
    add_time(metrics, STORAGE_JOURNAL_SYNC, FAMILY_DEVICE_SYNC, journal, registry);
    add_time(metrics, STORAGE_CHECKPOINT_SYNC, FAMILY_DEVICE_SYNC, "file=\"checkpoint\"", registry);
    add_time(metrics, STORAGE_CHECKPOINT, FAMILY_CHECKPOINT, "", registry);
}

void storage_metrics_register(const struct storage_metrics *metrics, bool with_disk,
                              struct metrics *registry)
{
    const struct {
        enum metric_id id;
        const struct counter *counter;
    } counters[] = {
        {FAMILY_APPENDED_BYTES, &metrics->appended_bytes},
        {FAMILY_SEGMENT_BYTES, &metrics->segment_bytes},
        {FAMILY_JOURNAL_GROUPS, &metrics->journal_groups},
        {FAMILY_CHECKPOINTS, &metrics->checkpoints},
        {FAMILY_TAIL_CACHE_HITS, &metrics->cache_hits},
        {FAMILY_TAIL_CACHE_MISSES, &metrics->cache_misses},
        {FAMILY_PRODUCERS_FORGOTTEN, &metrics->producers_forgotten},
        {FAMILY_CLEANER_PASSES, &metrics->cleaner_passes},
        {FAMILY_CLEANER_READ_BYTES, &metrics->cleaner_read_bytes},
        {FAMILY_CLEANER_WRITTEN_BYTES, &metrics->cleaner_written_bytes},
        {FAMILY_CLEANER_RECORDS_READ, &metrics->cleaner_records_in},
        {FAMILY_CLEANER_RECORDS_KEPT, &metrics->cleaner_records_out},
        {FAMILY_CLEANER_KEYLESS, &metrics->cleaner_keyless},
    };
    const struct {
        enum metric_id id;
        const struct gauge *gauge;
    } gauges[] = {
        {FAMILY_JOURNAL_USED, &metrics->journal_used_bytes},
        {FAMILY_JOURNAL_CAPACITY, &metrics->journal_capacity_bytes},
        {FAMILY_JOURNAL_MAX, &metrics->journal_max_bytes},
        {FAMILY_SEGMENTS_OPEN, &metrics->open_segments},
        {FAMILY_PRODUCERS, &metrics->producers},
        {FAMILY_PRODUCERS_MAX, &metrics->producers_max},
        {FAMILY_CLEANER_DIRTY_BYTES, &metrics->cleaner_dirty_bytes},
        {FAMILY_CLEANER_UNCLEANABLE, &metrics->cleaner_uncleanable},
        {FAMILY_CLEANER_MAP_BYTES, &metrics->cleaner_map_bytes},
        {FAMILY_DISK_FREE, &metrics->disk_free_bytes},
        {FAMILY_DISK_RESERVE, &metrics->disk_reserve_bytes},
        {FAMILY_DISK_SHORT, &metrics->disk_is_short},
    };
    size_t gauge_count = with_disk ? array_count(gauges) : array_count(gauges) - 3;

    for (size_t i = 0; i < array_count(counters); i++)
        metrics_add_counter(registry, metric_family(counters[i].id), "", counters[i].counter);
    for (size_t i = 0; i < gauge_count; i++)
        metrics_add_gauge(registry, metric_family(gauges[i].id), "", gauges[i].gauge);
    register_times(metrics, registry);
}
