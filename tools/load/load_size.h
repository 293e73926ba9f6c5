/* load_size: how large the next record's value is, by a distribution.
 *
 * Owned by one loop (load_size_next has a prng of its own); the table of a histogram file is its
 * own. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_SIZE_H
#define LEVEE_TOOLS_LOAD_LOAD_SIZE_H

#include "base/err.h"
#include "base/prng.h"

#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_SIZE_MAX_BYTES = 64 << 20,
    LOAD_SIZE_ROWS_MAX = 65536,
};

enum load_size_kind {
    LOAD_SIZE_FIXED,
    LOAD_SIZE_UNIFORM, /* min_bytes to max_bytes, each as often */
    LOAD_SIZE_TABLE,   /* rows of (size, weight) */
};

struct load_size_row {
    uint32_t size_bytes;
    double until; /* weights up to this row, of 1 */
};

struct load_size {
    enum load_size_kind kind;
    uint32_t min_bytes;
    uint32_t max_bytes;
    double mean_bytes;
    struct load_size_row *rows; /* by file order */
    size_t rows_count;
    struct prng prng;
};

/* "100", "100..2000", or "@FILE" whose lines are "SIZE WEIGHT" (blank lines and what follows # are
 * left out).  ERR_MALFORMED; ERR_INVALID: sizes above LOAD_SIZE_MAX_BYTES, max below min, a weight
 * that is negative or all are 0; ERR_TOO_LARGE: too many rows; ERR_NOT_FOUND, errors of files;
 * ERR_NOMEM. */
must_use enum err load_size_init(struct load_size *size, const char *text, uint64_t seed);

/* Another with the same distribution and its own chance, sharing the table, which lives as long as
 * the first. */
void load_size_share(struct load_size *size, const struct load_size *first, uint64_t seed);

/* Only of the first.  A zeroed one is accepted. */
void load_size_deinit(struct load_size *size);

uint32_t load_size_next(struct load_size *size);

#endif
