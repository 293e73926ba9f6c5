#include "base/mem.h"
#include "base/prng.h"
#include "storage/log/offset_index.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct offset_index index_;

static void setup(void)
{
    offset_index_init(&index_, 100, 4096, 1000);
}

static void teardown(void)
{
    offset_index_deinit(&index_);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(offset_index, .init = setup, .fini = teardown);

Test(offset_index, an_entry_comes_after_more_than_the_interval)
{
    struct offset_position last;

    cr_assert(not(offset_index_add_batch(&index_, 101, 0, 4096)));
    cr_assert(not(offset_index_last(&index_, &last)));
    cr_assert(not(offset_index_add_batch(&index_, 102, 4096, 1))); /* 4096 is not more */
    cr_assert(offset_index_add_batch(&index_, 103, 4097, 50));     /* 4097 is */
    cr_assert(offset_index_last(&index_, &last));
    cr_assert(eq(i64, last.offset, 103));
    cr_assert(eq(u32, last.pos, 4097));
    cr_assert(not(offset_index_add_batch(&index_, 104, 4147, 50)));
}

Test(offset_index, the_file_of_kafka_is_read_and_written)
{
    struct golden file = golden_read("storage/offsets.index");
    uint8_t bytes[64];
    struct offset_position at;

    cr_assert(eq(int, offset_index_decode(&index_, file.bytes, file.size_bytes), OK));
    cr_assert(eq(u32, index_.count, 3));
    at = offset_index_find(&index_, 229);
    cr_assert(eq(i64, at.offset, 105));
    cr_assert(eq(u32, at.pos, 4096));
    at = offset_index_find(&index_, 230);
    cr_assert(eq(u32, at.pos, 9000));
    at = offset_index_find(&index_, 104);
    cr_assert(eq(i64, at.offset, 100));
    cr_assert(eq(u32, at.pos, 0));
    at = offset_index_find(&index_, INT64_MAX);
    cr_assert(eq(i64, at.offset, 2147483747));
    cr_assert(eq(sz, offset_index_size_bytes(&index_), file.size_bytes));
    offset_index_encode(&index_, bytes);
    cr_assert(eq(int, memcmp(bytes, file.bytes, file.size_bytes), 0));
    golden_free(&file);
}

Test(offset_index, broken_files_are_refused_and_change_nothing)
{
    const uint8_t zeros[24] = {0};
    const uint8_t falling[16] = {0, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0, 4, 0, 0, 0, 10};
    const uint8_t same_pos[16] = {0, 0, 0, 5, 0, 0, 0, 9, 0, 0, 0, 6, 0, 0, 0, 9};
    const uint8_t negative[8] = {0x80, 0, 0, 5, 0, 0, 0, 9};
    static const uint8_t many[8008] = {0};

    cr_assert(eq(int, offset_index_decode(&index_, zeros, 24), ERR_CORRUPT));
    cr_assert(eq(int, offset_index_decode(&index_, zeros, 8), OK));
    cr_assert(eq(int, offset_index_decode(&index_, zeros, 9), ERR_MALFORMED));
    cr_assert(eq(int, offset_index_decode(&index_, falling, 16), ERR_CORRUPT));
    cr_assert(eq(int, offset_index_decode(&index_, same_pos, 16), ERR_CORRUPT));
    cr_assert(eq(int, offset_index_decode(&index_, negative, 8), ERR_CORRUPT));
    cr_assert(eq(int, offset_index_decode(&index_, many, sizeof(many)), ERR_TOO_LARGE));
    cr_assert(eq(u32, index_.count, 1));
    cr_assert(eq(int, offset_index_decode(&index_, NULL, 0), OK));
    cr_assert(eq(u32, index_.count, 0));
}

Test(offset_index, is_full_at_its_count_and_at_32_bits)
{
    offset_index_deinit(&index_);
    offset_index_init(&index_, 100, 0, 2);
    offset_index_add_batch(&index_, 100, 0, 10);
    cr_assert(not(offset_index_is_full(&index_, 101)));
    cr_assert(offset_index_is_full(&index_, 100 + (int64_t)INT32_MAX + 1));
    cr_assert(not(offset_index_is_full(&index_, 100 + (int64_t)INT32_MAX)));
    offset_index_add_batch(&index_, 101, 10, 10);
    offset_index_add_batch(&index_, 102, 20, 10);
    cr_assert(offset_index_is_full(&index_, 103));
    offset_index_add_batch(&index_, 103, 30, 10);
    cr_assert(eq(u32, index_.count, 2));
}

Test(offset_index, fits_compares_with_the_segment)
{
    offset_index_add_batch(&index_, 101, 0, 5000);
    offset_index_add_batch(&index_, 110, 5000, 100);
    cr_assert(offset_index_fits(&index_, 5100, 110));
    cr_assert(not(offset_index_fits(&index_, 5000, 110)));
    cr_assert(not(offset_index_fits(&index_, 5100, 109)));
    offset_index_clear(&index_);
    cr_assert(offset_index_fits(&index_, 0, 99));
}

Test(offset_index, lookups_agree_with_a_walk_over_the_batches)
{
    enum { BATCHES = 400 };
    int64_t last_offsets[BATCHES];
    uint32_t positions[BATCHES];
    struct prng prng;

    for (uint64_t seed = 0; seed < 50; seed++) {
        int64_t offset = 99;
        uint64_t pos = 0;
        int count = BATCHES;

        prng_init(&prng, seed);
        offset_index_deinit(&index_);
        offset_index_init(&index_, 100, 300, 1000);
        for (int i = 0; i < BATCHES; i++) {
            uint32_t size_bytes = (uint32_t)prng_below(&prng, 200) + 61;

            offset += (int64_t)prng_below(&prng, 5) + 1;
            last_offsets[i] = offset;
            positions[i] = (uint32_t)pos;
            offset_index_add_batch(&index_, offset, pos, size_bytes);
            pos += size_bytes;
        }
        if (seed % 2) { /* cut at a batch */
            count = (int)prng_below(&prng, BATCHES - 1) + 1;
            offset_index_truncate(&index_, last_offsets[count - 1] + 1);
            pos = positions[count];
            cr_assert(offset_index_fits(&index_, pos, last_offsets[count - 1]));
        }
        for (int i = 0; i < count; i++) {
            struct offset_position at = offset_index_find(&index_, last_offsets[i]);
            struct offset_position above;
            int steps = 0;

            cr_assert(at.offset <= last_offsets[i] || at.pos == 0);
            cr_assert(at.pos <= positions[i], "seed %lu", seed);
            for (int j = i; j >= 0 && positions[j] > at.pos; j--)
                steps++;
            cr_assert(steps <= 6, "seed %lu: %d batches to read", seed, steps);
            if (offset_index_upper(&index_, positions[i], &above))
                cr_assert(above.pos > positions[i] && above.pos <= positions[i] + 900);
        }
    }
}
