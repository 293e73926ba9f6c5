/* asked_marker: a marker that somebody outside of the coordinators has asked for, and whom he may
 * stop waiting for: the marker is on its way all the same.
 *
 * Made on the shard of who asks; in the list of that shard's transaction_coordinator until it has
 * ended. */
#ifndef LEVEE_BROKER_COORDINATOR_ASKED_MARKER_H
#define LEVEE_BROKER_COORDINATOR_ASKED_MARKER_H

#include "broker/coordinator/transaction_marker.h"

struct asked_marker;

/* what: the part of it that goes in, but done.  done(context, err) runs once, perhaps inside this
 * call, and *out, which is set before, is gone then.  ERR_NOMEM: nothing was begun. */
must_use enum err asked_marker_start(struct list *all, struct shard *home,
                                     const struct transaction_marker *what,
                                     void (*done)(void *context, enum err err), void *context,
                                     struct asked_marker **out);

/* done does not run; it ends by itself. */
void asked_marker_forget(struct asked_marker *asked);

/* All ends, as transaction_marker_cancel. */
void asked_marker_end_all(struct list *all);

#endif
