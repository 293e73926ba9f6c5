#include "base/mem.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_extent.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_scan.h"
#include "tests/support/journal_rig.h"
#include "tests/support/replay_list.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct journal_rig rig;

static void setup(void)
{
    journal_rig_init(&rig);
}

static void teardown(void)
{
    if (rig.journal != NULL)
        journal_rig_close(&rig);
    journal_rig_deinit(&rig);
}

TestSuite(journal, .init = setup, .fini = teardown, .timeout = 30);

static void open_held(void)
{
    journal_rig_open(&rig);
    rig.fake.hold[FAKE_WRITE] = true;
    rig.fake.hold[FAKE_SYNC] = true;
}

static struct fake_op *held(enum fake_kind kind, uint32_t index)
{
    uint32_t at = fake_io_find(&rig.fake, kind, index);

    return at == UINT32_MAX ? NULL : &rig.fake.ops[at];
}

/* Writes of groups in flight: zeros of a new extent are not dsync and 64 KiB. */
static void complete(enum fake_kind kind, uint32_t index)
{
    uint32_t at = fake_io_find(&rig.fake, kind, index);

    cr_assert(ne(u32, at, UINT32_MAX));
    fake_io_complete(&rig.fake, at);
    journal_rig_turn(&rig, 1);
}

static uint32_t held_count(enum fake_kind kind)
{
    uint32_t count = 0;

    while (fake_io_find(&rig.fake, kind, count) != UINT32_MAX)
        count++;
    return count;
}

static void be_large(void)
{
    /* one extent that never needs another: no zeros between the groups */
    rig.options.extent_bytes = 1 << 20;
    rig.options.max_bytes = 1 << 20;
}

Test(journal, one_append_of_an_idle_journal_is_written_in_the_same_turn)
{
    be_large();
    open_held();
    cr_assert(eq(u64, journal_rig_append(&rig, 0, 0, 1000), 1));
    cr_assert(eq(u32, held_count(FAKE_WRITE), 0));
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, held_count(FAKE_WRITE), 1));
    cr_assert(eq(u64, held(FAKE_WRITE, 0)->size_bytes, 4096));
    cr_assert(held(FAKE_WRITE, 0)->dsync);
    cr_assert(eq(u64, rig.committed, 0));
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.committed, 1));
    cr_assert(eq(u64, journal_committed_sequence(rig.journal), 1));
    cr_assert(journal_is_idle(rig.journal));
}

Test(journal, sixty_four_appends_of_a_turn_are_one_write)
{
    be_large();
    open_held();
    for (int i = 0; i < 64; i++)
        cr_assert(eq(u64, journal_rig_append(&rig, i, 0, 300), 1));
    journal_rig_turn(&rig, 2);
    cr_assert(eq(u32, held_count(FAKE_WRITE), 1));
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u32, rig.commit_count, 1));
    cr_assert(eq(u64, journal_stats(rig.journal)->groups, 1));
    cr_assert(eq(u64, journal_stats(rig.journal)->entries, 64));
}

Test(journal, what_arrives_during_a_write_is_the_next_group)
{
    be_large();
    open_held();
    journal_rig_append(&rig, 0, 0, 100);
    journal_rig_turn(&rig, 1);
    for (int i = 1; i < 20; i++) {
        cr_assert(eq(u64, journal_rig_append(&rig, 0, i, 100), 2));
        journal_rig_turn(&rig, 1);
    }
    cr_assert(eq(u32, held_count(FAKE_WRITE), 1));
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.committed, 1));
    cr_assert(eq(u32, held_count(FAKE_WRITE), 1));
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.committed, 2));
}

Test(journal, only_a_large_group_overtakes_and_commits_stay_in_order)
{
    be_large();
    open_held();
    journal_rig_append(&rig, 0, 0, 100);
    journal_rig_turn(&rig, 1);
    journal_rig_append(&rig, 0, 1, 8000);
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, held_count(FAKE_WRITE), 1));
    journal_rig_append(&rig, 0, 2, 10000);
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, held_count(FAKE_WRITE), 2));
    journal_rig_append(&rig, 0, 3, 20000); /* a third never */
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, held_count(FAKE_WRITE), 2));
    complete(FAKE_WRITE, 1);
    cr_assert(eq(u64, rig.written, 0));
    cr_assert(eq(u64, rig.committed, 0));
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.committed, 2));
    cr_assert(eq(u32, rig.commit_count, 1));
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.committed, 3));
    /* the second, and the third, which went out while the first was still being written */
    cr_assert(eq(u64, journal_stats(rig.journal)->groups_overtaking, 2));
}

Test(journal, a_group_is_not_larger_than_allowed)
{
    be_large();
    open_held();
    for (int i = 0; i < 10; i++)
        journal_rig_append(&rig, 0, i, 9000);
    cr_assert(eq(u64, journal_seal(rig.journal), 4)); /* 3 + 3 + 3 + 1 */
    cr_assert(eq(u64, journal_seal(rig.journal), 4));
}

Test(journal, short_writes_are_continued_at_whole_blocks)
{
    be_large();
    open_held();
    for (int i = 0; i < 4; i++)
        journal_rig_append(&rig, 0, i, 7000);
    journal_rig_turn(&rig, 1);
    rig.fake.cap_bytes = 10000;
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.written, 0));
    cr_assert(eq(u64, held(FAKE_WRITE, 0)->pos, 8192));
    rig.fake.cap_bytes = 100; /* less than a block: the same again */
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, held(FAKE_WRITE, 0)->pos, 8192));
    cr_assert(held(FAKE_WRITE, 0)->dsync);
    fake_io_fail(&rig.fake, FAKE_WRITE, 1, EINTR);
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u32, rig.failed_count, 0));
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.committed, 1));
}

Test(journal, a_device_that_moves_nothing_fails_in_the_end)
{
    be_large();
    open_held();
    journal_rig_append(&rig, 0, 0, 7000);
    journal_rig_turn(&rig, 1);
    for (int i = 0; i < 100 && rig.failed_count == 0; i++) {
        rig.fake.cap_bytes = 512;
        complete(FAKE_WRITE, 0);
    }
    cr_assert(eq(u32, rig.failed_count, 1));
    cr_assert(eq(u64, rig.committed, 0));
}

Test(journal, a_failed_write_is_final)
{
    be_large();
    open_held();
    journal_rig_append(&rig, 0, 0, 100);
    journal_rig_turn(&rig, 1);
    journal_rig_append(&rig, 0, 1, 20000);
    journal_rig_turn(&rig, 1);
    journal_rig_append(&rig, 0, 2, 100);
    cr_assert(eq(u32, held_count(FAKE_WRITE), 2));
    fake_io_fail(&rig.fake, FAKE_WRITE, 1, EIO);
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u32, rig.failed_count, 1));
    cr_assert(eq(int, rig.failed, ERR_IO));
    complete(FAKE_WRITE, 0); /* the second was good: no use */
    cr_assert(eq(u32, held_count(FAKE_WRITE), 0));
    cr_assert(eq(u64, rig.committed, 0));
    cr_assert(eq(int, journal_rig_try(&rig, 0, 3, 10, false, NULL), ERR_STORAGE));
    cr_assert(eq(int, journal_rig_try(&rig, 0, 3, 10, true, NULL), ERR_STORAGE));
    journal_sync(rig.journal);
    (void)journal_seal(rig.journal);
    journal_rig_turn(&rig, 5);
    cr_assert(eq(u32, rig.fake.op_count, 0));
    cr_assert(eq(u32, rig.failed_count, 1));
    cr_assert(journal_is_idle(rig.journal));
}

Test(journal, a_failed_rest_of_a_write_is_final)
{
    be_large();
    open_held();
    journal_rig_append(&rig, 0, 0, 20000);
    journal_rig_turn(&rig, 1);
    rig.fake.cap_bytes = 4096;
    complete(FAKE_WRITE, 0);
    fake_io_fail(&rig.fake, FAKE_WRITE, 1, ENOSPC);
    complete(FAKE_WRITE, 0);
    cr_assert(eq(int, rig.failed, ERR_NOSPACE));
    cr_assert(eq(u64, rig.written, 0));
}

Test(journal, relaxed_groups_are_written_and_commit_with_a_sync)
{
    uint64_t sequence = 0;

    be_large();
    open_held();
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 100, true, &sequence), OK));
    journal_rig_turn(&rig, 1);
    cr_assert(not(held(FAKE_WRITE, 0)->dsync));
    complete(FAKE_WRITE, 0);
    journal_rig_turn(&rig, 3);
    cr_assert(eq(u64, rig.written, 1));
    cr_assert(eq(u64, rig.committed, 0));
    cr_assert(eq(u32, held_count(FAKE_SYNC), 0));
    journal_sync(rig.journal);
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, held_count(FAKE_SYNC), 1));
    complete(FAKE_SYNC, 0);
    cr_assert(eq(u64, rig.committed, 1));
    journal_sync(rig.journal);
    journal_rig_turn(&rig, 3);
    cr_assert(eq(u32, rig.fake.op_count, 0)); /* nothing to do */
}

Test(journal, a_sync_does_not_cover_a_write_that_completes_meanwhile)
{
    be_large();
    open_held();
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 100, true, NULL), OK));
    journal_rig_turn(&rig, 1);
    complete(FAKE_WRITE, 0);
    cr_assert(eq(int, journal_rig_try(&rig, 0, 1, 100, true, NULL), OK));
    journal_rig_turn(&rig, 1);
    journal_sync(rig.journal);
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, held_count(FAKE_SYNC), 1));
    complete(FAKE_WRITE, 0); /* of the second */
    complete(FAKE_SYNC, 0);  /* begun before */
    cr_assert(eq(u64, rig.written, 2));
    cr_assert(eq(u64, rig.committed, 1));
    cr_assert(eq(u32, held_count(FAKE_SYNC), 1));
    complete(FAKE_SYNC, 0);
    cr_assert(eq(u64, rig.committed, 2));
}

Test(journal, a_synced_group_waits_for_the_relaxed_one_before_it)
{
    be_large();
    open_held();
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 100, true, NULL), OK));
    journal_rig_turn(&rig, 1);
    journal_rig_append(&rig, 0, 1, 20000);
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, held_count(FAKE_WRITE), 2));
    cr_assert(held(FAKE_WRITE, 1)->dsync);
    complete(FAKE_WRITE, 1);
    cr_assert(eq(u32, held_count(FAKE_SYNC), 0)); /* it would not cover the first */
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.written, 2));
    cr_assert(eq(u64, rig.committed, 0));
    cr_assert(eq(u32, held_count(FAKE_SYNC), 1));
    complete(FAKE_SYNC, 0);
    cr_assert(eq(u64, rig.committed, 2));
}

Test(journal, the_sync_of_a_relaxed_group_runs_beside_the_synced_write)
{
    be_large();
    open_held();
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 100, true, NULL), OK));
    journal_rig_turn(&rig, 1);
    complete(FAKE_WRITE, 0);
    journal_rig_append(&rig, 0, 1, 100);
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, held_count(FAKE_SYNC), 1));
    cr_assert(eq(u32, held_count(FAKE_WRITE), 1));
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.committed, 0));
    complete(FAKE_SYNC, 0);
    cr_assert(eq(u64, rig.committed, 2)); /* no second sync */
    cr_assert(eq(u32, rig.fake.op_count, 0));
}

Test(journal, a_failed_sync_is_final)
{
    be_large();
    open_held();
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 100, true, NULL), OK));
    journal_rig_turn(&rig, 1);
    complete(FAKE_WRITE, 0);
    journal_sync(rig.journal);
    journal_rig_turn(&rig, 1);
    fake_io_fail(&rig.fake, FAKE_SYNC, 1, EIO);
    complete(FAKE_SYNC, 0);
    journal_rig_turn(&rig, 5);
    cr_assert(eq(u32, rig.failed_count, 1));
    cr_assert(eq(u64, rig.committed, 0));
    cr_assert(eq(u32, rig.fake.op_count, 0));
}

Test(journal, one_synced_entry_makes_its_group_synced)
{
    be_large();
    open_held();
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 100, true, NULL), OK));
    journal_rig_append(&rig, 0, 1, 100);
    cr_assert(eq(int, journal_rig_try(&rig, 0, 2, 100, true, NULL), OK));
    journal_rig_turn(&rig, 1);
    cr_assert(held(FAKE_WRITE, 0)->dsync);
}

Test(journal, syncing_catches_the_open_group_too)
{
    be_large();
    open_held();
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 100, true, NULL), OK));
    journal_sync(rig.journal);
    journal_rig_turn(&rig, 1);
    cr_assert(held(FAKE_WRITE, 0)->dsync);
    complete(FAKE_WRITE, 0);
    cr_assert(eq(u64, rig.committed, 1));
}

Test(journal, pending_bytes_are_bounded_and_room_is_told)
{
    uint32_t count = 0;

    be_large();
    open_held();
    while (journal_rig_try(&rig, 0, count, 10000, false, NULL) == OK) {
        journal_rig_turn(&rig, 1);
        count++;
    }
    cr_assert(ge(u32, count, 10)); /* 128 KiB of 10 KiB and what the blocks leave empty */
    cr_assert(le(u32, count, 12));
    cr_assert(eq(int, journal_rig_try(&rig, 0, count, 10000, false, NULL), ERR_FULL));
    cr_assert(eq(u32, rig.room_count, 0));
    complete(FAKE_WRITE, 0);
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, rig.room_count, 1));
    cr_assert(eq(int, journal_rig_try(&rig, 0, count, 10000, false, NULL), OK));
    rig.fake.hold[FAKE_WRITE] = false;
    while (held(FAKE_WRITE, 0) != NULL)
        complete(FAKE_WRITE, 0);
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, journal_seal(rig.journal)));
    cr_assert(eq(u64, journal_stats(rig.journal)->entries, count + 1));
    cr_assert(eq(u32, rig.room_count, 1));
}

Test(journal, an_entry_above_the_pending_limit_goes_alone)
{
    be_large();
    rig.options.pending_max_bytes = 16 << 10;
    open_held();
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 100000, false, NULL), OK));
    cr_assert(eq(int, journal_rig_try(&rig, 0, 1, 10, false, NULL), ERR_FULL));
    journal_rig_turn(&rig, 1);
    complete(FAKE_WRITE, 0);
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, rig.room_count, 1));
}

static uint32_t append_until_full(int64_t *offset)
{
    uint32_t count = 0;

    while (journal_rig_try(&rig, 0, *offset, 3000, false, NULL) == OK) {
        ++*offset;
        ++count;
        journal_rig_settle(&rig);
        cr_assert(lt(u32, count, 10000));
    }
    return count;
}

Test(journal, extents_are_made_ahead_of_need_up_to_the_limit)
{
    int64_t offset = 0;

    journal_rig_open(&rig);
    cr_assert(eq(u64, journal_capacity_bytes(rig.journal), 64 << 10));
    journal_rig_settle(&rig);
    cr_assert(eq(u64, journal_capacity_bytes(rig.journal), 64 << 10)); /* unused: no more */
    cr_assert(eq(u32, append_until_full(&offset), 64));
    cr_assert(eq(u64, journal_capacity_bytes(rig.journal), 256 << 10));
    cr_assert(eq(u64, journal_used_bytes(rig.journal), 256 << 10));
    cr_assert(eq(u64, journal_stats(rig.journal)->extents_made, 3));
    cr_assert(eq(u64, rig.fake.counts[FAKE_SYNCFS], 3));
}

/* The first extent is used by one group; the second one is in the making. */
static void fail_growth(enum fake_kind kind, uint64_t nth, int errno_value)
{
    journal_rig_open(&rig);
    fake_io_fail(&rig.fake, kind, nth, errno_value);
    journal_rig_append(&rig, 0, 0, 3000);
    journal_rig_settle(&rig);
}

static void expect_growth_was_final(void)
{
    cr_assert(eq(u32, rig.failed_count, 1));
    cr_assert(eq(u64, journal_stats(rig.journal)->extents_made, 0));
    cr_assert(eq(int, journal_rig_try(&rig, 0, 1, 10, false, NULL), ERR_STORAGE));
    rig.now_ns += 60000000000ULL;
    journal_rig_settle(&rig);
    cr_assert(eq(u64, journal_stats(rig.journal)->extents_made, 0));
    cr_assert(eq(u32, rig.failed_count, 1));
    journal_rig_close(&rig);
    cr_assert(eq(u32, rig.fake.open_count, 0));
}

/* It may have told of lost bytes of any file, once. */
Test(journal, a_sync_that_fails_while_an_extent_is_made_is_final)
{
    fail_growth(FAKE_SYNCFS, 1, EIO);
    cr_assert(eq(int, rig.failed, ERR_IO));
    expect_growth_was_final();
}

Test(journal, a_sync_without_space_while_an_extent_is_made_is_final)
{
    fail_growth(FAKE_SYNCFS, 1, ENOSPC);
    cr_assert(eq(int, rig.failed, ERR_NOSPACE));
    expect_growth_was_final();
}

Test(journal, zeros_that_the_device_refuses_are_final)
{
    fail_growth(FAKE_WRITE, 2, EIO); /* the group, the zeros */
    cr_assert(eq(int, rig.failed, ERR_IO));
    expect_growth_was_final();
}

Test(journal, a_full_journal_loses_nothing_and_goes_on_after_a_release)
{
    int64_t offset = 0;
    uint64_t last;

    journal_rig_open(&rig);
    append_until_full(&offset);
    cr_assert(eq(u32, rig.half_count, 1));
    last = journal_seal(rig.journal);
    cr_assert(eq(u64, rig.committed, last));
    cr_assert(eq(u32, rig.room_count, 0));
    journal_release(rig.journal, last / 4 - 1); /* the first extent still has a needed group */
    journal_rig_settle(&rig);
    cr_assert(eq(u32, rig.room_count, 0));
    cr_assert(eq(u32, rig.half_count, 2)); /* still above half */
    cr_assert(eq(int, journal_rig_try(&rig, 0, offset, 3000, false, NULL), ERR_FULL));
    journal_release(rig.journal, last / 4);
    journal_rig_settle(&rig);
    cr_assert(eq(u32, rig.room_count, 1));
    cr_assert(eq(u32, append_until_full(&offset), 16)); /* exactly one extent */
    last = journal_seal(rig.journal);
    journal_release(rig.journal, last);
    cr_assert(eq(u64, journal_used_bytes(rig.journal), 0));
    cr_assert(eq(u32, append_until_full(&offset), 64));
    cr_assert(eq(u64, journal_capacity_bytes(rig.journal), 256 << 10));
}

Test(journal, a_released_extent_begins_anew_so_an_idle_journal_stays_small)
{
    journal_rig_open(&rig);
    for (int i = 0; i < 100; i++) {
        journal_rig_append(&rig, 0, i, 100);
        journal_rig_settle(&rig);
        journal_release(rig.journal, journal_seal(rig.journal));
    }
    cr_assert(le(u64, journal_capacity_bytes(rig.journal), 128 << 10));
}

Test(journal, a_release_under_an_open_group_leaves_the_group_in_place)
{
    struct journal_scan *scan = NULL;

    journal_rig_open(&rig);
    journal_rig_append(&rig, 0, 0, 5000);
    journal_rig_settle(&rig);
    journal_rig_append(&rig, 0, 1, 100); /* open */
    journal_release(rig.journal, 1);
    journal_rig_append(&rig, 0, 2, 100);
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, 2));
    journal_rig_close(&rig);
    cr_assert(
        eq(int, journal_scan_open(&rig.fake.io, JOURNAL_RIG_DIR, NULL, &rig.slab, 0, &scan), OK));
    cr_assert(eq(u64, journal_scan_stats(scan)->entries, 2));
    journal_scan_close(scan);
}

Test(journal, no_space_for_extents_is_not_fatal_and_tried_again)
{
    int64_t offset = 0;

    rig.fake.space_bytes = 100 << 10;
    journal_rig_open(&rig);
    cr_assert(eq(u32, append_until_full(&offset), 16));
    cr_assert(eq(u32, rig.failed_count, 0));
    cr_assert(lt(u64, 0, journal_stats(rig.journal)->extents_refused));
    cr_assert(ge(u32, rig.half_count, 1));
    cr_assert(eq(u64, journal_capacity_bytes(rig.journal), 64 << 10));
    cr_assert(eq(ptr, fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-0-2.levee"), NULL));
    journal_release(rig.journal, journal_seal(rig.journal));
    journal_rig_settle(&rig);
    cr_assert(eq(u32, append_until_full(&offset), 16)); /* runs with what is there */
    rig.fake.space_bytes = 10 << 20;
    rig.now_ns += 6000000000ULL;
    rig.room_count = 0;
    journal_rig_settle(&rig);
    cr_assert(eq(u32, rig.room_count, 1));
    cr_assert(eq(u32, append_until_full(&offset), 48));
}

Test(journal, an_entry_larger_than_an_extent_gets_one_of_its_size)
{
    struct journal_scan *scan = NULL;
    struct uuid topic = journal_rig_topic();
    const struct listed_replay *replay;
    uint8_t expected[150000];
    enum err err;

    journal_rig_open(&rig);
    journal_rig_append(&rig, 0, 0, 100);
    cr_assert(eq(int, journal_rig_try(&rig, 0, 1, 150000, false, NULL), ERR_FULL));
    journal_rig_settle(&rig);
    cr_assert(eq(u32, rig.room_count, 1));
    cr_assert(eq(int, journal_rig_try(&rig, 0, 1, 150000, false, NULL), OK));
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, 2));
    cr_assert(eq(int, journal_rig_try(&rig, 0, 2, 300 << 10, false, NULL), ERR_TOO_LARGE));
    cr_assert(le(u64, journal_capacity_bytes(rig.journal), 256 << 10));
    journal_rig_close(&rig);
    cr_assert(
        eq(int, journal_scan_open(&rig.fake.io, JOURNAL_RIG_DIR, NULL, &rig.slab, 0, &scan), OK));
    replay = replay_list_of(scan, &topic, 0, &err);
    cr_assert(eq(int, err, OK));
    cr_assert(eq(u64, journal_scan_stats(scan)->entries, 2));
    journal_rig_fill(expected, sizeof(expected), 0, 1);
    cr_assert(eq(int, memcmp(replay->next->prefix, expected, sizeof(expected)), 0));
    journal_scan_close(scan);
}

Test(journal, a_large_entry_in_a_grown_journal_takes_the_place_of_free_extents)
{
    int64_t offset = 0;

    journal_rig_open(&rig);
    append_until_full(&offset);
    cr_assert(eq(int, journal_rig_try(&rig, 0, offset, 200000, false, NULL), ERR_FULL));
    journal_release(rig.journal, journal_seal(rig.journal));
    journal_rig_settle(&rig);
    cr_assert(eq(int, journal_rig_try(&rig, 0, offset, 200000, false, NULL), OK));
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, journal_seal(rig.journal)));
    cr_assert(le(u64, journal_capacity_bytes(rig.journal), 256 << 10));
}

Test(journal, payloads_stay_where_they_are_while_referenced)
{
    enum { COUNT = 40 };
    struct buf *bufs[COUNT];
    uint8_t *payloads[COUNT];
    uint8_t bytes[5000];

    be_large();
    journal_rig_open(&rig);
    for (int i = 0; i < COUNT; i++) {
        uint32_t size_bytes = (uint32_t)(i * 120 + 1);
        struct journal_entry entry = {
            .partition = i, .kind = JOURNAL_APPEND, .payload_bytes = size_bytes};
        journal_rig_fill(bytes, size_bytes, i, 1);
        cr_assert(eq(int,
                     journal_append(rig.journal, &entry,
                                    &(struct iovec){.iov_base = bytes, .iov_len = size_bytes}, 1,
                                    false, &bufs[i], &payloads[i], NULL),
                     OK));
        buf_ref(bufs[i]);
        if (i % 7 == 0)
            journal_rig_settle(&rig);
    }
    journal_rig_settle(&rig);
    journal_rig_close(&rig);
    for (int i = 0; i < COUNT; i++) {
        uint32_t size_bytes = (uint32_t)(i * 120 + 1);
        journal_rig_fill(bytes, size_bytes, i, 1);
        cr_assert(eq(int, memcmp(payloads[i], bytes, size_bytes), 0));
    }
    for (int i = 0; i < COUNT; i++)
        buf_unref(bufs[i]);
}

static enum err try_urgent(int64_t offset, uint64_t *sequence_out)
{
    struct journal_entry entry = {.topic_id = journal_rig_topic(),
                                  .kind = JOURNAL_LOG_START,
                                  .offset = offset,
                                  .end_offset = offset,
                                  .urgent = true};

    return journal_append(rig.journal, &entry, NULL, 0, false, NULL, NULL, sequence_out);
}

/* A group each: the most that they can take. */
static uint32_t append_urgent_ones(void)
{
    uint32_t count = 0;
    enum err err;

    while ((err = try_urgent(count, NULL)) == OK) {
        count++;
        journal_rig_settle(&rig);
    }
    cr_assert(eq(int, err, ERR_FULL));
    return count;
}

Test(journal, without_room_it_takes_what_lets_space_go_up_to_a_bound)
{
    uint64_t kept_bytes;
    uint32_t room_count;

    be_large();
    kept_bytes = journal_extents_reserve_bytes(1 << 20);
    cr_assert(eq(u64, kept_bytes, 32 << 10));
    journal_rig_open(&rig);
    while (journal_rig_try(&rig, 0, 0, 20000, false, NULL) == OK)
        journal_rig_settle(&rig);
    while (journal_rig_try(&rig, 0, 0, 100, false, NULL) == OK)
        journal_rig_settle(&rig);
    cr_assert(eq(u64, journal_used_bytes(rig.journal), (1 << 20) - kept_bytes));
    cr_assert(eq(u32, append_urgent_ones(), (uint32_t)(kept_bytes / 4096)));
    cr_assert(eq(u64, journal_used_bytes(rig.journal), 1 << 20));
    room_count = rig.room_count;
    journal_release(rig.journal, rig.committed); /* and all of it is there again */
    journal_rig_settle(&rig);
    cr_assert(eq(u32, rig.room_count, room_count + 1));
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 100, false, NULL), OK));
    journal_rig_settle(&rig);
    journal_rig_close(&rig);
}

/* The journal's one extent is filled by a group that is still open. */
Test(journal, what_lets_space_go_joins_a_group_that_is_as_large_as_one_may_be)
{
    uint32_t count = 0;
    enum err err;

    be_large();
    rig.options.group_max_bytes = 1 << 20;
    rig.options.pending_max_bytes = 2 << 20;
    rig.options.second_in_flight_bytes = 2 << 20;
    open_held();
    journal_rig_append(&rig, 0, 0, 100); /* whose end the next group waits for */
    journal_rig_turn(&rig, 1);
    for (uint32_t size_bytes = 20000; size_bytes > 0; size_bytes /= 10)
        while (journal_rig_try(&rig, 0, 0, size_bytes, false, NULL) == OK) {
        }
    while ((err = try_urgent(count, NULL)) == OK)
        count++;
    cr_assert(eq(int, err, ERR_FULL));
    cr_assert(lt(u32, 100, count));
    memset(rig.fake.hold, 0, sizeof(rig.fake.hold));
    while (rig.fake.op_count > 0)
        fake_io_complete(&rig.fake, 0);
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, 2));
    cr_assert(eq(u64, journal_used_bytes(rig.journal), 1 << 20));
    journal_rig_close(&rig);
}

Test(journal, what_lets_space_go_does_not_wait_for_a_slow_device)
{
    uint64_t sequence;

    be_large();
    rig.options.pending_max_bytes = 32 << 10;
    open_held();
    while (journal_rig_try(&rig, 0, 0, 5000, false, NULL) == OK)
        journal_rig_turn(&rig, 1);
    cr_assert(eq(int, try_urgent(1, &sequence), OK));
    memset(rig.fake.hold, 0, sizeof(rig.fake.hold));
    while (rig.fake.op_count > 0)
        fake_io_complete(&rig.fake, 0);
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, sequence));
    journal_rig_close(&rig);
}

Test(journal, the_largest_entry_leaves_what_is_kept)
{
    uint32_t largest_bytes;

    rig.options.max_bytes = 2 << 20; /* more than its extents of 64 KiB hold */
    largest_bytes = (2 << 20) - (64 << 10) - 4096;
    rig.options.pending_max_bytes = 2 << 20;
    journal_rig_open(&rig);
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 2 << 20, false, NULL), ERR_TOO_LARGE));
    for (int i = 0; i < 100; i++) {
        enum err err = journal_rig_try(&rig, 0, 0, largest_bytes / 9 * 8, false, NULL);
        if (err == OK)
            break;
        cr_assert(eq(int, err, ERR_FULL));
        journal_rig_settle(&rig);
    }
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, 1));
    cr_assert(eq(u32, append_urgent_ones() >= 16, 1));
    journal_rig_close(&rig);
}

Test(journal, a_full_slab_refuses_and_changes_nothing)
{
    struct buf *cache;
    uint64_t used;

    be_large();
    journal_rig_open(&rig);
    journal_rig_append(&rig, 0, 0, 100);
    journal_rig_settle(&rig);
    cache = buf_create(
        &rig.slab, (uint32_t)(rig.slab.budget.max_bytes - slab_used_bytes(&rig.slab) - 4096), 1);
    cr_assert(ne(ptr, cache, NULL));
    used = journal_used_bytes(rig.journal);
    cr_assert(eq(int, journal_rig_try(&rig, 0, 1, 14000, false, NULL), ERR_AGAIN));
    cr_assert(eq(u64, journal_used_bytes(rig.journal), used));
    buf_unref(cache);
    cr_assert(eq(int, journal_rig_try(&rig, 0, 1, 14000, false, NULL), OK));
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, 2));
}

Test(journal, an_idle_journal_holds_little_memory)
{
    be_large();
    journal_rig_open(&rig);
    for (int i = 0; i < 50; i++) {
        journal_rig_append(&rig, 0, i, 1000);
        journal_rig_settle(&rig);
    }
    cr_assert(le(u64, slab_used_bytes(&rig.slab), 17 << 10));
}

Test(journal, sealing_parts_the_sequences)
{
    be_large();
    rig.options.first_sequence = 50;
    journal_rig_open(&rig);
    cr_assert(eq(u64, journal_seal(rig.journal), 49));
    cr_assert(eq(u64, journal_rig_append(&rig, 0, 0, 10), 50));
    cr_assert(eq(u64, journal_seal(rig.journal), 50));
    cr_assert(eq(u64, journal_rig_append(&rig, 0, 1, 10), 51));
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, 51));
    cr_assert(eq(u32, rig.commit_count, 2));
}

Test(journal, names_are_made_durable_before_the_journal_is_open)
{
    journal_rig_open(&rig);
    cr_assert(eq(u64, rig.fake.counts[FAKE_DIR_SYNC], 1));
    cr_assert(eq(u64, rig.fake.counts[FAKE_FILE_SYNC], 1));
    journal_rig_close(&rig);
    journal_rig_open(&rig); /* adopted: a killed process may not have got so far */
    cr_assert(eq(u64, rig.fake.counts[FAKE_DIR_SYNC], 2));
    cr_assert(eq(u64, rig.fake.counts[FAKE_FILE_SYNC], 2));
    cr_assert(eq(u64, journal_capacity_bytes(rig.journal), 64 << 10));
}

Test(journal, opening_reports_what_fails)
{
    static const struct journal_events none;
    struct journal *journal = NULL;
    enum fake_kind kinds[] = {FAKE_OPEN, FAKE_FILE_WRITE, FAKE_FILE_SYNC, FAKE_DIR_SYNC};

    for (uint32_t i = 0; i < 4; i++) {
        fake_io_fail(&rig.fake, kinds[i], 1, i == 1 ? ENOSPC : EIO);
        cr_assert(eq(int, journal_open(&rig.loop, &rig.options, &none, NULL, &journal),
                     i == 1 ? ERR_NOSPACE : ERR_IO));
        cr_assert(eq(u32, rig.fake.open_count, 0));
    }
    journal_rig_open(&rig); /* what they left is in nobody's way */
    journal_rig_append(&rig, 0, 0, 10);
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, 1));
}

Test(journal, files_cut_short_or_too_many_are_removed_at_opening)
{
    uint8_t *bytes = mem_alloc(64 << 10);

    fake_io_put(&rig.fake, JOURNAL_RIG_DIR "/journal-0-3.levee", bytes, 5000);
    for (uint32_t i = 10; i < 20; i++) {
        char path[64];
        snprintf(path, sizeof(path), JOURNAL_RIG_DIR "/journal-0-%u.levee", i);
        fake_io_put(&rig.fake, path, bytes, 64 << 10);
    }
    fake_io_put(&rig.fake, JOURNAL_RIG_DIR "/journal-1-1.levee", bytes, 64 << 10);
    mem_free(bytes);
    journal_rig_open(&rig);
    cr_assert(eq(u64, journal_capacity_bytes(rig.journal), 256 << 10));
    cr_assert(eq(ptr, fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-0-3.levee"), NULL));
    cr_assert(eq(ptr, fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-0-14.levee"), NULL));
    cr_assert(ne(ptr, fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-0-13.levee"), NULL));
    cr_assert(ne(ptr, fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-1-1.levee"), NULL));
    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        cr_assert(eq(int, journal_remove_others(&rig.fake.io, JOURNAL_RIG_DIR, 1), ERR_NOMEM));
        mem_fail_after(0);
        cr_assert(ne(ptr, fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-1-1.levee"), NULL));
    }
    cr_assert(eq(int, journal_remove_others(&rig.fake.io, JOURNAL_RIG_DIR, 1), OK));
    cr_assert(eq(ptr, fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-1-1.levee"), NULL));
    cr_assert(ne(ptr, fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-0-13.levee"), NULL));
}

Test(journal, without_direct_writes_it_works_and_says_so)
{
    rig.fake.refuse_direct = true;
    journal_rig_open(&rig);
    cr_assert(not(journal_is_direct(rig.journal)));
    journal_rig_append(&rig, 0, 0, 10);
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, 1));
}

Test(journal, stopping_lets_what_runs_end_and_takes_nothing_new)
{
    rig.options.extent_bytes = 3 << 20; /* three pieces */
    rig.options.max_bytes = 16 << 20;
    journal_rig_open(&rig);
    rig.fake.hold[FAKE_WRITE] = true;
    journal_rig_append(&rig, 0, 0, 100);
    journal_rig_turn(&rig, 1);
    complete(FAKE_WRITE, 0); /* the group; zeros follow */
    journal_rig_turn(&rig, 1);
    cr_assert(eq(u32, held_count(FAKE_WRITE), 1));
    cr_assert(not(journal_is_idle(rig.journal)));
    journal_rig_append(&rig, 0, 1, 100);
    journal_rig_close(&rig); /* checks that stopped comes once, when idle */
    cr_assert(eq(u64, rig.committed, 2));
    cr_assert(eq(ptr, fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-0-2.levee"), NULL));
}

Test(journal, stopped_refuses_appends)
{
    be_large();
    journal_rig_open(&rig);
    journal_stop(rig.journal, NULL, NULL);
    cr_assert(eq(int, journal_rig_try(&rig, 0, 0, 10, false, NULL), ERR_CLOSED));
    journal_close(rig.journal);
    rig.journal = NULL;
}

/* ---- without memory */

Test(journal, what_is_appended_can_be_closed_without_memory)
{
    be_large();
    journal_rig_open(&rig);
    for (int64_t offset = 0; offset < 3; offset++) { /* whose groups are not given back yet */
        uint64_t blocks;
        journal_rig_append(&rig, 0, offset, 100);
        blocks = mem_used_count();
        (void)journal_seal(rig.journal);
        cr_assert(eq(u64, mem_used_count(), blocks));
    }
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, 3));
}

Test(journal, an_append_that_finds_none_leaves_all_as_it_was)
{
    uint64_t sequence;

    be_large();
    journal_rig_open(&rig);
    sequence = journal_rig_append(&rig, 0, 0, 100);
    for (uint64_t n = 1; n <= 2; n++) { /* of what a group that closes needs */
        mem_fail_after(n);
        cr_assert(ne(int, journal_rig_try(&rig, 0, 1, 30000, false, NULL), OK));
        mem_fail_after(0);
    }
    cr_assert(ge(u64, journal_rig_append(&rig, 0, 1, 30000), sequence));
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, journal_seal(rig.journal)));
}
