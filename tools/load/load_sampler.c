#include "tools/load/load_sampler.h"

#include <sys/resource.h>

static const enum load_histogram_kind kinds[LOAD_SAMPLED_KINDS] = {
    LOAD_HISTOGRAM_PRODUCE, LOAD_HISTOGRAM_E2E, LOAD_HISTOGRAM_DELAY};

static double own_cpu_s(void)
{
    struct rusage usage;

    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec) / 1e6;
}

enum err load_sampler_init(struct load_sampler *sampler, const struct load_shared *shared,
                           const struct load_worker *workers, uint32_t workers_count,
                           uint64_t now_ns)
{
    const struct load_workload *workload = shared->workload;
    enum err err = OK;

    *sampler = (struct load_sampler){.shared = shared,
                                     .workers = workers,
                                     .workers_count = workers_count,
                                     .at_ns = now_ns,
                                     .client_cpu_s = own_cpu_s(),
                                     .things = 1};
    if (workload->transaction_records > 0 && !workload->is_pipeline)
        sampler->things = workload->transaction_records;
    if (workload->is_open_loop)
        sampler->pacers_count = load_workload_shares(workload);
    for (uint32_t i = 0; i < sampler->pacers_count && err == OK; i++) {
        struct pacer_options pacing = workload->pacing;
        pacing.share = i;
        pacing.shares = sampler->pacers_count;
        err = pacer_init(&sampler->pacers[i], &pacing);
    }
    for (int i = 0; i < LOAD_SAMPLED_KINDS && err == OK; i++) {
        err = histogram_init(&sampler->now[i], 3);
        if (err == OK)
            err = histogram_init(&sampler->last[i], 3);
    }
    if (err != OK)
        load_sampler_deinit(sampler);
    return err;
}

void load_sampler_deinit(struct load_sampler *sampler)
{
    for (int i = 0; i < LOAD_SAMPLED_KINDS; i++) {
        histogram_deinit(&sampler->now[i]);
        histogram_deinit(&sampler->last[i]);
    }
}

uint64_t load_sampler_total(const struct load_sampler *sampler, enum load_counter counter)
{
    uint64_t total = 0;

    for (uint32_t i = 0; i < sampler->workers_count; i++)
        total += load_stats_get(&sampler->workers[i].stats, counter);
    return total;
}

/* Those of one share. */
static void intend(struct load_sampler *sampler, uint32_t number, uint64_t start_ns,
                   uint64_t until_ns)
{
    struct pacer *pacer = &sampler->pacers[number];
    uint64_t things = load_workload_things(sampler->shared->workload);
    uint64_t max = things == UINT64_MAX ? UINT64_MAX
                                        : load_workload_part(things, number, sampler->pacers_count);

    while (pacer_peek_ns(pacer) < until_ns - start_ns && pacer->count < max) {
        uint64_t at_ns = start_ns + pacer_next_ns(pacer);
        sampler->intended_all += sampler->things;
        if (load_shared_is_measured(sampler->shared, at_ns))
            sampler->intended_measured += sampler->things;
    }
}

void load_sampler_intend(struct load_sampler *sampler, uint64_t until_ns)
{
    const struct load_shared *shared = sampler->shared;
    uint64_t start_ns = atomic_load_explicit(&shared->start_ns, memory_order_relaxed);
    uint64_t end_ns = atomic_load_explicit(&shared->end_ns, memory_order_relaxed);

    if (until_ns > end_ns)
        until_ns = end_ns;
    if (shared->workload->producers_count == 0 || until_ns <= start_ns)
        return; /* ended before it began */
    for (uint32_t i = 0; i < sampler->pacers_count; i++)
        intend(sampler, i, start_ns, until_ns);
}

static struct load_latency latency_of(struct load_sampler *sampler, int at)
{
    struct histogram *now = &sampler->now[at];
    struct histogram *last = &sampler->last[at];
    struct load_latency latency;

    histogram_reset(now);
    for (uint32_t i = 0; i < sampler->workers_count; i++)
        histogram_merge(now, &sampler->workers[i].stats.histograms[kinds[at]]);
    histogram_subtract(now, last);
    latency = load_latency_of(now);
    histogram_merge(last, now);
    return latency;
}

/* How much a counter rose since the last sample. */
static uint64_t rise(struct load_sampler *sampler, enum load_counter counter)
{
    uint64_t total = load_sampler_total(sampler, counter);
    uint64_t risen = total - sampler->counters[counter];

    sampler->counters[counter] = total;
    return risen;
}

void load_sampler_take(struct load_sampler *sampler, uint64_t now_ns, uint64_t since_ns,
                       struct load_sample *out)
{
    const struct load_workload *workload = sampler->shared->workload;
    uint64_t intended = sampler->intended_all;
    double cpu_s = own_cpu_s();
    uint64_t sent_all;
    uint64_t stored_all;
    uint64_t read_all;

    load_sampler_intend(sampler, now_ns);
    *out = (struct load_sample){
        .at_ns = now_ns > since_ns ? now_ns - since_ns : 0,
        .interval_ns = now_ns - sampler->at_ns,
        .intended_count = sampler->intended_all - intended,
        .broker_cpu_s = -1,
        .client_cpu_s = cpu_s - sampler->client_cpu_s,
    };
    out->sent_count = rise(sampler, LOAD_COUNTER_SENT_ALL);
    out->stored_count = rise(sampler, LOAD_COUNTER_STORED_ALL);
    out->stored_bytes = rise(sampler, LOAD_COUNTER_STORED_BYTES_ALL);
    out->read_count = rise(sampler, LOAD_COUNTER_READ_ALL);
    out->read_bytes = rise(sampler, LOAD_COUNTER_READ_BYTES);
    out->error_count = rise(sampler, LOAD_COUNTER_ERRORS);
    out->transactions_count = rise(sampler, LOAD_COUNTER_TRANSACTIONS);
    sent_all = sampler->counters[LOAD_COUNTER_SENT_ALL];
    stored_all = sampler->counters[LOAD_COUNTER_STORED_ALL] -
                 load_sampler_total(sampler, LOAD_COUNTER_HIDDEN_ALL);
    read_all = sampler->counters[LOAD_COUNTER_READ_ALL];
    if (workload->subscriptions_count > 0 && workload->producers_count > 0 && stored_all > read_all)
        out->lag_count = stored_all - read_all;
    if (sampler->intended_all > sent_all)
        out->late_count = sampler->intended_all - sent_all;
    out->produce = latency_of(sampler, 0);
    out->e2e = latency_of(sampler, 1);
    out->delay = latency_of(sampler, 2);
    sampler->at_ns = now_ns;
    sampler->client_cpu_s = cpu_s;
}
