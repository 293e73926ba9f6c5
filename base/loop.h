/* loop: one thread's turns: wait, run what completed, fire timers, read the mail, run what was
 * deferred.
 *
 * A shard is a loop with an io.  All state belongs to one loop; another loop posts a mail.  In
 * production loop_run is called by the loop's thread; in the simulator one thread calls
 * loop_turn on every loop, in an order drawn from the seed.
 *
 * Order of a turn: wait (submit, sleep, reap) -> now_ns -> done of what completed -> timers -> mail
 * -> tasks.  What a callback starts, posts or defers is seen by the steps after it; a task that is
 * deferred by a task runs in the next turn, which then does not sleep.
 *
 *   LOOP-1  callbacks never nest: done, fire, deliver and run are called from loop_turn only
 *   LOOP-2  a mail is delivered once, and mails of one sender arrive in the order in which they
 *           were posted */
#ifndef LEVEE_BASE_LOOP_H
#define LEVEE_BASE_LOOP_H

#include "base/clock.h"
#include "base/err.h"
#include "base/io.h"
#include "base/mailbox.h"
#include "base/timer.h"

#define LOOP_WAIT_FOREVER UINT64_MAX

/* Something to be run later in this turn (or in the next one, when deferred from a task).
 * The caller owns it. */
struct task {
    struct list node;
    void (*run)(struct task *task);
};

struct loop {
    struct io *io;
    struct clock *clock;
    struct timer_wheel timers;
    struct mailbox mailbox;
    struct list deferred; /* of task.node */
    uint64_t now_ns;      /* monotonic, as of the start of this turn's work */
    uint64_t turn_count;
    uint32_t index;                                     /* of the shard */
    bool stopping;                                      /* loop_run returns after this turn */
    void (*turn_end)(struct loop *loop, void *context); /* or NULL */
    void *turn_end_context;
};

/* io and clock stay the caller's and must outlive the loop. */
void loop_init(struct loop *loop, uint32_t index, struct io *io, struct clock *clock);

/* Every op, timer and mail must be gone or no longer matter. */
void loop_deinit(struct loop *loop);

/* One turn.  max_wait_ns: how long it may sleep when nothing is ready (0: not at all); timers and
 * mail shorten it.  An error is the backend's and final. */
must_use enum err loop_turn(struct loop *loop, uint64_t max_wait_ns);

/* Turns until loop_stop; afterwards it may be called again. */
must_use enum err loop_run(struct loop *loop);

/* From a callback of this loop: make loop_run return. */
void loop_stop(struct loop *loop);

/* turn_end(loop, context) runs as the last thing of each turn, for whoever measures turns. */
void loop_set_turn_end(struct loop *loop, void (*turn_end)(struct loop *loop, void *context),
                       void *context);

/* Monotonic time of this turn in nanoseconds: cheap, and constant within a callback. */
static inline uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

/* Run task->run once, before the loop waits again.  A task that is deferred already stays where
 * it is. */
void loop_defer(struct loop *loop, struct task *task);

/* It does not run, if it has not; also of one that was never deferred. */
static inline void loop_undefer(struct task *task)
{
    if (list_is_linked(&task->node))
        list_remove(&task->node);
}

/* From any thread, and from a signal handler: deliver mail on loop.  The mail is the loop's until
 * deliver runs, which may post it again. */
void loop_post(struct loop *loop, struct mail *mail);

/* Milliseconds from now, on the monotonic clock.  Re-arming is allowed. */
static inline void loop_set_timer_ms(struct loop *loop, struct timer *timer, uint64_t delay_ms)
{
    timer_set(&loop->timers, timer, clock_deadline_ns(loop->now_ns, delay_ms));
}

static inline void loop_cancel_timer(struct loop *loop, struct timer *timer)
{
    timer_cancel(&loop->timers, timer);
}

#endif
