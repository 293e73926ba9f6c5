/* store_private: how a store lies in memory; for storage's store*.c, log*.c, segment*.c alone. */
#ifndef LEVEE_STORAGE_STORE_PRIVATE_H
#define LEVEE_STORAGE_STORE_PRIVATE_H

#include "base/slab.h"
#include "base/whole_write.h"
#include "storage/commit_waiters.h"
#include "storage/dir/log_names.h"
#include "storage/dir/marks.h"
#include "storage/file_deletion.h"
#include "storage/index_cache.h"
#include "storage/journal/journal.h"
#include "storage/log/log_progress.h"
#include "storage/log/producer_shares.h"
#include "storage/log/tail_cache.h"
#include "storage/open_files.h"
#include "storage/relaxed_timer.h"
#include "storage/space_monitor.h"
#include "storage/storage_metrics.h"
#include "storage/store.h"

struct segment;
struct tail_entry;

/* One segment write: an aligned copy of whole batches. */
struct segment_write {
    struct whole_write whole;
    struct store *store;
    struct log *log;
    struct segment *segment;
    uint8_t *bytes; /* aligned */
    uint32_t size_bytes;
    uint64_t began_ns;
    uint64_t file_pos;       /* of bytes[0], block-aligned */
    uint64_t end_pos;        /* logical end of what it holds */
    struct tail_entry *last; /* newest entry that it holds */
};

enum checkpoint_step {
    CHECKPOINT_IDLE,
    CHECKPOINT_COMMIT, /* waits for the sealed group */
    CHECKPOINT_DRAIN,  /* waits for segment writes up to the targets */
    CHECKPOINT_FILES,  /* small files, some logs a turn */
    CHECKPOINT_SYNC,
    CHECKPOINT_MARK,
};

/* One walk at a time; done NULL: none. */
struct store_walk {
    struct task task;
    uint32_t round;
    struct counter visited; /* logs, of all walks; read by any thread */
    enum err (*visit)(struct log *log);
    void (*done)(struct store *store, enum err err);
};

struct store {
    struct store_world world;
    struct store_options options;
    const struct store_events *events;
    void *events_context;
    struct loop *loop;
    struct io *io;
    enum store_state state;
    const struct marks_set *marks_at_start;
    struct journal_scan *scan;
    bool replayed;          /* all of it that the logs of this store have */
    struct slab own_groups; /* where the options name none */
    struct slab own_reads;
    struct slab *groups;  /* group buffers */
    struct slab *reads;   /* what readers hold */
    struct slab oversize; /* of what they hold, a batch that is larger than reads may be */
    struct budget lent;   /* group buffers that readers have (log_loan.h) */
    struct journal *journal;
    struct marks_writer *marks_writer;
    uint32_t recovery_epoch;
    uint64_t journal_salt; /* of the journal of that epoch; never 0 */

    struct list logs; /* newest last (store_walk) */
    uint32_t log_count;
    struct producer_shares producers; /* that its logs remember */
    struct tail_cache tail_cache;
    struct list dirty_logs;
    struct list write_queue; /* logs with committed, unwritten bytes that are due */
    uint64_t write_bytes;    /* in flight */
    uint32_t write_count;
    struct log_progress progress;
    struct commit_waiters commits;
    struct room_queue room;
    struct index_cache index_cache;
    struct open_files open_files;

    struct task write_task;
    struct timer checkpoint_timer;
    struct relaxed_timer relaxed;
    struct space_monitor space;
    struct timer write_retry_timer;

    enum checkpoint_step step;
    uint64_t checkpoint_sequence;
    struct list targets;
    struct list *next_target; /* cursor over targets, while draining and for their files */
    struct task files_task;
    struct task drained_task;
    struct timer files_retry_timer;
    struct io_op sync_op;
    bool checkpoint_again;
    bool waits_for_memory; /* to begin one, and it was told */
    struct {
        void (*done)(void *context, enum err err);
        void *context;
    } checkpoint_waiters[8];
    uint32_t checkpoint_waiter_count;

    struct store_walk walk;
    bool stopping;
    bool is_cutting; /* the stop, what the journal has: no checkpoint begins, which would release it
                      */
    bool checkpoints_ended; /* the stop writes the last marks: none begins any more */
    void (*stopped)(void *context, enum err err);
    void *stopped_context;
    struct commit_waiter protected_ends; /* of files that the stop cuts */
    bool stop_ended;                     /* but for the deletions in flight */
    enum err stop_err;
    uint64_t segment_written_bytes;
    enum err failed_err;
    struct task fail_task;
    struct file_deletion deletion;
    uint64_t checkpoint_began_ns;
    uint64_t sync_began_ns; /* of the checkpoint's sync */

    struct storage_metrics metrics;
};

void store_fail(struct store *store, enum err err);

/* visit each log once, those that come meanwhile too, some in each turn; then done, or at the first
 * error; ERR_STORAGE: the store has failed meanwhile.  Never inside this call. */
void store_walk_begin(struct store *store, enum err (*visit)(struct log *log),
                      void (*done)(struct store *store, enum err err));

void store_note_journal(struct store *store); /* how full it is, for the metrics */
void store_kick_writes(struct store *store, struct log *log);
void store_free_memory(struct store *store); /* the slab is at its limit */
void store_give_room(struct store *store);
bool store_is_full(struct store *store);
must_use enum err store_open_journal(struct store *store); /* a new one, of recovery_epoch */

/* ---- segment_writer.c */
void segment_writer_init(struct store *store);
/* ---- checkpointer.c */
void checkpointer_init(struct store *store);
void checkpointer_on_commit(struct store *store);
void checkpointer_on_written(struct store *store);
void checkpointer_on_dropped(struct store *store); /* unwritten bytes, or a log */
void checkpointer_on_failed(struct store *store);  /* whoever waits is told ERR_STORAGE */
bool log_needs_flush(const struct log *log);       /* the checkpoint wants its last partial block */
void checkpointer_forget(struct log *log);
/* Marks of all logs of this shard; first_sequence: of the journal's replay.  out->marks is the
 * caller's.  ERR_NOMEM. */
must_use enum err store_make_marks(struct store *store, uint64_t first_sequence, bool clean,
                                   struct marks *out);
void store_tell_stopped(struct store *store); /* when its last operation is over */

#endif
