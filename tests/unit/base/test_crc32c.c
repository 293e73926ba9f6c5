#include "base/crc32c.h"
#include "base/crc32c_ways.h"
#include "base/prng.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct crc32c_way ways[4];
static size_t way_count;
static uint8_t bytes[70000];

static void setup(void)
{
    struct prng prng;

    way_count = crc32c_ways(ways, 4);
    prng_init(&prng, 51);
    prng_fill(&prng, bytes, sizeof(bytes));
}

/* The definition, bit by bit. */
static uint32_t plain(uint32_t state, const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        state ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            state = state >> 1 ^ (state & 1 ? 0x82f63b78U : 0);
    }
    return state;
}

Test(crc32c, gives_the_values_of_rfc_3720)
{
    uint8_t block[32];

    cr_assert(eq(u32, crc32c(0, "123456789", 9), 0xe3069283));
    cr_assert(eq(u32, crc32c(0, "", 0), 0));
    memset(block, 0, sizeof(block));
    cr_assert(eq(u32, crc32c(0, block, 32), 0x8a9136aa));
    memset(block, 0xff, sizeof(block));
    cr_assert(eq(u32, crc32c(0, block, 32), 0x62a8ab43));
    for (uint8_t i = 0; i < 32; i++)
        block[i] = i;
    cr_assert(eq(u32, crc32c(0, block, 32), 0x46dd794e));
    for (uint8_t i = 0; i < 32; i++)
        block[i] = (uint8_t)(31 - i);
    cr_assert(eq(u32, crc32c(0, block, 32), 0x113fdb5c));
}

Test(crc32c, every_way_agrees_with_the_definition_at_all_sizes_and_alignments, .init = setup)
{
    cr_assert(ge(sz, way_count, 1));
    cr_assert(eq(str, (char *)ways[way_count - 1].name, "table"));
    for (size_t align = 0; align < 64; align++) {
        uint32_t state = 0x12345678;
        for (size_t size = 0; size <= 2000; size++) {
            for (size_t w = 0; w < way_count; w++) {
                uint32_t got = ways[w].update(0x12345678, bytes + align, size);
                if (got != state)
                    cr_fail("%s size %zu align %zu", ways[w].name, size, align);
            }
            state = plain(state, bytes + align + size, 1);
        }
    }
}

Test(crc32c, every_way_agrees_on_large_sizes, .init = setup)
{
    static const size_t sizes[] = {3071, 3072, 3073, 4096, 6143, 6144, 16384, 65535, 65536, 69999};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint32_t expected = plain(0, bytes + 1, sizes[i]);
        for (size_t w = 0; w < way_count; w++)
            cr_assert(eq(u32, ways[w].update(0, bytes + 1, sizes[i]), expected), "%s %zu",
                      ways[w].name, sizes[i]);
    }
}

Test(crc32c, goes_on_where_it_stopped_and_combines, .init = setup)
{
    struct prng prng;

    prng_init(&prng, 52);
    for (int i = 0; i < 2000; i++) {
        size_t size = prng_below(&prng, 5000);
        size_t cut = prng_below(&prng, size + 1);
        uint32_t whole = crc32c(0, bytes, size);
        uint32_t front = crc32c(0, bytes, cut);
        uint32_t back = crc32c(0, bytes + cut, size - cut);
        cr_assert(eq(u32, crc32c(front, bytes + cut, size - cut), whole));
        cr_assert(eq(u32, crc32c_combine(front, back, size - cut), whole));
    }
}

Test(crc32c, combines_over_sizes_that_no_memory_holds)
{
    /* n zero bytes twice are 2n zero bytes once, far past where the table of powers goes round */
    uint32_t crc = crc32c(0, "levee", 5);
    uint32_t zeroes = crc32c(0, "\0", 1);
    uint64_t size = 1;

    while (size < 1ULL << 62) {
        zeroes = crc32c_combine(zeroes, zeroes, size);
        size *= 2;
        cr_assert(eq(u32, crc32c_combine(crc32c_combine(crc, zeroes, size), zeroes, size),
                     crc32c_combine(crc, crc32c_combine(zeroes, zeroes, size), size * 2)));
    }
    zeroes = crc32c(0, "\0", 1);
    for (int i = 0; i < 16; i++)
        zeroes = crc32c_combine(zeroes, zeroes, 1ULL << i);
    cr_assert(eq(u32, zeroes, crc32c(0, (uint8_t[65536]){0}, 65536)));
}

Test(crc32c, names_the_way_it_goes, .init = setup)
{
    cr_assert(eq(str, (char *)crc32c_method(), (char *)ways[0].name));
}
