/* The first record that is not earlier than a time. */
#include "tests/unit/storage/trim_rig.h"

TestSuite(log_lookup, .init = up, .fini = fixture_down, .timeout = 600);

static struct waited looked_up;

static void on_looked_up(struct log_time_lookup *lookup, enum err err)
{
    looked_up = (struct waited){.done = true, .err = err};
}

static void look_up(struct log_time_lookup *lookup)
{
    enum err err;

    looked_up.done = false;
    lookup->bound = log_offsets(fixture.at[0].log).high_watermark;
    lookup->done = on_looked_up;
    lookup->work_max_bytes = UINT64_MAX;
    err = log_lookup_time(fixture.at[0].log, lookup);
    while (err == ERR_AGAIN || err == ERR_FULL) {
        if (err == ERR_FULL) {
            err = log_lookup_resume(fixture.at[0].log, lookup);
            continue;
        }
        cr_assert(sim_world_run_until(fixture.world, is_done, &looked_up, SIM_SECOND));
        looked_up.done = false;
        err = looked_up.err;
    }
    cr_assert(eq(int, err, OK));
}

/* As a thread does it: it is given the batch, and the log moves on meanwhile. */
static enum err search_elsewhere(struct log_time_lookup *lookup, int64_t delete_below)
{
    struct compression_context *context = compression_context_create();
    struct batch_search search = log_lookup_search(lookup);
    struct batch_header header;

    cr_assert(ne(ptr, (void *)lookup->batch, NULL));
    cr_assert(eq(int, batch_parse_header(lookup->batch, BATCH_HEADER_BYTES, &header), OK));
    cr_assert(eq(int, batch_search(&search, context, lookup->batch, &header), OK));
    compression_context_destroy(context);
    if (delete_below > 0)
        delete_records(delete_below);
    return log_lookup_searched(fixture.at[0].log, lookup, &search);
}

Test(log_lookup, a_lookup_may_leave_a_batch_to_somebody_else)
{
    struct log_time_lookup lookup = {.timestamp_ms = base_ms, .done = on_looked_up};

    fill(0, 10);
    lookup.bound = log_offsets(fixture.at[0].log).high_watermark;
    cr_assert(
        eq(int, log_lookup_time(fixture.at[0].log, &lookup), ERR_FULL)); /* it may do nothing */
    cr_assert(eq(u64, lookup.batch_had_bytes, 0));
    log_lookup_pause(&lookup);
    cr_assert(eq(ptr, lookup.read.buf, NULL));
    cr_assert(eq(int, log_lookup_resume(fixture.at[0].log, &lookup), ERR_FULL));
    cr_assert(eq(int, search_elsewhere(&lookup, 0), OK));
    cr_assert(eq(i64, lookup.found_offset, 0));
    log_lookup_release(&lookup);
}

Test(log_lookup, what_a_lookup_finds_below_a_log_start_that_has_moved_does_not_count)
{
    struct log_time_lookup lookup = {.timestamp_ms = base_ms, .done = on_looked_up};

    fill(0, 10);
    lookup.bound = log_offsets(fixture.at[0].log).high_watermark;
    cr_assert(eq(int, log_lookup_time(fixture.at[0].log, &lookup), ERR_FULL));
    cr_assert(eq(int, search_elsewhere(&lookup, 5), ERR_FULL));
    lookup.work_max_bytes = UINT64_MAX;
    cr_assert(eq(int, log_lookup_resume(fixture.at[0].log, &lookup), OK));
    cr_assert(eq(i64, lookup.found_offset, 5));
    log_lookup_release(&lookup);
}

static void check_times(const int64_t *times, int32_t count)
{
    int32_t largest = -1;

    for (int64_t at = -2; at < count + 3; at++) {
        struct log_time_lookup lookup = {.timestamp_ms = base_ms + at * 1000 - 1};
        int64_t expected = -1;
        for (int32_t i = count - 1; i >= 0; i--)
            if (times[i] >= lookup.timestamp_ms)
                expected = i;
        look_up(&lookup);
        cr_assert(eq(i64, lookup.found_offset, expected), "at %" PRId64 " (seed %" PRIu64 ")", at,
                  fixture.options.seed);
        if (expected >= 0)
            cr_assert(eq(i64, lookup.found_timestamp_ms, times[expected]));
        log_lookup_release(&lookup);
    }
    for (int32_t i = 0; i < count; i++)
        if (largest < 0 || times[i] > times[largest])
            largest = i;
    struct log_time_lookup newest = {.max_timestamp = true};
    look_up(&newest);
    cr_assert(eq(i64, newest.found_offset, largest), "seed %" PRIu64, fixture.options.seed);
    log_lookup_release(&newest);
}

/* As in Kafka; the newest time of a log that ends in a marker is the marker's. */
Test(log_lookup, a_marker_has_a_time_as_any_record)
{
    static const struct control_marker commit = {.commit = true};
    struct fixture_append append = {.has_producer = true,
                                    .producer_id = 7,
                                    .value_bytes = 100,
                                    .transactional = true,
                                    .timestamp_ms = base_ms};
    struct log_time_lookup newest = {.max_timestamp = true};
    struct log_time_lookup late = {.timestamp_ms = base_ms + 1};

    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    append.marker = &commit;
    append.timestamp_ms = base_ms + 1000;
    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
    look_up(&newest);
    cr_assert(eq(i64, newest.found_offset, 1));
    cr_assert(eq(i64, newest.found_timestamp_ms, base_ms + 1000));
    log_lookup_release(&newest);
    look_up(&late);
    cr_assert(eq(i64, late.found_offset, 1));
    log_lookup_release(&late);
}

static uint32_t flipped;

static void flip_times(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    uint64_t *seed = context;

    if (is_dir || strstr(path, ".timeindex") == NULL || size_bytes == 0)
        return;
    cr_assert(eq(int,
                 sim_image_flip(&fixture.node->disk, path, (*seed * 7 + flipped * 5) % size_bytes,
                                (uint8_t)(1U << (*seed + flipped) % 8)),
                 0));
    flipped++;
}

Test(log_lookup, a_time_finds_the_first_record_that_is_not_earlier_in_memory_files_and_after_damage)
{
    for (uint64_t seed = 1; seed <= 130; seed++) {
        int64_t times[90];
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        for (int32_t i = 0; i < 90; i++) {
            struct fixture_append append = {.value_bytes = 900};
            int64_t back =
                prng_chance(&fixture.chance, 1, 3) ? (int64_t)prng_below(&fixture.chance, 9) : 0;
            times[i] = base_ms + (i - back) * 1000;
            append.timestamp_ms = times[i];
            cr_assert(eq(int, fixture_append(&append, NULL), OK));
            if (i == 50)
                fixture_checkpoint();
        }
        cr_assert(fixture_settle());
        check_times(times, 90);
        if (seed % 2 == 0)
            fixture_stop();
        else
            fixture_crash(SIM_KILL);
        flipped = 0;
        if (seed % 3 == 0)
            sim_image_walk(&fixture.node->disk, SIM_CACHED, flip_times, &seed);
        cr_assert(fixture_start());
        check_times(times, 90);
    }
}
