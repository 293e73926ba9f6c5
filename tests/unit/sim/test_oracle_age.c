#include "tests/sim/oracle.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct history history;
static struct oracle *oracle;

static void setup(void)
{
    oracle = oracle_create();
    oracle->producers_idle_ms = 86400000;
    history_init(&history);
    history.listen = oracle_take;
    history.context = oracle;
    oracle_age_start(&oracle->age, 0, 1000);
}

static void teardown(void)
{
    history_deinit(&history);
    oracle_destroy(oracle);
}

TestSuite(oracle_age, .init = setup, .fini = teardown);

#define SECOND 1000000000ULL
#define HOUR (3600 * SECOND)
#define DAY_MS 86400000LL
#define YEAR_MS (365 * DAY_MS)

enum { P = 3, ANN = 1 };

static bool day_is_over(uint64_t since_ns)
{
    return oracle_age_is_over(&oracle->age, since_ns, DAY_MS);
}

/* ---- the clock */

Test(oracle_age, time_that_passes_is_believed)
{
    oracle_age_look(&oracle->age, 23 * HOUR, 1000 + DAY_MS - 3600000);
    cr_assert(not(day_is_over(0)));
    oracle_age_look(&oracle->age, 24 * HOUR, 1000 + DAY_MS);
    cr_assert(day_is_over(0));
    cr_assert(not(day_is_over(HOUR)));
}

Test(oracle_age, a_step_is_believed_by_a_broker_that_starts)
{
    oracle_age_look(&oracle->age, SECOND, 1000 + YEAR_MS);
    cr_assert(not(day_is_over(0)));
    oracle_age_start(&oracle->age, 2 * SECOND, 2000 + YEAR_MS);
    cr_assert(day_is_over(0));
    cr_assert(not(day_is_over(2 * SECOND)));
}

Test(oracle_age, a_step_is_believed_in_the_end_also_by_one_that_runs)
{
    oracle_age_look(&oracle->age, SECOND, 1000 + YEAR_MS);
    oracle_age_look(&oracle->age, 24 * HOUR, 1000 + YEAR_MS + DAY_MS - 1000);
    cr_assert(lt(i64, oracle_age_highest_ms(&oracle->age, 0), YEAR_MS));
    oracle_age_look(&oracle->age, SECOND + 24 * HOUR, 1000 + YEAR_MS + DAY_MS);
    cr_assert(lt(i64, YEAR_MS, oracle_age_highest_ms(&oracle->age, 0)));
}

Test(oracle_age, what_the_clock_said_before_is_no_age_of_what_came_after)
{
    oracle_age_start(&oracle->age, SECOND, 1000 + YEAR_MS);
    oracle_age_start(&oracle->age, 2 * SECOND, 1000);
    cr_assert(day_is_over(SECOND)); /* from the lowest to the highest: generously */
    cr_assert(not(day_is_over(2 * SECOND)));
}

/* ---- what is stored again */

static void add(enum history_kind kind, uint64_t time_ns, uint64_t counter, int64_t offset)
{
    struct history_event event = {.kind = kind,
                                  .time_ns = time_ns,
                                  .client = ANN,
                                  .partition = P,
                                  .offset = offset,
                                  .value = history_value(ANN, counter),
                                  .producer_id = 7,
                                  .sequence = (int32_t)counter,
                                  .high = offset};

    history_add(&history, &event);
}

static void sent_twice(void)
{
    for (uint64_t i = 0; i < 3; i++)
        add(HISTORY_SEND, SECOND, i, -1);
    for (uint64_t i = 0; i < 3; i++)
        add(HISTORY_READ, SECOND, i, (int64_t)i);
    for (uint64_t i = 1; i < 3; i++)
        add(HISTORY_SEND_OK, 3 * SECOND, i, (int64_t)i + 2);
}

static void audit(void)
{
    static const uint64_t values[] = {0, 1, 2, 1, 2};

    add(HISTORY_AUDIT, 4 * SECOND, 0, 0);
    for (int64_t i = 0; i < 5; i++)
        add(HISTORY_AUDIT_READ, 4 * SECOND, values[i], i);
    add(HISTORY_AUDIT_END, 4 * SECOND, 0, 5);
}

Test(oracle_age, a_producer_that_is_over_by_age_stores_again)
{
    oracle_age_look(&oracle->age, SECOND, 2000);
    oracle_age_start(&oracle->age, 2 * SECOND, 3000 + YEAR_MS);
    sent_twice();
    audit();
    audit();
    cr_assert(eq(u64, oracle->complaints_count, 0));
}

Test(oracle_age, i1_a_producer_that_is_not_over_does_not)
{
    oracle_age_look(&oracle->age, SECOND, 2000);
    oracle_age_look(&oracle->age, 2 * SECOND, 3000 + YEAR_MS); /* nobody started */
    sent_twice();
    cr_assert(eq(u64, oracle->complaints_count, 2));
    cr_assert(eq(str, (char *)oracle_first(oracle)->rule, (char *)"I1"));
}

Test(oracle_age, i2_only_what_was_stored_again_begins_anew)
{
    oracle_age_look(&oracle->age, SECOND, 2000);
    oracle_age_start(&oracle->age, 2 * SECOND, 3000 + YEAR_MS);
    sent_twice();
    add(HISTORY_SEND, 3 * SECOND, 4, -1);
    add(HISTORY_AUDIT, 4 * SECOND, 0, 4);
    add(HISTORY_AUDIT_READ, 4 * SECOND, 2, 4);
    add(HISTORY_AUDIT_READ, 4 * SECOND, 4, 5); /* 3 is missing */
    cr_assert(eq(u64, oracle->complaints_count, 1));
    cr_assert(eq(str, (char *)oracle_first(oracle)->rule, (char *)"I2"));
}
