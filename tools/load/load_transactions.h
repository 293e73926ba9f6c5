/* load_transactions: the transactional producers of one worker, and the schedule that feeds them:
 * each thing of the schedule is a transaction.
 *
 * Open loop as load_producers: a transaction that finds no producer idle stays due, and its time
 * counts from when it was intended.  Closed loop: a producer begins the next when one has ended.
 * Owned by a worker; its thread alone. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_TRANSACTIONS_H
#define LEVEE_TOOLS_LOAD_LOAD_TRANSACTIONS_H

#include "base/pacer.h"
#include "tools/load/load_transactor.h"

struct load_transactions {
    struct load_shared *shared;
    struct load_transactor *transactors;
    uint32_t count;
    uint32_t next;
    struct pacer pacer;
    uint64_t left; /* transactions, of --records */
};

/* Every threads_count-th producer of the run, from worker on; none if the workload has no
 * transactions. */
must_use enum err load_transactions_open(struct load_transactions *transactions,
                                         struct load_shared *shared, struct load_stats *stats,
                                         struct load_room *room, uint32_t worker);

/* When it wants to be called again (monotonic): 0 at once, UINT64_MAX: after the loop has turned.
 */
uint64_t load_transactions_turn(struct load_transactions *transactions, uint64_t now_ns);

bool load_transactions_are_ready(const struct load_transactions *transactions, bool *broken_out);
bool load_transactions_are_done(const struct load_transactions *transactions, uint64_t now_ns);
void load_transactions_close(struct load_transactions *transactions);
bool load_transactions_are_closed(const struct load_transactions *transactions);
void load_transactions_deinit(struct load_transactions *transactions);

#endif
