/* offload: work that takes longer than a turn may, done beside the loops.
 *
 * A job carries all that its work looks at; it goes to a thread and comes back by mail.  One for
 * the process; any loop may start jobs, and bounds its own.  Where there is none (NULL: a simulated
 * world, a test) the work runs on the loop itself, in a later turn, so that a seed gives one run.
 *   OFF-1  until done, job and what its work touches belong to the work alone
 *   OFF-2  done runs once, on the loop that started the job, never inside offload_start
 *   OFF-3  jobs begin in the order in which they were started */
#ifndef LEVEE_BASE_OFFLOAD_H
#define LEVEE_BASE_OFFLOAD_H

#include "base/err.h"
#include "base/list.h"
#include "base/loop.h"

enum { OFFLOAD_THREADS_MAX = 16 };

struct offload;

/* Embedded in the struct of whoever starts it; must live until done. */
struct offload_job {
    struct list node;
    struct mail mail;
    struct loop *loop;
    void (*work)(struct offload_job *job); /* on some thread */
    void (*done)(struct offload_job *job); /* on loop */
};

/* The threads yield to the loops where there are too few processors.
 * ERR_NOMEM: the system gives no thread. */
must_use enum err offload_create(uint32_t thread_count, struct offload **out);

/* Waits for the work that has begun; what has not begun is dropped without done.  Before what the
 * jobs look at goes, and after the loops have ended.  NULL is accepted. */
void offload_destroy(struct offload *offload);

/* work and done are set; offload may be NULL. */
void offload_start(struct offload *offload, struct offload_job *job, struct loop *loop);

#endif
