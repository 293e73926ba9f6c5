/* model_producer: a client that sends records to partitions, as Kafka's own producers do.
 *
 * Idempotent: asks for a producer id, numbers the records of each partition, keeps at most five
 * batches of a partition open, and sends each again, the same bytes in the same order, until it is
 * acknowledged.  Otherwise (without an id) a batch is sent once, and one connection is one session:
 * what it sent to a partition lies there in that order.  Every record's value is unique and told to
 * the history before it is sent.  Batches may be of any size and may lie (model_batch).
 *   MPR-1  batches of a partition are first sent in the order of their sequences
 *   MPR-2  until its first batch of a partition is acknowledged, a producer has one batch of it
 *          open: a broker takes any first sequence of a producer that it does not know
 *   MPR-3  what may have been appended is never told as failed
 *   MPR-4  error 45 or 59 (sequence out of order, unknown producer) for the oldest open batch of a
 *       partition is a complaint, because all before it were acknowledged; error 46 (a duplicate
 *       outside of the window) is one for any, because no more than five are open
 *   MPR-5  of a topic in the mode cache, a power loss takes records and with them sequences: a
 * producer that is refused then asks for another id */
#ifndef LEVEE_TESTS_MODEL_PRODUCER_H
#define LEVEE_TESTS_MODEL_PRODUCER_H

#include "record/compression.h"
#include "tests/sim/model_batch.h"
#include "tests/sim/model_client.h"
#include "tests/sim/model_topics.h"

enum { PRODUCER_OPEN_MAX = 5, PRODUCER_FLIGHTS_MAX = 5 };

struct model_producer_options {
    bool idempotent;
    uint32_t flights_max;     /* requests, 1 to PRODUCER_FLIGHTS_MAX */
    uint32_t records_max;     /* of a batch */
    uint32_t value_bytes_max; /* at least HISTORY_VALUE_BYTES_MIN */
    uint32_t pause_max_ms;    /* between looks at what can be sent */
    uint32_t request_batches_max;
    bool one_partition;     /* everything goes to the first one: all flights are of it */
    uint64_t records_limit; /* then it has sent enough */
    enum compression codec;
    /* the wide world; zero: not */
    uint32_t acks_zero_odds;    /* of a hundred requests of one that is not idempotent */
    uint32_t acks_one_odds;     /* of a hundred requests */
    uint32_t mixed_bytes_log2;  /* batches of any size up to that power of two */
    uint64_t mixed_bytes_limit; /* of all batches; then they are small */
    uint32_t lie_odds;          /* of a hundred batches: a header to be put right */
    uint32_t bad_odds;     /* of a hundred batches of one that is not idempotent: to be refused */
    int16_t version_min;   /* 13: topics have ids, so that a name may be used again */
    uint32_t dated_max_ms; /* records are up to that old */
};

struct producer_batch {
    struct list node; /* producer_partition.open, by sequence */
    uint32_t partition;
    uint64_t first_counter; /* of the values */
    int32_t records_count;
    int32_t base_sequence;
    bool in_flight;
    bool ambiguous; /* it may have been appended */
    enum model_lie lie;
    uint64_t asked_ns; /* when it was sent last */
    uint8_t *bytes;
    uint32_t size_bytes;
};

struct producer_partition {
    struct list open; /* of producer_batch.node */
    uint32_t open_count;
    int32_t next_sequence;
    bool begun;  /* something of this session was acknowledged */
    bool broken; /* the broker lost what came before: this session sends nothing more to it */
};

struct producer_flight {
    struct model_call call;
    struct model_producer *producer;
    struct producer_batch *batches[HISTORY_PARTITIONS_MAX]; /* by partition */
    int16_t acks;
    bool used;
};

struct model_producer {
    struct model_client client;
    struct model_producer_options options;
    const struct model_topics *topics;
    struct producer_partition partitions[HISTORY_PARTITIONS_MAX];
    struct producer_flight flights[PRODUCER_FLIGHTS_MAX];
    struct compression_context *compression;
    struct model_call id_call;
    struct timer tick;
    int64_t producer_id; /* -1: none */
    int16_t producer_epoch;
    uint32_t session;
    uint64_t next_counter;
    uint64_t acknowledged_count; /* batches */
    uint64_t mixed_bytes;        /* sent in batches of any size */
    struct prng wide_prng;
    bool asking_id;
    bool finishing;   /* nothing new; what is open is still brought to its end */
    bool new_session; /* as soon as nothing is open, ask for another id */
};

void model_producer_init(struct model_producer *producer, struct sim_node *node,
                         struct history *history, const struct model_client_options *client,
                         const struct model_producer_options *options,
                         const struct model_topics *topics);
void model_producer_deinit(struct model_producer *producer);

/* Send nothing new any more. */
void model_producer_finish(struct model_producer *producer);

/* Nothing is open. */
bool model_producer_is_done(const struct model_producer *producer);

#endif
