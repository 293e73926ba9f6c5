/* What Apache Kafka wrote (tests/golden/storage/README.md) is read, and ours is the same. */
#include "record/batch_reader.h"
#include "record/batch_validate.h"
#include "record/control_record.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

struct sample {
    const char *name;
    int codec;
    int32_t count;
};

static const struct sample samples[] = {
    {"storage/batch_none.bin", COMPRESSION_NONE, 40},
    {"storage/batch_gzip.bin", COMPRESSION_GZIP, 300},
    {"storage/batch_snappy.bin", COMPRESSION_SNAPPY, 300},
    {"storage/batch_lz4.bin", COMPRESSION_LZ4, 300},
    {"storage/batch_zstd.bin", COMPRESSION_ZSTD, 300},
};

enum { SAMPLE_COUNT = sizeof(samples) / sizeof(samples[0]) };

/* The rule of Generate.java; returns the time. */
static int64_t make_record(int32_t i, struct record *out, char key[32], char value[4096],
                           struct record_header headers[2], char header_key[32])
{
    char word[32];

    snprintf(key, 32, "key-%d", i);
    snprintf(word, sizeof(word), "value-%d ", i);
    value[0] = '\0';
    for (int32_t n = 0; n < i % 100; n++)
        strcat(value, word);
    record_init(out, key, i % 3 == 1 ? -1 : (int32_t)strlen(key), value,
                i % 7 == 3 ? -1 : (int32_t)strlen(value));
    if (i % 5 == 0) {
        snprintf(header_key, 32, "h%d", i);
        headers[0] = (struct record_header){
            .key = header_key,
            .key_bytes = (uint32_t)strlen(header_key),
            .value = (const uint8_t *)"x",
            .value_bytes = 1,
        };
        headers[1] = (struct record_header){.key = "", .value_bytes = -1};
        out->headers = headers;
        out->header_count = 2;
    }
    return 1700000000000 + (i * 37) % 1000;
}

static struct batch_builder_options golden_options(enum compression codec)
{
    struct batch_builder_options options = batch_builder_options_default();

    options.base_offset = 1000;
    options.leader_epoch = 5;
    options.codec = codec;
    options.producer_id = 7000;
    options.producer_epoch = 3;
    options.base_sequence = 2147483600;
    return options;
}

Test(batch_golden, every_codec_of_kafka_is_read_record_by_record)
{
    struct compression_context *context = compression_context_create();
    struct batch_reader reader;

    batch_reader_init(&reader, context, 1 << 24);
    for (size_t s = 0; s < SAMPLE_COUNT; s++) {
        struct golden batch = golden_read(samples[s].name);
        struct record record;

        cr_assert(eq(int, batch_reader_open(&reader, batch.bytes, batch.size_bytes), OK));
        cr_assert(batch_crc_is_good(batch.bytes, &reader.header));
        cr_assert(eq(int, batch_codec(&reader.header), samples[s].codec));
        cr_assert(eq(i64, reader.header.producer_id, 7000));
        cr_assert(eq(i64, reader.header.base_offset, 1000));
        cr_assert(eq(i32, batch_last_sequence(&reader.header),
                     batch_sequence_add(2147483600, samples[s].count - 1)));
        for (int32_t i = 0; i < samples[s].count; i++) {
            char key[32], value[4096], header_key[32];
            struct record_header headers[2];
            struct record expected;
            uint8_t expected_bytes[5000], bytes[5000];
            size_t size_bytes;
            int64_t expected_ms = make_record(i, &expected, key, value, headers, header_key);
            int64_t offset, timestamp_ms;

            cr_assert(eq(int, batch_reader_next(&reader, &record, &offset, &timestamp_ms), OK));
            cr_assert(eq(i64, offset, 1000 + i));
            cr_assert(eq(i64, timestamp_ms, expected_ms));
            expected.timestamp_delta_ms = record.timestamp_delta_ms;
            expected.offset_delta = record.offset_delta;
            size_bytes = record_encode(&expected, expected_bytes, sizeof(expected_bytes));
            cr_assert(ne(sz, size_bytes, 0));
            cr_assert(eq(sz, record_encode(&record, bytes, sizeof(bytes)), size_bytes));
            cr_assert(eq(int, memcmp(bytes, expected_bytes, size_bytes), 0), "record %d", i);
        }
        cr_assert(eq(int, batch_reader_next(&reader, &record, NULL, NULL), ERR_NOT_FOUND));
        golden_free(&batch);
    }
    batch_reader_deinit(&reader);
    compression_context_destroy(context);
}

Test(batch_golden, the_builder_writes_the_bytes_that_kafka_writes)
{
    struct golden batch = golden_read("storage/batch_none.bin");
    struct batch_builder_options options = golden_options(COMPRESSION_NONE);
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;

    batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < 40; i++) {
        char key[32], value[4096], header_key[32];
        struct record_header headers[2];
        struct record record;
        int64_t timestamp_ms = make_record(i, &record, key, value, headers, header_key);

        cr_assert(eq(int, batch_builder_add(&builder, &record, timestamp_ms), OK));
    }
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(eq(sz, size_bytes, batch.size_bytes));
    cr_assert(eq(int, memcmp(bytes, batch.bytes, size_bytes), 0));
    batch_builder_deinit(&builder);
    golden_free(&batch);
}

Test(batch_golden, a_marker_is_read_and_written_as_kafka_does)
{
    struct golden batch = golden_read("storage/batch_marker.bin");
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct batch_header header;
    struct control_marker marker;
    const uint8_t *bytes;
    uint32_t size_bytes;

    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), OK));
    cr_assert(batch_crc_is_good(batch.bytes, &header));
    cr_assert(eq(int, control_parse_marker(batch.bytes, &header, &marker), OK));
    cr_assert(marker.commit);
    cr_assert(eq(i32, marker.coordinator_epoch, 31));
    cr_assert(eq(i64, header.producer_id, 4242));

    options.base_offset = 77;
    options.leader_epoch = 0;
    options.control = true;
    options.transactional = true;
    options.producer_id = 4242;
    options.producer_epoch = 9;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_marker(&builder, &marker, 1700000005000), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(eq(sz, size_bytes, batch.size_bytes));
    cr_assert(eq(int, memcmp(bytes, batch.bytes, size_bytes), 0));
    batch_builder_deinit(&builder);
    golden_free(&batch);
}

Test(batch_golden, what_kafka_compressed_may_be_stored)
{
    struct compression_context *context = compression_context_create();
    struct batch_rules rules = {
        .produce_version = 9,
        .validate_compressed = true,
        .max_message_bytes = 1 << 20,
        .uncompressed_max_bytes = 1 << 24,
        .now_ms = 1700000000000,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
    };

    for (size_t s = 0; s < SAMPLE_COUNT; s++) {
        struct golden batch = golden_read(samples[s].name);
        struct batch_info info;

        batch_set_base_offset(batch.bytes, 0);
        cr_assert(
            eq(int, batch_validate(&rules, context, batch.bytes, batch.size_bytes, &info), OK),
            "%s: %s", samples[s].name, info.text);
        cr_assert(eq(i32, info.record_count, samples[s].count));
        cr_assert(eq(i64, info.max_timestamp_ms, info.header.max_timestamp_ms));
        golden_free(&batch);
    }
    compression_context_destroy(context);
}
