#include "record/batch_builder.h"
#include "tools/load/verify_partition.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { LOG_MAX = 64, BATCH_MAX = 512, TIME_MS = 1700000000 };

/* A log in memory: what a reader at read_uncommitted is given. */
static struct {
    uint8_t bytes[LOG_MAX][BATCH_MAX];
    uint32_t sizes[LOG_MAX];
    bool is_hidden[LOG_MAX]; /* from who reads committed records */
    int32_t count;
    int64_t end;
} the_log;

static struct verify_partition *the_partition;

static int32_t put(struct batch_builder *builder, int32_t offsets)
{
    const uint8_t *bytes;
    uint32_t size_bytes;
    int32_t i = the_log.count++;

    cr_assert(i < LOG_MAX);
    cr_assert(eq(int, batch_builder_finish(builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(size_bytes <= BATCH_MAX);
    memcpy(the_log.bytes[i], bytes, size_bytes);
    the_log.sizes[i] = size_bytes;
    the_log.end += offsets;
    batch_builder_deinit(builder);
    return i;
}

static struct batch_builder_options producer_options(int64_t producer_id, int16_t epoch)
{
    struct batch_builder_options options = batch_builder_options_default();

    options.base_offset = the_log.end;
    options.producer_id = producer_id;
    options.producer_epoch = epoch;
    return options;
}

static int32_t data(int64_t producer_id, int16_t epoch, int32_t sequence, int32_t records,
                    bool is_transactional)
{
    struct batch_builder_options options = producer_options(producer_id, epoch);
    struct batch_builder builder;

    options.base_sequence = sequence;
    options.transactional = is_transactional;
    batch_builder_init(&builder, &options);
    for (int32_t i = 0; i < records; i++)
        cr_assert(eq(int, batch_builder_add_pair(&builder, NULL, -1, "v", 1, TIME_MS + i), OK));
    return put(&builder, records);
}

static int32_t end_with(int64_t producer_id, int16_t epoch, bool commit, int32_t coordinator_epoch)
{
    struct batch_builder_options options = producer_options(producer_id, epoch);
    struct control_marker marker = {.commit = commit, .coordinator_epoch = coordinator_epoch};
    struct batch_builder builder;

    options.transactional = true;
    options.control = true;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_marker(&builder, &marker, TIME_MS), OK));
    return put(&builder, 1);
}

/* A log with everything in it, in order. */
static void write_good_log(void)
{
    data(-1, -1, -1, 3, false);
    data(7, 0, 0, 2, false);
    data(8, 0, 0, 2, true);
    data(7, 0, 2, 1, false);
    data(9, 3, 0, 1, true);
    the_log.is_hidden[4] = true;
    data(8, 0, 2, 2, true);
    end_with(8, 0, true, 1); /* by the first protocol: sequences go on */
    data(8, 0, 4, 1, true);
    the_log.is_hidden[7] = true;
    end_with(9, 4, false, 1); /* by the second: the next epoch */
    data(9, 4, 0, 2, true);
    end_with(8, 0, false, 2);
    end_with(9, 5, true, 2);
    data(7, 1, 0, 1, false);
}

static void begin(void)
{
    the_log.count = 0;
    the_log.end = 0;
    memset(the_log.is_hidden, 0, sizeof(the_log.is_hidden));
}

/* Look at all of it; stable -1: at the end. */
static void look(int64_t stable, int64_t stable_after, bool is_compacted)
{
    struct verify_partition_options options = {.is_compacted = is_compacted,
                                               .stable_offset = stable < 0 ? the_log.end : stable,
                                               .high_watermark = the_log.end,
                                               .producers_max = 100};
    struct batch_header header;

    cr_assert(eq(int, verify_partition_create(&options, &the_partition), OK));
    for (int32_t i = 0; i < the_log.count; i++) {
        cr_assert(eq(int, batch_parse(the_log.bytes[i], the_log.sizes[i], &header), OK));
        cr_assert(eq(int, verify_partition_batch(the_partition, &header, the_log.bytes[i]), OK));
    }
    verify_partition_end(the_partition, stable_after < 0 ? the_log.end : stable_after);
    for (int32_t i = 0; i < the_log.count; i++) {
        cr_assert(eq(int, batch_parse(the_log.bytes[i], the_log.sizes[i], &header), OK));
        if (!the_log.is_hidden[i])
            verify_partition_committed(the_partition, &header);
    }
    verify_partition_committed_end(the_partition);
}

/* One finding, of that kind, at that offset. */
static void expect(enum verify_kind kind, int64_t offset)
{
    cr_assert(eq(u64, verify_partition_findings_count(the_partition), 1), "%s: %s",
              verify_kind_text(the_partition->findings[0].kind), the_partition->findings[0].text);
    cr_assert(eq(int, the_partition->findings[0].kind, kind), "%s",
              the_partition->findings[0].text);
    cr_assert(eq(i64, the_partition->findings[0].offset, offset), "%s",
              the_partition->findings[0].text);
    verify_partition_destroy(the_partition);
}

static void expect_nothing(void)
{
    cr_assert(eq(u64, verify_partition_findings_count(the_partition), 0), "%s at %lld: %s",
              verify_kind_text(the_partition->findings[0].kind),
              (long long)the_partition->findings[0].offset, the_partition->findings[0].text);
    verify_partition_destroy(the_partition);
}

static void set_header(int32_t i, const struct batch_header *header)
{
    batch_put_header(the_log.bytes[i], header);
    batch_set_crc(the_log.bytes[i], the_log.sizes[i]);
}

static struct batch_header header_of(int32_t i)
{
    struct batch_header header;

    cr_assert(eq(int, batch_parse(the_log.bytes[i], the_log.sizes[i], &header), OK));
    return header;
}

Test(verify_partition, finds_nothing_where_all_is_in_order, .init = begin)
{
    write_good_log();
    look(-1, -1, false);
    cr_assert(eq(u64, the_partition->records_count, 15));
    cr_assert(eq(u64, the_partition->control_count, 4));
    cr_assert(eq(u64, the_partition->producers_count, 3));
    cr_assert(eq(u64, the_partition->committed_count, 2));
    cr_assert(eq(u64, the_partition->aborted_count, 2));
    cr_assert(eq(u64, the_partition->visible_count, 13));
    expect_nothing();
}

/* ---- VFY-1 */

Test(verify_partition, finds_a_hole_and_takes_it_of_a_compacted_topic, .init = begin)
{
    data(-1, -1, -1, 3, false);
    the_log.end++;
    data(-1, -1, -1, 3, false);
    look(-1, -1, false);
    expect(VERIFY_HOLE, 4);
    look(-1, -1, true);
    expect_nothing();
}

Test(verify_partition, finds_offsets_that_go_back, .init = begin)
{
    data(-1, -1, -1, 3, false);
    the_log.end--;
    data(-1, -1, -1, 3, false);
    look(-1, -1, false);
    expect(VERIFY_OFFSET, 2);
}

Test(verify_partition, finds_that_the_high_watermark_was_not_reached, .init = begin)
{
    data(-1, -1, -1, 3, false);
    the_log.end += 2;
    look(-1, -1, false);
    expect(VERIFY_WATERMARK, 3);
}

/* ---- VFY-2 */

Test(verify_partition, finds_a_byte_that_was_changed, .init = begin)
{
    data(-1, -1, -1, 3, false);
    data(-1, -1, -1, 3, false);
    the_log.is_hidden[1] = true; /* nobody can read it */
    the_log.bytes[1][the_log.sizes[1] - 1] ^= 1;
    look(-1, -1, false);
    expect(VERIFY_CHECKSUM, 3);
}

Test(verify_partition, finds_a_count_that_does_not_fit, .init = begin)
{
    struct batch_header header;

    data(-1, -1, -1, 3, false);
    header = header_of(0);
    header.last_offset_delta = 3;
    the_log.end = 4;
    set_header(0, &header);
    look(-1, -1, false);
    expect(VERIFY_HEADER, 0);
    look(-1, -1, true);
    expect_nothing();
}

Test(verify_partition, finds_a_largest_timestamp_that_no_record_has, .init = begin)
{
    struct batch_header header;

    data(-1, -1, -1, 3, false);
    header = header_of(0);
    header.max_timestamp_ms++;
    set_header(0, &header);
    look(-1, -1, false);
    expect(VERIFY_TIMESTAMP, 0);
}

Test(verify_partition, finds_records_that_do_not_fill_their_batch, .init = begin)
{
    struct batch_header header;

    data(-1, -1, -1, 3, false);
    header = header_of(0);
    header.record_count = 2;
    header.last_offset_delta = 1;
    the_log.end = 2;
    set_header(0, &header);
    look(-1, -1, false);
    expect(VERIFY_RECORD, 0);
}

/* ---- VFY-3 */

Test(verify_partition, finds_a_batch_that_was_stored_twice, .init = begin)
{
    data(7, 0, 0, 2, false);
    data(7, 0, 2, 3, false);
    data(7, 0, 2, 3, false);
    look(-1, -1, false);
    expect(VERIFY_SEQUENCE, 5);
}

Test(verify_partition, finds_a_sequence_that_is_missing, .init = begin)
{
    data(7, 0, 40, 2, false); /* what came before may have gone */
    data(7, 0, 43, 2, false);
    look(-1, -1, false);
    expect(VERIFY_SEQUENCE, 2);
    look(-1, -1, true);
    expect_nothing();
}

Test(verify_partition, lets_sequences_begin_again, .init = begin)
{
    data(7, 0, INT32_MAX, 1, false);
    data(7, 0, 0, 2, false);
    look(-1, -1, false);
    expect_nothing();
}

Test(verify_partition, finds_a_new_epoch_that_does_not_begin_at_zero, .init = begin)
{
    data(7, 0, 0, 2, false);
    data(7, 1, 2, 2, false);
    look(-1, -1, false);
    expect(VERIFY_SEQUENCE, 2);
}

Test(verify_partition, finds_what_a_fenced_producer_has_written, .init = begin)
{
    data(7, 1, 0, 2, false);
    data(7, 0, 0, 2, false);
    data(7, 1, 2, 2, false);
    look(-1, -1, false);
    expect(VERIFY_EPOCH, 2);
}

/* ---- VFY-4 */

Test(verify_partition, finds_a_transaction_that_goes_on_with_another_epoch, .init = begin)
{
    data(8, 0, 0, 2, true);
    data(8, 1, 0, 2, true);
    end_with(8, 2, true, 0);
    look(-1, -1, false);
    expect(VERIFY_EPOCH, 2);
}

Test(verify_partition, finds_a_marker_that_is_too_old, .init = begin)
{
    data(8, 2, 0, 2, true);
    end_with(8, 1, true, 0);
    look(-1, -1, false);
    expect(VERIFY_MARKER, 2);
}

Test(verify_partition, finds_a_coordinator_that_is_too_old, .init = begin)
{
    data(8, 0, 0, 2, true);
    end_with(8, 0, true, 5);
    data(8, 0, 2, 2, true);
    end_with(8, 0, true, 4);
    look(-1, -1, false);
    expect(VERIFY_MARKER, 5);
}

Test(verify_partition, finds_a_batch_outside_of_an_open_transaction, .init = begin)
{
    data(8, 0, 0, 2, true);
    data(8, 0, 2, 2, false);
    end_with(8, 0, true, 0);
    look(-1, -1, false);
    expect(VERIFY_MARKER, 2);
}

/* ---- VFY-5 */

Test(verify_partition, knows_where_the_last_stable_offset_lies, .init = begin)
{
    data(-1, -1, -1, 3, false);
    data(8, 0, 0, 2, true);
    data(-1, -1, -1, 1, false);
    the_log.is_hidden[1] = the_log.is_hidden[2] = true;
    look(3, 3, false);
    cr_assert(eq(u64, the_partition->open_count, 1));
    expect_nothing();
    look(2, 3, false); /* it was told a little earlier */
    expect_nothing();
    look(3, 2, false);
    expect(VERIFY_WATERMARK, 2);
}

Test(verify_partition, finds_a_last_stable_offset_behind_an_open_transaction, .init = begin)
{
    data(8, 0, 0, 2, true);
    data(-1, -1, -1, 1, false);
    look(3, 3, false);
    cr_assert(eq(u64, the_partition->counts[VERIFY_WATERMARK], 1));
    verify_partition_destroy(the_partition);
}

/* ---- VFY-6 */

Test(verify_partition, finds_what_was_aborted_and_is_given, .init = begin)
{
    write_good_log();
    the_log.is_hidden[4] = false;
    look(-1, -1, false);
    expect(VERIFY_ISOLATION, 0);
}

Test(verify_partition, finds_what_was_committed_and_is_hidden, .init = begin)
{
    write_good_log();
    the_log.is_hidden[2] = true;
    look(-1, -1, false);
    expect(VERIFY_ISOLATION, 0);
}

Test(verify_partition, says_in_which_stretch_the_readers_differ, .init = begin)
{
    data(-1, -1, -1, 1, false);
    the_log.end = 3 * VERIFY_STRIPE_OFFSETS - 1;
    data(-1, -1, -1, 2, false); /* of two stretches: it counts where it begins */
    the_log.is_hidden[1] = true;
    look(-1, -1, false);
    cr_assert(eq(u64, the_partition->counts[VERIFY_ISOLATION], 1));
    cr_assert(eq(u64, the_partition->counts[VERIFY_HOLE], 1));
    cr_assert(eq(i64, the_partition->findings[1].offset, 2 * VERIFY_STRIPE_OFFSETS));
    verify_partition_destroy(the_partition);
}

/* ---- bounds */

Test(verify_partition, counts_findings_that_it_does_not_keep, .init = begin)
{
    for (int i = 0; i < VERIFY_FINDINGS_MAX + 5; i++) {
        the_log.end++;
        data(-1, -1, -1, 1, false);
    }
    look(-1, -1, false);
    cr_assert(eq(u64, the_partition->counts[VERIFY_HOLE], VERIFY_FINDINGS_MAX + 5));
    cr_assert(eq(u32, the_partition->findings_count, VERIFY_FINDINGS_MAX));
    verify_partition_destroy(the_partition);
}

Test(verify_partition, leaves_out_producers_beyond_its_bound, .init = begin)
{
    struct verify_partition_options options = {.producers_max = 1};
    struct batch_header header;

    data(7, 0, 0, 1, false);
    data(8, 0, 0, 1, false);
    options.stable_offset = options.high_watermark = the_log.end;
    cr_assert(eq(int, verify_partition_create(&options, &the_partition), OK));
    for (int32_t i = 0; i < the_log.count; i++) {
        cr_assert(eq(int, batch_parse(the_log.bytes[i], the_log.sizes[i], &header), OK));
        cr_assert(eq(int, verify_partition_batch(the_partition, &header, the_log.bytes[i]), OK));
    }
    verify_partition_end(the_partition, -1);
    verify_partition_committed_end(the_partition);
    cr_assert(eq(u64, the_partition->producers_left_out, 1));
    expect_nothing();
}
