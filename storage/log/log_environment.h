/* log_environment: what the logs of one shard are handed: their neighbours, and the list that they
 * stand on.
 *
 * Owned by a store, which wires it and outlives them; lives on its loop.  A log changes the lists
 * and what the pointers show, never the pointers, the state or the options.
 *   LEN-1  journal is NULL until the store is recovered; marks_at_start and scan are NULL
 *          afterwards
 *   LEN-2  a log is on logs from its opening until it closes */
#ifndef LEVEE_STORAGE_LOG_LOG_ENVIRONMENT_H
#define LEVEE_STORAGE_LOG_LOG_ENVIRONMENT_H

#include "base/log_line.h"
#include "base/loop.h"
#include "base/prng.h"
#include "base/slab.h"
#include "storage/commit_waiters.h"
#include "storage/file_deletion.h"
#include "storage/index_cache.h"
#include "storage/journal/journal.h"
#include "storage/journal/journal_scan.h"
#include "storage/log/producer_shares.h"
#include "storage/log/tail_cache.h"
#include "storage/open_files.h"
#include "storage/relaxed_timer.h"
#include "storage/room_queue.h"
#include "storage/space_monitor.h"
#include "storage/storage_metrics.h"
#include "storage/store_options.h"

struct log;

struct log_environment_events {
    /* Memory runs short: what is not in segments is to be written, and the journal to be freed. */
    void (*pressed)(void *context);
    /* It is closing, and is on none of the lists below any more. */
    void (*leaves)(void *context, struct log *log);
};

struct log_environment {
    struct loop *loop;
    struct io *io;
    struct prng *prng;
    struct log_sink *sink;
    const char *dir; /* that all logs lie in */
    const struct store_options *options;
    enum store_state state;
    bool stopping;
    const struct log_environment_events *events;
    void *context;
    /* at the start */
    const struct marks_set *marks_at_start;
    struct journal_scan *scan;
    /* neighbours */
    struct journal *journal;
    struct tail_cache *tail_cache;
    struct index_cache *index_cache;
    struct index_cache *aborted_cache; /* transaction indexes */
    struct open_files *open_files;
    struct file_deletion *deletion;
    struct producer_shares *producers; /* that the logs remember */
    struct commit_waiters *commits;
    struct room_queue *room;
    struct relaxed_timer *relaxed;
    struct space_monitor *space;
    struct slab *reads;    /* what readers hold */
    struct slab *oversize; /* of that, a batch that is larger than reads may be */
    struct budget *lent;   /* group buffers that readers have (log_loan.h) */
    struct storage_metrics *metrics;
    /* the logs */
    struct list logs; /* newest last (store_walk) */
    uint32_t log_count;
    struct list dirty_logs; /* changed since their last mark */
};

#endif
