/* runtime_barrier: waits until all that a coordinator has applied is durable, so that it may be
 * told.
 *
 * It owns itself, on the coordinator's loop, from its start to its end; who waits may forget it.
 *   RBR-1  done runs once, unless it was forgotten or the runtime ends before */
#ifndef LEVEE_BROKER_COORDINATOR_RUNTIME_BARRIER_H
#define LEVEE_BROKER_COORDINATOR_RUNTIME_BARRIER_H

#include "broker/coordinator/runtime.h"

struct runtime_barrier;

/* done may run inside: then *out is NULL.  err of done: ERR_NOT_FOUND: a partition went meanwhile;
 * others as runtime_write_start.  ERR_NOMEM: nothing was begun, and done does not run. */
must_use enum err runtime_barrier_start(struct runtime *runtime,
                                        void (*done)(void *context, enum err err), void *context,
                                        struct runtime_barrier **out);

/* NULL is accepted. */
void runtime_barrier_forget(struct runtime_barrier *barrier);

#endif
