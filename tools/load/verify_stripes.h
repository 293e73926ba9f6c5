/* verify_stripes: what two readers saw of one log, as one sum for each stretch of offsets, so that
 * a difference is found, and where, in memory that does not grow with the records.
 *
 * Owned by one verify_partition.  A batch counts with its offsets, producer and checksum; sums do
 * not depend on the order.
 *   VST-1  stripes are equal exactly when the same batches were added to both sides (but for a
 *          collision of 64 bits) */
#ifndef LEVEE_TOOLS_LOAD_VERIFY_STRIPES_H
#define LEVEE_TOOLS_LOAD_VERIFY_STRIPES_H

#include "base/err.h"
#include "record/batch.h"

struct verify_stripe {
    uint64_t sum;
    int64_t records_count;
};

enum verify_side { VERIFY_EXPECTED, VERIFY_SEEN, VERIFY_SIDE_COUNT };

struct verify_stripes {
    int64_t from_offset;
    int64_t stripe_offsets;
    struct verify_stripe *sides[VERIFY_SIDE_COUNT];
    uint64_t stripes_count;
};

/* One for [from_offset, to_offset).  ERR_NOMEM. */
must_use enum err verify_stripes_create(int64_t from_offset, int64_t to_offset,
                                        int64_t stripe_offsets, struct verify_stripes **out);
void verify_stripes_destroy(struct verify_stripes *stripes); /* NULL is allowed */

/* Which stripe an offset is in; UINT64_MAX: outside. */
uint64_t verify_stripes_index(const struct verify_stripes *stripes, int64_t offset);

/* What one batch is. */
struct verify_stripe verify_stripes_of(const struct batch_header *header);

void verify_stripes_add(struct verify_stripes *stripes, enum verify_side side, uint64_t index,
                        const struct verify_stripe *what);

/* The first stripe from index on whose sides differ; UINT64_MAX: none. */
uint64_t verify_stripes_difference(const struct verify_stripes *stripes, uint64_t index);

#endif
