/* storage_metrics: what the storage of one shard counts and times, for whoever watches it.
 *
 * Owned by the store, on its loop; other threads read (base/metrics, base/histogram).  Times are
 * microseconds.
 *   STM-1  where a histogram found no memory, nothing is timed: it stays zeroed, and is not told */
#ifndef LEVEE_STORAGE_STORAGE_METRICS_H
#define LEVEE_STORAGE_STORAGE_METRICS_H

#include "base/clock.h"
#include "base/histogram.h"
#include "base/metrics.h"

enum storage_timing {
    STORAGE_JOURNAL_COMMIT, /* from a group's first entry to its being durable */
    STORAGE_JOURNAL_WRITE,
    STORAGE_JOURNAL_SYNC, /* apart from a write */
    STORAGE_SEGMENT_WRITE,
    STORAGE_CHECKPOINT_SYNC,
    STORAGE_CHECKPOINT, /* the whole of it */
    STORAGE_TIMING_COUNT
};

struct storage_metrics {
    struct clock *clock;
    struct histogram times[STORAGE_TIMING_COUNT];
    struct counter appended_bytes, segment_bytes, checkpoints, journal_groups, cache_hits,
        cache_misses, producers_forgotten;
    struct counter cleaner_passes, cleaner_read_bytes, cleaner_written_bytes, cleaner_records_in,
        cleaner_records_out, cleaner_keyless;
    struct gauge cleaner_dirty_bytes, cleaner_uncleanable, cleaner_map_bytes;
    struct gauge journal_used_bytes, journal_capacity_bytes, journal_max_bytes;
    struct gauge disk_free_bytes, disk_reserve_bytes, disk_is_short;
    struct gauge open_segments;
    struct gauge producers, producers_max;
};

/* clock stays the caller's. */
void storage_metrics_init(struct storage_metrics *metrics, struct clock *clock);
void storage_metrics_deinit(struct storage_metrics *metrics);

/* When something begins, and that it has ended; metrics may be NULL: nobody measures. */
uint64_t storage_metrics_begin(const struct storage_metrics *metrics);
void storage_metrics_end(struct storage_metrics *metrics, enum storage_timing timing,
                         uint64_t began_ns);

/* with_disk: of one shard only, because the shards share the directory. */
void storage_metrics_register(const struct storage_metrics *metrics, bool with_disk,
                              struct metrics *registry);

#endif
