#include "base/mem.h"
#include "base/prng.h"
#include "storage/dir/marks.h"
#include "storage/dir/marks_format.h"
#include "tests/support/journal_rig.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* The rig for its loop and files; no journal. */
static struct journal_rig rig;
static struct marks_writer *writer;

static void setup(void)
{
    journal_rig_init(&rig);
}

static void teardown(void)
{
    marks_writer_close(writer);
    journal_rig_deinit(&rig);
}

TestSuite(marks, .init = setup, .fini = teardown, .timeout = 600);

static void open_writer(uint32_t shard, uint64_t next_generation)
{
    cr_assert(eq(int, marks_writer_open(&rig.loop, "dir", shard, next_generation, &writer), OK));
}

static void close_writer(void)
{
    marks_writer_close(writer);
    writer = NULL;
}

/* Partitions 0..count-1 with end offsets that tell the version. */
static struct marks make(uint64_t version, uint32_t count)
{
    static struct mark marks[100];

    for (uint32_t i = 0; i < count; i++) {
        marks[i] = (struct mark){
            .topic_id = journal_rig_topic(),
            .partition = (int32_t)i,
            .log_start_offset = (int64_t)i,
            .end_offset = (int64_t)(version * 1000 + i),
            .segment_base_offset = INT64_MAX - (int64_t)i,
            .pos = UINT64_MAX - i,
            .window_offset = i % 2 == 0 ? -1 : (int64_t)i,
            .high_watermark = (int64_t)(version * 1000 - i % 3),
        };
    }
    return (struct marks){
        .recovery_epoch = 3, .first_sequence = version, .marks = marks, .count = count};
}

static void write_now(uint64_t version, uint32_t count)
{
    struct marks marks = make(version, count);

    cr_assert(eq(int, marks_write_now(writer, &marks), OK));
}

static uint32_t done_count;
static enum err done_err;

static void on_done(void *context, enum err err)
{
    done_count++;
    done_err = err;
}

static struct marks_set *load(void)
{
    struct marks_set *set = NULL;

    cr_assert(eq(int, marks_load(&rig.fake.io, "dir", &set), OK));
    return set;
}

/* 0: none. */
static uint64_t loaded_version(void)
{
    struct marks_set *set = load();
    const struct marks *marks = marks_set_of(set, 0);
    uint64_t version = marks != NULL ? marks->first_sequence : 0;

    marks_set_free(set);
    return version;
}

static struct fake_file *slot_file(uint32_t slot)
{
    char path[64];

    snprintf(path, sizeof(path), "dir/marks-0-%u.levee", slot);
    return fake_io_file(&rig.fake, path);
}

Test(marks, come_back_as_they_were_written)
{
    struct uuid topic = journal_rig_topic();
    struct marks expected = make(7, 50);
    struct marks_set *set;
    const struct marks *marks;

    open_writer(0, 1);
    expected.clean = true;
    cr_assert(eq(int, marks_write_now(writer, &expected), OK));
    set = load();
    cr_assert(eq(u32, marks_set_shard_count(set), 1));
    marks = marks_set_at(set, 0);
    cr_assert(eq(u32, marks->shard, 0));
    cr_assert(eq(u32, marks->recovery_epoch, 3));
    cr_assert(eq(u64, marks->first_sequence, 7));
    cr_assert(marks->clean);
    cr_assert(eq(u32, marks->count, 50));
    cr_assert(eq(int, memcmp(marks->marks, expected.marks, 50 * sizeof(struct mark)), 0));
    cr_assert(eq(i64, marks_find(set, &topic, 49)->end_offset, 7049));
    cr_assert(eq(ptr, (void *)marks_find(set, &topic, 50), NULL));
    marks_set_free(set);
}

Test(marks, none_in_an_empty_directory)
{
    struct marks_set *set = load();

    cr_assert(eq(u32, marks_set_shard_count(set), 0));
    cr_assert(eq(u64, marks_set_generation(set), 0));
    marks_set_free(set);
    marks_set_free(NULL);
}

Test(marks, slots_take_turns_and_the_newest_counts)
{
    open_writer(0, 1);
    write_now(1, 10); /* both slots */
    for (uint64_t version = 2; version < 10; version++) {
        struct marks marks = make(version, (uint32_t)(20 - version));
        marks_write(writer, &marks, on_done, NULL);
        memset(marks.marks, 0xff, sizeof(struct mark)); /* encoded already */
        cr_assert(eq(u32, done_count, version - 2));
        journal_rig_settle(&rig);
        cr_assert(eq(u32, done_count, version - 1));
        cr_assert(eq(int, done_err, OK));
        cr_assert(eq(u64, loaded_version(), version));
    }
}

Test(marks, a_torn_newest_slot_at_any_byte_leaves_the_older_one)
{
    uint8_t before[MARKS_HEAD_BYTES + 12 * MARKS_MARK_BYTES];
    uint8_t after[MARKS_HEAD_BYTES + 12 * MARKS_MARK_BYTES];
    struct fake_file *torn;

    open_writer(0, 1);
    write_now(1, 12); /* both slots */
    write_now(2, 12); /* slot 0 */
    write_now(3, 12); /* slot 1 */
    torn = slot_file(1);
    memcpy(before, torn->bytes, sizeof(before));
    write_now(4, 12); /* slot 0 */
    write_now(5, 12); /* slot 1 */
    memcpy(after, torn->bytes, sizeof(after));
    cr_assert(eq(u64, loaded_version(), 5));
    for (size_t cut = 0; cut < sizeof(after); cut++) {
        memcpy(torn->bytes, after, cut);
        memcpy(torn->bytes + cut, before + cut, sizeof(after) - cut);
        /* cut in the last bytes: they may be equal in both */
        cr_assert(
            eq(u64, loaded_version(), memcmp(torn->bytes, after, sizeof(after)) == 0 ? 5 : 4));
        memset(torn->bytes + cut, 0, sizeof(after) - cut);
        cr_assert(
            eq(u64, loaded_version(), memcmp(torn->bytes, after, sizeof(after)) == 0 ? 5 : 4));
        memcpy(torn->bytes, after, sizeof(after));
        torn->bytes[cut] ^= 0x10;
        cr_assert(eq(u64, loaded_version(), 4));
        memcpy(torn->bytes, after, sizeof(after));
    }
}

Test(marks, the_slot_of_the_newest_good_marks_is_not_overwritten_after_a_start)
{
    uint64_t version = 1;

    /* generations may skip, so their parity says nothing about the slot */
    for (uint64_t generation = 1; generation < 200; generation += 1 + generation % 3) {
        struct fake_file *file;
        uint8_t *copy;
        open_writer(0, generation);
        write_now(version, 3);
        /* the one before is still there when this one is torn */
        for (uint32_t slot = 0; slot < 2 && version > 1; slot++) {
            struct marks_set *set = load();
            uint64_t newest = marks_set_generation(set);
            struct marks marks;
            marks_set_free(set);
            file = slot_file(slot);
            cr_assert(eq(int, marks_format_decode(file->bytes, file->size_bytes, &marks), OK));
            mem_free(marks.marks);
            if (marks.generation != newest)
                continue;
            copy = file->bytes;
            copy[20] ^= 1;
            cr_assert(eq(u64, loaded_version(), version - 1));
            copy[20] ^= 1;
        }
        close_writer();
        version++;
    }
    cr_assert(lt(u64, 50, version));
}

Test(marks, a_torn_first_write_means_no_marks)
{
    struct marks marks = make(1, 5);
    uint8_t bytes[MARKS_HEAD_BYTES + 5 * MARKS_MARK_BYTES];

    open_writer(0, 1); /* two empty files */
    cr_assert(eq(u64, loaded_version(), 0));
    close_writer();
    marks_format_encode(&marks, 1, bytes);
    for (size_t cut = 0; cut < sizeof(bytes); cut++) {
        fake_io_put(&rig.fake, "dir/marks-0-0.levee", bytes, cut);
        cr_assert(eq(u64, loaded_version(), 0));
    }
    open_writer(0, 1);
    write_now(1, 5);
    cr_assert(eq(u64, loaded_version(), 1));
}

Test(marks, two_bad_slots_are_corrupt)
{
    struct marks_set *set = NULL;

    open_writer(0, 1);
    write_now(1, 5);
    slot_file(0)->bytes[100] ^= 1;
    cr_assert(eq(u64, loaded_version(), 1)); /* the first write went to both */
    slot_file(1)->bytes[100] ^= 1;
    cr_assert(eq(int, marks_load(&rig.fake.io, "dir", &set), ERR_CORRUPT));
}

Test(marks, one_slot_missing_is_no_harm)
{
    open_writer(0, 1);
    write_now(1, 5);
    close_writer();
    cr_assert(eq(int, rig.fake.io.v->file_unlink(&rig.fake.io, "dir/marks-0-0.levee"), OK));
    cr_assert(eq(u64, loaded_version(), 1));
}

static void put_checksum(uint8_t *bytes, size_t size_bytes)
{
    uint64_t checksum;

    memset(bytes + 8, 0, 8);
    checksum = XXH3_64bits(bytes, size_bytes);
    memcpy(bytes + 8, &checksum, 8); /* little endian machines only */
}

enum { OLD_MARKS = 3 };

/* As an earlier release wrote it: marks of 64 bytes; version 1 with a header of 64 bytes, of which
 * the last 8 said nothing.  Returns the size. */
static size_t make_old(uint8_t version, const struct marks *marks, uint8_t *old)
{
    uint8_t bytes[MARKS_HEAD_BYTES + OLD_MARKS * MARKS_MARK_BYTES];
    size_t head_bytes = version == 1 ? MARKS_OLD_HEAD_BYTES : MARKS_HEAD_BYTES;
    uint64_t own_bytes = head_bytes + OLD_MARKS * MARKS_OLD_MARK_BYTES;

    marks_format_encode(marks, 5, bytes);
    memcpy(old, bytes, head_bytes);
    for (size_t i = 0; i < OLD_MARKS; i++)
        memcpy(old + head_bytes + i * MARKS_OLD_MARK_BYTES,
               bytes + MARKS_HEAD_BYTES + i * MARKS_MARK_BYTES, MARKS_OLD_MARK_BYTES);
    old[4] = version;
    memcpy(old + 16, &own_bytes, 8);
    put_checksum(old, own_bytes);
    return own_bytes;
}

static void read_old(uint8_t version)
{
    struct marks marks = make(7, OLD_MARKS);
    uint8_t old[MARKS_HEAD_BYTES + OLD_MARKS * MARKS_OLD_MARK_BYTES];
    struct marks out;
    size_t size_bytes;

    marks.salt = version == 1 ? 0 : 77;
    size_bytes = make_old(version, &marks, old);
    cr_assert(eq(int, marks_format_decode(old, size_bytes, &out), OK));
    cr_assert(eq(u64, out.generation, 5));
    cr_assert(eq(u64, out.salt, marks.salt));
    cr_assert(eq(u64, out.extent_number, 0));
    cr_assert(eq(u32, out.count, OLD_MARKS));
    for (uint32_t i = 0; i < OLD_MARKS; i++) {
        cr_assert(eq(i64, out.marks[i].end_offset, marks.marks[i].end_offset));
        cr_assert(eq(u64, out.marks[i].pos, marks.marks[i].pos));
        cr_assert(eq(i64, out.marks[i].window_offset, marks.marks[i].window_offset));
        /* that release published all that was durable */
        cr_assert(eq(i64, out.marks[i].high_watermark, marks.marks[i].end_offset));
    }
    mem_free(out.marks);
    fake_io_put(&rig.fake, "dir/marks-0-0.levee", old, (uint32_t)size_bytes);
    cr_assert(eq(u64, loaded_version(), 7));
    open_writer(0, 6); /* the next ones are of the format of today */
    write_now(8, 3);
    cr_assert(eq(u64, loaded_version(), 8));
}

Test(marks, the_first_format_is_read)
{
    read_old(1);
}

Test(marks, the_format_without_high_watermarks_is_read)
{
    read_old(2);
}

Test(marks, what_they_say_of_the_journal_comes_back)
{
    struct marks marks = make(1, 0);
    uint8_t bytes[MARKS_HEAD_BYTES];
    struct marks out;

    marks.salt = 0x0102030405060708;
    marks.extent_number = 0x1112131415161718;
    marks_format_encode(&marks, 1, bytes);
    cr_assert(eq(int, marks_format_decode(bytes, sizeof(bytes), &out), OK));
    cr_assert(eq(u64, out.salt, marks.salt));
    cr_assert(eq(u64, out.extent_number, marks.extent_number));
    mem_free(out.marks);
}

Test(marks, a_newer_format_is_refused)
{
    struct marks marks = make(1, 0);
    uint8_t bytes[MARKS_HEAD_BYTES];
    struct marks_set *set = NULL;
    struct marks out;

    marks_format_encode(&marks, 1, bytes);
    bytes[4] = 4;
    cr_assert(eq(int, marks_format_decode(bytes, sizeof(bytes), &out), ERR_CORRUPT));
    put_checksum(bytes, sizeof(bytes));
    cr_assert(eq(int, marks_format_decode(bytes, sizeof(bytes), &out), ERR_NEWER_FORMAT));
    fake_io_put(&rig.fake, "dir/marks-0-0.levee", bytes, sizeof(bytes));
    cr_assert(eq(int, marks_load(&rig.fake.io, "dir", &set), ERR_NEWER_FORMAT));
    cr_assert(eq(int, marks_writer_open(&rig.loop, "dir", 0, 5, &writer), ERR_NEWER_FORMAT));
    cr_assert(eq(ptr, writer, NULL));
}

Test(marks, of_a_partition_on_two_shards_the_newest_generation_counts)
{
    struct uuid topic = journal_rig_topic();
    struct marks_set *set;

    open_writer(0, 10);
    write_now(1, 3);
    close_writer();
    open_writer(1, 5);
    write_now(2, 5);
    close_writer();
    set = load();
    cr_assert(eq(u32, marks_set_shard_count(set), 2));
    cr_assert(eq(i64, marks_find(set, &topic, 0)->end_offset, 1000));
    cr_assert(eq(i64, marks_find(set, &topic, 4)->end_offset, 2004));
    cr_assert(eq(u64, marks_set_generation(set), 10));
    marks_set_free(set);
    cr_assert(eq(int, marks_remove_others(&rig.fake.io, "dir", 1), OK));
    set = load();
    cr_assert(eq(u32, marks_set_shard_count(set), 1));
    cr_assert(eq(ptr, (void *)marks_find(set, &topic, 4), NULL));
    marks_set_free(set);
}

/* A shard that starts with its first marks must not pass one that has written since. */
Test(marks, a_first_write_is_older_than_the_second_one_of_another_shard)
{
    struct uuid topic = journal_rig_topic();
    struct marks_set *set;

    open_writer(0, 10);
    write_now(1, 3);
    write_now(2, 3);
    close_writer();
    open_writer(1, 10);
    write_now(1, 3);
    close_writer();
    set = load();
    cr_assert(eq(i64, marks_find(set, &topic, 0)->end_offset, 2000));
    cr_assert(eq(u64, marks_set_of(set, 1)->generation, 10));
    marks_set_free(set);
}

Test(marks, a_generation_that_does_not_grow_is_refused)
{
    open_writer(0, 10);
    write_now(1, 3);
    close_writer();
    cr_assert(eq(int, marks_writer_open(&rig.loop, "dir", 0, 10, &writer), ERR_INVALID));
    cr_assert(eq(int, marks_writer_open(&rig.loop, "dir", 0, 11, &writer), OK));
}

Test(marks, short_writes_are_continued)
{
    struct marks marks = make(2, 30);

    open_writer(0, 1);
    write_now(1, 30);
    rig.fake.cap_bytes = 100;
    marks_write(writer, &marks, on_done, NULL);
    journal_rig_settle(&rig);
    cr_assert(eq(u32, done_count, 1));
    cr_assert(eq(u64, loaded_version(), 2));
    cr_assert(eq(u64, rig.fake.counts[FAKE_WRITE], 2));
}

Test(marks, a_failed_write_is_final_and_leaves_the_older_marks)
{
    struct marks marks = make(2, 30);

    open_writer(0, 1);
    write_now(1, 30);
    fake_io_fail(&rig.fake, FAKE_WRITE, 1, EIO);
    marks_write(writer, &marks, on_done, NULL);
    journal_rig_settle(&rig);
    cr_assert(eq(int, done_err, ERR_IO));
    marks_write(writer, &marks, on_done, NULL);
    cr_assert(eq(u32, done_count, 1));
    journal_rig_settle(&rig);
    cr_assert(eq(u32, done_count, 2));
    cr_assert(eq(int, done_err, ERR_IO));
    cr_assert(eq(int, marks_write_now(writer, &marks), ERR_IO));
    cr_assert(eq(u64, loaded_version(), 1));
}

Test(marks, a_failed_sync_now_is_final)
{
    struct marks marks = make(2, 3);

    open_writer(0, 1);
    write_now(1, 3);
    fake_io_fail(&rig.fake, FAKE_FILE_SYNC, 1, EIO);
    cr_assert(eq(int, marks_write_now(writer, &marks), ERR_IO));
    cr_assert(eq(int, marks_write_now(writer, &marks), ERR_IO));
}

Test(marks, offsets_that_no_log_can_have_are_corrupt)
{
    for (int which = 0; which < 8; which++) {
        struct marks marks = make(1, 2);
        struct mark *mark = &marks.marks[1];
        uint8_t bytes[MARKS_HEAD_BYTES + 2 * MARKS_MARK_BYTES];
        struct marks out;
        if (which == 1)
            mark->partition = -1;
        if (which == 2)
            mark->log_start_offset = -1;
        if (which == 3)
            mark->end_offset = INT64_MIN;
        if (which == 4)
            mark->segment_base_offset = -1;
        if (which == 5)
            mark->window_offset = -2;
        if (which == 6)
            mark->high_watermark = -1;
        if (which == 7)
            mark->high_watermark = mark->end_offset + 1;
        marks_format_encode(&marks, 1, bytes); /* its checksum is good */
        cr_assert(
            eq(int, marks_format_decode(bytes, sizeof(bytes), &out), which == 0 ? OK : ERR_CORRUPT),
            "%d", which);
        if (which == 0)
            mem_free(out.marks);
    }
}

Test(marks, decoding_random_bytes_never_reads_too_far)
{
    struct marks marks = make(1, 4);
    size_t size_bytes = marks_format_size(4);
    struct prng prng;

    prng_init(&prng, 11);
    for (int i = 0; i < 20000; i++) {
        size_t room_bytes = prng_below(&prng, size_bytes + 1);
        uint8_t *bytes = mem_alloc(size_bytes); /* of exactly the size: the sanitizer watches */
        uint8_t *exact;
        struct marks out;
        uint64_t checksum;
        marks_format_encode(&marks, 1, bytes);
        bytes[16 + prng_below(&prng, 40)] = (uint8_t)prng_u64(&prng);
        exact = mem_alloc(room_bytes);
        memcpy(exact, bytes, room_bytes);
        if (room_bytes >= MARKS_HEAD_BYTES) {
            uint64_t own_bytes;
            memset(exact + 8, 0, 8);
            memcpy(&own_bytes, exact + 16, 8);
            checksum = XXH3_64bits(exact, own_bytes < room_bytes ? own_bytes : room_bytes);
            memcpy(exact + 8, &checksum, 8);
        }
        if (marks_format_decode(exact, room_bytes, &out) == OK) {
            cr_assert(le(u64, marks_format_size(out.count), room_bytes));
            mem_free(out.marks);
        }
        mem_free(exact);
        mem_free(bytes);
    }
}
