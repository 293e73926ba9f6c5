/* fuzz_batch: any bytes as a client's batch, and as batches found in a segment.
 *
 * The first byte chooses rules and repairs: with length, magic and checksum put right, the fuzzer
 * gets past the envelope and into records and codecs. */
#include "base/check.h"
#include "base/mem.h"
#include "record/batch_recode.h"
#include "record/batch_validate.h"
#include "record/control_record.h"
#include "tests/fuzz/fuzz_seed.h"

#include <string.h>

enum {
    REPAIR = 0x01,
    COMPACT = 0x02,
    LOG_APPEND_TIME = 0x04,
    OLD_PRODUCE = 0x08,
    TRUST_COMPRESSED = 0x10,
    EXPANDED_MAX_BYTES = 1 << 20,
};

static struct compression_context *context;

/* A validated batch keeps its promises to those who read it. */
static void read_validated(const uint8_t *bytes, const struct batch_info *info)
{
    struct batch_reader reader;
    struct batch_builder builder = {0};
    struct record record;
    const uint8_t *recoded;
    uint32_t recoded_bytes;
    int32_t count = 0;
    int64_t offset;

    batch_reader_init(&reader, context, EXPANDED_MAX_BYTES);
    check(batch_reader_open(&reader, bytes, info->header.size_bytes) == OK);
    while (batch_reader_next(&reader, &record, &offset, NULL) == OK)
        check(offset == info->header.base_offset + count++);
    check(count == info->record_count);
    check(batch_recode(&reader, &builder, bytes, info->header.size_bytes, COMPRESSION_NONE,
                       COMPRESSION_LEVEL_DEFAULT, &recoded, &recoded_bytes) == OK);
    batch_builder_deinit(&builder);
    batch_reader_deinit(&reader);
}

static void validate(const uint8_t *bytes, size_t size_bytes, uint8_t choice)
{
    const struct batch_rules rules = {
        .produce_version = choice & OLD_PRODUCE ? 3 : 9,
        .log_append_time = choice & LOG_APPEND_TIME,
        .compact = choice & COMPACT,
        .validate_compressed = !(choice & TRUST_COMPRESSED),
        .max_message_bytes = 1 << 20,
        .uncompressed_max_bytes = EXPANDED_MAX_BYTES,
        .now_ms = 1700000000000,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
    };
    struct batch_info info;

    if (batch_validate(&rules, context, bytes, size_bytes, &info) == OK &&
        rules.validate_compressed)
        read_validated(bytes, &info);
}

static void walk(const uint8_t *bytes, size_t size_bytes)
{
    struct batch_reader reader;
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *batch;

    batch_reader_init(&reader, context, EXPANDED_MAX_BYTES);
    batch_walk_init(&walk, bytes, size_bytes);
    while (batch_next(&walk, &header, &batch) == OK) {
        struct control_marker marker;
        struct record record;

        if (control_parse_marker(batch, &header, &marker) == OK)
            check(batch_is_control(&header));
        if (batch_reader_open(&reader, batch, header.size_bytes))
            continue;
        while (batch_reader_next(&reader, &record, NULL, NULL) == OK) {
            struct record_header_walk headers;
            struct record_header one;
            int32_t count = 0;

            record_header_walk_init(&headers, &record);
            while (record_header_next(&headers, &one) == OK)
                count++;
            check(count == record.header_count);
        }
    }
    batch_reader_deinit(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    uint8_t *bytes;
    uint8_t choice;

    if (size_bytes == 0)
        return 0;
    if (!context)
        context = compression_context_create();
    choice = data[0];
    data++;
    size_bytes--;
    bytes = mem_alloc(size_bytes);
    memcpy(bytes, data, size_bytes);
    if ((choice & REPAIR) && size_bytes >= BATCH_HEADER_BYTES) {
        uint32_t length = (uint32_t)size_bytes - BATCH_PREFIX_BYTES;

        for (int i = 0; i < 4; i++)
            bytes[8 + i] = (uint8_t)(length >> 8 * (3 - i));
        bytes[BATCH_MAGIC_POS] = BATCH_MAGIC;
        batch_set_base_offset(bytes, 0);
        batch_set_crc(bytes, (uint32_t)size_bytes);
    }
    validate(bytes, size_bytes, choice);
    walk(bytes, size_bytes);
    mem_free(bytes);
    return 0;
}

/* ---- seeds: batches of our builder, one or two behind each other */

static void add_records(struct batch_builder *builder, struct prng *prng)
{
    uint64_t count = 1 + prng_below(prng, 5);
    uint8_t bytes[64];

    prng_fill(prng, bytes, sizeof(bytes));
    for (uint64_t i = 0; i < count; i++) {
        struct record_header headers[2] = {
            {.key = "h", .key_bytes = 1, .value_bytes = -1},
            {.key = "ab", .key_bytes = 2, .value = bytes, .value_bytes = 3},
        };
        struct record record;
        record_init(&record, bytes, (int32_t)prng_below(prng, 9) - 1, bytes + 8,
                    (int32_t)prng_below(prng, 50) - 1);
        record.headers = headers;
        record.header_count = (int32_t)prng_below(prng, 3);
        check(batch_builder_add(builder, &record, 1700000000000 + (int64_t)i) == OK);
    }
}

static uint32_t put_batch(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;

    options.control = prng_chance(prng, 1, 8);
    options.transactional = options.control || prng_chance(prng, 1, 4);
    options.codec =
        options.control ? COMPRESSION_NONE : (enum compression)prng_below(prng, COMPRESSION_COUNT);
    if (options.transactional || prng_chance(prng, 1, 2)) {
        options.producer_id = 7;
        options.producer_epoch = 1;
        options.base_sequence = options.control ? -1 : 3;
    }
    batch_builder_init(&builder, &options);
    if (options.control) {
        const struct control_marker marker = {.commit = true, .coordinator_epoch = 4};
        check(batch_builder_add_marker(&builder, &marker, 1700000000000) == OK);
    } else {
        add_records(&builder, prng);
    }
    check(batch_builder_finish(&builder, context, &bytes, &size_bytes) == OK);
    if (size_bytes > max_bytes)
        size_bytes = 0;
    if (size_bytes > 0)
        memcpy(out, bytes, size_bytes);
    batch_builder_deinit(&builder);
    return size_bytes;
}

static size_t make_seed(struct prng *prng, uint8_t *out, size_t max_bytes)
{
    size_t pos = 1;

    if (max_bytes < 2)
        return 0;
    if (!context)
        context = compression_context_create();
    out[0] = (uint8_t)prng_below(prng, 32);
    do
        pos += put_batch(prng, out + pos, max_bytes - pos);
    while (prng_chance(prng, 1, 3));
    return pos;
}

FUZZ_SEEDS(make_seed)
