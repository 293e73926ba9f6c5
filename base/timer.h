/* timer: deadlines as nodes on a hierarchical wheel (Varghese and Lauck, "Hashed and hierarchical
 * timing wheels").
 *
 * Ticks of 1 ms; a timer fires at the first tick that is not before its deadline: never early.
 * Setting and cancelling cost a constant.  Owned by one loop; without randomness, so that one
 * history gives one order.
 *   TMR-1  a timer sits on the level of the highest 6-bit digit in which its tick and now_tick
 *          differ
 *   TMR-2  bit s of occupied[l] is set exactly when slot s of level l holds a timer */
#ifndef LEVEE_BASE_TIMER_H
#define LEVEE_BASE_TIMER_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    TIMER_LEVEL_COUNT = 8, /* 64^8 ms are more than UINT64_MAX ns */
    TIMER_SLOT_COUNT = 64,
};

#define TIMER_NEVER UINT64_MAX

struct timer {
    struct list node;     /* linked while set */
    uint64_t deadline_ns; /* clock_mono_ns; meaningful while set */
    void (*fire)(struct timer *timer);
    uint8_t level;
    uint8_t slot;
};

struct timer_wheel {
    uint64_t now_tick; /* ticks up to this one are done */
    struct list late;  /* set when their tick was past: first of the next advance */
    uint64_t count;    /* timers set */
    uint64_t occupied[TIMER_LEVEL_COUNT];
    struct list slots[TIMER_LEVEL_COUNT][TIMER_SLOT_COUNT];
    bool advancing;
};

static inline void timer_init(struct timer *timer, void (*fire)(struct timer *timer))
{
    *timer = (struct timer){.fire = fire};
}

static inline bool timer_is_set(const struct timer *timer)
{
    return list_is_linked(&timer->node);
}

/* now_ns: clock_mono_ns. */
void timer_wheel_init(struct timer_wheel *wheel, uint64_t now_ns);

/* Fire once at deadline_ns (clock_mono_ns).  A set timer is moved.  A deadline whose tick the wheel
 * has passed fires in the next timer_wheel_advance, never in the running one, so a callback that
 * sets its own timer again does not spin.  TIMER_NEVER cancels. */
void timer_set(struct timer_wheel *wheel, struct timer *timer, uint64_t deadline_ns);

/* Not set is allowed.  After this the timer does not fire. */
void timer_cancel(struct timer_wheel *wheel, struct timer *timer);

/* Fire all timers whose tick is not after now_ns, by tick; of one tick in a fixed order.  Callbacks
 * may set and cancel any timer, their own too, and may free their own.  now_ns must not go back
 * (it is then taken as the last one).  Not to be called from a callback. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t now_ns);

/* When to call advance next: never after the earliest deadline's tick, perhaps before it.
 * TIMER_NEVER exactly when no timer is set. */
uint64_t timer_wheel_next_deadline(const struct timer_wheel *wheel);

#endif
