/* How old records are: for retention, and for the roll of a segment. */
#include "tests/unit/storage/trim_rig.h"

TestSuite(log_age, .init = up, .fini = fixture_down, .timeout = 600);

/* ---- what a client claims about its records does not count */

/* Thirty records of now under a header that says claimed_ms, which outlive any end. */
static void fill_with_lies(int64_t claimed_ms)
{
    for (int32_t i = 0; i < 30; i++) {
        struct fixture_append append = {.has_producer = true,
                                        .producer_id = 7,
                                        .base_sequence = i,
                                        .value_bytes = 900,
                                        .timestamp_ms = base_ms + i,
                                        .lies = true,
                                        .claimed_max_ms = claimed_ms,
                                        .claims_append_time = i % 2 == 1};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    }
    cr_assert(fixture_settle());
    fixture_check_content(0, 5000); /* as the records say, and with a right checksum */
    fixture_checkpoint();
    fixture.at[0].config.retention_ms = 60 * 1000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
}

Test(log_age, a_record_of_now_is_kept_whatever_its_header_claims)
{
    for (int life = 0; life < 3; life++) {
        if (life == 0)
            fill_with_lies(1000);
        cr_assert(eq(u32, retain(base_ms + 59 * 1000), 0));
        cr_assert(eq(i64, log_start(), 0));
        fixture_crash(life == 0 ? SIM_KILL : SIM_POWER_LOSS);
        cr_assert(fixture_start());
        cr_assert(not(log_is_quarantined(fixture.at[0].log)));
        fixture_check_content(0, 5000);
    }
}

Test(log_age, a_record_is_kept_no_longer_because_its_header_claims_the_future)
{
    fill_with_lies(base_ms + INT64_C(100000) * 365 * 24 * 3600);
    cr_assert(lt(u32, 0, retain(base_ms + 61 * 1000)));
    cr_assert(eq(i64, log_start(), 30));
}

/* ---- records that are dated later than now */

static int64_t wall_ms(void)
{
    return clock_wall_ms(fixture.loops[0].clock);
}

static void fill_dated(int64_t timestamp_ms, int32_t count)
{
    struct fixture_append append = {.value_bytes = 900, .timestamp_ms = timestamp_ms};

    for (int32_t i = 0; i < count; i++)
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
}

static void keep_for_a_minute(void)
{
    fixture.at[0].config.retention_ms = 60 * 1000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
}

Test(log_age, a_record_of_the_year_2100_is_as_old_as_its_file)
{
    int64_t now_ms = wall_ms();

    fill_dated(INT64_C(4102444800000), 1);
    fill_dated(now_ms, 29);
    fixture_checkpoint();
    keep_for_a_minute();
    cr_assert(eq(u32, retain(now_ms + 59 * 1000), 0)); /* it is kept as long as others are */
    cr_assert(eq(u32, retain(now_ms + 90 * 1000), 2));
    cr_assert(eq(i64, log_start(), 30));
}

Test(log_age, a_record_that_is_an_hour_ahead_is_believed)
{
    int64_t now_ms = wall_ms();

    fill_dated(now_ms + 3500 * 1000, 30);
    fixture_checkpoint();
    keep_for_a_minute();
    cr_assert(eq(u32, retain(now_ms + 90 * 1000), 0)); /* it says that it is not old yet */
    cr_assert(eq(u32, retain(now_ms + 3561 * 1000), 2));
}

Test(log_age, what_was_written_while_the_clock_was_ahead_goes_with_what_is_behind_it)
{
    int64_t now_ms;

    sim_node_jump_wall(fixture.node, INT64_C(86400000) * 3650);
    fill_dated(wall_ms(), 30);
    fixture_checkpoint();
    sim_node_jump_wall(fixture.node, INT64_C(-86400000) * 3650);
    now_ms = wall_ms();
    keep_for_a_minute();
    cr_assert(eq(u32, retain(now_ms + 90 * 1000), 0)); /* nothing says how old it is */
    fill_dated(now_ms, 30);
    fixture_checkpoint();
    now_ms = wall_ms();
    cr_assert(eq(u32, retain(now_ms + 50 * 1000), 0));
    cr_assert(eq(u32, retain(now_ms + 90 * 1000), 3));
    cr_assert(eq(i64, log_start(), 60));
}

Test(log_age, without_a_clock_size_alone_counts)
{
    fill(0, 100); /* long ago */
    fixture_checkpoint();
    keep_for_a_minute();
    cr_assert(eq(u32, retain(-1), 0));
    fixture.at[0].config.retention_bytes = 50000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(u32, retain(-1), 2));
}

/* ---- rolling by time: as records say it, when one comes */

Test(log_age, a_record_that_is_segment_ms_younger_than_the_first_begins_a_segment)
{
    struct fixture_append append = {.value_bytes = 10, .timestamp_ms = base_ms};

    fixture.at[0].config.segment_ms = 60 * 1000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    append.timestamp_ms = base_ms + 60 * 1000;
    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
    cr_assert(eq(u32, segment_count(), 1));
    cr_assert(eq(u32, retain(base_ms + 1000 * 1000), 0)); /* old records come in at any time */
    cr_assert(eq(u32, segment_count(), 1));
    fixture_checkpoint();
    fixture_crash(SIM_KILL); /* the first time is in the file */
    cr_assert(fixture_start());
    append.timestamp_ms = base_ms + 60 * 1000 + 1;
    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(eq(u32, segment_count(), 2));
    append.timestamp_ms = base_ms; /* late: of the active segment all the same */
    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(eq(u32, segment_count(), 2));
    cr_assert(fixture_settle());
    fixture_check_content(0, 5000);
}

/* segment.ms is a minute. */
static void append_dated(int64_t timestamp_ms, uint32_t segments_expected)
{
    struct fixture_append append = {.value_bytes = 10, .timestamp_ms = timestamp_ms};

    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
    cr_assert(eq(u32, segment_count(), segments_expected));
}

Test(log_age, a_record_of_the_year_2100_does_not_keep_its_segment_open)
{
    const int64_t late_ms = INT64_C(4102444800000);

    fixture.at[0].config.segment_ms = 60 * 1000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    for (int i = 0; i < 3; i++) {
        append_dated(late_ms, 1);
        append_dated(wall_ms(), 1);
    }
    fixture_run_ms(59 * 1000);
    append_dated(wall_ms(), 1);
    append_dated(late_ms, 1);
    fixture_run_ms(2 * 1000);
    append_dated(late_ms, 2); /* a minute has passed, whatever they say */
    append_dated(late_ms, 2);
    append_dated(wall_ms(), 2);
    fixture_checkpoint();
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    append_dated(wall_ms(), 3); /* when it began is not known any more: long enough ago */
    fixture_run_ms(59 * 1000);
    append_dated(wall_ms(), 3);
    fixture_check_content(0, 5000);
}

Test(log_age, a_clock_that_was_ahead_does_not_keep_the_segment_open)
{
    fixture.at[0].config.segment_ms = 60 * 1000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    sim_node_jump_wall(fixture.node, INT64_C(86400000) * 3650);
    append_dated(wall_ms(), 1);
    sim_node_jump_wall(fixture.node, INT64_C(-86400000) * 3650);
    append_dated(wall_ms(), 1);
    fixture_run_ms(61 * 1000);
    append_dated(wall_ms(), 2);
}

Test(log_age, with_append_time_a_segment_is_as_old_as_its_first_append)
{
    struct fixture_append append = {.value_bytes = 10, .timestamp_ms = base_ms};

    fixture.at[0].config.segment_ms = 1000;
    fixture.at[0].config.log_append_time = true;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(eq(u32, segment_count(), 1));
    fixture_run_ms(1100);
    cr_assert(eq(int, fixture_append(&append, NULL), OK)); /* though it says the same time */
    cr_assert(eq(u32, segment_count(), 2));
    cr_assert(fixture_settle());
    fixture_check_content(0, 5000);
}
