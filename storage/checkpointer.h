/* checkpointer: the checkpoint of a store: seal the journal at S → wait until S is committed →
 * drain each log up to what S holds → write the small files, some logs a turn → one syncfs → marks
 * → release the journal up to S.  (store.h)
 *
 * Owned by a store; lives on its loop.  What is appended after the seal has a higher sequence: its
 * first entry for a log carries the bytes below it in its block, because that block is covered by
 * the mark and will be rewritten.
 *   CKP-1  one at a time; who asks meanwhile and waits gets one that began after it had asked
 *   CKP-2  marks are written when the sync that covers them has ended well (store.h, STO-2), and
 *          the journal is released when they are durable
 *   CKP-3  without space or memory the same step is tried again (STO-5); any other error is final
 *          (STO-3)
 */
#ifndef LEVEE_STORAGE_CHECKPOINTER_H
#define LEVEE_STORAGE_CHECKPOINTER_H

#include "storage/dir/marks.h"
#include "storage/log/log_environment.h"

enum checkpoint_step {
    CHECKPOINT_IDLE,
    CHECKPOINT_COMMIT, /* waits for the sealed group */
    CHECKPOINT_DRAIN,  /* waits for segment writes up to the targets */
    CHECKPOINT_FILES,  /* small files, some logs a turn */
    CHECKPOINT_SYNC,
    CHECKPOINT_MARK,
};

struct checkpointer_events {
    void (*wants)(void *context, struct log *log); /* what it holds is to be written */
    void (*ended)(void *context);                  /* the journal has room */
    void (*failed)(void *context, enum err err);
};

enum { CHECKPOINT_WAITERS_MAX = 8 };

struct checkpointer {
    struct log_environment *env;
    int32_t dir_fd; /* for syncfs */
    const struct checkpointer_events *events;
    void *context;
    /* what the marks say of the shard; set before the first checkpoint */
    struct marks_writer *marks_writer;
    uint32_t recovery_epoch;
    uint64_t journal_salt; /* of the journal of that epoch; never 0 */
    enum checkpoint_step step;
    uint64_t sequence; /* S */
    struct list targets;
    struct list *next_target; /* cursor over targets, while draining and for their files */
    struct task files_task;
    struct task drained_task;
    struct timer timer; /* to the next one */
    struct timer retry_timer;
    struct io_op sync_op;
    bool again;
    bool is_urgent;        /* the next one need not wait for its time */
    bool waits_for_memory; /* to begin one, and it was told */
    bool is_held;          /* none begins, which would release what the stop has in the journal */
    bool is_over;          /* the stop writes the last marks: none begins any more */
    struct {
        void (*done)(void *context, enum err err);
        void *context;
    } waiters[CHECKPOINT_WAITERS_MAX];
    uint32_t waiter_count;
    uint64_t began_ns;
    uint64_t sync_began_ns;
};

void checkpointer_init(struct checkpointer *checkpointer, struct log_environment *env,
                       int32_t dir_fd, const struct checkpointer_events *events, void *context);
void checkpointer_deinit(struct checkpointer *checkpointer);

/* A checkpoint from now on (CKP-1); done may be NULL, else it is told OK or ERR_STORAGE. */
void checkpointer_begin(struct checkpointer *checkpointer,
                        void (*done)(void *context, enum err err), void *context);
void checkpointer_ask(struct checkpointer *checkpointer); /* one, unless one is under way */
/* The same; and when one is under way another one soon after it, which knows what is there now. */
void checkpointer_ask_next(struct checkpointer *checkpointer);
void checkpointer_expect(struct checkpointer *checkpointer); /* there is something for the timer */

/* News. */
void checkpointer_on_commit(struct checkpointer *checkpointer);
void checkpointer_on_written(struct checkpointer *checkpointer); /* a segment */
void checkpointer_on_dropped(struct checkpointer *checkpointer); /* unwritten bytes, or a log */
void checkpointer_on_failed(struct checkpointer *checkpointer);  /* waiters are told ERR_STORAGE */
void checkpointer_forget(struct checkpointer *checkpointer, struct log *log); /* it is closing */

/* It wants log's last partial block. */
bool checkpointer_needs(const struct checkpointer *checkpointer, const struct log *log);
bool checkpointer_is_idle(const struct checkpointer *checkpointer);
bool checkpointer_writes_files(const struct checkpointer *checkpointer); /* small files or marks */

/* The stop: none begins until it is let go, or ever. */
void checkpointer_hold(struct checkpointer *checkpointer, bool hold);
void checkpointer_end(struct checkpointer *checkpointer); /* none is under way */

/* Marks of all logs of this shard; first_sequence: of the journal's replay.  out->marks is the
 * caller's.  ERR_NOMEM. */
must_use enum err checkpointer_make_marks(struct checkpointer *checkpointer,
                                          uint64_t first_sequence, bool clean, struct marks *out);

#endif
