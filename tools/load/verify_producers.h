/* verify_producers: what the producers of one partition have written so far: epochs, sequences,
 * and the transaction that each has open (VFY-3, VFY-4).
 *
 * Owned by one verify_partition; bounded by producers_max. */
#ifndef LEVEE_TOOLS_LOAD_VERIFY_PRODUCERS_H
#define LEVEE_TOOLS_LOAD_VERIFY_PRODUCERS_H

#include "base/hash_map.h"
#include "base/list.h"
#include "record/control_record.h"
#include "tools/load/verify_stripes.h"

struct verify_partition;

/* A part of an open transaction: of one stripe. */
struct verify_piece {
    uint64_t stripe;
    struct verify_stripe what;
};

struct verify_producer {
    struct list node; /* verify_producers.open, by first offset, while a transaction is open */
    int64_t id;       /* key of the map */
    int16_t epoch;
    bool sequence_is_known;
    int32_t last_sequence;     /* -1: none in this epoch */
    int64_t open_offset;       /* of the first record of the open transaction; -1: none is open */
    int16_t open_epoch;        /* of its batches */
    int32_t coordinator_epoch; /* of the last marker; -1: none seen */
    struct verify_piece *pieces;
    uint32_t pieces_count, pieces_capacity;
};

struct verify_producers {
    struct hash_map map;
    struct list open;
};

must_use enum err verify_producers_create(struct verify_producers **out);
void verify_producers_destroy(struct verify_producers *producers); /* NULL is allowed */

/* A batch with a producer, no control batch.  Findings go to partition.  ERR_NOMEM. */
must_use enum err verify_producers_batch(struct verify_partition *partition,
                                         const struct batch_header *header);

/* The end of a transaction. */
must_use enum err verify_producers_marker(struct verify_partition *partition,
                                          const struct batch_header *header,
                                          const struct control_marker *marker);

/* Where the first open transaction begins; -1: none is open. */
int64_t verify_producers_first_open(const struct verify_producers *producers);

#endif
