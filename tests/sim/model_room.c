#include "tests/sim/model_room.h"

#include "base/check.h"

#include <stdio.h>

enum { ANSWERS_BYTES_MAX = 256 << 20, END_TURNS_MAX = 10000 };

void model_room_tell(struct model_room *room, struct history_event *event)
{
    if (!sim_node_is_running(room->node))
        return; /* MRM-1 */
    event->client = room->options.id;
    event->time_ns = model_room_now_ns(room);
    history_add(room->history, event);
}

uint64_t model_room_draw_ms(struct model_room *room, uint64_t max_ms)
{
    return 1 + prng_below(&room->prng, max_ms);
}

void model_room_init(struct model_room *room, struct sim_node *node, struct history *history,
                     const struct model_room_options *options)
{
    struct client_options client = client_options_default();
    char address[IO_ADDRESS_TEXT_MAX];
    char problem[128];

    *room = (struct model_room){.options = *options, .node = node, .history = history};
    prng_fork(&node->prng, "room", &room->prng);
    prng_fork(&node->prng, "client room", &room->env_prng);
    loop_init(&room->loop, 0, sim_node_io(node, 0), sim_node_clock(node));
    sim_node_attach(node, 0, &room->loop);
    room->loop.now_ns = clock_mono_ns(room->loop.clock);
    slab_init_named(&room->slab, "answers", ANSWERS_BYTES_MAX);
    room->env = (struct client_env){
        .loop = &room->loop, .slab = &room->slab, .prng = &room->env_prng, .client_id = "room"};
    io_address_format(&options->broker, address);
    client.bootstrap_servers = address;
    client.request_timeout_ms = options->request_timeout_ms;
    client.connect_max_ms = options->connect_max_ms;
    client.reconnect_first_ms = 5;
    client.reconnect_max_ms = options->reconnect_max_ms;
    client.retry_first_ms = 5;
    client.retry_max_ms = options->retry_max_ms;
    client.metadata_max_age_ms = options->metadata_max_age_ms;
    client.allow_auto_create = false;
    check(client_cluster_create(&room->env, &client, &room->cluster, problem, sizeof(problem)) ==
          OK);
}

void model_room_note_gone(void *context)
{
    *(bool *)context = true;
}

static void turn_until(struct model_room *room, const bool *is_gone)
{
    for (int i = 0; i < END_TURNS_MAX && !*is_gone; i++)
        check(loop_turn(&room->loop, 0) == OK);
    check(*is_gone);
}

void model_room_deinit(struct model_room *room, const bool *is_gone)
{
    if (is_gone != NULL)
        turn_until(room, is_gone);
    client_cluster_destroy(room->cluster, model_room_note_gone, &room->is_closed);
    turn_until(room, &room->is_closed);
    loop_deinit(&room->loop);
    slab_deinit(&room->slab);
}
