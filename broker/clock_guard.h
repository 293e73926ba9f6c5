/* clock_guard: may things go because of their age?
 *
 * Ages are differences of wall clock times, and the wall clock may be set.  A guard compares it
 * with the time that really passed: after a step nothing goes by age (segments by retention.ms,
 * idle producers, committed offsets) until the two agree again, or the clock has kept its new time
 * for levee.clock.step.accept.ms.  A clock that is wrong already when the broker starts cannot be
 * told from a long stop.  One per shard, on its loop.  (DUR-F12) */
#ifndef LEVEE_BROKER_CLOCK_GUARD_H
#define LEVEE_BROKER_CLOCK_GUARD_H

#include <stdbool.h>
#include <stdint.h>

struct shard;

/* Up to this much is no step.  Less is followed at the pace of a clock that is slewed (adjtime's
 * 500 ppm, twice), so that many small steps, or a clock that stands still, add up to one. */
enum { CLOCK_GUARD_STEP_MIN_MS = 10 * 60 * 1000, CLOCK_GUARD_SLEW_PER_MS = 1000 };

struct clock_guard {
    int64_t wall_ms;     /* what it should have said when we last looked and believed it, */
    uint64_t elapsed_ns; /* which was then */
    bool doubting;
    int64_t step_ms;   /* while doubting: how far the wall clock is ahead (or behind, negative) */
    uint64_t since_ns; /* since when it is that far */
};

/* The clock is right now. */
void clock_guard_start(struct shard *shard);

/* To be asked right before each round of expiry.  Shard 0 tells of a step and of its end. */
bool clock_guard_allows(struct shard *shard);

#endif
