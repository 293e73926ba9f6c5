/* transaction_registration: asks the coordinator of an id, from a partition's shard, whether that
 * partition is in the id's transaction, or puts it there.
 *
 * Embedded in the struct of whoever writes transactional records; on the partition's shard.  An
 * error, which is no word to append behind, is told when what it follows from is durable.
 *   TXR-1  the answer and the markers of that transaction come from the coordinator's shard in one
 *       order: what takes its place in the partition's queue no later than inside done stands
 *       before any marker of the transaction that done speaks of (DUR-T6)
 *   TXR-2  OK means: the record that has the partition in the transaction is durable, or stands
 *       before, in the same journal, what is appended from done on (DUR-T2)
 *   TXR-3  those of one id that are asked for in one turn are recorded as one
 * Sources: Kafka's AddPartitionsToTxnManager; KIP-890. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_REGISTRATION_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_REGISTRATION_H

#include "broker/coordinator/transaction.h"
#include "broker/shard.h"

struct transaction_registration {
    /* in; what is pointed to stays until done */
    const char *id;
    size_t id_bytes;
    int64_t producer_id;
    int16_t epoch;
    const char *topic;
    int32_t partition;
    int8_t version; /* TRANSACTION_V2: it is put into the transaction; below: it must be there, */
    uint64_t accept_number; /* and then, of a TxnOffsetCommit: its client's (transaction_guard.h);
                             * 0: nobody is asked */
    /* error: KAFKA_NONE, or what AddPartitionsToTxn of the newest version says:
     * CONCURRENT_TRANSACTIONS, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, TRANSACTION_ABORTABLE,
     * INVALID_TXN_STATE, COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR.
     * Always called, unless the broker is closed before: nobody runs any more then. */
    void (*done)(struct transaction_registration *registration, int16_t error);
    /* out, with KAFKA_NONE: a TxnOffsetCommit of a later connection was let pass before; it is not
     * to be executed (TGD-3) */
    bool is_late;
    /* inside */
    struct shard_call hop;
    struct list node; /* of those that are asked for in this turn */
    int16_t error;
};

/* From at, a partition's shard; done may run inside this call. */
void transaction_registration_start(struct transaction_registration *registration,
                                    struct shard *at);

#endif
