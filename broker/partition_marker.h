/* partition_marker: the end of a transaction, written into a partition.
 *
 * Embedded in the struct of whoever ends the transaction; on the partition's shard.
 *   PMK-1  it is appended behind what waits (append_queue.h) and may use the space that the journal
 *       keeps back: the transaction was decided already
 *   PMK-2  appended(OK) comes when the marker is in the log, or when an equal one was there
 *       already, or none is needed for what was seen */
#ifndef LEVEE_BROKER_PARTITION_MARKER_H
#define LEVEE_BROKER_PARTITION_MARKER_H

#include "broker/partition.h"

enum { PARTITION_MARKER_BYTES = 96 }; /* a control batch of one record */

struct partition_marker {
    /* in */
    int64_t producer_id;
    int16_t epoch; /* that the marker carries: with TRANSACTION_V2 the next one */
    bool commit;   /* else abort */
    bool txn_v2;   /* the rules of transaction.version 2 hold */
    int32_t coordinator_epoch;
    bool ends_seen; /* it ends what is seen (producer_state.h), else nothing */
    struct producer_open seen;
    /* Errors: ERR_PRODUCER_EPOCH, ERR_FENCED_EPOCH (of the coordinator), ERR_TXN_STATE (what is
     * open is not what was seen), and partition_append's. */
    void (*appended)(struct partition_marker *marker, enum err err);
    /* out, when OK */
    int64_t end_offset; /* behind it: who waits for it to be durable waits for this */
    /* inside */
    uint8_t bytes[PARTITION_MARKER_BYTES];
    struct partition_append append;
};

/* appended may run inside this call. */
void partition_append_marker(struct partition *partition, struct partition_marker *marker);

/* Nobody is told; it may be written all the same. */
void partition_cancel_marker(struct partition_marker *marker);

#endif
