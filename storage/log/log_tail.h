/* log_tail: the tail of a log: its newest batches, whose bytes are still in memory.
 *
 * Owned by its log; lives on the store's loop.  Entries come at the end, and go from the front
 * (eviction, written ones only) or from the end (a cut).  Beside the list stands a ring of
 * pointers, in the same order, for the search by offset.
 *   LTL-1  entries stand by offset, and those in a segment before those that are not: no holes
 *   LTL-2  ready_bytes: of the entries that are committed and not in a segment */
#ifndef LEVEE_STORAGE_LOG_LOG_TAIL_H
#define LEVEE_STORAGE_LOG_LOG_TAIL_H

#include "storage/log/tail_cache.h"

/* Entries of a log by offset; entries[first & (capacity - 1)] is the oldest. */
struct tail_ring {
    struct tail_entry **entries;
    uint32_t first;
    uint32_t count;
    uint32_t capacity; /* 0, or a power of two */
};

struct log_tail {
    struct tail_cache *cache;
    struct list entries;                /* of tail_entry.log_node */
    struct tail_ring ring;              /* the same entries */
    struct tail_entry *first_unwritten; /* or NULL */
    uint64_t ready_bytes;
};

/* cache: of all logs; outlives the tail. */
void log_tail_init(struct log_tail *tail, struct tail_cache *cache);
void log_tail_deinit(struct log_tail *tail); /* empty */

/* Memory for one more entry, so that log_tail_add cannot lack it.  False: there is none. */
must_use bool log_tail_reserve(struct log_tail *tail);
void log_tail_add(struct log_tail *tail, struct segment *segment, int64_t base_offset,
                  int64_t end_offset, uint64_t pos, const uint8_t *bytes, uint32_t size_bytes,
                  struct buf *buf, uint64_t sequence);
void log_tail_committed(struct tail_entry *entry); /* its group is; once */
void log_tail_written(struct tail_entry *entry);   /* into its segment; the first unwritten one */
void log_tail_remove(struct tail_entry *entry);    /* the first or the last */
void log_tail_drop_all(struct log_tail *tail);
void log_tail_cut(struct log_tail *tail, int64_t offset); /* those that end above it */
void log_tail_evict(struct tail_cache *cache);            /* of all logs, what is too much */
bool log_tail_is_empty(const struct log_tail *tail);

struct tail_entry *log_tail_first(const struct log_tail *tail);   /* or NULL */
struct tail_entry *log_tail_next(const struct tail_entry *entry); /* in the log, or NULL */
/* The entry that holds offset, or the next one; NULL: offset is below the tail (or at its end). */
struct tail_entry *log_tail_find(const struct log_tail *tail, int64_t offset);

#endif
