/* load_keys: which key the next record has, by a distribution.
 *
 * Keys are numbers from 0 to keys_count - 1; load_keys_write makes bytes of them.  Under Zipf and
 * hot sets the low numbers are the frequent ones.
 *
 * Owned by one loop; holds numbers alone; chance is seeded. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_KEYS_H
#define LEVEE_TOOLS_LOAD_LOAD_KEYS_H

#include "base/err.h"
#include "base/prng.h"

#include <stddef.h>
#include <stdint.h>

enum load_keys_kind {
    LOAD_KEYS_NONE,       /* records have no key */
    LOAD_KEYS_UNIFORM,    /* each as often as any other */
    LOAD_KEYS_ZIPF,       /* number k as often as 1 / (k + 1)^exponent says */
    LOAD_KEYS_HOT,        /* hot_keys of the keys get hot_load of the records, the rest the rest */
    LOAD_KEYS_SEQUENTIAL, /* one after the other, round and round */
};

struct load_keys_options {
    enum load_keys_kind kind;
    uint64_t keys_count; /* at least 1, at most 2^52 */
    double exponent;     /* of LOAD_KEYS_ZIPF: above 0, at most 20 */
    double hot_keys;     /* 0 < share < 1 */
    double hot_load;     /* 0 <= share <= 1 */
    uint64_t seed;
};

struct load_keys {
    struct load_keys_options options;
    struct prng prng;
    uint64_t next;      /* LOAD_KEYS_SEQUENTIAL */
    uint64_t hot_count; /* LOAD_KEYS_HOT */
    double area_begin;  /* LOAD_KEYS_ZIPF: of the hat */
    double area_end;
    double sure; /* a draw so near below a number is accepted without a look at the hat */
};

/* "none", "uniform", "zipf:1.1", "hot:20:80" (20 % of the keys get 80 % of the records),
 * "sequential"; keys_count and seed stay as they are.  ERR_MALFORMED, ERR_INVALID. */
must_use enum err load_keys_parse(const char *text, struct load_keys_options *out);

/* ERR_INVALID: options outside what is said above. */
must_use enum err load_keys_init(struct load_keys *keys, const struct load_keys_options *options);

/* The number of the next key; UINT64_MAX: the record has none. */
uint64_t load_keys_next(struct load_keys *keys);

/* The key of that number as exactly size_bytes: decimal digits with zeroes before; of a size that
 * is too small for it the last digits. */
void load_keys_write(uint64_t number, char *out, size_t size_bytes);

#endif
