/* load_stats: what one worker counts while it runs.
 *
 * Written by the worker's thread alone; another thread may read at any time (relaxed words, each
 * seen whole).  Histograms hold the measured part only; the counters that end in _all everything.
 */
#ifndef LEVEE_TOOLS_LOAD_LOAD_STATS_H
#define LEVEE_TOOLS_LOAD_LOAD_STATS_H

#include "tools/load/load_result.h"

enum load_counter {
    LOAD_COUNTER_SENT, /* measured: intended in the measured part */
    LOAD_COUNTER_STORED,
    LOAD_COUNTER_STORED_BYTES,
    LOAD_COUNTER_READ,
    LOAD_COUNTER_READ_BYTES,
    LOAD_COUNTER_ERRORS,
    LOAD_COUNTER_LATE,
    LOAD_COUNTER_TRANSACTIONS,
    LOAD_COUNTER_ABORTED,
    LOAD_COUNTER_REQUESTS,
    LOAD_COUNTER_SENT_ALL,
    LOAD_COUNTER_STORED_ALL,
    LOAD_COUNTER_STORED_BYTES_ALL,
    LOAD_COUNTER_READ_ALL, /* of the first subscription */
    LOAD_COUNTER_FAILED_ALL,
    LOAD_COUNTER_HIDDEN_ALL, /* stored, and aborted: not to be read */
    LOAD_COUNTER_COUNT,
};

struct load_stats {
    uint64_t counters[LOAD_COUNTER_COUNT];
    struct histogram histograms[LOAD_HISTOGRAM_COUNT];
};

/* ERR_NOMEM. */
must_use enum err load_stats_init(struct load_stats *stats);
void load_stats_deinit(struct load_stats *stats);

/* The worker's thread. */
static inline void load_stats_add(struct load_stats *stats, enum load_counter counter, uint64_t n)
{
    uint64_t *at = &stats->counters[counter];

    __atomic_store_n(at, *at + n, __ATOMIC_RELAXED);
}

/* Any thread. */
static inline uint64_t load_stats_get(const struct load_stats *stats, enum load_counter counter)
{
    return __atomic_load_n(&stats->counters[counter], __ATOMIC_RELAXED);
}

static inline void load_stats_time(struct load_stats *stats, enum load_histogram_kind kind,
                                   uint64_t from_ns, uint64_t until_ns)
{
    histogram_record(&stats->histograms[kind], until_ns > from_ns ? until_ns - from_ns : 0);
}

#endif
