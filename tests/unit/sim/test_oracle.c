#include "tests/sim/oracle.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

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

TestSuite(oracle, .init = setup, .fini = teardown);

enum { P = 3, ANN = 1, BOB = 2 };

static void add(enum history_kind kind, uint32_t client, int64_t offset, uint64_t counter)
{
    struct history_event event = {.kind = kind,
                                  .client = client,
                                  .partition = P,
                                  .offset = offset,
                                  .value = history_value(client, counter),
                                  .producer_id = -1,
                                  .sequence = -1};

    history_add(&history, &event);
}

/* client reads what sender sent. */
static void add_read(uint32_t client, int64_t offset, uint32_t sender, uint64_t counter)
{
    struct history_event event = {.kind = HISTORY_READ,
                                  .client = client,
                                  .partition = P,
                                  .offset = offset,
                                  .value = history_value(sender, counter)};

    history_add(&history, &event);
}

static void sent(uint64_t counter, int64_t offset)
{
    add(HISTORY_SEND, ANN, -1, counter);
    add(HISTORY_SEND_OK, ANN, offset, counter);
}

static void audit_read(int64_t offset, uint64_t counter, int64_t producer_id, int32_t sequence)
{
    struct history_event event = {.kind = HISTORY_AUDIT_READ,
                                  .partition = P,
                                  .offset = offset,
                                  .value = history_value(ANN, counter),
                                  .producer_id = producer_id,
                                  .sequence = sequence};

    history_add(&history, &event);
}

static void audit_end(int64_t high)
{
    struct history_event event = {.kind = HISTORY_AUDIT_END, .partition = P, .high = high};

    history_add(&history, &event);
}

static void watermarks(int64_t low, int64_t stable, int64_t high)
{
    struct history_event event = {
        .kind = HISTORY_WATERMARKS, .partition = P, .low = low, .stable = stable, .high = high};

    oracle_floors(oracle, P, &event);
    history_add(&history, &event);
}

#define complains_only_of(name)                                                 \
    do {                                                                        \
        cr_assert(eq(u64, oracle->complaints_count, 1));                        \
        cr_assert(eq(str, (char *)oracle_first(oracle)->rule, (char *)(name))); \
    } while (0)

#define is_content() cr_assert(eq(ptr, (void *)oracle_first(oracle), NULL))

Test(oracle, a_good_history_gives_no_complaint)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add(HISTORY_SEND, ANN, -1, 1);
    add(HISTORY_SEND, ANN, -1, 2);
    add(HISTORY_SEND, ANN, -1, 3);
    add(HISTORY_SEND_OK, ANN, 0, 0);
    add_read(BOB, 0, ANN, 0);
    watermarks(0, 1, 1);
    add(HISTORY_SEND_INFO, ANN, -1, 1); /* it is in the log, and nobody was told */
    add(HISTORY_SEND_FAIL, ANN, -1, 2);
    add(HISTORY_SEND_OK, ANN, 2, 3);
    watermarks(0, 3, 3);
    for (int i = 0; i < 2; i++) {
        add(HISTORY_AUDIT, ANN, -1, 0);
        audit_read(0, 0, 7, 0);
        audit_read(1, 1, 7, 1);
        audit_read(2, 3, 8, 0); /* another producer begins at 0 */
        audit_end(3);
    }
    is_content();
    cr_assert(eq(u64, oracle->acknowledged_count, 2));
}

Test(oracle, l1_one_offset_with_two_values)
{
    sent(0, 5);
    add(HISTORY_SEND, ANN, -1, 1);
    add_read(BOB, 5, ANN, 1);
    complains_only_of("L1");
}

Test(oracle, l2_an_audit_with_a_hole)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add(HISTORY_SEND, ANN, -1, 1);
    add(HISTORY_AUDIT, ANN, -1, 0);
    audit_read(0, 0, -1, -1);
    audit_read(2, 1, -1, -1);
    audit_end(3);
    complains_only_of("L2");
}

Test(oracle, l2_a_high_watermark_that_cannot_be_reached)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add(HISTORY_AUDIT, ANN, -1, 0);
    audit_read(0, 0, -1, -1);
    audit_end(2);
    complains_only_of("L2");
}

Test(oracle, l3_an_acknowledged_value_is_gone)
{
    sent(0, 0);
    sent(1, 1);
    add(HISTORY_AUDIT, ANN, -1, 0);
    audit_read(0, 0, -1, -1);
    audit_end(1);
    complains_only_of("L3");
}

Test(oracle, l4_a_value_that_was_read_is_gone)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add_read(BOB, 0, ANN, 0);
    add(HISTORY_SEND_INFO, ANN, -1, 0);
    add(HISTORY_AUDIT, ANN, -1, 0);
    audit_end(0);
    complains_only_of("L4");
}

Test(oracle, l4_what_an_earlier_audit_saw_must_stay)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add(HISTORY_AUDIT, ANN, -1, 0);
    audit_read(0, 0, -1, -1);
    audit_end(1);
    is_content();
    add(HISTORY_AUDIT, ANN, -1, 0);
    audit_end(0);
    complains_only_of("L4");
}

Test(oracle, l5_a_value_that_nobody_sent)
{
    add_read(BOB, 0, ANN, 9);
    complains_only_of("L5");
}

Test(oracle, l5_a_value_that_was_refused_is_there)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add(HISTORY_SEND_FAIL, ANN, -1, 0);
    add_read(BOB, 0, ANN, 0);
    complains_only_of("L5");
}

Test(oracle, l5_a_value_that_was_read_is_refused_later)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add_read(BOB, 0, ANN, 0);
    add(HISTORY_SEND_FAIL, ANN, -1, 0);
    complains_only_of("L5");
}

Test(oracle, l5_a_value_in_another_partition)
{
    struct history_event event = {
        .kind = HISTORY_READ, .client = BOB, .partition = P + 1, .value = history_value(ANN, 0)};

    add(HISTORY_SEND, ANN, -1, 0);
    history_add(&history, &event);
    complains_only_of("L5");
}

Test(oracle, l5_bytes_that_nobody_sends)
{
    add(HISTORY_GARBLED, BOB, 4, 0);
    complains_only_of("L5");
}

Test(oracle, l6_the_high_watermark_goes_back)
{
    watermarks(0, 5, 5);
    watermarks(0, 5, 4);
    cr_assert(eq(str, (char *)oracle_first(oracle)->rule, (char *)"L6"));
}

Test(oracle, l6_the_high_watermark_is_below_an_acknowledged_offset)
{
    sent(0, 5);
    watermarks(0, 5, 5);
    complains_only_of("L6");
}

Test(oracle, l6_the_log_start_goes_back)
{
    watermarks(3, 5, 5);
    watermarks(2, 5, 5);
    complains_only_of("L6");
}

Test(oracle, l6_the_log_start_is_above_the_high_watermark)
{
    watermarks(6, -1, 5);
    complains_only_of("L6");
}

Test(oracle, l6_an_answer_to_an_older_question_may_be_lower)
{
    struct history_event late = {.kind = HISTORY_WATERMARKS, .partition = P, .high = 2};

    oracle_floors(oracle, P, &late); /* asked before the others */
    watermarks(0, 5, 5);
    history_add(&history, &late);
    is_content();
}

Test(oracle, l7_stored_in_another_order_than_sent)
{
    sent(0, 7);
    sent(1, 3);
    complains_only_of("L7");
}

Test(oracle, l7_does_not_compare_sessions)
{
    struct history_event event = {.kind = HISTORY_SEND,
                                  .client = ANN,
                                  .partition = P,
                                  .session = 2,
                                  .value = history_value(ANN, 1)};

    sent(0, 7);
    history_add(&history, &event);
    add(HISTORY_SEND_OK, ANN, 3, 1);
    is_content();
}

Test(oracle, l8_a_fetch_that_jumps)
{
    add(HISTORY_SKIPPED, BOB, 4, 0);
    complains_only_of("L8");
}

Test(oracle, l8_who_has_read_beyond_the_high_watermark)
{
    add(HISTORY_BEYOND, BOB, 4, 6);
    complains_only_of("L8");
}

Test(oracle, what_a_cache_topic_has_lost_may_have_been_read)
{
    const struct oracle_rules rules = {.cache = true, .retention_ms = -1, .retention_bytes = -1};
    struct history_event event = {.kind = HISTORY_POWER_LOST, .time_ns = 1};

    oracle_set_rules(oracle, P, &rules);
    history_add(&history, &event);
    add(HISTORY_BEYOND, BOB, 4, 6);
    is_content();
}

Test(oracle, l4_an_offset_that_was_readable_is_out_of_range)
{
    add(HISTORY_OUT_OF_RANGE, BOB, 4, 0);
    complains_only_of("L4");
}

Test(oracle, i1_one_value_at_two_offsets)
{
    sent(0, 5);
    add_read(BOB, 6, ANN, 0);
    complains_only_of("I1");
}

Test(oracle, i2_a_gap_in_the_sequences_of_a_producer)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add(HISTORY_SEND, ANN, -1, 1);
    add(HISTORY_AUDIT, ANN, -1, 0);
    audit_read(0, 0, 7, 0);
    audit_read(1, 1, 7, 2);
    audit_end(2);
    complains_only_of("I2");
}

Test(oracle, i2_a_producer_that_does_not_begin_at_zero)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add(HISTORY_AUDIT, ANN, -1, 0);
    audit_read(0, 0, 7, 1);
    audit_end(1);
    complains_only_of("I2");
}

Test(oracle, i4_the_oldest_open_batch_is_refused)
{
    add(HISTORY_SEND, ANN, -1, 0);
    add(HISTORY_REFUSED, ANN, -1, 0);
    complains_only_of("I4");
}

Test(oracle, i8_a_producer_id_is_handed_out_twice)
{
    struct history_event event = {.kind = HISTORY_PRODUCER_ID, .client = ANN, .producer_id = 5};

    history_add(&history, &event);
    event.producer_id = 6;
    history_add(&history, &event);
    is_content();
    event.client = BOB;
    history_add(&history, &event);
    complains_only_of("I8");
}

static void commit(enum history_kind kind, int64_t offset)
{
    struct history_event event = {
        .kind = kind, .client = ANN, .partition = P, .value = (uint64_t)offset};

    history_add(&history, &event);
}

static void committed(int64_t offset, int64_t floor)
{
    struct history_event event = {.kind = HISTORY_COMMITTED,
                                  .client = ANN,
                                  .partition = P,
                                  .offset = offset,
                                  .floor_high = floor};

    history_add(&history, &event);
}

Test(oracle, committed_offsets_between_the_acknowledged_and_the_attempted_are_allowed)
{
    committed(-1, -1);
    commit(HISTORY_COMMIT, 4);
    commit(HISTORY_COMMIT_OK, 4);
    commit(HISTORY_COMMIT, 9);
    commit(HISTORY_COMMIT_INFO, 9);
    committed(4, 4);
    committed(9, 4);
    is_content();
}

Test(oracle, a_commit_of_unknown_fate_may_take_effect_late)
{
    commit(HISTORY_COMMIT, 4);
    commit(HISTORY_COMMIT_INFO, 4);
    commit(HISTORY_COMMIT, 9);
    commit(HISTORY_COMMIT_OK, 9);
    committed(4, 9);
    is_content();
    committed(5, 9);
    complains_only_of("G3");
}

Test(oracle, g3_a_committed_offset_is_forgotten)
{
    commit(HISTORY_COMMIT, 4);
    commit(HISTORY_COMMIT_OK, 4);
    committed(-1, 4);
    complains_only_of("G3");
}

Test(oracle, g4_an_offset_that_nobody_committed)
{
    committed(0, -1);
    complains_only_of("G4");
}

Test(oracle, what_clients_complain_about_is_a_complaint)
{
    add(HISTORY_WIRE, BOB, -1, 0);
    complains_only_of("WIRE");
    add(HISTORY_LATE, BOB, -1, 0);
    cr_assert(eq(str, (char *)oracle->complaints[1].rule, (char *)"LATE"));
}

Test(oracle, only_the_first_complaints_are_kept_and_all_are_counted)
{
    for (int i = 0; i < 3 * ORACLE_COMPLAINTS_MAX; i++)
        add(HISTORY_GARBLED, BOB, i, 0);
    cr_assert(eq(u64, oracle->complaints_count, 3 * ORACLE_COMPLAINTS_MAX));
    cr_assert(eq(i64, oracle_first(oracle)->offset, 0));
}

Test(history, a_value_comes_back_from_its_bytes_and_from_no_others)
{
    uint64_t value = history_value(BOB, 123456789);
    uint64_t got = 0;
    uint8_t bytes[100];

    for (uint32_t size = HISTORY_VALUE_BYTES_MIN; size <= sizeof(bytes); size++) {
        history_value_put(value, bytes, size);
        cr_assert(history_value_get(bytes, size, &got));
        cr_assert(eq(u64, got, value));
        for (uint32_t i = HISTORY_VALUE_BYTES_MIN; i < size; i++) {
            bytes[i] ^= 1;
            cr_assert(not(history_value_get(bytes, size, &got)));
            bytes[i] ^= 1;
        }
    }
    cr_assert(not(history_value_get(bytes, HISTORY_VALUE_BYTES_MIN - 1, &got)));
    cr_assert(not(history_value_get(NULL, 0, &got)));
    memset(bytes, 0xff, sizeof(bytes));
    cr_assert(not(history_value_get(bytes, HISTORY_VALUE_BYTES_MIN, &got)));
}
