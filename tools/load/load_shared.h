/* load_shared: what all workers of one run have together: the workload, its topics, the clock of
 * the schedule, the phase, the account, the errors.
 *
 * Made by load_run before its workers; outlives them.  What is not said to be locked or atomic is
 * constant while they run.
 *   LSH-1  phases only rise
 *   LSH-2  the account and the result's errors are touched under the lock alone */
#ifndef LEVEE_TOOLS_LOAD_LOAD_SHARED_H
#define LEVEE_TOOLS_LOAD_LOAD_SHARED_H

#include "tools/load/load_outage.h"
#include "tools/load/load_payload.h"
#include "tools/load/load_result.h"
#include "tools/load/load_workload.h"

#include <pthread.h>
#include <stdatomic.h>

enum load_phase {
    LOAD_PHASE_SETUP, /* connect, learn the topics, take partitions */
    LOAD_PHASE_RUN,   /* the schedule runs; what is left when it ends is sent and waited for */
    LOAD_PHASE_READ,  /* all is sent: consumers read up to the end */
    LOAD_PHASE_STOP,
};

struct load_shared {
    const struct load_workload *workload;
    char **topics;  /* names, topics_count of the workload */
    char **outputs; /* of a pipeline: where topics[i] is written to; NULL: no pipeline */
    struct load_payload payload;
    uint32_t run;            /* of the stamps */
    uint32_t first_producer; /* number of the first producer in the account; not 0: of a state */
    int64_t wall_ns;         /* wall clock - monotonic clock, at the start */
    bool has_new_topics;     /* made by this run: they begin at offset 0 */
    atomic_int phase;        /* enum load_phase */
    atomic_ullong start_ns;  /* monotonic; 0: not yet */
    atomic_ullong measure_ns;
    atomic_ullong end_ns;
    atomic_bool holds_consumers; /* a backlog is being made */
    atomic_ullong read_limit;    /* records of the first subscription: lag kept */
    pthread_mutex_t lock;
    struct load_account *account; /* locked; NULL: no verify */
    struct load_result *result;   /* locked: its errors */
    struct load_outage *outage;   /* has a lock of its own; NULL: nobody asks */
};

void load_shared_init(struct load_shared *shared, const struct load_workload *workload);
void load_shared_deinit(struct load_shared *shared);

static inline enum load_phase load_shared_phase(const struct load_shared *shared)
{
    return (enum load_phase)atomic_load_explicit(&shared->phase, memory_order_acquire);
}

/* Is something that was intended then part of what is measured? */
static inline bool load_shared_is_measured(const struct load_shared *shared, uint64_t intended_ns)
{
    return intended_ns >= atomic_load_explicit(&shared->measure_ns, memory_order_relaxed) &&
           intended_ns < atomic_load_explicit(&shared->end_ns, memory_order_relaxed);
}

/* Something went well, or a connection was lost, for whoever looks for pauses. */
static inline void load_shared_success(struct load_shared *shared, enum load_success kind,
                                       uint64_t now_ns)
{
    if (shared->outage != NULL)
        load_outage_note(shared->outage, kind, now_ns);
}

static inline void load_shared_lost_connection(struct load_shared *shared, uint64_t now_ns)
{
    if (shared->outage != NULL)
        load_outage_error(shared->outage, now_ns);
}

/* How many records must be read, and are not yet; 0 without an account. */
uint64_t load_shared_unread(struct load_shared *shared);

/* One of the first different errors. */
void load_shared_error(struct load_shared *shared, const char *format, ...) printf_like(2, 3);

static inline void load_shared_lock(struct load_shared *shared)
{
    pthread_mutex_lock(&shared->lock);
}

static inline void load_shared_unlock(struct load_shared *shared)
{
    pthread_mutex_unlock(&shared->lock);
}

#endif
