/* transaction_timeouts: ends transactions that are open for too long, forgets ids that nobody uses,
 * and begins completions again that found no memory.
 *
 * Part of the transaction_coordinator, on its loop.
 *   TMO-1  by monotonic time (DUR-T14): after a load what is left of the timeout is
 *          clamp(wall now - start, 0, timeout) less; a timeout of TRANSACTION_TIMEOUT_NEVER never
 *          comes (two-phase commit, KIP-939)
 *   TMO-2  an entry with an open transaction is in open or looking, one in Prepare* in ending
 *   TMO-3  a turn looks at so many entries, and so many records are on their way
 * Sources: transaction.abort.timed.out.transaction.cleanup.interval.ms,
 * transactional.id.expiration.ms, transaction.remove.expired.transaction.cleanup.interval.ms. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_TIMEOUTS_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_TIMEOUTS_H

#include "base/loop.h"
#include "base/metrics.h"
#include "broker/coordinator/transaction_coordinator.h"

#define TRANSACTION_TIMEOUT_NEVER INT32_MAX

struct transaction_timeouts {
    struct transaction_coordinator *coordinator;
    struct list open;    /* of transaction_entry.open_node, in no order */
    struct list looking; /* likewise: those that the scan under way has not looked at */
    struct list ending;  /* likewise */
    struct list own;     /* of own_step: on their way */
    struct timer scan;
    struct timer expiry;
    struct task more;                      /* of either */
    struct transaction_entry *expiry_next; /* to be looked at; NULL: no expiry is under way */
    uint32_t own_count;
    bool is_running;
    struct counter timed_out;
    struct counter expired;
};

void transaction_timeouts_init(struct transaction_timeouts *timeouts,
                               struct transaction_coordinator *coordinator);
void transaction_timeouts_start(struct transaction_timeouts *timeouts);

/* Nothing ends by time any more; what is on its way does. */
void transaction_timeouts_stop(struct transaction_timeouts *timeouts);

/* All writes have ended and nobody runs.  A zeroed one is accepted. */
void transaction_timeouts_deinit(struct transaction_timeouts *timeouts);

/* A record of the entry was applied: does it have an open transaction?  loaded: from the log. */
void transaction_timeouts_note(struct transaction_timeouts *timeouts,
                               struct transaction_entry *entry, bool loaded);

/* The entry goes, and is among those of transaction_coordinator_next yet.  None of its writes is
 * under way. */
void transaction_timeouts_forget(struct transaction_timeouts *timeouts,
                                 struct transaction_entry *entry);

/* When the oldest open transaction began (wall clock), or TRANSACTION_NO_TIME, and how many are
 * open; costs as much. */
int64_t transaction_timeouts_oldest_ms(const struct transaction_timeouts *timeouts,
                                       uint32_t *count_out);

#endif
