/* The end of a segment's file inside a block that a mark covers: it is cut when the segment is
 * closed, and by an orderly stop, and the power may go meanwhile (decisions/0003-block-prefix.md).
 * The disk damages every unit that was being rewritten. */
#include "storage/log/log_private.h"
#include "storage/log/log_roll.h"
#include "storage/store_private.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <inttypes.h>

TestSuite(segment_end, .fini = fixture_down, .timeout = 600);

static void up_again(const struct fixture_options *options)
{
    fixture_down();
    fixture_up(options);
    cr_assert(fixture_start());
}

static void append(uint32_t log_index, uint32_t value_bytes)
{
    cr_assert(
        eq(int,
           fixture_append(
               &(struct fixture_append){.log_index = log_index, .value_bytes = value_bytes}, NULL),
           OK));
    cr_assert(fixture_settle());
}

static void lose_power(void)
{
    fixture.node->disk.options.loss.damage_ppm = 1000000;
    fixture_crash(SIM_POWER_LOSS);
    fixture.node->disk.options.loss.damage_ppm = 0;
}

/* The checkpoint has cut the closed segment, and its sync has not ended. */
static void cut_by_a_checkpoint(void)
{
    cr_assert(eq(u32, fixture.at[0].log->segments.count, 2));
    sim_disk_hold(&fixture.node->disk, SIM_SYNCFS);
    store_checkpoint(fixture.store, NULL, NULL);
    fixture_run_ms(200);
    cr_assert(eq(int, fixture.store->checkpointer.step, CHECKPOINT_SYNC));
    cr_assert(not(segment_manifest_at(&fixture.at[0].log->segments, 0)->padded));
    sim_disk_unhold(&fixture.node->disk, SIM_SYNCFS);
}

static void expect_all_there(uint64_t seed)
{
    cr_assert(fixture_start());
    cr_assert(not(log_is_quarantined(fixture.at[0].log)), "seed %" PRIu64, seed);
    fixture_check_prefix(0);
}

Test(segment_end, a_roll_right_behind_a_mark_is_protected)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        up_again(&(struct fixture_options){
            .seed = seed, .segment_bytes = 20000, .checkpoint_interval_ms = UINT32_MAX});
        append(0, 9000);
        fixture_checkpoint();
        append(0, 15000); /* rolls */
        cut_by_a_checkpoint();
        lose_power();
        expect_all_there(seed);
    }
}

/* The process is killed, so that the next one finds the size that was cut to, and believes it. */
Test(segment_end, a_size_that_a_failed_sync_has_forgotten_is_written_anew)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        up_again(&(struct fixture_options){
            .seed = seed, .segment_bytes = 20000, .checkpoint_interval_ms = UINT32_MAX});
        append(0, 9000);
        fixture_checkpoint();
        append(0, 15000); /* rolls */
        sim_disk_fail_next(&fixture.node->disk, SIM_SYNCFS, EIO);
        store_checkpoint(fixture.store, NULL, NULL);
        fixture_run_ms(200);
        cr_assert(eq(int, store_state(fixture.store), STORE_FAILED));
        fixture_crash(SIM_KILL);
        expect_all_there(seed);
        lose_power();
        expect_all_there(seed);
    }
}

Test(segment_end, a_roll_during_a_checkpoint_is_protected)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        up_again(&(struct fixture_options){
            .seed = seed, .segment_bytes = 20000, .checkpoint_interval_ms = UINT32_MAX});
        append(0, 9000);
        fixture_checkpoint();
        append(0, 20);
        sim_disk_hold(&fixture.node->disk, SIM_WRITE); /* the roll's group is not durable */
        store_checkpoint(fixture.store, NULL, NULL);
        cr_assert(
            eq(int, fixture_append(&(struct fixture_append){.value_bytes = 15000}, NULL), OK));
        cr_assert(eq(u32, fixture.at[0].log->segments.count, 2));
        fixture_run_ms(20);
        sim_disk_hold(&fixture.node->disk, SIM_SYNCFS);
        sim_disk_unhold(&fixture.node->disk, SIM_WRITE);
        fixture_run_ms(seed % 7);
        sim_disk_unhold(&fixture.node->disk, SIM_SYNCFS);
        lose_power();
        expect_all_there(seed);
    }
}

Test(segment_end, a_roll_right_behind_a_cut_is_protected)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        up_again(&(struct fixture_options){
            .seed = seed, .segment_bytes = 20000, .checkpoint_interval_ms = UINT32_MAX});
        append(0, 9000);
        append(0, 500);
        fixture_checkpoint();
        cr_assert(eq(int, log_truncate(fixture.at[0].log, 1, NULL, NULL), OK));
        fixture_forget_from(0, 1);
        append(0, 15000); /* rolls */
        cut_by_a_checkpoint();
        lose_power();
        expect_all_there(seed);
    }
}

Test(segment_end, a_log_that_expires_as_a_whole_is_protected)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        up_again(&(struct fixture_options){.seed = seed, .checkpoint_interval_ms = UINT32_MAX});
        append(0, 9000);
        fixture_checkpoint();
        cr_assert(eq(int, log_roll(fixture.at[0].log, 1, true), OK)); /* as retention does */
        cr_assert(fixture_settle());
        fixture_run_ms(10);
        cut_by_a_checkpoint();
        lose_power();
        expect_all_there(seed);
    }
}

/* At each of the calls of the stop. */
Test(segment_end, an_orderly_stop_is_protected)
{
    uint32_t crashes = 0;

    for (uint64_t seed = 1; seed <= 120; seed++) {
        up_again(&(struct fixture_options){
            .seed = seed, .log_count = 3, .checkpoint_interval_ms = UINT32_MAX});
        for (uint32_t i = 0; i < 3; i++)
            append(i, 9000 + i * 100);
        fixture_checkpoint();
        fixture.node->disk.options.loss.damage_ppm = 1000000;
        sim_node_crash_at_call(fixture.node, 1 + seed % 60, SIM_POWER_LOSS);
        store_stop(fixture.store, NULL, NULL);
        fixture_run_ms(500);
        fixture.node->disk.options.loss.damage_ppm = 0;
        if (fixture_is_alive())
            continue;
        crashes++;
        cr_assert(fixture_start());
        for (uint32_t i = 0; i < 3; i++) {
            cr_assert(not(log_is_quarantined(fixture.at[i].log)), "seed %" PRIu64, seed);
            fixture_check_content(i, 20000);
        }
    }
    cr_assert(ge(u32, crashes, 40));
}

/* Blocks of eight logs, and a journal that has room for two groups of one. */
Test(segment_end, a_stop_with_a_small_journal_protects_the_ends_in_turns)
{
    up_again(&(struct fixture_options){.seed = 5,
                                       .log_count = FIXTURE_LOGS_MAX,
                                       .checkpoint_interval_ms = UINT32_MAX,
                                       .journal_max_bytes = 16 << 10});
    for (uint32_t i = 0; i < FIXTURE_LOGS_MAX; i++) {
        append(i, 3900);
        fixture_checkpoint();
    }
    fixture_stop();
    for (uint32_t i = 0; i < FIXTURE_LOGS_MAX; i++) {
        struct sim_disk_stat stat;
        cr_assert(eq(
            int,
            sim_disk_stat(&fixture.node->disk, fixture_path(i, "00000000000000000000.log"), &stat),
            0));
        cr_assert(eq(u64, stat.size_bytes, fixture.at[i].batches[0].size_bytes));
    }
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < FIXTURE_LOGS_MAX; i++)
        fixture_check_content(i, 20000);
}

static void on_stopped(void *context, enum err err)
{
    enum err *stop_err = context;

    *stop_err = err;
}

/* Its own checkpoint is over, and the journal is to have what the stop will cut. */
static void stop_up_to_the_ends(enum err *stop_err)
{
    append(0, 9000);
    store_stop(fixture.store, on_stopped, stop_err);
    while (fixture.store->checkpointer.step != CHECKPOINT_IDLE)
        cr_assert(sim_world_step(fixture.world, SIM_NEVER));
    cr_assert(not(list_is_empty(&fixture.store->commits.waiting)));
}

/* The stop waits for the journal; meanwhile that asks for a checkpoint, or the timer does.  Its
 * marks and the last ones were written at once: a failed check, seen in the simulator. */
Test(segment_end, no_checkpoint_begins_while_a_stop_cuts)
{
    enum err stop_err = ERR_AGAIN;

    up_again(&(struct fixture_options){.seed = 3, .checkpoint_interval_ms = UINT32_MAX});
    stop_up_to_the_ends(&stop_err);
    store_checkpoint(fixture.store, NULL, NULL);
    cr_assert(eq(int, fixture.store->checkpointer.step, CHECKPOINT_IDLE));
    fixture_run_ms(500);
    cr_assert(eq(int, stop_err, OK));
    store_checkpoint(fixture.store, NULL, NULL); /* too late */
    cr_assert(eq(int, fixture.store->checkpointer.step, CHECKPOINT_IDLE));
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    fixture_check_content(0, 20000);
}

/* Such a checkpoint would give up what protects the ends, which are cut behind it. */
Test(segment_end, a_stop_keeps_what_protects_the_ends_until_they_are_cut)
{
    uint32_t crashes = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        enum err stop_err = ERR_AGAIN;
        up_again(&(struct fixture_options){.seed = seed, .checkpoint_interval_ms = UINT32_MAX});
        stop_up_to_the_ends(&stop_err);
        store_checkpoint(fixture.store, NULL, NULL);
        fixture.node->disk.options.loss.damage_ppm = 1000000;
        sim_node_crash_at_call(fixture.node, 1 + seed % 30, SIM_POWER_LOSS);
        fixture_run_ms(500);
        fixture.node->disk.options.loss.damage_ppm = 0;
        if (fixture_is_alive())
            continue;
        crashes++;
        cr_assert(fixture_start());
        cr_assert(not(log_is_quarantined(fixture.at[0].log)), "seed %" PRIu64, seed);
        fixture_check_content(0, 20000);
    }
    cr_assert(ge(u32, crashes, 10));
}
