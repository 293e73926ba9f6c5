#include "base/mem.h"
#include "base/prng.h"
#include "storage/log/time_index.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct time_index index_;

static void setup(void)
{
    time_index_init(&index_, 100, 1000);
}

static void teardown(void)
{
    time_index_deinit(&index_);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(time_index, .init = setup, .fini = teardown);

Test(time_index, entries_hold_the_largest_time_so_far)
{
    cr_assert(not(time_index_add_entry(&index_, false)));
    time_index_note_batch(&index_, 50, 105);
    time_index_note_batch(&index_, 40, 106);
    time_index_note_batch(&index_, 50, 107);
    cr_assert(time_index_add_entry(&index_, false));
    cr_assert(eq(i64, time_index_last(&index_).timestamp_ms, 50));
    cr_assert(eq(i64, time_index_last(&index_).offset, 105));
    time_index_note_batch(&index_, 49, 108);
    cr_assert(not(time_index_add_entry(&index_, false)));
    time_index_note_batch(&index_, 51, 109);
    cr_assert(time_index_add_entry(&index_, true));
    cr_assert(eq(u32, index_.count, 2));
}

Test(time_index, records_without_time_make_no_entry)
{
    time_index_note_batch(&index_, -1, 105);
    cr_assert(not(time_index_add_entry(&index_, true)));
    time_index_note_batch(&index_, 0, 106);
    cr_assert(time_index_add_entry(&index_, true));
}

Test(time_index, the_file_of_kafka_is_read_and_written)
{
    struct golden file = golden_read("storage/times.timeindex");
    uint8_t bytes[64];

    cr_assert(eq(int, time_index_decode(&index_, file.bytes, file.size_bytes), OK));
    cr_assert(eq(u32, index_.count, 3));
    cr_assert(eq(i64, time_index_find(&index_, 1700000000000).offset, 105));
    cr_assert(eq(i64, time_index_find(&index_, 1699999999999).timestamp_ms, -1));
    cr_assert(eq(i64, time_index_find(&index_, 1699999999999).offset, 100));
    cr_assert(eq(i64, time_index_find(&index_, 1700000009998).timestamp_ms, 1700000000001));
    cr_assert(eq(i64, time_index_find(&index_, INT64_MAX).offset, 300));
    cr_assert(eq(i64, index_.max_timestamp_ms, 1700000009999));
    cr_assert(eq(i64, index_.max_offset, 300));
    cr_assert(eq(sz, time_index_size_bytes(&index_), file.size_bytes));
    time_index_encode(&index_, bytes);
    cr_assert(eq(int, memcmp(bytes, file.bytes, file.size_bytes), 0));
    golden_free(&file);
}

Test(time_index, broken_files_are_refused_and_change_nothing)
{
    const uint8_t zeros[24] = {0};
    const uint8_t falling_offset[24] = {0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5,
                                        0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 4};
    const uint8_t negative[12] = {0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 5};

    cr_assert(eq(int, time_index_decode(&index_, zeros, 24), ERR_CORRUPT));
    cr_assert(eq(int, time_index_decode(&index_, zeros, 12), OK));
    cr_assert(eq(int, time_index_decode(&index_, zeros, 11), ERR_MALFORMED));
    cr_assert(eq(int, time_index_decode(&index_, falling_offset, 24), ERR_CORRUPT));
    cr_assert(eq(int, time_index_decode(&index_, negative, 12), ERR_CORRUPT));
    cr_assert(eq(u32, index_.count, 1));
    time_index_deinit(&index_);
    time_index_init(&index_, 100, 0);
    cr_assert(eq(int, time_index_decode(&index_, zeros, 24), ERR_TOO_LARGE));
}

Test(time_index, the_last_slot_is_kept_for_the_end)
{
    time_index_deinit(&index_);
    time_index_init(&index_, 0, 1);
    time_index_note_batch(&index_, 1, 1);
    cr_assert(time_index_add_entry(&index_, false));
    time_index_note_batch(&index_, 2, 2);
    cr_assert(not(time_index_add_entry(&index_, false)));
    cr_assert(time_index_add_entry(&index_, true));
    time_index_note_batch(&index_, 3, 3);
    cr_assert(not(time_index_add_entry(&index_, true)));
}

/* A search by time that begins at the found entry misses nothing. */
Test(time_index, no_record_up_to_the_found_offset_is_later)
{
    enum { BATCHES = 300 };
    int64_t times[BATCHES];
    struct prng prng;

    for (uint64_t seed = 0; seed < 60; seed++) {
        int count = BATCHES;

        prng_init(&prng, seed);
        time_index_clear(&index_);
        for (int i = 0; i < BATCHES; i++) {
            times[i] = (int64_t)prng_below(&prng, 100) + i * 3;
            time_index_note_batch(&index_, times[i], 100 + i);
            if (i % 5 == 0)
                time_index_add_entry(&index_, false);
        }
        time_index_add_entry(&index_, true);
        if (seed % 2) {
            count = (int)prng_below(&prng, BATCHES) + 1;
            time_index_truncate(&index_, 100 + count);
            cr_assert(time_index_fits(&index_, 100 + count - 1));
            for (int i = (int)(time_index_last(&index_).offset - 100); i < count; i++)
                time_index_note_batch(&index_, times[i], 100 + i);
        }
        for (int64_t asked = 0; asked < 1000; asked += 7) {
            struct time_position at = time_index_find(&index_, asked);
            int64_t largest_ms = -1;

            for (int i = 0; i < count && 100 + i <= at.offset; i++)
                largest_ms = times[i] > largest_ms ? times[i] : largest_ms;
            if (at.timestamp_ms >= 0)
                cr_assert(largest_ms == at.timestamp_ms && at.timestamp_ms <= asked, "seed %lu",
                          seed);
        }
        int64_t largest_ms = -1;
        for (int i = 0; i < count; i++)
            largest_ms = times[i] > largest_ms ? times[i] : largest_ms;
        cr_assert(eq(i64, index_.max_timestamp_ms, largest_ms), "seed %lu", seed);
    }
}
