#include "base/budget.h"
#include "base/slab.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

/* A loop that never sleeps. */
static enum err still_wait(struct io *io, uint64_t timeout_ns)
{
    return OK;
}

static void still_wake(struct io *io)
{
}

static uint64_t still_mono_ns(struct clock *clock)
{
    return 1;
}

static const struct io_vtable still_vtable = {.wait = still_wait, .wake = still_wake};
static struct io io = {.v = &still_vtable};
static struct clock hand_clock = {.mono_ns = still_mono_ns};
static struct loop loop;
static struct budget budget;
static char story[32]; /* a letter for each who got room */

struct eater {
    struct budget_waiter waiter;
    uint64_t size_bytes;
    char letter;
};

static void on_room(struct budget_waiter *waiter)
{
    struct eater *eater = container_of(waiter, struct eater, waiter);
    size_t length = strlen(story);

    if (!budget_take(&budget, eater->size_bytes)) {
        budget_wait(&budget, &eater->waiter, eater->size_bytes);
        return;
    }
    story[length] = eater->letter;
    story[length + 1] = '\0';
}

static void eat(struct eater *eater, char letter, uint64_t size_bytes)
{
    *eater = (struct eater){.waiter.room = on_room, .letter = letter, .size_bytes = size_bytes};
    budget_wait(&budget, &eater->waiter, size_bytes);
}

static void turn(void)
{
    cr_assert(eq(int, loop_turn(&loop, 0), OK));
}

static void setup(void)
{
    list_init(&io.completed);
    loop_init(&loop, 0, &io, &hand_clock);
    budget_init(&budget, "test", 100);
    budget_set_loop(&budget, &loop);
    story[0] = '\0';
}

static void teardown(void)
{
    budget_deinit(&budget);
    loop_deinit(&loop);
}

TestSuite(budget, .init = setup, .fini = teardown);

static uint64_t told_bytes;

static void on_refused(struct budget *refusing, uint64_t asked_bytes)
{
    told_bytes = asked_bytes;
}

Test(budget, refuses_counts_and_tells_what_would_pass_the_limit)
{
    budget.refused = on_refused;
    cr_assert(budget_take(&budget, 60));
    cr_assert(not(budget_take(&budget, 41)));
    cr_assert(eq(u64, told_bytes, 41));
    cr_assert(eq(u64, counter_read(&budget.refusals), 1));
    cr_assert(eq(u64, budget_room_bytes(&budget), 40));
    cr_assert(budget_take(&budget, 40));
    budget_force(&budget, 7);
    cr_assert(eq(u64, budget_used_bytes(&budget), 107));
    cr_assert(eq(u64, budget_room_bytes(&budget), 0));
    budget_give(&budget, 107);
    cr_assert(not(budget_take(&budget, UINT64_MAX)));
}

Test(budget, who_waits_is_served_in_order_as_far_as_there_is_room)
{
    struct eater a, b, c;

    cr_assert(budget_take(&budget, 100));
    eat(&a, 'a', 30);
    eat(&b, 'b', 60);
    eat(&c, 'c', 10);
    turn();
    cr_assert(eq(str, story, ""));
    budget_give(&budget, 40);
    cr_assert(eq(str, story, "")); /* BUD-3: not inside the call */
    turn();
    cr_assert(eq(str, story, "a")); /* c would fit, but stands behind b */
    budget_give(&budget, 60);
    turn();
    cr_assert(eq(str, story, "abc"));
    budget_give(&budget, 100);
}

Test(budget, who_comes_later_does_not_overtake)
{
    struct eater a;

    cr_assert(budget_take(&budget, 90));
    eat(&a, 'a', 50);
    cr_assert(not(budget_take(&budget, 5))); /* BUD-2 */
    budget_give(&budget, 90);
    cr_assert(not(budget_take(&budget, 5)));
    turn();
    cr_assert(eq(str, story, "a"));
    cr_assert(budget_take(&budget, 5));
    budget_give(&budget, 55);
}

Test(budget, a_waiter_that_leaves_lets_the_next_one_in)
{
    struct eater a, b;

    cr_assert(budget_take(&budget, 80));
    eat(&a, 'a', 50);
    eat(&b, 'b', 20);
    turn();
    cr_assert(eq(str, story, ""));
    budget_cancel_wait(&budget, &a.waiter);
    budget_cancel_wait(&budget, &a.waiter);
    turn();
    cr_assert(eq(str, story, "b"));
    budget_give(&budget, 100);
}

Test(budget, room_that_is_there_already_comes_with_the_next_turn)
{
    struct eater a;

    eat(&a, 'a', 50);
    cr_assert(eq(str, story, ""));
    turn();
    cr_assert(eq(str, story, "a"));
    budget_give(&budget, 50);
}

Test(budget, a_buffer_changes_its_purpose)
{
    struct slab one, other;
    struct buf *buf;
    uint64_t cost;

    slab_init(&one, 10000);
    slab_init(&other, 2000);
    buf = buf_create(&one, 1000, 1);
    cost = buf_cost_bytes(buf);
    cr_assert(eq(u64, slab_used_bytes(&one), cost));
    cr_assert(buf_recharge(buf, &other));
    cr_assert(buf_recharge(buf, &other));
    cr_assert(eq(u64, slab_used_bytes(&one), 0));
    cr_assert(eq(u64, slab_used_bytes(&other), cost));
    buf_unref(buf);
    cr_assert(eq(u64, slab_used_bytes(&other), 0));
    buf = buf_create(&one, 3000, 1);
    cr_assert(not(buf_recharge(buf, &other)));
    cr_assert(eq(u64, slab_used_bytes(&other), 0));
    buf_unref(buf);
    slab_deinit(&one);
    slab_deinit(&other);
}

Test(budget, a_deinit_with_bytes_out_stops_the_process, .signal = SIGABRT, .fini = NULL)
{
    cr_assert(budget_take(&budget, 1));
    budget_deinit(&budget);
}
