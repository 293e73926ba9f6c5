#include "base/histogram.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/varint.h"

#include <assert.h>
#include <string.h>

enum {
    MAX_BITS = 40,
    HEADER_BYTES = 40,
    COUNT_BYTES_MAX = 9,
    COOKIE_V2 = 0x1c849303 | 0x10, /* base, and "word size" as Java writes it */
};
static_assert(HISTOGRAM_VALUE_MAX == 1ULL << MAX_BITS, "the layout ends there");

/* Words that one thread writes and others read. */
static uint64_t get(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void set(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static size_t index_of(const struct histogram *histogram, uint64_t value)
{
    unsigned shift;

    if (value < 2ULL << histogram->half_bits)
        return value;
    /* so many low bits go that half_bits + 1 remain, the highest of which is always set */
    shift = 63U - (unsigned)__builtin_clzll(value) - histogram->half_bits;
    return ((size_t)shift << histogram->half_bits) + (value >> shift);
}

uint64_t histogram_bucket_end(const struct histogram *histogram, size_t index)
{
    uint64_t half_count = 1ULL << histogram->half_bits;
    unsigned shift;

    if (index < 2 * half_count)
        return index;
    shift = (unsigned)(index >> histogram->half_bits) - 1;
    return (((index & (half_count - 1)) + half_count + 1) << shift) - 1;
}

enum err histogram_init(struct histogram *histogram, uint32_t digits)
{
    uint32_t half_bits = digits == 1 ? 4 : digits == 2 ? 7 : 10;
    uint32_t counts_count = (MAX_BITS - half_bits + 2) << half_bits;
    uint64_t *counts;

    check(digits >= 1 && digits <= 3);
    counts = mem_try_alloc(counts_count * sizeof(*counts));
    if (counts == NULL)
        return ERR_NOMEM;
    *histogram = (struct histogram){
        .counts = counts,
        .counts_count = counts_count,
        .half_bits = half_bits,
        .digits = digits,
        .min = UINT64_MAX,
    };
    return OK;
}

void histogram_deinit(struct histogram *histogram)
{
    mem_free(histogram->counts);
    *histogram = (struct histogram){0};
}

void histogram_reset(struct histogram *histogram)
{
    for (size_t i = 0; i < histogram->counts_count; i++)
        set(&histogram->counts[i], 0);
    set(&histogram->total_count, 0);
    set(&histogram->sum, 0);
    set(&histogram->min, UINT64_MAX);
    set(&histogram->max, 0);
}

void histogram_record_n(struct histogram *histogram, uint64_t value, uint64_t count)
{
    uint64_t *bucket;

    if (count == 0)
        return;
    if (value > HISTOGRAM_VALUE_MAX)
        value = HISTOGRAM_VALUE_MAX;
    bucket = &histogram->counts[index_of(histogram, value)];
    set(bucket, get(bucket) + count);
    set(&histogram->total_count, get(&histogram->total_count) + count);
    set(&histogram->sum, get(&histogram->sum) + value * count);
    if (value < get(&histogram->min))
        set(&histogram->min, value);
    if (value > get(&histogram->max))
        set(&histogram->max, value);
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram_record_n(histogram, value, 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    uint64_t total = 0;

    check(into->digits == from->digits);
    for (size_t i = 0; i < from->counts_count; i++) {
        uint64_t count = get(&from->counts[i]);
        if (count == 0)
            continue;
        set(&into->counts[i], get(&into->counts[i]) + count);
        total += count;
    }
    /* what the walk has seen, so that the buckets and the total agree */
    set(&into->total_count, get(&into->total_count) + total);
    set(&into->sum, get(&into->sum) + get(&from->sum));
    if (get(&from->min) < get(&into->min))
        set(&into->min, get(&from->min));
    if (get(&from->max) > get(&into->max))
        set(&into->max, get(&from->max));
}

void histogram_subtract(struct histogram *into, const struct histogram *from)
{
    uint64_t total = 0;

    check(into->digits == from->digits);
    set(&into->min, UINT64_MAX);
    set(&into->max, 0);
    for (size_t i = 0; i < into->counts_count; i++) {
        uint64_t count = get(&into->counts[i]);
        uint64_t less = get(&from->counts[i]);
        count = count > less ? count - less : 0;
        set(&into->counts[i], count);
        if (count == 0)
            continue;
        if (total == 0)
            set(&into->min, histogram_bucket_end(into, i));
        set(&into->max, histogram_bucket_end(into, i));
        total += count;
    }
    set(&into->total_count, total);
    set(&into->sum, get(&into->sum) - get(&from->sum));
}

uint64_t histogram_count(const struct histogram *histogram)
{
    return get(&histogram->total_count);
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t total = 0;
    uint64_t seen = 0;
    uint64_t wanted;
    double exact;

    for (size_t i = 0; i < histogram->counts_count; i++)
        total += get(&histogram->counts[i]);
    if (total == 0)
        return 0;
    percent = percent < 0 ? 0 : percent > 100 ? 100 : percent;
    /* rounded up, but not because of the last bit: 99.9 % of 1000 are 999 */
    exact = percent * (double)total / 100.0 * (1 - 1e-14);
    wanted = (uint64_t)exact;
    if ((double)wanted < exact || wanted == 0)
        wanted++;
    for (size_t i = 0; i < histogram->counts_count; i++) {
        seen += get(&histogram->counts[i]);
        if (seen >= wanted) {
            uint64_t end = histogram_bucket_end(histogram, i);
            return end < get(&histogram->max) ? end : get(&histogram->max);
        }
    }
    return get(&histogram->max);
}

uint64_t histogram_max(const struct histogram *histogram)
{
    return get(&histogram->max);
}

uint64_t histogram_min(const struct histogram *histogram)
{
    return histogram_count(histogram) == 0 ? 0 : get(&histogram->min);
}

uint64_t histogram_sum(const struct histogram *histogram)
{
    return get(&histogram->sum);
}

double histogram_mean(const struct histogram *histogram)
{
    uint64_t count = histogram_count(histogram);

    return count == 0 ? 0 : (double)histogram_sum(histogram) / (double)count;
}

uint64_t histogram_count_up_to(const struct histogram *histogram, const uint64_t *bounds,
                               size_t bound_count, uint64_t *counts)
{
    uint64_t seen = 0;
    size_t bound = 0;

    for (size_t i = 0; i < histogram->counts_count; i++) {
        uint64_t end = histogram_bucket_end(histogram, i);
        for (; bound < bound_count && bounds[bound] < end; bound++)
            counts[bound] += seen;
        seen += get(&histogram->counts[i]);
    }
    for (; bound < bound_count; bound++)
        counts[bound] += seen;
    return seen;
}

size_t histogram_encode_max(const struct histogram *histogram)
{
    return HEADER_BYTES + (size_t)histogram->counts_count * COUNT_BYTES_MAX;
}

static void put_be(uint8_t *bytes, size_t size_bytes, uint64_t value)
{
    for (size_t i = size_bytes; i > 0; i--, value >>= 8)
        bytes[i - 1] = (uint8_t)value;
}

/* Zigzag in groups of 7 bits; a ninth byte holds 8. */
static size_t put_count(uint8_t bytes[static COUNT_BYTES_MAX], int64_t count)
{
    uint64_t value = varint_zigzag_i64(count);
    size_t size_bytes = 0;

    while (value >= 0x80 && size_bytes < COUNT_BYTES_MAX - 1) {
        bytes[size_bytes++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[size_bytes++] = (uint8_t)value;
    return size_bytes;
}

size_t histogram_encode(const struct histogram *histogram, uint8_t *bytes, size_t max_bytes)
{
    const double ratio = 1.0;
    size_t end = index_of(histogram, get(&histogram->max)) + 1;
    size_t pos = HEADER_BYTES;
    uint64_t ratio_bits;

    if (max_bytes < HEADER_BYTES)
        return 0;
    for (size_t i = 0; i < end;) {
        uint8_t encoded[COUNT_BYTES_MAX];
        int64_t count = (int64_t)get(&histogram->counts[i]);
        size_t size_bytes;
        size_t next = i + 1;
        if (count == 0) {
            while (next < end && get(&histogram->counts[next]) == 0)
                next++;
            if (next - i > 1)
                count = -(int64_t)(next - i);
        }
        size_bytes = put_count(encoded, count);
        if (max_bytes - pos < size_bytes)
            return 0;
        memcpy(bytes + pos, encoded, size_bytes);
        pos += size_bytes;
        i = next;
    }
    memcpy(&ratio_bits, &ratio, sizeof(ratio_bits));
    put_be(bytes, 4, COOKIE_V2);
    put_be(bytes + 4, 4, pos - HEADER_BYTES);
    put_be(bytes + 8, 4, 0);
    put_be(bytes + 12, 4, histogram->digits);
    put_be(bytes + 16, 8, 1);
    put_be(bytes + 24, 8, HISTOGRAM_VALUE_MAX);
    put_be(bytes + 32, 8, ratio_bits);
    return pos;
}

static uint64_t get_be(const uint8_t *bytes, size_t size_bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size_bytes; i++)
        value = value << 8 | bytes[i];
    return value;
}

/* The count at the front; its size in bytes, 0: they end inside it. */
static size_t get_count(const uint8_t *bytes, size_t size_bytes, int64_t *out)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size_bytes && i < COUNT_BYTES_MAX; i++) {
        if (i == COUNT_BYTES_MAX - 1) {
            value |= (uint64_t)bytes[i] << (7 * i);
        } else {
            value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
            if (bytes[i] & 0x80)
                continue;
        }
        *out = varint_unzigzag_u64(value);
        return i + 1;
    }
    return 0;
}

/* count values of that bucket. */
static enum err add_bucket(struct histogram *histogram, uint64_t index, uint64_t count)
{
    uint64_t end;
    uint64_t sum;

    if (index > index_of(histogram, HISTOGRAM_VALUE_MAX))
        return ERR_TOO_LARGE;
    end = histogram_bucket_end(histogram, index);
    if (end > HISTOGRAM_VALUE_MAX)
        end = HISTOGRAM_VALUE_MAX;
    if (__builtin_mul_overflow(end, count, &sum))
        sum = UINT64_MAX; /* as a sum of recorded values wraps, it is of no use any more */
    if (__builtin_add_overflow(histogram->total_count, count, &histogram->total_count))
        return ERR_TOO_LARGE;
    if (histogram->max == 0 && histogram->min == UINT64_MAX)
        histogram->min = index == 0 ? 0 : histogram_bucket_end(histogram, index - 1) + 1;
    histogram->counts[index] = count;
    histogram->sum += sum;
    histogram->max = end;
    return OK;
}

static enum err decode_counts(struct histogram *histogram, const uint8_t *bytes, size_t size_bytes)
{
    uint64_t index = 0;

    while (size_bytes > 0) {
        int64_t count;
        size_t used = get_count(bytes, size_bytes, &count);
        enum err err;
        if (used == 0)
            return ERR_MALFORMED;
        bytes += used;
        size_bytes -= used;
        if (count < 0) {
            index += 0 - (uint64_t)count;
            if (count == INT64_MIN || index > INT64_MAX)
                return ERR_MALFORMED;
            continue;
        }
        if (count > 0) {
            err = add_bucket(histogram, index, (uint64_t)count);
            if (err)
                return err;
        }
        index++;
    }
    return OK;
}

enum err histogram_decode(struct histogram *histogram, const uint8_t *bytes, size_t size_bytes)
{
    const double one = 1.0;
    uint64_t ratio_bits;
    uint64_t digits;
    enum err err;

    if (size_bytes < HEADER_BYTES || get_be(bytes, 4) != COOKIE_V2 ||
        get_be(bytes + 4, 4) != size_bytes - HEADER_BYTES)
        return ERR_MALFORMED;
    memcpy(&ratio_bits, &one, sizeof(ratio_bits));
    digits = get_be(bytes + 12, 4);
    if (get_be(bytes + 8, 4) != 0 || digits < 1 || digits > 3 || get_be(bytes + 16, 8) != 1 ||
        get_be(bytes + 32, 8) != ratio_bits)
        return ERR_UNSUPPORTED;
    err = histogram_init(histogram, (uint32_t)digits);
    if (err)
        return err;
    err = decode_counts(histogram, bytes + HEADER_BYTES, size_bytes - HEADER_BYTES);
    if (err)
        histogram_deinit(histogram);
    return err;
}
