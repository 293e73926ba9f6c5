#include "base/prng.h"
#include "base/varint.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

/* Every length, its neighbours, and both ends of the types. */
static uint64_t edge(unsigned i)
{
    uint64_t power = 1ULL << (i / 3);

    return power + i % 3 - 1;
}
enum { EDGES = 64 * 3 };

Test(varint, writes_the_bytes_of_the_specification)
{
    static const uint8_t three_hundred[] = {0xac, 0x02};
    static const uint8_t minus_one_u32[] = {0xff, 0xff, 0xff, 0xff, 0x0f};
    uint8_t bytes[10];

    cr_assert(eq(sz, varint_put_u32(bytes, 10, 300), 2));
    cr_assert(eq(int, memcmp(bytes, three_hundred, 2), 0));
    cr_assert(eq(sz, varint_put_u32(bytes, 10, UINT32_MAX), 5));
    cr_assert(eq(int, memcmp(bytes, minus_one_u32, 5), 0));
    cr_assert(eq(sz, varint_put_i32(bytes, 10, -1), 1));
    cr_assert(eq(u8, bytes[0], 1));
    cr_assert(eq(sz, varint_put_i64(bytes, 10, INT64_MIN), 10));
    cr_assert(eq(u8, bytes[9], 1));
}

Test(varint, numbers_come_back_and_take_the_size_foretold)
{
    for (unsigned i = 0; i < EDGES; i++) {
        uint64_t value = edge(i);
        uint8_t bytes[10];
        uint64_t u64;
        int64_t i64;
        uint32_t u32;
        int32_t i32;
        size_t size = varint_put_u64(bytes, 10, value);
        cr_assert(eq(sz, size, varint_size_u64(value)));
        cr_assert(eq(int, varint_get_u64(bytes, 10, &u64), (int)size));
        cr_assert(eq(u64, u64, value));

        size = varint_put_i64(bytes, 10, (int64_t)value);
        cr_assert(eq(sz, size, varint_size_i64((int64_t)value)));
        cr_assert(eq(int, varint_get_i64(bytes, size, &i64), (int)size));
        cr_assert(eq(i64, i64, (int64_t)value));

        size = varint_put_u32(bytes, 10, (uint32_t)value);
        cr_assert(eq(sz, size, varint_size_u32((uint32_t)value)));
        cr_assert(eq(int, varint_get_u32(bytes, size, &u32), (int)size));
        cr_assert(eq(u32, u32, (uint32_t)value));

        size = varint_put_i32(bytes, 10, (int32_t)value);
        cr_assert(eq(sz, size, varint_size_i32((int32_t)value)));
        cr_assert(eq(int, varint_get_i32(bytes, size, &i32), (int)size));
        cr_assert(eq(i32, i32, (int32_t)value));
    }
}

Test(varint, every_cut_is_seen_as_truncated)
{
    uint8_t bytes[10];
    uint64_t u64 = 99;
    uint32_t u32 = 99;

    cr_assert(eq(sz, varint_put_u64(bytes, 10, UINT64_MAX), 10));
    for (size_t size = 0; size < 10; size++)
        cr_assert(eq(int, varint_get_u64(bytes, size, &u64), VARINT_TRUNCATED));
    cr_assert(eq(sz, varint_put_u32(bytes, 10, UINT32_MAX), 5));
    for (size_t size = 0; size < 5; size++)
        cr_assert(eq(int, varint_get_u32(bytes, size, &u32), VARINT_TRUNCATED));
    cr_assert(eq(u64, u64, 99));
    cr_assert(eq(u32, u32, 99));
}

Test(varint, refuses_bits_beyond_the_type)
{
    uint8_t bytes[11] = {0x80, 0x80, 0x80, 0x80, 0x10};
    uint64_t u64 = 99;
    uint32_t u32 = 99;
    int32_t i32 = 99;

    cr_assert(eq(int, varint_get_u32(bytes, 11, &u32), VARINT_MALFORMED));
    cr_assert(eq(int, varint_get_i32(bytes, 11, &i32), VARINT_MALFORMED));
    bytes[4] = 0x80; /* a sixth byte would follow */
    cr_assert(eq(int, varint_get_u32(bytes, 11, &u32), VARINT_MALFORMED));
    memset(bytes, 0x80, 9);
    bytes[9] = 0x02;
    cr_assert(eq(int, varint_get_u64(bytes, 11, &u64), VARINT_MALFORMED));
    bytes[9] = 0x81;
    cr_assert(eq(int, varint_get_u64(bytes, 11, &u64), VARINT_MALFORMED));
    cr_assert(eq(u64, u64, 99));
    cr_assert(eq(u32, u32, 99));
    cr_assert(eq(i32, i32, 99));
}

Test(varint, accepts_needlessly_long_forms)
{
    static const uint8_t bytes[] = {0x83, 0x80, 0x00};
    uint32_t u32;

    cr_assert(eq(int, varint_get_u32(bytes, 3, &u32), 3));
    cr_assert(eq(u32, u32, 3));
}

Test(varint, writes_nothing_where_it_does_not_fit)
{
    for (unsigned i = 0; i < EDGES; i++) {
        uint8_t bytes[11];
        size_t size = varint_size_u64(edge(i));
        memset(bytes, 0xee, sizeof(bytes));
        cr_assert(eq(sz, varint_put_u64(bytes, size - 1, edge(i)), 0));
        for (size_t k = 0; k < sizeof(bytes); k++)
            cr_assert(eq(u8, bytes[k], 0xee));
        cr_assert(eq(sz, varint_put_u64(bytes, size, edge(i)), size));
        cr_assert(eq(u8, bytes[size], 0xee));
    }
}

Test(varint, any_bytes_are_read_within_their_range)
{
    struct prng prng;

    prng_init(&prng, 5);
    for (int i = 0; i < 20000; i++) {
        uint8_t bytes[12];
        size_t size = prng_below(&prng, 12);
        uint64_t u64;
        int used;
        prng_fill(&prng, bytes, sizeof(bytes));
        for (size_t k = 0; k < size; k++)
            bytes[k] |= prng_chance(&prng, 3, 4) ? 0x80 : 0;
        used = varint_get_u64(bytes, size, &u64);
        cr_assert(le(int, used, (int)size));
        if (used > 0)
            cr_assert(le(sz, varint_size_u64(u64), (size_t)used));
    }
}
