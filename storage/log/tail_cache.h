/* tail_cache: the newest batches of all logs of a store, in memory.
 *
 * Owned by a store; lives on its loop.  Each log has its own entries in order (log_tail.h); here
 * they stand in the order in which they came, and are counted.
 *   TLC-1  an entry is on unwritten or on evictable, and its bytes count
 *   TLC-2  what is not in a segment is never evicted (store.h, STO-4) */
#ifndef LEVEE_STORAGE_LOG_TAIL_CACHE_H
#define LEVEE_STORAGE_LOG_TAIL_CACHE_H

#include "base/err.h"
#include "base/list.h"
#include "base/slab.h"

#include <stdbool.h>
#include <stdint.h>

struct log_tail;
struct segment;

/* One appended batch (or a run of them) whose bytes are still in memory. */
struct tail_entry {
    struct list log_node;   /* log_tail.entries, by offset */
    struct list cache_node; /* tail_cache.unwritten; evictable once it is written */
    struct log_tail *tail;
    struct segment *segment;
    int64_t base_offset;
    int64_t end_offset;
    uint64_t pos;
    uint32_t size_bytes;
    const uint8_t *bytes;
    struct buf *buf;
    uint64_t sequence; /* of its journal group */
    bool written;      /* in the segment file */
};

struct tail_cache {
    struct list unwritten; /* of tail_entry.cache_node, not in a segment yet, oldest append first */
    struct list evictable; /* the same, in a segment, in the order of writing */
    uint64_t bytes;        /* payload of all entries */
    uint64_t dirty_bytes;  /* of those not in a segment */
    uint64_t max_bytes;    /* of either */
    uint64_t committed;    /* journal sequence: what is not above it is durable */
    struct list spares;    /* of tail_entry.log_node, for the next ones */
    uint32_t spare_count;
    const struct slab *groups;      /* the buffers that the bytes lie in */
    void (*dropped)(void *context); /* an unwritten entry went: whoever waited for it need not */
    void *context;
};

void tail_cache_init(struct tail_cache *cache, const struct slab *groups, uint64_t max_bytes,
                     void (*dropped)(void *context), void *context);
void tail_cache_deinit(struct tail_cache *cache); /* no entry is left */

/* Nothing may be appended until segments were written. */
bool tail_cache_is_full(const struct tail_cache *cache);

/* Memory runs short: small pieces are to be written, too. */
bool tail_cache_is_crowded(const struct tail_cache *cache);

/* The one that is to go now, the oldest that may (TLC-2); NULL: none has to. */
struct tail_entry *tail_cache_surplus(const struct tail_cache *cache);

/* TLC-1 and the sums: a broken one ends the process.  After each change, not in releases. */
#ifdef LEVEE_RELEASE
static inline void tail_cache_check_invariants(const struct tail_cache *cache)
{
}
#else
void tail_cache_check_invariants(const struct tail_cache *cache);
#endif

/* ---- for log_tail.c */

/* So that the next tail_cache_take cannot lack memory. */
must_use bool tail_cache_reserve(struct tail_cache *cache);
struct tail_entry *tail_cache_take(struct tail_cache *cache); /* uninitialized, on no list */

/* Filled in by its log. */
void tail_cache_add(struct tail_cache *cache, struct tail_entry *entry);
void tail_cache_written(struct tail_cache *cache, struct tail_entry *entry);

/* It is off its log's list; it is not to be touched afterwards. */
void tail_cache_give(struct tail_cache *cache, struct tail_entry *entry);

#endif
