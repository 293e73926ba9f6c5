#include "base/mem.h"
#include "record/batch_builder.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <string.h>

enum { SEGMENT_BYTES = 100000 };

static void up_with(const struct fixture_options *options)
{
    fixture_up(options);
    cr_assert(fixture_start());
}

static void up(void)
{
    up_with(&(struct fixture_options){.seed = 1, .segment_bytes = SEGMENT_BYTES});
}

TestSuite(log_append, .fini = fixture_down, .timeout = 600);

/* ---- reading, beside the list of what was appended */

/* The batches that a read may bring: how many, and it has to bring one when there is one. */
static uint32_t expected_count(const struct fixture_log *at, const struct log_read *read,
                               uint32_t *first_out)
{
    uint32_t first = 0;
    uint32_t count = 0;
    uint32_t size_bytes = 0;

    while (first < at->batch_count && at->batches[first].end_offset <= read->offset)
        first++;
    *first_out = first;
    for (uint32_t i = first; i < at->batch_count; i++) {
        const struct fixture_batch *batch = &at->batches[i];
        if (batch->end_offset > read->bound)
            break;
        if (size_bytes + batch->size_bytes > read->max_bytes && !(count == 0 && read->at_least_one))
            break;
        size_bytes += batch->size_bytes;
        count++;
    }
    return count;
}

static void check_read(int64_t offset, int64_t bound, uint32_t max_bytes, bool at_least_one)
{
    const struct fixture_log *at = &fixture.at[0];
    struct log_read read = {
        .offset = offset, .bound = bound, .max_bytes = max_bytes, .at_least_one = at_least_one};
    uint32_t first;
    uint32_t most = expected_count(at, &read, &first);
    uint32_t index;

    cr_assert(eq(int, fixture_read(0, &read), OK));
    index = first;
    for (uint32_t pos = 0; pos < read.size_bytes; index++) {
        cr_assert(lt(u32, index - first, most), "too much at %" PRId64 " (seed %" PRIu64 ")",
                  offset, fixture.options.seed);
        cr_assert(eq(
            int, memcmp(read.bytes + pos, at->batches[index].bytes, at->batches[index].size_bytes),
            0));
        pos += at->batches[index].size_bytes;
    }
    if (most > 0)
        cr_assert(lt(u32, first, index), "nothing at %" PRId64 " (seed %" PRIu64 ")", offset,
                  fixture.options.seed);
    cr_assert(eq(i64, read.end_offset, index > first ? at->batches[index - 1].end_offset : offset));
    log_read_release(&read);
}

static void check_reads_everywhere(void)
{
    struct log_offsets offsets = log_offsets(fixture.at[0].log);

    for (int64_t offset = offsets.log_start; offset <= offsets.log_end; offset++) {
        int64_t span = offsets.log_end - offset;
        int64_t bound = offset + (int64_t)prng_below(&fixture.chance, (uint64_t)span + 1);
        check_read(offset, offsets.log_end, 1 << 20, true);
        check_read(offset, bound, (uint32_t)prng_below(&fixture.chance, 40000),
                   prng_chance(&fixture.chance, 1, 2));
    }
}

static void append_many(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(eq(int, fixture_append_some(0), OK));
        if (prng_chance(&fixture.chance, 1, 4))
            fixture_run_ms(1);
        fixture_check_offsets(0);
    }
    cr_assert(fixture_settle());
}

Test(log_append, a_read_at_any_offset_finds_the_batch_that_holds_it_in_memory_and_in_files)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        if (seed > 1)
            fixture_down();
        up_with(&(struct fixture_options){.seed = seed, .segment_bytes = SEGMENT_BYTES});
        append_many(150);
        check_reads_everywhere(); /* all in memory */
        fixture_checkpoint();
        append_many(20);
        check_reads_everywhere();
        fixture_stop();
        cr_assert(fixture_start());
        check_reads_everywhere(); /* all in files */
        append_many(30);
        check_reads_everywhere(); /* both */
    }
}

Test(log_append, a_small_cache_is_evicted_and_everything_stays_readable)
{
    up_with(&(struct fixture_options){.seed = 5,
                                      .segment_bytes = SEGMENT_BYTES,
                                      .segment_write_bytes = 16384,
                                      .tail_cache_max_bytes = 100000});
    for (uint32_t i = 0; i < 300; i++) {
        enum err err = fixture_append_some(0);
        if (err == ERR_FULL)
            fixture_run_ms(20);
        else
            cr_assert(eq(int, err, OK));
        if (i % 8 == 0)
            fixture_run_ms(5);
    }
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture_check_content(0, 30000);
}

Test(log_append, where_direct_writes_are_refused_files_are_written_all_the_same)
{
    up_with(&(struct fixture_options){
        .seed = 6, .segment_bytes = SEGMENT_BYTES, .refuse_direct = true});
    append_many(60);
    fixture_checkpoint();
    fixture_stop();
    cr_assert(fixture_start());
    fixture_check_content(0, 30000);
}

Test(log_append, reads_outside_the_log_are_refused_and_at_its_end_bring_nothing, .init = up)
{
    struct log_read read = {.max_bytes = 1000, .at_least_one = true};

    append_many(3);
    read.offset = log_offsets(fixture.at[0].log).log_end;
    read.bound = read.offset;
    cr_assert(eq(int, fixture_read(0, &read), OK));
    cr_assert(eq(u32, read.size_bytes, 0));
    read.offset++;
    read.bound++;
    cr_assert(eq(int, fixture_read(0, &read), ERR_OFFSET_RANGE));
    read.offset = -1;
    cr_assert(eq(int, fixture_read(0, &read), ERR_OFFSET_RANGE));
}

/* ---- a release before done */

static bool released_is_done;

static void on_released(struct log_read *read, enum err err)
{
    released_is_done = true;
}

Test(log_append, a_read_that_is_released_early_never_calls_back, .init = up)
{
    struct log_read *read = mem_alloc(sizeof(*read));

    append_many(20);
    fixture_stop();
    cr_assert(fixture_start());
    *read = (struct log_read){
        .bound = 10, .max_bytes = 5000, .at_least_one = true, .done = on_released};
    cr_assert(eq(int, log_read(fixture.at[0].log, read), ERR_AGAIN));
    log_read_release(read);
    memset(read, 0xee, sizeof(*read)); /* the caller's again */
    mem_free(read);
    fixture_run_ms(100);
    cr_assert(not(released_is_done));
    fixture_check_content(0, 30000);
}

/* ---- offsets, epochs, times */

Test(log_append, the_five_offsets_keep_their_order_and_durable_reports_come_from_the_loop,
     .init = up)
{
    struct log_offsets before = log_offsets(fixture.at[0].log);

    cr_assert(eq(i64, before.log_end, 0));
    cr_assert(eq(int, fixture_append_some(0), OK));
    cr_assert(lt(i64, 0, log_offsets(fixture.at[0].log).log_end));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).durable, 0));
    cr_assert(eq(u32, fixture.at[0].progress_count, 0));
    cr_assert(fixture_settle());
    cr_assert(eq(u32, fixture.at[0].progress_count, 1));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).high_watermark,
                 log_offsets(fixture.at[0].log).log_end));
}

Test(log_append, a_relaxed_log_is_shown_when_the_kernel_has_it_and_becomes_durable_later)
{
    struct log_offsets offsets;

    up_with(&(struct fixture_options){.seed = 7, .relaxed = true});
    cr_assert(eq(int, fixture_append_some(0), OK));
    fixture_run_ms(100);
    offsets = log_offsets(fixture.at[0].log);
    cr_assert(eq(i64, offsets.accepted, offsets.log_end));
    cr_assert(eq(i64, offsets.high_watermark, offsets.log_end));
    cr_assert(eq(i64, offsets.durable, 0));
    fixture_check_offsets(0);
    fixture_run_ms(2000);
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).durable, offsets.log_end));
}

Test(log_append, verbatim_batches_keep_their_offsets_and_leave_holes, .init = up)
{
    int64_t offset = 7;

    for (int i = 0; i < 60; i++) {
        struct fixture_append append = {.verbatim = true,
                                        .base_offset = offset,
                                        .record_count = 3,
                                        .value_bytes = 2000,
                                        .leader_epoch = i / 20};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
        offset += 3 + i % 5;
    }
    cr_assert(fixture_settle());
    cr_assert(eq(int,
                 fixture_append(&(struct fixture_append){.verbatim = true, .base_offset = 9}, NULL),
                 ERR_OFFSET_RANGE));
    check_reads_everywhere();
    cr_assert(eq(i32, epoch_cache_latest(log_epochs(fixture.at[0].log)), 2));
    fixture_stop();
    cr_assert(fixture_start());
    check_reads_everywhere();
    cr_assert(eq(i32, epoch_cache_latest(log_epochs(fixture.at[0].log)), 2));
}

Test(log_append, a_newer_leader_epoch_begins_at_its_first_batch_also_after_a_crash, .init = up)
{
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.leader_epoch = 3}, NULL), OK));
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.leader_epoch = 3}, NULL), OK));
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.leader_epoch = 8}, NULL), OK));
    cr_assert(fixture_settle());
    for (int life = 0; life < 3; life++) {
        const struct epoch_cache *epochs = log_epochs(fixture.at[0].log);
        cr_assert(eq(u32, epochs->count, 2));
        cr_assert(eq(i64, epochs->entries[0].start_offset, 0));
        cr_assert(eq(i32, epochs->entries[1].epoch, 8));
        cr_assert(eq(i64, epochs->entries[1].start_offset, 2));
        fixture_crash(SIM_POWER_LOSS);
        cr_assert(fixture_start());
    }
}

Test(log_append, log_append_time_is_stamped_and_the_checksum_stays_right)
{
    struct log_append_result result;

    up_with(&(struct fixture_options){.seed = 8, .log_append_time = true});
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 100}, &result), OK));
    cr_assert(lt(i64, 0, result.log_append_time_ms));
    cr_assert(fixture_settle());
    fixture_stop();
    cr_assert(fixture_start());
    fixture_check_content(0, 30000); /* from the file: the checksum is looked at */
}

static enum err put_bytes(struct log *log, const uint8_t *bytes, uint32_t size_bytes,
                          int64_t max_timestamp_ms, struct log_append_result *out)
{
    return log_append_leader(log,
                             &(struct log_append){.bytes = bytes,
                                                  .size_bytes = size_bytes,
                                                  .max_timestamp_ms = max_timestamp_ms,
                                                  .now_ms = 5},
                             out);
}

/* Bytes that the validation never saw in this form. */
Test(log_append, a_changed_batch_is_checked_again_before_it_is_stored, .init = up)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct log_append_result result;
    struct log *log = fixture.at[0].log;
    const uint8_t *built;
    uint8_t *bytes;
    uint32_t size_bytes;

    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, "k", 1, "value", 5, 1000), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &built, &size_bytes), OK));
    bytes = mem_alloc(size_bytes + 10);
    memcpy(bytes, built, size_bytes);
    bytes[size_bytes - 2] ^= 1;
    cr_assert(eq(int, put_bytes(log, bytes, size_bytes, 1007, &result), ERR_CORRUPT));
    fixture.at[0].config.log_append_time = true;
    log_set_config(log, &fixture.at[0].config);
    cr_assert(eq(int, put_bytes(log, bytes, size_bytes, 1000, &result), ERR_CORRUPT));
    bytes[size_bytes - 2] ^= 1;
    /* more bytes than the batch, and fewer */
    cr_assert(eq(int, put_bytes(log, bytes, size_bytes + 10, 1000, &result), ERR_CORRUPT));
    cr_assert(eq(int, put_bytes(log, bytes, size_bytes - 1, 1000, &result), ERR_CORRUPT));
    cr_assert(eq(int, log_append_verbatim(log, bytes, size_bytes + 10, &result), ERR_CORRUPT));
    cr_assert(eq(i64, log_offsets(log).log_end, 0));
    cr_assert(eq(int, put_bytes(log, bytes, size_bytes, 1000, &result), OK));
    cr_assert(eq(i64, result.log_append_time_ms, 5));
    mem_free(bytes);
    batch_builder_deinit(&builder);
}

Test(log_append, a_batch_larger_than_a_segment_is_refused, .init = up)
{
    struct fixture_append append = {.value_bytes = SEGMENT_BYTES};

    cr_assert(eq(int, fixture_append(&append, NULL), ERR_TOO_LARGE));
    cr_assert(eq(i64, log_offsets(fixture.at[0].log).log_end, 0));
}

/* ---- producers */

static enum err append_sequence(int64_t producer_id, int32_t sequence,
                                struct log_append_result *out)
{
    return fixture_append(&(struct fixture_append){.has_producer = true,
                                                   .producer_id = producer_id,
                                                   .base_sequence = sequence,
                                                   .record_count = 2,
                                                   .value_bytes = 50},
                          out);
}

static void check_duplicates(int64_t producer_id, int32_t batch_count)
{
    for (int32_t i = batch_count - 5; i < batch_count; i++) {
        struct log_append_result result;
        cr_assert(eq(int, append_sequence(producer_id, i * 2, &result), OK));
        cr_assert(result.duplicate, "batch %d", i);
        cr_assert(eq(i64, result.base_offset, fixture.at[0].batches[i].base_offset));
    }
    cr_assert(eq(int, append_sequence(producer_id, (batch_count - 6) * 2, NULL), ERR_SEQUENCE));
    cr_assert(eq(int, append_sequence(producer_id, batch_count * 2 + 2, NULL), ERR_SEQUENCE));
}

Test(log_append, duplicates_of_the_newest_five_are_known_in_memory_and_after_any_end, .init = up)
{
    for (int32_t i = 0; i < 9; i++)
        cr_assert(eq(int, append_sequence(77, i * 2, NULL), OK));
    cr_assert(fixture_settle());
    check_duplicates(77, 9);
    fixture_crash(SIM_KILL); /* out of the journal alone */
    cr_assert(fixture_start());
    check_duplicates(77, 9);
    fixture_crash(SIM_POWER_LOSS); /* out of the window file */
    cr_assert(fixture_start());
    check_duplicates(77, 9);
    cr_assert(eq(int, append_sequence(77, 18, NULL), OK)); /* out of both */
    cr_assert(fixture_settle());
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    check_duplicates(77, 10);
    fixture_stop();
    cr_assert(fixture_start());
    check_duplicates(77, 10);
    fixture_check_content(0, 30000);
}
