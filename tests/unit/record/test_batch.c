#include "base/mem.h"
#include "base/prng.h"
#include "record/batch.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct golden some_batch(void)
{
    struct batch_builder_options options = batch_builder_options_default();

    options.base_offset = 42;
    options.leader_epoch = 3;
    options.producer_id = 99;
    options.producer_epoch = 4;
    options.base_sequence = 7;
    return golden_batch(&options, 5);
}

Test(batch, header_survives_parse_and_put)
{
    struct batch_header header = {
        .base_offset = INT64_MAX - 5,
        .size_bytes = BATCH_HEADER_BYTES,
        .leader_epoch = -7,
        .crc = 0xdeadbeef,
        .attributes = 0x7f,
        .magic = 2,
        .last_offset_delta = 0x01020304,
        .base_timestamp_ms = -2,
        .max_timestamp_ms = INT64_MIN,
        .producer_id = 0x0102030405060708,
        .producer_epoch = -300,
        .base_sequence = INT32_MAX,
        .record_count = 17,
    };
    struct batch_header again;
    uint8_t bytes[BATCH_HEADER_BYTES];
    uint8_t bytes_again[BATCH_HEADER_BYTES];

    batch_put_header(bytes, &header);
    cr_assert(eq(int, batch_parse(bytes, sizeof(bytes), &again), OK));
    batch_put_header(bytes_again, &again);
    cr_assert(eq(int, memcmp(bytes, bytes_again, sizeof(bytes)), 0));
    cr_assert(eq(i64, again.producer_id, header.producer_id));
    cr_assert(eq(i64, again.max_timestamp_ms, header.max_timestamp_ms));
    cr_assert(eq(i32, again.base_sequence, header.base_sequence));
}

Test(batch, every_prefix_is_truncated_and_never_more)
{
    struct golden batch = some_batch();

    for (size_t size = 0; size < batch.size_bytes; size++) {
        struct golden part = golden_copy(batch.bytes, size);
        struct batch_header header;
        enum err expected = size < BATCH_HEADER_BYTES ? ERR_TRUNCATED : OK;

        cr_assert(eq(int, batch_parse(part.bytes, size, &header), ERR_TRUNCATED));
        cr_assert(eq(int, batch_parse_header(part.bytes, size, &header), expected));
        golden_free(&part);
    }
    golden_free(&batch);
}

Test(batch, absurd_lengths_and_magics_are_refused)
{
    struct golden batch = some_batch();
    struct batch_header header;
    const uint8_t magics[] = {0, 1, 3, 127, 255};

    for (size_t i = 0; i < sizeof(magics); i++) {
        batch.bytes[BATCH_MAGIC_POS] = magics[i];
        cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header),
                     magics[i] < 2 ? ERR_UNSUPPORTED : ERR_CORRUPT));
    }
    batch.bytes[BATCH_MAGIC_POS] = 2;
    memset(batch.bytes + 8, 0xff, 4);
    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), ERR_CORRUPT));
    memset(batch.bytes + 8, 0, 4);
    batch.bytes[11] = 48;
    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), ERR_CORRUPT));
    memset(batch.bytes + 8, 0x7f, 4);
    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), ERR_TRUNCATED));
    golden_free(&batch);
}

Test(batch, checksum_covers_everything_from_the_attributes_on)
{
    struct golden batch = some_batch();
    struct batch_header header;

    for (size_t i = 0; i < batch.size_bytes; i++) {
        bool covered = i >= BATCH_CRC_POS;

        if (i >= 8 && i < 12)
            continue; /* length: another batch */
        batch.bytes[i] ^= 0x10;
        if (i != BATCH_MAGIC_POS) {
            cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), OK));
            cr_assert(eq(int, batch_crc_is_good(batch.bytes, &header), !covered), "byte %zu", i);
        }
        batch.bytes[i] ^= 0x10;
    }
    golden_free(&batch);
}

Test(batch, offset_and_epoch_are_set_without_a_new_checksum)
{
    struct golden batch = some_batch();
    struct batch_header header;

    batch_set_base_offset(batch.bytes, INT64_MAX - 100);
    batch_set_leader_epoch(batch.bytes, 123456);
    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), OK));
    cr_assert(eq(i64, header.base_offset, INT64_MAX - 100));
    cr_assert(eq(i64, batch_last_offset(&header), INT64_MAX - 96));
    cr_assert(eq(i32, header.leader_epoch, 123456));
    cr_assert(batch_crc_is_good(batch.bytes, &header));
    golden_free(&batch);
}

Test(batch, times_are_stamped_with_the_right_checksum)
{
    struct golden batch = some_batch();
    struct batch_header header;

    batch_set_append_time(batch.bytes, 1712345678901);
    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), OK));
    cr_assert(batch_is_log_append_time(&header));
    cr_assert(eq(i64, header.max_timestamp_ms, 1712345678901));
    cr_assert(batch_crc_is_good(batch.bytes, &header));

    batch_set_create_time(batch.bytes, -1);
    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), OK));
    cr_assert(not(batch_is_log_append_time(&header)));
    cr_assert(eq(i64, header.max_timestamp_ms, -1));
    cr_assert(batch_crc_is_good(batch.bytes, &header));
    golden_free(&batch);
}

Test(batch, what_lies_behind_a_batch_does_not_count_when_it_is_stamped)
{
    struct golden batch = some_batch();
    struct batch_header header;
    uint8_t *longer = mem_alloc(batch.size_bytes + 10);

    memcpy(longer, batch.bytes, batch.size_bytes);
    batch_set_create_time(longer, 7);
    cr_assert(eq(int, batch_parse(longer, batch.size_bytes + 10, &header), OK));
    cr_assert(batch_crc_is_good(longer, &header));
    cr_assert(batch_parts_crc_is_good(longer, batch.bytes + BATCH_HEADER_BYTES, &header));
    longer[BATCH_CRC_FROM_POS] ^= 1;
    cr_assert(not(batch_parts_crc_is_good(longer, batch.bytes + BATCH_HEADER_BYTES, &header)));
    mem_free(longer);
    golden_free(&batch);
}

Test(batch, stamping_does_not_repair_damage)
{
    struct golden batch = some_batch();
    struct batch_header header;

    batch.bytes[batch.size_bytes - 3] ^= 1;
    batch_set_append_time(batch.bytes, 5);
    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), OK));
    cr_assert(not(batch_crc_is_good(batch.bytes, &header)));
    golden_free(&batch);
}

Test(batch, a_header_alone_can_be_stamped)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct golden batch = golden_batch(&options, 0);
    struct batch_header header;

    batch_set_append_time(batch.bytes, 77);
    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), OK));
    cr_assert(eq(u32, header.size_bytes, BATCH_HEADER_BYTES));
    cr_assert(batch_crc_is_good(batch.bytes, &header));
    golden_free(&batch);
}

Test(batch, sequences_wrap_to_zero)
{
    struct batch_header header = {.base_sequence = INT32_MAX - 1, .last_offset_delta = 1};

    cr_assert(eq(i32, batch_last_sequence(&header), INT32_MAX));
    header.last_offset_delta = 2;
    cr_assert(eq(i32, batch_last_sequence(&header), 0));
    header.last_offset_delta = 12;
    cr_assert(eq(i32, batch_last_sequence(&header), 10));
    header.base_sequence = BATCH_NO_SEQUENCE;
    cr_assert(eq(i32, batch_last_sequence(&header), BATCH_NO_SEQUENCE));
    cr_assert(eq(i32, batch_sequence_add(INT32_MAX, 1), 0));
    cr_assert(eq(i32, batch_sequence_add(INT32_MAX, INT32_MAX), INT32_MAX - 1));
    cr_assert(eq(i32, batch_sequence_subtract(0, 1), INT32_MAX));
    cr_assert(eq(i32, batch_sequence_subtract(10, 12), INT32_MAX - 1));
}

Test(batch, sequence_subtract_undoes_add)
{
    struct prng prng;

    prng_init(&prng, 4711);
    for (int i = 0; i < 10000; i++) {
        int32_t sequence = (int32_t)prng_below(&prng, 1ULL << 31);
        int32_t delta = (int32_t)prng_below(&prng, 1ULL << 31);
        int64_t sum = (int64_t)sequence + delta;

        if (sum > INT32_MAX)
            sum -= (int64_t)INT32_MAX + 1;
        cr_assert(eq(i64, batch_sequence_add(sequence, delta), sum));
        cr_assert(eq(i32, batch_sequence_subtract((int32_t)sum, delta), sequence));
    }
}

Test(batch, walk_finds_each_batch_and_stops_at_what_is_broken)
{
    struct golden one = some_batch();
    struct golden all;
    uint8_t space[2048] = {0};
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;

    cr_assert(one.size_bytes * 3 <= sizeof(space));
    all = golden_copy(space, one.size_bytes * 3);
    for (size_t i = 0; i < 3; i++) {
        memcpy(all.bytes + i * one.size_bytes, one.bytes, one.size_bytes);
        batch_set_base_offset(all.bytes + i * one.size_bytes, (int64_t)i * 10);
    }
    batch_walk_init(&walk, all.bytes, all.size_bytes);
    for (int64_t i = 0; i < 3; i++) {
        cr_assert(eq(int, batch_next(&walk, &header, &bytes), OK));
        cr_assert(eq(i64, header.base_offset, i * 10));
        cr_assert(eq(ptr, (void *)bytes, all.bytes + (size_t)i * one.size_bytes));
    }
    cr_assert(eq(int, batch_next(&walk, &header, &bytes), ERR_NOT_FOUND));

    batch_walk_init(&walk, all.bytes, all.size_bytes - 1);
    cr_assert(eq(int, batch_next(&walk, &header, &bytes), OK));
    cr_assert(eq(int, batch_next(&walk, &header, &bytes), OK));
    cr_assert(eq(int, batch_next(&walk, &header, &bytes), ERR_TRUNCATED));
    cr_assert(eq(sz, walk.pos, 2 * one.size_bytes));

    memset(all.bytes + one.size_bytes, 0, one.size_bytes); /* a preallocated tail of zeros */
    batch_walk_init(&walk, all.bytes, all.size_bytes);
    cr_assert(eq(int, batch_next(&walk, &header, &bytes), OK));
    cr_assert(eq(int, batch_next(&walk, &header, &bytes), ERR_UNSUPPORTED));
    cr_assert(eq(sz, walk.pos, one.size_bytes));
    golden_free(&all);
    golden_free(&one);
}
