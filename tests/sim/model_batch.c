#include "tests/sim/model_batch.h"

#include "base/check.h"
#include "base/mem.h"
#include "record/batch.h"
#include "record/batch_builder.h"
#include "tests/sim/model_record.h"

#include <string.h>

enum { REST_BYTES_MAX = 200, MS_OF_TEN_YEARS_LOG2 = 38 };

static void put_u32(uint8_t *bytes, uint32_t number)
{
    for (uint32_t i = 0; i < 4; i++)
        bytes[i] = (uint8_t)(number >> (24 - 8 * i));
}

static int64_t wrong_time(struct prng *prng, int64_t right_ms)
{
    int64_t far = (int64_t)prng_below(prng, 1ULL << MS_OF_TEN_YEARS_LOG2);

    switch (prng_below(prng, 7)) {
    case 0:
        return -1;
    case 1:
        return 0;
    case 2:
        return right_ms + 7;
    case 3:
        return right_ms - far;
    case 4:
        return INT64_MAX;
    case 5:
        return INT64_MIN;
    default:
        return right_ms + far;
    }
}

/* Part of the batch itself, cut short, stands behind it. */
static void add_rest(struct prng *prng, uint8_t **bytes, uint32_t *size_bytes)
{
    uint32_t most = *size_bytes - 1 < REST_BYTES_MAX ? *size_bytes - 1 : REST_BYTES_MAX;
    uint32_t rest_bytes = 1 + (uint32_t)prng_below(prng, most);
    uint8_t *longer = mem_realloc(*bytes, *size_bytes + rest_bytes);

    memcpy(longer + *size_bytes, longer, rest_bytes);
    if (rest_bytes < BATCH_PREFIX_BYTES && prng_chance(prng, 1, 2))
        memset(longer + *size_bytes, 0, rest_bytes);
    *bytes = longer;
    *size_bytes += rest_bytes;
}

static void double_it(uint8_t **bytes, uint32_t *size_bytes)
{
    *bytes = mem_realloc(*bytes, 2 * (size_t)*size_bytes);
    memcpy(*bytes + *size_bytes, *bytes, *size_bytes);
    *size_bytes *= 2;
}

static void lie(const struct model_batch_spec *spec, struct prng *prng, uint8_t **bytes,
                uint32_t *size_bytes)
{
    uint32_t batch_bytes = *size_bytes;
    struct batch_header header;
    bool with_crc = true;

    check(batch_parse(*bytes, batch_bytes, &header) == OK);
    switch (spec->lie) {
    case MODEL_LIE_MAX_TIMESTAMP:
    case MODEL_LIE_BOTH:
        header.max_timestamp_ms = wrong_time(prng, header.max_timestamp_ms);
        break;
    case MODEL_LIE_EPOCH:
        header.leader_epoch = (int32_t)prng_below(prng, 1000) - 1;
        break;
    case MODEL_BAD_CRC:
        header.crc ^= 1U << prng_below(prng, 32);
        with_crc = false;
        break;
    case MODEL_BAD_COUNT:
        header.record_count += prng_chance(prng, 1, 2) ? 1 : -1;
        break;
    case MODEL_BAD_LAST_DELTA:
        header.last_offset_delta += 1 + (int32_t)prng_below(prng, 1000);
        break;
    case MODEL_BAD_CODEC:
        header.attributes = (int16_t)((header.attributes & ~BATCH_CODEC_MASK) | 7);
        break;
    case MODEL_BAD_CONTROL:
        header.attributes |= BATCH_CONTROL;
        break;
    case MODEL_BAD_OFFSET:
        header.base_offset = 1 + (int64_t)prng_below(prng, 1000);
        break;
    case MODEL_BAD_BODY: /* the first record's length does not fit any more */
        (*bytes)[BATCH_HEADER_BYTES] ^= 0x40;
        break;
    default:
        break;
    }
    batch_put_header(*bytes, &header);
    if (with_crc)
        batch_set_crc(*bytes, batch_bytes);
    if (spec->lie == MODEL_LIE_REST || spec->lie == MODEL_LIE_BOTH)
        add_rest(prng, bytes, size_bytes);
    if (spec->lie == MODEL_BAD_TWO)
        double_it(bytes, size_bytes);
    if (spec->lie == MODEL_BAD_SIZE)
        put_u32(*bytes + 8, batch_bytes - BATCH_PREFIX_BYTES + 1 + (uint32_t)prng_below(prng, 100));
}

void model_batch_make(const struct model_batch_spec *spec, struct compression_context *compression,
                      struct prng *prng, uint8_t **bytes_out, uint32_t *size_out)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct model_record record;
    const uint8_t *bytes;
    int32_t longest = HISTORY_VALUE_BYTES_MIN;
    uint8_t *value_bytes;

    for (int32_t i = 0; i < spec->records_count; i++)
        if (spec->records[i].value_bytes > longest)
            longest = spec->records[i].value_bytes;
    value_bytes = mem_alloc((size_t)longest);
    options.codec = spec->codec;
    options.producer_id = spec->producer_id;
    options.producer_epoch = spec->producer_epoch;
    options.base_sequence = spec->base_sequence;
    batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < spec->records_count; i++) {
        model_record_make(&record, spec->first_value + (uint64_t)i, spec->records[i].value_bytes,
                          spec->plain, value_bytes);
        check(batch_builder_add(&builder, &record.record, spec->records[i].timestamp_ms) == OK);
    }
    check(batch_builder_finish(&builder, compression, &bytes, size_out) == OK);
    *bytes_out = mem_alloc(*size_out);
    memcpy(*bytes_out, bytes, *size_out);
    batch_builder_deinit(&builder);
    mem_free(value_bytes);
    if (spec->lie != MODEL_HONEST)
        lie(spec, prng, bytes_out, size_out);
}
