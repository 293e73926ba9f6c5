#include "base/prng.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

Test(prng, gives_the_published_sequence)
{
    /* xoshiro256** from the state 1, 2, 3, 4: its authors' reference output */
    struct prng prng = {.s = {1, 2, 3, 4}};

    cr_assert(eq(u64, prng_u64(&prng), 11520));
    cr_assert(eq(u64, prng_u64(&prng), 0));
    cr_assert(eq(u64, prng_u64(&prng), 1509978240));
    cr_assert(eq(u64, prng_u64(&prng), 1215971899390074240U));
}

Test(prng, fills_its_state_with_splitmix64)
{
    struct prng prng;

    prng_init(&prng, 0);
    cr_assert(eq(u64, prng.s[0], 0xe220a8397b1dcdafU));
    cr_assert(eq(u64, prng.s[1], 0x6e789e6aa1b965f4U));
}

Test(prng, one_seed_gives_one_run)
{
    struct prng a;
    struct prng b;

    prng_init(&a, 42);
    prng_init(&b, 42);
    for (int i = 0; i < 100; i++)
        cr_assert(eq(u64, prng_u64(&a), prng_u64(&b)));
    prng_init(&b, 43);
    cr_assert(ne(u64, prng_u64(&a), prng_u64(&b)));
}

Test(prng, forks_depend_on_the_name_and_not_on_the_order)
{
    struct prng parent;
    struct prng disk;
    struct prng net;
    struct prng disk_again;
    struct prng before;

    prng_init(&parent, 7);
    before = parent;
    prng_fork(&parent, "disk", &disk);
    prng_fork(&parent, "net", &net);
    prng_fork(&parent, "disk", &disk_again);
    cr_assert(eq(int, memcmp(&parent, &before, sizeof(parent)), 0));
    cr_assert(eq(u64, prng_u64(&disk), prng_u64(&disk_again)));
    cr_assert(ne(u64, prng_u64(&disk), prng_u64(&net)));
    prng_u64(&parent);
    prng_fork(&parent, "disk", &disk_again);
    cr_assert(ne(u64, prng_u64(&disk), prng_u64(&disk_again)));
}

Test(prng, below_reaches_every_value_about_equally)
{
    struct prng prng;
    uint32_t seen[7] = {0};

    prng_init(&prng, 1);
    for (int i = 0; i < 70000; i++)
        seen[prng_below(&prng, 7)]++;
    for (int i = 0; i < 7; i++) {
        cr_assert(lt(u32, 9600, seen[i]));
        cr_assert(lt(u32, seen[i], 10400));
    }
    cr_assert(eq(u64, prng_below(&prng, 1), 0));
}

Test(prng, below_a_large_number_has_no_bias)
{
    /* of 3 * 2^62, a plain remainder would give the lowest third twice as often */
    struct prng prng;
    uint32_t low = 0;

    prng_init(&prng, 2);
    for (int i = 0; i < 30000; i++)
        low += prng_below(&prng, 3ULL << 62) < 1ULL << 62;
    cr_assert(lt(u32, 9500, low));
    cr_assert(lt(u32, low, 10500));
}

Test(prng, chance_is_what_it_says)
{
    struct prng prng;
    uint32_t hits = 0;

    prng_init(&prng, 3);
    for (int i = 0; i < 40000; i++) {
        hits += prng_chance(&prng, 1, 4);
        cr_assert(not(prng_chance(&prng, 0, 4)));
        cr_assert(prng_chance(&prng, 4, 4));
    }
    cr_assert(lt(u32, 9600, hits));
    cr_assert(lt(u32, hits, 10400));
}

Test(prng, fill_writes_exactly_the_range)
{
    struct prng prng;
    uint8_t bytes[64];

    prng_init(&prng, 4);
    for (size_t size = 0; size < 40; size++) {
        uint32_t changed = 0;
        memset(bytes, 0xee, sizeof(bytes));
        prng_fill(&prng, bytes + 1, size);
        for (size_t i = 1; i <= size; i++)
            changed += bytes[i] != 0xee;
        cr_assert(eq(u8, bytes[0], 0xee));
        cr_assert(eq(u8, bytes[size + 1], 0xee));
        cr_assert(ge(u32, changed + 3, (uint32_t)size));
    }
}
