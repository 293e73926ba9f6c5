/* sim_queue: virtual time, and what is going to happen in it.
 *
 * One per simulated world; single thread.  An event is embedded in whatever will happen and is its
 * owner's memory.  The queue also keeps the rolling hash and the counters of the run, because
 * everything that happens passes here.
 *   SQU-1  events fire by (time, order of adding): never by address
 *   SQU-2  now_ns never goes back
 *   SQU-3  the hash depends on what was noted and in which order, and on nothing else */
#ifndef LEVEE_TESTS_SIM_QUEUE_H
#define LEVEE_TESTS_SIM_QUEUE_H

#include "tests/sim/sim_stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_NEVER UINT64_MAX

#define SIM_US 1000ULL
#define SIM_MS 1000000ULL
#define SIM_SECOND 1000000000ULL
#define SIM_HOUR (3600ULL * SIM_SECOND)

struct sim_event {
    uint64_t time_ns;
    uint64_t sequence;
    size_t place; /* index in the heap + 1; 0: not queued */
    void (*fire)(struct sim_event *event);
};

struct sim_queue {
    uint64_t now_ns;
    uint64_t next_sequence;
    struct sim_event **heap; /* earliest first */
    size_t count;
    size_t capacity;
    uint64_t hash;
    bool trace; /* print every note to standard error */
    struct sim_stats stats;
};

void sim_queue_init(struct sim_queue *queue);

/* Events still queued are forgotten, not fired. */
void sim_queue_deinit(struct sim_queue *queue);

/* Fire event after delay_ns; it must not be queued already. */
void sim_queue_add(struct sim_queue *queue, struct sim_event *event, uint64_t delay_ns);

/* Not queued is allowed. */
void sim_queue_remove(struct sim_queue *queue, struct sim_event *event);

static inline bool sim_event_is_queued(const struct sim_event *event)
{
    return event->place != 0;
}

/* When the next event fires; SIM_NEVER without any. */
uint64_t sim_queue_next_ns(const struct sim_queue *queue);

/* Move time forward to the next event and fire it.  There must be one. */
void sim_queue_fire_next(struct sim_queue *queue);

/* Move time forward to time_ns, which no event lies before. */
void sim_queue_advance(struct sim_queue *queue, uint64_t time_ns);

/* Something happened: mix it and the time into the hash.  what and the numbers must not come from
 * addresses. */
void sim_queue_note(struct sim_queue *queue, const char *what, uint64_t a, uint64_t b, uint64_t c,
                    uint64_t d);

#endif
