/* relaxed_timer: what relaxed logs append becomes durable by a timer, not at once.
 *
 * Owned by a store; lives on its loop.
 *   RLX-1  what was noted is synced at most interval_ms later; a store that notes nothing has no
 * timer
 */
#ifndef LEVEE_STORAGE_RELAXED_TIMER_H
#define LEVEE_STORAGE_RELAXED_TIMER_H

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct relaxed_timer {
    struct loop *loop;
    struct timer timer;
    uint32_t interval_ms;
    bool pending;                /* something was noted since the last sync */
    bool (*sync)(void *context); /* false: it is over, for good */
    void *context;
};

void relaxed_timer_init(struct relaxed_timer *relaxed, struct loop *loop, uint32_t interval_ms,
                        bool (*sync)(void *context), void *context);
void relaxed_timer_deinit(struct relaxed_timer *relaxed);

/* A relaxed log has appended something. */
void relaxed_timer_note(struct relaxed_timer *relaxed);

#endif
