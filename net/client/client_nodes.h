/* client_nodes: the brokers of a cluster by node id, the addresses it was found by, and the
 * connections to both.
 *
 * Part of a client_cluster; same loop.
 *   NOD-1  a connection is made when somebody asks for it, one for each lane of a node
 *   NOD-2  a node that has another address, or is no more told of, has its connections retired
 *   NOD-3  the addresses it was found by stay known: when no node can be reached they are tried
 *          again (KIP-899) */
#ifndef LEVEE_NET_CLIENT_CLIENT_NODES_H
#define LEVEE_NET_CLIENT_CLIENT_NODES_H

#include "base/hash_map.h"
#include "net/client/client_cluster.h"

enum { CLIENT_PROBLEM_MAX = 400, CLIENT_BOOTSTRAPS_MAX = 64, CLIENT_NODES_MAX = 10000 };

struct client_nodes {
    const struct client_env *env;
    const struct client_options *options;
    struct hash_map by_id; /* of struct client_node */
    struct client_broker *bootstraps[CLIENT_BOOTSTRAPS_MAX];
    uint32_t bootstraps_count;
    uint32_t open_count; /* connections that are not freed yet */
    uint32_t turn;       /* of who is tried while none is up */
    bool is_ending;
    char problem[CLIENT_PROBLEM_MAX];
    uint64_t failures_count; /* connections that ended, and attempts that failed */
    void (*down)(struct client_cluster *cluster);   /* a node's connection ended or failed */
    void (*closed)(struct client_cluster *cluster); /* open_count is 0 again, at the end */
    struct client_cluster *cluster;
};

/* The rest of nodes is set by the caller.  Errors: as client_cluster_create; after one, _deinit. */
must_use enum err client_nodes_init(struct client_nodes *nodes, char *problem, size_t problem_max);

/* Ends all connections; then closed, from the loop. */
void client_nodes_end(struct client_nodes *nodes);

/* After _end and closed, or of one of which nothing was dialled. */
void client_nodes_deinit(struct client_nodes *nodes);

/* Take in all the nodes that there are.  *changed_out is set when something is new.  What has no
 * address is left out.  ERR_NOMEM: some may be missing. */
struct metadata_response;
must_use enum err client_nodes_take(struct client_nodes *nodes,
                                    const struct metadata_response *response, bool *changed_out);

/* One that somebody told of.  ERR_NOMEM, ERR_INVALID. */
must_use enum err client_nodes_learn(struct client_nodes *nodes, int32_t id, const char *host,
                                     size_t host_bytes, int32_t port, bool *changed_out);

bool client_nodes_knows(const struct client_nodes *nodes, int32_t id);

/* NULL: no such node, or no memory. */
struct client_broker *client_nodes_broker(struct client_nodes *nodes, int32_t id,
                                          enum client_lane lane);

/* As client_cluster_any. */
struct client_broker *client_nodes_any(struct client_nodes *nodes);

/* Who was given by _any was of no use: another one is tried next.  False: all have been tried in
 * turn; wait a little. */
bool client_nodes_blame(struct client_nodes *nodes, struct client_broker *broker);

#endif
