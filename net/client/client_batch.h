/* client_batch: one batch of a producer, from its first record to what became of it, and the memory
 * that batches are made of.
 *
 * Owned by the producer; lives on its loop.  Records are written once, at the place from which they
 * are sent.
 *   CBA-1  until it is sealed bytes[BATCH_HEADER_BYTES .. size_bytes) are its records, not
 *          compressed; afterwards they do not change, but for the header
 *   CBA-2  a pool holds at most max_bytes in batches, used and free, but for those that were
 *          forced, and for one when nothing else is used: who waits for room gets some */
#ifndef LEVEE_NET_CLIENT_CLIENT_BATCH_H
#define LEVEE_NET_CLIENT_CLIENT_BATCH_H

#include "base/err.h"
#include "base/list.h"
#include "record/batch.h"
#include "record/compression.h"
#include "record/record.h"

#include <stdbool.h>
#include <stdint.h>

struct client_part;

struct client_batch {
    struct list node;     /* of the list that it is in */
    struct list age_node; /* of all that are not finished, oldest first */
    struct client_part *part;
    uint8_t *bytes;
    uint64_t *tokens;
    uint32_t capacity_bytes;
    uint32_t tokens_capacity;
    uint32_t size_bytes; /* with the header; once sealed: as it is sent */
    uint32_t raw_bytes;  /* the same before compression */
    int32_t records_count;
    enum compression codec; /* of the bytes as they lie there */
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    uint64_t created_ns; /* monotonic */
    /* Numbers (KIP-98); base_sequence -1: none yet. */
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    uint64_t serial; /* order of the first numbering within the partition */
    uint32_t attempts_count;
    int32_t partition_wanted; /* of what waits in a partition -1: what its records asked for */
    int32_t moved_count;      /* of what waits there: records that have left already */
    bool is_forced;           /* past the pool's limit */
    bool is_sealed;
    bool is_in_air;
    bool is_due;           /* to be sent without lingering */
    bool may_be_stored;    /* an attempt had an outcome that is not known */
    bool is_half_in_doubt; /* the whole that it was split from may be stored */
    bool is_told;          /* delivered as failed while its request is in flight */
    /* What became of it. */
    int16_t error_code;
    enum err err;
    int64_t base_offset;
    int64_t append_time_ms;
    uint64_t sent_ns;
};

struct client_batch_pool {
    struct list free; /* of the usual size */
    uint64_t max_bytes;
    uint64_t used_bytes; /* in batches that are handed out */
    uint64_t free_bytes;
    uint32_t batch_bytes; /* the usual capacity */
};

void client_batch_pool_init(struct client_batch_pool *pool, uint64_t max_bytes,
                            uint32_t batch_bytes);

/* Every batch must be back. */
void client_batch_pool_deinit(struct client_batch_pool *pool);

/* What a batch costs at least that holds records of so many bytes. */
uint64_t client_batch_cost_bytes(uint64_t records_bytes);

/* An empty batch that takes a record of record_bytes.  is_forced: past the limit, for records that
 * are held already.  NULL: no room, or no memory. */
must_use struct client_batch *client_batch_take(struct client_batch_pool *pool,
                                                uint32_t record_bytes, bool is_forced);

/* It is on no list.  NULL is accepted. */
void client_batch_give(struct client_batch_pool *pool, struct client_batch *batch);

/* Copy a record in.  ERR_FULL: it does not fit, or the pool has no room for its token.
 * ERR_INVALID: it cannot be encoded. */
must_use enum err client_batch_add(struct client_batch *batch, struct client_batch_pool *pool,
                                   const struct record *record, int64_t timestamp_ms,
                                   uint64_t token);

/* Bytes of its records, not compressed. */
static inline uint32_t client_batch_records_bytes(const struct client_batch *batch)
{
    return (batch->is_sealed ? batch->raw_bytes : batch->size_bytes) - BATCH_HEADER_BYTES;
}

/* No record comes any more; compressed unless that makes it larger.  scratch: capacity of
 * compression_bound(codec, size) at least; may be NULL without codec.  ERR_NOMEM, ERR_INVALID
 * (level): it is as before. */
must_use enum err client_batch_seal(struct client_batch *batch, enum compression codec,
                                    int32_t level, struct compression_context *context,
                                    uint8_t *scratch, size_t scratch_bytes);

/* Write the header with these numbers (-1, -1, -1: none) and the checksum.  Sealed. */
void client_batch_number(struct client_batch *batch, int64_t producer_id, int16_t producer_epoch,
                         int32_t base_sequence, bool is_transactional);

/* The records one after the other, with what they came with.  Of a batch that is compressed: by
 * way of a copy. */
struct client_batch_walk {
    const struct client_batch *batch;
    uint8_t *copy; /* or NULL */
    struct record_walk walk;
    int32_t index; /* of the record that was read last */
};

/* ERR_NOMEM, ERR_MALFORMED (ours, and so a mistake). */
must_use enum err client_batch_walk_begin(struct client_batch_walk *walk,
                                          const struct client_batch *batch,
                                          struct compression_context *context);
/* False: no more. */
bool client_batch_walk_next(struct client_batch_walk *walk, struct record *record,
                            int64_t *timestamp_ms, uint64_t *token);
void client_batch_walk_end(struct client_batch_walk *walk);

/* In two, about equal in bytes; each has a record at least.  batch has two or more.  Numbers, if it
 * has some, are shared out (ProducerBatch.split).  ERR_NOMEM: nothing happened. */
must_use enum err client_batch_split(const struct client_batch *batch,
                                     struct client_batch_pool *pool,
                                     struct compression_context *context,
                                     struct client_batch **first, struct client_batch **second);

#endif
