/* cleaner_batch: one batch in, and what a compaction leaves of it out.
 *
 * The rule of the cleaner, without files: from the same bytes, map, producers and time come the
 * same bytes.  Owned by a pass; one thread at a time.  (Kafka: Cleaner.shouldRetainRecord,
 * MemoryRecords.filterTo; KIP-534)
 *   CLB-1  a record stays if the map has nothing newer of its key, and it is no tombstone whose
 *          delete horizon is over; what is not below map_end stays, aborted data nowhere (DUR-C1,
 *          DUR-C4)
 *   CLB-2  base and last offset, base sequence and producer fields of a batch stay, the timestamps
 *          and headers of its records, too (DUR-C2)
 *   CLB-3  the horizon is set when a tombstone, or a marker without data, is first seen: now +
 *          delete_retention_ms; the base timestamp's field holds it, so records are encoded again
 *          (DUR-C7); not where an older value of the key may stay behind it: at or above
 *          map_end and the first undecided transaction
 *   CLB-4  a batch that must stay is emptied, not dropped; a marker stays whole */
#ifndef LEVEE_STORAGE_CLEANER_CLEANER_BATCH_H
#define LEVEE_STORAGE_CLEANER_CLEANER_BATCH_H

#include "record/batch_reader.h"
#include "storage/cleaner/cleaner_map.h"
#include "storage/cleaner/cleaner_producers.h"
#include "storage/cleaner/cleaner_transactions.h"

/* Bytes that grow. */
struct cleaner_bytes {
    uint8_t *bytes;
    size_t size_bytes;
    size_t capacity_bytes;
};

void cleaner_bytes_deinit(struct cleaner_bytes *bytes); /* zeroed: accepted */

enum { CLEANER_KEPT_BYTES = 4 << 20 }; /* of a buffer, when what it was needed for is over */

/* Offsets of markers that abort and stay, and with them the entries of the transaction index: not
 * only as long as there is data.  A reader may have the old bytes and ask for the index afterwards,
 * and an entry with its marker hides nothing else (DUR-C5, DUR-T13). */
struct cleaner_offsets {
    int64_t *items; /* rising */
    uint32_t count;
    uint32_t capacity;
};

struct cleaner_batch_counts {
    uint64_t records_in;
    uint64_t records_out;
    uint64_t keyless;         /* records without a key, dropped */
    uint64_t changed_batches; /* whose bytes are not what they were, or that are gone */
};

struct cleaner_batch {
    /* the pass's */
    struct cleaner_map *map;
    struct cleaner_transactions *transactions; /* sealed */
    const struct cleaner_producers *producers;
    struct compression_context *context;
    int64_t map_end;     /* first offset that did not enter the map */
    int64_t decided_end; /* first offset of which transactions knows nothing: stays as it is */
    int64_t now_ms;      /* wall clock of the pass */
    int64_t delete_retention_ms;
    /* its own */
    struct batch_reader reader;
    size_t space_bytes;            /* that the reader holds of a compressed batch */
    struct cleaner_bytes keep;     /* a bit for each record */
    struct cleaner_bytes records;  /* of the batch being made */
    struct cleaner_offsets aborts; /* since the pass has emptied it */
    struct cleaner_batch_counts counts;
    uint64_t decoded_bytes; /* of records that were gone through */
};

/* The pass's members are set.  uncompressed_max_bytes: no batch may expand to more. */
void cleaner_batch_init(struct cleaner_batch *batch, size_t uncompressed_max_bytes);
void cleaner_batch_deinit(struct cleaner_batch *batch);

/* A large batch is over: what it alone needed goes back. */
void cleaner_batch_shrink(struct cleaner_batch *batch);

/* Its marker, if it ends a transaction.  False: it does not.  A control batch that cannot be read
 * ends none, as in a replay. */
bool cleaner_batch_marker(const uint8_t *bytes, const struct batch_header *header,
                          struct control_marker *out);

/* The keys of a whole batch at or above from_offset into the map, unless it was aborted or is
 * undecided.  ERR_FULL: *full_offset_out is the first that did not enter.  ERR_CORRUPT: its
 * checksum; or as batch_reader. */
must_use enum err cleaner_batch_map(struct cleaner_batch *batch, const uint8_t *bytes,
                                    const struct batch_header *header, int64_t from_offset,
                                    int64_t *full_offset_out);

/* What is left of it, behind what out has.  must_stay: CLB-4.  Errors as above; ERR_NOMEM,
 * ERR_TOO_LARGE: it would be larger than a batch may be. */
must_use enum err cleaner_batch_filter(struct cleaner_batch *batch, const uint8_t *bytes,
                                       const struct batch_header *header, bool must_stay,
                                       struct cleaner_bytes *out);

#endif
