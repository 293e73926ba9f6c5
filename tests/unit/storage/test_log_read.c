#include "storage/log/log_loan.h"
#include "storage/log/log_private.h"
#include "storage/store_private.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>

enum { OVERHEAD_BYTES = 200 }; /* a batch of one value is at most so much larger than the value */

TestSuite(log_read, .fini = fixture_down, .timeout = 600);

static void append(const struct fixture_append *append)
{
    enum err err;

    while ((err = fixture_append(append, NULL)) == ERR_FULL)
        fixture_run_ms(100);
    cr_assert(eq(int, err, OK));
}

/* Values that make a batch of record_count records batch_bytes long; log 1 is for finding out. */
static uint32_t value_for(uint32_t batch_bytes, uint32_t record_count)
{
    struct fixture_append probe = {.log_index = 1,
                                   .record_count = record_count,
                                   .value_bytes = (batch_bytes - OVERHEAD_BYTES) / record_count};
    const struct fixture_log *at = &fixture.at[1];

    append(&probe);
    cr_assert(fixture_settle());
    return probe.value_bytes +
           (batch_bytes - at->batches[at->batch_count - 1].size_bytes) / record_count;
}

static void restart_cold(void)
{
    cr_assert(fixture_settle());
    fixture_stop();
    cr_assert(fixture_start());
}

/* ---- what a read from a file finds */

/* A batch that ends where the read's window may end, and two small ones behind it. */
static void check_behind_large(uint32_t large_bytes)
{
    uint32_t value_bytes;

    fixture_up(&(struct fixture_options){.seed = 1, .log_count = 2});
    cr_assert(fixture_start());
    value_bytes = value_for(large_bytes, 1);
    append(&(struct fixture_append){.value_bytes = value_bytes});
    cr_assert(eq(u32, fixture.at[0].batches[0].size_bytes, large_bytes));
    append(&(struct fixture_append){.record_count = 2, .value_bytes = 10});
    append(&(struct fixture_append){.record_count = 2, .value_bytes = 10});
    restart_cold();
    for (uint32_t max_bytes = 0; max_bytes <= 2 << 20; max_bytes = max_bytes * 4 + 1000)
        fixture_check_content(0, max_bytes);
    fixture_down();
}

Test(log_read, no_offset_is_a_dead_end_behind_a_batch_that_is_larger_than_a_window)
{
    check_behind_large(40 * 4096);
    check_behind_large(40 * 4096 + 8);
    check_behind_large(17 * 4096); /* READ_SLACK and what max_bytes adds */
    check_behind_large(512 * 4096);
}

/* An index entry names the last offset of a batch, so a read for the first of the next one begins
 * at the batch before. */
Test(log_read, every_offset_behind_batches_of_whole_blocks_gives_records)
{
    enum { BATCH_BYTES = 34 * 4096 };
    uint32_t value_bytes;

    fixture_up(&(struct fixture_options){.seed = 2, .log_count = 2});
    cr_assert(fixture_start());
    value_bytes = value_for(BATCH_BYTES, 3);
    for (uint32_t i = 0; i < 12; i++)
        append(&(struct fixture_append){.record_count = 3, .value_bytes = value_bytes + (i == 7)});
    cr_assert(eq(u32, fixture.at[0].batches[0].size_bytes, BATCH_BYTES));
    restart_cold();
    for (int64_t offset = 0; offset < 36; offset++) {
        struct log_read read = {
            .offset = offset, .bound = 36, .max_bytes = 65536, .at_least_one = true};
        cr_assert(eq(int, fixture_read(0, &read), OK));
        cr_assert(eq(i64, read.end_offset, offset - offset % 3 + 3), "at %" PRId64, offset);
        log_read_release(&read);
    }
}

/* index.interval.bytes is only a distance that a read has to step over. */
Test(log_read, without_an_index_entry_for_a_long_way_a_cold_read_steps_on)
{
    fixture_up(&(struct fixture_options){
        .seed = 3, .index_interval_bytes = INT32_MAX, .reads_max_bytes = 1 << 20});
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < 400; i++)
        append(&(struct fixture_append){.value_bytes = 20000});
    restart_cold();
    cr_assert(eq(u32, segment_manifest_at(&fixture.at[0].log->segments, 0)->index.count, 0));
    fixture_check_content(0, 65536);
    for (int64_t offset = 1; offset < 400; offset += 57) {
        struct log_read read = {
            .offset = offset, .bound = 400, .max_bytes = 30000, .at_least_one = true};
        cr_assert(eq(int, fixture_read(0, &read), OK));
        cr_assert(eq(i64, read.end_offset, offset + 1));
        log_read_release(&read);
    }
}

/* ---- what a reader holds */

Test(log_read, a_read_from_memory_gives_batches_up_to_the_byte_limit)
{
    struct log_read read = {.bound = 1000, .max_bytes = 1 << 20};

    fixture_up(&(struct fixture_options){.seed = 4});
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < 1000; i++) {
        append(&(struct fixture_append){.value_bytes = 10});
        fixture_run_ms(1);
    }
    cr_assert(eq(int, fixture_read(0, &read), OK));
    cr_assert(eq(i64, read.end_offset, 1000));
    log_read_release(&read);
}

Test(log_read, what_readers_hold_is_charged_to_them_and_not_to_the_journal)
{
    struct log_read read = {.bound = 2, .max_bytes = 1 << 20};

    fixture_up(&(struct fixture_options){.seed = 5});
    cr_assert(fixture_start());
    append(&(struct fixture_append){.value_bytes = 30000});
    append(&(struct fixture_append){.value_bytes = 30000});
    cr_assert(eq(int, fixture_read(0, &read), OK)); /* from memory */
    cr_assert(eq(ptr, (void *)read.buf->slab, (void *)fixture.store->env.reads));
    log_read_release(&read);
    restart_cold();
    cr_assert(eq(int, fixture_read(0, &read), OK)); /* from a file */
    cr_assert(eq(ptr, (void *)read.buf->slab, (void *)fixture.store->env.reads));
    log_read_release(&read);
    cr_assert(eq(u64, slab_used_bytes(fixture.store->env.reads), 0));
}

Test(log_read, a_small_find_in_a_large_window_keeps_only_what_it_is)
{
    struct log_read read = {.bound = 1, .max_bytes = 1 << 20};

    fixture_up(&(struct fixture_options){.seed = 6});
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < 40; i++)
        append(&(struct fixture_append){.value_bytes = 3000});
    restart_cold();
    cr_assert(eq(int, fixture_read(0, &read), OK));
    cr_assert(eq(i64, read.end_offset, 1));
    cr_assert(lt(u64, slab_used_bytes(fixture.store->env.reads), 3000 + 2 * OVERHEAD_BYTES));
    log_read_release(&read);
    cr_assert(eq(u64, slab_used_bytes(fixture.store->env.reads), 0));
}

/* ---- a reader without memory */

Test(log_read, without_memory_it_says_what_it_needs_and_gets_it_later)
{
    struct log_read first = {.bound = 40, .max_bytes = 300000};
    struct log_read second = {.bound = 40, .max_bytes = 300000};

    fixture_up(&(struct fixture_options){.seed = 7, .reads_max_bytes = 400000});
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < 40; i++)
        append(&(struct fixture_append){.value_bytes = 20000});
    for (uint32_t cold = 0; cold < 2; cold++) {
        cr_assert(eq(int, fixture_read(0, &first), OK));
        cr_assert(eq(int, fixture_read(0, &second), ERR_NOMEM));
        cr_assert(lt(u64, 200000, second.need_bytes));
        cr_assert(eq(u32, second.size_bytes, 0));
        log_read_release(&first);
        cr_assert(eq(int, fixture_read(0, &second), OK));
        cr_assert(ge(i64, second.end_offset, 10));
        log_read_release(&second);
        if (cold == 0)
            restart_cold();
    }
}

/* ---- what is lent */

enum { LENT_BATCH_BYTES = 32 << 10 };

/* A read of two batches from offset on, as a reader that takes a loan. */
static struct log_read borrow(int64_t offset)
{
    struct log_read read = {.offset = offset,
                            .bound = log_offsets(fixture.at[0].log).log_end,
                            .max_bytes = 2 * LENT_BATCH_BYTES + 1000,
                            .may_borrow = true};

    cr_assert(eq(int, fixture_read(0, &read), OK));
    cr_assert(eq(i64, read.end_offset, offset + 2));
    return read;
}

static void append_to_lend(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        append(&(struct fixture_append){.value_bytes = LENT_BATCH_BYTES});
    cr_assert(fixture_settle());
}

Test(log_read, large_batches_of_the_tail_are_lent_as_they_are)
{
    const struct budget *lent;
    struct log_read read;

    fixture_up(&(struct fixture_options){.seed = 5});
    cr_assert(fixture_start());
    append_to_lend(4);
    lent = &fixture.store->lent;
    read = borrow(1);
    cr_assert(read.loan != NULL && read.bytes == NULL);
    cr_assert(eq(u32, read.loan->part_count, 2));
    for (uint32_t i = 0; i < 2; i++) {
        const struct fixture_batch *batch = &fixture.at[0].batches[1 + i];
        cr_assert(eq(u32, read.loan->parts[i].size_bytes, batch->size_bytes));
        cr_assert(eq(int, memcmp(read.loan->parts[i].bytes, batch->bytes, batch->size_bytes), 0));
    }
    cr_assert(lt(u64, 2 * LENT_BATCH_BYTES, budget_used_bytes(lent)));
    log_read_release(&read);
    cr_assert(eq(u64, budget_used_bytes(lent), 0));
}

Test(log_read, small_batches_are_copied)
{
    struct log_read read = {.bound = 20, .max_bytes = 1 << 20, .may_borrow = true};

    fixture_up(&(struct fixture_options){.seed = 6});
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < 20; i++)
        append(&(struct fixture_append){.value_bytes = 100});
    cr_assert(fixture_settle());
    cr_assert(eq(int, fixture_read(0, &read), OK));
    cr_assert(read.loan == NULL && read.bytes != NULL);
    cr_assert(eq(i64, read.end_offset, 20));
    log_read_release(&read);
}

/* Readers that keep what they have hold a quarter of the cache; the next ones get copies, and
 * appends find memory. */
Test(log_read, what_readers_keep_of_the_journal_is_bounded)
{
    enum { READERS = 100, CACHE_BYTES = 4 << 20 };
    struct log_read reads[READERS];
    uint32_t lent_count = 0;

    fixture_up(&(struct fixture_options){.seed = 7, .tail_cache_max_bytes = CACHE_BYTES});
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < READERS; i++) {
        append_to_lend(2);
        reads[i] = borrow((int64_t)i * 2);
        lent_count += reads[i].loan != NULL;
    }
    cr_assert(lt(u32, 0, lent_count));
    cr_assert(lt(u32, lent_count, READERS));
    cr_assert(le(u64, budget_used_bytes(&fixture.store->lent), CACHE_BYTES / 4));
    append_to_lend(CACHE_BYTES / LENT_BATCH_BYTES * 2); /* the cache anew, twice */
    for (uint32_t i = 0; i < READERS; i++) {
        const struct fixture_batch *batch = &fixture.at[0].batches[i * 2];
        const uint8_t *bytes =
            reads[i].loan != NULL ? reads[i].loan->parts[0].bytes : reads[i].bytes;
        cr_assert(eq(int, memcmp(bytes, batch->bytes, batch->size_bytes), 0));
        log_read_release(&reads[i]);
    }
    cr_assert(eq(u64, budget_used_bytes(&fixture.store->lent), 0));
}
