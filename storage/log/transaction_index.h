/* transaction_index: the aborted transactions whose marker stands in one segment.
 *
 * Owned by its segment; lives on its loop.  On disk as Kafka's .txnindex file (TransactionIndex),
 * 34 bytes an entry, big endian: int16 version 0, int64 producer id, int64 first offset, int64
 * last offset (of the marker), int64 last stable offset.  (KIP-98; DUR-T13)
 *   TRX-1  last offsets grow strictly, and no entry begins behind its marker
 *   TRX-2  last_stable_offset: the first offset of the oldest other transaction that was open at
 *          the marker, else the marker's + 1: no later entry begins below it
 *   TRX-3  count and crc are known also while the entries are only in the file: what it has beyond
 *          them is not believed, and a file that contradicts them is not taken */
#ifndef LEVEE_STORAGE_LOG_TRANSACTION_INDEX_H
#define LEVEE_STORAGE_LOG_TRANSACTION_INDEX_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRANSACTION_INDEX_ENTRY_BYTES = 34 };

struct transaction_index_entry {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;
    int64_t last_stable_offset;
};

/* An aborted transaction that a reader of committed data has to leave out. */
struct aborted_transaction {
    int64_t producer_id;
    int64_t first_offset;
};

/* A zeroed one is empty, and not loaded. */
struct transaction_index {
    struct transaction_index_entry *entries;
    uint32_t count;
    uint32_t capacity;
    uint32_t crc; /* CRC-32C of all entries as in the file */
    bool is_loaded;
};

/* Those that a fetch of [from, bound) needs: their marker stands at or behind from, and they begin
 * below bound. */
struct transaction_index_search {
    int64_t from;
    int64_t bound;
    struct aborted_transaction *out;
    uint32_t max;
    uint32_t count; /* of them; the first max are in out */
    bool is_over;   /* no later entry begins below bound (TRX-2) */
};

void transaction_index_deinit(struct transaction_index *index);

/* Loaded, and without entries. */
void transaction_index_clear(struct transaction_index *index);

/* Its file holds so many entries; they are not loaded, unless there are none. */
void transaction_index_expect(struct transaction_index *index, uint32_t count, uint32_t crc);

/* Room for one more in what is loaded; false: no memory. */
must_use bool transaction_index_reserve(struct transaction_index *index);

/* It is loaded, and has room. */
void transaction_index_add(struct transaction_index *index,
                           const struct transaction_index_entry *entry);

/* The entries go from memory. */
void transaction_index_unload(struct transaction_index *index);

/* Of the loaded entries, by rising last offset, into search, behind what it has. */
void transaction_index_collect(const struct transaction_index *index,
                               struct transaction_index_search *search);

static inline size_t transaction_index_size_bytes(const struct transaction_index *index)
{
    return (size_t)index->count * TRANSACTION_INDEX_ENTRY_BYTES;
}

/* The loaded entries from from_count on. */
void transaction_index_encode(const struct transaction_index *index, uint32_t from_count,
                              uint8_t *bytes);

/* Load what is expected from the file's bytes.  ERR_TRUNCATED, ERR_CORRUPT (TRX-3, TRX-1),
 * ERR_NOMEM: nothing changed. */
must_use enum err transaction_index_decode(struct transaction_index *index, const uint8_t *bytes,
                                           size_t size_bytes);

#endif
