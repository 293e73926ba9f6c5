#include "base/mem.h"
#include "base/prng.h"
#include "record/batch_validate.h"
#include "record/record.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define NOW_MS 1700000000000

static struct compression_context *context;
static struct batch_rules rules;
static struct batch_info info;

static void setup(void)
{
    context = compression_context_create();
    rules = (struct batch_rules){
        .produce_version = 9,
        .validate_compressed = true,
        .max_message_bytes = 1 << 20,
        .uncompressed_max_bytes = 8 << 20,
        .now_ms = NOW_MS,
        .timestamp_before_max_ms = INT64_MAX,
        .timestamp_after_max_ms = 3600000,
    };
}

static void teardown(void)
{
    compression_context_destroy(context);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(batch_validate, .init = setup, .fini = teardown);

static enum err validate(const struct golden *batch)
{
    return batch_validate(&rules, context, batch->bytes, batch->size_bytes, &info);
}

static struct golden batch_in(int codec, int32_t count)
{
    struct batch_builder_options options = batch_builder_options_default();

    options.codec = (enum compression)codec;
    return golden_batch(&options, count);
}

/* Change the header, repair the checksum, and ask; the batch is spent. */
static enum err validate_changed(struct golden batch, void (*change)(struct batch_header *header))
{
    struct batch_header header;
    enum err err;

    cr_assert(eq(int, batch_parse(batch.bytes, batch.size_bytes, &header), OK));
    change(&header);
    batch_put_header(batch.bytes, &header);
    golden_repair(&batch);
    err = validate(&batch);
    golden_free(&batch);
    return err;
}

Test(batch_validate, good_batches_pass_in_every_codec)
{
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct golden batch = batch_in(codec, 1000);

        cr_assert(eq(int, validate(&batch), OK), "%s", info.text);
        cr_assert(eq(i32, info.record_count, 1000));
        cr_assert(eq(i64, info.max_timestamp_ms, NOW_MS + 999));
        golden_free(&batch);
    }
}

static void set_count_small(struct batch_header *header)
{
    header->record_count--;
}

static void set_both_small(struct batch_header *header)
{
    header->record_count--;
    header->last_offset_delta--;
}

static void set_both_large(struct batch_header *header)
{
    header->record_count++;
    header->last_offset_delta++;
}

static void set_count_zero(struct batch_header *header)
{
    header->record_count = 0;
    header->last_offset_delta = -1;
}

static void set_huge(struct batch_header *header)
{
    header->record_count = INT32_MAX;
    header->last_offset_delta = INT32_MAX - 1;
}

static void set_control(struct batch_header *header)
{
    header->attributes |= BATCH_CONTROL;
}

static void set_transactional(struct batch_header *header)
{
    header->attributes |= BATCH_TRANSACTIONAL;
}

static void set_producer_without_sequence(struct batch_header *header)
{
    header->producer_id = 5;
    header->producer_epoch = 0;
}

static void set_base_offset(struct batch_header *header)
{
    header->base_offset = 1;
}

static void set_codec_7(struct batch_header *header)
{
    header->attributes |= 7;
}

Test(batch_validate, headers_that_lie_are_refused_in_every_codec)
{
    void (*const lies[])(struct batch_header *) = {
        set_count_small, set_both_small, set_both_large,    set_count_zero,
        set_huge,        set_control,    set_transactional, set_producer_without_sequence,
        set_base_offset,
    };

    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
            cr_assert(eq(int, validate_changed(batch_in(codec, 10), lies[i]), ERR_RECORD),
                      "codec %d, lie %zu", codec, i);
            cr_assert(ne(chr, info.text[0], '\0'));
        }
        cr_assert(eq(int, validate_changed(batch_in(codec, 10), set_codec_7), ERR_CODEC));
    }
}

Test(batch_validate, zstd_needs_version_7)
{
    struct golden batch = batch_in(COMPRESSION_ZSTD, 3);

    rules.produce_version = 6;
    cr_assert(eq(int, validate(&batch), ERR_CODEC));
    rules.produce_version = 7;
    cr_assert(eq(int, validate(&batch), OK));
    golden_free(&batch);
}

Test(batch_validate, the_whole_batch_counts_for_the_size_limit)
{
    struct golden batch = batch_in(COMPRESSION_NONE, 10);

    rules.max_message_bytes = (uint32_t)batch.size_bytes;
    cr_assert(eq(int, validate(&batch), OK));
    rules.max_message_bytes--;
    cr_assert(eq(int, validate(&batch), ERR_TOO_LARGE));
    golden_free(&batch);
}

Test(batch_validate, offsets_have_no_holes)
{
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct batch_builder_options options = batch_builder_options_default();
        struct batch_builder builder;
        struct record record;
        struct golden batch;
        const uint8_t *bytes;
        uint32_t size_bytes;

        options.codec = (enum compression)codec;
        batch_builder_init(&builder, &options);
        record_init(&record, "k", 1, "v", 1);
        cr_assert(eq(int, batch_builder_add_at(&builder, &record, 0, NOW_MS), OK));
        cr_assert(eq(int, batch_builder_add_at(&builder, &record, 2, NOW_MS), OK));
        cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
        batch = golden_copy(bytes, size_bytes);
        batch_builder_deinit(&builder);
        cr_assert(eq(int, validate_changed(batch, set_count_small), ERR_RECORD));
        batch = batch_in(codec, 3);
        cr_assert(eq(int, validate(&batch), OK));
        golden_free(&batch);
    }
}

/* Two records, the second with that time and key. */
static struct golden timed_batch(int codec, int64_t timestamp_ms, const char *key)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    struct golden batch;
    const uint8_t *bytes;
    uint32_t size_bytes;

    options.codec = (enum compression)codec;
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, "a", 1, "v", 1, NOW_MS), OK));
    cr_assert(
        eq(int, batch_builder_add_pair(&builder, key, key ? 1 : -1, "v", 1, timestamp_ms), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
    batch = golden_copy(bytes, size_bytes);
    batch_builder_deinit(&builder);
    return batch;
}

static enum err validate_timed(int codec, int64_t timestamp_ms)
{
    struct golden batch = timed_batch(codec, timestamp_ms, "k");
    enum err err = validate(&batch);

    golden_free(&batch);
    return err;
}

Test(batch_validate, times_are_inside_the_bounds)
{
    for (int codec = 0; codec < 2; codec++) {
        rules.timestamp_before_max_ms = 1000;
        rules.timestamp_after_max_ms = 500;
        cr_assert(eq(int, validate_timed(codec, NOW_MS - 1000), OK));
        cr_assert(eq(int, validate_timed(codec, NOW_MS - 1001), ERR_TIMESTAMP));
        cr_assert(eq(i32, info.record_error_count, 1));
        cr_assert(eq(i32, info.record_errors[0].record_index, 1));
        cr_assert(eq(i64, info.record_errors[0].timestamp_ms, NOW_MS - 1001));
        cr_assert(eq(int, validate_timed(codec, NOW_MS + 500), OK));
        cr_assert(eq(i64, info.max_timestamp_ms, NOW_MS + 500));
        cr_assert(eq(int, validate_timed(codec, NOW_MS + 501), ERR_TIMESTAMP));
        cr_assert(eq(int, validate_timed(codec, INT64_MAX), ERR_TIMESTAMP));
        cr_assert(eq(int, validate_timed(codec, INT64_MIN), ERR_TIMESTAMP));
        cr_assert(eq(int, validate_timed(codec, -1), OK)); /* no time at all */
        rules.timestamp_before_max_ms = INT64_MAX;
        rules.timestamp_after_max_ms = INT64_MAX;
        cr_assert(eq(int, validate_timed(codec, INT64_MAX), OK));
        cr_assert(eq(int, validate_timed(codec, 0), OK));
        rules.log_append_time = true;
        rules.timestamp_before_max_ms = 0;
        cr_assert(eq(int, validate_timed(codec, 5), OK));
        cr_assert(eq(i64, info.max_timestamp_ms, NOW_MS)); /* of its first record */
        rules.log_append_time = false;
    }
}

static void set_max_timestamp(struct batch_header *header)
{
    header->max_timestamp_ms = NOW_MS + 5000000;
}

static void set_append_bit(struct batch_header *header)
{
    header->attributes |= BATCH_LOG_APPEND_TIME;
}

Test(batch_validate, the_time_that_counts_is_that_of_the_records_whatever_the_header_says)
{
    cr_assert(eq(int, validate_changed(batch_in(0, 3), set_max_timestamp), OK));
    cr_assert(eq(i64, info.max_timestamp_ms, NOW_MS + 2));
    cr_assert(eq(int, validate_changed(batch_in(0, 3), set_append_bit), OK));
    cr_assert(eq(i64, info.max_timestamp_ms, NOW_MS + 2));
    rules.log_append_time = true;
    cr_assert(eq(int, validate_changed(batch_in(0, 3), set_append_bit), ERR_TIMESTAMP));
    cr_assert(eq(int, info.record_errors[2].fault, BATCH_FAULT_TIME_TYPE));
}

Test(batch_validate, compacted_topics_want_keys)
{
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct golden batch = timed_batch(codec, NOW_MS, NULL);

        rules.compact = false;
        cr_assert(eq(int, validate(&batch), OK));
        rules.compact = true;
        cr_assert(eq(int, validate(&batch), ERR_RECORD));
        cr_assert(eq(i32, info.record_error_count, 1));
        cr_assert(eq(i32, info.record_errors[0].record_index, 1));
        cr_assert(eq(int, info.record_errors[0].fault, BATCH_FAULT_NO_KEY));
        golden_free(&batch);
    }
}

Test(batch_validate, many_bad_records_are_counted_and_the_first_are_told)
{
    struct golden batch = batch_in(COMPRESSION_LZ4, 100);

    rules.now_ms = 0;
    cr_assert(eq(int, validate(&batch), ERR_TIMESTAMP));
    cr_assert(eq(i32, info.record_error_count, 100));
    for (int32_t i = 0; i < BATCH_RECORD_ERRORS_MAX; i++)
        cr_assert(eq(i32, info.record_errors[i].record_index, i));
    golden_free(&batch);
}

struct visited {
    int32_t count;
    int32_t limit;
};

static bool visit_error(void *context, const struct batch_record_error *error)
{
    struct visited *visited = context;

    cr_assert(eq(i32, error->record_index, visited->count));
    cr_assert(eq(int, error->fault, BATCH_FAULT_TIME));
    cr_assert(eq(i64, error->timestamp_ms, NOW_MS + error->record_index));
    return ++visited->count < visited->limit;
}

Test(batch_validate, every_record_at_fault_can_be_seen_until_nobody_looks_any_more)
{
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct golden batch = batch_in(codec, 1000);
        struct visited all = {.limit = INT32_MAX};
        struct visited some = {.limit = 500};

        rules.now_ms = 0;
        cr_assert(eq(int, validate(&batch), ERR_TIMESTAMP));
        cr_assert(eq(i32, info.record_error_count, 1000));
        (void)batch_each_error(&rules, context, batch.bytes, batch.size_bytes, visit_error, &all);
        cr_assert(eq(i32, all.count, 1000));
        (void)batch_each_error(&rules, context, batch.bytes, batch.size_bytes, visit_error, &some);
        cr_assert(eq(i32, some.count, 500));
        golden_free(&batch);
    }
}

Test(batch_validate, compressed_records_are_trusted_when_told_to)
{
    struct golden batch = batch_in(COMPRESSION_GZIP, 10);

    memset(batch.bytes + BATCH_HEADER_BYTES, 0x55, batch.size_bytes - BATCH_HEADER_BYTES);
    golden_repair(&batch);
    cr_assert(eq(int, validate(&batch), ERR_RECORD));
    rules.validate_compressed = false;
    cr_assert(eq(int, validate(&batch), OK));
    cr_assert(eq(i64, info.max_timestamp_ms, NOW_MS + 9));
    golden_free(&batch);
}

Test(batch_validate, bombs_are_refused_with_little_memory)
{
    const int32_t value_bytes = 60 << 20;
    uint8_t *zeros = mem_alloc((size_t)value_bytes);

    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct batch_builder_options options = batch_builder_options_default();
        struct batch_builder builder;
        struct golden batch;
        const uint8_t *bytes;
        uint32_t size_bytes;
        uint64_t before;

        options.codec = (enum compression)codec;
        batch_builder_init(&builder, &options);
        cr_assert(
            eq(int, batch_builder_add_pair(&builder, "k", 1, zeros, value_bytes, NOW_MS), OK));
        cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
        batch = golden_copy(bytes, size_bytes);
        batch_builder_deinit(&builder);
        rules.max_message_bytes = UINT32_MAX;
        rules.uncompressed_max_bytes = 1 << 20;
        before = mem_used_bytes();
        cr_assert(eq(int, validate(&batch), ERR_TOO_LARGE), "codec %d: %s", codec, info.text);
        cr_assert(lt(u64, rules.uncompressed_max_bytes, info.walked_bytes)); /* it says why */
        rules.uncompressed_max_bytes = 64 << 20;
        cr_assert(eq(int, validate(&batch), OK), "codec %d: %s", codec, info.text);
        cr_assert(mem_used_bytes() < before + (1 << 20));
        golden_free(&batch);
    }
    mem_free(zeros);
}

/* Records larger than the decompressor's window take the slow path; both must say the same. */
Test(batch_validate, records_of_every_size_pass_in_every_codec)
{
    const uint64_t seed = 99;
    struct prng prng;

    prng_init(&prng, seed);
    for (int round = 0; round < 40; round++) {
        struct batch_builder_options options = batch_builder_options_default();
        struct batch_builder builder;
        struct golden batch;
        const uint8_t *bytes;
        uint32_t size_bytes;
        int32_t count = (int32_t)prng_below(&prng, 60) + 1;
        int32_t null_keys = 0;

        options.codec = (enum compression)(round % COMPRESSION_COUNT);
        batch_builder_init(&builder, &options);
        for (int32_t i = 0; i < count; i++) {
            static uint8_t space[200000];
            struct record_header headers[3];
            struct record record;
            bool large = prng_chance(&prng, 1, 10);

            prng_fill(&prng, space, 100);
            record_init(&record, space, (int32_t)prng_below(&prng, 100) - 1, space,
                        (int32_t)prng_below(&prng, large ? sizeof(space) : 200) - 1);
            for (size_t h = 0; h < 3; h++)
                headers[h] = (struct record_header){
                    .key = (const char *)space,
                    .key_bytes = (uint32_t)prng_below(&prng, large ? sizeof(space) : 50),
                    .value = space,
                    .value_bytes = (int32_t)prng_below(&prng, 50) - 1,
                };
            record.headers = headers;
            record.header_count = (int32_t)prng_below(&prng, 4);
            null_keys += record.key_bytes < 0;
            cr_assert(eq(int, batch_builder_add(&builder, &record, NOW_MS + i), OK));
        }
        cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
        batch = golden_copy(bytes, size_bytes);
        batch_builder_deinit(&builder);
        rules.max_message_bytes = UINT32_MAX;
        rules.uncompressed_max_bytes = 64 << 20;
        rules.compact = true;
        cr_assert(eq(int, validate(&batch), null_keys ? ERR_RECORD : OK), "seed %lu round %d: %s",
                  seed, round, info.text);
        cr_assert(eq(i32, info.record_error_count, null_keys));
        golden_free(&batch);
    }
}

Test(batch_validate, every_prefix_is_refused)
{
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct golden batch = batch_in(codec, 20);

        for (size_t size = 0; size < batch.size_bytes; size++) {
            struct golden part = golden_copy(batch.bytes, size);
            struct batch_header header;

            cr_assert(eq(int, validate(&part), ERR_RECORD));
            if (size >= BATCH_HEADER_BYTES) { /* and as a batch that is whole but too short */
                cr_assert(eq(int, batch_parse_header(part.bytes, size, &header), OK));
                header.size_bytes = (uint32_t)size;
                batch_put_header(part.bytes, &header);
                golden_repair(&part);
                cr_assert(eq(int, validate(&part), ERR_RECORD), "codec %d size %zu: %s", codec,
                          size, info.text);
            }
            golden_free(&part);
        }
        golden_free(&batch);
    }
}

Test(batch_validate, mutations_never_lead_outside_and_pass_only_when_harmless)
{
    const uint64_t seed = 20240613;
    struct prng prng;

    prng_init(&prng, seed);
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct golden batch = batch_in(codec, 20);

        for (int i = 0; i < 20000; i++) {
            struct golden broken = golden_copy(batch.bytes, batch.size_bytes);
            uint64_t changes = prng_below(&prng, 3) + 1;
            bool repaired = prng_chance(&prng, 9, 10);

            for (uint64_t j = 0; j < changes; j++)
                broken.bytes[prng_below(&prng, broken.size_bytes)] = (uint8_t)prng_u64(&prng);
            if (repaired)
                golden_repair(&broken);
            if (validate(&broken) == OK) {
                cr_assert(eq(i32, info.header.last_offset_delta, info.record_count - 1), "seed %lu",
                          seed);
                cr_assert(batch_crc_is_good(broken.bytes, &info.header), "seed %lu", seed);
            } else {
                cr_assert(ne(chr, info.text[0], '\0'));
            }
            golden_free(&broken);
        }
        golden_free(&batch);
    }
}

Test(batch_validate, a_refused_allocation_is_an_answer)
{
    for (int codec = COMPRESSION_GZIP; codec < COMPRESSION_COUNT; codec++) {
        struct golden batch = batch_in(codec, 20);

        for (uint64_t n = 1; n < 10; n++) {
            enum err err;

            compression_context_destroy(context);
            context = compression_context_create();
            mem_fail_after(n);
            err = validate(&batch);
            mem_fail_after(0);
            cr_assert(err == OK || err == ERR_NOMEM, "codec %d: %s", codec, info.text);
        }
        golden_free(&batch);
    }
}
