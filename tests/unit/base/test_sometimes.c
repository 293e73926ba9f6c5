#include "base/sometimes.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#ifdef LEVEE_RELEASE
enum { IS_RELEASE = 1 };
#else
enum { IS_RELEASE = 0 };
#endif

static uint32_t evaluated_count;

static bool is_three(int number)
{
    evaluated_count++;
    return number == 3;
}

static void pass(int number)
{
    SOMETIMES("test: a three passed", is_three(number));
}

static void never_called(void)
{
    SOMETIMES("test: nobody comes here", true);
}

static bool hurry(void)
{
    return BUGGIFY("test: hurry");
}

static bool only_hurry(const char *name)
{
    return strcmp(name, "test: hurry") == 0;
}

static const struct sometimes_site *site(const char *name)
{
    for (uint32_t i = 0; i < sometimes_count(); i++)
        if (strcmp(sometimes_at(i)->name, name) == 0)
            return sometimes_at(i);
    return NULL;
}

Test(sometimes, a_site_counts_when_its_condition_was_true, .disabled = IS_RELEASE)
{
    pass(2);
    cr_assert(eq(u64, site("test: a three passed")->reached_count, 0));
    pass(3);
    pass(3);
    cr_assert(eq(u64, site("test: a three passed")->reached_count, 2));
    cr_assert(eq(u32, evaluated_count, 3));
}

Test(sometimes, a_site_that_was_never_reached_is_known, .disabled = IS_RELEASE)
{
    cr_assert(ne(ptr, (void *)site("test: nobody comes here"), NULL));
    cr_assert(eq(u64, site("test: nobody comes here")->reached_count, 0));
    if (evaluated_count > 0)
        never_called();
}

Test(sometimes, buggify_is_false_until_somebody_decides, .disabled = IS_RELEASE)
{
    cr_assert(not(hurry()));
    sometimes_set_buggify(only_hurry);
    cr_assert(hurry());
    sometimes_set_buggify(NULL);
    cr_assert(not(hurry()));
    cr_assert(eq(u64, site("test: hurry")->reached_count, 1));
}

Test(sometimes, releases_have_none_of_it, .disabled = !IS_RELEASE)
{
    pass(3);
    sometimes_set_buggify(only_hurry);
    cr_assert(not(hurry()));
    cr_assert(eq(u32, evaluated_count, 0));
    cr_assert(eq(u32, sometimes_count(), 0));
}
