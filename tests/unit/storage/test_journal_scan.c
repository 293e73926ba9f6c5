/* Runs of a journal against a model: the list of what was appended, group by group. */
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/prng.h"
#include "record/little_endian.h"
#include "storage/dir/marks_format.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_scan.h"
#include "tests/support/journal_rig.h"
#include "tests/support/replay_list.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { GROUPS_MAX = 400, UNIT_BYTES = 512 };

/* One entry per group, in partition 0; its offset is the group's sequence. */
static struct journal_rig rig;
static uint32_t sizes[GROUPS_MAX]; /* of the payload (with prefix) of group i */

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

TestSuite(journal_scan, .init = setup, .fini = teardown, .timeout = 600);

static void append_group(uint32_t size_bytes)
{
    uint64_t sequence = journal_seal(rig.journal) + 1;

    sizes[sequence] = size_bytes;
    cr_assert(eq(u64, journal_rig_append(&rig, 0, (int64_t)sequence, size_bytes), sequence));
    journal_rig_settle(&rig);
    cr_assert(eq(u64, rig.committed, sequence));
}

static struct journal_scan *scan_with(const struct marks_set *marks)
{
    struct journal_scan *scan = NULL;

    cr_assert(
        eq(int, journal_scan_open(&rig.fake.io, JOURNAL_RIG_DIR, marks, &rig.slab, 0, &scan), OK));
    return scan;
}

static struct listed_replay *list_of(struct journal_scan *scan, int32_t partition)
{
    struct uuid topic = journal_rig_topic();
    enum err err;
    struct listed_replay *first = replay_list_of(scan, &topic, partition, &err);

    cr_assert(eq(int, err, OK));
    return first;
}

/* The entries are those of groups first..last and no others. */
static void expect_run(struct journal_scan *scan, uint64_t first, uint64_t last)
{
    struct listed_replay *replay = list_of(scan, 0);
    static uint8_t expected[200000];

    for (uint64_t sequence = first; sequence <= last; sequence++) {
        cr_assert(ne(ptr, replay, NULL), "group %lu is missing", sequence);
        cr_assert(eq(i64, replay->entry.offset, (int64_t)sequence));
        cr_assert(eq(i64, replay->entry.end_offset, (int64_t)sequence + 1));
        cr_assert(eq(u64, replay->entry.pos, sequence * 100));
        cr_assert(
            eq(u32, replay->entry.prefix_bytes + replay->entry.payload_bytes, sizes[sequence]));
        journal_rig_fill(expected, sizes[sequence], 0, (int64_t)sequence);
        cr_assert(eq(int, memcmp(replay->prefix, expected, sizes[sequence]), 0));
        replay = replay->next;
    }
    cr_assert(eq(ptr, replay, NULL), "more than %lu groups", last);
}

static uint64_t scan_last(const struct marks_set *marks)
{
    struct journal_scan *scan = scan_with(marks);
    uint32_t epoch;
    uint64_t last;

    journal_scan_position(scan, 0, &epoch, &last);
    journal_scan_close(scan);
    return last;
}

/* Marks of shard 0 as a file, loaded. */
static struct marks_set *marks_of(uint32_t epoch, uint64_t first_sequence)
{
    struct marks marks = {.recovery_epoch = epoch, .first_sequence = first_sequence};
    struct marks_set *set = NULL;
    uint8_t bytes[MARKS_HEAD_BYTES];

    marks_format_encode(&marks, 1, bytes);
    fake_io_put(&rig.fake, JOURNAL_RIG_DIR "/marks-0-0.levee", bytes, sizeof(bytes));
    cr_assert(eq(int, marks_load(&rig.fake.io, JOURNAL_RIG_DIR, &set), OK));
    return set;
}

/* The same, with what those of a store say of its journal. */
static struct marks_set *marks_with_salt(uint64_t first_sequence, uint64_t extent_number)
{
    struct marks marks = {.recovery_epoch = 1,
                          .first_sequence = first_sequence,
                          .salt = rig.options.salt,
                          .extent_number = extent_number};
    struct marks_set *set = NULL;
    uint8_t bytes[MARKS_HEAD_BYTES];

    marks_format_encode(&marks, 1, bytes);
    fake_io_put(&rig.fake, JOURNAL_RIG_DIR "/marks-0-0.levee", bytes, sizeof(bytes));
    cr_assert(eq(int, marks_load(&rig.fake.io, JOURNAL_RIG_DIR, &set), OK));
    return set;
}

static uint64_t lost_with(const struct marks_set *marks)
{
    struct journal_scan *scan = scan_with(marks);
    uint64_t lost = journal_scan_stats(scan)->lost_groups;

    journal_scan_close(scan);
    return lost;
}

static struct fake_file *extent_file(uint32_t number)
{
    char path[64];

    snprintf(path, sizeof(path), JOURNAL_RIG_DIR "/journal-0-%u.levee", number);
    return fake_io_file(&rig.fake, path);
}

Test(journal_scan, an_empty_directory_has_nothing)
{
    struct journal_scan *scan = scan_with(NULL);
    struct uuid topic = journal_rig_topic();
    uint32_t epoch = 7;
    uint64_t last = 7;

    cr_assert(eq(ptr, journal_scan_take(scan, &topic, 0), NULL));
    journal_scan_position(scan, 0, &epoch, &last);
    cr_assert(eq(u32, epoch, 0));
    cr_assert(eq(u64, last, 0));
    journal_scan_close(scan);
}

Test(journal_scan, a_fresh_journal_has_nothing)
{
    journal_rig_open(&rig);
    journal_rig_close(&rig);
    cr_assert(eq(u64, scan_last(NULL), 0));
}

Test(journal_scan, entries_come_back_per_partition_in_order)
{
    struct journal_scan *scan;
    uint64_t before;

    rig.options.group_max_bytes = 512 << 10; /* several pieces of memory */
    rig.options.pending_max_bytes = 2 << 20;
    rig.options.extent_bytes = 1 << 20;
    rig.options.max_bytes = 1 << 20;
    journal_rig_open(&rig);
    for (int64_t i = 0; i < 300; i++)
        journal_rig_append(&rig, (int32_t)(i % 7), i, (uint32_t)(i * 11 % 3000));
    journal_rig_settle(&rig);
    cr_assert(le(u64, rig.committed, 4)); /* groups of many entries */
    journal_rig_close(&rig);

    before = slab_used_bytes(&rig.slab);
    scan = scan_with(NULL);
    for (int32_t partition = 0; partition < 7; partition++) {
        struct listed_replay *replay = list_of(scan, partition);
        for (int64_t i = partition; i < 300; i += 7, replay = replay->next) {
            uint8_t expected[3000];
            cr_assert(eq(i64, replay->entry.offset, i));
            journal_rig_fill(expected, (uint32_t)(i * 11 % 3000), partition, i);
            cr_assert(eq(int, memcmp(replay->prefix, expected, (size_t)(i * 11 % 3000)), 0));
        }
        cr_assert(eq(ptr, replay, NULL));
    }
    cr_assert(eq(u64, journal_scan_stats(scan)->entries, 300));
    journal_scan_close(scan);
    cr_assert(eq(u64, slab_used_bytes(&rig.slab), before));
}

struct peak {
    uint64_t before_bytes;
    uint64_t most_bytes;
    uint64_t entries;
};

static enum err look_at_memory(void *context, struct journal_facts *facts,
                               const struct journal_replay *replay)
{
    struct peak *peak = context;
    uint64_t bytes = mem_used_bytes() - peak->before_bytes;

    if (bytes > peak->most_bytes)
        peak->most_bytes = bytes;
    peak->entries++;
    return OK;
}

static enum err look_at_rest(void *context)
{
    return OK;
}

Test(journal_scan, an_extent_at_a_time_is_in_memory_whatever_the_journal_holds)
{
    struct peak peak = {0};
    const struct journal_replayer to = {look_at_memory, look_at_rest, &peak};
    struct journal_scan *scan;
    uint64_t capacity_bytes;

    rig.options.extent_bytes = 256 << 10;
    rig.options.max_bytes = 8 << 20;
    rig.options.pending_max_bytes = 2 << 20;
    journal_rig_open(&rig);
    for (int64_t i = 0; i < 20000; i++) { /* tiny ones: the entries weigh more than the bytes */
        journal_rig_append(&rig, 0, i, 20);
        if (i % 500 == 0)
            journal_rig_settle(&rig);
    }
    journal_rig_settle(&rig);
    capacity_bytes = journal_capacity_bytes(rig.journal);
    cr_assert(ge(u64, capacity_bytes, 6 * (256 << 10)));
    journal_rig_close(&rig);
    peak.before_bytes = mem_used_bytes();
    scan = scan_with(NULL);
    cr_assert(lt(u64, mem_used_bytes() - peak.before_bytes, 64 << 10));
    cr_assert(eq(int, journal_scan_replay(scan, NULL, &to), OK));
    cr_assert(eq(u64, peak.entries, 20000));
    cr_assert(lt(u64, peak.most_bytes, (256 << 10) + (64 << 10)));
    journal_scan_close(scan);
}

static uint32_t left_count;

static void count_left(void *context, const struct journal_facts *facts)
{
    cr_assert(eq(i32, facts->partition, *(int32_t *)context));
    left_count++;
}

static struct journal_scan *scan_that_keeps(uint64_t keep_max_bytes)
{
    struct journal_scan *scan = NULL;

    cr_assert(
        eq(int,
           journal_scan_open(&rig.fake.io, JOURNAL_RIG_DIR, NULL, &rig.slab, keep_max_bytes, &scan),
           OK));
    return scan;
}

/* The nth read from now fails: what does a replay say? */
static enum err replay_with_bad_read(struct journal_scan *scan, uint64_t nth)
{
    struct uuid topic = journal_rig_topic();
    enum err err;

    fake_io_fail(&rig.fake, FAKE_FILE_READ, nth, 5);
    (void)replay_list_of(scan, &topic, 0, &err);
    fake_io_fail(&rig.fake, FAKE_FILE_READ, UINT64_MAX, 5);
    return err;
}

Test(journal_scan, extents_that_fit_stay_for_the_replay_and_the_others_are_read_again)
{
    const uint64_t extent_bytes = 256 << 10;
    uint64_t before_bytes = 0;
    struct journal_scan *scan;

    rig.options.extent_bytes = extent_bytes;
    rig.options.max_bytes = 8 << 20;
    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 40; i++)
        append_group(30000);
    before_bytes = slab_used_bytes(&rig.slab);

    scan = scan_that_keeps(UINT64_MAX);
    cr_assert(lt(u64, before_bytes + 3 * extent_bytes, slab_used_bytes(&rig.slab)));
    cr_assert(eq(int, replay_with_bad_read(scan, 1), OK)); /* nothing is read */
    cr_assert(eq(u64, slab_used_bytes(&rig.slab), before_bytes));
    cr_assert(eq(int, replay_with_bad_read(scan, 1), ERR_IO)); /* now it is */
    expect_run(scan, 1, 40);
    journal_scan_close(scan);

    scan = scan_that_keeps(2 * extent_bytes);
    cr_assert(le(u64, slab_used_bytes(&rig.slab), before_bytes + 2 * extent_bytes));
    cr_assert(lt(u64, before_bytes + extent_bytes, slab_used_bytes(&rig.slab)));
    expect_run(scan, 1, 40);
    journal_scan_close(scan);

    scan = scan_that_keeps(0);
    cr_assert(eq(u64, slab_used_bytes(&rig.slab), before_bytes));
    cr_assert(eq(int, replay_with_bad_read(scan, 1), ERR_IO));
    journal_scan_close(scan);
}

Test(journal_scan, what_nobody_took_is_left)
{
    struct uuid topic = journal_rig_topic();
    struct journal_scan *scan;
    int32_t expected = 4;

    journal_rig_open(&rig);
    journal_rig_append(&rig, 3, 0, 10);
    journal_rig_append(&rig, 4, 0, 10);
    journal_rig_settle(&rig);
    scan = scan_with(NULL);
    cr_assert(ne(ptr, journal_scan_take(scan, &topic, 3), NULL));
    journal_scan_each_left(scan, count_left, &expected);
    cr_assert(eq(u32, left_count, 1));
    journal_scan_close(scan);
}

Test(journal_scan, marks_say_where_to_begin)
{
    struct journal_scan *scan;
    struct marks_set *marks;

    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 40; i++)
        append_group(i * 100);
    for (uint64_t first = 1; first <= 41; first++) {
        marks = marks_of(1, first);
        scan = scan_with(marks);
        expect_run(scan, first, 40);
        cr_assert(eq(u64, journal_scan_stats(scan)->lost_groups, 0));
        cr_assert(eq(u64, journal_scan_stats(scan)->torn_groups, 0));
        journal_scan_close(scan);
        marks_set_free(marks);
    }
    marks = marks_of(9, 100); /* written for the next opening, which never came */
    scan = scan_with(marks);
    expect_run(scan, 1, 0);
    journal_scan_close(scan);
    marks_set_free(marks);
}

Test(journal_scan, extents_follow_by_sequence_in_whatever_order_they_were_reused)
{
    struct prng prng;
    uint64_t released = 0;
    struct journal_scan *scan;
    struct marks_set *marks;

    prng_init(&prng, 42);
    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 300; i++) {
        append_group((uint32_t)prng_below(&prng, 12000));
        if (journal_used_bytes(rig.journal) > 150 << 10) {
            released = rig.committed - 5;
            journal_release(rig.journal, released);
        }
    }
    marks = marks_of(1, released + 1);
    scan = scan_with(marks);
    expect_run(scan, released + 1, 300);
    journal_scan_close(scan);
    marks_set_free(marks);
}

Test(journal_scan, an_older_epoch_is_old_content)
{
    struct journal_scan *scan;
    struct marks_set *marks;

    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 30; i++)
        append_group(3000);
    journal_rig_close(&rig);
    rig.options.first_sequence = 20; /* groups 20..30 are there already, from before */
    rig.options.recovery_epoch = 2;
    rig.options.salt = 99;
    journal_rig_open(&rig);
    append_group(3000);
    append_group(2500);
    journal_rig_close(&rig);
    scan = scan_with(NULL);
    expect_run(scan, 20, 21);
    journal_scan_close(scan);
    marks = marks_of(2, 20);
    scan = scan_with(marks);
    expect_run(scan, 20, 21);
    journal_scan_close(scan);
    marks_set_free(marks);
}

Test(journal_scan, the_same_epoch_with_another_salt_is_not_believed)
{
    static uint8_t fake_group[4096];
    struct journal_group_head head = {
        .size_bytes = 64 + 64, .sequence = 3, .salt = 1, .recovery_epoch = 1, .entry_count = 1};
    struct journal_entry entry = {.kind = JOURNAL_LOG_START, .offset = 5, .partition = 0};

    journal_rig_open(&rig);
    append_group(100);
    append_group(100);
    /* a payload that a client has made, left where the next group would stand */
    journal_format_put_entry(fake_group + 64, &entry);
    journal_format_seal(&head, &(struct iovec){.iov_base = fake_group, .iov_len = 4096}, 1);
    memcpy(extent_file(1)->bytes + 8192, fake_group, 4096);
    cr_assert(eq(u64, scan_last(NULL), 2));
    head.salt = rig.options.salt; /* the same with the salt would pass */
    journal_format_seal(&head, &(struct iovec){.iov_base = fake_group, .iov_len = 4096}, 1);
    memcpy(extent_file(1)->bytes + 8192, fake_group, 4096);
    cr_assert(eq(u64, scan_last(NULL), 3));
}

/* Extents of groups; a copy of them to damage and heal. */
struct image {
    uint8_t bytes[4][64 << 10];
};

static struct image whole;

static void take_image(void)
{
    for (uint32_t i = 0; i < 4; i++) {
        struct fake_file *file = extent_file(i + 1);
        if (file != NULL)
            memcpy(whole.bytes[i], file->bytes, file->size_bytes);
    }
}

static void heal(uint32_t extent)
{
    memcpy(extent_file(extent + 1)->bytes, whole.bytes[extent], 64 << 10);
}

/* The group whose bytes (without padding) hold pos of that extent of the image; 0: none. */
static uint64_t group_at(uint32_t extent, uint64_t pos)
{
    uint64_t at = 0;
    struct journal_group_head head;

    while (at < 64 << 10 &&
           journal_format_read_head(whole.bytes[extent] + at, (64 << 10) - at, &head) == OK) {
        uint64_t next = at + journal_format_round_up(head.size_bytes);
        if (pos >= at && pos < at + head.size_bytes)
            return head.sequence;
        if (pos < next)
            return 0;
        at = next;
    }
    return 0;
}

Test(journal_scan, a_cut_at_any_unit_leaves_exactly_the_groups_before_it)
{
    uint64_t last;
    uint32_t cuts = 0;

    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 30; i++)
        append_group(i * 397 % 5000);
    last = rig.committed;
    take_image();
    cr_assert(eq(u64, group_at(3, 0), 0)); /* the three hold all */
    for (uint32_t extent = 0; extent < 3; extent++) {
        struct fake_file *file = extent_file(extent + 1);
        for (uint64_t pos = 0; pos < 64 << 10; pos += UNIT_BYTES) {
            uint64_t group = 0;
            struct journal_scan *scan;
            /* what is behind the cut, in this extent and the later ones, was never written */
            for (uint64_t at = pos; group == 0 && at < 64 << 10; at += 64)
                group = group_at(extent, at);
            if (group == 0)
                break; /* behind the last group of this extent */
            memset(file->bytes + pos, 0, (64 << 10) - pos);
            for (uint32_t later = extent + 1; later < 3; later++)
                memset(extent_file(later + 1)->bytes, 0, 64 << 10);
            if (group > 1) {
                scan = scan_with(NULL);
                expect_run(scan, 1, group - 1);
                cr_assert(eq(u64, journal_scan_stats(scan)->lost_groups, 0));
                journal_scan_close(scan);
            }
            heal(0);
            heal(1);
            heal(2);
            cuts++;
        }
    }
    cr_assert(lt(u32, 200, cuts));
    cr_assert(eq(u64, scan_last(NULL), last));
}

Test(journal_scan, a_flipped_bit_ends_the_run_there_and_shows_that_something_is_lost)
{
    struct prng prng;
    uint64_t last;
    uint32_t hits = 0;

    prng_init(&prng, 7);
    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 30; i++)
        append_group(i * 397 % 5000);
    last = rig.committed;
    take_image();
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t extent = (uint32_t)prng_below(&prng, 3);
        uint64_t pos = prng_below(&prng, i % 2 == 0 ? 64 << 10 : 200);
        uint64_t group;
        struct marks_set *marks;
        struct journal_scan *scan;

        if (i % 4 == 1)
            pos += prng_below(&prng, 16) * 4096; /* headers more often */
        group = group_at(extent, pos);
        if (group == 0)
            group = last + 1; /* padding, or nothing: no harm */
        extent_file(extent + 1)->bytes[pos] ^= (uint8_t)(1U << prng_below(&prng, 8));
        marks = marks_of(1, 1);
        scan = scan_with(marks);
        expect_run(scan, 1, group - 1);
        if (group + 1 < last) /* group + 2 says that group was durable */
            cr_assert(ne(u64, journal_scan_stats(scan)->lost_groups, 0), "group %lu", group);
        if (group >= last)
            cr_assert(eq(u64, journal_scan_stats(scan)->lost_groups, 0));
        journal_scan_close(scan);
        marks_set_free(marks);
        heal(extent);
        hits += group <= last;
    }
    cr_assert(lt(u32, 500, hits));
}

Test(journal_scan, damage_before_the_first_needed_group_does_no_harm)
{
    struct marks_set *marks;
    struct journal_scan *scan;

    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 10; i++)
        append_group(3000);
    take_image();
    marks = marks_of(1, 8);
    for (uint64_t block = 1; block < 7; block++) {
        memset(extent_file(1)->bytes + block * 4096, 0x5a, 4096);
        scan = scan_with(marks);
        expect_run(scan, 8, 10);
        journal_scan_close(scan);
        heal(0);
    }
    marks_set_free(marks);
}

Test(journal_scan, damage_of_the_first_group_of_the_only_extent_shows_that_something_is_lost)
{
    struct marks_set *marks;

    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 5; i++)
        append_group(3000);
    take_image();
    marks = marks_with_salt(1, 0);
    cr_assert(eq(u64, lost_with(marks), 0));
    for (uint64_t pos = 0; pos < 3000; pos += 7) {
        extent_file(1)->bytes[pos] ^= 0x10;
        cr_assert(eq(u64, lost_with(marks), 4), "%lu", pos); /* the fifth says so of the others */
        heal(0);
    }
    memset(extent_file(1)->bytes, 0, 4096);
    cr_assert(eq(u64, lost_with(marks), 4));
    marks_set_free(marks);
}

/* Whichever extent it is, and also when nothing behind it in its own extent is left to prove it. */
Test(journal_scan, damage_of_the_first_group_of_any_extent_shows_that_something_is_lost)
{
    struct marks_set *marks;

    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 30; i++)
        append_group(i * 397 % 5000);
    take_image();
    marks = marks_with_salt(1, 0);
    for (uint32_t extent = 0; extent < 3; extent++) {
        struct journal_scan *scan;
        cr_assert(ne(u64, group_at(extent, 0), 0));
        extent_file(extent + 1)->bytes[40] ^= 1;
        scan = scan_with(marks);
        expect_run(scan, 1, group_at(extent, 0) - 1);
        cr_assert(ne(u64, journal_scan_stats(scan)->lost_groups, 0), "extent %u", extent);
        journal_scan_close(scan);
        heal(extent);
    }
    extent_file(2)->bytes[40] ^= 1;
    memset(extent_file(2)->bytes + 4096, 0, (64 << 10) - 4096);
    cr_assert(ne(u64, lost_with(marks), 0)); /* the third extent knows */
    marks_set_free(marks);
}

/* The first group of an extent is released and damaged; the one that is needed stands behind it. */
Test(journal_scan, the_extent_that_the_marks_name_is_searched_behind_damage)
{
    struct journal_scan *scan;
    struct marks_set *marks;

    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 10; i++)
        append_group(3000);
    cr_assert(eq(u64, journal_extent_of(rig.journal, 8), 1));
    cr_assert(eq(u64, journal_extent_of(rig.journal, 11), 0));
    memset(extent_file(1)->bytes, 0x5a, 4096);
    marks = marks_with_salt(8, 1);
    scan = scan_with(marks);
    expect_run(scan, 8, 10);
    cr_assert(eq(u64, journal_scan_stats(scan)->lost_groups, 0));
    journal_scan_close(scan);
    marks_set_free(marks);
}

Test(journal_scan, an_extent_that_the_marks_name_and_that_is_missing_shows_that_something_is_lost)
{
    struct marks_set *marks;

    journal_rig_open(&rig);
    for (uint32_t i = 0; i < 3; i++)
        append_group(3000);
    journal_rig_close(&rig);
    marks = marks_with_salt(2, 1);
    cr_assert(eq(u64, lost_with(marks), 0));
    cr_assert(eq(
        int, rig.fake.io.v->file_unlink(&rig.fake.io, JOURNAL_RIG_DIR "/journal-0-1.levee"), OK));
    cr_assert(ne(u64, lost_with(marks), 0));
    marks_set_free(marks);
}

Test(journal_scan, a_torn_last_group_is_told_and_nothing_is_lost)
{
    struct journal_scan *scan;

    journal_rig_open(&rig);
    append_group(3000);
    append_group(9000);
    memset(extent_file(1)->bytes + 4096 + 8192, 0, 512);
    scan = scan_with(NULL);
    expect_run(scan, 1, 1);
    cr_assert(eq(u64, journal_scan_stats(scan)->torn_groups, 1));
    cr_assert(eq(u64, journal_scan_stats(scan)->lost_groups, 0));
    journal_scan_close(scan);
}

Test(journal_scan, a_group_that_overtook_a_torn_one_is_not_believed_later)
{
    struct journal_scan *scan;

    rig.options.extent_bytes = 1 << 20;
    rig.options.max_bytes = 1 << 20;
    journal_rig_open(&rig);
    rig.fake.hold[FAKE_WRITE] = true;
    sizes[1] = 1000;
    journal_rig_append(&rig, 0, 1, 1000);
    journal_rig_turn(&rig, 1);
    journal_rig_append(&rig, 0, 2, 20000);
    journal_rig_turn(&rig, 1);
    fake_io_complete(&rig.fake, 1); /* the power goes with the first one still on its way */
    scan = scan_with(NULL);
    cr_assert(eq(u64, journal_scan_stats(scan)->groups, 0));
    cr_assert(eq(u64, journal_scan_stats(scan)->lost_groups, 0));
    journal_scan_close(scan);
}

Test(journal_scan, a_newer_format_is_refused_and_damage_is_not_taken_for_one)
{
    struct journal_scan *scan = NULL;
    struct journal_group_head head;
    uint8_t *group;

    journal_rig_open(&rig);
    append_group(100);
    group = extent_file(1)->bytes;
    group[4] = 2;
    cr_assert(eq(u64, scan_last(NULL), 0)); /* its checksum is wrong */
    cr_assert(eq(int, journal_format_read_head(group, 4096, &head), ERR_NEWER_FORMAT));
    little_endian_put_u32(group + 8, 0);
    little_endian_put_u32(group + 8, crc32c(0, group, head.size_bytes));
    cr_assert(eq(int, journal_scan_open(&rig.fake.io, JOURNAL_RIG_DIR, NULL, &rig.slab, 0, &scan),
                 ERR_NEWER_FORMAT));
}

Test(journal_scan, shards_are_apart_and_other_shards_extents_do_not_mix_in)
{
    struct journal_scan *scan;
    uint32_t epoch;
    uint64_t last;

    journal_rig_open(&rig);
    append_group(500);
    journal_rig_close(&rig);
    rig.options.shard = 1;
    rig.options.first_sequence = 2;
    rig.options.recovery_epoch = 5;
    journal_rig_open(&rig);
    journal_rig_append(&rig, 1, 2, 700);
    journal_rig_settle(&rig);
    journal_rig_close(&rig);
    scan = scan_with(NULL);
    cr_assert(eq(i64, list_of(scan, 0)->entry.offset, 1));
    cr_assert(eq(i64, list_of(scan, 1)->entry.offset, 2));
    journal_scan_position(scan, 1, &epoch, &last);
    cr_assert(eq(u32, epoch, 5));
    cr_assert(eq(u64, last, 2));
    journal_scan_close(scan);
    /* a file under a wrong name */
    fake_io_put(&rig.fake, JOURNAL_RIG_DIR "/journal-0-9.levee",
                fake_io_file(&rig.fake, JOURNAL_RIG_DIR "/journal-1-1.levee")->bytes, 64 << 10);
    scan = scan_with(NULL);
    journal_scan_position(scan, 0, &epoch, &last);
    cr_assert(eq(u32, epoch, 1));
    cr_assert(eq(u64, last, 1));
    journal_scan_close(scan);
}

Test(journal_scan, sizes_and_counts_are_not_trusted)
{
    static const uint32_t values[] = {0, 1, 63, 65, 4097, 0x7fffffff, 0x80000000, 0xffffffff};

    journal_rig_open(&rig);
    append_group(100);
    append_group(100);
    take_image();
    for (uint32_t field = 0; field < 64; field += 4) {
        for (uint32_t i = 0; i < 8; i++) {
            struct journal_scan *scan = NULL;
            enum err err;
            little_endian_put_u32(extent_file(1)->bytes + field, values[i]);
            err = journal_scan_open(&rig.fake.io, JOURNAL_RIG_DIR, NULL, &rig.slab, 0, &scan);
            cr_assert(eq(int, err, OK));
            journal_scan_close(scan);
            heal(0);
        }
    }
}

Test(journal_scan, entries_of_a_good_checksum_are_checked_all_the_same)
{
    struct prng prng;
    uint8_t *group;

    prng_init(&prng, 3);
    journal_rig_open(&rig);
    append_group(100);
    take_image();
    for (uint32_t i = 0; i < 2000; i++) {
        struct journal_group_head head;
        group = extent_file(1)->bytes;
        cr_assert(eq(int, journal_format_read_head(group, 4096, &head), OK));
        group[64 + prng_below(&prng, 64)] = (uint8_t)prng_u64(&prng);
        head.size_bytes = 64 + (uint32_t)prng_below(&prng, 400);
        head.entry_count = (uint32_t)prng_below(&prng, 3);
        if (head.entry_count > head.size_bytes / 64)
            head.entry_count = 1;
        journal_format_seal(&head, &(struct iovec){.iov_base = group, .iov_len = 4096}, 1);
        cr_assert(le(u64, scan_last(NULL), 1));
        heal(0);
    }
}

Test(journal_scan, an_entry_with_offsets_that_no_log_can_have_is_malformed)
{
    for (int which = 0; which < 5; which++) {
        uint8_t group[JOURNAL_GROUP_HEAD_BYTES + JOURNAL_ENTRY_HEAD_BYTES] = {0};
        struct journal_entry entry = {.kind = JOURNAL_TRUNCATE, .offset = 1, .end_offset = 1};
        struct journal_entry out;
        const uint8_t *content;
        uint32_t pos = JOURNAL_GROUP_HEAD_BYTES;
        if (which == 1)
            entry.partition = -1;
        if (which == 2)
            entry.offset = -1;
        if (which == 3)
            entry.end_offset = INT64_MIN;
        if (which == 4)
            entry.segment_base_offset = -1;
        journal_format_put_entry(group + JOURNAL_GROUP_HEAD_BYTES, &entry);
        cr_assert(eq(int, journal_format_next_entry(group, sizeof(group), &pos, &out, &content),
                     which == 0 ? OK : ERR_MALFORMED),
                  "%d", which);
    }
}

Test(journal_scan, a_slab_that_is_too_small_says_so)
{
    struct journal_scan *scan = NULL;
    struct slab small;

    journal_rig_open(&rig);
    append_group(100);
    slab_init(&small, 20 << 10);
    cr_assert(eq(int, journal_scan_open(&rig.fake.io, JOURNAL_RIG_DIR, NULL, &small, 0, &scan),
                 ERR_NOMEM));
    cr_assert(eq(u64, slab_used_bytes(&small), 0));
    fake_io_fail(&rig.fake, FAKE_FILE_READ, 2, 5);
    cr_assert(eq(int, journal_scan_open(&rig.fake.io, JOURNAL_RIG_DIR, NULL, &rig.slab, 0, &scan),
                 ERR_IO));
}

Test(journal_scan, without_memory_it_ends_with_an_error_and_leaves_nothing)
{
    uint64_t blocks;
    uint32_t refused_count = 0;
    enum err err = ERR_NOMEM;

    journal_rig_open(&rig);
    for (int i = 0; i < 8; i++)
        append_group(20000); /* in several extents */
    blocks = mem_used_count();
    for (uint64_t n = 1; err == ERR_NOMEM; n++) {
        struct journal_scan *scan = NULL;
        mem_fail_after(n);
        err = journal_scan_open(&rig.fake.io, JOURNAL_RIG_DIR, NULL, &rig.slab, 0, &scan);
        mem_fail_after(0);
        refused_count += err == ERR_NOMEM;
        if (err == OK)
            journal_scan_close(scan);
        cr_assert(eq(u64, mem_used_count(), blocks), "allocation %lu", n);
        cr_assert(lt(u32, refused_count, 1000));
    }
    cr_assert(eq(int, err, OK));
    cr_assert(lt(u32, 30, refused_count)); /* each of its allocations may be refused */
}
