/* buffer_pool: one loop's aligned buffers, recycled.
 *
 * Buffers of changing sizes that come and go by the megabyte cost much in a general allocator, and
 * what it keeps between them grows.  Here a buffer is a run of whole pages in one mapping, which is
 * made at the start and is as large as the pool may ever be: the lowest run that fits is taken, so
 * the same pages serve again, of whatever size they were, and the upper ones fall idle together.
 * The mapping never moves, so it can be registered with a ring.
 *
 * Owned by one loop, whose thread takes; buffers are given back on any thread (what others give
 * waits on a stack, which the owner empties).  Whoever cannot have a buffer here gets one from the
 * heap (mem): larger than BUFFER_MAX_BYTES, the pool is full, the thread is not the owner's, or
 * there is no pool (NULL).
 *   POOL-1  a run lies within one chunk of BUFFER_MAX_BYTES
 *   POOL-2  run_max[c] is not below the longest free run of chunk c
 *   POOL-3  idle_bytes, which nobody uses and the system still holds for us, pass idle_max_bytes by
 *       less than a chunk when a call returns (what others gave counts when it is collected)
 *   POOL-4  what is given back to the system lies in pages that are free */
#ifndef LEVEE_BASE_BUFFER_POOL_H
#define LEVEE_BASE_BUFFER_POOL_H

#include "base/err.h"
#include "base/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BUFFER_PAGE_BYTES = 4096,   /* of every size and address; IO_ALIGN */
    BUFFER_MAX_BYTES = 1 << 20, /* larger ones are the heap's */
};

struct buffer_chunk;
struct buffer_given;

struct buffer_pool {
    uint8_t *bytes; /* of all chunks; NULL: the system gave no mapping, all comes from the heap */
    struct buffer_chunk *chunks;
    uint16_t *run_max; /* of each chunk, in pages (POOL-2) */
    uint32_t chunk_count;
    uint32_t chunk_end;  /* those behind were never used */
    uint32_t chunk_full; /* those before have no free page */
    uint32_t idle_end;   /* chunks from here on have no idle page */
    uint64_t idle_max_bytes;
    const void *owner;           /* atomic: a mark of the thread */
    struct buffer_given *given;  /* atomic: by other threads, newest first */
    struct gauge max_bytes;      /* of the mapping */
    struct gauge used_bytes;     /* in buffers */
    struct gauge idle_bytes;     /* in no buffer, and not given back to the system */
    struct counter heap_buffers; /* the pool was asked by its owner, and they came from the heap */
};

/* max_bytes: of the mapping, address space alone until it is used.  The calling thread owns it. */
void buffer_pool_init(struct buffer_pool *pool, uint64_t max_bytes, uint64_t idle_max_bytes);

/* Every buffer must be back.  A zeroed pool is accepted. */
void buffer_pool_deinit(struct buffer_pool *pool);

/* The calling thread takes from now on; none other is in a call. */
void buffer_pool_own(struct buffer_pool *pool);

/* size_bytes (at least 1) at a multiple of BUFFER_PAGE_BYTES, not zeroed.  NULL when memory is
 * refused (mem_try_alloc).  Any thread. */
must_use void *buffer_take(struct buffer_pool *pool, size_t size_bytes);

/* buffer came from buffer_take with the same pool and size; NULL is accepted.  Any thread. */
void buffer_give(struct buffer_pool *pool, void *buffer, size_t size_bytes);

/* By the owner: collect what others gave, and give idle pages back to the system, of a few chunks
 * at most.  False: there are no more. */
bool buffer_pool_trim(struct buffer_pool *pool);

/* Bytes in buffers; any thread. */
uint64_t buffer_pool_used_bytes(const struct buffer_pool *pool);

/* Bytes of whole pages that size_bytes take. */
static inline uint64_t buffer_cost_bytes(uint64_t size_bytes)
{
    return (size_bytes + BUFFER_PAGE_BYTES - 1) & ~(uint64_t)(BUFFER_PAGE_BYTES - 1);
}

#endif
