/* load_keys, load_size, load_payload: what comes out has the wished distribution. */
#include "record/compression.h"
#include "tools/load/load_keys.h"
#include "tools/load/load_payload.h"
#include "tools/load/load_size.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DRAWS = 1000000 };

static struct load_keys keys_of(const char *text, uint64_t count, uint64_t seed)
{
    struct load_keys_options options = {.keys_count = count, .seed = seed};
    struct load_keys keys;

    cr_assert(eq(int, load_keys_parse(text, &options), OK), "%s", text);
    cr_assert(eq(int, load_keys_init(&keys, &options), OK), "%s", text);
    return keys;
}

/* Chi-square of draws against the expected counts; about normal with mean cells - 1 and variance
 * 2 (cells - 1): the number of deviations. */
static double deviations(const uint64_t *counts, const double *expected, size_t cells)
{
    double sum = 0;

    for (size_t i = 0; i < cells; i++) {
        double off = (double)counts[i] - expected[i];
        sum += off * off / expected[i];
    }
    return (sum - (double)(cells - 1)) / sqrt(2.0 * (double)(cells - 1));
}

Test(load_shapes, zipf_has_its_frequencies)
{
    static const double exponents[] = {0.3, 0.99, 1, 1.2, 2};
    enum { KEYS = 1000 };
    static uint64_t counts[KEYS];
    static double expected[KEYS];

    for (size_t e = 0; e < sizeof(exponents) / sizeof(exponents[0]); e++) {
        char text[32];
        struct load_keys keys;
        double sum = 0;
        double off;
        snprintf(text, sizeof(text), "zipf:%g", exponents[e]);
        keys = keys_of(text, KEYS, 42 + e);
        memset(counts, 0, sizeof(counts));
        for (int i = 0; i < DRAWS; i++) {
            uint64_t number = load_keys_next(&keys);
            cr_assert(lt(u64, number, KEYS));
            counts[number]++;
        }
        for (int i = 0; i < KEYS; i++)
            sum += pow(i + 1, -exponents[e]);
        for (int i = 0; i < KEYS; i++)
            expected[i] = pow(i + 1, -exponents[e]) / sum * DRAWS;
        off = deviations(counts, expected, exponents[e] < 2 ? KEYS : 300);
        /* three, and for 2 the cells are not all of them */
        cr_assert(fabs(off) < 4, "%s: %f", text, off);
        cr_assert(lt(dbl, fabs((double)counts[0] / expected[0] - 1), 0.03));
    }
}

Test(load_shapes, zipf_of_very_many_keys)
{
    struct load_keys keys = keys_of("zipf:1.1", 1000000000000ULL, 5);
    uint64_t first = 0;

    for (int i = 0; i < DRAWS; i++) {
        uint64_t number = load_keys_next(&keys);
        cr_assert(lt(u64, number, 1000000000000ULL));
        first += number == 0;
    }
    /* zeta(1.1) = 10.5844; what is above 10^12 of it: (10^12)^-0.1 / 0.1 = 0.631 */
    cr_assert(lt(dbl, fabs((double)first / DRAWS * (10.5844 - 0.631) - 1), 0.01));
    keys = keys_of("zipf:1.5", 1, 5);
    cr_assert(eq(u64, load_keys_next(&keys), 0));
}

Test(load_shapes, uniform_is_even)
{
    enum { KEYS = 500 };
    static uint64_t counts[KEYS];
    static double expected[KEYS];
    struct load_keys keys = keys_of("uniform", KEYS, 1);

    for (int i = 0; i < DRAWS; i++)
        counts[load_keys_next(&keys)]++;
    for (int i = 0; i < KEYS; i++)
        expected[i] = (double)DRAWS / KEYS;
    cr_assert(lt(dbl, fabs(deviations(counts, expected, KEYS)), 3));
}

Test(load_shapes, the_hot_keys_get_their_load)
{
    enum { KEYS = 1000 };
    static uint64_t counts[KEYS];
    static double expected[KEYS];
    struct load_keys keys = keys_of("hot:20:80", KEYS, 8);

    for (int i = 0; i < DRAWS; i++)
        counts[load_keys_next(&keys)]++;
    for (int i = 0; i < KEYS; i++)
        expected[i] = i < 200 ? 0.8 * DRAWS / 200 : 0.2 * DRAWS / 800;
    cr_assert(lt(dbl, fabs(deviations(counts, expected, KEYS)), 3));
}

Test(load_shapes, sequential_and_none)
{
    struct load_keys keys = keys_of("sequential", 3, 0);

    for (uint64_t i = 0; i < 10; i++)
        cr_assert(eq(u64, load_keys_next(&keys), i % 3));
    keys = keys_of("none", 0, 0);
    cr_assert(eq(u64, load_keys_next(&keys), UINT64_MAX));
}

Test(load_shapes, one_seed_is_one_row_of_keys)
{
    struct load_keys a = keys_of("zipf:1", 100, 4);
    struct load_keys b = keys_of("zipf:1", 100, 4);

    for (int i = 0; i < 1000; i++)
        cr_assert(eq(u64, load_keys_next(&a), load_keys_next(&b)));
}

Test(load_shapes, refuses_what_is_no_distribution)
{
    static const struct {
        const char *text;
        enum err err;
    } wrong[] = {
        {"", ERR_MALFORMED},
        {"zipf", ERR_MALFORMED},
        {"zipf:", ERR_MALFORMED},
        {"zipf:1x", ERR_MALFORMED},
        {"zipf:-1", ERR_MALFORMED},
        {"zipf:0", ERR_INVALID},
        {"zipf:21", ERR_INVALID},
        {"hot:20", ERR_MALFORMED},
        {"hot:20:", ERR_MALFORMED},
        {"hot:0:80", ERR_INVALID},
        {"hot:100:80", ERR_INVALID},
        {"hot:20:101", ERR_INVALID},
        {"hot:20:80:1", ERR_MALFORMED},
        {"uniform:3", ERR_MALFORMED},
    };
    struct load_keys_options options = {.keys_count = 10};
    struct load_keys keys;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        cr_assert(eq(int, load_keys_parse(wrong[i].text, &options), wrong[i].err), "%s",
                  wrong[i].text);
    options = (struct load_keys_options){.kind = LOAD_KEYS_UNIFORM};
    cr_assert(eq(int, load_keys_init(&keys, &options), ERR_INVALID));
    options.keys_count = (1ULL << 52) + 1;
    cr_assert(eq(int, load_keys_init(&keys, &options), ERR_INVALID));
}

Test(load_shapes, keys_are_digits)
{
    char key[9] = "xxxxxxxx";

    load_keys_write(1203, key, 8);
    cr_assert(eq(str, key, (char *)"00001203"));
    load_keys_write(9876543210, key, 8);
    cr_assert(eq(str, key, (char *)"76543210"));
}

static const char *file_of(const char *content)
{
    static char path[64];
    FILE *file;

    snprintf(path, sizeof(path), "@/tmp/test_load_shapes.%d", (int)getpid());
    file = fopen(path + 1, "w");
    fputs(content, file);
    fclose(file);
    return path;
}

Test(load_shapes, sizes_of_a_range)
{
    struct load_size size;
    double sum = 0;

    cr_assert(eq(int, load_size_init(&size, "100", 1), OK));
    cr_assert(eq(u32, load_size_next(&size), 100));
    cr_assert(eq(int, load_size_init(&size, "100..103", 1), OK));
    for (int i = 0; i < DRAWS; i++) {
        uint32_t one = load_size_next(&size);
        cr_assert(one >= 100 && one <= 103);
        sum += one;
    }
    cr_assert(lt(dbl, fabs(sum / DRAWS - 101.5), 0.01));
    cr_assert(eq(dbl, size.mean_bytes, 101.5));
}

Test(load_shapes, sizes_of_a_file)
{
    const char *path = file_of("# size weight\n 100 70\n\n2000\t20 # big\n50000,10\n7 0\n");
    struct load_size size;
    struct load_size other;
    uint64_t counts[3] = {0};
    static const double expected[3] = {0.7 * DRAWS, 0.2 * DRAWS, 0.1 * DRAWS};

    cr_assert(eq(int, load_size_init(&size, path, 3), OK));
    cr_assert(eq(u32, size.min_bytes, 100));
    cr_assert(eq(u32, size.max_bytes, 50000));
    cr_assert(lt(dbl, fabs(size.mean_bytes - 5470), 1e-6));
    load_size_share(&other, &size, 4);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t one = load_size_next(&other);
        cr_assert(one == 100 || one == 2000 || one == 50000);
        counts[one == 100 ? 0 : one == 2000 ? 1 : 2]++;
    }
    cr_assert(lt(dbl, deviations(counts, expected, 3), 4));
    load_size_deinit(&size);
    unlink(path + 1);
}

Test(load_shapes, refuses_what_is_no_size)
{
    static const struct {
        const char *text; /* of a file if it has a line end */
        enum err err;
    } wrong[] = {
        {"", ERR_MALFORMED},       {"x", ERR_MALFORMED},
        {"-1", ERR_MALFORMED},     {"10..", ERR_MALFORMED},
        {"10..5", ERR_INVALID},    {"10..20x", ERR_MALFORMED},
        {"67108865", ERR_INVALID}, {"@/nonexistent", ERR_NOT_FOUND},
        {"\n", ERR_INVALID},       {"10\n", ERR_MALFORMED},
        {"10 x\n", ERR_MALFORMED}, {"10 -1\n", ERR_INVALID},
        {"10 0\n", ERR_INVALID},   {"10 1 1\n", ERR_MALFORMED},
        {"10 inf\n", ERR_INVALID},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        const char *text = wrong[i].text;
        struct load_size size;
        if (strchr(text, '\n') != NULL)
            text = file_of(text);
        cr_assert(eq(int, load_size_init(&size, text, 0), wrong[i].err), "%s", wrong[i].text);
    }
    unlink(file_of("") + 1);
}

/* How well a codec does on payloads of one size, one after the other. */
static double ratio_of(struct load_payload *payload, enum compression codec, size_t size_bytes)
{
    enum { BATCH_BYTES = 1 << 20 };
    static uint8_t batch[BATCH_BYTES];
    static uint8_t out[BATCH_BYTES * 2];
    struct compression_context *context = compression_context_create();
    uint64_t place = 12345;
    size_t used = 0;
    size_t out_bytes;

    while (used + size_bytes <= BATCH_BYTES) {
        memcpy(batch + used, load_payload_next(payload, &place, size_bytes), size_bytes);
        used += size_bytes;
    }
    cr_assert(eq(int,
                 compression_compress(context, codec, COMPRESSION_LEVEL_DEFAULT, batch, used, out,
                                      sizeof(out), &out_bytes),
                 OK));
    compression_context_destroy(context);
    return (double)used / (double)out_bytes;
}

Test(load_shapes, payload_compresses_as_wished)
{
    static const double ratios[] = {1, 1.5, 2, 4, 10};

    for (size_t i = 0; i < sizeof(ratios) / sizeof(ratios[0]); i++) {
        struct load_payload payload;
        cr_assert(eq(int, load_payload_init(&payload, ratios[i], 5000, 3), OK));
        for (int size_bytes = 100; size_bytes <= 5000; size_bytes += 4900) {
            double lz4 = ratio_of(&payload, COMPRESSION_LZ4, (size_t)size_bytes);
            double zstd = ratio_of(&payload, COMPRESSION_ZSTD, (size_t)size_bytes);
            cr_assert(fabs(lz4 / ratios[i] - 1) < 0.05, "lz4 %g: %g", ratios[i], lz4);
            cr_assert(fabs(zstd / ratios[i] - 1) < 0.15, "zstd %g: %g", ratios[i], zstd);
        }
        load_payload_deinit(&payload);
    }
}

Test(load_shapes, payload_of_a_file_begins_at_its_begin)
{
    const char *path = file_of("hello") + 1;
    struct load_payload payload;
    uint64_t place = 3;

    cr_assert(eq(int, load_payload_init_file(&payload, path, 12), OK));
    for (int i = 0; i < 3; i++)
        cr_assert(eq(int, memcmp(load_payload_next(&payload, &place, 12), "hellohellohe", 12), 0));
    load_payload_deinit(&payload);
    file_of("");
    cr_assert(eq(int, load_payload_init_file(&payload, path, 12), ERR_INVALID));
    unlink(path);
    cr_assert(eq(int, load_payload_init_file(&payload, path, 12), ERR_NOT_FOUND));
    cr_assert(eq(int, load_payload_init(&payload, 0.5, 12, 0), ERR_INVALID));
    cr_assert(eq(int, load_payload_init(&payload, 101, 12, 0), ERR_INVALID));
}
