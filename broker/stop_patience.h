/* stop_patience: how long an orderly stop may stand still before it is given up.
 *
 * The limit (levee.stop.timeout.ms) counts only the time without progress: a stop that has much to
 * write may take as long as it takes.  Pure; of the main thread. */
#ifndef LEVEE_BROKER_STOP_PATIENCE_H
#define LEVEE_BROKER_STOP_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* Zeroed but for limit_ms when the stop begins. */
struct stop_patience {
    uint64_t limit_ms;
    uint64_t progress; /* at the last look */
    uint64_t still_ms; /* since it last grew */
};

/* A look, passed_ms after the last one: progress grows with what the broker does (broker_progress).
 * True: it has stood still for limit_ms. */
bool stop_patience_is_over(struct stop_patience *patience, uint64_t progress, uint64_t passed_ms);

#endif
