/* load_worker: one thread of a run: a loop with its share of the producers, transactions, and
 * consumers.
 *
 * Made and joined by load_run; what main looks at meanwhile are the atomics and the statistics. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_WORKER_H
#define LEVEE_TOOLS_LOAD_LOAD_WORKER_H

#include "tools/load/load_consumers.h"
#include "tools/load/load_idle.h"
#include "tools/load/load_pipes.h"
#include "tools/load/load_producers.h"
#include "tools/load/load_transactions.h"

struct load_worker {
    struct load_shared *shared;
    uint32_t index;
    pthread_t thread;
    bool is_started;
    struct load_stats stats;
    atomic_bool is_ready;  /* every client knows its topics */
    atomic_bool is_broken; /* one of them can't go on; told as an error */
    atomic_bool is_cut;    /* ... a consumer: what it did not read is not lost */
    atomic_bool is_sent;   /* nothing is due or under way any more */
    atomic_bool is_read;   /* consumers are at the end */
    atomic_bool is_ended;
    /* inside: of its thread */
    struct load_room *room;
    struct load_producers producers;
    struct load_transactions transactions;
    struct load_pipes pipes;
    struct load_idle idle;
    struct load_consumers consumers;
};

/* ERR_NOMEM. */
must_use enum err load_worker_start(struct load_worker *worker, struct load_shared *shared,
                                    uint32_t index);

/* Waits for the thread, which ends after LOAD_PHASE_STOP; the statistics stay.  A zeroed worker is
 * accepted. */
void load_worker_join(struct load_worker *worker);

/* After the join. */
void load_worker_deinit(struct load_worker *worker);

#endif
