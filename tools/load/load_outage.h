/* load_outage: how long clients went without what they wait for while something happens to the
 * broker: the longest pause between two successes of a kind, and when errors were seen.
 *
 * One for a run, made by who asks for it; any thread notes; read once the run is over.  Before
 * load_outage_begin nothing counts.
 *   LOU-1   a pause is from a success to the next one, over all clients; the first one begins with
 *          load_outage_begin, and what never came again pauses until load_outage_end */
#ifndef LEVEE_TOOLS_LOAD_LOAD_OUTAGE_H
#define LEVEE_TOOLS_LOAD_LOAD_OUTAGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum load_success {
    LOAD_SUCCESS_STORED,    /* a batch was acknowledged */
    LOAD_SUCCESS_READ,      /* a batch was read */
    LOAD_SUCCESS_COMMITTED, /* a transaction was committed */
    LOAD_SUCCESS_COUNT,
};

/* "stored", ... */
const char *load_success_text(enum load_success kind);

struct load_pause {
    atomic_ullong last_ns; /* of a success; 0: not begun */
    atomic_ullong longest_ns;
    uint64_t from_ns; /* of the longest; under the lock */
    atomic_ullong count;
};

struct load_outage {
    struct load_pause pauses[LOAD_SUCCESS_COUNT];
    pthread_mutex_t lock;
    atomic_ullong error_first_ns; /* 0: none */
    atomic_ullong error_last_ns;
    atomic_ullong errors_count;
    atomic_bool has_begun;
};

void load_outage_init(struct load_outage *outage);
void load_outage_deinit(struct load_outage *outage);

/* Monotonic times. */
void load_outage_begin(struct load_outage *outage, uint64_t now_ns);
void load_outage_note(struct load_outage *outage, enum load_success kind, uint64_t now_ns);
void load_outage_error(struct load_outage *outage, uint64_t now_ns);
void load_outage_end(struct load_outage *outage, uint64_t now_ns);

/* The longest pause; false: there was no success of that kind, before or behind it. */
bool load_outage_longest(const struct load_outage *outage, enum load_success kind,
                         uint64_t *from_ns, uint64_t *pause_ns);

#endif
