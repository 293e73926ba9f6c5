/* client_coordinators: which broker coordinates a group or a transactional id, as far as is known,
 * and the asking for it (FindCoordinator, KIP-98, KIP-699).
 *
 * Part of a client_cluster; same loop.
 *   COO-1  one request at a time for each key; who asks meanwhile waits for its answer
 *   COO-2  errors that may pass are asked again with back-off, as long as somebody waits
 *   COO-3  what is not known and not waited for takes no memory */
#ifndef LEVEE_NET_CLIENT_CLIENT_COORDINATORS_H
#define LEVEE_NET_CLIENT_CLIENT_COORDINATORS_H

#include "base/hash_map.h"
#include "net/client/client_nodes.h"
#include "net/client/client_waits.h"

struct client_coordinators {
    const struct client_env *env;
    const struct client_options *options;
    struct client_nodes *nodes;
    struct client_waits *ends;
    struct hash_map by_key; /* of struct client_coordinator */
    bool is_ending;
};

/* env, options, nodes and ends are set by the caller. */
void client_coordinators_init(struct client_coordinators *coordinators);

/* Asks no more; waits end with ERR_CANCELED. */
void client_coordinators_end(struct client_coordinators *coordinators);

/* When no call is under way any more. */
void client_coordinators_deinit(struct client_coordinators *coordinators);

/* As client_cluster_find_coordinator, _coordinator and _forget_coordinator. */
void client_coordinators_find(struct client_coordinators *coordinators, struct client_wait *wait,
                              enum client_coordinator_kind kind, const char *key,
                              uint32_t timeout_ms);
struct client_broker *client_coordinators_get(struct client_coordinators *coordinators,
                                              enum client_coordinator_kind kind, const char *key);
void client_coordinators_forget(struct client_coordinators *coordinators,
                                enum client_coordinator_kind kind, const char *key);

#endif
