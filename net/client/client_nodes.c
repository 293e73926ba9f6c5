#include "net/client/client_nodes.h"

#include "base/mem.h"
#include "base/text.h"
#include "net/protocol/msg_metadata.h"

#include <stdio.h>
#include <string.h>

enum { DEFAULT_PORT = 9092 };

struct client_node {
    int32_t id;
    uint16_t port;
    bool is_told_of;
    struct client_broker *lanes[CLIENT_LANE_COUNT];
    char host[CLIENT_HOST_MAX];
};

/* ---- connections */

static void on_closed(void *context)
{
    struct client_nodes *nodes = context;

    nodes->open_count--;
    if (nodes->is_ending && nodes->open_count == 0)
        nodes->closed(nodes->cluster);
}

static bool is_any_node_up(const struct client_nodes *nodes)
{
    const struct client_node *node;
    size_t cursor = 0;

    while ((node = hash_map_next(&nodes->by_id, &cursor)) != NULL)
        for (int i = 0; i < CLIENT_LANE_COUNT; i++)
            if (node->lanes[i] != NULL && client_broker_is_up(node->lanes[i]))
                return true;
    return false;
}

/* Once the cluster's own connections work, those that it was found by may go. */
static void rest_bootstraps(struct client_nodes *nodes)
{
    if (is_any_node_up(nodes))
        for (uint32_t i = 0; i < nodes->bootstraps_count; i++)
            client_broker_rest(nodes->bootstraps[i]);
}

static void on_up(void *context, struct client_broker *broker)
{
    struct client_nodes *nodes = context;

    if (client_broker_node_id(broker) >= 0)
        rest_bootstraps(nodes);
}

static void on_down(void *context, struct client_broker *broker, enum err err)
{
    struct client_nodes *nodes = context;

    snprintf(nodes->problem, sizeof(nodes->problem), "%s: %s", client_broker_name(broker),
             client_broker_reason(broker));
    nodes->failures_count++;
    if (client_broker_node_id(broker) >= 0)
        nodes->down(nodes->cluster);
}

static enum err open_broker(struct client_nodes *nodes, int32_t id, const char *host, uint16_t port,
                            struct client_broker **out)
{
    const struct client_options *options = nodes->options;
    enum err err = client_broker_create(
        &(struct client_broker_options){
            .env = nodes->env,
            .host = host,
            .port = port,
            .node_id = id,
            .request_timeout_ms = options->request_timeout_ms,
            .connect_max_ms = options->connect_max_ms,
            .backoff_first_ms = options->reconnect_first_ms,
            .backoff_max_ms = options->reconnect_max_ms,
            .frame_max_bytes = options->frame_max_bytes,
            .calls_max = options->calls_max,
            .up = on_up,
            .down = on_down,
            .context = nodes,
        },
        out);

    if (err == OK)
        nodes->open_count++;
    return err;
}

static void retire_lanes(struct client_nodes *nodes, struct client_node *node)
{
    for (int i = 0; i < CLIENT_LANE_COUNT; i++) {
        if (node->lanes[i] != NULL)
            client_broker_retire(node->lanes[i], on_closed, nodes);
        node->lanes[i] = NULL;
    }
}

/* ---- nodes */

static struct client_node *find(const struct client_nodes *nodes, int32_t id)
{
    return hash_map_find(&nodes->by_id, &id, sizeof(id));
}

bool client_nodes_knows(const struct client_nodes *nodes, int32_t id)
{
    return find(nodes, id) != NULL;
}

enum err client_nodes_learn(struct client_nodes *nodes, int32_t id, const char *host,
                            size_t host_bytes, int32_t port, bool *changed_out)
{
    struct client_node *node = find(nodes, id);
    enum err err;

    if (id < 0 || host == NULL || host_bytes == 0 || host_bytes >= CLIENT_HOST_MAX || port < 0 ||
        port > UINT16_MAX || memchr(host, '\0', host_bytes) != NULL)
        return ERR_INVALID;
    if (node != NULL) {
        node->is_told_of = true;
        if (node->port == port && text_equal(host, host_bytes, node->host))
            return OK;
        retire_lanes(nodes, node);
    } else {
        if (hash_map_count(&nodes->by_id) >= CLIENT_NODES_MAX)
            return ERR_NOMEM;
        node = mem_try_alloc(sizeof(*node));
        if (node == NULL)
            return ERR_NOMEM;
        node->id = id;
        node->is_told_of = true;
        err = hash_map_insert(&nodes->by_id, &node->id, sizeof(node->id), node);
        if (err != OK) {
            mem_free(node);
            return err;
        }
    }
    memcpy(node->host, host, host_bytes);
    node->host[host_bytes] = '\0';
    node->port = (uint16_t)port;
    *changed_out = true;
    return OK;
}

static void forget(struct client_nodes *nodes, struct client_node *node)
{
    retire_lanes(nodes, node);
    hash_map_remove(&nodes->by_id, &node->id, sizeof(node->id));
    mem_free(node);
}

enum err client_nodes_take(struct client_nodes *nodes, const struct metadata_response *response,
                           bool *changed_out)
{
    enum err err = OK;
    struct client_node *node;
    size_t cursor = 0;

    while ((node = hash_map_next(&nodes->by_id, &cursor)) != NULL)
        node->is_told_of = false;
    for (int32_t i = 0; i < response->brokers.count && err == OK; i++) {
        const struct metadata_response_broker *broker = &response->brokers.items[i];

        err = client_nodes_learn(nodes, broker->node_id, broker->host.text,
                                 (size_t)broker->host.size_bytes, broker->port, changed_out);
        if (err == ERR_INVALID)
            err = OK; /* there is no way to it; the others count */
    }
    if (err != OK)
        return err;
    cursor = 0;
    while ((node = hash_map_next(&nodes->by_id, &cursor)) != NULL) {
        if (node->is_told_of)
            continue;
        forget(nodes, node);
        *changed_out = true;
    }
    return OK;
}

struct client_broker *client_nodes_broker(struct client_nodes *nodes, int32_t id,
                                          enum client_lane lane)
{
    struct client_node *node = find(nodes, id);

    if (node == NULL || nodes->is_ending)
        return NULL;
    if (node->lanes[lane] == NULL &&
        open_broker(nodes, id, node->host, node->port, &node->lanes[lane]) != OK)
        return NULL;
    return node->lanes[lane];
}

/* ---- any of them */

static struct client_broker *less_busy(struct client_broker *one, struct client_broker *other)
{
    if (other == NULL || !client_broker_is_up(other))
        return one;
    return one == NULL || client_broker_calls_count(other) < client_broker_calls_count(one) ? other
                                                                                            : one;
}

/* The turn-th of the nodes, and behind them of the addresses it was found by. */
static struct client_broker *by_turn(struct client_nodes *nodes)
{
    uint32_t nodes_count = (uint32_t)hash_map_count(&nodes->by_id);
    uint32_t index = nodes->turn % (nodes_count + nodes->bootstraps_count);
    struct client_node *node = NULL;
    struct client_broker *broker;
    size_t cursor = 0;

    if (index >= nodes_count)
        return nodes->bootstraps[index - nodes_count];
    for (uint32_t i = 0; i <= index; i++)
        node = hash_map_next(&nodes->by_id, &cursor);
    broker = client_nodes_broker(nodes, node->id, CLIENT_LANE_DATA);
    return broker != NULL ? broker : nodes->bootstraps[0];
}

struct client_broker *client_nodes_any(struct client_nodes *nodes)
{
    const struct client_node *node;
    struct client_broker *best = NULL;
    size_t cursor = 0;

    while ((node = hash_map_next(&nodes->by_id, &cursor)) != NULL)
        best = less_busy(best, node->lanes[CLIENT_LANE_DATA]);
    for (uint32_t i = 0; best == NULL && i < nodes->bootstraps_count; i++)
        best = less_busy(best, nodes->bootstraps[i]);
    return best != NULL ? best : by_turn(nodes);
}

bool client_nodes_blame(struct client_nodes *nodes, struct client_broker *broker)
{
    uint32_t count = (uint32_t)hash_map_count(&nodes->by_id) + nodes->bootstraps_count;

    for (uint32_t i = 0; i < nodes->bootstraps_count; i++)
        if (nodes->bootstraps[i] == broker)
            client_broker_rest(broker);
    nodes->turn++;
    return nodes->turn % count != 0;
}

/* ---- life */

/* One of "host:port"s. */
static enum err add_bootstrap(struct client_nodes *nodes, const char *text, size_t size_bytes,
                              char *problem, size_t problem_max)
{
    const char *colon = memrchr(text, ':', size_bytes);
    size_t host_bytes = colon == NULL ? size_bytes : (size_t)(colon - text);
    size_t port_bytes = colon == NULL ? 0 : size_bytes - host_bytes - 1;
    char host[CLIENT_HOST_MAX];
    int64_t port = DEFAULT_PORT;
    enum err err;

    if (nodes->bootstraps_count == CLIENT_BOOTSTRAPS_MAX) {
        snprintf(problem, problem_max, "more than %d addresses", CLIENT_BOOTSTRAPS_MAX);
        return ERR_INVALID;
    }
    if (host_bytes > 2 && text[0] == '[' && text[host_bytes - 1] == ']') {
        text++;
        host_bytes -= 2;
    }
    if (host_bytes == 0 || host_bytes >= sizeof(host)) {
        snprintf(problem, problem_max, "\"%.*s\" is not HOST:PORT", (int)size_bytes, text);
        return ERR_INVALID;
    }
    memcpy(host, text, host_bytes);
    host[host_bytes] = '\0';
    if (colon != NULL && text_parse_i64(colon + 1, port_bytes, 1, UINT16_MAX, &port) != OK) {
        snprintf(problem, problem_max, "\"%s:%.*s\" has no port number after the colon", host,
                 (int)port_bytes, colon + 1);
        return ERR_INVALID;
    }
    err = open_broker(nodes, -1, host, (uint16_t)port, &nodes->bootstraps[nodes->bootstraps_count]);
    if (err == OK)
        nodes->bootstraps_count++;
    else
        snprintf(problem, problem_max, "%s: %s", host, err_text(err));
    return err;
}

enum err client_nodes_init(struct client_nodes *nodes, char *problem, size_t problem_max)
{
    const char *text = nodes->options->bootstrap_servers;
    enum err err = OK;

    hash_map_init(&nodes->by_id, prng_u64(nodes->env->prng));
    while (text != NULL && *text != '\0' && err == OK) {
        const char *word = text;
        size_t size_bytes = strcspn(text, ",");

        text += size_bytes;
        text += *text == ',';
        text_trim(&word, &size_bytes);
        if (size_bytes > 0)
            err = add_bootstrap(nodes, word, size_bytes, problem, problem_max);
    }
    if (err == OK && nodes->bootstraps_count == 0) {
        snprintf(problem, problem_max, "no broker is named: HOST:PORT");
        err = ERR_INVALID;
    }
    if (err == OK)
        nodes->turn = (uint32_t)prng_below(nodes->env->prng, nodes->bootstraps_count);
    return err;
}

void client_nodes_end(struct client_nodes *nodes)
{
    struct client_node *node;
    size_t cursor = 0;

    nodes->is_ending = true;
    for (uint32_t i = 0; i < nodes->bootstraps_count; i++)
        client_broker_destroy(nodes->bootstraps[i], on_closed, nodes);
    while ((node = hash_map_next(&nodes->by_id, &cursor)) != NULL) {
        for (int i = 0; i < CLIENT_LANE_COUNT; i++)
            if (node->lanes[i] != NULL)
                client_broker_destroy(node->lanes[i], on_closed, nodes);
        hash_map_remove(&nodes->by_id, &node->id, sizeof(node->id));
        mem_free(node);
    }
}

void client_nodes_deinit(struct client_nodes *nodes)
{
    for (uint32_t i = 0; i < nodes->bootstraps_count && !nodes->is_ending; i++)
        client_broker_destroy(nodes->bootstraps[i], NULL, NULL);
    hash_map_deinit(&nodes->by_id);
}
