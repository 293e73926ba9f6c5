/* load_result: what a run measured: figures, series over time, histograms, verdict, surroundings.
 * One struct for every workload; whoever writes JSON, CSV, HTML or a comparison reads it.
 *
 * Owned by the run; made by one thread; times in nanoseconds, since the start of the measured part
 * unless said otherwise.  Histograms have 3 digits, values in nanoseconds.
 *   LRS-1  counts and histograms of results that are merged are those of one run that saw all of
 *          it; so are the counts of samples
 *   LRS-2  samples rise in time and are at most LOAD_SAMPLES_MAX; merging neighbours loses no
 *          count
 *   LRS-3  a percentile of a sample that was merged is not below the one that it had been: the
 *          largest of the parts (the histograms have the exact ones) */
#ifndef LEVEE_TOOLS_LOAD_LOAD_RESULT_H
#define LEVEE_TOOLS_LOAD_LOAD_RESULT_H

#include "base/histogram.h"
#include "tools/load/load_account.h"

#include <stdbool.h>

enum {
    LOAD_SAMPLES_MAX = 7200, /* then neighbours are merged, and the interval doubles */
    LOAD_TEXT_MAX = 256,
    LOAD_LINES_MAX = 64,
};

/* Latencies of one interval. */
struct load_latency {
    uint64_t count; /* 0: the others are 0 */
    uint64_t mean_ns, p50_ns, p75_ns, p95_ns, p99_ns, p999_ns, p9999_ns, p99999_ns, max_ns;
};

/* What one interval saw. */
struct load_sample {
    uint64_t at_ns; /* its end */
    uint64_t interval_ns;
    uint64_t intended_count; /* records that the schedule had */
    uint64_t sent_count;     /* given to a producer */
    uint64_t stored_count;   /* acknowledged */
    uint64_t stored_bytes;   /* key and value */
    uint64_t read_count;
    uint64_t read_bytes;
    uint64_t error_count;
    uint64_t transactions_count;             /* committed */
    uint64_t lag_count;                      /* records stored and not read, at its end */
    uint64_t late_count;                     /* due and not yet given to a producer, at its end */
    struct load_latency produce, e2e, delay; /* as the histograms of these names */
    double broker_cpu_s;                     /* in the interval; negative: not known */
    double client_cpu_s;
    uint64_t broker_rss_bytes; /* 0: not known */
};

/* The percentiles of a histogram that saw one interval. */
struct load_latency load_latency_of(const struct histogram *histogram);

enum load_histogram_kind {
    LOAD_HISTOGRAM_PRODUCE, /* intended -> acknowledged */
    LOAD_HISTOGRAM_SERVICE, /* handed to the connection -> acknowledged */
    LOAD_HISTOGRAM_E2E,     /* intended -> read */
    LOAD_HISTOGRAM_COMMIT,  /* EndTxn asked -> answered */
    LOAD_HISTOGRAM_BEGIN,   /* begin -> begin of one producer */
    LOAD_HISTOGRAM_REJOIN,  /* groups: lost -> assigned again */
    LOAD_HISTOGRAM_DELAY,   /* intended -> given to a producer */
    LOAD_HISTOGRAM_COUNT,
};

/* "produce", ... */
const char *load_histogram_text(enum load_histogram_kind kind);

/* The processes of the broker, when they run here: counted from /proc over the measured part. */
struct load_broker_use {
    bool is_known;
    int32_t pid;
    double cpu_s;        /* all its threads, io workers included */
    double kernel_cpu_s; /* kernel threads that serve the disk (kworker, jbd2, ...), less idle */
    uint64_t rss_max_bytes;
    uint64_t written_bytes; /* to its block device */
    uint64_t flushes_count; /* of that device */
    char device[32];
};

/* The limits of the same machine in the same run (--limits). */
struct load_limits {
    bool is_known;
    uint64_t sync_p50_ns, sync_p99_ns;         /* 4 KiB written and durable */
    uint64_t loopback_p50_ns, loopback_p99_ns; /* 1 KiB there, 64 B back */
    double disk_bytes_per_s;                   /* 1 MiB writes, durable */
    double loopback_bytes_per_s;               /* one connection */
};

struct load_line {
    char key[64];
    char value[LOAD_TEXT_MAX];
};

struct load_result {
    char workload[LOAD_TEXT_MAX];
    char brokers[LOAD_TEXT_MAX];
    char driver[LOAD_TEXT_MAX];     /* "levee 0.x" or "Apache Kafka 4.x": as far as can be told */
    char durability[LOAD_TEXT_MAX]; /* how the broker makes an acknowledged record safe, as told */
    uint64_t began_at_ms;           /* since 1970 */
    uint64_t duration_ns;           /* measured part, warm-up left out */
    bool is_open_loop;
    bool is_partial; /* ended by a signal or an error */
    double intended_rate;
    double rate_error; /* relative, of what was given to producers against the schedule */
    int32_t topics_count, partitions_count, producers_count, consumers_count;
    uint64_t message_bytes;
    uint64_t sent_count, stored_count, stored_bytes, read_count, read_bytes, error_count,
        late_count, transactions_count, aborted_count, requests_count;
    struct histogram histograms[LOAD_HISTOGRAM_COUNT]; /* without counts: not measured */
    struct load_sample *samples;
    uint32_t samples_count;
    uint64_t slot_ns; /* what a sample covers now; 0: there is none yet */
    double client_cpu_s;
    struct load_broker_use broker;
    struct load_limits limits;
    bool is_verified;
    struct load_verdict verdict;
    struct load_line settings[LOAD_LINES_MAX]; /* of the workload */
    uint32_t settings_count;
    struct load_line environment[LOAD_LINES_MAX]; /* kernel, file system, flags, versions */
    uint32_t environment_count;
    char errors[8][LOAD_TEXT_MAX]; /* the first different ones */
    uint32_t errors_count;
};

/* Zeroed, with its histograms.  ERR_NOMEM. */
must_use enum err load_result_create(struct load_result **out);
void load_result_destroy(struct load_result *result);

/* Add what another worker or agent measured in the same time: counts, rates and histograms add up,
 * samples by their time.  Texts, settings and limits of into stay; what it lacks is taken.  Figures
 * of the broker's process are of whoever knows them.  ERR_NOMEM: into is as it was. */
must_use enum err load_result_merge(struct load_result *into, const struct load_result *from);

/* A sample behind the others, kept within LOAD_SAMPLES_MAX: then two neighbours become one.
 * ERR_NOMEM. */
must_use enum err load_result_sample(struct load_result *result, const struct load_sample *sample);

/* A line of settings or environment; one with this key is replaced; what is more than
 * LOAD_LINES_MAX is left out. */
void load_result_setting(struct load_result *result, const char *key, const char *format, ...)
    printf_like(3, 4);
void load_result_environment(struct load_result *result, const char *key, const char *format, ...)
    printf_like(3, 4);

/* One of the first different errors; the others only count. */
void load_result_error(struct load_result *result, const char *format, ...) printf_like(2, 3);

/* The histogram that says most of this run: end to end, else produce, else commit, else rejoin. */
enum load_histogram_kind load_result_main(const struct load_result *result);

/* What was counted in the measured part alone (without samples: all of the run): beside what is
 * measured from its begin to its end, as the broker's CPU seconds and its device are. */
struct load_measured {
    uint64_t ns;
    uint64_t stored_count, stored_bytes;
    uint64_t read_count, read_bytes;
    uint64_t transactions_count;
};

struct load_measured load_result_measured(const struct load_result *result);

/* Records stored, records read, and transactions committed in a second of the measured part: as the
 * samples saw them, so that what a broker stored after the schedule was over is no part of it; 0
 * without duration. */
double load_result_stored_rate(const struct load_result *result);
double load_result_read_rate(const struct load_result *result);
double load_result_transactions_rate(const struct load_result *result);

/* The same in bytes: records of the mean size. */
double load_result_stored_bytes_rate(const struct load_result *result);
double load_result_read_bytes_rate(const struct load_result *result);

#endif
