#include "base/mem.h"
#include "storage/log_private.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <string.h>

static const struct fixture_options small = {
    .seed = 1, .segment_bytes = 20000, .segment_write_bytes = 8192, .index_interval_bytes = 1000};

static const int64_t base_ms = 1700000000000;

static void up_with_seed(uint64_t seed)
{
    struct fixture_options options = small;

    options.seed = seed;
    fixture_up(&options);
    cr_assert(fixture_start());
}

static void up(void)
{
    up_with_seed(1);
}

TestSuite(log_trim, .init = up, .fini = fixture_down, .timeout = 600);

/* One record of about a kilobyte each, a second apart. */
static void fill(int32_t first, int32_t count)
{
    for (int32_t i = first; i < first + count; i++) {
        struct fixture_append append = {.has_producer = true,
                                        .producer_id = i % 3,
                                        .base_sequence = i / 3,
                                        .value_bytes = 900,
                                        .leader_epoch = i / 15,
                                        .timestamp_ms = base_ms + i * 1000};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
        fixture_run_ms(1);
    }
    cr_assert(fixture_settle());
}

struct waited {
    bool done;
    enum err err;
};

static void on_done(void *context, enum err err)
{
    struct waited *waited = context;

    waited->done = true;
    waited->err = err;
}

static bool is_done(void *context)
{
    return ((struct waited *)context)->done;
}

static int64_t log_start(void)
{
    return log_offsets(fixture.at[0].log).log_start;
}

/* ---- delete records */

static void delete_records(int64_t offset)
{
    struct waited waited = {0};
    int64_t before = log_start();

    cr_assert(eq(int, log_delete_records(fixture.at[0].log, offset, on_done, &waited), OK));
    cr_assert(not(waited.done));
    cr_assert(eq(i64, log_start(), before)); /* not before it is durable */
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
    cr_assert(eq(int, waited.err, OK));
    cr_assert(eq(i64, log_start(), offset));
    fixture.at[0].log_start = offset;
}

Test(log_trim, deleted_records_are_gone_for_good_and_their_segments_with_them)
{
    struct log_read read = {.offset = 36, .bound = 60, .max_bytes = 5000};

    fill(0, 60);
    delete_records(37);
    fixture_check_content(0, 5000);
    cr_assert(eq(int, fixture_read(0, &read), ERR_OFFSET_RANGE));
    for (int life = 0; life < 4; life++) {
        fixture_crash(life % 2 == 0 ? SIM_POWER_LOSS : SIM_KILL); /* before any mark, at first */
        cr_assert(fixture_start());
        cr_assert(eq(i64, log_start(), 37));
        fixture_check_prefix(0);
        if (life == 1)
            fixture_checkpoint();
    }
    fixture_stop();
    cr_assert(fixture_start());
    cr_assert(eq(i64, log_start(), 37));
    fixture_check_prefix(0);
}

Test(log_trim, records_beyond_the_high_watermark_or_below_the_start_are_not_deleted)
{
    fill(0, 10);
    delete_records(10); /* all */
    cr_assert(eq(int, log_delete_records(fixture.at[0].log, 11, NULL, NULL), ERR_OFFSET_RANGE));
    cr_assert(eq(int, log_delete_records(fixture.at[0].log, 9, NULL, NULL), ERR_OFFSET_RANGE));
    fill(10, 5);
    fixture_check_content(0, 5000);
}

Test(log_trim, a_delete_on_its_way_when_the_store_stops_is_kept)
{
    struct waited waited = {0};

    fill(0, 30);
    cr_assert(eq(int, log_delete_records(fixture.at[0].log, 20, on_done, &waited), OK));
    fixture_stop();
    cr_assert(waited.done && waited.err == OK);
    cr_assert(fixture_start());
    cr_assert(eq(i64, log_start(), 20));
    fixture_check_content(0, 5000);
}

Test(log_trim, a_stop_waits_for_files_that_are_being_removed)
{
    struct waited waited = {0};

    fixture.at[0].config.file_delete_delay_ms = 0;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    fill(0, 60);
    sim_disk_hold(&fixture.node->disk, SIM_UNLINK);
    delete_records(50);
    fixture_checkpoint();
    fixture_run_ms(50);
    store_stop(fixture.store, on_done, &waited);
    cr_assert(not(sim_world_run_until(fixture.world, is_done, &waited, 5 * SIM_SECOND)));
    sim_disk_unhold(&fixture.node->disk, SIM_UNLINK);
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
    cr_assert(eq(int, waited.err, OK));
    cr_assert(eq(int, store_stopped_all(fixture.stores, 1), OK));
    sim_node_stop(fixture.node); /* which checks that nothing is in flight */
    cr_assert(fixture_start());
    cr_assert(eq(i64, log_start(), 50));
    fixture_check_content(0, 5000);
}

/* ---- retention */

static uint32_t retain(int64_t now_ms)
{
    uint32_t count = log_apply_retention(fixture.at[0].log, now_ms);

    fixture_run_ms(50);
    return count;
}

Test(log_trim, retention_by_size_drops_whole_old_segments_and_survives_crashes)
{
    fill(0, 100);
    fixture_checkpoint();
    cr_assert(eq(u32, retain(base_ms), 0)); /* without limits */
    fixture.at[0].config.retention_bytes = 50000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(u32, retain(base_ms), 2));
    cr_assert(eq(u32, retain(base_ms), 0));
    cr_assert(lt(i64, 0, log_start()));
    cr_assert(ge(u64, log_size_bytes(fixture.at[0].log), 50000));
    fixture.at[0].log_start = log_start();
    fixture_check_content(0, 5000);
    fixture_crash(SIM_KILL); /* the mark does not know it yet, the files are gone */
    cr_assert(fixture_start());
    fixture_check_prefix(0);
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    fixture_check_prefix(0);
    cr_assert(eq(i64, log_start(), fixture.at[0].log_start));
}

Test(log_trim, retention_by_time_drops_segments_whose_newest_record_is_too_old)
{
    int64_t start;

    fill(0, 100);
    fixture_checkpoint();
    fixture.at[0].config.retention_ms = 60 * 1000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(u32, retain(base_ms + 60 * 1000), 0));
    cr_assert(lt(u32, 0, retain(base_ms + 110 * 1000)));
    start = log_start();
    /* 50 seconds are too much; a segment has about 20 records */
    cr_assert(lt(i64, 29, start));
    cr_assert(le(i64, start, 50));
    fixture_check_content(0, 5000);
}

static void expire_wholly(enum sim_crash crash)
{
    fill(0, 30);
    fixture_checkpoint();
    fixture.at[0].config.retention_ms = 60 * 1000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(lt(u32, 0, retain(base_ms + 1000 * 1000)));
    cr_assert(eq(i64, log_start(), 30));
    fixture.at[0].log_start = 30;
    fixture_check_content(0, 5000);
    fixture_crash(crash); /* the mark names a segment that is gone */
    cr_assert(fixture_start());
    cr_assert(not(log_is_quarantined(fixture.at[0].log)));
    cr_assert(eq(i64, log_start(), 30));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 30));
    cr_assert(eq(int, fixture_append_some(0), OK));
    cr_assert(fixture_settle());
    fixture_check_content(0, 5000);
}

Test(log_trim, an_idle_log_expires_wholly_and_goes_on_at_its_end)
{
    expire_wholly(SIM_POWER_LOSS);
}

Test(log_trim, an_idle_log_that_expired_wholly_outlives_a_kill)
{
    expire_wholly(SIM_KILL);
}

Test(log_trim, an_idle_producer_is_forgotten_and_stays_so)
{
    struct fixture_append append = {.has_producer = true, .producer_id = 7, .value_bytes = 10};
    int64_t now_ms = clock_wall_ms(fixture.loops[0].clock);

    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
    cr_assert(eq(u32, log_expire_producers(fixture.at[0].log, now_ms, 60 * 1000), 0));
    cr_assert(eq(u32, log_expire_producers(fixture.at[0].log, now_ms + 120 * 1000, 60 * 1000), 1));
    cr_assert(eq(u32, producer_state_count(log_producers(fixture.at[0].log)), 0));
    fixture_checkpoint();
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    cr_assert(eq(u32, producer_state_count(log_producers(fixture.at[0].log)), 0));
    append.base_sequence = 12; /* nothing is known that it would have to follow on (I11) */
    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    append.base_sequence = 14;
    cr_assert(eq(int, fixture_append(&append, NULL), ERR_SEQUENCE));
}

Test(log_trim, what_expired_while_the_log_was_cut_and_appended_to_outlives_a_kill)
{
    fill(0, 90);
    fixture_checkpoint(); /* names a segment that the cut drops */
    cr_assert(eq(int, log_truncate(fixture.at[0].log, 30, NULL, NULL), OK));
    fixture_forget_from(0, 30);
    fixture.at[0].durable = 30;
    fixture_run_ms(5);
    for (int32_t i = 0; i < 40; i++)
        cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 900}, NULL), OK));
    cr_assert(fixture_settle());
    delete_records(60);
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    cr_assert(not(log_is_quarantined(fixture.at[0].log)));
    cr_assert(eq(i64, log_start(), 60));
    fixture_check_prefix(0);
}

/* The checkpoint names the last segment, but until its mark is durable a recovery begins where the
 * journal cuts the log. */
Test(log_trim, what_was_cut_before_a_checkpoint_is_needed_until_its_mark_is_durable)
{
    struct waited waited = {0};

    fill(0, 90);
    fixture_checkpoint(); /* names a segment that the cut drops */
    cr_assert(eq(int, log_truncate(fixture.at[0].log, 30, NULL, NULL), OK));
    fixture_forget_from(0, 30);
    fixture.at[0].durable = 30;
    fixture_run_ms(5);
    for (int32_t i = 0; i < 40; i++)
        cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 900}, NULL), OK));
    cr_assert(fixture_settle());
    cr_assert(eq(int, log_delete_records(fixture.at[0].log, 60, on_done, &waited), OK));
    store_checkpoint(fixture.store, NULL, NULL);
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
    cr_assert(fixture.at[0].log->in_checkpoint);
    fixture.at[0].log_start = 60;
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    cr_assert(not(log_is_quarantined(fixture.at[0].log)));
    cr_assert(eq(i64, log_start(), 60));
    fixture_check_prefix(0);
}

Test(log_trim, retention_of_no_bytes_keeps_none)
{
    fill(0, 30);
    fixture_checkpoint();
    fixture.at[0].config.retention_bytes = 0;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(u32, retain(base_ms), 2));
    fixture_checkpoint();
    cr_assert(eq(i64, log_start(), 30));
    cr_assert(eq(u64, log_size_bytes(fixture.at[0].log), 0));
    cr_assert(eq(u32, retain(base_ms), 0)); /* an empty segment is not closed again */
    fixture.at[0].log_start = 30;
    fixture_check_content(0, 5000);
}

Test(log_trim, what_is_not_deleted_by_policy_or_not_yet_published_stays)
{
    fill(0, 30);
    fixture_checkpoint();
    fixture.at[0].config.retention_ms = 60 * 1000;
    fixture.at[0].config.retention_bytes = 0;
    fixture.at[0].config.retention_by_delete = false;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(u32, retain(base_ms + 1000 * 1000), 0));
    fixture.at[0].config.retention_by_delete = true;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 10}, NULL), OK));
    cr_assert(eq(u32, log_apply_retention(fixture.at[0].log, base_ms + 1000 * 1000), 1));
    fixture_run_ms(50);
    cr_assert(eq(i64, log_start(), log_active(fixture.at[0].log)->base_offset));
    fixture.at[0].log_start = log_start();
    fixture_check_content(0, 5000);
}

Test(log_trim, records_without_a_time_expire_by_that_of_their_file)
{
    struct fixture_append append = {.value_bytes = 900, .timestamp_ms = -1};
    int64_t now_ms = clock_wall_ms(fixture.loops[0].clock);

    for (int i = 0; i < 30; i++)
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture.at[0].config.retention_ms = 60 * 1000;
    log_set_config(fixture.at[0].log, &fixture.at[0].config);
    cr_assert(eq(u32, retain(now_ms + 59 * 1000), 0));
    cr_assert(eq(u32, retain(now_ms + 90 * 1000), 2));
    cr_assert(eq(i64, log_start(), 30));
}

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

Test(log_trim, a_record_of_now_is_kept_whatever_its_header_claims)
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

Test(log_trim, a_record_is_kept_no_longer_because_its_header_claims_the_future)
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

Test(log_trim, a_record_of_the_year_2100_is_as_old_as_its_file)
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

Test(log_trim, a_record_that_is_an_hour_ahead_is_believed)
{
    int64_t now_ms = wall_ms();

    fill_dated(now_ms + 3500 * 1000, 30);
    fixture_checkpoint();
    keep_for_a_minute();
    cr_assert(eq(u32, retain(now_ms + 90 * 1000), 0)); /* it says that it is not old yet */
    cr_assert(eq(u32, retain(now_ms + 3561 * 1000), 2));
}

Test(log_trim, what_was_written_while_the_clock_was_ahead_goes_with_what_is_behind_it)
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

Test(log_trim, without_a_clock_size_alone_counts)
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

static uint32_t segment_count(void)
{
    return fixture.at[0].log->segment_count;
}

Test(log_trim, a_record_that_is_segment_ms_younger_than_the_first_begins_a_segment)
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

Test(log_trim, a_record_of_the_year_2100_does_not_keep_its_segment_open)
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

Test(log_trim, a_clock_that_was_ahead_does_not_keep_the_segment_open)
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

Test(log_trim, with_append_time_a_segment_is_as_old_as_its_first_append)
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

/* ---- cuts, beside a log that never held what was cut off */

static void check_like_new(int64_t offset)
{
    struct producer_state rebuilt;
    struct log *log = fixture.at[0].log;

    producer_state_init(&rebuilt, 1, 1000);
    for (uint32_t i = 0; i < fixture.at[0].batch_count; i++) {
        struct producer_rules rules = {.origin = PRODUCER_VERBATIM};
        struct producer_check unused;
        struct batch_header header;
        cr_assert(eq(int,
                     batch_parse(fixture.at[0].batches[i].bytes,
                                 fixture.at[0].batches[i].size_bytes, &header),
                     OK));
        cr_assert(eq(int, producer_state_check(&rebuilt, &header, NULL, &rules, &unused), OK));
        producer_state_update(&rebuilt, &header, NULL, 0, NULL);
    }
    for (int64_t id = 0; id < 3; id++) {
        const struct producer_entry *is = producer_state_find(log_producers(log), id);
        const struct producer_entry *should = producer_state_find(&rebuilt, id);
        cr_assert(eq(int, is == NULL, should == NULL));
        if (is == NULL)
            continue;
        cr_assert(eq(u8, is->batch_count, should->batch_count));
        for (uint8_t b = 0; b < is->batch_count; b++) {
            cr_assert(eq(i32, is->batches[b].last_sequence, should->batches[b].last_sequence));
            cr_assert(eq(i64, is->batches[b].last_offset, should->batches[b].last_offset));
        }
    }
    producer_state_deinit(&rebuilt);
    cr_assert(eq(i64, log_offsets(log).log_end, offset));
    cr_assert(eq(i32, epoch_cache_latest(log_epochs(log)),
                 offset == 0 ? -1 : (int32_t)(offset - 1) / 15));
    fixture_check_offsets(0);
    fixture_check_content(0, 5000);
}

static void cut(int64_t offset)
{
    struct waited waited = {0};
    enum err err = ERR_FULL;

    while ((err = log_truncate(fixture.at[0].log, offset, on_done, &waited)) == ERR_FULL)
        fixture_run_ms(1);
    cr_assert(eq(int, err, OK));
    fixture_forget_from(0, offset);
    fixture.at[0].durable = 0;
    check_like_new(offset); /* at once in memory */
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
    cr_assert(eq(int, waited.err, OK));
}

Test(log_trim, a_log_cut_anywhere_is_as_if_the_rest_had_never_been)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        int32_t end = 0;
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        for (int round = 0; round < 5; round++) {
            int32_t more = 1 + (int32_t)prng_below(&fixture.chance, 50);
            fill(end, more);
            end += more;
            if (prng_chance(&fixture.chance, 1, 3))
                fixture_checkpoint();
            if (prng_chance(&fixture.chance, 1, 3)) /* on its way while the log is cut */
                store_checkpoint(fixture.store, NULL, NULL);
            if (prng_chance(&fixture.chance, 1, 2))
                fixture_run_ms(prng_below(&fixture.chance, 3));
            end = (int32_t)prng_below(&fixture.chance, (uint64_t)end + 1);
            cut(end);
            if (prng_chance(&fixture.chance, 1, 3)) {
                fixture_crash(prng_chance(&fixture.chance, 1, 2) ? SIM_KILL : SIM_POWER_LOSS);
                cr_assert(fixture_start());
                cr_assert(not(log_is_quarantined(fixture.at[0].log)), "seed %" PRIu64, seed);
                check_like_new(end);
            }
        }
    }
}

/* ---- cuts inside a batch */

enum { RECORDS = 5 }; /* of a batch of about a kilobyte */

static void fill_batches(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct fixture_append append = {.record_count = RECORDS, .value_bytes = 190};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
        fixture_run_ms(1);
    }
    cr_assert(fixture_settle());
}

/* The log ends where the last batch that stays does; returns that offset. */
static int64_t cut_inside(int64_t offset)
{
    struct fixture_log *at = &fixture.at[0];
    struct waited waited = {0};
    int64_t end_offset;
    enum err err;

    while ((err = log_truncate(fixture.at[0].log, offset, on_done, &waited)) == ERR_FULL)
        fixture_run_ms(1);
    cr_assert(eq(int, err, OK));
    fixture_forget_from(0, offset);
    at->durable = 0;
    end_offset = at->batch_count > 0 ? at->batches[at->batch_count - 1].end_offset : 0;
    cr_assert(eq(i64, log_offsets(at->log).log_end, end_offset));
    fixture_check_offsets(0);
    fixture_check_content(0, 5000);
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
    cr_assert(eq(int, waited.err, OK));
    return end_offset;
}

static void crash_and_start(enum sim_crash crash)
{
    fixture_crash(crash);
    cr_assert(fixture_start());
    cr_assert(not(log_is_quarantined(fixture.at[0].log)), "seed %" PRIu64, fixture.options.seed);
    fixture_check_prefix(0);
}

Test(log_trim, a_log_cut_inside_a_batch_ends_before_it_and_rolls_and_starts_again)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        enum sim_crash crash = seed % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS;
        struct fixture_append too_large = {.value_bytes = 18000}; /* for what is left */
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        fill_batches(12);
        if ((seed & 2) != 0)
            fixture_checkpoint();
        cr_assert(eq(i64, cut_inside(33), 30));
        if ((seed & 4) != 0)
            crash_and_start(crash);
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 30));
        cr_assert(eq(int, fixture_append(&too_large, NULL), OK));
        cr_assert(fixture_settle());
        cr_assert(eq(u32, segment_count(), 2)); /* rolled where the log was cut */
        fixture_checkpoint();
        crash_and_start(crash);
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 31));
    }
}

Test(log_trim, a_log_cut_inside_batches_at_any_time_has_no_hole)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct fixture_append too_large = {.value_bytes = 18000};
        int64_t end = 0;
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        for (int round = 0; round < 5; round++) {
            uint32_t more = 1 + (uint32_t)prng_below(&fixture.chance, 40);
            if (prng_chance(&fixture.chance, 1, 2)) { /* rolls where the log was cut */
                cr_assert(eq(int, fixture_append(&too_large, NULL), OK));
                end++;
            }
            fill_batches(more);
            if (prng_chance(&fixture.chance, 1, 3))
                fixture_checkpoint();
            if (prng_chance(&fixture.chance, 1, 3)) /* on its way while the log is cut */
                store_checkpoint(fixture.store, NULL, NULL);
            if (prng_chance(&fixture.chance, 1, 2))
                fixture_run_ms(prng_below(&fixture.chance, 3));
            end += more * RECORDS;
            end = cut_inside((int64_t)prng_below(&fixture.chance, (uint64_t)end + 1));
            if (prng_chance(&fixture.chance, 1, 2))
                crash_and_start(prng_chance(&fixture.chance, 1, 2) ? SIM_KILL : SIM_POWER_LOSS);
            cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, end));
        }
    }
}

/* Nothing that can be read stays: the log is empty, and its offsets are not given a second time. */
Test(log_trim, a_log_cut_in_the_batch_that_holds_its_start_ends_at_its_start)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        enum sim_crash crash = seed % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS;
        struct fixture_append too_large = {.value_bytes = 18500};
        struct waited waited = {0};
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        fill_batches(4);
        if ((seed & 2) != 0)
            fixture_checkpoint();
        cr_assert(eq(int, log_delete_records(fixture.at[0].log, 12, on_done, &waited), OK));
        cr_assert(eq(int, log_truncate(fixture.at[0].log, 13, NULL, NULL), ERR_FULL));
        cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
        waited.done = false;
        cr_assert(eq(int, log_truncate(fixture.at[0].log, 11, NULL, NULL), ERR_OFFSET_RANGE));
        cr_assert(eq(int, log_truncate(fixture.at[0].log, 13, on_done, &waited), OK));
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 12));
        cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
        fixture_forget_from(0, 12);
        fixture.at[0].log_start = 12;
        fixture.at[0].durable = 12;
        if ((seed & 4) != 0) {
            crash_and_start(crash);
            fixture_checkpoint();
            crash_and_start(crash);
        }
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 12));
        cr_assert(eq(int, fixture_append(&too_large, NULL), OK));
        cr_assert(fixture_settle());
        cr_assert(eq(i64, log_active(fixture.at[0].log)->base_offset, 12));
        if ((seed & 2) != 0)
            fixture_checkpoint();
        crash_and_start(crash);
        cr_assert(eq(i64, log_start(), 12));
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 13));
    }
}

Test(log_trim, offsets_outside_the_log_cannot_be_cut_at)
{
    fill(0, 10);
    delete_records(5);
    cr_assert(eq(int, log_truncate(fixture.at[0].log, 4, NULL, NULL), ERR_OFFSET_RANGE));
    cr_assert(eq(int, log_truncate(fixture.at[0].log, 11, NULL, NULL), ERR_OFFSET_RANGE));
}

/* ---- by time */

static struct waited looked_up;

static void on_looked_up(struct log_time_lookup *lookup, enum err err)
{
    looked_up = (struct waited){.done = true, .err = err};
}

static void look_up(struct log_time_lookup *lookup)
{
    enum err err;

    looked_up.done = false;
    lookup->bound = log_offsets(fixture.at[0].log).high_watermark;
    lookup->done = on_looked_up;
    lookup->work_max_bytes = UINT64_MAX;
    err = log_lookup_time(fixture.at[0].log, lookup);
    while (err == ERR_AGAIN || err == ERR_FULL) {
        if (err == ERR_FULL) {
            err = log_lookup_resume(fixture.at[0].log, lookup);
            continue;
        }
        cr_assert(sim_world_run_until(fixture.world, is_done, &looked_up, SIM_SECOND));
        looked_up.done = false;
        err = looked_up.err;
    }
    cr_assert(eq(int, err, OK));
}

/* As a thread does it: it is given the batch, and the log moves on meanwhile. */
static enum err search_elsewhere(struct log_time_lookup *lookup, int64_t delete_below)
{
    struct compression_context *context = compression_context_create();
    struct batch_search search = log_lookup_search(lookup);
    struct batch_header header;

    cr_assert(ne(ptr, (void *)lookup->batch, NULL));
    cr_assert(eq(int, batch_parse_header(lookup->batch, BATCH_HEADER_BYTES, &header), OK));
    cr_assert(eq(int, batch_search(&search, context, lookup->batch, &header), OK));
    compression_context_destroy(context);
    if (delete_below > 0)
        delete_records(delete_below);
    return log_lookup_searched(fixture.at[0].log, lookup, &search);
}

Test(log_trim, a_lookup_may_leave_a_batch_to_somebody_else)
{
    struct log_time_lookup lookup = {.timestamp_ms = base_ms, .done = on_looked_up};

    fill(0, 10);
    lookup.bound = log_offsets(fixture.at[0].log).high_watermark;
    cr_assert(
        eq(int, log_lookup_time(fixture.at[0].log, &lookup), ERR_FULL)); /* it may do nothing */
    cr_assert(eq(u64, lookup.batch_had_bytes, 0));
    log_lookup_pause(&lookup);
    cr_assert(eq(ptr, lookup.read.buf, NULL));
    cr_assert(eq(int, log_lookup_resume(fixture.at[0].log, &lookup), ERR_FULL));
    cr_assert(eq(int, search_elsewhere(&lookup, 0), OK));
    cr_assert(eq(i64, lookup.found_offset, 0));
    log_lookup_release(&lookup);
}

Test(log_trim, what_a_lookup_finds_below_a_log_start_that_has_moved_does_not_count)
{
    struct log_time_lookup lookup = {.timestamp_ms = base_ms, .done = on_looked_up};

    fill(0, 10);
    lookup.bound = log_offsets(fixture.at[0].log).high_watermark;
    cr_assert(eq(int, log_lookup_time(fixture.at[0].log, &lookup), ERR_FULL));
    cr_assert(eq(int, search_elsewhere(&lookup, 5), ERR_FULL));
    lookup.work_max_bytes = UINT64_MAX;
    cr_assert(eq(int, log_lookup_resume(fixture.at[0].log, &lookup), OK));
    cr_assert(eq(i64, lookup.found_offset, 5));
    log_lookup_release(&lookup);
}

static void check_times(const int64_t *times, int32_t count)
{
    int32_t largest = -1;

    for (int64_t at = -2; at < count + 3; at++) {
        struct log_time_lookup lookup = {.timestamp_ms = base_ms + at * 1000 - 1};
        int64_t expected = -1;
        for (int32_t i = count - 1; i >= 0; i--)
            if (times[i] >= lookup.timestamp_ms)
                expected = i;
        look_up(&lookup);
        cr_assert(eq(i64, lookup.found_offset, expected), "at %" PRId64 " (seed %" PRIu64 ")", at,
                  fixture.options.seed);
        if (expected >= 0)
            cr_assert(eq(i64, lookup.found_timestamp_ms, times[expected]));
        log_lookup_release(&lookup);
    }
    for (int32_t i = 0; i < count; i++)
        if (largest < 0 || times[i] > times[largest])
            largest = i;
    struct log_time_lookup newest = {.max_timestamp = true};
    look_up(&newest);
    cr_assert(eq(i64, newest.found_offset, largest), "seed %" PRIu64, fixture.options.seed);
    log_lookup_release(&newest);
}

static uint32_t flipped;

static void flip_times(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    uint64_t *seed = context;

    if (is_dir || strstr(path, ".timeindex") == NULL || size_bytes == 0)
        return;
    cr_assert(eq(int,
                 sim_image_flip(&fixture.node->disk, path, (*seed * 7 + flipped * 5) % size_bytes,
                                (uint8_t)(1U << (*seed + flipped) % 8)),
                 0));
    flipped++;
}

Test(log_trim, a_time_finds_the_first_record_that_is_not_earlier_in_memory_files_and_after_damage)
{
    for (uint64_t seed = 1; seed <= 130; seed++) {
        int64_t times[90];
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        for (int32_t i = 0; i < 90; i++) {
            struct fixture_append append = {.value_bytes = 900};
            int64_t back =
                prng_chance(&fixture.chance, 1, 3) ? (int64_t)prng_below(&fixture.chance, 9) : 0;
            times[i] = base_ms + (i - back) * 1000;
            append.timestamp_ms = times[i];
            cr_assert(eq(int, fixture_append(&append, NULL), OK));
            if (i == 50)
                fixture_checkpoint();
        }
        cr_assert(fixture_settle());
        check_times(times, 90);
        if (seed % 2 == 0)
            fixture_stop();
        else
            fixture_crash(SIM_KILL);
        flipped = 0;
        if (seed % 3 == 0)
            sim_image_walk(&fixture.node->disk, SIM_CACHED, flip_times, &seed);
        cr_assert(fixture_start());
        check_times(times, 90);
    }
}
