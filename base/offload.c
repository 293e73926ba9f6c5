#include "base/offload.h"

#include "base/check.h"
#include "base/mem.h"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

struct offload {
    pthread_mutex_t lock;
    pthread_cond_t there_is_work;
    struct list waiting; /* of offload_job; lock */
    bool is_stopping;    /* lock */
    uint32_t thread_count;
    pthread_t threads[OFFLOAD_THREADS_MAX];
};

enum { NICENESS = 5 }; /* behind the loops, where they share a processor: setpriority(2) */

static void deliver_done(struct mail *mail)
{
    struct offload_job *job = container_of(mail, struct offload_job, mail);

    job->done(job);
}

static void deliver_work(struct mail *mail)
{
    struct offload_job *job = container_of(mail, struct offload_job, mail);

    job->work(job);
    job->done(job);
}

/* The next one; NULL: it is over. */
static struct offload_job *take(struct offload *offload)
{
    struct list *node = NULL;

    pthread_mutex_lock(&offload->lock);
    while (!offload->is_stopping && (node = list_pop_front(&offload->waiting)) == NULL)
        pthread_cond_wait(&offload->there_is_work, &offload->lock);
    pthread_mutex_unlock(&offload->lock);
    return node == NULL ? NULL : container_of(node, struct offload_job, node);
}

static void *run_thread(void *context)
{
    struct offload *offload = context;
    struct offload_job *job;

    (void)!setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS); /* of this thread alone, on Linux */
    while ((job = take(offload)) != NULL) {
        job->work(job);
        job->mail.deliver = deliver_done;
        loop_post(job->loop, &job->mail);
    }
    return NULL;
}

enum err offload_create(uint32_t thread_count, struct offload **out)
{
    struct offload *offload = mem_alloc(sizeof(*offload));

    check(thread_count > 0 && thread_count <= OFFLOAD_THREADS_MAX);
    list_init(&offload->waiting);
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->there_is_work, NULL);
    while (offload->thread_count < thread_count) {
        pthread_t *thread = &offload->threads[offload->thread_count];
        if (pthread_create(thread, NULL, run_thread, offload) != 0) {
            offload_destroy(offload);
            return ERR_NOMEM;
        }
        offload->thread_count++;
    }
    *out = offload;
    return OK;
}

void offload_destroy(struct offload *offload)
{
    if (offload == NULL)
        return;
    pthread_mutex_lock(&offload->lock);
    offload->is_stopping = true;
    pthread_cond_broadcast(&offload->there_is_work);
    pthread_mutex_unlock(&offload->lock);
    while (offload->thread_count > 0)
        pthread_join(offload->threads[--offload->thread_count], NULL);
    pthread_cond_destroy(&offload->there_is_work);
    pthread_mutex_destroy(&offload->lock);
    mem_free(offload);
}

void offload_start(struct offload *offload, struct offload_job *job, struct loop *loop)
{
    job->loop = loop;
    if (offload == NULL) {
        job->mail.deliver = deliver_work;
        loop_post(loop, &job->mail);
        return;
    }
    pthread_mutex_lock(&offload->lock);
    list_push_back(&offload->waiting, &job->node);
    pthread_cond_signal(&offload->there_is_work);
    pthread_mutex_unlock(&offload->lock);
}
