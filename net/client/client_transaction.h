/* client_transaction: the transactions of a producer, in both protocol versions: version 2
 * (KIP-890 part 2) where the broker has finalized transaction.version 2, version 1 otherwise or
 * when asked for.
 *
 * Part of a client_producer with a transactional id, whose state it owns; same loop.
 *   CTX-1  states: UNINIT -> READY -> OPEN -> ENDING -> READY; any -> FAILED (abort it, KIP-588) or
 *          FATAL (fenced, not allowed, an unsupported broker)
 *   CTX-2  one operation at a time; its done runs once, from the loop
 *   CTX-3  commit sends what is held, waits for each batch, and ends with COMMIT only when all were
 *          stored; otherwise it fails with the first error and the transaction is to be aborted
 *   CTX-4  version 1: no batch goes to a partition before AddPartitionsToTxn has taken it
 *   CTX-5  version 2: the epoch of the EndTxn answer is the producer's from then on
 *   CTX-6  an EndTxn whose answer was lost is asked again until the coordinator says what it did */
#ifndef LEVEE_NET_CLIENT_CLIENT_TRANSACTION_H
#define LEVEE_NET_CLIENT_CLIENT_TRANSACTION_H

#include "net/client/client_producer.h"

enum client_transaction_state {
    CLIENT_TRANSACTION_UNINIT,
    CLIENT_TRANSACTION_READY,
    CLIENT_TRANSACTION_OPEN,
    CLIENT_TRANSACTION_ENDING,
    CLIENT_TRANSACTION_FAILED,
    CLIENT_TRANSACTION_FATAL,
};

/* One operation; zeroed but for done and what it takes. */
struct client_transaction_op {
    void (*done)(struct client_transaction_op *op, enum err err);
    int16_t error_code; /* out: Kafka's, when it said one */
    uint64_t asked_ns;  /* out: monotonic, when its deciding request (EndTxn) was handed over */
};

/* Of a group, to be committed with the transaction. */
struct client_group_offset {
    struct client_topic *topic;
    int32_t partition;
    int64_t offset; /* of the next record to read */
    int32_t leader_epoch;
    const char *metadata;
};

struct client_group_identity {
    const char *group_id;
    const char *member_id;         /* "" outside of a group */
    const char *group_instance_id; /* NULL: none */
    int32_t generation_id;         /* -1 outside of a group */
};

/* InitProducerId: fences earlier producers of the id and ends their transaction. */
void client_transaction_init(struct client_producer *producer, struct client_transaction_op *op);

/* ERR_REFUSED: not READY. */
must_use enum err client_transaction_begin(struct client_producer *producer);

/* offsets and identity stay the caller's until done.  (KIP-447) */
void client_transaction_send_offsets(struct client_producer *producer,
                                     struct client_transaction_op *op,
                                     const struct client_group_identity *identity,
                                     const struct client_group_offset *offsets, uint32_t count);

void client_transaction_commit(struct client_producer *producer, struct client_transaction_op *op);
void client_transaction_abort(struct client_producer *producer, struct client_transaction_op *op);

enum client_transaction_state client_transaction_state(const struct client_producer *producer);

/* 1 or 2, once init is done. */
int client_transaction_version(const struct client_producer *producer);

/* Before init: speak version 1 also where 2 is finalized. */
void client_transaction_force_version_1(struct client_producer *producer);

#endif
