/* io_threads: a few threads that make blocking calls for one io, in lanes.
 *
 * A lane is a queue with threads of its own: what waits in one lane holds up no other.  A thread is
 * made when a job finds none that is free, up to the lane's limit, and stays; without jobs it
 * sleeps and costs nothing.  Signals are blocked in them.  Where the system refuses a lane its
 * first thread, its jobs are done by those of another lane.  Owned by an io and called by its
 * thread.
 *   IOT-1  a job belongs to the threads from io_threads_start until io_threads_take or
 *       io_threads_cancel gives it back
 *   IOT-2  jobs of a lane begin in the order in which they were started
 *   IOT-3  finished jobs come back in batches: the io is woken for the first one only */
#ifndef LEVEE_BASE_IO_THREADS_H
#define LEVEE_BASE_IO_THREADS_H

#include "base/err.h"
#include "base/io.h"
#include "base/mailbox.h"

#include <pthread.h>

enum { IO_LANES_MAX = 5, IO_THREADS_MAX = 32 };

/* Embedded in the memory of an op. */
struct io_job {
    struct list node; /* of io_lane.waiting: linked until it begins */
    struct mail mail; /* on its way back */
    void (*run)(struct io_job *job);
};

struct io_lane {
    struct io_threads *home;
    struct list waiting; /* of io_job.node */
    pthread_cond_t there_is_work;
    uint32_t idle_count;
    uint32_t thread_count;
    uint32_t thread_max;
};

struct io_threads {
    struct io *io;        /* to be woken */
    pthread_mutex_t lock; /* of the lanes and is_stopping */
    struct io_lane lanes[IO_LANES_MAX];
    uint32_t lane_count;
    bool is_stopping;
    struct mailbox finished;
    pthread_t threads[IO_THREADS_MAX];
    uint32_t thread_count;
};

/* thread_max: of each lane, together IO_THREADS_MAX at most.  Makes no thread. */
void io_threads_init(struct io_threads *threads, struct io *io, const uint32_t *thread_max,
                     uint32_t lane_count);

/* Ends the threads.  No job is left.  Zeroed memory is accepted. */
void io_threads_deinit(struct io_threads *threads);

/* job->run is set; it runs on a thread, later.  ERR_NOMEM: there is no thread in any lane, and the
 * system gives none; the job was not taken. */
must_use enum err io_threads_start(struct io_threads *threads, uint32_t lane_index,
                                   struct io_job *job);

/* Take back a job that has not begun.  False: it has, and will come back by io_threads_take. */
must_use bool io_threads_cancel(struct io_threads *threads, struct io_job *job);

/* What has finished, oldest first, linked by mail.next; NULL: nothing. */
struct mail *io_threads_take(struct io_threads *threads);

#endif
