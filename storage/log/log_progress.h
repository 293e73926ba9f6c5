/* log_progress: what the journal has written and committed, as offsets of the logs: accepted and
 * durable move, and each log's owner is told (log_events.progress), once a turn.
 *
 * Owned by a store; lives on its loop.
 *   LPG-1  accepted >= durable; neither falls here
 *   LPG-2  nobody is told inside the journal's call */
#ifndef LEVEE_STORAGE_LOG_LOG_PROGRESS_H
#define LEVEE_STORAGE_LOG_LOG_PROGRESS_H

#include "base/loop.h"
#include "storage/log/tail_cache.h"

struct log_progress {
    struct loop *loop;
    struct tail_cache *tails;
    struct list moved; /* of log.progress_node, those to be told of */
    struct task task;
    uint64_t written; /* journal sequence that the kernel has; what is committed: tails */
};

void log_progress_init(struct log_progress *progress, struct loop *loop, struct tail_cache *tails);
void log_progress_deinit(struct log_progress *progress);

/* The journal's news; an older sequence is none. */
void log_progress_on_written(struct log_progress *progress, uint64_t sequence);
void log_progress_on_committed(struct log_progress *progress, uint64_t sequence);

#endif
