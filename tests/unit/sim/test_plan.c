#include "tests/sim/plan.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

Test(plan, names_are_read_and_written)
{
    char text[PLAN_NAME_MAX];
    uint32_t parts = 0;

    cr_assert(plan_parse("records,rot", &parts));
    cr_assert(eq(u32, parts, 1U << PLAN_RECORDS | 1U << PLAN_ROT));
    plan_format(parts, text);
    cr_assert(eq(str, text, (char *)"records,rot"));
    cr_assert(plan_parse("", &parts));
    cr_assert(eq(u32, parts, 0));
}

Test(plan, a_name_that_is_none_is_told)
{
    uint32_t parts = 7;

    cr_assert(not(plan_parse("records,rott", &parts)));
    cr_assert(not(plan_parse("record", &parts)));
    cr_assert(eq(u32, parts, 7));
}

Test(plan, all_names_fit)
{
    char text[PLAN_NAME_MAX];
    uint32_t all = (1U << PLAN_PART_COUNT) - 1;
    uint32_t parts;

    plan_format(all, text);
    cr_assert(plan_parse(text, &parts));
    cr_assert(eq(u32, parts, all));
}

Test(plan, a_run_has_only_what_is_allowed_and_all_of_it_when_forced)
{
    uint32_t allowed = 1U << PLAN_LIES | 1U << PLAN_LONG;
    uint32_t seen = 0;
    struct plan plan;

    for (uint64_t i = 0; i < 100; i++) {
        plan_draw(&plan, i, allowed, false);
        cr_assert(eq(u32, plan.parts & ~allowed, 0));
        seen |= plan.parts;
    }
    cr_assert(eq(u32, seen, allowed));
    plan_draw(&plan, 100, allowed, true);
    cr_assert(eq(u32, plan.parts, allowed));
}

Test(plan, a_number_does_not_depend_on_what_else_is_asked_for)
{
    struct plan plan;
    uint64_t alone;

    plan_draw(&plan, 5, 0, true);
    plan_scope(&plan, "a");
    alone = plan_range(&plan, "x", 0, UINT64_MAX - 1);
    plan_draw(&plan, 5, 1, true);
    plan_range(&plan, "x", 0, 9);
    plan_scope(&plan, "a");
    plan_odds(&plan, "y", 1, 2);
    cr_assert(eq(u64, plan_range(&plan, "x", 0, UINT64_MAX - 1), alone));
}

Test(plan, a_given_number_is_taken_and_the_others_are_drawn)
{
    struct plan drawn;
    struct plan given;

    cr_assert(plan_read(&given, "seed=5 # a remark\n# another\n\nparts=lies,rot\na.x=7\na.y=1\n"));
    plan_draw(&drawn, 5, 0, true);
    plan_scope(&drawn, "a");
    plan_scope(&given, "a");
    cr_assert(eq(u32, given.parts, 1U << PLAN_LIES | 1U << PLAN_ROT));
    cr_assert(eq(u64, plan_pick_of(&given, "x", 3, 7), 7));
    cr_assert(eq(u64, plan_range(&given, "z", 0, 1 << 30), plan_range(&drawn, "z", 0, 1 << 30)));
    cr_assert(eq(str, (char *)plan_first_unasked(&given), (char *)"a.y"));
    cr_assert(plan_odds(&given, "y", 0, 1));
    cr_assert(eq(ptr, (void *)plan_first_unasked(&given), NULL));
    cr_assert(eq(str, given.problem, (char *)""));
}

Test(plan, a_given_number_that_may_not_be_is_told)
{
    struct plan plan;

    cr_assert(plan_read(&plan, "x=5\ny=2\nz=3\n"));
    cr_assert(lt(u64, plan_range(&plan, "x", 0, 4), 5));
    cr_assert(eq(str, plan.problem, (char *)"x=5 is not of 0..4"));
    cr_assert(eq(u64, plan_count(&plan, "y", 2, 3, 4), 2));
    cr_assert(eq(u64, plan_pick_of(&plan, "z", 9, 9), 9));
}

Test(plan, a_text_that_is_none_is_told)
{
    struct plan plan;

    cr_assert(not(plan_read(&plan, "x=1\nx=1\n")));
    cr_assert(not(plan_read(&plan, "x=one\n")));
    cr_assert(not(plan_read(&plan, "x=-\n")));
    cr_assert(not(plan_read(&plan, "x\n")));
    cr_assert(not(plan_read(&plan, "parts=rott\n")));
    cr_assert(not(plan_read(&plan, "seed=18446744073709551616\n")));
}
