/* sim_watch: looks into a living broker after each turn of one of its loops.
 *
 * One per sim_broker.  What it finds goes to complain, with the name of a rule:
 *   BUDGET  a purpose holds more than its limit and what one request may force
 *   WAIT    a request or a connection waits, and nothing will wake it: it is in no list that
 *           somebody serves, has no timer; or it waits for longer than anything may while nobody
 *           disturbs the broker
 * Whoever disturbs it (faults, pauses, a stop) says so. */
#ifndef LEVEE_TESTS_SIM_WATCH_H
#define LEVEE_TESTS_SIM_WATCH_H

#include "tests/sim/sim_broker.h"

enum {
    SIM_WATCH_LIMIT_SECONDS = 90,
    SIM_WATCH_READ_BYTES_MAX = (8 << 20) + 16384, /* the largest batch of the model, aligned */
};

struct sim_watch {
    struct sim_broker *broker;
    void (*complain)(void *context, const char *rule, const char *text);
    void *context;
    uint64_t calm_since_ns; /* of the world */
    uint64_t looked_ns;     /* last */
    uint64_t looks_count;
};

/* Looks from now on; the broker outlives it. */
void sim_watch_begin(struct sim_watch *watch, struct sim_broker *broker,
                     void (*complain)(void *context, const char *rule, const char *text),
                     void *context);

/* Until now the broker was disturbed: what waits may have waited for that. */
void sim_watch_disturb(struct sim_watch *watch);

#endif
