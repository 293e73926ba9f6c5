#include "tools/load/load_stamp.h"
#include "tools/load/verify_partition.h"
#include "tools/load/verify_stamps.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

static struct verify_partition *partition;
static struct verify_stamps stamps;
static int64_t next_offset;

static void begin(void)
{
    struct verify_partition_options options = {.producers_max = 1};

    next_offset = 0;
    cr_assert(eq(int, verify_partition_create(&options, &partition), OK));
    cr_assert(eq(int, verify_stamps_init(&stamps), OK));
}

static void end(void)
{
    verify_stamps_deinit(&stamps);
    verify_partition_destroy(partition);
}

static void put(uint32_t producer, uint32_t epoch, uint64_t sequence, bool is_broken)
{
    uint8_t value[LOAD_STAMP_BYTES + 8] = {0};
    struct load_stamp stamp = {
        .run = 1, .producer = producer, .epoch = epoch, .partition_sequence = sequence};
    struct record record;

    load_stamp_write(value, sizeof(value), "k", 1, &stamp);
    value[sizeof(value) - 1] ^= is_broken;
    record_init(&record, "k", 1, value, sizeof(value));
    verify_stamps_record(&stamps, partition, &record, next_offset++);
}

static uint64_t found(void)
{
    return partition->counts[VERIFY_STAMP];
}

Test(verify_stamps, takes_stamps_that_rise_of_each_producer, .init = begin, .fini = end)
{
    struct record foreign;

    put(0, 0, 0, false);
    put(1, 0, 5, false);
    put(0, 0, 2, false); /* one between them was aborted, or never stored */
    put(0, 1, 0, false); /* the tool was started again */
    record_init(&foreign, NULL, -1, "not a stamp at all, and long enough to hold one, as it may be",
                60);
    verify_stamps_record(&stamps, partition, &foreign, next_offset++);
    cr_assert(eq(u64, found(), 0));
    cr_assert(eq(u64, stamps.stamps_count, 4));
}

Test(verify_stamps, finds_what_is_there_twice, .init = begin, .fini = end)
{
    put(0, 0, 0, false);
    put(0, 0, 0, false);
    cr_assert(eq(u64, found(), 1));
    cr_assert(eq(i64, partition->findings[0].offset, 1));
}

Test(verify_stamps, finds_what_is_out_of_order, .init = begin, .fini = end)
{
    put(0, 0, 1, false);
    put(0, 0, 0, false);
    put(0, 0, 2, false);
    cr_assert(eq(u64, found(), 1));
    cr_assert(eq(i64, partition->findings[0].offset, 1));
}

Test(verify_stamps, finds_a_byte_that_was_changed, .init = begin, .fini = end)
{
    put(0, 0, 0, true);
    cr_assert(eq(u64, found(), 1));
}
