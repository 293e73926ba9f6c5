#include "base/nearest.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static const char *const names[] = {
    "log.dir", "log.dirs", "log.retention.ms", "log.retention.bytes", "listeners", "acks",
};
enum { COUNT = sizeof(names) / sizeof(names[0]) };

static const char *guess(const char *word)
{
    const char *found = nearest_name(word, names, COUNT);

    return found != NULL ? found : "(none)";
}

Test(nearest, finds_each_kind_of_slip)
{
    cr_assert(eq(str, (char *)guess("listners"), "listeners"));   /* lost */
    cr_assert(eq(str, (char *)guess("listeneers"), "listeners")); /* added */
    cr_assert(eq(str, (char *)guess("listemers"), "listeners"));  /* changed */
    cr_assert(eq(str, (char *)guess("lisetners"), "listeners"));  /* swapped */
    cr_assert(eq(str, (char *)guess("Log.Retention.MS"), "log.retention.ms"));
}

Test(nearest, a_swap_of_neighbours_is_one_edit)
{
    /* of 4 letters only one edit is allowed, so a swap counted as two would find nothing */
    cr_assert(eq(str, (char *)guess("akcs"), "acks"));
}

Test(nearest, prefers_fewer_edits_then_the_first)
{
    cr_assert(eq(str, (char *)guess("log.dirs"), "log.dirs"));
    cr_assert(eq(str, (char *)guess("log.dirx"), "log.dir"));
    cr_assert(eq(str, (char *)guess("log.retention.byte"), "log.retention.bytes"));
}

Test(nearest, says_nothing_when_nothing_is_near)
{
    char longest[200];

    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    cr_assert(eq(str, (char *)guess("compression.type"), "(none)"));
    cr_assert(eq(str, (char *)guess("x"), "(none)"));
    cr_assert(eq(str, (char *)guess(""), "(none)"));
    cr_assert(eq(str, (char *)guess(longest), "(none)"));
    cr_assert(eq(ptr, (void *)nearest_name("acks", names, 0), NULL));
}
