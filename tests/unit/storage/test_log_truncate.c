/* What goes at the end of a log. */
#include "tests/unit/storage/trim_rig.h"

TestSuite(log_truncate, .init = up, .fini = fixture_down, .timeout = 600);

/* ---- cuts, beside a log that never held what was cut off */

static void check_like_new(int64_t offset)
{
    struct producer_state rebuilt;
    struct log *log = fixture.at[0].log;

    producer_state_init(&rebuilt, 1, 1000);
    for (uint32_t i = 0; i < fixture.at[0].batch_count; i++) {
        struct producer_rules rules = {.origin = PRODUCER_VERBATIM};
        struct producer_check unused;
        struct batch_header header;
        cr_assert(eq(int,
                     batch_parse(fixture.at[0].batches[i].bytes,
                                 fixture.at[0].batches[i].size_bytes, &header),
                     OK));
        cr_assert(eq(int, producer_state_check(&rebuilt, &header, NULL, &rules, &unused), OK));
        producer_state_update(&rebuilt, &header, NULL, 0, NULL);
    }
    for (int64_t id = 0; id < 3; id++) {
        const struct producer_entry *is = producer_state_find(log_producers(log), id);
        const struct producer_entry *should = producer_state_find(&rebuilt, id);
        cr_assert(eq(int, is == NULL, should == NULL));
        if (is == NULL)
            continue;
        cr_assert(eq(u8, is->batch_count, should->batch_count));
        for (uint8_t b = 0; b < is->batch_count; b++) {
            cr_assert(eq(i32, is->batches[b].last_sequence, should->batches[b].last_sequence));
            cr_assert(eq(i64, is->batches[b].last_offset, should->batches[b].last_offset));
        }
    }
    producer_state_deinit(&rebuilt);
    cr_assert(eq(i64, log_offsets(log).log_end, offset));
    cr_assert(eq(i32, epoch_cache_latest(log_epochs(log)),
                 offset == 0 ? -1 : (int32_t)(offset - 1) / 15));
    fixture_check_offsets(0);
    fixture_check_content(0, 5000);
}

static void cut(int64_t offset)
{
    struct waited waited = {0};
    enum err err = ERR_FULL;

    while ((err = log_truncate(fixture.at[0].log, offset, on_done, &waited)) == ERR_FULL)
        fixture_run_ms(1);
    cr_assert(eq(int, err, OK));
    fixture_forget_from(0, offset);
    fixture.at[0].durable = 0;
    check_like_new(offset); /* at once in memory */
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
    cr_assert(eq(int, waited.err, OK));
}

Test(log_truncate, a_log_cut_anywhere_is_as_if_the_rest_had_never_been)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        int32_t end = 0;
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        for (int round = 0; round < 5; round++) {
            int32_t more = 1 + (int32_t)prng_below(&fixture.chance, 50);
            fill(end, more);
            end += more;
            if (prng_chance(&fixture.chance, 1, 3))
                fixture_checkpoint();
            if (prng_chance(&fixture.chance, 1, 3)) /* on its way while the log is cut */
                store_checkpoint(fixture.store, NULL, NULL);
            if (prng_chance(&fixture.chance, 1, 2))
                fixture_run_ms(prng_below(&fixture.chance, 3));
            end = (int32_t)prng_below(&fixture.chance, (uint64_t)end + 1);
            cut(end);
            if (prng_chance(&fixture.chance, 1, 3)) {
                fixture_crash(prng_chance(&fixture.chance, 1, 2) ? SIM_KILL : SIM_POWER_LOSS);
                cr_assert(fixture_start());
                cr_assert(not(log_is_quarantined(fixture.at[0].log)), "seed %" PRIu64, seed);
                check_like_new(end);
            }
        }
    }
}

/* ---- cuts inside a batch */

enum { RECORDS = 5 }; /* of a batch of about a kilobyte */

static void fill_batches(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct fixture_append append = {.record_count = RECORDS, .value_bytes = 190};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
        fixture_run_ms(1);
    }
    cr_assert(fixture_settle());
}

/* The log ends where the last batch that stays does; returns that offset. */
static int64_t cut_inside(int64_t offset)
{
    struct fixture_log *at = &fixture.at[0];
    struct waited waited = {0};
    int64_t end_offset;
    enum err err;

    while ((err = log_truncate(fixture.at[0].log, offset, on_done, &waited)) == ERR_FULL)
        fixture_run_ms(1);
    cr_assert(eq(int, err, OK));
    fixture_forget_from(0, offset);
    at->durable = 0;
    end_offset = at->batch_count > 0 ? at->batches[at->batch_count - 1].end_offset : 0;
    cr_assert(eq(i64, log_offsets(at->log).log_end, end_offset));
    fixture_check_offsets(0);
    fixture_check_content(0, 5000);
    cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
    cr_assert(eq(int, waited.err, OK));
    return end_offset;
}

static void crash_and_start(enum sim_crash crash)
{
    fixture_crash(crash);
    cr_assert(fixture_start());
    cr_assert(not(log_is_quarantined(fixture.at[0].log)), "seed %" PRIu64, fixture.options.seed);
    fixture_check_prefix(0);
}

Test(log_truncate, a_log_cut_inside_a_batch_ends_before_it_and_rolls_and_starts_again)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        enum sim_crash crash = seed % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS;
        struct fixture_append too_large = {.value_bytes = 18000}; /* for what is left */
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        fill_batches(12);
        if ((seed & 2) != 0)
            fixture_checkpoint();
        cr_assert(eq(i64, cut_inside(33), 30));
        if ((seed & 4) != 0)
            crash_and_start(crash);
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 30));
        cr_assert(eq(int, fixture_append(&too_large, NULL), OK));
        cr_assert(fixture_settle());
        cr_assert(eq(u32, segment_count(), 2)); /* rolled where the log was cut */
        fixture_checkpoint();
        crash_and_start(crash);
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 31));
    }
}

Test(log_truncate, a_log_cut_inside_batches_at_any_time_has_no_hole)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct fixture_append too_large = {.value_bytes = 18000};
        int64_t end = 0;
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        for (int round = 0; round < 5; round++) {
            uint32_t more = 1 + (uint32_t)prng_below(&fixture.chance, 40);
            if (prng_chance(&fixture.chance, 1, 2)) { /* rolls where the log was cut */
                cr_assert(eq(int, fixture_append(&too_large, NULL), OK));
                end++;
            }
            fill_batches(more);
            if (prng_chance(&fixture.chance, 1, 3))
                fixture_checkpoint();
            if (prng_chance(&fixture.chance, 1, 3)) /* on its way while the log is cut */
                store_checkpoint(fixture.store, NULL, NULL);
            if (prng_chance(&fixture.chance, 1, 2))
                fixture_run_ms(prng_below(&fixture.chance, 3));
            end += more * RECORDS;
            end = cut_inside((int64_t)prng_below(&fixture.chance, (uint64_t)end + 1));
            if (prng_chance(&fixture.chance, 1, 2))
                crash_and_start(prng_chance(&fixture.chance, 1, 2) ? SIM_KILL : SIM_POWER_LOSS);
            cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, end));
        }
    }
}

/* Nothing that can be read stays: the log is empty, and its offsets are not given a second time. */
Test(log_truncate, a_log_cut_in_the_batch_that_holds_its_start_ends_at_its_start)
{
    for (uint64_t seed = 1; seed <= 8; seed++) {
        enum sim_crash crash = seed % 2 == 0 ? SIM_KILL : SIM_POWER_LOSS;
        struct fixture_append too_large = {.value_bytes = 18500};
        struct waited waited = {0};
        if (seed > 1) {
            fixture_down();
            up_with_seed(seed);
        }
        fill_batches(4);
        if ((seed & 2) != 0)
            fixture_checkpoint();
        cr_assert(eq(int, log_delete_records(fixture.at[0].log, 12, on_done, &waited), OK));
        cr_assert(eq(int, log_truncate(fixture.at[0].log, 13, NULL, NULL), ERR_FULL));
        cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
        waited.done = false;
        cr_assert(eq(int, log_truncate(fixture.at[0].log, 11, NULL, NULL), ERR_OFFSET_RANGE));
        cr_assert(eq(int, log_truncate(fixture.at[0].log, 13, on_done, &waited), OK));
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 12));
        cr_assert(sim_world_run_until(fixture.world, is_done, &waited, SIM_SECOND));
        fixture_forget_from(0, 12);
        fixture.at[0].log_start = 12;
        fixture.at[0].durable = 12;
        if ((seed & 4) != 0) {
            crash_and_start(crash);
            fixture_checkpoint();
            crash_and_start(crash);
        }
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 12));
        cr_assert(eq(int, fixture_append(&too_large, NULL), OK));
        cr_assert(fixture_settle());
        cr_assert(eq(i64, log_active(fixture.at[0].log)->base_offset, 12));
        if ((seed & 2) != 0)
            fixture_checkpoint();
        crash_and_start(crash);
        cr_assert(eq(i64, log_start(), 12));
        cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 13));
    }
}

Test(log_truncate, offsets_outside_the_log_cannot_be_cut_at)
{
    fill(0, 10);
    delete_records(5);
    cr_assert(eq(int, log_truncate(fixture.at[0].log, 4, NULL, NULL), ERR_OFFSET_RANGE));
    cr_assert(eq(int, log_truncate(fixture.at[0].log, 11, NULL, NULL), ERR_OFFSET_RANGE));
}
