#include "base/mem.h"
#include "base/prng.h"
#include "record/batch_builder.h"
#include "record/batch_reader.h"
#include "record/batch_recode.h"
#include "record/control_record.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct compression_context *context;

static void setup(void)
{
    context = compression_context_create();
}

static void teardown(void)
{
    compression_context_destroy(context);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(batch_builder, .init = setup, .fini = teardown);

static struct batch_header parse(const uint8_t *bytes, uint32_t size_bytes)
{
    struct batch_header header;

    cr_assert(eq(int, batch_parse(bytes, size_bytes, &header), OK));
    cr_assert(eq(u32, header.size_bytes, size_bytes));
    cr_assert(batch_crc_is_good(bytes, &header));
    return header;
}

Test(batch_builder, reader_gives_back_what_was_added_in_every_codec)
{
    const uint64_t seed = 77;
    struct prng prng;
    struct batch_builder builder = {0};
    struct batch_reader reader;

    prng_init(&prng, seed);
    batch_reader_init(&reader, context, 1 << 24);
    for (int round = 0; round < 100; round++) {
        struct batch_builder_options options = batch_builder_options_default();
        int32_t count = (int32_t)prng_below(&prng, 200);
        int64_t times[200];
        uint8_t value[300];
        const uint8_t *bytes;
        uint32_t size_bytes;
        struct batch_header header;
        struct record record;
        int64_t offset;
        int64_t timestamp_ms;
        int64_t max_timestamp_ms = -1;

        options.codec = (enum compression)prng_below(&prng, COMPRESSION_COUNT);
        options.base_offset = (int64_t)(prng_u64(&prng) >> 2);
        options.producer_id = (int64_t)(prng_u64(&prng) >> 1);
        options.producer_epoch = 12;
        options.base_sequence = INT32_MAX - 3;
        options.transactional = prng_chance(&prng, 1, 2);
        batch_builder_reset(&builder, &options);
        for (int32_t i = 0; i < count; i++) {
            memset(value, i, sizeof(value));
            times[i] = (int64_t)(prng_u64(&prng) >> 2);
            if (times[i] > max_timestamp_ms)
                max_timestamp_ms = times[i];
            cr_assert(eq(int,
                         batch_builder_add_pair(&builder, &i, i % 3 ? 4 : -1, value, i % 7 ? i : -1,
                                                times[i]),
                         OK));
        }
        cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
        header = parse(bytes, size_bytes);
        cr_assert(eq(i64, header.base_offset, options.base_offset));
        cr_assert(eq(int, batch_codec(&header), (int)options.codec));
        cr_assert(eq(int, batch_is_transactional(&header), options.transactional));
        cr_assert(eq(i32, header.record_count, count));
        cr_assert(eq(i32, header.last_offset_delta, count - 1));
        cr_assert(eq(i64, header.max_timestamp_ms, max_timestamp_ms));

        cr_assert(eq(int, batch_reader_open(&reader, bytes, size_bytes), OK));
        for (int32_t i = 0; i < count; i++) {
            memset(value, i, sizeof(value));
            cr_assert(eq(int, batch_reader_next(&reader, &record, &offset, &timestamp_ms), OK));
            cr_assert(eq(i64, offset, options.base_offset + i));
            cr_assert(eq(i64, timestamp_ms, times[i]));
            cr_assert(eq(i32, record.key_bytes, i % 3 ? 4 : -1));
            cr_assert(eq(i32, record.value_bytes, i % 7 ? i : -1));
            if (record.value_bytes > 0)
                cr_assert(eq(int, memcmp(record.value, value, (size_t)i), 0));
        }
        cr_assert(
            eq(int, batch_reader_next(&reader, &record, &offset, &timestamp_ms), ERR_NOT_FOUND));
    }
    batch_builder_deinit(&builder);
    batch_reader_deinit(&reader);
}

Test(batch_builder, says_when_it_is_full_and_stays_as_it_was)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;
    struct batch_header header;
    char value[100] = {0};

    options.max_bytes = 500;
    batch_builder_init(&builder, &options);
    for (int i = 0; i < 4; i++)
        cr_assert(eq(int, batch_builder_add_pair(&builder, NULL, -1, value, 100, 5), OK));
    cr_assert(eq(int, batch_builder_add_pair(&builder, NULL, -1, value, 100, 5), ERR_TOO_LARGE));
    cr_assert(eq(i32, batch_builder_record_count(&builder), 4));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(eq(u32, size_bytes, batch_builder_size_bytes(&builder)));
    header = parse(bytes, size_bytes);
    cr_assert(eq(i32, header.record_count, 4));
    batch_builder_deinit(&builder);
}

Test(batch_builder, holes_and_a_later_end_are_kept)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct batch_reader reader;
    struct record record;
    const uint8_t *bytes;
    uint32_t size_bytes;
    int64_t offset;

    options.base_offset = 100;
    batch_builder_init(&builder, &options);
    record_init(&record, "k", 1, "v", 1);
    cr_assert(eq(int, batch_builder_add_at(&builder, &record, 3, 50), OK));
    cr_assert(eq(int, batch_builder_add_at(&builder, &record, 3, 50), ERR_INVALID));
    cr_assert(eq(int, batch_builder_add_at(&builder, &record, 9, 40), OK));
    batch_builder_set_last_offset_delta(&builder, 12);
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    batch_reader_init(&reader, NULL, 0);
    cr_assert(eq(int, batch_reader_open(&reader, bytes, size_bytes), OK));
    cr_assert(eq(i64, batch_last_offset(&reader.header), 112));
    cr_assert(eq(i32, reader.header.record_count, 2));
    cr_assert(eq(int, batch_reader_next(&reader, &record, &offset, NULL), OK));
    cr_assert(eq(i64, offset, 103));
    cr_assert(eq(int, batch_reader_next(&reader, &record, &offset, NULL), OK));
    cr_assert(eq(i64, offset, 109));
    batch_reader_deinit(&reader);
    batch_builder_deinit(&builder);
}

Test(batch_builder, markers_are_read_back)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;

    options.control = true;
    options.transactional = true;
    options.producer_id = 5;
    options.producer_epoch = 1;
    batch_builder_init(&builder, &options);
    for (int commit = 0; commit < 2; commit++) {
        const struct control_marker marker = {.commit = commit, .coordinator_epoch = 70 + commit};
        struct control_marker read;
        struct batch_header header;
        const uint8_t *bytes;
        uint32_t size_bytes;

        batch_builder_reset(&builder, &options);
        cr_assert(eq(int, batch_builder_add_marker(&builder, &marker, 1), OK));
        cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
        header = parse(bytes, size_bytes);
        cr_assert(batch_is_control(&header));
        cr_assert(eq(int, control_parse_marker(bytes, &header, &read), OK));
        cr_assert(eq(int, read.commit, commit));
        cr_assert(eq(i32, read.coordinator_epoch, 70 + commit));
    }
    batch_builder_deinit(&builder);
}

Test(batch_builder, control_records_that_are_no_markers_say_so)
{
    const uint8_t keys[3][4] = {{0, 0, 0, 2}, {0, 0, 0, 1}, {0xff, 0xff, 0, 1}};
    const enum err expected[] = {ERR_NOT_FOUND, ERR_MALFORMED, ERR_MALFORMED};

    for (size_t i = 0; i < 3; i++) {
        struct batch_builder_options options = batch_builder_options_default();
        struct batch_builder builder;
        struct control_marker marker;
        struct batch_header header;
        const uint8_t *bytes;
        uint32_t size_bytes;

        options.control = true;
        batch_builder_init(&builder, &options);
        cr_assert(eq(int, batch_builder_add_pair(&builder, keys[i], 4, "12345", 5, 0), OK));
        cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
        header = parse(bytes, size_bytes);
        cr_assert(eq(int, control_parse_marker(bytes, &header, &marker), expected[i]));
        header.record_count = 0;
        cr_assert(eq(int, control_parse_marker(bytes, &header, &marker), ERR_NOT_FOUND));
        batch_builder_deinit(&builder);
    }
}

static void expect_same_records(const uint8_t *a, uint32_t a_bytes, const uint8_t *b,
                                uint32_t b_bytes)
{
    struct batch_reader one;
    struct batch_reader other;
    struct compression_context *other_context = compression_context_create();
    struct record x;
    struct record y;

    batch_reader_init(&one, context, 1 << 24);
    batch_reader_init(&other, other_context, 1 << 24);
    cr_assert(eq(int, batch_reader_open(&one, a, a_bytes), OK));
    cr_assert(eq(int, batch_reader_open(&other, b, b_bytes), OK));
    for (;;) {
        int64_t x_offset, y_offset, x_ms, y_ms;
        enum err err = batch_reader_next(&one, &x, &x_offset, &x_ms);

        cr_assert(eq(int, batch_reader_next(&other, &y, &y_offset, &y_ms), err));
        if (err == ERR_NOT_FOUND)
            break;
        cr_assert(eq(int, err, OK));
        cr_assert(eq(i64, x_offset, y_offset));
        cr_assert(eq(i64, x_ms, y_ms));
        cr_assert(eq(i32, x.key_bytes, y.key_bytes));
        cr_assert(eq(i32, x.value_bytes, y.value_bytes));
        cr_assert(eq(u32, x.header_data_bytes, y.header_data_bytes));
        if (x.value_bytes > 0)
            cr_assert(eq(int, memcmp(x.value, y.value, (size_t)x.value_bytes), 0));
        if (x.header_data_bytes > 0)
            cr_assert(eq(int, memcmp(x.header_data, y.header_data, x.header_data_bytes), 0));
    }
    batch_reader_deinit(&one);
    batch_reader_deinit(&other);
    compression_context_destroy(other_context);
}

Test(batch_builder, recode_changes_the_codec_and_nothing_else)
{
    const char *const names[] = {"storage/batch_none.bin", "storage/batch_gzip.bin",
                                 "storage/batch_snappy.bin", "storage/batch_lz4.bin",
                                 "storage/batch_zstd.bin"};

    for (size_t i = 0; i < 5; i++) {
        struct golden batch = golden_read(names[i]);
        struct batch_header before = parse(batch.bytes, (uint32_t)batch.size_bytes);

        for (int stamped = 0; stamped < 2; stamped++) {
            for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
                struct batch_reader reader;
                struct batch_builder builder = {0};
                struct batch_header after;
                const uint8_t *bytes;
                uint32_t size_bytes;

                batch_reader_init(&reader, context, 1 << 24);
                cr_assert(eq(int,
                             batch_recode(&reader, &builder, batch.bytes, batch.size_bytes,
                                          (enum compression)codec, COMPRESSION_LEVEL_DEFAULT,
                                          &bytes, &size_bytes),
                             OK));
                after = parse(bytes, size_bytes);
                cr_assert(eq(int, batch_codec(&after), codec));
                cr_assert(eq(int, after.attributes & ~7,
                             (before.attributes & ~7) | (stamped ? BATCH_LOG_APPEND_TIME : 0)));
                cr_assert(eq(i64, after.base_offset, before.base_offset));
                cr_assert(eq(i64, after.producer_id, before.producer_id));
                cr_assert(eq(i32, after.base_sequence, before.base_sequence));
                cr_assert(eq(i32, after.leader_epoch, before.leader_epoch));
                cr_assert(eq(i32, after.last_offset_delta, before.last_offset_delta));
                cr_assert(eq(i64, after.max_timestamp_ms, stamped ? 7 : before.max_timestamp_ms));
                cr_assert(eq(i64, after.base_timestamp_ms, before.base_timestamp_ms));
                expect_same_records(batch.bytes, (uint32_t)batch.size_bytes, bytes, size_bytes);
                batch_reader_deinit(&reader);
                batch_builder_deinit(&builder);
            }
            batch_set_append_time(batch.bytes, 7);
        }
        golden_free(&batch);
    }
}

Test(batch_builder, a_compressed_batch_that_expands_too_far_is_not_read)
{
    struct golden batch = golden_read("storage/batch_gzip.bin");
    struct batch_reader reader;

    batch_reader_init(&reader, context, 50000); /* it has some 150 KB */
    cr_assert(eq(int, batch_reader_open(&reader, batch.bytes, batch.size_bytes), ERR_TOO_LARGE));
    batch_reader_deinit(&reader);
    batch_reader_init(&reader, NULL, 1 << 24);
    cr_assert(eq(int, batch_reader_open(&reader, batch.bytes, batch.size_bytes), ERR_CODEC));
    batch_reader_deinit(&reader);
    golden_free(&batch);
}

Test(batch_builder, a_refused_allocation_leaves_it_whole)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;
    char value[5000] = {0};

    options.codec = COMPRESSION_GZIP;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, NULL, -1, value, 100, 5), OK));
    mem_fail_after(1);
    cr_assert(eq(int, batch_builder_add_pair(&builder, NULL, -1, value, 5000, 5), ERR_NOMEM));
    for (uint64_t n = 1; n < 4; n++) {
        mem_fail_after(n);
        cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), ERR_NOMEM));
    }
    mem_fail_after(0);
    cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
    cr_assert(eq(i32, parse(bytes, size_bytes).record_count, 1));
    batch_builder_deinit(&builder);
}
