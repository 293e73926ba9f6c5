#include "tests/sim/oracle.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct history history;
static struct oracle *oracle;

static void setup(void)
{
    oracle = oracle_create();
    history_init(&history);
    history.listen = oracle_take;
    history.context = oracle;
}

static void teardown(void)
{
    history_deinit(&history);
    oracle_destroy(oracle);
}

TestSuite(oracle_keep, .init = setup, .fini = teardown);

enum { P = 3, ANN = 1, BOB = 2, SECOND = 1000000000 };

static struct history_event event_of(enum history_kind kind, uint64_t counter, int64_t offset)
{
    return (struct history_event){.kind = kind,
                                  .client = ANN,
                                  .partition = P,
                                  .time_ns = 10ULL * SECOND,
                                  .offset = offset,
                                  .value = history_value(ANN, counter),
                                  .producer_id = -1,
                                  .sequence = -1,
                                  .timestamp_ms = 1000 + (int64_t)counter,
                                  .value_bytes = 20};
}

static void add(enum history_kind kind, uint64_t counter, int64_t offset)
{
    struct history_event event = event_of(kind, counter, offset);

    history_add(&history, &event);
}

static void sent(uint64_t counter, int64_t offset)
{
    add(HISTORY_SEND, counter, -1);
    add(HISTORY_SEND_OK, counter, offset);
}

static void starts_at(enum history_kind kind, int64_t low)
{
    struct history_event event = event_of(kind, 0, -1);

    event.low = low;
    history_add(&history, &event);
}

static void clock_shows(int64_t wall_ms)
{
    oracle_age_look(&oracle->age, 10ULL * SECOND, wall_ms);
}

static void rules_are(struct oracle_rules rules)
{
    oracle_set_rules(oracle, P, &rules);
}

#define complains_only_of(name)                                                 \
    do {                                                                        \
        cr_assert(eq(u64, oracle->complaints_count, 1));                        \
        cr_assert(eq(str, (char *)oracle_first(oracle)->rule, (char *)(name))); \
    } while (0)

#define is_content() cr_assert(eq(ptr, (void *)oracle_first(oracle), NULL))

/* ---- content */

Test(oracle_keep, l1_a_record_of_another_time)
{
    struct history_event event = event_of(HISTORY_READ, 0, 0);

    sent(0, 0);
    event.timestamp_ms++;
    history_add(&history, &event);
    complains_only_of("L1");
}

Test(oracle_keep, l1_a_null_value_that_was_empty)
{
    struct history_event event = event_of(HISTORY_SEND, 0, -1);

    event.value_bytes = 0;
    history_add(&history, &event);
    event.kind = HISTORY_READ;
    event.offset = 0;
    event.value_bytes = -1;
    history_add(&history, &event);
    complains_only_of("L1");
}

Test(oracle_keep, l1_the_time_of_an_append_is_at_each_sight_the_same)
{
    struct history_event event = event_of(HISTORY_SEND_OK, 0, 0);

    rules_are(
        (struct oracle_rules){.append_time = true, .retention_ms = -1, .retention_bytes = -1});
    add(HISTORY_SEND, 0, -1);
    event.by_append_time = true;
    event.timestamp_ms = 77;
    history_add(&history, &event);
    event.kind = HISTORY_READ;
    history_add(&history, &event);
    is_content();
    event.timestamp_ms = 78;
    history_add(&history, &event);
    complains_only_of("L1");
}

Test(oracle_keep, l5_a_batch_that_had_to_be_refused_is_there)
{
    struct history_event event = event_of(HISTORY_SEND, 0, -1);

    event.forbidden = true;
    history_add(&history, &event);
    add(HISTORY_READ, 0, 0);
    complains_only_of("L5");
}

Test(oracle_keep, l7_what_nobody_acknowledged_stands_in_order_too)
{
    add(HISTORY_SEND, 0, -1);
    add(HISTORY_SEND, 1, -1);
    add(HISTORY_SEND_INFO, 0, -1);
    add(HISTORY_SEND_INFO, 1, -1);
    add(HISTORY_AUDIT, 0, -1);
    add(HISTORY_AUDIT_READ, 1, 0);
    add(HISTORY_AUDIT_READ, 0, 1);
    complains_only_of("L7");
}

/* ---- the log start */

Test(oracle_keep, l14_a_log_start_that_nothing_lets_move)
{
    sent(0, 0);
    starts_at(HISTORY_EARLIEST, 1);
    complains_only_of("L14");
}

/* The broker's clock was an hour behind the records, and a little more. */
Test(oracle_keep, what_is_dated_hours_ahead_goes_by_the_time_of_its_file)
{
    rules_are((struct oracle_rules){.retention_ms = 500, .retention_bytes = -1});
    clock_shows(1001);
    oracle->wall_min_ms = 1000 - 3600 * 1000;
    sent(0, 0); /* of time 1000 */
    sent(1, 1);
    sent(2, 2);
    oracle->wall_min_ms--;
    starts_at(HISTORY_EARLIEST, 2);
    is_content();
}

Test(oracle_keep, l14_what_is_dated_an_hour_ahead_is_believed)
{
    rules_are((struct oracle_rules){.retention_ms = 500, .retention_bytes = -1});
    clock_shows(1001);
    oracle->wall_min_ms = 1000 - 3600 * 1000;
    sent(0, 0);
    starts_at(HISTORY_EARLIEST, 1);
    complains_only_of("L14");
}

Test(oracle_keep, l14_by_age_only_what_is_older_goes)
{
    rules_are((struct oracle_rules){.retention_ms = 500, .retention_bytes = -1});
    clock_shows(1501);
    sent(0, 0);
    sent(1, 1);
    sent(2, 2); /* of time 1002 */
    starts_at(HISTORY_EARLIEST, 2);
    is_content();
    starts_at(HISTORY_EARLIEST, 3);
    complains_only_of("L14");
}

Test(oracle_keep, l14_by_size_so_much_stays)
{
    rules_are((struct oracle_rules){.retention_ms = -1, .retention_bytes = 600});
    for (uint64_t i = 0; i < 4; i++)
        sent(i, (int64_t)i);
    starts_at(HISTORY_EARLIEST, 2); /* two records of at most 331 bytes are left */
    is_content();
    starts_at(HISTORY_EARLIEST, 3);
    complains_only_of("L14");
}

Test(oracle_keep, l14_as_far_as_a_request_asked)
{
    for (uint64_t i = 0; i < 4; i++)
        sent(i, (int64_t)i);
    add(HISTORY_DELETE, 0, 2);
    starts_at(HISTORY_DELETE_OK, 2);
    is_content();
    starts_at(HISTORY_EARLIEST, 3);
    complains_only_of("L14");
}

Test(oracle_keep, l4_out_of_range_and_above_the_log_start)
{
    struct history_event event = event_of(HISTORY_EARLIEST, 0, 1);

    rules_are((struct oracle_rules){.retention_ms = 500, .retention_bytes = -1});
    sent(0, 0);
    sent(1, 1);
    add(HISTORY_OUT_OF_RANGE, 0, 1);
    history_add(&history, &event);
    complains_only_of("L4");
}

Test(oracle_keep, an_audit_begins_at_the_log_start)
{
    rules_are((struct oracle_rules){.retention_ms = 500, .retention_bytes = -1});
    clock_shows(1500);
    sent(0, 0);
    sent(1, 1);
    starts_at(HISTORY_EARLIEST, 1);
    add(HISTORY_AUDIT, 0, 1);
    add(HISTORY_AUDIT_READ, 1, 1);
    history_add(&history,
                &(struct history_event){.kind = HISTORY_AUDIT_END, .partition = P, .high = 2});
    is_content();
}

/* ---- the mode cache */

static void power_lost(uint64_t time_ns)
{
    history_add(&history, &(struct history_event){.kind = HISTORY_POWER_LOST, .time_ns = time_ns});
}

static void audit_ends(int64_t high)
{
    history_add(&history,
                &(struct history_event){.kind = HISTORY_AUDIT_END, .partition = P, .high = high});
}

Test(oracle_keep, cache_a_power_loss_may_take_the_newest)
{
    rules_are((struct oracle_rules){.cache = true, .retention_ms = -1, .retention_bytes = -1});
    sent(0, 0);
    sent(1, 1);
    power_lost(20ULL * SECOND);
    add(HISTORY_SEND, 2, -1);
    add(HISTORY_SEND_OK, 2, 1); /* where the lost one stood */
    add(HISTORY_AUDIT, 0, -1);
    add(HISTORY_AUDIT_READ, 0, 0);
    add(HISTORY_AUDIT_READ, 2, 1);
    audit_ends(2);
    is_content();
}

Test(oracle_keep, cache_l3_what_was_flushed_survives_the_power_loss)
{
    rules_are((struct oracle_rules){.cache = true, .retention_ms = -1, .retention_bytes = -1});
    sent(0, 0);
    power_lost(100ULL * SECOND);
    add(HISTORY_AUDIT, 0, -1);
    audit_ends(0);
    complains_only_of("L3");
}

Test(oracle_keep, cache_l1_what_was_seen_again_stays)
{
    rules_are((struct oracle_rules){.cache = true, .retention_ms = -1, .retention_bytes = -1});
    sent(0, 0);
    sent(1, 1);
    power_lost(20ULL * SECOND);
    add(HISTORY_READ, 1, 1); /* and so is what stands before it */
    add(HISTORY_SEND, 2, -1);
    add(HISTORY_SEND_OK, 2, 0);
    complains_only_of("L1");
}

Test(oracle_keep, l3_a_power_loss_takes_nothing_of_a_sync_topic)
{
    sent(0, 0);
    power_lost(20ULL * SECOND);
    add(HISTORY_AUDIT, 0, -1);
    audit_ends(0);
    complains_only_of("L3");
}
