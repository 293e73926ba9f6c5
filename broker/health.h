/* health: how far a broker is, as one word that any thread may read. */
#ifndef LEVEE_BROKER_HEALTH_H
#define LEVEE_BROKER_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

enum health_state {
    HEALTH_RECOVERING, /* from the start of the process: no client is served yet */
    HEALTH_READY,
    HEALTH_STOPPING,
    HEALTH_FAILED, /* the data directory has failed, for good */
};

struct health {
    uint32_t state; /* atomic */
};

static inline enum health_state health_get(const struct health *health)
{
    return (enum health_state)__atomic_load_n(&health->state, __ATOMIC_ACQUIRE);
}

/* Any thread.  After HEALTH_FAILED nothing changes, and after HEALTH_STOPPING nothing is ready. */
static inline void health_set(struct health *health, enum health_state state)
{
    uint32_t before = __atomic_load_n(&health->state, __ATOMIC_ACQUIRE);

    while (before < (uint32_t)state &&
           !__atomic_compare_exchange_n(&health->state, &before, (uint32_t)state, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        continue;
}

#endif
