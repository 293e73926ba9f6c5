/* What goes at the beginning of a log: by request, by size, by age. */
#include "tests/unit/storage/trim_rig.h"

TestSuite(log_trim, .init = up, .fini = fixture_down, .timeout = 600);

/* ---- by request */

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
    append.base_sequence = 12; /* nothing is known that it would have to follow on (DUR-I11) */
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
