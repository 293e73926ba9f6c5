/* client_cluster_private: the parts of a client_cluster, for client_cluster.c and client_waits.c.
 */
#ifndef LEVEE_NET_CLIENT_CLIENT_CLUSTER_PRIVATE_H
#define LEVEE_NET_CLIENT_CLIENT_CLUSTER_PRIVATE_H

#include "net/client/client_coordinators.h"
#include "net/client/client_metadata.h"
#include "net/client/client_nodes.h"
#include "net/client/client_waits.h"

struct client_cluster {
    const struct client_env *env;
    struct client_options options;
    char *bootstrap_servers;
    struct client_waits waits;
    struct client_nodes nodes;
    struct client_metadata metadata;
    struct client_coordinators coordinators;
    bool is_ending;
    bool are_nodes_closed;
    void (*closed)(void *context);
    void *closed_context;
};

#endif
