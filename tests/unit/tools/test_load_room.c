#include "base/check.h"
#include "tools/load/load_room.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <time.h>

/* A timer that keeps the loop for so long, as a process that is stopped, and then lets something
 * come: at once, or after a while. */
struct stop {
    struct load_room *room;
    struct timer timer;
    struct timer later;
    struct mail mail;
    long stopped_ms;
    uint64_t later_ms;
    bool is_done;
};

static void on_mail(struct mail *mail)
{
    container_of(mail, struct stop, mail)->is_done = true;
}

static void on_later(struct timer *timer)
{
    container_of(timer, struct stop, later)->is_done = true;
}

static void on_timer(struct timer *timer)
{
    struct stop *stop = container_of(timer, struct stop, timer);
    struct timespec pause = {.tv_sec = stop->stopped_ms / 1000,
                             .tv_nsec = stop->stopped_ms % 1000 * 1000000};

    nanosleep(&pause, NULL);
    if (stop->later_ms == 0)
        loop_post(&stop->room->loop, &stop->mail);
    else
        timer_set(&stop->room->loop.timers, &stop->later,
                  clock_mono_ns(&stop->room->clock) + stop->later_ms * 1000000);
}

static bool comes_in_time(long stopped_ms, uint64_t later_ms)
{
    struct stop stop = {.stopped_ms = stopped_ms, .later_ms = later_ms};
    bool is_done;

    cr_assert(eq(int, load_room_create("test", 1 << 20, &stop.room), OK));
    stop.mail.deliver = on_mail;
    timer_init(&stop.timer, on_timer);
    timer_init(&stop.later, on_later);
    loop_set_timer_ms(&stop.room->loop, &stop.timer, 10);
    is_done = load_room_run_until(stop.room, &stop.is_done, 100);
    loop_cancel_timer(&stop.room->loop, &stop.later);
    load_room_destroy(stop.room);
    return is_done;
}

Test(load_room, what_came_is_looked_at_before_a_timeout_is_told)
{
    cr_assert(comes_in_time(200, 0));
}

Test(load_room, who_was_stopped_waits_once_more)
{
    cr_assert(comes_in_time(1500, 30));
}

Test(load_room, the_time_is_over)
{
    cr_assert(not(comes_in_time(0, 400)));
}
