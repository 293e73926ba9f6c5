/* clock: the seam for time.  Handed in at init; nobody else asks the kernel.
 *
 * A real one is clock_system; tests move their own by hand. */
#ifndef LEVEE_BASE_CLOCK_H
#define LEVEE_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*mono_ns)(struct clock *clock);
    int64_t (*wall_ms)(struct clock *clock);
};

/* Nanoseconds since some start; never goes back. */
static inline uint64_t clock_mono_ns(struct clock *clock)
{
    return clock->mono_ns(clock);
}

/* Milliseconds since 1970-01-01 UTC; may jump. */
static inline int64_t clock_wall_ms(struct clock *clock)
{
    return clock->wall_ms(clock);
}

#endif
