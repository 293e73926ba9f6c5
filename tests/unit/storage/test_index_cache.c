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
