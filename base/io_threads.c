#include "base/io_threads.h"

#include "base/check.h"

#include <signal.h>

enum { STACK_BYTES = 256 << 10 }; /* a job is one system call */

/* The next job; NULL: it is over. */
static struct io_job *next_job(struct io_lane *lane)
{
    struct io_threads *threads = lane->home;
    struct list *node = NULL;

    pthread_mutex_lock(&threads->lock);
    while (!threads->is_stopping && (node = list_pop_front(&lane->waiting)) == NULL) {
        lane->idle_count++;
        pthread_cond_wait(&lane->there_is_work, &threads->lock);
        lane->idle_count--;
    }
    pthread_mutex_unlock(&threads->lock);
    return node == NULL ? NULL : container_of(node, struct io_job, node);
}

static void *run_thread(void *context)
{
    struct io_lane *lane = context;
    struct io_threads *threads = lane->home;
    struct io_job *job;

    while ((job = next_job(lane)) != NULL) {
        job->run(job);
        if (mailbox_post(&threads->finished, &job->mail)) /* IOT-3; job is not ours any more */
            threads->io->v->wake(threads->io);
    }
    return NULL;
}

/* One more thread for lane, if the system gives it.  Under the lock. */
static void grow(struct io_lane *lane)
{
    struct io_threads *threads = lane->home;
    pthread_attr_t attributes;
    sigset_t all;
    sigset_t before;
    int result;

    check(threads->thread_count < IO_THREADS_MAX);
    check(pthread_attr_init(&attributes) == 0);
    (void)pthread_attr_setstacksize(&attributes, STACK_BYTES); /* or the default */
    sigfillset(&all); /* signals are for the threads that expect them */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result =
        pthread_create(&threads->threads[threads->thread_count], &attributes, run_thread, lane);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (result != 0)
        return;
    threads->thread_count++;
    lane->thread_count++;
}

/* The lane that does a job for lane_index, with at least one thread; NULL: there is none.  Under
 * the lock. */
static struct io_lane *lane_with_thread(struct io_threads *threads, uint32_t lane_index)
{
    struct io_lane *lane = &threads->lanes[lane_index];

    if (lane->thread_count < lane->thread_max &&
        (lane->idle_count == 0 || !list_is_empty(&lane->waiting)))
        grow(lane);
    if (lane->thread_count > 0)
        return lane;
    for (uint32_t i = threads->lane_count; i-- > 0;) /* the first lane is the last resort */
        if (threads->lanes[i].thread_count > 0)
            return &threads->lanes[i];
    return NULL;
}

void io_threads_init(struct io_threads *threads, struct io *io, const uint32_t *thread_max,
                     uint32_t lane_count)
{
    uint32_t sum = 0;

    check(lane_count <= IO_LANES_MAX);
    *threads = (struct io_threads){.io = io, .lane_count = lane_count};
    check(pthread_mutex_init(&threads->lock, NULL) == 0);
    mailbox_init(&threads->finished);
    for (uint32_t i = 0; i < lane_count; i++) {
        struct io_lane *lane = &threads->lanes[i];

        lane->home = threads;
        lane->thread_max = thread_max[i];
        list_init(&lane->waiting);
        check(pthread_cond_init(&lane->there_is_work, NULL) == 0);
        check(thread_max[i] > 0);
        sum += thread_max[i];
    }
    check(sum <= IO_THREADS_MAX);
}

void io_threads_deinit(struct io_threads *threads)
{
    if (threads->io == NULL)
        return;
    pthread_mutex_lock(&threads->lock);
    threads->is_stopping = true;
    for (uint32_t i = 0; i < threads->lane_count; i++) {
        check(list_is_empty(&threads->lanes[i].waiting));
        pthread_cond_broadcast(&threads->lanes[i].there_is_work);
    }
    pthread_mutex_unlock(&threads->lock);
    while (threads->thread_count > 0)
        pthread_join(threads->threads[--threads->thread_count], NULL);
    check(mailbox_is_empty(&threads->finished));
    for (uint32_t i = 0; i < threads->lane_count; i++)
        pthread_cond_destroy(&threads->lanes[i].there_is_work);
    pthread_mutex_destroy(&threads->lock);
    threads->io = NULL;
}

enum err io_threads_start(struct io_threads *threads, uint32_t lane_index, struct io_job *job)
{
    struct io_lane *lane;
    bool is_idle = false;

    check(lane_index < threads->lane_count);
    pthread_mutex_lock(&threads->lock);
    lane = lane_with_thread(threads, lane_index);
    if (lane != NULL) {
        list_push_back(&lane->waiting, &job->node);
        is_idle = lane->idle_count > 0;
    }
    pthread_mutex_unlock(&threads->lock);
    if (is_idle)
        pthread_cond_signal(&lane->there_is_work);
    return lane == NULL ? ERR_NOMEM : OK;
}

bool io_threads_cancel(struct io_threads *threads, struct io_job *job)
{
    bool is_waiting;

    pthread_mutex_lock(&threads->lock);
    is_waiting = list_is_linked(&job->node);
    if (is_waiting)
        list_remove(&job->node);
    pthread_mutex_unlock(&threads->lock);
    return is_waiting;
}

struct mail *io_threads_take(struct io_threads *threads)
{
    return mailbox_take_all(&threads->finished);
}
