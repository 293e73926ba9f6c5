#include "storage/log/log_private.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { RECORDS = 200 };

static void up(void)
{
    fixture_up(&(struct fixture_options){.seed = 3,
                                         .segment_bytes = 20000,
                                         .index_interval_bytes = 1000,
                                         .checkpoint_interval_ms = 40});
    cr_assert(fixture_start());
    for (int i = 0; i < RECORDS; i++)
        cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 1000}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture_crash(SIM_KILL); /* what was closed is not in memory after it */
    cr_assert(fixture_start());
}

TestSuite(index_cache, .init = up, .fini = fixture_down, .timeout = 600);

static uint32_t loaded_count(void)
{
    const struct log *log = fixture.at[0].log;
    uint32_t count = 0;

    for (uint32_t i = 0; i < log->segments.count; i++)
        count += segment_manifest_at(&log->segments, i)->indexes_loaded;
    return count;
}

Test(index_cache, indexes_of_closed_segments_are_read_when_needed_and_few_stay)
{
    struct log *log = fixture.at[0].log;

    cr_assert(lt(u32, 8, log->segments.count));
    cr_assert(le(u32, loaded_count(), 2)); /* of the active one, and of one that is not saved */
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < log->segments.count; i++) {
            struct segment *segment = segment_manifest_at(&log->segments, i);
            cr_assert(eq(int, segment_load_indexes(segment), OK));
            cr_assert(lt(u32, 0, segment->index.count));
            cr_assert(le(u32, loaded_count(), 3)); /* 400 bytes of them, and the active one */
        }
    cr_assert(ge(u32, loaded_count(), 2));
    fixture_check_content(0, 5000);
}

Test(index_cache, segments_that_were_closed_in_this_life_leave_memory_too)
{
    for (int i = 0; i < RECORDS; i++) {
        cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 1000}, NULL), OK));
        if (i % 10 == 0)
            fixture_checkpoint();
    }
    cr_assert(fixture_settle());
    fixture_checkpoint();
    cr_assert(lt(u32, 16, fixture.at[0].log->segments.count));
    cr_assert(le(u32, loaded_count(), 6));
    fixture_check_content(0, 5000);
}

/* ---- a scan that begins in the middle */

struct scanned {
    int64_t next_offset;
    uint32_t count;
    uint32_t max_count; /* in one scan */
};

static bool visit(void *context, const uint8_t *batch, uint32_t size_bytes)
{
    struct scanned *scanned = context;
    struct batch_header header;

    cr_assert(eq(int, batch_parse(batch, size_bytes, &header), OK));
    cr_assert(eq(i64, header.base_offset, scanned->next_offset));
    scanned->next_offset = batch_last_offset(&header) + 1;
    scanned->count++;
    return scanned->count % scanned->max_count != 0;
}

Test(index_cache, a_log_that_is_scanned_in_steps_has_each_batch_once)
{
    for (uint32_t max_count = 1; max_count < 30; max_count += 4) {
        struct scanned scanned = {.max_count = max_count};
        uint32_t before;

        do {
            before = scanned.count;
            cr_assert(
                eq(int, log_scan(fixture.at[0].log, scanned.next_offset, visit, &scanned), OK));
        } while (scanned.count > before);
        cr_assert(eq(u32, scanned.count, RECORDS));
        cr_assert(eq(i64, scanned.next_offset, log_offsets(fixture.at[0].log).log_end));
    }
}
