/* A search of a batch gives what a walk over all its records gives, and costs what it may. */
#include "base/mem.h"
#include "base/prng.h"
#include "record/batch_reader.h"
#include "record/batch_search.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { BASE_MS = 1000000, VALUE_MAX_BYTES = 100000 };

static struct compression_context *context;

static void setup(void)
{
    context = compression_context_create();
}

static void teardown(void)
{
    compression_context_destroy(context);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(batch_search, .init = setup, .fini = teardown);

/* Records whose times go up and down. */
static struct golden build(struct prng *prng, enum compression codec, bool log_append_time)
{
    struct batch_builder_options options = batch_builder_options_default();
    static uint8_t value[VALUE_MAX_BYTES];
    struct batch_builder builder;
    const uint8_t *bytes;
    uint32_t size_bytes;
    struct golden batch;
    uint64_t count = 1 + prng_below(prng, 20);

    options.codec = codec;
    options.base_offset = 100;
    options.leader_epoch = 3;
    options.log_append_time = log_append_time;
    options.append_time_ms = BASE_MS + 50;
    batch_builder_init(&builder, &options);
    prng_fill(prng, value, sizeof(value) / 2);
    for (uint64_t i = 0; i < count; i++)
        cr_assert(eq(int,
                     batch_builder_add_pair(&builder, "key", 3, value,
                                            (int32_t)prng_below(prng, VALUE_MAX_BYTES),
                                            BASE_MS + (int64_t)prng_below(prng, 100)),
                     OK));
    cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
    batch = golden_copy(bytes, size_bytes);
    batch_builder_deinit(&builder);
    return batch;
}

/* The same by reading all of it. */
static struct batch_search search_slowly(const struct golden *batch, int64_t timestamp_ms,
                                         int64_t from_offset)
{
    struct batch_search expected = {.found_offset = -1};
    struct batch_reader reader;
    struct record record;
    int64_t offset;
    int64_t time_ms;

    batch_reader_init(&reader, context, 1 << 30);
    cr_assert(eq(int, batch_reader_open(&reader, batch->bytes, batch->size_bytes), OK));
    while (!expected.found && batch_reader_next(&reader, &record, &offset, &time_ms) == OK)
        if (offset >= from_offset && time_ms >= timestamp_ms)
            expected = (struct batch_search){
                .found = true, .found_offset = offset, .found_timestamp_ms = time_ms};
    batch_reader_deinit(&reader);
    return expected;
}

static struct batch_header header_of(const struct golden *batch)
{
    struct batch_header header;

    cr_assert(eq(int, batch_parse(batch->bytes, batch->size_bytes, &header), OK));
    return header;
}

Test(batch_search, finds_what_a_walk_finds)
{
    struct prng prng;

    prng_init(&prng, 31);
    for (int i = 0; i < 200; i++) {
        struct golden batch =
            build(&prng, (enum compression)(i % COMPRESSION_COUNT), prng_chance(&prng, 1, 4));
        struct batch_header header = header_of(&batch);
        struct batch_search search = {.timestamp_ms = BASE_MS + (int64_t)prng_below(&prng, 110),
                                      .from_offset = 95 + (int64_t)prng_below(&prng, 25),
                                      .work_max_bytes = UINT64_MAX};
        struct batch_search expected =
            search_slowly(&batch, search.timestamp_ms, search.from_offset);

        cr_assert(eq(int, batch_search(&search, context, batch.bytes, &header), OK));
        cr_assert(eq(int, search.found, expected.found), "batch %d", i);
        if (search.found) {
            cr_assert(eq(i64, search.found_offset, expected.found_offset));
            cr_assert(eq(i64, search.found_timestamp_ms, expected.found_timestamp_ms));
            cr_assert(eq(i32, search.found_leader_epoch, 3));
        }
        golden_free(&batch);
    }
}

Test(batch_search, ends_at_its_limit_and_at_the_hit)
{
    const uint32_t value_bytes = 8 << 20;
    const uint64_t limit_bytes = 1 << 20;

    for (int codec = COMPRESSION_NONE; codec < COMPRESSION_COUNT; codec++) {
        struct batch_builder_options options = batch_builder_options_default();
        uint8_t *value = mem_alloc(value_bytes);
        struct batch_search search = {.timestamp_ms = BASE_MS, .work_max_bytes = limit_bytes};
        struct batch_builder builder;
        struct batch_header header;
        const uint8_t *bytes;
        uint32_t size_bytes;
        uint64_t used_bytes;

        options.codec = (enum compression)codec;
        batch_builder_init(&builder, &options);
        for (int64_t i = 0; i < 3; i++)
            cr_assert(eq(int,
                         batch_builder_add_pair(&builder, NULL, -1, value,
                                                i == 0 ? 10 : (int32_t)value_bytes, BASE_MS + i),
                         OK));
        cr_assert(eq(int, batch_builder_finish(&builder, context, &bytes, &size_bytes), OK));
        cr_assert(eq(int, batch_parse(bytes, size_bytes, &header), OK));
        mem_free(value);
        used_bytes = mem_used_bytes();
        if (codec != COMPRESSION_SNAPPY) { /* one block a window */
            cr_assert(eq(int, batch_search(&search, context, bytes, &header), OK));
            cr_assert(search.found && search.found_offset == 0);
            cr_assert(lt(u64, search.work_bytes, limit_bytes));
        }
        search.timestamp_ms = BASE_MS + 2;
        cr_assert(eq(int, batch_search(&search, context, bytes, &header),
                     codec == COMPRESSION_NONE ? OK : ERR_FULL),
                  "codec %d", codec);
        cr_assert(lt(u64, search.work_bytes, limit_bytes + 100000));
        cr_assert(lt(u64, mem_used_bytes(), used_bytes + (1 << 20)));
        search.work_max_bytes = UINT64_MAX;
        cr_assert(eq(int, batch_search(&search, context, bytes, &header), OK));
        cr_assert(search.found && search.found_offset == 2);
        cr_assert(le(u64, mem_used_bytes(),
                     used_bytes + compression_memory_bytes(codec, bytes + BATCH_HEADER_BYTES,
                                                           size_bytes - BATCH_HEADER_BYTES)));
        batch_builder_deinit(&builder);
    }
}

/* What compaction leaves may have no records, and no stream either. */
Test(batch_search, an_empty_batch_has_nothing)
{
    struct prng prng;

    prng_init(&prng, 32);
    for (int codec = COMPRESSION_NONE; codec < COMPRESSION_COUNT; codec++) {
        struct golden batch = build(&prng, (enum compression)codec, false);
        struct batch_header header = header_of(&batch);
        struct batch_search search = {.timestamp_ms = 0, .work_max_bytes = UINT64_MAX};

        header.record_count = 0;
        header.size_bytes = BATCH_HEADER_BYTES;
        cr_assert(eq(int, batch_search(&search, context, batch.bytes, &header), OK));
        cr_assert(not(search.found));
        golden_free(&batch);
    }
}

Test(batch_search, a_broken_batch_is_an_error)
{
    struct prng prng;

    prng_init(&prng, 33);
    for (int codec = COMPRESSION_NONE; codec < COMPRESSION_COUNT; codec++) {
        struct golden batch = build(&prng, (enum compression)codec, false);
        struct batch_header header = header_of(&batch);
        struct batch_search search = {.timestamp_ms = INT64_MAX, .work_max_bytes = UINT64_MAX};

        header.size_bytes -= 5;
        cr_assert(ne(int, batch_search(&search, context, batch.bytes, &header), OK));
        golden_free(&batch);
    }
}
