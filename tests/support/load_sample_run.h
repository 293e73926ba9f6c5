/* load_sample_run: a result as a run of some minutes would make it, from a seed: for tests of
 * whatever shows results.  The caller destroys it. */
#ifndef LEVEE_TESTS_SUPPORT_LOAD_SAMPLE_RUN_H
#define LEVEE_TESTS_SUPPORT_LOAD_SAMPLE_RUN_H

#include "base/prng.h"
#include "tools/load/load_result.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct load_sample_run {
    uint64_t seed;
    uint32_t seconds;
    double rate;       /* records a second */
    double median_ms;  /* of produce */
    double cpus;       /* of the broker */
    uint32_t stall_at; /* a second in which the broker stood still for two; 0: none */
    bool has_findings;
};

static inline double load_sample_uniform(struct prng *prng)
{
    return ((double)(prng_u64(prng) >> 11) + 0.5) / 9007199254740992.0;
}

/* A log-normal value with this median, with a heavier end. */
static inline uint64_t load_sample_ns(struct prng *prng, double median_ms)
{
    double normal = sqrt(-2 * log(load_sample_uniform(prng))) *
                    cos(6.283185307179586 * load_sample_uniform(prng));
    double ms = median_ms * exp(0.35 * normal);

    if (load_sample_uniform(prng) < 0.002)
        ms *= 1 + 8 * load_sample_uniform(prng);
    return (uint64_t)(ms * 1e6);
}

static inline void load_sample_second(struct load_result *result, struct prng *prng,
                                      const struct load_sample_run *run, uint32_t second)
{
    bool stalls = run->stall_at != 0 && second >= run->stall_at && second < run->stall_at + 2;
    uint64_t stored =
        (uint64_t)(run->rate * (stalls ? 0.02 : 0.995 + 0.01 * load_sample_uniform(prng)));
    struct histogram produce, e2e;
    struct load_sample sample = {
        .at_ns = (uint64_t)(second + 1) * 1000000000,
        .interval_ns = 1000000000,
        .intended_count = (uint64_t)run->rate,
        .sent_count = (uint64_t)run->rate,
        .stored_count = stored,
        .stored_bytes = stored * 1024,
        .read_count = stored,
        .read_bytes = stored * 1024,
        .lag_count = stalls ? (uint64_t)run->rate
                            : (uint64_t)(run->rate * 0.003 * load_sample_uniform(prng)),
        .late_count = stalls ? (uint64_t)(run->rate / 3) : 0,
        .broker_cpu_s = run->cpus * (stalls ? 0.05 : 0.9 + 0.2 * load_sample_uniform(prng)),
        .client_cpu_s = 0.2 + 0.02 * load_sample_uniform(prng),
        .broker_rss_bytes = 90000000 + 1000000 * (uint64_t)second,
    };

    if (histogram_init(&produce, 3) != OK || histogram_init(&e2e, 3) != OK)
        abort();
    for (int i = 0; i < 2000; i++) {
        uint64_t ns = load_sample_ns(prng, run->median_ms);
        if (stalls)
            ns += (uint64_t)(2e9 * load_sample_uniform(prng));
        histogram_record_n(&produce, ns, (uint64_t)(run->rate / 2000) + 1);
        histogram_record_n(&e2e, ns + load_sample_ns(prng, 0.3), (uint64_t)(run->rate / 2000) + 1);
    }
    sample.produce = load_latency_of(&produce);
    sample.e2e = load_latency_of(&e2e);
    histogram_merge(&result->histograms[LOAD_HISTOGRAM_PRODUCE], &produce);
    histogram_merge(&result->histograms[LOAD_HISTOGRAM_E2E], &e2e);
    histogram_deinit(&produce);
    histogram_deinit(&e2e);
    result->sent_count += sample.sent_count;
    result->stored_count += stored;
    result->read_count += stored;
    result->stored_bytes += sample.stored_bytes;
    result->read_bytes += sample.read_bytes;
    result->client_cpu_s += sample.client_cpu_s;
    result->broker.cpu_s += sample.broker_cpu_s;
    if (load_result_sample(result, &sample) != OK)
        abort();
}

static inline void load_sample_verdict(struct load_result *result, bool has_findings)
{
    struct load_verdict *verdict = &result->verdict;

    result->is_verified = true;
    *verdict = (struct load_verdict){
        .sent_count = result->sent_count,
        .stored_count = result->stored_count,
        .read_count = result->read_count,
        .memory_max_bytes = 12345678,
        .is_exactly_once = !has_findings,
    };
    if (!has_findings)
        return;
    verdict->counts[LOAD_LOST] = 2;
    verdict->counts[LOAD_DOUBLED] = 1;
    for (uint32_t i = 0; i < 3; i++)
        verdict->findings[verdict->findings_count++] = (struct load_finding){
            .kind = i < 2 ? LOAD_LOST : LOAD_DOUBLED,
            .partition = (int32_t)i,
            .offset = 1000 + i,
            .other_offset = i < 2 ? -1 : 900,
            .producer = i,
            .sequence = 77 + i,
        };
}

static inline struct load_result *load_sample_result(const struct load_sample_run *run,
                                                     const char *driver, const char *durability)
{
    struct load_result *result;
    struct prng prng;

    prng_init(&prng, run->seed);
    if (load_result_create(&result) != OK)
        abort();
    snprintf(result->workload, sizeof(result->workload), "1 topic, 16 partitions, 1 KiB");
    snprintf(result->brokers, sizeof(result->brokers), "127.0.0.1:9092");
    snprintf(result->driver, sizeof(result->driver), "%s", driver);
    snprintf(result->durability, sizeof(result->durability), "%s", durability);
    result->began_at_ms = 1790000000000;
    result->duration_ns = (uint64_t)run->seconds * 1000000000;
    result->is_open_loop = true;
    result->intended_rate = run->rate;
    result->rate_error = 0.0003;
    result->topics_count = 1;
    result->partitions_count = 16;
    result->producers_count = 4;
    result->consumers_count = 2;
    result->message_bytes = 1024;
    result->requests_count = 54321;
    for (uint32_t second = 0; second < run->seconds; second++)
        load_sample_second(result, &prng, run, second);
    result->broker.is_known = true;
    result->broker.pid = 4242;
    result->broker.kernel_cpu_s = result->broker.cpu_s * 0.3;
    result->broker.rss_max_bytes = 150000000;
    result->broker.written_bytes = result->stored_bytes * 2;
    result->broker.flushes_count = run->seconds * 900;
    snprintf(result->broker.device, sizeof(result->broker.device), "vda");
    result->limits = (struct load_limits){true, 109000, 310000, 46000, 91000, 1.4e9, 3.1e9};
    load_sample_verdict(result, run->has_findings);
    load_result_setting(result, "acks", "all");
    load_result_setting(result, "linger.ms", "5");
    load_result_setting(result, "rate", "%.0f/s", run->rate);
    load_result_environment(result, "kernel", "Linux 6.18.0 x86_64");
    load_result_environment(result, "processor", "2 x AMD EPYC 9R14");
    load_result_environment(result, "file system", "ext4 rw,relatime on /var/lib/levee (vda)");
    load_result_environment(result, "device cache", "write back, no FUA");
    return result;
}

#endif
