/* transaction: what the coordinator knows of one transactional id.
 *
 * Owned by who keeps it, on its loop; plain data, no memory of its own.  What is recorded in
 * __transaction_state (struct transaction_fields) changes in transaction_apply and nowhere else,
 * live and at a load alike.
 *   TXN-1  a decision moves the state along the table in transaction.c (DUR-T1).  A compacted log
 *          may have left out steps of it
 *   TXN-2  no client is ever told an epoch above TRANSACTION_EPOCH_LAST; one more exists only in
 *          here, where a transaction of that epoch was fenced or is being ended
 * Sources: Kafka's TransactionMetadata and TransactionState; KIP-98, KIP-360, KIP-890. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

/* The numbers are those of the log's records (TransactionLogValue.TransactionStatus). */
enum transaction_state {
    TRANSACTION_EMPTY = 0,
    TRANSACTION_ONGOING = 1,
    TRANSACTION_PREPARE_COMMIT = 2,
    TRANSACTION_PREPARE_ABORT = 3,
    TRANSACTION_COMPLETE_COMMIT = 4,
    TRANSACTION_COMPLETE_ABORT = 5,
    TRANSACTION_DEAD = 6, /* a tombstone: nothing is known of the id */
};
enum { TRANSACTION_STATE_COUNT = 7 };

enum {
    TRANSACTION_NO_EPOCH = -1,
    TRANSACTION_EPOCH_LAST = INT16_MAX - 1, /* with it an epoch is exhausted: a new id follows */
};
#define TRANSACTION_NO_PRODUCER INT64_C(-1)
#define TRANSACTION_NO_TIME INT64_C(-1)

/* transaction.version of who speaks (KIP-890). */
enum { TRANSACTION_V0 = 0, TRANSACTION_V1 = 1, TRANSACTION_V2 = 2 };

/* What a record says, but for the partitions. */
struct transaction_fields {
    enum transaction_state state;
    int8_t client_version; /* TRANSACTION_V0..: how the transaction was begun, or is ended */
    int16_t epoch;         /* TRANSACTION_NO_EPOCH: nobody has it yet */
    int32_t timeout_ms;
    int64_t producer_id;
    int64_t previous_producer_id; /* before the last change of it, or TRANSACTION_NO_PRODUCER */
    int64_t next_producer_id;     /* in Prepare*: with which the next epoch begins; or none */
    int64_t started_ms;           /* wall clock; TRANSACTION_NO_TIME: no transaction */
    int64_t updated_ms;
};

struct transaction {
    struct transaction_fields fields;
    int16_t last_epoch;       /* of which a repeated request is answered; not recorded: after a load
                               * TRANSACTION_NO_EPOCH, as in Kafka */
    bool is_pending;          /* a decision was made and is not applied yet */
    uint32_t partition_count; /* in it; in Prepare*: those without a durable marker */
};

/* An id that was never seen: Empty, with a producer id that nobody had. */
void transaction_init(struct transaction *transaction, int64_t producer_id, int32_t timeout_ms,
                      int64_t now_ms);

/* The record is in the log, or was found there.  next_last_epoch: TRANSACTION_NO_EPOCH at a load.
 * The partitions are the caller's. */
void transaction_apply(struct transaction *transaction, const struct transaction_fields *next,
                       int16_t next_last_epoch);

/* May the log have `to` behind `from`? */
bool transaction_may_follow(enum transaction_state from, enum transaction_state to);

/* As the log and the tools say it, e.g. "PrepareCommit". */
const char *transaction_state_name(enum transaction_state state);

static inline bool transaction_is_ending(const struct transaction *transaction)
{
    return transaction->fields.state == TRANSACTION_PREPARE_COMMIT ||
           transaction->fields.state == TRANSACTION_PREPARE_ABORT;
}

/* The last epoch of a producer id: who is to have the next one gets a new id. */
static inline bool transaction_epoch_is_exhausted(int16_t epoch)
{
    return epoch >= TRANSACTION_EPOCH_LAST;
}

#endif
