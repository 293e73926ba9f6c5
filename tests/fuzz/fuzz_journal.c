/* fuzz_journal: what a journal scan and the decoder of marks make of arbitrary files.
 *
 * The first byte chooses: marks as they come; marks with their checksum put right; two extents as
 * they come; two extents whose groups, as far as they can be followed, have their checksums put
 * right, so that the entries are reached. */
#include "base/check.h"
#include "base/mem.h"
#include "record/little_endian.h"
#include "storage/dir/marks_format.h"
#include "storage/journal/journal_format.h"
#include "storage/journal/journal_scan.h"
#include "tests/fuzz/fuzz_seed.h"
#include "tests/support/fake_io.h"

#include <string.h>
#include <xxhash.h>

enum { CASE_COUNT = 4, EXTENT_BYTES_MAX = 64 << 10 };

static uint64_t sum; /* reads what was decoded, so that the sanitizer sees where it lies */

/* What was decoded means the same when it is encoded and decoded again. */
static void check_marks(const struct marks *marks)
{
    size_t size_bytes = marks_format_size(marks->count);
    uint8_t *bytes = mem_alloc(size_bytes);
    struct marks again;

    marks_format_encode(marks, marks->generation, bytes);
    check(marks_format_decode(bytes, size_bytes, &again) == OK);
    check(again.count == marks->count && again.generation == marks->generation);
    check(again.shard == marks->shard && again.clean == marks->clean);
    check(again.first_sequence == marks->first_sequence);
    check(again.recovery_epoch == marks->recovery_epoch);
    for (uint32_t i = 0; i < marks->count; i++) {
        check(again.marks[i].end_offset == marks->marks[i].end_offset);
        check(again.marks[i].high_watermark == marks->marks[i].high_watermark);
        check(again.marks[i].pos == marks->marks[i].pos);
        check(uuid_equal(&again.marks[i].topic_id, &marks->marks[i].topic_id));
    }
    mem_free(again.marks);
    mem_free(bytes);
}

static void decode_marks(uint8_t *bytes, size_t size_bytes, bool mend)
{
    struct marks marks;

    if (mend && size_bytes >= MARKS_OLD_HEAD_BYTES) {
        uint64_t own_bytes = little_endian_get_u64(bytes + 16);
        memcpy(bytes, size_bytes % 2 == 0 ? "LVMK\2\0" : "LVMK\1\0", 6);
        little_endian_put_u64(bytes + 8, 0);
        little_endian_put_u64(bytes + 8,
                              XXH3_64bits(bytes, own_bytes < size_bytes ? own_bytes : size_bytes));
    }
    if (marks_format_decode(bytes, size_bytes, &marks))
        return;
    for (uint32_t i = 0; i < marks.count; i++)
        sum += marks.marks[i].pos;
    check_marks(&marks);
    mem_free(marks.marks);
}

/* Give every group that can be followed from the start of the extent the same epoch and salt and a
 * good checksum. */
static void mend_groups(uint8_t *bytes, uint64_t size_bytes)
{
    uint64_t pos = 0;
    struct journal_group_head head;

    while (pos + IO_ALIGN <= size_bytes) {
        memcpy(bytes + pos, "LVJG\1\0", 6);
        if (journal_format_read_head(bytes + pos, size_bytes - pos, &head))
            return;
        head.shard = 0;
        head.recovery_epoch = 1;
        head.salt = 2;
        journal_format_seal(
            &head, &(struct iovec){.iov_base = bytes + pos, .iov_len = head.size_bytes}, 1);
        pos += journal_format_round_up(head.size_bytes);
    }
}

static enum err visit(void *context, struct journal_facts *facts,
                      const struct journal_replay *replay)
{
    check(replay->entry.partition == facts->partition);
    check(facts->number <= facts->entry_count);
    for (uint32_t i = 0; i < replay->entry.payload_bytes; i++)
        sum += replay->payload[i];
    for (uint32_t i = 0; i < replay->entry.prefix_bytes; i++)
        sum += replay->prefix[i];
    return OK;
}

static enum err rest(void *context)
{
    return OK;
}

static void visit_left(void *context, const struct journal_facts *facts)
{
    check(facts->entry_count > 0);
}

static void put_extent(struct fake_io *fake, const char *path, uint8_t *bytes, size_t size_bytes,
                       bool mend)
{
    struct fake_file *file;

    fake_io_put(fake, path, bytes, journal_format_round_up(size_bytes));
    file = fake_io_file(fake, path);
    if (mend)
        mend_groups(file->bytes, file->size_bytes);
}

static void scan(uint8_t *bytes, size_t size_bytes, bool mend)
{
    static struct fake_io fake;
    struct journal_scan *opened = NULL;
    struct slab slab;
    size_t half = size_bytes / 2;
    uint8_t *room = mem_alloc(size_bytes + 2 * (size_t)IO_ALIGN); /* zeros behind each half */

    fake_io_init(&fake);
    slab_init(&slab, 4 * EXTENT_BYTES_MAX);
    memcpy(room, bytes, half);
    put_extent(&fake, "d/journal-0-1.levee", room, half, mend);
    memset(room, 0, size_bytes + 2 * (size_t)IO_ALIGN);
    memcpy(room, bytes + half, size_bytes - half);
    put_extent(&fake, "d/journal-0-2.levee", room, size_bytes - half, mend);
    if (journal_scan_open(&fake.io, "d", NULL, &slab, 0, &opened) == OK) {
        const struct journal_replayer to = {visit, rest, NULL};
        journal_scan_each_left(opened, visit_left, NULL);
        check(journal_scan_replay(opened, NULL, &to) == OK);
        journal_scan_close(opened);
    }
    check(fake.open_count == 0);
    slab_deinit(&slab);
    fake_io_deinit(&fake);
    mem_free(room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    uint8_t *copy;

    if (size_bytes == 0 || size_bytes > EXTENT_BYTES_MAX)
        return 0;
    copy = mem_alloc(size_bytes - 1); /* of exactly that size */
    memcpy(copy, data + 1, size_bytes - 1);
    if (data[0] % CASE_COUNT < 2)
        decode_marks(copy, size_bytes - 1, data[0] % CASE_COUNT == 1);
    else
        scan(copy, size_bytes - 1, data[0] % CASE_COUNT == 3);
    mem_free(copy);
    return 0;
}

/* ---- seeds: marks, or one group in each extent */

static void put_group(struct prng *prng, uint64_t sequence, uint8_t *out, uint32_t max_bytes)
{
    struct journal_group_head head = {.sequence = sequence,
                                      .durable_sequence = sequence - 1,
                                      .size_bytes = JOURNAL_GROUP_HEAD_BYTES,
                                      .salt = 2,
                                      .recovery_epoch = 1};
    uint64_t entries = 1 + prng_below(prng, 4);

    memset(out, 0, max_bytes);
    for (uint64_t i = 0; i < entries; i++) {
        struct journal_entry entry = {
            .kind = (uint8_t)(1 + prng_below(prng, 3)),
            .partition = (int32_t)prng_below(prng, 2),
            .offset = (int64_t)prng_below(prng, 8),
            .end_offset = 10,
            .prefix_bytes = (uint32_t)prng_below(prng, 16),
            .payload_bytes = (uint32_t)prng_below(prng, 80),
        };
        uint32_t entry_bytes = JOURNAL_ENTRY_HEAD_BYTES + entry.prefix_bytes + entry.payload_bytes;
        if (head.size_bytes + entry_bytes > max_bytes)
            break;
        journal_format_put_entry(out + head.size_bytes, &entry);
        head.size_bytes += entry_bytes;
        head.entry_count++;
    }
    journal_format_seal(&head, &(struct iovec){.iov_base = out, .iov_len = head.size_bytes}, 1);
}

static size_t put_marks(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    struct mark list[4];
    struct marks marks = {.generation = 3,
                          .first_sequence = 5,
                          .recovery_epoch = 1,
                          .clean = prng_chance(prng, 1, 2),
                          .marks = list,
                          .count = (uint32_t)prng_below(prng, 5)};
    size_t size_bytes = marks_format_size(marks.count);

    for (uint32_t i = 0; i < marks.count; i++)
        list[i] = (struct mark){.partition = (int32_t)i,
                                .end_offset = 100,
                                .segment_base_offset = 50,
                                .pos = prng_below(prng, 10000),
                                .window_offset = -1};
    if (size_bytes > max_bytes)
        return 0;
    marks_format_encode(&marks, marks.generation, out);
    return size_bytes;
}

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    uint8_t choice = (uint8_t)prng_below(prng, CASE_COUNT);
    uint32_t half = 1024;
    size_t size_bytes;

    if (max_bytes < 1 + 2 * half)
        return 0;
    out[0] = choice;
    if (choice < 2) {
        size_bytes = put_marks(prng, out + 1, max_bytes - 1);
        return size_bytes == 0 ? 0 : 1 + size_bytes;
    }
    put_group(prng, 1, out + 1, half);
    put_group(prng, 2, out + 1 + half, half);
    return 1 + 2 * half;
}

FUZZ_SEEDS(make_seed)
