#include "base/mem.h"
#include "tools/load/load_sampler.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>

#define SECOND 1000000000ULL

static struct load_workload *workload;
static struct load_shared shared;
static struct load_worker workers[8];
static struct load_sampler sampler;

/* A schedule of that rate from second 10 on, measured from 11 to 21. */
static void schedule(const char *rate, uint32_t threads, uint32_t producers)
{
    char problem[256];

    workload = mem_alloc(sizeof(*workload));
    load_workload_defaults(workload);
    snprintf(workload->rate_text, sizeof(workload->rate_text), "%s", rate);
    workload->threads_count = threads;
    workload->producers_count = producers;
    cr_assert(eq(int, load_workload_check(workload, problem, sizeof(problem)), OK));
    load_shared_init(&shared, workload);
    atomic_store(&shared.start_ns, 10 * SECOND);
    atomic_store(&shared.measure_ns, 11 * SECOND);
    atomic_store(&shared.end_ns, 21 * SECOND);
}

static void begin(void)
{
    cr_assert(eq(int, load_sampler_init(&sampler, &shared, workers, 0, 10 * SECOND), OK));
}

static void end(void)
{
    load_sampler_deinit(&sampler);
    load_shared_deinit(&shared);
    load_workload_deinit(workload);
    mem_free(workload);
}

/* Things that the shares of the threads have in the measured part. */
static uint64_t given(void)
{
    uint32_t shares = load_workload_shares(workload);
    uint64_t count = 0;

    for (uint32_t i = 0; i < shares; i++) {
        struct pacer_options pacing = workload->pacing;
        struct pacer pacer;
        pacing.share = i;
        pacing.shares = shares;
        cr_assert(eq(int, pacer_init(&pacer, &pacing), OK));
        for (uint64_t at = 0; at < 11 * SECOND; at = pacer_next_ns(&pacer))
            count += at >= SECOND;
    }
    return count;
}

/* A driver of agents may be gone, or somebody stops it, before the schedule begins. */
Test(load_sampler, ended_before_it_began_intends_nothing, .timeout = 5)
{
    schedule("1k", 1, 1);
    begin();
    load_sampler_intend(&sampler, 9 * SECOND);
    cr_assert(eq(u64, sampler.intended_all, 0));
    load_sampler_intend(&sampler, 10 * SECOND);
    cr_assert(eq(u64, sampler.intended_all, 0));
    end();
}

/* By chance each thread has gaps of its own: what is intended is what they draw. */
Test(load_sampler, intends_what_the_threads_give)
{
    static const char *const rates[] = {"1k", "poisson:1k", "ramp:1k..5k/5s", "bursts:1k/1s/0.1"};

    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        schedule(rates[i], 4, 4);
        begin();
        for (uint64_t at = 10 * SECOND; at < 30 * SECOND; at += SECOND / 3)
            load_sampler_intend(&sampler, at);
        cr_assert(eq(u64, sampler.intended_measured, given()), "%s", rates[i]);
        end();
    }
}

/* A thread without a producer has no part of the schedule that nobody would send. */
Test(load_sampler, only_threads_with_producers_have_a_share)
{
    schedule("1k", 4, 1);
    cr_assert(eq(u32, load_workload_shares(workload), 1));
    begin();
    load_sampler_intend(&sampler, 21 * SECOND);
    cr_assert(eq(u64, sampler.intended_measured, 10000));
    cr_assert(eq(u64, given(), 10000));
    end();
}

Test(load_sampler, records_are_shared_out_whole)
{
    uint64_t sum = 0;

    schedule("1k", 4, 4);
    workload->records_max = 1003;
    begin();
    load_sampler_intend(&sampler, 21 * SECOND);
    cr_assert(eq(u64, sampler.intended_all, 1003));
    workload->transaction_records = 100; /* whole transactions */
    cr_assert(eq(u64, load_workload_things(workload), 11));
    for (uint32_t i = 0; i < 4; i++)
        sum += load_workload_part(load_workload_things(workload), i, 4);
    cr_assert(eq(u64, sum, 11));
    end();
}
