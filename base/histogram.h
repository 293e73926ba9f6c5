/* histogram: how often which value was seen, in buckets of constant relative width.
 *
 * The layout of HdrHistogram with lowest discernible value 1 and highest trackable value 2^40:
 * values below 2 * half_count have a bucket each; every doubling above has half_count buckets.
 * half_count is 16 for 1 significant digit (5 KiB), 128 for 2 (35 KiB) and 1024 for 3 (256 KiB).
 *
 * One loop records.  Other threads may read at the same time (merge, percentile, encode): all words
 * are relaxed atomics, so they see each count whole, but perhaps not those of the last moment. */
#ifndef LEVEE_BASE_HISTOGRAM_H
#define LEVEE_BASE_HISTOGRAM_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_VALUE_MAX (1ULL << 40)

struct histogram {
    uint64_t *counts;
    uint32_t counts_count;
    uint32_t half_bits; /* 2^half_bits = half_count */
    uint32_t digits;    /* 1 to 3 */
    uint64_t total_count;
    uint64_t sum; /* of the values as given, saturated to HISTOGRAM_VALUE_MAX */
    uint64_t min; /* UINT64_MAX when empty */
    uint64_t max; /* 0 when empty */
};

/* digits: 1 to 3.  ERR_NOMEM. */
must_use enum err histogram_init(struct histogram *histogram, uint32_t digits);

/* A zeroed histogram is accepted. */
void histogram_deinit(struct histogram *histogram);

/* Forget all values; only by the thread that records. */
void histogram_reset(struct histogram *histogram);

/* One value; above HISTOGRAM_VALUE_MAX it counts as that. */
void histogram_record(struct histogram *histogram, uint64_t value);

/* The same value count times. */
void histogram_record_n(struct histogram *histogram, uint64_t value, uint64_t count);

/* Adds everything of from to into; both have the same digits. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* Takes away everything of from, an earlier state of the same values, by the thread that records in
 * into; both have the same digits.  min and max are then as exact as the digits. */
void histogram_subtract(struct histogram *into, const struct histogram *from);

uint64_t histogram_count(const struct histogram *histogram);

/* The smallest value that is not below percent (0..100) of the values: the highest value of its
 * bucket, as HdrHistogram answers, but at most histogram_max.  0 when empty. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* The values as they were given; 0 when empty. */
uint64_t histogram_max(const struct histogram *histogram);
uint64_t histogram_min(const struct histogram *histogram);
double histogram_mean(const struct histogram *histogram);
uint64_t histogram_sum(const struct histogram *histogram);

/* The highest value that counts[index] counts. */
uint64_t histogram_bucket_end(const struct histogram *histogram, size_t index);

/* For each of bound_count rising bounds: counts[i] += the values in buckets that end at or below
 * bounds[i].  Returns the count of all values, seen in the same walk and so never below them. */
uint64_t histogram_count_up_to(const struct histogram *histogram, const uint64_t *bounds,
                               size_t bound_count, uint64_t *counts);

/* Bytes that histogram_encode may need at most. */
size_t histogram_encode_max(const struct histogram *histogram);

/* HdrHistogram's V2 encoding, not compressed; big-endian:
 *    0  u32  cookie 0x1c849313
 *    4  u32  size of the counts below, bytes
 *    8  u32  normalizing index offset: 0
 *   12  u32  significant digits
 *   16  u64  lowest discernible value: 1
 *   24  u64  highest trackable value: 2^40
 *   32  f64  conversion ratio: 1.0
 *   40  counts by rising value up to the last that is not zero: zigzag numbers in 7-bit groups, the
 *       ninth byte with all its 8 bits; -n stands for n zeroes, n > 1; one zero if empty
 * Returns the bytes written; 0 when max_bytes is too small. */
size_t histogram_encode(const struct histogram *histogram, uint8_t *bytes, size_t max_bytes);

/* The other way: a new histogram with these counts, whose min, max and sum are as exact as the
 * buckets (each value counts as the highest of its bucket, the smallest as the lowest).
 * ERR_MALFORMED: no such encoding; ERR_UNSUPPORTED: more than 3 digits, a lowest discernible value
 * or a ratio that is not 1, a shifted index; ERR_TOO_LARGE: values above HISTOGRAM_VALUE_MAX, or
 * counts whose sum does not fit; ERR_NOMEM. */
must_use enum err histogram_decode(struct histogram *histogram, const uint8_t *bytes,
                                   size_t size_bytes);

#endif
