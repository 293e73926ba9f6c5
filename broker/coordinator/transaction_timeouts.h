/* transaction_timeouts: ends transactions that are open for too long, forgets ids that nobody uses,
 * and begins completions again that found no memory.
 *
 * Part of the transaction_coordinator, on its loop.  By monotonic time (DUR-T14): after a load what
 * is left of the timeout is clamp(wall now - start, 0, timeout) less.
 * Sources: transaction.abort.timed.out.transaction.cleanup.interval.ms,
 * transactional.id.expiration.ms, transaction.remove.expired.transaction.cleanup.interval.ms. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_TIMEOUTS_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_TIMEOUTS_H

#include "base/loop.h"
#include "broker/coordinator/transaction_coordinator.h"

struct transaction_timeouts {
    struct transaction_coordinator *coordinator;
    struct list open; /* of transaction_entry.open_node, in no order */
    struct timer scan;
    struct timer expiry;
    uint64_t timed_out_count;
};

void transaction_timeouts_init(struct transaction_timeouts *timeouts,
                               struct transaction_coordinator *coordinator);
void transaction_timeouts_start(struct transaction_timeouts *timeouts);
void transaction_timeouts_stop(struct transaction_timeouts *timeouts);

/* A record of the entry was applied: does it have an open transaction?  loaded: from the log. */
void transaction_timeouts_note(struct transaction_timeouts *timeouts,
                               struct transaction_entry *entry, bool loaded);

/* The entry goes. */
void transaction_timeouts_forget(struct transaction_timeouts *timeouts,
                                 struct transaction_entry *entry);

#endif
