/* transaction_marker: one marker on its way: from the coordinator's shard to that of the partition,
 * into its log, and back.
 *
 * Embedded in the struct of whoever ends the transaction, on the coordinator's shard ("home").
 *   TMA-1  done comes once, at home.  OK: on the home shard the marker is in the log, so that what
 *       is appended from done on stands behind it in the same journal; on another one it is
 *       durable.  Of __consumer_offsets moreover: the groups show its effect (DUR-G8) */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_MARKER_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_MARKER_H

#include "broker/coordinator/group_coordinator.h"
#include "broker/partition_marker.h"
#include "broker/shard.h"

struct transaction_marker {
    /* in */
    struct uuid topic_id;
    int32_t index;
    bool is_offsets;     /* a partition of __consumer_offsets */
    int64_t producer_id; /* ... these as partition_marker.h has them */
    int16_t epoch;
    int32_t coordinator_epoch;
    bool commit;
    bool txn_v2;
    bool ends_seen;
    struct producer_open seen;
    bool is_awaited; /* OK means durable on the home shard, too: somebody is told */
    /* ERR_NOT_FOUND: the partition is not there, not led or not served now; others as
     * partition_append_marker. */
    void (*done)(struct transaction_marker *marker, enum err err);
    /* inside */
    struct shard_call hop;
    enum err err;
    struct partition *partition;
    struct partition_waiter durable;
    struct partition_marker plain;
    struct group_transaction_end offsets;
};

/* done may run inside this call. */
void transaction_marker_start(struct transaction_marker *marker, struct shard *home);

/* All ends: no shard runs any more, the partitions are still there, the groups are gone.  done does
 * not run. */
void transaction_marker_cancel(struct transaction_marker *marker);

#endif
