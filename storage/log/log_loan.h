/* log_loan: batches of the tail that a reader has without a copy.
 *
 * Made on the store's loop; handed on by the reference that its buf is, and given back on any
 * thread.  While somebody has it, the group buffers that its batches lie in stay, also when the
 * tail cache has let go of them.  So a loan costs its budget those buffers whole, and the budget
 * is small: readers that take their time hold that much of the journal's memory and no more, and
 * who finds it spent reads a copy (log_read.c).
 *   LOAN-1  the bytes do not change: they are appended, and entries never move (journal_group.h) */
#ifndef LEVEE_STORAGE_LOG_LOG_LOAN_H
#define LEVEE_STORAGE_LOG_LOG_LOAN_H

#include "base/slab.h"

#include <stdbool.h>
#include <stdint.h>

enum { LOG_LOAN_PARTS_MAX = 256 };

/* One batch. */
struct log_loan_part {
    const uint8_t *bytes;
    uint32_t size_bytes;
    struct buf *buf; /* a reference; NULL: the part before has it */
};

struct log_loan {
    struct buf buf; /* without bytes: the loan's reference count */
    struct budget *budget;
    uint64_t cost_bytes; /* charged to it */
    uint32_t part_count;
    struct log_loan_part parts[];
};

/* Room for at most part_count batches, one reference.  NULL: no memory. */
must_use struct log_loan *log_loan_create(struct budget *budget, uint32_t part_count);

/* One more batch, which lies in buf.  False: the budget is spent, nothing changed. */
must_use bool log_loan_add(struct log_loan *loan, const uint8_t *bytes, uint32_t size_bytes,
                           struct buf *buf);

#endif
