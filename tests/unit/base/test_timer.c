#include "base/prng.h"
#include "base/timer.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>

#define MS 1000000ULL

static struct timer_wheel wheel;
static uint64_t now_ns;    /* of the running advance */
static uint64_t last_tick; /* of the last timer that fired */
static uint32_t fired_count;

static void fired(struct timer *timer)
{
    uint64_t tick = (timer->deadline_ns + MS - 1) / MS;

    cr_assert(not(timer_is_set(timer)));
    cr_assert(le(u64, timer->deadline_ns, now_ns)); /* never early */
    cr_assert(ge(u64, tick, last_tick));
    last_tick = tick;
    fired_count++;
}

static void advance(uint64_t ns)
{
    now_ns = ns;
    last_tick = 0;
    timer_wheel_advance(&wheel, ns);
}

Test(timer, fires_once_at_the_first_tick_not_before_its_deadline)
{
    struct timer timer;

    timer_wheel_init(&wheel, 5 * MS + 300);
    timer_init(&timer, fired);
    timer_set(&wheel, &timer, 7 * MS + 1);
    cr_assert(timer_is_set(&timer));
    advance(7 * MS + 999999);
    cr_assert(eq(u32, fired_count, 0));
    advance(8 * MS);
    cr_assert(eq(u32, fired_count, 1));
    advance(900 * MS);
    cr_assert(eq(u32, fired_count, 1));
}

Test(timer, an_empty_wheel_says_never)
{
    struct timer timer;

    timer_wheel_init(&wheel, 123 * MS);
    cr_assert(eq(u64, timer_wheel_next_deadline(&wheel), TIMER_NEVER));
    timer_init(&timer, fired);
    timer_set(&wheel, &timer, 100000 * MS);
    cr_assert(ne(u64, timer_wheel_next_deadline(&wheel), TIMER_NEVER));
    timer_cancel(&wheel, &timer);
    timer_cancel(&wheel, &timer);
    cr_assert(eq(u64, timer_wheel_next_deadline(&wheel), TIMER_NEVER));
    timer_set(&wheel, &timer, 1); /* long past */
    cr_assert(le(u64, timer_wheel_next_deadline(&wheel), 123 * MS));
    timer_set(&wheel, &timer, TIMER_NEVER);
    cr_assert(not(timer_is_set(&timer)));
    cr_assert(eq(u64, timer_wheel_next_deadline(&wheel), TIMER_NEVER));
    timer_set(&wheel, &timer, 200 * MS);
    advance(201 * MS);
    cr_assert(eq(u32, fired_count, 1));
    cr_assert(eq(u64, timer_wheel_next_deadline(&wheel), TIMER_NEVER));
}

Test(timer, following_next_deadline_reaches_any_distance_in_a_few_steps)
{
    static const uint64_t distances_ms[] = {0,     1,      63,      64,         65,
                                            4095,  4096,   262144,  1ULL << 30, 86400000,
                                            12345, 999999, 1 << 20, 1ULL << 40, 18446744000000};

    for (size_t i = 0; i < sizeof(distances_ms) / sizeof(distances_ms[0]); i++) {
        uint64_t deadline_ns = distances_ms[i] * MS + 77;
        struct timer timer;
        uint32_t steps = 0;
        fired_count = 0;
        timer_wheel_init(&wheel, 77);
        timer_init(&timer, fired);
        timer_set(&wheel, &timer, deadline_ns);
        while (timer_is_set(&timer)) {
            uint64_t next_ns = timer_wheel_next_deadline(&wheel);
            cr_assert(lt(u64, next_ns, deadline_ns + MS));
            advance(next_ns);
            steps++;
            cr_assert(le(u32, steps, TIMER_LEVEL_COUNT + 1));
        }
        cr_assert(eq(u32, fired_count, 1));
    }
}

Test(timer, the_end_of_time_is_a_deadline_too)
{
    struct timer timer;

    timer_wheel_init(&wheel, 0);
    timer_init(&timer, fired);
    timer_set(&wheel, &timer, TIMER_NEVER - 1);
    advance(TIMER_NEVER / 2);
    cr_assert(timer_is_set(&timer));
    cr_assert(lt(u64, timer_wheel_next_deadline(&wheel), TIMER_NEVER));
    timer_cancel(&wheel, &timer);
}

enum { TIMERS = 200 };
static struct timer timers[TIMERS];

Test(timer, random_timers_fire_exactly_when_a_sorted_list_says)
{
    static const uint64_t scales_ns[] = {MS / 2, 20 * MS, 1000 * MS, 100000 * MS, 10000000 * MS};
    struct prng prng;
    uint64_t time_ns = 987654321987;
    uint32_t set_count = 0;

    prng_init(&prng, 41);
    timer_wheel_init(&wheel, time_ns);
    for (size_t i = 0; i < TIMERS; i++)
        timer_init(&timers[i], fired);
    for (int i = 0; i < 60000; i++) {
        struct timer *timer = &timers[prng_below(&prng, TIMERS)];
        uint64_t scale_ns = scales_ns[prng_below(&prng, 5)];
        switch (prng_below(&prng, 4)) {
        case 0:
        case 1:
            set_count += !timer_is_set(timer);
            timer_set(&wheel, timer, time_ns + prng_below(&prng, scale_ns));
            break;
        case 2:
            set_count -= timer_is_set(timer);
            timer_cancel(&wheel, timer);
            break;
        default: {
            uint32_t due = 0;
            uint64_t earliest = TIMER_NEVER;
            time_ns += prng_below(&prng, scales_ns[prng_below(&prng, 4)]);
            for (size_t k = 0; k < TIMERS; k++) {
                if (!timer_is_set(&timers[k]))
                    continue;
                due += (timers[k].deadline_ns + MS - 1) / MS <= time_ns / MS;
                if (timers[k].deadline_ns < earliest)
                    earliest = timers[k].deadline_ns;
            }
            if (earliest == TIMER_NEVER)
                cr_assert(eq(u64, timer_wheel_next_deadline(&wheel), TIMER_NEVER));
            else
                cr_assert(lt(u64, timer_wheel_next_deadline(&wheel), earliest + MS));
            fired_count = 0;
            advance(time_ns);
            cr_assert(eq(u32, fired_count, due), "step %d", i);
            set_count -= due;
            break;
        }
        }
        cr_assert(eq(u64, wheel.count, set_count));
    }
}

static struct timer victim;
static struct timer periodic;

static void cancels_victim(struct timer *timer)
{
    fired_count++;
    timer_cancel(&wheel, &victim);
}

Test(timer, a_callback_may_cancel_one_that_is_due_in_the_same_tick)
{
    struct timer first;

    timer_wheel_init(&wheel, 0);
    timer_init(&first, cancels_victim);
    timer_init(&victim, fired);
    timer_set(&wheel, &first, 10 * MS);
    timer_set(&wheel, &victim, 10 * MS);
    timer_wheel_advance(&wheel, 20 * MS);
    cr_assert(eq(u32, fired_count, 1));
    cr_assert(eq(u64, wheel.count, 0));
    timer_set(&wheel, &victim, 30 * MS);
    advance(40 * MS);
    cr_assert(eq(u32, fired_count, 2));
}

static void again_in_the_past(struct timer *timer)
{
    fired_count++;
    timer_set(&wheel, timer, 1);
}

Test(timer, one_set_again_in_the_past_waits_for_the_next_advance)
{
    timer_wheel_init(&wheel, 0);
    timer_init(&periodic, again_in_the_past);
    timer_set(&wheel, &periodic, 10 * MS);
    for (uint32_t i = 1; i < 5; i++) {
        timer_wheel_advance(&wheel, 100 * MS);
        cr_assert(eq(u32, fired_count, i));
        cr_assert(le(u64, timer_wheel_next_deadline(&wheel), 100 * MS));
    }
}

static void every_ten_ms(struct timer *timer)
{
    fired_count++;
    timer_set(&wheel, timer, timer->deadline_ns + 10 * MS);
}

Test(timer, a_periodic_one_catches_up_in_order)
{
    timer_wheel_init(&wheel, 0);
    timer_init(&periodic, every_ten_ms);
    timer_set(&wheel, &periodic, 10 * MS);
    timer_wheel_advance(&wheel, 1005 * MS);
    cr_assert(eq(u32, fired_count, 100));
    cr_assert(eq(u64, periodic.deadline_ns, 1010 * MS));
}

static void frees_itself(struct timer *timer)
{
    fired_count++;
    free(timer);
}

Test(timer, a_callback_may_free_its_own_timer)
{
    timer_wheel_init(&wheel, 0);
    for (int i = 0; i < 3; i++) {
        struct timer *timer = malloc(sizeof(*timer));
        timer_init(timer, frees_itself);
        timer_set(&wheel, timer, 10 * MS);
    }
    timer_wheel_advance(&wheel, 10 * MS);
    cr_assert(eq(u32, fired_count, 3));
}

Test(timer, time_that_goes_back_is_ignored)
{
    struct timer timer;

    timer_wheel_init(&wheel, 100 * MS);
    timer_init(&timer, fired);
    advance(200 * MS);
    timer_set(&wheel, &timer, 210 * MS);
    timer_wheel_advance(&wheel, 50 * MS);
    cr_assert(timer_is_set(&timer));
    advance(210 * MS);
    cr_assert(eq(u32, fired_count, 1));
}
