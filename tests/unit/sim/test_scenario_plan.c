#include "tests/sim/plan.h"
#include "tests/sim/scenario.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *printed(const struct scenario_options *options)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);

    cr_assert(scenario_print_plan(options, file));
    fclose(file);
    return text;
}

/* text without the lines that begin with a key of the numbers. */
static void keep_head(char *text)
{
    char *parts = strstr(text, "parts=");

    strchr(parts, '\n')[1] = '\0';
}

/* Its value. */
static void take_away(char *text, const char *key)
{
    char *line = strstr(text, key);

    cr_assert(line != NULL);
    for (char *digit = line + strlen(key); *digit != ' '; digit++)
        *digit = '0';
}

TestSuite(scenario_plan, .timeout = 300);

Test(scenario_plan, a_printed_plan_runs_as_its_seed)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct scenario_options options = {.seed = seed, .parts = plan_default_parts()};
        struct scenario_options given = {0};
        struct scenario_result drawn;
        struct scenario_result again;
        char *text = printed(&options);

        given.plan_text = text;
        scenario_run(&options, &drawn);
        scenario_run(&given, &again);
        cr_assert(not(drawn.failed), "%s", drawn.complaint.text);
        cr_assert(eq(u64, again.hash, drawn.hash), "seed %d", (int)seed);
        cr_assert(eq(u32, again.parts, drawn.parts));
        free(text);
    }
}

Test(scenario_plan, a_plan_printed_from_its_text_is_that_text)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct scenario_options options = {.seed = seed, .parts = plan_default_parts()};
        char *text = printed(&options);
        struct scenario_options given = {.plan_text = text};
        char *again = printed(&given);

        cr_assert(eq(str, again, text));
        free(again);
        free(text);
    }
}

Test(scenario_plan, what_a_text_leaves_out_is_as_the_seed_has_it)
{
    struct scenario_options options = {.seed = 3, .parts = plan_default_parts()};
    char *whole = printed(&options);
    char *head = strdup(whole);
    struct scenario_options given = {.plan_text = head};
    char *again;

    keep_head(head);
    again = printed(&given);
    cr_assert(eq(str, again, whole));
    free(again);
    free(head);
    free(whole);
}

Test(scenario_plan, a_number_that_is_taken_away_changes_the_run)
{
    struct scenario_options options = {.seed = 1};
    struct scenario_options given = {0};
    struct scenario_result drawn;
    struct scenario_result other;
    char *text;

    options.parts_forced = true; /* none */
    text = printed(&options);
    given.plan_text = text;
    take_away(text, "\nrounds=");
    cr_assert(
        not(scenario_print_plan(&(struct scenario_options){.plan_text = "topics=9\n"}, stderr)));
    scenario_run(&options, &drawn);
    scenario_run(&given, &other);
    cr_assert(not(other.failed), "%s", other.complaint.text);
    cr_assert(ne(u64, other.hash, drawn.hash));
    cr_assert(lt(u64, other.virtual_ns, drawn.virtual_ns));
    free(text);
}

Test(scenario_plan, a_text_that_is_no_plan_fails)
{
    struct scenario_options options = {.plan_text = "seed=1\ntopics=4\n"};
    struct scenario_result result;

    scenario_run(&options, &result);
    cr_assert(result.failed);
    cr_assert(eq(str, result.complaint.rule, (char *)"PLAN"));
}
