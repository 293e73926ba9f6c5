/* transaction_orphans: after a start, are the open transactions of this shard's partitions known to
 * their coordinators? (DUR-T7)
 *
 * Part of the transaction_coordinator of a shard, on its loop; the coordinators of all shards are
 * asked, one after the other, when each has loaded what it leads.  One that nobody knows (its
 * coordinator's log was lost, or was taken away) holds back the last stable offset for ever; it is
 * told, counted, and left to the operator: whether it was decided is not to be guessed.
 *   TOR-1  a transaction is told only when it is open before and after the coordinators were asked,
 *          and none of them has its producer id in a transaction with that partition */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_ORPHANS_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_ORPHANS_H

#include "base/metrics.h"
#include "broker/shard.h"

struct transaction_coordinator;
struct transaction_orphan;

struct transaction_orphans {
    struct transaction_coordinator *coordinator;
    struct timer check;
    struct shard_call hop;            /* to each shard in turn */
    struct transaction_orphan *items; /* open ones, until they are looked for everywhere */
    uint32_t count;
    uint32_t capacity;
    uint32_t next_shard;
    bool is_to_be_repeated; /* a coordinator still loads, or memory was missing */
    struct gauge found;     /* of the last check */
};

void transaction_orphans_init(struct transaction_orphans *orphans,
                              struct transaction_coordinator *coordinator);

/* On the shard's loop: the check runs soon, and again until it has found out. */
void transaction_orphans_start(struct transaction_orphans *orphans);
void transaction_orphans_stop(struct transaction_orphans *orphans);

/* Nobody runs any more. */
void transaction_orphans_deinit(struct transaction_orphans *orphans);

#endif
