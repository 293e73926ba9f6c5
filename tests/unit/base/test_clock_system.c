#include "base/clock_system.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <time.h>

Test(clock_system, monotonic_time_never_goes_back)
{
    struct clock clock;
    uint64_t last;

    clock_system_init(&clock);
    last = clock_mono_ns(&clock);
    for (int i = 0; i < 1000; i++) {
        uint64_t now = clock_mono_ns(&clock);
        cr_assert(ge(u64, now, last));
        last = now;
    }
}

Test(clock_system, measures_in_the_units_it_promises)
{
    struct timespec nap = {.tv_nsec = 20000000};
    struct clock clock;
    uint64_t mono_ns;
    int64_t wall_ms;

    clock_system_init(&clock);
    mono_ns = clock_mono_ns(&clock);
    wall_ms = clock_wall_ms(&clock);
    nanosleep(&nap, NULL);
    cr_assert(ge(u64, clock_mono_ns(&clock) - mono_ns, 20000000));
    cr_assert(lt(u64, clock_mono_ns(&clock) - mono_ns, 20000000000));
    cr_assert(ge(i64, clock_wall_ms(&clock) - wall_ms, 10)); /* may be slewed */
    cr_assert(le(i64, clock_wall_ms(&clock) / 1000 - (int64_t)time(NULL), 1));
}

Test(clock_system, a_span_that_does_not_fit_is_as_long_as_there_is)
{
    cr_assert(eq(u64, clock_ns_of_ms(3), 3000000));
    cr_assert(eq(u64, clock_ns_of_ms(INT64_MAX), UINT64_MAX));
    cr_assert(eq(u64, clock_deadline_ns(5, 3), 3000005));
    cr_assert(eq(u64, clock_deadline_ns(UINT64_MAX - 5, 3), UINT64_MAX));
}
