/* transaction_completion: brings a decided transaction to its end: a marker into each of its
 * partitions, then the record Complete*.
 *
 * Owned by its transaction_entry, on the coordinator's loop; a marker is written on the shard of
 * its partition (transaction_marker.h).
 *   TCM-1  a marker is appended behind the prepare record where both are in one journal, else when
 *       that is durable; Complete* likewise behind the last marker (DUR-T2, DUR-T5)
 *   TCM-2  every marker of a transaction has the type and the epoch of its prepare record (DUR-T3)
 *   TCM-3  it ends: a marker that cannot be written now is tried again, as long as the partition
 *       exists, which metadata says and not an error; one that was deleted is dropped (DUR-T16)
 *   TCM-4  how many markers of a coordinator are under way is bounded (transaction_markers), and so
 *       is how many are begun in a turn; of the transactions that wait each has one marker in turn
 *   TCM-5  of one partition of a transaction one marker is under way */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_COMPLETION_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_COMPLETION_H

#include "broker/coordinator/transaction_coordinator.h"

enum {
    TRANSACTION_MARKERS_MAX = 1024,     /* under way */
    TRANSACTION_MARKERS_TURN_MAX = 512, /* begun in one turn of the loop */
};

/* What the completions of one coordinator share.  Part of the transaction_coordinator. */
struct transaction_markers {
    struct shard *shard;
    struct list under_way; /* of all completions, and of those that have ended */
    uint32_t under_way_count;
    struct list waiting; /* of completions that are to send, in turn */
    struct task turn;
    uint64_t turn_number; /* to which begun_count belongs */
    uint32_t begun_count;
    struct counter written;
    struct counter retried;
};

void transaction_markers_init(struct transaction_markers *markers, struct shard *shard);

/* Every completion has ended, no shard runs any more, the groups of all shards are gone and the
 * partitions still there. */
void transaction_markers_deinit(struct transaction_markers *markers);

/* Its prepare record was appended, or loaded.  It may have ended inside this call: then
 * entry->completion is NULL again.  ERR_NOMEM: nothing was begun; transaction_timeouts tries
 * again. */
must_use enum err transaction_completion_begin(struct transaction_entry *entry);

/* The same of one whose begin found no memory: asks whether the record is durable. */
must_use enum err transaction_completion_begin_again(struct transaction_entry *entry);

/* What waited for the prepare record may go on: it is durable.  Nothing happens to an entry whose
 * completion has ended, or was not begun. */
void transaction_completion_durable(struct transaction_entry *entry);

/* The entry's partition is not led here any more, or all ends: nothing is sent any more, what is
 * under way ends by itself and tells nobody.  Its writes have ended.  NULL is accepted. */
void transaction_completion_end(struct transaction_completion *completion);

#endif
