#include "base/clock_system.h"

#include "base/check.h"

#include <time.h>

static uint64_t now_ns(clockid_t id)
{
    struct timespec now;

    check(clock_gettime(id, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t system_mono_ns(struct clock *clock)
{
    return now_ns(CLOCK_MONOTONIC);
}

static uint64_t system_elapsed_ns(struct clock *clock)
{
    return now_ns(CLOCK_BOOTTIME);
}

static int64_t system_wall_ms(struct clock *clock)
{
    struct timespec now;

    check(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_system_init(struct clock *clock)
{
    *clock = (struct clock){
        .mono_ns = system_mono_ns, .wall_ms = system_wall_ms, .elapsed_ns = system_elapsed_ns};
}
