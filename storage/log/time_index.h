/* time_index: timestamp → offset in one segment, sparse: largest timestamp so far at some offsets.
 *
 * Owned by its segment; lives on its loop.  In memory as in Kafka's .timeindex file: 12 bytes an
 * entry, big endian int64 timestamp (ms), int32 offset relative to the segment's base.  An entry
 * says: no record up to that offset is later than the timestamp.  (KIP-33)
 *   TIX-1  timestamps grow strictly, offsets do not fall
 *   TIX-2  max_timestamp_ms is the largest of all batches noted, at max_offset (the last offset of
 *          the first batch that has it) */
#ifndef LEVEE_STORAGE_LOG_TIME_INDEX_H
#define LEVEE_STORAGE_LOG_TIME_INDEX_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIME_INDEX_ENTRY_BYTES = 12 };

struct time_index_entry {
    int64_t timestamp_ms;
    int32_t relative_offset;
};

struct time_index {
    int64_t base_offset;
    uint32_t count_max; /* segment.index.bytes / 12 */
    uint32_t count;
    uint32_t capacity;
    int64_t max_timestamp_ms; /* -1: none */
    int64_t max_offset;       /* base_offset when none */
    struct time_index_entry *entries;
};

struct time_position {
    int64_t timestamp_ms;
    int64_t offset;
};

void time_index_init(struct time_index *index, int64_t base_offset, uint32_t count_max);

/* A zeroed index is accepted. */
void time_index_deinit(struct time_index *index);

/* A batch was appended: remember its largest timestamp. */
void time_index_note_batch(struct time_index *index, int64_t max_timestamp_ms, int64_t last_offset);

/* Add an entry for what is remembered, when it is later than the last entry's: whenever
 * offset_index_add_batch said true, and when the segment is rolled or closed (at_end: then one slot
 * beyond count_max is allowed, as Kafka reserves one).  True when one was added. */
bool time_index_add_entry(struct time_index *index, bool at_end);

/* The entry with the largest timestamp <= timestamp_ms: all offsets up to it are not later, so a
 * search begins there; (-1, base offset) when there is none. */
struct time_position time_index_find(const struct time_index *index, int64_t timestamp_ms);

/* Last entry; (-1, base offset) when empty. */
struct time_position time_index_last(const struct time_index *index);

/* Drop entries with offset >= offset.  What is remembered falls back to the last entry: note the
 * batches that remain behind it again. */
void time_index_truncate(struct time_index *index, int64_t offset);
void time_index_clear(struct time_index *index);

/* Does every entry name an offset <= last_offset? */
bool time_index_fits(const struct time_index *index, int64_t last_offset);

size_t time_index_size_bytes(const struct time_index *index);
void time_index_encode(const struct time_index *index, uint8_t *bytes);

/* Replace the entries by a file's content, and remember its last entry; unchanged on failure.
 * ERR_MALFORMED: size is no multiple of 12; ERR_CORRUPT: TIX-1 does not hold; ERR_TOO_LARGE: more
 * than count_max + 1; ERR_NOMEM. */
must_use enum err time_index_decode(struct time_index *index, const uint8_t *bytes,
                                    size_t size_bytes);

#endif
