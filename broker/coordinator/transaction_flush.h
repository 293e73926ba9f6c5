/* transaction_flush: what a transaction has on other shards becomes durable, before a record that
 * commits it does.
 *
 * A record of the coordinator's own journal cannot be behind data of another one.  Acknowledged
 * data is durable as a rule, and there is nothing to wait for; that of a topic that counts what is
 * in memory is not, nor what was sent without asking for an acknowledgement.  On the coordinator's
 * loop; it owns itself from its start to done, which never runs inside a call.
 *   TFL-1  done(OK): what the partitions of the set had on other shards when it started is durable,
 *          or they are no more */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_FLUSH_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_FLUSH_H

#include "broker/coordinator/transaction_coordinator.h"

struct transaction_flush;

typedef void transaction_flush_fn(void *context, enum err err);

/* *out NULL: there is nothing to wait for, and done does not run.  ERR_NOMEM likewise. */
must_use enum err transaction_flush_start(struct transaction_coordinator *coordinator,
                                          const struct transaction_partitions *set,
                                          transaction_flush_fn *done, void *context,
                                          struct transaction_flush **out);

/* The coordinator is being destroyed: nobody runs any more, and all partitions are still there. */
void transaction_flush_end_all(struct list *flushes);

#endif
