/* group_txn_commit: offsets that are committed in a transaction (TxnOffsetCommit).
 *
 * Embedded in the request's arena; on the group's shard from start on.  The group's partition of
 * __consumer_offsets is registered in the transaction first; then the group is asked, and the
 * records take their place in the partition's queue, in one go (transaction_registration.h, TXR-1;
 * DUR-G2).  Sources: KIP-98, KIP-447, KIP-890, KIP-1319. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_TXN_COMMIT_H
#define LEVEE_BROKER_COORDINATOR_GROUP_TXN_COMMIT_H

#include "broker/coordinator/group_commit.h"
#include "broker/coordinator/transaction_registration.h"

struct group_txn_commit {
    /* in */
    struct group_commit_ask ask;
    struct wire_string transactional_id;
    bool adds_partition; /* else it must be in the transaction (KIP-890) */
    bool hears_aborted;  /* its version knows TRANSACTION_ABORTABLE */
    /* In place of ask.answer: one of a later connection was executed before (transaction_guard.h)
     */
    void (*late)(struct group_txn_commit *commit);
    /* inside */
    struct group_coordinator *groups;
};

/* Ends in ask.answer, later or inside this call. */
void group_txn_commit_start(struct group_coordinator *groups, struct group_txn_commit *commit);

/* All ends, and no shard runs any more: what is on its way is forgotten. */
void group_txn_commit_end_all(struct group_coordinator *groups);

#endif
