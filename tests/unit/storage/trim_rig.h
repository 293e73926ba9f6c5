/* trim_rig: one log of small segments, a kilobyte and a second a record, and what lets records go.
 */
#ifndef LEVEE_TESTS_TRIM_RIG_H
#define LEVEE_TESTS_TRIM_RIG_H

#include "storage/log/log_private.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <string.h>

static const struct fixture_options small = {
    .seed = 1, .segment_bytes = 20000, .segment_write_bytes = 8192, .index_interval_bytes = 1000};

static const int64_t base_ms = 1700000000000;

static inline void up_with_seed(uint64_t seed)
{
    struct fixture_options options = small;

    options.seed = seed;
    fixture_up(&options);
    cr_assert(fixture_start());
}

static inline void up(void)
{
    up_with_seed(1);
}

/* One record of about a kilobyte each, a second apart. */
static inline void fill(int32_t first, int32_t count)
{
    for (int32_t i = first; i < first + count; i++) {
        struct fixture_append append = {.has_producer = true,
                                        .producer_id = i % 3,
                                        .base_sequence = i / 3,
                                        .value_bytes = 900,
                                        .leader_epoch = i / 15,
                                        .timestamp_ms = base_ms + i * 1000};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
        fixture_run_ms(1);
    }
    cr_assert(fixture_settle());
}

struct waited {
    bool done;
    enum err err;
};

static inline void on_done(void *context, enum err err)
{
    struct waited *waited = context;

    waited->done = true;
    waited->err = err;
}

static inline bool is_done(void *context)
{
    return ((struct waited *)context)->done;
}

static inline int64_t log_start(void)
{
    return log_offsets(fixture.at[0].log).log_start;
}

static inline uint32_t segment_count(void)
{
    return fixture.at[0].log->segments.count;
}

static inline void delete_records(int64_t offset)
{
    struct waited waited = {0};
    int64_t before = log_start();

    cr_assert(eq(int, log_delete_records(fixture.at[0].log, offset, on_done, &waited), OK));
    cr_assert(not(waited.done));
    cr_assert(eq(i64, log_start(), before)); /* not before it is durable */
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
    cr_assert(eq(int, waited.err, OK));
    cr_assert(eq(i64, log_start(), offset));
    fixture.at[0].log_start = offset;
}

static inline uint32_t retain(int64_t now_ms)
{
    uint32_t count = log_apply_retention(fixture.at[0].log, now_ms);

    fixture_run_ms(50);
    return count;
}

#endif
