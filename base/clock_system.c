#include "base/clock_system.h"

#include "base/check.h"

#include <time.h>

static uint64_t system_mono_ns(struct clock *clock)
{
    struct timespec now;

    check(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static int64_t system_wall_ms(struct clock *clock)
{
    struct timespec now;

    check(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_system_init(struct clock *clock)
{
    *clock = (struct clock){.mono_ns = system_mono_ns, .wall_ms = system_wall_ms};
}
