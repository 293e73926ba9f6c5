#include "base/histogram.h"
#include "base/mem.h"
#include "base/prng.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The values of tests/golden/base/README.md. */
static void record_kind(struct histogram *histogram, int kind)
{
    uint64_t v = 1;

    if (kind == 1) {
        for (int i = 0; i < 2000; i++) {
            v = v * 6364136223846793005U + 1442695040888963407U;
            histogram_record(histogram, (v >> 1) % (1ULL << (i % 41)));
        }
    } else if (kind == 2) {
        histogram_record(histogram, 0);
        histogram_record_n(histogram, 3, 1ULL << 61);
        histogram_record_n(histogram, 1000, 300);
        histogram_record(histogram, 1ULL << 40);
    }
}

Test(histogram, encodes_the_bytes_of_hdr_histogram)
{
    for (uint32_t digits = 2; digits <= 3; digits++) {
        for (int kind = 0; kind < 3; kind++) {
            struct histogram histogram;
            static uint8_t golden[8192];
            uint8_t *encoded;
            char path[512];
            size_t golden_bytes;
            FILE *file;
            snprintf(path, sizeof(path), "%s/histogram/hdr_%u_%d.bin", BASE_GOLDEN_DIR, digits,
                     kind);
            file = fopen(path, "rb");
            cr_assert(ne(ptr, file, NULL), "%s", path);
            golden_bytes = fread(golden, 1, sizeof(golden), file);
            fclose(file);
            cr_assert(eq(int, histogram_init(&histogram, digits), OK));
            record_kind(&histogram, kind);
            /* exactly enough room, and one less */
            encoded = malloc(golden_bytes);
            cr_assert(eq(sz, histogram_encode(&histogram, encoded, golden_bytes), golden_bytes));
            cr_assert(eq(int, memcmp(encoded, golden, golden_bytes), 0), "%s", path);
            cr_assert(eq(sz, histogram_encode(&histogram, encoded, golden_bytes - 1), 0));
            cr_assert(eq(sz, histogram_encode(&histogram, encoded, 39), 0));
            cr_assert(ge(sz, histogram_encode_max(&histogram), golden_bytes));
            free(encoded);
            histogram_deinit(&histogram);
        }
    }
}

Test(histogram, answers_the_percentiles_of_hdr_histogram)
{
    /* HdrHistogram 2.2.2 on kind 1: 0, 1, 50, 90, 99, 99.9, 100 percent */
    static const double percents[] = {0, 1, 50, 90, 99, 99.9, 100};
    static const uint64_t expected[2][7] = {
        {0, 0, 397311, 29796335615, 687194767359, 1069446856703, 1099511627775},
        {0, 0, 396031, 29746003967, 685584154623, 1065688760319, 1098974756863},
    };

    for (uint32_t digits = 2; digits <= 3; digits++) {
        struct histogram histogram;
        cr_assert(eq(int, histogram_init(&histogram, digits), OK));
        record_kind(&histogram, 1);
        for (size_t i = 0; i < 6; i++)
            cr_assert(
                eq(u64, histogram_percentile(&histogram, percents[i]), expected[digits - 2][i]));
        /* ours says no more than what was seen */
        cr_assert(eq(u64, histogram_percentile(&histogram, 100), histogram_max(&histogram)));
        cr_assert(le(u64, histogram_max(&histogram), expected[digits - 2][6]));
        histogram_deinit(&histogram);
    }
}

Test(histogram, every_value_keeps_its_digits)
{
    for (uint32_t digits = 1; digits <= 3; digits++) {
        struct histogram histogram;
        struct prng prng;
        uint64_t precision = digits == 1 ? 10 : digits == 2 ? 100 : 1000;
        prng_init(&prng, 71);
        cr_assert(eq(int, histogram_init(&histogram, digits), OK));
        for (int i = 0; i < 300; i++) {
            uint64_t value = prng_below(&prng, 1ULL << (1 + i % 40));
            uint64_t answer;
            histogram_reset(&histogram);
            histogram_record(&histogram, value);
            histogram_record(&histogram, HISTOGRAM_VALUE_MAX);
            answer = histogram_percentile(&histogram, 50);
            cr_assert(ge(u64, answer, value));
            cr_assert(le(u64, answer - value, value / precision));
        }
        histogram_deinit(&histogram);
    }
}

Test(histogram, counts_the_nth_of_a_thousand)
{
    struct histogram histogram;

    cr_assert(eq(int, histogram_init(&histogram, 3), OK));
    for (uint64_t i = 1; i <= 1000; i++)
        histogram_record(&histogram, i);
    cr_assert(eq(u64, histogram_percentile(&histogram, 99.9), 999));
    cr_assert(eq(u64, histogram_percentile(&histogram, 50), 500));
    cr_assert(eq(u64, histogram_percentile(&histogram, 0.1), 1));
    cr_assert(eq(u64, histogram_percentile(&histogram, 100), 1000));
    cr_assert(eq(u64, histogram_percentile(&histogram, 400), 1000));
    cr_assert(eq(u64, histogram_min(&histogram), 1));
    cr_assert(eq(u64, histogram_sum(&histogram), 500500));
    cr_assert(epsilon_eq(dbl, histogram_mean(&histogram), 500.5, 1e-9));
    histogram_deinit(&histogram);
}

Test(histogram, values_above_the_range_count_as_its_end)
{
    struct histogram histogram;

    cr_assert(eq(int, histogram_init(&histogram, 2), OK));
    histogram_record(&histogram, UINT64_MAX);
    cr_assert(eq(u64, histogram_max(&histogram), HISTOGRAM_VALUE_MAX));
    cr_assert(eq(u64, histogram_count(&histogram), 1));
    histogram_deinit(&histogram);
}

Test(histogram, an_empty_one_answers_zero)
{
    struct histogram histogram;
    struct histogram zeroed = {0};

    cr_assert(eq(int, histogram_init(&histogram, 2), OK));
    cr_assert(eq(u64, histogram_percentile(&histogram, 99), 0));
    cr_assert(eq(u64, histogram_min(&histogram), 0));
    cr_assert(eq(u64, histogram_max(&histogram), 0));
    cr_assert(epsilon_eq(dbl, histogram_mean(&histogram), 0, 1e-9));
    histogram_deinit(&histogram);
    histogram_deinit(&zeroed);
    mem_fail_after(1);
    cr_assert(eq(int, histogram_init(&histogram, 2), ERR_NOMEM));
}

Test(histogram, two_merged_are_one_that_saw_all)
{
    static uint8_t one[300000];
    static uint8_t other[300000];
    struct histogram a;
    struct histogram b;
    struct histogram all;
    struct prng prng;
    size_t size;

    prng_init(&prng, 72);
    cr_assert(eq(int, histogram_init(&a, 3), OK));
    cr_assert(eq(int, histogram_init(&b, 3), OK));
    cr_assert(eq(int, histogram_init(&all, 3), OK));
    for (int i = 0; i < 5000; i++) {
        uint64_t value = prng_below(&prng, 1ULL << (i % 40));
        histogram_record(i % 3 == 0 ? &a : &b, value);
        histogram_record(&all, value);
    }
    histogram_merge(&a, &b);
    size = histogram_encode(&a, one, sizeof(one));
    cr_assert(eq(sz, size, histogram_encode(&all, other, sizeof(other))));
    cr_assert(eq(int, memcmp(one, other, size), 0));
    cr_assert(eq(u64, histogram_count(&a), 5000));
    cr_assert(eq(u64, histogram_sum(&a), histogram_sum(&all)));
    cr_assert(eq(u64, histogram_min(&a), histogram_min(&all)));
    cr_assert(eq(u64, histogram_max(&a), histogram_max(&all)));
    histogram_deinit(&a);
    histogram_deinit(&b);
    histogram_deinit(&all);
}

Test(histogram, counts_up_to_bounds)
{
    static const uint64_t bounds[] = {0, 10, 100, 1000, 1ULL << 41};
    uint64_t counts[5] = {0};
    struct histogram histogram;

    cr_assert(eq(int, histogram_init(&histogram, 3), OK));
    for (uint64_t i = 1; i <= 200; i++)
        histogram_record(&histogram, i);
    histogram_record(&histogram, 1ULL << 40);
    cr_assert(eq(u64, histogram_count_up_to(&histogram, bounds, 5, counts), 201));
    cr_assert(eq(u64, counts[0], 0));
    cr_assert(eq(u64, counts[1], 10));
    cr_assert(eq(u64, counts[2], 100));
    cr_assert(eq(u64, counts[3], 200));
    cr_assert(eq(u64, counts[4], 201));
    histogram_count_up_to(&histogram, bounds, 5, counts); /* adds */
    cr_assert(eq(u64, counts[1], 20));
    histogram_deinit(&histogram);
}

Test(histogram, what_was_before_can_be_taken_away)
{
    struct histogram before;
    struct histogram now;

    cr_assert(eq(int, histogram_init(&before, 1), OK));
    cr_assert(eq(int, histogram_init(&now, 1), OK));
    histogram_record_n(&before, 5, 10);
    histogram_record_n(&before, 100000, 3);
    histogram_merge(&now, &before);
    histogram_record_n(&now, 20, 4);
    histogram_subtract(&now, &before);
    cr_assert(eq(u64, histogram_count(&now), 4));
    cr_assert(eq(u64, histogram_sum(&now), 80));
    cr_assert(eq(u64, histogram_min(&now), 20));
    cr_assert(eq(u64, histogram_max(&now), 20));
    cr_assert(eq(u64, histogram_percentile(&now, 99.9), 20));
    histogram_reset(&before);
    histogram_merge(&before, &now);
    histogram_subtract(&now, &before);
    cr_assert(eq(u64, histogram_count(&now), 0));
    cr_assert(eq(u64, histogram_percentile(&now, 50), 0));
    histogram_deinit(&before);
    histogram_deinit(&now);
}

Test(histogram, decodes_what_it_encodes)
{
    for (uint32_t digits = 1; digits <= 3; digits++) {
        for (int kind = 0; kind < 3; kind++) {
            struct histogram histogram;
            struct histogram decoded;
            static uint8_t encoded[300000];
            size_t size_bytes;
            cr_assert(eq(int, histogram_init(&histogram, digits), OK));
            record_kind(&histogram, kind);
            size_bytes = histogram_encode(&histogram, encoded, sizeof(encoded));
            cr_assert(eq(int, histogram_decode(&decoded, encoded, size_bytes), OK));
            cr_assert(eq(u32, decoded.digits, digits));
            cr_assert(eq(u64, histogram_count(&decoded), histogram_count(&histogram)));
            cr_assert(eq(
                int,
                memcmp(decoded.counts, histogram.counts, histogram.counts_count * sizeof(uint64_t)),
                0));
            cr_assert(le(u64, histogram_min(&decoded), histogram_min(&histogram)));
            cr_assert(le(u64, histogram_max(&histogram), histogram_max(&decoded)));
            cr_assert(le(u64, histogram_max(&decoded), HISTOGRAM_VALUE_MAX));
            histogram_deinit(&decoded);
            /* what ends too early */
            for (size_t end = 0; end < size_bytes; end += 1 + end / 10) {
                cr_assert(eq(int, histogram_decode(&decoded, encoded, end), ERR_MALFORMED));
            }
            histogram_deinit(&histogram);
        }
    }
}

Test(histogram, refuses_encodings_that_it_cannot_hold)
{
    static const struct {
        int at;
        uint8_t byte;
        enum err err;
    } changes[] = {
        {0, 0x1d, ERR_MALFORMED},    {7, 200, ERR_MALFORMED},  {11, 1, ERR_UNSUPPORTED},
        {15, 4, ERR_UNSUPPORTED},    {15, 0, ERR_UNSUPPORTED}, {23, 2, ERR_UNSUPPORTED},
        {32, 0x40, ERR_UNSUPPORTED},
    };
    struct histogram histogram;
    struct histogram decoded;
    uint8_t encoded[64];
    size_t size_bytes;

    cr_assert(eq(int, histogram_init(&histogram, 2), OK));
    histogram_record(&histogram, 1000);
    size_bytes = histogram_encode(&histogram, encoded, sizeof(encoded));
    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        uint8_t changed[64];
        memcpy(changed, encoded, sizeof(changed));
        changed[changes[i].at] = changes[i].byte;
        cr_assert(eq(int, histogram_decode(&decoded, changed, size_bytes), changes[i].err), "%d",
                  changes[i].at);
    }
    /* a count behind 2^40: one more zero than there are buckets; and counts beyond 64 bits */
    encoded[7] = 5;
    memcpy(encoded + 40, "\xff\xff\x03\x02", 5); /* -32768 of them, then 1 */
    cr_assert(eq(int, histogram_decode(&decoded, encoded, 45), ERR_TOO_LARGE));
    memcpy(encoded + 40, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    memcpy(encoded + 49, "\xfe\xff\xff\xff\xff\xff\xff\xff\xff", 9);
    encoded[58] = 0x04;
    encoded[7] = 19; /* twice 2^63 - 1, and 2 */
    cr_assert(eq(int, histogram_decode(&decoded, encoded, 59), ERR_TOO_LARGE));
    histogram_deinit(&histogram);
}
