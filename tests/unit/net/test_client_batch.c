#include "net/client/client_batch.h"
#include "record/batch_validate.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

enum { BATCH_BYTES = 4000 };

static struct client_batch_pool pool;
static struct compression_context *context;
static uint8_t scratch[1 << 20];

static void up(void)
{
    client_batch_pool_init(&pool, 1 << 20, BATCH_BYTES);
    context = compression_context_create();
}

static void down(void)
{
    client_batch_pool_deinit(&pool);
    compression_context_destroy(context);
}

TestSuite(client_batch, .init = up, .fini = down);

static void add(struct client_batch *batch, uint64_t token, int32_t value_bytes)
{
    static uint8_t value[1 << 16];
    struct record record;

    memset(value, (int)token & 0xff, sizeof(value));
    record_init(&record, &token, 8, value, value_bytes);
    cr_assert(
        eq(int, client_batch_add(batch, &pool, &record, 1000 + (int64_t)token * 3, token), OK));
}

static struct client_batch *made(uint32_t count, int32_t value_bytes)
{
    struct client_batch *batch = client_batch_take(&pool, 100, false);

    for (uint32_t i = 0; i < count; i++)
        add(batch, i, value_bytes);
    return batch;
}

static void check_records(const struct client_batch *batch, uint64_t first)
{
    struct client_batch_walk walk;
    struct record record;
    int64_t timestamp_ms;
    uint64_t token, count = 0;

    cr_assert(eq(int, client_batch_walk_begin(&walk, batch, context), OK));
    while (client_batch_walk_next(&walk, &record, &timestamp_ms, &token)) {
        cr_assert(eq(u64, token, first + count));
        cr_assert(eq(i64, timestamp_ms, 1000 + (int64_t)token * 3));
        cr_assert(eq(int, memcmp(record.key, &token, 8), 0));
        count++;
    }
    client_batch_walk_end(&walk);
    cr_assert(eq(u64, count, (uint64_t)batch->records_count));
}

Test(client_batch, is_a_batch_of_kafka_whatever_the_codec)
{
    for (int codec = 0; codec < COMPRESSION_COUNT; codec++) {
        struct client_batch *batch = made(20, 100);
        struct batch_header header;

        cr_assert(eq(int,
                     client_batch_seal(batch, (enum compression)codec, COMPRESSION_LEVEL_DEFAULT,
                                       context, scratch, sizeof(scratch)),
                     OK));
        client_batch_number(batch, 77, 3, 40, true);
        cr_assert(eq(int, batch_parse(batch->bytes, batch->size_bytes, &header), OK));
        cr_assert(batch_crc_is_good(batch->bytes, &header));
        cr_assert(eq(int, batch_codec(&header), codec));
        cr_assert(batch_is_transactional(&header));
        cr_assert(eq(i32, header.base_sequence, 40));
        cr_assert(eq(i32, batch_last_sequence(&header), 59));
        cr_assert(eq(i64, header.max_timestamp_ms, 1057));
        check_records(batch, 0);
        client_batch_give(&pool, batch);
    }
}

Test(client_batch, what_compression_makes_larger_stays_as_it_is)
{
    struct client_batch *batch = made(1, 1);

    cr_assert(eq(int,
                 client_batch_seal(batch, COMPRESSION_GZIP, COMPRESSION_LEVEL_DEFAULT, context,
                                   scratch, sizeof(scratch)),
                 OK));
    cr_assert(eq(int, batch->codec, COMPRESSION_NONE));
    client_batch_give(&pool, batch);
}

Test(client_batch, splits_in_halves_with_its_numbers)
{
    for (int codec = 0; codec < 2; codec++) {
        struct client_batch *batch = made(21, 100);
        struct client_batch *first, *second;

        cr_assert(eq(int,
                     client_batch_seal(batch, (enum compression)codec, COMPRESSION_LEVEL_DEFAULT,
                                       context, scratch, sizeof(scratch)),
                     OK));
        client_batch_number(batch, 77, 3, INT32_MAX - 3, false);
        cr_assert(eq(int, client_batch_split(batch, &pool, context, &first, &second), OK));
        cr_assert(eq(i32, first->records_count + second->records_count, 21));
        cr_assert(ge(i32, first->records_count, 10));
        cr_assert(ge(i32, second->records_count, 10));
        cr_assert(eq(i32, first->base_sequence, INT32_MAX - 3));
        cr_assert(eq(i32, second->base_sequence, first->records_count - 4));
        check_records(first, 0);
        check_records(second, (uint64_t)first->records_count);
        client_batch_give(&pool, batch);
        client_batch_give(&pool, first);
        client_batch_give(&pool, second);
    }
}

/* What the whole may have been, both halves are in doubt about. */
Test(client_batch, halves_of_what_may_be_stored_are_in_doubt)
{
    for (int is_in_doubt = 0; is_in_doubt < 2; is_in_doubt++) {
        struct client_batch *batch = made(10, 50);
        struct client_batch *first, *second;

        batch->may_be_stored = is_in_doubt;
        cr_assert(eq(int, client_batch_split(batch, &pool, context, &first, &second), OK));
        cr_assert(eq(int, first->is_half_in_doubt && first->may_be_stored, is_in_doubt));
        cr_assert(eq(int, second->is_half_in_doubt && second->may_be_stored, is_in_doubt));
        client_batch_give(&pool, batch);
        client_batch_give(&pool, first);
        client_batch_give(&pool, second);
    }
}

Test(client_batch, one_large_record_and_a_small_one_split)
{
    struct client_batch *batch = client_batch_take(&pool, 20000, false);
    struct client_batch *first, *second;

    add(batch, 0, 10);
    add(batch, 1, 19000);
    cr_assert(eq(int, client_batch_split(batch, &pool, context, &first, &second), OK));
    cr_assert(eq(i32, first->records_count, 1));
    cr_assert(eq(i32, second->records_count, 1));
    client_batch_give(&pool, batch);
    client_batch_give(&pool, first);
    client_batch_give(&pool, second);
}

/* CBA-2 */
Test(client_batch, the_pool_is_bounded_and_gives_its_memory_again)
{
    struct client_batch *taken[1000];
    uint32_t count = 0;
    struct client_batch *large;

    for (int round = 0; round < 3; round++) {
        count = 0;
        while ((taken[count] = client_batch_take(&pool, 100, false)) != NULL)
            count++;
        cr_assert(lt(u32, 150, count));
        cr_assert(lt(u32, count, 262));
        cr_assert(eq(ptr, client_batch_take(&pool, 50000, false), NULL));
        large = client_batch_take(&pool, 50000, true);
        cr_assert(ne(ptr, large, NULL));
        client_batch_give(&pool, large);
        while (count > 0)
            client_batch_give(&pool, taken[--count]);
        cr_assert(eq(u64, pool.used_bytes, 0));
        cr_assert(le(u64, pool.free_bytes, pool.max_bytes));
        large = client_batch_take(&pool, 900000, false); /* at the cost of free ones */
        cr_assert(ne(ptr, large, NULL));
        cr_assert(le(u64, pool.used_bytes + pool.free_bytes, pool.max_bytes));
        client_batch_give(&pool, large);
    }
}

Test(client_batch, takes_as_many_tokens_as_records_fit)
{
    struct client_batch *batch = client_batch_take(&pool, 10, false);
    struct record record;
    uint64_t count = 0;

    record_init(&record, NULL, -1, NULL, -1);
    while (client_batch_add(batch, &pool, &record, 1, count) == OK)
        count++;
    cr_assert(lt(u64, 400, count));
    for (uint64_t i = 0; i < count; i++)
        cr_assert(eq(u64, batch->tokens[i], i));
    client_batch_give(&pool, batch);
}
