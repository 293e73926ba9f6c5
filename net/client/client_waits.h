/* client_waits: the ends of what waits for a client_cluster: deadlines, cancels, and done from the
 * loop.
 *
 * Part of a client_cluster, which has those that still wait on lists of its parts; same loop.
 *   WTS-1  done of a wait that was begun runs once, from the task (CLU-4) */
#ifndef LEVEE_NET_CLIENT_CLIENT_WAITS_H
#define LEVEE_NET_CLIENT_CLIENT_WAITS_H

#include "net/client/client_cluster.h"

struct client_waits {
    struct loop *loop;
    struct client_cluster *cluster;
    struct list ended;
    struct task task;
    void (*drained)(struct client_cluster *cluster); /* after each run of the task */
};

void client_waits_init(struct client_waits *waits, struct loop *loop,
                       struct client_cluster *cluster,
                       void (*drained)(struct client_cluster *cluster));

/* wait stands on list until it ends. */
void client_waits_begin(struct client_waits *waits, struct client_wait *wait, struct list *list,
                        const void *subject, uint32_t timeout_ms);

/* done(err) comes soon.  What has ended already keeps its first end. */
void client_waits_end(struct client_waits *waits, struct client_wait *wait, enum err err);

/* The same of one that was not begun. */
void client_waits_refuse(struct client_waits *waits, struct client_wait *wait, enum err err);

/* All of a list. */
void client_waits_end_all(struct client_waits *waits, struct list *list, enum err err);

#endif
