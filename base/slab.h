/* slab: counted byte buffers in motion, together never more than a limit.
 *
 * A buf is made on one loop and handed on by reference: each holder has one and drops it with
 * buf_unref, on any thread.  The last drop gives the memory and the count back.  The bytes are
 * written by one holder before others see them; afterwards all only read.
 *
 * A slab counts; with slab_set_pool larger buffers are pages of a pool, which it shares with other
 * slabs of its loop.  The end of the last page is not counted. */
#ifndef LEVEE_BASE_SLAB_H
#define LEVEE_BASE_SLAB_H

#include "base/budget.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer_pool;

enum { SLAB_POOLED_BYTES = 16 << 10 }; /* the end of the last page is less than a quarter */

struct slab {
    struct budget
        budget; /* counts buffers with their headers; what else it counts is its owner's */
    struct buffer_pool *pool; /* of larger buffers, the owning loop's; NULL: the heap has all */
};

struct buf {
    uint32_t ref_count; /* atomic */
    uint32_t capacity_bytes;
    uint8_t *bytes;
    struct slab *slab; /* NULL: header and bytes belong to whoever called buf_init_foreign */
    /* Optional.  Runs once, on the thread that dropped the last reference, while the bytes are
     * still valid. */
    void (*on_release)(struct buf *buf);
    void *context; /* for on_release */
    struct buffer_pool
        *pool;  /* of the block with the bytes, which may be the heap's all the same */
    bool apart; /* bytes have a block of their own, for alignment above 16 */
};

void slab_init(struct slab *slab, uint64_t max_bytes);

/* As slab_init; name: a literal, of its budget. */
void slab_init_named(struct slab *slab, const char *name, uint64_t max_bytes);

/* Buffers of SLAB_POOLED_BYTES and more come from pool from now on (NULL: none does).  It must
 * outlive every buf. */
void slab_set_pool(struct slab *slab, struct buffer_pool *pool);

/* Every buf must be back. */
void slab_deinit(struct slab *slab);

/* Bytes in use now; any thread. */
uint64_t slab_used_bytes(const struct slab *slab);

/* capacity_bytes of memory, not zeroed, at a multiple of align_bytes (a power of two; 4096 for
 * O_DIRECT, 1 if it does not matter), with one reference.  NULL when the limit would be passed or
 * the kernel refuses. */
must_use struct buf *buf_create(struct slab *slab, uint32_t capacity_bytes, uint32_t align_bytes);

/* A buf around memory that is not ours, with one reference; at zero only on_release runs, and buf
 * and bytes are its owner's again. */
void buf_init_foreign(struct buf *buf, uint8_t *bytes, uint32_t capacity_bytes,
                      void (*on_release)(struct buf *buf));

/* One more reference; the caller holds one already.  Returns buf. */
struct buf *buf_ref(struct buf *buf);

/* NULL is allowed. */
void buf_unref(struct buf *buf);

/* Charge buf, which a slab made, to another slab: its bytes now serve that purpose.  By a holder
 * while no other recharges it.  False: to has no room, nothing changed. */
must_use bool buf_recharge(struct buf *buf, struct slab *to);

/* The same past the limit, for what has begun and must go on. */
void buf_recharge_anyway(struct buf *buf, struct slab *to);

/* What buf costs its slab. */
uint64_t buf_cost_bytes(const struct buf *buf);

/* True when the caller's reference is the only one, so it may write the bytes again. */
bool buf_is_unshared(const struct buf *buf);

#endif
