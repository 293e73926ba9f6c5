#include "broker/turn_lines.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct turn_lines lines;
static struct turn_waiter waiters[8];
static const int requests[4];

static void setup(void)
{
    turn_lines_init(&lines, 1);
}

static void teardown(void)
{
    turn_lines_deinit(&lines);
    cr_assert(turn_lines_is_empty(&lines));
}

TestSuite(turn_lines, .init = setup, .fini = teardown);

static void add(int waiter, uint64_t client, int request)
{
    const struct turn_owner owner = {.client = client, .request = &requests[request]};

    cr_assert(eq(int, turn_lines_add(&lines, &waiters[waiter], &owner), OK));
}

static void expect_next(int waiter)
{
    cr_assert(eq(ptr, turn_lines_next(&lines), &waiters[waiter]));
}

Test(turn_lines, requests_have_turns_and_each_its_waiters_in_order)
{
    add(0, 7, 0);
    add(1, 7, 0);
    add(2, 7, 0);
    add(3, 7, 1);
    expect_next(0);
    expect_next(3);
    expect_next(1);
    expect_next(2);
    cr_assert(eq(ptr, turn_lines_next(&lines), NULL));
}

Test(turn_lines, a_client_with_many_requests_has_one_turn_in_two)
{
    add(0, 7, 0);
    add(1, 7, 1);
    add(2, 7, 2);
    add(3, 8, 3);
    add(4, 8, 3);
    expect_next(0);
    expect_next(3);
    expect_next(1);
    expect_next(4);
    expect_next(2);
}

Test(turn_lines, who_leaves_is_not_asked_and_takes_no_turn)
{
    add(0, 7, 0);
    add(1, 7, 1);
    add(2, 8, 2);
    turn_waiter_leave(&waiters[0]);
    turn_waiter_leave(&waiters[0]);
    expect_next(1);
    expect_next(2);
    add(3, 7, 0);
    turn_waiter_leave(&waiters[3]);
    cr_assert(turn_lines_is_empty(&lines));
}

Test(turn_lines, those_that_wait_at_the_end_wait_no_longer)
{
    add(0, 7, 0);
    add(1, 8, 1);
    turn_lines_deinit(&lines);
    cr_assert(eq(ptr, waiters[0].line, NULL));
    cr_assert(eq(ptr, waiters[1].line, NULL));
}
