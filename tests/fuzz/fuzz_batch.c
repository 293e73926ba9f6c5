/* fuzz_batch: any bytes as a client's batch, and as batches found in a segment.
 *
 * The first byte chooses rules and repairs: with length, magic and checksum put right, the fuzzer
 * gets past the envelope and into records and codecs. */
#include "base/check.h"
#include "base/mem.h"
#include "storage/batch_recode.h"
#include "storage/batch_validate.h"
#include "storage/control_record.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    REPAIR = 0x01,
    COMPACT = 0x02,
    LOG_APPEND_TIME = 0x04,
    OLD_PRODUCE = 0x08,
    TRUST_COMPRESSED = 0x10,
    EXPANDED_MAX_BYTES = 1 << 20,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes);

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
