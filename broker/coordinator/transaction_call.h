/* transaction_call: a step of a transactional id on behalf of somebody who may go away meanwhile.
 *
 * It owns itself, on the coordinator's loop, from its start to its end; whoever waits may forget
 * it, and what it does goes on.
 *   TCL-1  done runs once, unless it was forgotten or the coordinator is destroyed before
 *   TCL-2  for an id that is not known, or a producer id that is exhausted, it draws a new one and
 *          decides again */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_CALL_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_CALL_H

#include "broker/coordinator/transaction_coordinator.h"
#include "net/protocol/wire.h"

struct request;
struct transaction_call;

/* error: KAFKA_NONE, or as the newest version says it. */
typedef void transaction_call_fn(void *context, const struct transaction_decision *decision,
                                 int16_t error);

/* What happens to id; what is pointed to is copied.  event.now_ms and new_producer_id are filled in
 * here.  adds: of an ADD or VERIFY, else NULL.  What it was not possible to begin is done inside,
 * too.  NULL: it is done; else it is under way. */
struct transaction_call *transaction_call_start(struct transaction_coordinator *coordinator,
                                                struct wire_string id,
                                                const struct transaction_event *event,
                                                const struct transaction_partitions *adds,
                                                transaction_call_fn *done, void *context);

/* Nobody waits any more; NULL is accepted. */
void transaction_call_forget(struct transaction_call *call);

/* The same for a request, on its id's shard, which is answered in done(request, ...); at the latest
 * when the broker has no more patience. */
void transaction_call_start_for(struct request *request, struct wire_string id,
                                const struct transaction_event *event,
                                const struct transaction_partitions *adds,
                                transaction_call_fn *done);

/* The coordinator is being destroyed, and its steps have ended. */
void transaction_call_end_all(struct list *calls);

#endif
