/* model_room: the product's own client room (net/client) on a node of the world: its loop, memory
 * and cluster, for the models that are made of its objects.
 *
 * Where model_client speaks the protocol by itself, so as to be told every answer, these say what a
 * user of the client room is told; both tell the same history to the same oracle.
 *   MRM-1  when the node's process has ended, nothing is told any more */
#ifndef LEVEE_TESTS_MODEL_ROOM_H
#define LEVEE_TESTS_MODEL_ROOM_H

#include "net/client/client_cluster.h"
#include "tests/sim/history.h"
#include "tests/sim/sim_world.h"

struct model_room_options {
    uint32_t id; /* below HISTORY_CLIENTS_MAX */
    struct io_address broker;
    uint32_t request_timeout_ms;
    uint32_t connect_max_ms;
    uint32_t reconnect_max_ms;
    uint32_t retry_max_ms;
    uint32_t metadata_max_age_ms;
};

struct model_room {
    struct model_room_options options;
    struct sim_node *node;
    struct history *history;
    struct loop loop;
    struct slab slab;
    struct prng prng;     /* of the model */
    struct prng env_prng; /* of the client room */
    struct client_env env;
    struct client_cluster *cluster;
    bool is_closed; /* of the end: cluster and all are gone */
};

/* In the node's start; chance comes from the node's. */
void model_room_init(struct model_room *room, struct sim_node *node, struct history *history,
                     const struct model_room_options *options);

/* In the node's end, when its process is dead, behind the begin of the destruction of what lives in
 * the cluster: turns the loop until *is_gone (NULL: at once), then takes the cluster down. */
void model_room_deinit(struct model_room *room, const bool *is_gone);

/* closed of producers, fetchers, ...: sets the bool that context points to. */
void model_room_note_gone(void *context);

/* An event of this client, with time and id filled in. */
void model_room_tell(struct model_room *room, struct history_event *event);

static inline uint64_t model_room_now_ns(const struct model_room *room)
{
    return sim_world_now_ns(room->node->world);
}

/* Milliseconds, 1 to max_ms. */
uint64_t model_room_draw_ms(struct model_room *room, uint64_t max_ms);

#endif
