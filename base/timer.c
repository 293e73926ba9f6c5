#include "base/timer.h"

#include "base/check.h"

enum {
    TICK_NS = 1000000,
    DIGIT_BITS = 6, /* TIMER_SLOT_COUNT is 2^6 */
    LEVEL_NONE = 0xff,
};

/* The tick by which ns has passed for certain. */
static uint64_t tick_not_before(uint64_t ns)
{
    return ns / TICK_NS + (ns % TICK_NS != 0);
}

void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns)
{
    *wheel = (struct timer_wheel){.now_tick = now_ns / TICK_NS};
    list_init(&wheel->late);
    for (size_t level = 0; level < TIMER_LEVEL_COUNT; level++) {
        for (size_t slot = 0; slot < TIMER_SLOT_COUNT; slot++)
            list_init(&wheel->slots[level][slot]);
    }
}

/* On the wheel by its tick, which is not before now_tick. */
static void place(struct timer_wheel *wheel, struct timer *timer)
{
    uint64_t tick = tick_not_before(timer->deadline_ns);
    uint64_t differing = tick ^ wheel->now_tick;
    unsigned level = differing == 0 ? 0 : (63U - (unsigned)__builtin_clzll(differing)) / DIGIT_BITS;
    unsigned slot = tick >> (level * DIGIT_BITS) & (TIMER_SLOT_COUNT - 1);

    timer->level = (uint8_t)level; /* TMR-1 */
    timer->slot = (uint8_t)slot;
    list_push_back(&wheel->slots[level][slot], &timer->node);
    wheel->occupied[level] |= 1ULL << slot; /* TMR-2 */
}

void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns)
{
    timer_cancel(wheel, timer);
    if (deadline_ns == TIMER_NEVER)
        return;
    timer->deadline_ns = deadline_ns;
    wheel->count++;
    if (tick_not_before(deadline_ns) <= wheel->now_tick) {
        timer->level = LEVEL_NONE;
        list_push_back(&wheel->late, &timer->node);
    } else {
        place(wheel, timer);
    }
}

void timer_cancel(struct timer_wheel *wheel, struct timer *timer)
{
    if (!timer_is_set(timer))
        return;
    list_remove(&timer->node);
    wheel->count--;
    if (timer->level != LEVEL_NONE && list_is_empty(&wheel->slots[timer->level][timer->slot]))
        wheel->occupied[timer->level] &= ~(1ULL << timer->slot); /* TMR-2 */
}

/* The first occupied slot: its level and first tick.  By TMR-1 everything on a level comes before
 * everything on the levels above.  False when the wheel holds nothing. */
static bool first_slot(const struct timer_wheel *wheel, unsigned *level_out, uint64_t *tick_out)
{
    for (unsigned level = 0; level < TIMER_LEVEL_COUNT; level++) {
        unsigned shift = level * DIGIT_BITS;
        uint64_t slot;
        if (wheel->occupied[level] == 0)
            continue;
        slot = (uint64_t)__builtin_ctzll(wheel->occupied[level]);
        *level_out = level;
        *tick_out = (wheel->now_tick >> shift >> DIGIT_BITS << DIGIT_BITS | slot) << shift;
        return true;
    }
    return false;
}

/* due is private: its timers no longer count as being in a slot, but can still be cancelled. */
static void fire_all(struct timer_wheel *wheel, struct list *due)
{
    struct list *node;

    list_for_each(n, due) container_of(n, struct timer, node)->level = LEVEL_NONE;
    while ((node = list_pop_front(due)) != NULL) {
        struct timer *timer = container_of(node, struct timer, node);
        wheel->count--;
        timer->fire(timer);
    }
}

/* Fire, or spread over the levels below, the timers of one slot. */
static void open_slot(struct timer_wheel *wheel, unsigned level, uint64_t tick)
{
    unsigned slot = tick >> (level * DIGIT_BITS) & (TIMER_SLOT_COUNT - 1);
    struct list moving;
    struct list *node;

    list_init(&moving);
    list_splice_back(&moving, &wheel->slots[level][slot]);
    wheel->occupied[level] &= ~(1ULL << slot);
    wheel->now_tick = tick;
    if (level == 0) {
        fire_all(wheel, &moving);
        return;
    }
    while ((node = list_pop_front(&moving)) != NULL)
        place(wheel, container_of(node, struct timer, node));
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ns)
{
    uint64_t target = now_ns / TICK_NS;
    struct list due;
    unsigned level;
    uint64_t tick;

    check(!wheel->advancing);
    wheel->advancing = true;
    list_init(&due);
    list_splice_back(&due, &wheel->late);
    fire_all(wheel, &due);
    while (first_slot(wheel, &level, &tick) && tick <= target)
        open_slot(wheel, level, tick);
    if (target > wheel->now_tick)
        wheel->now_tick = target;
    wheel->advancing = false;
}

uint64_t timer_wheel_next_deadline(const struct timer_wheel *wheel)
{
    unsigned level;
    uint64_t tick;

    if (!list_is_empty(&wheel->late))
        return wheel->now_tick * TICK_NS;
    if (!first_slot(wheel, &level, &tick))
        return TIMER_NEVER;
    return tick > UINT64_MAX / TICK_NS ? TIMER_NEVER - 1 : tick * TICK_NS;
}
