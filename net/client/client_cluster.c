/* The parts of a cluster put together, and its life. */
#include "net/client/client_cluster.h"

#include "base/mem.h"
#include "net/client/client_cluster_private.h"

static void may_end(struct client_cluster *cluster)
{
    void (*closed)(void *) = cluster->closed;
    void *context = cluster->closed_context;

    if (!cluster->is_ending || !cluster->are_nodes_closed || !list_is_empty(&cluster->waits.ended))
        return;
    client_coordinators_deinit(&cluster->coordinators);
    client_metadata_deinit(&cluster->metadata);
    client_nodes_deinit(&cluster->nodes);
    loop_undefer(&cluster->waits.task);
    mem_free(cluster->bootstrap_servers);
    mem_free(cluster);
    if (closed != NULL)
        closed(context);
}

static void on_node_down(struct client_cluster *cluster)
{
    if (!cluster->is_ending)
        client_metadata_call_stale(&cluster->metadata);
}

static void on_nodes_closed(struct client_cluster *cluster)
{
    cluster->are_nodes_closed = true;
    loop_defer(cluster->env->loop, &cluster->waits.task); /* may_end, from the loop */
}

enum err client_cluster_create(const struct client_env *env, const struct client_options *options,
                               struct client_cluster **out, char *problem, size_t problem_max)
{
    struct client_cluster *cluster = mem_try_alloc(sizeof(*cluster));
    enum err err;

    if (cluster == NULL)
        return ERR_NOMEM;
    cluster->env = env;
    cluster->options = *options;
    cluster->bootstrap_servers =
        mem_try_strdup(options->bootstrap_servers == NULL ? "" : options->bootstrap_servers);
    if (cluster->bootstrap_servers == NULL) {
        mem_free(cluster);
        return ERR_NOMEM;
    }
    cluster->options.bootstrap_servers = cluster->bootstrap_servers;
    client_waits_init(&cluster->waits, env->loop, cluster, may_end);
    cluster->nodes = (struct client_nodes){.env = env,
                                           .options = &cluster->options,
                                           .down = on_node_down,
                                           .closed = on_nodes_closed,
                                           .cluster = cluster};
    cluster->metadata = (struct client_metadata){.env = env,
                                                 .options = &cluster->options,
                                                 .nodes = &cluster->nodes,
                                                 .ends = &cluster->waits};
    cluster->coordinators = (struct client_coordinators){.env = env,
                                                         .options = &cluster->options,
                                                         .nodes = &cluster->nodes,
                                                         .ends = &cluster->waits};
    client_metadata_init(&cluster->metadata);
    client_coordinators_init(&cluster->coordinators);
    err = client_nodes_init(&cluster->nodes, problem, problem_max);
    if (err == OK) {
        *out = cluster;
        return OK;
    }
    client_nodes_deinit(&cluster->nodes);
    client_coordinators_deinit(&cluster->coordinators);
    client_metadata_deinit(&cluster->metadata);
    mem_free(cluster->bootstrap_servers);
    mem_free(cluster);
    return err;
}

void client_cluster_destroy(struct client_cluster *cluster, void (*closed)(void *context),
                            void *context)
{
    check(!cluster->is_ending);
    cluster->is_ending = true;
    cluster->closed = closed;
    cluster->closed_context = context;
    client_metadata_end(&cluster->metadata);
    client_coordinators_end(&cluster->coordinators);
    client_nodes_end(&cluster->nodes);
}

/* ---- what is known */

const struct client_env *client_cluster_env(const struct client_cluster *cluster)
{
    return cluster->env;
}

const struct client_options *client_cluster_options(const struct client_cluster *cluster)
{
    return &cluster->options;
}

const char *client_cluster_problem(const struct client_cluster *cluster)
{
    return cluster->nodes.problem;
}

uint64_t client_cluster_failures_count(const struct client_cluster *cluster)
{
    return cluster->nodes.failures_count;
}

uint32_t client_cluster_backoff_ms(struct client_cluster *cluster, uint32_t attempt)
{
    return (uint32_t)dial_backoff_ms(cluster->env->prng, cluster->options.retry_first_ms,
                                     cluster->options.retry_max_ms, attempt);
}

/* ---- topics */

struct client_topic *client_cluster_topic(struct client_cluster *cluster, const char *name)
{
    return client_metadata_topic(&cluster->metadata, name);
}

struct client_topic *client_cluster_topic_by_id(const struct client_cluster *cluster,
                                                const struct uuid *id)
{
    return client_metadata_topic_by_id(&cluster->metadata, id);
}

void client_cluster_wait_topic(struct client_cluster *cluster, struct client_wait *wait,
                               struct client_topic *topic, uint32_t timeout_ms)
{
    client_metadata_wait_topic(&cluster->metadata, wait, topic, timeout_ms);
}

void client_cluster_call_stale(struct client_cluster *cluster, struct client_topic *topic)
{
    (void)topic; /* all are asked for together */
    client_metadata_call_stale(&cluster->metadata);
}

uint64_t client_cluster_version(const struct client_cluster *cluster)
{
    return cluster->metadata.version;
}

void client_cluster_listen(struct client_cluster *cluster, struct client_listener *listener)
{
    list_push_back(&cluster->metadata.listeners, &listener->node);
}

void client_cluster_unlisten(struct client_listener *listener)
{
    if (list_is_linked(&listener->node))
        list_remove(&listener->node);
}

/* ---- connections */

struct client_broker *client_cluster_leader(struct client_cluster *cluster,
                                            const struct client_topic *topic, int32_t partition,
                                            enum client_lane lane)
{
    if (topic->error_code != 0 || partition < 0 || partition >= topic->partitions_count)
        return NULL;
    return client_nodes_broker(&cluster->nodes, topic->partitions[partition].leader_id, lane);
}

struct client_broker *client_cluster_node(struct client_cluster *cluster, int32_t node_id,
                                          enum client_lane lane)
{
    return client_nodes_broker(&cluster->nodes, node_id, lane);
}

struct client_broker *client_cluster_any(struct client_cluster *cluster)
{
    return client_nodes_any(&cluster->nodes);
}

/* ---- coordinators, controller */

void client_cluster_find_coordinator(struct client_cluster *cluster, struct client_wait *wait,
                                     enum client_coordinator_kind kind, const char *key,
                                     uint32_t timeout_ms)
{
    client_coordinators_find(&cluster->coordinators, wait, kind, key, timeout_ms);
}

struct client_broker *client_cluster_coordinator(struct client_cluster *cluster,
                                                 enum client_coordinator_kind kind, const char *key)
{
    return client_coordinators_get(&cluster->coordinators, kind, key);
}

void client_cluster_forget_coordinator(struct client_cluster *cluster,
                                       enum client_coordinator_kind kind, const char *key)
{
    client_coordinators_forget(&cluster->coordinators, kind, key);
}

void client_cluster_find_controller(struct client_cluster *cluster, struct client_wait *wait,
                                    uint32_t timeout_ms)
{
    client_metadata_wait_controller(&cluster->metadata, wait, timeout_ms);
}

struct client_broker *client_cluster_controller(struct client_cluster *cluster)
{
    return client_nodes_broker(&cluster->nodes, cluster->metadata.controller_id, CLIENT_LANE_DATA);
}

void client_cluster_cancel(struct client_wait *wait)
{
    if (!wait->has_ended)
        client_waits_end(&wait->cluster->waits, wait, ERR_CANCELED);
    else
        wait->err = ERR_CANCELED;
}
