#include "broker/stall_watch.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

static uint64_t now_ns;
static char told[1024];

static uint64_t hand_mono_ns(struct clock *clock)
{
    return now_ns;
}

static int64_t hand_wall_ms(struct clock *clock)
{
    return 0;
}

static enum err still_wait(struct io *io, uint64_t timeout_ns)
{
    return OK;
}

static void still_wake(struct io *io)
{
}

static void take_line(struct log_sink *sink, enum log_level level, const char *line,
                      size_t size_bytes)
{
    snprintf(told, sizeof(told), "%.*s", (int)size_bytes, line);
}

static const struct io_vtable still_vtable = {.wait = still_wait, .wake = still_wake};
static struct clock hand_clock = {.mono_ns = hand_mono_ns, .wall_ms = hand_wall_ms};
static struct io io = {.v = &still_vtable};
static struct log_sink sink;
static struct loop loop;
static struct stall_watch watch;
static struct task task;

static void setup(void)
{
    list_init(&io.completed);
    log_sink_init(&sink, take_line, &hand_clock, LOG_INFO, LOG_FORMAT_LOGFMT);
    loop_init(&loop, 0, &io, &hand_clock);
    stall_watch_init(&watch, &loop, &sink, 100);
}

/* Two requests in one turn, 30 and 90 ms. */
static void work(struct task *ran)
{
    struct io_address peer;
    uint64_t began_ns;

    cr_assert(eq(int, io_address_parse("10.0.0.1", 1234, &peer), OK));
    began_ns = stall_watch_begin(&watch);
    now_ns += 30000000;
    stall_watch_end(&watch, began_ns, "Heartbeat", &peer);
    cr_assert(eq(int, io_address_parse("10.0.0.2", 1234, &peer), OK));
    began_ns = stall_watch_begin(&watch);
    now_ns += 90000000;
    stall_watch_end(&watch, began_ns, "Metadata", &peer);
}

static void sleep_own(struct task *ran)
{
    now_ns += 200000000;
}

static void sleep_short(struct task *ran)
{
    now_ns += 99000000;
}

static void turn(void (*run)(struct task *task))
{
    told[0] = '\0';
    task.run = run;
    loop_defer(&loop, &task);
    cr_assert(eq(int, loop_turn(&loop, 0), OK));
}

Test(stall_watch, long_turn_names_the_request_that_ran_longest, .init = setup)
{
    turn(work);
    cr_assert(strstr(told, "LVE-3107") != NULL);
    cr_assert(strstr(told, "api=Metadata") != NULL, "%s", told);
    cr_assert(strstr(told, "10.0.0.2:1234") != NULL, "%s", told);
    cr_assert(strstr(told, "held_ms=90") != NULL, "%s", told);
    cr_assert(strstr(told, "turn_ms=120") != NULL, "%s", told);
    cr_assert(eq(u64, counter_read(&watch.stalls), 1));
    cr_assert(eq(u64, counter_read(&watch.stalled_ms), 120));
}

Test(stall_watch, work_of_nobody_does_not_blame_the_turn_before, .init = setup)
{
    turn(work);
    turn(sleep_own);
    cr_assert(strstr(told, "LVE-3107") != NULL);
    cr_assert(strstr(told, "Metadata") == NULL, "%s", told);
}

Test(stall_watch, turn_within_the_limit_is_not_told, .init = setup)
{
    turn(sleep_short);
    cr_assert(eq(str, (char *)told, ""));
    cr_assert(eq(u64, counter_read(&watch.stalls), 0));
}
