/* store_walk: a walk over all logs of a store, some of them in each turn of the loop.
 *
 * Owned by a store; lives on its loop.
 *   SWK-1  each log is visited once, those that come meanwhile too
 *   SWK-2  it ends at the first error, and with ERR_STORAGE when the store has failed, also behind
 * the last log */
#ifndef LEVEE_STORAGE_STORE_WALK_H
#define LEVEE_STORAGE_STORE_WALK_H

#include "storage/log/log_environment.h"

/* One walk at a time; done NULL: none. */
struct store_walk {
    struct log_environment *env;
    struct task task;
    uint32_t round;
    struct counter visited; /* logs, of all walks; read by any thread */
    enum err (*visit)(struct log *log);
    void (*done)(void *context, enum err err);
    void *context;
};

void store_walk_init(struct store_walk *walk, struct log_environment *env);
void store_walk_deinit(struct store_walk *walk); /* done does not run any more */

/* visit each log, then done; never inside this call. */
void store_walk_begin(struct store_walk *walk, enum err (*visit)(struct log *log),
                      void (*done)(void *context, enum err err), void *context);

#endif
