/* epoch_cache: which leader epoch began at which offset, in one partition.
 *
 * Owned by the log; lives on its loop.  Files: Kafka's leader-epoch-checkpoint, text:
 * "0\n", "<count>\n", then "<epoch> <start offset>\n" each.  (KIP-101, KIP-279)
 *   EPO-1  epochs and start offsets both grow strictly from entry to entry */
#ifndef LEVEE_STORAGE_LOG_EPOCH_CACHE_H
#define LEVEE_STORAGE_LOG_EPOCH_CACHE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EPOCH_UNDEFINED = -1, EPOCH_OFFSET_UNDEFINED = -1 };

struct epoch_entry {
    int32_t epoch;
    int64_t start_offset;
};

struct epoch_cache {
    struct epoch_entry *entries; /* oldest first */
    uint32_t count;
    uint32_t capacity;
};

void epoch_cache_init(struct epoch_cache *cache);

/* A zeroed cache is accepted. */
void epoch_cache_deinit(struct epoch_cache *cache);

/* Epoch (>= 0) begins at start_offset (>= 0).  Entries at the end that contradict it (same or later
 * epoch, same or higher offset) go.  True when anything changed: the file must be written before
 * data of that epoch is read. */
bool epoch_cache_assign(struct epoch_cache *cache, int32_t epoch, int64_t start_offset);

/* Where an epoch ends (OffsetForLeaderEpoch): the latest one at log_end_offset; unknown (above the
 * latest, -1, or nothing known): both undefined; below the oldest: (epoch itself, start of the
 * oldest); otherwise (the largest known one not above it, start of the next).  Returns the offset.
 */
int64_t epoch_cache_end_offset(const struct epoch_cache *cache, int32_t epoch,
                               int64_t log_end_offset, int32_t *epoch_out);

/* The epoch that offset belongs to: EPOCH_UNDEFINED when it is below the oldest or none is known.
 */
int32_t epoch_cache_find(const struct epoch_cache *cache, int64_t offset);

int32_t epoch_cache_latest(const struct epoch_cache *cache);   /* or EPOCH_UNDEFINED */
int32_t epoch_cache_earliest(const struct epoch_cache *cache); /* or EPOCH_UNDEFINED */

/* The log now ends at end_offset: entries that start there or later go.  True when one went. */
bool epoch_cache_truncate_end(struct epoch_cache *cache, int64_t end_offset);

/* The log now starts at start_offset: of the entries that start there or earlier the newest stays
 * and starts at start_offset.  True when anything changed. */
bool epoch_cache_truncate_start(struct epoch_cache *cache, int64_t start_offset);

void epoch_cache_clear(struct epoch_cache *cache);

bool epoch_cache_equal(const struct epoch_cache *a, const struct epoch_cache *b);

/* The file's text.  Returns its size; writes nothing beyond max_bytes and no NUL (call with 0 for
 * the size alone). */
size_t epoch_cache_encode(const struct epoch_cache *cache, char *out, size_t max_bytes);

/* Replace the content by what a file says; cache is unchanged on failure.  ERR_MALFORMED: not such
 * a file, or EPO-1 does not hold; ERR_NEWER_FORMAT; ERR_TRUNCATED: fewer lines than it says;
 * ERR_NOMEM. */
must_use enum err epoch_cache_decode(struct epoch_cache *cache, const char *text,
                                     size_t size_bytes);

#endif
