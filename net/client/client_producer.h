/* client_producer: a batching producer as Kafka's clients have it: records are gathered by
 * partition, sent when a batch is full or has lingered, again after errors that pass, in order.
 *
 * Owned by whoever produces; lives on the loop of its cluster, of which it is the only producer.
 * Bounded by buffer_memory_bytes: full is an ordinary answer, and room is told by an event.
 *   CPR-1  records of one partition are sent, and stored, in the order of client_producer_send,
 *          whatever is sent again (idempotent: up to five batches of a partition in flight, KIP-98;
 *          otherwise one request with that partition)
 *   CPR-2  each record that was taken is delivered once: stored, or failed with its error
 *   CPR-3  a batch that may have been stored is never told as failed unless it is said so
 *          (delivery->is_ambiguous)
 *   CPR-4  a sequence is used for one batch only: what failed for good gives its sequence back only
 *          when it surely was not stored; else the producer takes a new epoch (KIP-360) and what
 *          follows is numbered anew
 *   CPR-5  a transactional producer takes records between begin and end of a transaction alone */
#ifndef LEVEE_NET_CLIENT_CLIENT_PRODUCER_H
#define LEVEE_NET_CLIENT_CLIENT_PRODUCER_H

#include "net/client/client_cluster.h"
#include "record/compression.h"
#include "record/record.h"

struct client_producer;

struct client_producer_options {
    int16_t acks;                 /* -1, 0, 1 */
    bool is_idempotent;           /* enable.idempotence: acks -1 */
    const char *transactional_id; /* NULL: none; implies idempotent */
    uint32_t transaction_timeout_ms;
    uint32_t linger_us;           /* linger.ms, in microseconds */
    uint32_t batch_bytes;         /* batch.size, before compression */
    uint32_t request_max_bytes;   /* max.request.size */
    uint32_t in_flight_max;       /* max.in.flight.requests.per.connection, 1 to 5 */
    uint32_t delivery_timeout_ms; /* delivery.timeout.ms */
    uint32_t request_timeout_ms;  /* Produce's own timeout.ms */
    uint64_t buffer_memory_bytes; /* buffer.memory */
    enum compression codec;
    int32_t compression_level; /* COMPRESSION_LEVEL_DEFAULT */
};

/* Kafka 4's defaults: acks all, idempotent, linger 5 ms, 16 KiB, 1 MiB, 5, 120 s, 30 s, 32 MiB. */
struct client_producer_options client_producer_options_default(void);

/* What became of the records of one batch. */
struct client_delivery {
    struct client_topic *topic;
    int32_t partition;
    int16_t error_code;     /* Kafka's; KAFKA_NONE: stored */
    enum err err;           /* when Kafka said nothing: ERR_TIMEOUT, ERR_CANCELED, ... */
    bool is_ambiguous;      /* failed, but may have been stored */
    int64_t base_offset;    /* of the first record; -1: not known (acks=0) */
    int64_t append_time_ms; /* LogAppendTime; -1: CreateTime */
    uint64_t sent_ns;       /* monotonic: when the request that succeeded was handed over */
    uint32_t size_bytes;    /* of the batch as sent */
    uint32_t records_count;
    const uint64_t *tokens; /* of each record, in order */
};

struct client_producer_events {
    void (*delivered)(void *context, const struct client_delivery *delivery);
    /* Optional.  After ERR_FULL: there is room again. */
    void (*room)(void *context);
    /* Optional.  The producer can't go on: fenced, not allowed, ...; every later call fails with
     * it, every record that is held was delivered as failed. */
    void (*fatal)(void *context, int16_t error_code, enum err err);
};

/* A record on its way in; copied. */
struct client_record {
    struct client_topic *topic;
    int32_t partition;    /* -1: by the key's murmur2 as Kafka does, or, without key, one partition
                           * for a batch (KIP-794) */
    int64_t timestamp_ms; /* -1: now, by the wall clock */
    uint64_t token;       /* yours, comes back in delivered */
    struct record record; /* key, value, headers; deltas are ignored */
};

/* cluster stays the caller's.  ERR_INVALID: options that contradict each other.  ERR_NOMEM. */
must_use enum err client_producer_create(struct client_cluster *cluster,
                                         const struct client_producer_options *options,
                                         const struct client_producer_events *events, void *context,
                                         struct client_producer **out);

/* What is held is delivered as failed (ERR_CANCELED) from the loop; then closed (may be NULL). */
void client_producer_destroy(struct client_producer *producer, void (*closed)(void *context),
                             void *context);

/* Take a record.  ERR_FULL: no room; call again after events->room.  ERR_TOO_LARGE: more than
 * max.request.size or buffer.memory.  ERR_NOT_FOUND: no such partition.  ERR_REFUSED: outside of a
 * transaction, or after a fatal error.  ERR_INVALID: it can't be encoded.  ERR_NOMEM.  A topic
 * whose metadata is not there yet is waited for, within delivery_timeout_ms. */
must_use enum err client_producer_send(struct client_producer *producer,
                                       const struct client_record *record);

/* Do not linger: send what is held now. */
void client_producer_flush(struct client_producer *producer);

/* Records taken and not delivered yet. */
uint64_t client_producer_pending_count(const struct client_producer *producer);
uint64_t client_producer_pending_bytes(const struct client_producer *producer);

/* done(OK): nothing is pending any more; flushes.  Zeroed but for done. */
void client_producer_drain(struct client_producer *producer, struct client_wait *wait);

/* -1: none yet. */
int64_t client_producer_id(const struct client_producer *producer);
int16_t client_producer_epoch(const struct client_producer *producer);

/* The partition that Kafka's default partitioner gives a key: toPositive(murmur2(key)) % count. */
int32_t client_producer_partition_of(const void *key, size_t key_bytes, int32_t partitions_count);

#endif
