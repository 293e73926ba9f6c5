/* offset_index: offset → byte position in one segment, sparse: an entry every so many bytes.
 *
 * Owned by its segment; lives on its loop.  In memory as in Kafka's .index file: 8 bytes an entry,
 * big endian int32 offset relative to the segment's base, int32 position.
 *   OIX-1  offsets and positions grow strictly */
#ifndef LEVEE_STORAGE_LOG_OFFSET_INDEX_H
#define LEVEE_STORAGE_LOG_OFFSET_INDEX_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OFFSET_INDEX_ENTRY_BYTES = 8 };

struct offset_index_entry {
    int32_t relative_offset;
    uint32_t pos; /* <= INT32_MAX */
};

struct offset_index {
    int64_t base_offset;
    uint32_t interval_bytes; /* index.interval.bytes */
    uint32_t count_max;      /* segment.index.bytes / 8 */
    uint32_t count;
    uint32_t capacity;
    uint64_t bytes_since_entry;
    struct offset_index_entry *entries;
};

struct offset_position {
    int64_t offset;
    uint32_t pos;
};

void offset_index_init(struct offset_index *index, int64_t base_offset, uint32_t interval_bytes,
                       uint32_t count_max);

/* A zeroed index is accepted. */
void offset_index_deinit(struct offset_index *index);

/* A batch was appended to the segment at pos.  When more than interval_bytes lie behind the last
 * entry, one for it is added; true then: the time index gets its entry too (LogSegment.append).
 * Without room, memory, or when it does not fit in 32 bits, no entry is added: lookups then read
 * more; offset_index_is_full tells when to roll. */
bool offset_index_add_batch(struct offset_index *index, int64_t last_offset, uint64_t pos,
                            uint32_t size_bytes);

/* No further entry fits, or last_offset is too far from base_offset: roll before appending it. */
bool offset_index_is_full(const struct offset_index *index, int64_t last_offset);

/* The entry with the largest offset <= offset; the segment's start when there is none.  Batches are
 * read from its pos on. */
struct offset_position offset_index_find(const struct offset_index *index, int64_t offset);

/* The first entry whose position is above pos: its position bounds a read.  False: none. */
bool offset_index_upper(const struct offset_index *index, uint64_t pos,
                        struct offset_position *out);

/* Last entry; false when empty. */
bool offset_index_last(const struct offset_index *index, struct offset_position *out);

/* Drop entries with offset >= offset. */
void offset_index_truncate(struct offset_index *index, int64_t offset);
void offset_index_clear(struct offset_index *index);

/* Does every entry point into a segment of segment_bytes whose last offset is last_offset? */
bool offset_index_fits(const struct offset_index *index, uint64_t segment_bytes,
                       int64_t last_offset);

size_t offset_index_size_bytes(const struct offset_index *index);

/* offset_index_size_bytes bytes: the file's content from entry first_count on would begin at
 * first_count * 8, so an append to the file is encode into a buffer and write of its tail. */
void offset_index_encode(const struct offset_index *index, uint8_t *bytes);

/* Replace the entries by a file's content; unchanged on failure.  ERR_MALFORMED: size is no
 * multiple of 8; ERR_CORRUPT: OIX-1 does not hold (zeros of a preallocated file too): build it
 * anew; ERR_TOO_LARGE: more than count_max; ERR_NOMEM. */
must_use enum err offset_index_decode(struct offset_index *index, const uint8_t *bytes,
                                      size_t size_bytes);

#endif
