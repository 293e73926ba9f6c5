/* A walk over all logs of a store, which are no more here than what it sees of them. */
#include "storage/log/log_private.h"
#include "storage/store_walk.h"
#include "tests/support/fake_io.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { LOGS = 20, LATE = 3 };

static struct {
    struct fake_io fake;
    struct clock clock;
    struct loop loop;
    struct log_environment env;
    struct store_walk walk;
    struct log logs[LOGS + LATE];
    uint32_t visits[LOGS + LATE];
    uint32_t visit_count;
    uint32_t fails_at; /* that visit */
    uint32_t done_count;
    enum err err;
} rig;

static uint64_t no_time(struct clock *clock)
{
    return 1;
}

static int64_t no_wall_time(struct clock *clock)
{
    return 1;
}

static void add(uint32_t count)
{
    for (; count > 0; count--)
        list_push_back(&rig.env.logs, &rig.logs[rig.env.log_count++].node);
}

static void setup(void)
{
    memset(&rig, 0, sizeof(rig));
    fake_io_init(&rig.fake);
    rig.clock = (struct clock){.mono_ns = no_time, .wall_ms = no_wall_time};
    loop_init(&rig.loop, 0, &rig.fake.io, &rig.clock);
    rig.env.loop = &rig.loop;
    rig.env.state = STORE_RUNNING;
    list_init(&rig.env.logs);
    store_walk_init(&rig.walk, &rig.env);
    add(LOGS);
}

static void teardown(void)
{
    loop_deinit(&rig.loop);
}

TestSuite(store_walk, .init = setup, .fini = teardown);

static enum err visit(struct log *log)
{
    rig.visits[log - rig.logs]++;
    return ++rig.visit_count == rig.fails_at ? ERR_NOSPACE : OK;
}

static void on_done(void *context, enum err err)
{
    rig.done_count++;
    rig.err = err;
}

static void turn(void)
{
    cr_assert(eq(int, loop_turn(&rig.loop, 0), OK));
}

static void begin(void)
{
    memset(rig.visits, 0, sizeof(rig.visits));
    rig.visit_count = 0;
    rig.done_count = 0;
    store_walk_begin(&rig.walk, visit, on_done, NULL);
    cr_assert(eq(u32, rig.visit_count, 0));
    turn();
    cr_assert(lt(u32, 0, rig.visit_count));
    cr_assert(lt(u32, rig.visit_count, LOGS)); /* the rest in later turns */
}

static void end(enum err err)
{
    for (int i = 0; i < 20; i++)
        turn();
    cr_assert(eq(u32, rig.done_count, 1));
    cr_assert(eq(int, rig.err, err));
}

Test(store_walk, it_comes_to_each_log_once_and_to_those_that_come_meanwhile)
{
    begin();
    add(LATE);
    end(OK);
    for (uint32_t i = 0; i < LOGS + LATE; i++)
        cr_assert(eq(u32, rig.visits[i], 1), "log %u", i);
    begin(); /* and so does the next one */
    end(OK);
    for (uint32_t i = 0; i < LOGS + LATE; i++)
        cr_assert(eq(u32, rig.visits[i], 1), "log %u", i);
}

Test(store_walk, logs_that_go_meanwhile_end_nothing)
{
    begin();
    for (uint32_t i = 0; i < LOGS; i += 2)
        list_remove(&rig.logs[i].node);
    end(OK);
    for (uint32_t i = 1; i < LOGS; i += 2)
        cr_assert(eq(u32, rig.visits[i], 1), "log %u", i);
    begin();
    while (!list_is_empty(&rig.env.logs))
        (void)list_pop_front(&rig.env.logs);
    end(OK);
}

Test(store_walk, the_first_error_ends_it)
{
    rig.fails_at = 11;
    begin();
    end(ERR_NOSPACE);
    cr_assert(eq(u32, rig.visit_count, 11));
}

Test(store_walk, it_writes_nothing_in_a_store_that_has_failed)
{
    uint32_t visit_count;

    begin();
    visit_count = rig.visit_count;
    rig.env.state = STORE_FAILED;
    end(ERR_STORAGE);
    cr_assert(eq(u32, rig.visit_count, visit_count));
}

/* Who wrote clean marks afterwards would say more than is known. */
Test(store_walk, it_has_failed_when_the_store_has_behind_its_last_log)
{
    for (int i = 0; i < 4; i++) /* whole turns: the last log is seen before the end is */
        (void)list_pop_front(&rig.env.logs);
    begin();
    turn();
    cr_assert(eq(u32, rig.visit_count, LOGS - 4));
    cr_assert(eq(u32, rig.done_count, 0));
    rig.env.state = STORE_FAILED;
    end(ERR_STORAGE);
}
