/* metrics: counters and gauges of the loops, and their text for Prometheus.
 *
 * A counter belongs to one loop, which alone changes it, without locks; any thread may read it.
 * Several loops register a counter each under the same name and labels: the text has their sum.
 *
 * The registry grows only, filled by one thread at a time; meanwhile any one thread may scrape, and
 * sees what was added before.  Collectors run on that thread and read only what is atomic, or what
 * was handed over to it.  What metrics there are: base/metric_list.h. */
#ifndef LEVEE_BASE_METRICS_H
#define LEVEE_BASE_METRICS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct histogram;

struct counter {
    uint64_t value; /* atomic */
};

struct gauge {
    int64_t value; /* atomic */
};

/* By the owner only: a load and a store, no locked instruction. */
static inline void counter_add(struct counter *counter, uint64_t n)
{
    uint64_t value = __atomic_load_n(&counter->value, __ATOMIC_RELAXED);

    __atomic_store_n(&counter->value, value + n, __ATOMIC_RELAXED);
}

static inline uint64_t counter_read(const struct counter *counter)
{
    return __atomic_load_n(&counter->value, __ATOMIC_RELAXED);
}

/* By the owner only. */
static inline void gauge_set(struct gauge *gauge, int64_t value)
{
    __atomic_store_n(&gauge->value, value, __ATOMIC_RELAXED);
}

/* By the owner only. */
static inline void gauge_add(struct gauge *gauge, int64_t n)
{
    int64_t value = __atomic_load_n(&gauge->value, __ATOMIC_RELAXED);

    __atomic_store_n(&gauge->value, value + n, __ATOMIC_RELAXED);
}

static inline int64_t gauge_read(const struct gauge *gauge)
{
    return __atomic_load_n(&gauge->value, __ATOMIC_RELAXED);
}

enum metric_type {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_HISTOGRAM,
    METRIC_SUMMARY, /* of a histogram: its percentiles */
    METRIC_UNTYPED, /* a gauge whose name, which others gave, says something else */
};

/* Everything of one name.  Constant. */
struct metric_family {
    const char *name; /* [a-zA-Z_:][a-zA-Z0-9_:]*, a counter's ends in _total */
    const char *help; /* one sentence */
    enum metric_type type;
    double unit;            /* what a value of 1 is in the unit of the name (0.000001 for
                             * microseconds under "..._seconds"); 0 counts as 1 */
    const uint64_t *bounds; /* of a histogram, rising, in its own unit; NULL: 16 from 100 us to 10 s
                             * for what is recorded in microseconds */
    size_t bound_count;
};

struct metric;
struct metrics_scrape;

struct metrics {
    struct metric *first;                      /* atomic, as the links behind it are */
    struct metric *last;                       /* of the thread that adds */
    struct metrics_collector *first_collector; /* atomic, as the links are; in order of adding */
};

/* Embed; collect is called at each scrape and hands its samples to metrics_sample. */
struct metrics_collector {
    void (*collect)(struct metrics_collector *collector, struct metrics_scrape *scrape);
    struct metrics_collector *next;
};

/* Content-Type of the text (Prometheus text exposition format). */
#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metrics_text {
    char *bytes; /* NUL-terminated */
    size_t size_bytes;
};

void metrics_init(struct metrics *metrics);

/* A zeroed registry is accepted. */
void metrics_deinit(struct metrics *metrics);

/* label_text: `topic="a",partition="0"` (build it with metrics_label) or ""; it is copied.  The
 * family has that type (a gauge's may be METRIC_UNTYPED, a histogram's METRIC_SUMMARY); it and what
 * is added must outlive the registry. */
void metrics_add_counter(struct metrics *metrics, const struct metric_family *family,
                         const char *label_text, const struct counter *counter);
void metrics_add_gauge(struct metrics *metrics, const struct metric_family *family,
                       const char *label_text, const struct gauge *gauge);

/* The counts are as exact as the histogram's digits; histograms of one family and label text have
 * the same digits. */
void metrics_add_histogram(struct metrics *metrics, const struct metric_family *family,
                           const char *label_text, const struct histogram *histogram);

/* The collector stays the caller's. */
void metrics_add_collector(struct metrics *metrics, struct metrics_collector *collector);

/* Within collect: one sample; same rules as metrics_add_*, and samples of the same family and
 * labels are summed.  value counts in the family's unit.  label_text is copied. */
void metrics_sample(struct metrics_scrape *scrape, const struct metric_family *family,
                    const char *label_text, double value);
void metrics_sample_histogram(struct metrics_scrape *scrape, const struct metric_family *family,
                              const char *label_text, const struct histogram *histogram);

/* One of METRIC_SUMMARY, alone with its labels: percentiles are those of recent, sum and count
 * those of all, as Kafka's are.  Both stay until the text is written. */
void metrics_sample_summary(struct metrics_scrape *scrape, const struct metric_family *family,
                            const char *label_text, const struct histogram *all,
                            const struct histogram *recent);

/* All families by name, each with its samples by label text.  out is the caller's: metrics_text_
 * deinit.  ERR_NOMEM: there is no text (half of the samples would be taken for all of them), and
 * collectors have handed over what they had. */
must_use enum err metrics_write(const struct metrics *metrics, struct metrics_text *out);

void metrics_text_deinit(struct metrics_text *text);

/* Append `key="value"` to the NUL-terminated label text (with a comma if it is not empty), escaping
 * value.  ERR_FULL: does not fit, text is unchanged. */
must_use enum err metrics_label(char *text, size_t max_bytes, const char *key, const char *value,
                                size_t value_bytes);

#endif
