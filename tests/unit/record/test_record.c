#include "base/prng.h"
#include "record/record.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static size_t encode(const struct record *record, uint8_t *bytes, size_t max_bytes)
{
    size_t size_bytes = record_encode(record, bytes, max_bytes);

    cr_assert(eq(sz, size_bytes, record_size(record)));
    return size_bytes;
}

Test(record, bytes_are_as_kafka_writes_them)
{
    const uint8_t expected[] = {0x10, 0, 0, 0, 0x02, 'k', 0x02, 'v', 0};
    uint8_t bytes[32];
    struct record record;

    record_init(&record, "k", 1, "v", 1);
    cr_assert(eq(sz, encode(&record, bytes, sizeof(bytes)), sizeof(expected)));
    cr_assert(eq(int, memcmp(bytes, expected, sizeof(expected)), 0));
}

Test(record, null_and_empty_are_different)
{
    struct record record;
    struct record read;
    uint8_t bytes[32];
    size_t size_bytes;
    size_t used;

    record_init(&record, NULL, -1, "", 0);
    size_bytes = encode(&record, bytes, sizeof(bytes));
    cr_assert(eq(int, record_decode(bytes, size_bytes, &read, &used), OK));
    cr_assert(eq(sz, used, size_bytes));
    cr_assert(eq(i32, read.key_bytes, -1));
    cr_assert(eq(i32, read.value_bytes, 0));
}

Test(record, headers_come_back_in_order)
{
    const struct record_header headers[] = {
        {.key = "a", .key_bytes = 1, .value = (const uint8_t *)"xyz", .value_bytes = 3},
        {.key = "", .key_bytes = 0, .value = NULL, .value_bytes = -1},
        {.key = "a", .key_bytes = 1, .value = (const uint8_t *)"", .value_bytes = 0},
    };
    struct record record;
    struct record read;
    struct record_header header;
    struct record_header_walk walk;
    uint8_t bytes[64];
    uint8_t again[64];
    size_t size_bytes;
    size_t used;

    record_init(&record, "k", 1, "v", 1);
    record.timestamp_delta_ms = -5000000000;
    record.offset_delta = INT32_MAX;
    record.headers = headers;
    record.header_count = 3;
    size_bytes = encode(&record, bytes, sizeof(bytes));
    cr_assert(eq(int, record_decode(bytes, size_bytes, &read, &used), OK));
    cr_assert(eq(i64, read.timestamp_delta_ms, -5000000000));
    cr_assert(eq(i32, read.offset_delta, INT32_MAX));
    record_header_walk_init(&walk, &read);
    for (size_t i = 0; i < 3; i++) {
        cr_assert(eq(int, record_header_next(&walk, &header), OK));
        cr_assert(eq(u32, header.key_bytes, headers[i].key_bytes));
        cr_assert(eq(i32, header.value_bytes, headers[i].value_bytes));
    }
    cr_assert(eq(int, record_header_next(&walk, &header), ERR_NOT_FOUND));
    /* and what was read is written again from its encoded headers */
    cr_assert(eq(sz, encode(&read, again, sizeof(again)), size_bytes));
    cr_assert(eq(int, memcmp(bytes, again, size_bytes), 0));
}

Test(record, what_cannot_be_encoded_is_refused)
{
    struct record_header header = {.key = "k", .key_bytes = 1, .value_bytes = -2};
    struct record record;
    uint8_t bytes[32];

    record_init(&record, "k", -2, "v", 1);
    cr_assert(eq(sz, record_encode(&record, bytes, sizeof(bytes)), 0));
    record_init(&record, "k", INT32_MAX, "v", INT32_MAX);
    cr_assert(eq(sz, record_size(&record), 0));
    record_init(&record, "k", 1, "v", 1);
    record.header_count = -1;
    cr_assert(eq(sz, record_size(&record), 0));
    record.headers = &header;
    record.header_count = 1;
    cr_assert(eq(sz, record_size(&record), 0));
    record_init(&record, "k", 1, "v", 1);
    cr_assert(eq(sz, record_encode(&record, bytes, 8), 0)); /* needs 9 */
}

static void refuses(const uint8_t *bytes, size_t size_bytes, enum err expected)
{
    struct golden copy = golden_copy(bytes, size_bytes);
    struct record record;
    size_t used;

    cr_assert(eq(int, record_decode(copy.bytes, copy.size_bytes, &record, &used), expected));
    golden_free(&copy);
}

Test(record, contradictions_are_malformed)
{
    refuses((const uint8_t[]){0x09}, 1, ERR_MALFORMED);                      /* length -5 */
    refuses((const uint8_t[]){0x00}, 1, ERR_MALFORMED);                      /* length 0 */
    refuses((const uint8_t[]){0x02, 0}, 2, ERR_MALFORMED);                   /* attributes only */
    refuses((const uint8_t[]){0x0a, 0, 0, 0, 1, 1}, 6, ERR_MALFORMED);       /* no header count */
    refuses((const uint8_t[]){0x0c, 0, 0, 0, 3, 1, 0}, 7, ERR_MALFORMED);    /* key length -2 */
    refuses((const uint8_t[]){0x0c, 0, 0, 0, 1, 1, 1}, 7, ERR_MALFORMED);    /* headers -1 */
    refuses((const uint8_t[]){0x0e, 0, 0, 0, 1, 1, 0, 0}, 8, ERR_MALFORMED); /* one byte over */
    refuses((const uint8_t[]){0x10, 0, 0, 0, 1, 1, 2, 1, 1}, 9,
            ERR_MALFORMED);                                                    /* null header key */
    refuses((const uint8_t[]){0x0e, 0, 0, 0, 1, 1, 100, 0}, 8, ERR_MALFORMED); /* 50 headers */
    refuses((const uint8_t[]){0x10, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80}, 9, ERR_MALFORMED);
    refuses((const uint8_t[]){0x80, 0x80, 0x80, 0x80, 0x80, 1}, 6, ERR_MALFORMED);
    refuses((const uint8_t[]){0x80, 0x80}, 2, ERR_TRUNCATED);
    refuses((const uint8_t[]){0xfe, 0xff, 0xff, 0xff, 0x0f, 0}, 6, ERR_TRUNCATED); /* 2^31 - 1 */
}

Test(record, every_prefix_is_truncated)
{
    struct record record;
    uint8_t bytes[64];
    size_t size_bytes;

    record_init(&record, "some key", 8, "some value", 10);
    size_bytes = encode(&record, bytes, sizeof(bytes));
    for (size_t size = 0; size < size_bytes; size++)
        refuses(bytes, size, ERR_TRUNCATED);
}

Test(record, random_bytes_never_lead_outside)
{
    struct prng prng;
    const uint64_t seed = 20240611;

    prng_init(&prng, seed);
    for (int i = 0; i < 200000; i++) {
        uint8_t bytes[24];
        size_t size_bytes = prng_below(&prng, sizeof(bytes) + 1);
        struct record record;
        struct golden copy;
        size_t used;

        prng_fill(&prng, bytes, sizeof(bytes));
        bytes[0] = (uint8_t)(prng_below(&prng, sizeof(bytes)) * 2);
        for (size_t j = 4; j < sizeof(bytes); j++)
            bytes[j] &= (uint8_t)(prng_chance(&prng, 1, 2) ? 0x07 : 0xff);
        copy = golden_copy(bytes, size_bytes);
        if (record_decode(copy.bytes, copy.size_bytes, &record, &used) == OK) {
            cr_assert(used <= size_bytes, "seed %lu", seed);
            cr_assert(record_size(&record) <= used, "seed %lu", seed); /* shortest varints */
        }
        golden_free(&copy);
    }
}

Test(record, walk_wants_exactly_the_counted_records)
{
    struct record record;
    struct record_walk walk;
    uint8_t bytes[64];
    size_t size_bytes;

    record_init(&record, "k", 1, "v", 1);
    size_bytes = encode(&record, bytes, sizeof(bytes));
    size_bytes += encode(&record, bytes + size_bytes, sizeof(bytes) - size_bytes);

    record_walk_init(&walk, bytes, size_bytes, 2);
    cr_assert(eq(int, record_next(&walk, &record), OK));
    cr_assert(eq(int, record_next(&walk, &record), OK));
    cr_assert(eq(int, record_next(&walk, &record), ERR_NOT_FOUND));

    record_walk_init(&walk, bytes, size_bytes, 1);
    cr_assert(eq(int, record_next(&walk, &record), OK));
    cr_assert(eq(int, record_next(&walk, &record), ERR_MALFORMED));

    record_walk_init(&walk, bytes, size_bytes, 3);
    cr_assert(eq(int, record_next(&walk, &record), OK));
    cr_assert(eq(int, record_next(&walk, &record), OK));
    cr_assert(eq(int, record_next(&walk, &record), ERR_TRUNCATED));

    record_walk_init(&walk, bytes, 0, -1);
    cr_assert(eq(int, record_next(&walk, &record), ERR_NOT_FOUND));
}
