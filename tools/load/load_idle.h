/* load_idle: connections that are dialled, asked for their versions, and then do nothing: what a
 * broker pays for clients that wait.
 *
 * Owned by a worker; its thread alone.  One that breaks is dialled again. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_IDLE_H
#define LEVEE_TOOLS_LOAD_LOAD_IDLE_H

#include "net/client/client_cluster.h"
#include "tools/load/load_room.h"
#include "tools/load/load_shared.h"

struct load_idle {
    struct client_broker **brokers;
    uint32_t count;
    uint32_t open_count;
};

/* Every threads_count-th of the workload's, from worker on, to the first of its addresses.
 * ERR_INVALID: the address, told; ERR_NOMEM. */
must_use enum err load_idle_open(struct load_idle *idle, struct load_shared *shared,
                                 struct load_room *room, uint32_t worker);

bool load_idle_is_ready(const struct load_idle *idle);
void load_idle_close(struct load_idle *idle);
bool load_idle_is_closed(const struct load_idle *idle);
void load_idle_deinit(struct load_idle *idle);

#endif
