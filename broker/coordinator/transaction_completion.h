/* transaction_completion: brings a decided transaction to its end: a marker into each of its
 * partitions, then the record Complete*.
 *
 * Owned by its transaction_entry, on the coordinator's loop; a marker is written on the shard of
 * its partition.
 *   TCM-1  a marker is appended behind the prepare record where both are in one journal, else when
 *       that is durable; Complete* likewise behind the last marker (DUR-T2, DUR-T5)
 *   TCM-2  every marker of a transaction has the type and the epoch of its prepare record (DUR-T3)
 *   TCM-3  it ends: a marker that cannot be written now is tried again, as long as the partition
 *       exists, which metadata says and not an error; one that was deleted is dropped (DUR-T16)
 *   TCM-4  how many markers of a shard are under way is bounded */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_COMPLETION_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_COMPLETION_H

#include "broker/coordinator/transaction_coordinator.h"

/* Its prepare record was appended (prepare: that write), or loaded (NULL: durable).  ERR_NOMEM:
 * nothing was begun; transaction_timeouts tries again. */
must_use enum err transaction_completion_begin(struct transaction_entry *entry);

/* What waited for the prepare record may go on: it is durable. */
void transaction_completion_durable(struct transaction_entry *entry);

/* The entry's partition is not led here any more, or all ends: nothing is sent any more, what is
 * under way ends by itself and tells nobody.  NULL is accepted. */
void transaction_completion_end(struct transaction_completion *completion);

#endif
