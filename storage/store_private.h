/* store_private: how a store lies in memory: the parts that it wires together; for storage's
 * store*.c alone, and tests. */
#ifndef LEVEE_STORAGE_STORE_PRIVATE_H
#define LEVEE_STORAGE_STORE_PRIVATE_H

#include "storage/checkpointer.h"
#include "storage/cleaner/cleaner.h"
#include "storage/log/log_progress.h"
#include "storage/segment_writer.h"
#include "storage/store_walk.h"

/* The stop, step by step: store_stop.c. */
struct store_stopping {
    void (*done)(void *context, enum err err);
    void *context;
    struct commit_waiter protected_ends; /* of files that it cuts */
    bool waits_for_cleaner;
    bool ended; /* but for the deletions in flight */
    enum err err;
};

struct store {
    struct store_world world;
    struct store_options options;
    const struct store_events *events;
    void *events_context;
    struct log_environment env; /* what its logs see of it */
    bool replayed;              /* all of the journal that the logs of this store have */
    struct slab own_groups;     /* where the options name none */
    struct slab own_reads;
    struct slab *groups; /* group buffers */
    struct slab oversize;
    struct budget lent;
    struct producer_shares producers;
    struct tail_cache tail_cache;
    struct index_cache index_cache;
    struct index_cache aborted_cache;
    struct open_files open_files;
    struct file_deletion deletion;
    struct log_progress progress;
    struct commit_waiters commits;
    struct room_queue room;
    struct relaxed_timer relaxed;
    struct space_monitor space;
    struct segment_writer writer;
    struct checkpointer checkpointer;
    struct cleaner cleaner;
    struct store_walk walk;
    struct store_stopping stop;
    enum err failed_err;
    struct task fail_task;
    struct storage_metrics metrics;
};

void store_fail(struct store *store, enum err err);        /* STO-3 */
void store_note_journal(struct store *store);              /* how full it is, for the metrics */
void store_tell_stopped(struct store *store);              /* when its last operation is over */
void store_cleaner_stopped(struct store *store);           /* the stop goes on, if there is one */
must_use enum err store_open_journal(struct store *store); /* a new one, of recovery_epoch */

/* There may be room; while the tail cache is full there is none, but who waits on a store that does
 * not run finds that out. */
static inline void store_give_room(struct store *store)
{
    if (store->env.state != STORE_RUNNING || !tail_cache_is_full(&store->tail_cache))
        room_queue_give(&store->room);
}

#endif
