#include "base/mem.h"
#include "base/prng.h"
#include "storage/log/epoch_cache.h"
#include "tests/support/storage_golden.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

static struct epoch_cache cache;

static void setup(void)
{
    epoch_cache_init(&cache);
}

static void teardown(void)
{
    epoch_cache_deinit(&cache);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(epoch_cache, .init = setup, .fini = teardown);

static void expect_end(int32_t asked, int32_t epoch, int64_t offset)
{
    int32_t epoch_out;
    int64_t offset_out = epoch_cache_end_offset(&cache, asked, 100, &epoch_out);

    cr_assert(eq(i32, epoch_out, epoch), "epoch %d", asked);
    cr_assert(eq(i64, offset_out, offset), "epoch %d", asked);
}

Test(epoch_cache, ends_of_epochs_are_as_in_kraft_md_5c)
{
    expect_end(0, -1, -1); /* nothing is known */
    expect_end(-1, -1, -1);
    cr_assert(epoch_cache_assign(&cache, 2, 10));
    cr_assert(epoch_cache_assign(&cache, 4, 20));
    cr_assert(epoch_cache_assign(&cache, 7, 50));
    expect_end(7, 7, 100);  /* the latest: the end of the log */
    expect_end(8, -1, -1);  /* above the latest */
    expect_end(-1, -1, -1); /* undefined */
    expect_end(1, 1, 10);   /* below the oldest */
    expect_end(0, 0, 10);
    expect_end(2, 2, 20);
    expect_end(3, 2, 20); /* the largest known below it */
    expect_end(4, 4, 50);
    expect_end(6, 4, 50);
}

Test(epoch_cache, an_epoch_that_goes_on_changes_nothing)
{
    cr_assert(epoch_cache_assign(&cache, 2, 10));
    cr_assert(not(epoch_cache_assign(&cache, 2, 10)));
    cr_assert(not(epoch_cache_assign(&cache, 2, 15)));
    cr_assert(eq(u32, cache.count, 1));
    cr_assert(epoch_cache_assign(&cache, 2, 5)); /* earlier: it replaces */
    cr_assert(eq(i64, cache.entries[0].start_offset, 5));
}

Test(epoch_cache, contradicting_entries_at_the_end_go)
{
    epoch_cache_assign(&cache, 2, 10);
    epoch_cache_assign(&cache, 4, 20);
    epoch_cache_assign(&cache, 7, 50);
    cr_assert(epoch_cache_assign(&cache, 9, 20));
    cr_assert(eq(u32, cache.count, 2));
    cr_assert(eq(i32, cache.entries[1].epoch, 9));
    cr_assert(epoch_cache_assign(&cache, 1, 5));
    cr_assert(eq(u32, cache.count, 1));
    cr_assert(eq(i32, epoch_cache_latest(&cache), 1));
}

Test(epoch_cache, the_file_of_kafka_is_read_and_written)
{
    struct golden file = golden_read("storage/leader-epoch-checkpoint");
    char text[64];

    cr_assert(eq(int, epoch_cache_decode(&cache, (char *)file.bytes, file.size_bytes), OK));
    cr_assert(eq(u32, cache.count, 3));
    cr_assert(eq(i32, epoch_cache_earliest(&cache), 0));
    cr_assert(eq(i32, cache.entries[1].epoch, 3));
    cr_assert(eq(i64, cache.entries[2].start_offset, 5000000000));
    cr_assert(eq(sz, epoch_cache_encode(&cache, NULL, 0), file.size_bytes));
    cr_assert(eq(sz, epoch_cache_encode(&cache, text, sizeof(text)), file.size_bytes));
    cr_assert(eq(int, memcmp(text, file.bytes, file.size_bytes), 0));
    golden_free(&file);
}

Test(epoch_cache, files_that_make_no_sense_leave_it_as_it_was)
{
    static const struct {
        const char *text;
        enum err expected;
    } files[] = {
        {"", ERR_TRUNCATED},
        {"0\n", ERR_TRUNCATED},
        {"0\n1\n", ERR_TRUNCATED},
        {"0\n2\n0 0\n", ERR_TRUNCATED},
        {"1\n0\n", ERR_NEWER_FORMAT},
        {"x\n0\n", ERR_MALFORMED},
        {"0\n-1\n", ERR_MALFORMED},
        {"0\n99999999999\n", ERR_MALFORMED},
        {"0\n1\n0 0\n1 1\n", ERR_MALFORMED},
        {"0\n1\n0\n", ERR_MALFORMED},
        {"0\n1\n0 0 0\n", ERR_MALFORMED},
        {"0\n1\n-1 0\n", ERR_MALFORMED},
        {"0\n1\n0 -5\n", ERR_MALFORMED},
        {"0\n1\n2147483648 0\n", ERR_MALFORMED},
        {"0\n2\n1 5\n1 9\n", ERR_MALFORMED}, /* EPO-1 */
        {"0\n2\n1 5\n2 5\n", ERR_MALFORMED},
        {"0\n1\n0 0\n\n", ERR_MALFORMED},
    };

    epoch_cache_assign(&cache, 3, 33);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        struct golden copy = golden_copy(files[i].text, strlen(files[i].text));

        cr_assert(eq(int, epoch_cache_decode(&cache, (char *)copy.bytes, copy.size_bytes),
                     files[i].expected),
                  "file %zu", i);
        cr_assert(eq(u32, cache.count, 1));
        cr_assert(eq(i64, cache.entries[0].start_offset, 33));
        golden_free(&copy);
    }
    cr_assert(eq(int, epoch_cache_decode(&cache, "0\n0\n", 4), OK));
    cr_assert(eq(u32, cache.count, 0));
    cr_assert(eq(int, epoch_cache_decode(&cache, "0\r\n1\r\n 5 \t 6", 12), OK));
    cr_assert(eq(i32, epoch_cache_latest(&cache), 5));
}

/* ---- beside a model: the epoch of every single offset */

enum { OFFSETS = 300, NO_EPOCH = -1 };

struct model {
    int32_t epochs[OFFSETS]; /* of each record; NO_EPOCH outside the log */
    int64_t start, end;
};

static int64_t model_end_offset(const struct model *model, int32_t epoch, int32_t *epoch_out)
{
    int64_t first_higher = -1;
    int32_t floor = -1;

    for (int64_t i = model->start; i < model->end; i++) {
        if (model->epochs[i] > epoch && first_higher < 0)
            first_higher = i;
        if (model->epochs[i] <= epoch)
            floor = model->epochs[i];
    }
    if (model->end > model->start && model->epochs[model->end - 1] == epoch) {
        *epoch_out = epoch;
        return model->end;
    }
    if (first_higher < 0 || epoch < 0) {
        *epoch_out = -1;
        return -1;
    }
    *epoch_out = floor < 0 ? epoch : floor;
    return first_higher;
}

Test(epoch_cache, agrees_with_the_epochs_of_all_records)
{
    struct prng prng;

    for (uint64_t seed = 0; seed < 400; seed++) {
        struct model model = {.start = 0, .end = 0};
        int32_t epoch = 0;

        prng_init(&prng, seed);
        epoch_cache_clear(&cache);
        for (int step = 0; step < 60; step++) {
            uint64_t kind = prng_below(&prng, 10);

            if (kind < 7 && model.end < OFFSETS - 10) { /* append some records */
                epoch += prng_chance(&prng, 1, 4) ? (int32_t)prng_below(&prng, 3) + 1 : 0;
                epoch_cache_assign(&cache, epoch, model.end);
                for (uint64_t n = prng_below(&prng, 8) + 1; n > 0; n--)
                    model.epochs[model.end++] = epoch;
            } else if (kind < 9 && model.end > model.start + 1) { /* cut the end, not to nothing */
                model.end -= (int64_t)prng_below(&prng, (uint64_t)(model.end - model.start - 1));
                epoch_cache_truncate_end(&cache, model.end);
                epoch = model.epochs[model.end - 1];
            } else if (model.end > model.start + 1) { /* raise the start */
                model.start += (int64_t)prng_below(&prng, (uint64_t)(model.end - model.start));
                epoch_cache_truncate_start(&cache, model.start);
            }
            for (int64_t i = model.start; i < model.end; i++)
                cr_assert(eq(i32, epoch_cache_find(&cache, i), model.epochs[i]), "seed %lu", seed);
            for (int32_t asked = -1; asked < epoch + 3; asked++) {
                int32_t expected_epoch, got_epoch;
                int64_t expected = model_end_offset(&model, asked, &expected_epoch);
                int64_t got = epoch_cache_end_offset(&cache, asked, model.end, &got_epoch);

                if (model.end == model.start)
                    continue; /* the cache may know an epoch without records */
                cr_assert(eq(i64, got, expected), "seed %lu epoch %d", seed, asked);
                cr_assert(eq(i32, got_epoch, expected_epoch), "seed %lu epoch %d", seed, asked);
            }
            if (step % 7 == 0) { /* and through the file */
                char text[4096];
                size_t size_bytes = epoch_cache_encode(&cache, text, sizeof(text));
                struct epoch_cache read = {0};

                cr_assert(eq(int, epoch_cache_decode(&read, text, size_bytes), OK));
                cr_assert(epoch_cache_equal(&read, &cache));
                epoch_cache_deinit(&read);
            }
        }
    }
}
