/* clock: the seam for time.  Handed in at init; nobody else asks the kernel.
 *
 * A real one is clock_system; tests move their own by hand. */
#ifndef LEVEE_BASE_CLOCK_H
#define LEVEE_BASE_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*mono_ns)(struct clock *clock);
    int64_t (*wall_ms)(struct clock *clock);
    uint64_t (*elapsed_ns)(struct clock *clock); /* NULL: mono_ns, as where nothing sleeps */
};

/* Nanoseconds since some start; never goes back. */
static inline uint64_t clock_mono_ns(struct clock *clock)
{
    return clock->mono_ns(clock);
}

/* A span of milliseconds in nanoseconds; what does not fit is as long as there is (580 years). */
static inline uint64_t clock_ns_of_ms(uint64_t ms)
{
    return ms > UINT64_MAX / 1000000U ? UINT64_MAX : ms * 1000000U;
}

/* since_ns + a span of milliseconds, or the end of time. */
static inline uint64_t clock_deadline_ns(uint64_t since_ns, uint64_t ms)
{
    uint64_t span_ns = clock_ns_of_ms(ms);

    return span_ns > UINT64_MAX - since_ns ? UINT64_MAX : since_ns + span_ns;
}

/* As clock_mono_ns, and the time counts in which the machine was suspended (CLOCK_BOOTTIME). */
static inline uint64_t clock_elapsed_ns(struct clock *clock)
{
    return clock->elapsed_ns != 0 ? clock->elapsed_ns(clock) : clock->mono_ns(clock);
}

/* Milliseconds since 1970-01-01 UTC; may jump. */
static inline int64_t clock_wall_ms(struct clock *clock)
{
    return clock->wall_ms(clock);
}

#endif
