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
    struct prng seed;
    struct plan plan;

    for (uint64_t i = 0; i < 100; i++) {
        prng_init(&seed, i);
        plan_draw(&plan, &seed, allowed, false);
        cr_assert(eq(u32, plan.parts & ~allowed, 0));
        seen |= plan.parts;
    }
    cr_assert(eq(u32, seen, allowed));
    plan_draw(&plan, &seed, allowed, true);
    cr_assert(eq(u32, plan.parts, allowed));
}
