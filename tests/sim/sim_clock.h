/* sim_clock: the clocks of one node, over the virtual time of its world.
 *
 * The monotonic clock starts anew with the power and may run a little fast or slow; the wall clock
 * may be wrong, jump, and stand still. */
#ifndef LEVEE_TESTS_SIM_CLOCK_H
#define LEVEE_TESTS_SIM_CLOCK_H

#include "base/clock.h"
#include "tests/sim/sim_queue.h"

#include <stdbool.h>
#include <stdint.h>

struct sim_clock {
    struct clock clock;
    const struct sim_queue *queue;
    uint64_t mono_base_ns; /* at since_ns */
    uint64_t since_ns;     /* virtual */
    int32_t drift_ppm;
    int64_t wall_base_ms; /* at virtual time 0 */
    int64_t wall_frozen_ms;
    bool wall_frozen;
};

/* wall_ms: at virtual time 0. */
void sim_clock_init(struct sim_clock *clock, const struct sim_queue *queue, int64_t wall_ms);

/* The power came back: the monotonic clock shows mono_ns. */
void sim_clock_boot(struct sim_clock *clock, uint64_t mono_ns);

/* From now on; the monotonic clock does not jump. */
void sim_clock_set_drift(struct sim_clock *clock, int32_t drift_ppm);

void sim_clock_jump(struct sim_clock *clock, int64_t by_ms);
void sim_clock_freeze(struct sim_clock *clock, bool frozen);

/* The earliest virtual time, not before now, at which the monotonic clock shows deadline_ns or
 * more; SIM_NEVER for SIM_NEVER. */
uint64_t sim_clock_when(const struct sim_clock *clock, uint64_t deadline_ns);

#endif
