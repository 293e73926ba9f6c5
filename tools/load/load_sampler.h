/* load_sampler: once a second, what all workers saw since the last time, as a sample.
 *
 * Main thread; reads the workers' statistics while they write them. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_SAMPLER_H
#define LEVEE_TOOLS_LOAD_LOAD_SAMPLER_H

#include "tools/load/load_worker.h"

enum { LOAD_SAMPLED_KINDS = 3 }; /* produce, e2e, delay */

struct load_sampler {
    const struct load_shared *shared;
    const struct load_worker *workers;
    uint32_t workers_count;
    struct histogram now[LOAD_SAMPLED_KINDS];
    struct histogram last[LOAD_SAMPLED_KINDS];
    uint64_t counters[LOAD_COUNTER_COUNT]; /* at the last sample */
    uint64_t at_ns;                        /* of it, monotonic */
    struct pacer pacers[LOAD_THREADS_MAX]; /* of each share of the schedule, as its thread has it:
                                            * what was intended */
    uint32_t pacers_count;
    uint64_t things;       /* records of a thing of the schedule */
    uint64_t intended_all; /* taken of it */
    uint64_t intended_measured;
    double client_cpu_s;
};

/* The schedule has begun at start_ns (in shared).  ERR_NOMEM, ERR_INVALID. */
must_use enum err load_sampler_init(struct load_sampler *sampler, const struct load_shared *shared,
                                    const struct load_worker *workers, uint32_t workers_count,
                                    uint64_t now_ns);
void load_sampler_deinit(struct load_sampler *sampler);

/* Sum of a counter over the workers. */
uint64_t load_sampler_total(const struct load_sampler *sampler, enum load_counter counter);

/* How many records the schedule had up to then (it must not go back). */
void load_sampler_intend(struct load_sampler *sampler, uint64_t until_ns);

/* What the interval since the last one saw; at_ns since since_ns. */
void load_sampler_take(struct load_sampler *sampler, uint64_t now_ns, uint64_t since_ns,
                       struct load_sample *out);

#endif
