/* Clients as programs of nodes; the index in client_nodes is the id. */
#include "tests/sim/scenario_private.h"

#include <inttypes.h>
#include <stdio.h>

static bool is_crowd(const struct scenario *s, uint32_t id)
{
    return id == scenario_first_member(s) + s->members_count + s->janitors_count;
}

static void start_client(struct sim_node *node)
{
    struct scenario *s = node->options.context;
    uint32_t id = node->index - s->broker.node->index - 1;
    struct model_client_options client = s->client_options[id];
    uint32_t index = id - 1;

    if (id >= scenario_first_of_room(s)) {
        scenario_room_start_client(s, node, id - scenario_first_of_room(s));
        return;
    }
    client.broker = sim_node_address(s->broker.node, SIM_BROKER_PORT);
    s->client_options[id].broker = client.broker;
    if (id >= scenario_first_of_ledger(s)) {
        scenario_ledger_start_client(s, node, id - scenario_first_of_ledger(s));
        return;
    }
    if (id == 0) {
        model_admin_init(&s->admin, node, &s->history, &client, &s->topics, s->topics_at_start);
        return;
    }
    if (index < s->producers_count) {
        model_producer_init(&s->producers[index], node, &s->history, &client,
                            &s->producer_options[index], &s->topics);
        return;
    }
    index -= s->producers_count;
    if (index < s->consumers_count) {
        model_consumer_init(&s->consumers[index], node, &s->history, &client,
                            &s->consumer_options[index], &s->topics, s->oracle);
        return;
    }
    index -= s->consumers_count;
    if (index < s->groups_count) {
        model_group_init(&s->groups[index], node, &s->history, &client, s->group_pauses_ms[index],
                         &s->topics, s->oracle);
        s->groups[index].pipelines = plan_has(&s->plan, PLAN_PIPELINES);
        return;
    }
    index -= s->groups_count;
    if (index < s->members_count)
        model_member_init(&s->members[index], node, &s->history, &client, &s->member_options[index],
                          &s->topics);
    else if (is_crowd(s, id))
        model_crowd_init(&s->crowd, node, &s->history, &client, &s->crowd_options, s->oracle);
    else
        model_janitor_init(&s->janitor, node, &s->history, &client, &s->janitor_options, &s->topics,
                           s->oracle);
}

static void end_client(struct sim_node *node, enum sim_crash kind)
{
    struct scenario *s = node->options.context;
    uint32_t id = node->index - s->broker.node->index - 1;

    if (id >= scenario_first_of_room(s))
        scenario_room_end_client(s, id - scenario_first_of_room(s));
    else if (id >= scenario_first_of_ledger(s))
        scenario_ledger_end_client(s, id - scenario_first_of_ledger(s));
    else if (id == 0)
        model_admin_deinit(&s->admin);
    else if (id <= s->producers_count)
        model_producer_deinit(&s->producers[id - 1]);
    else if (is_crowd(s, id))
        model_crowd_deinit(&s->crowd);
    else if (id >= scenario_first_member(s) + s->members_count)
        model_janitor_deinit(&s->janitor);
    else if (id >= scenario_first_member(s))
        model_member_deinit(&s->members[id - scenario_first_member(s)]);
    else if (id > s->producers_count + s->consumers_count)
        model_group_deinit(&s->groups[id - 1 - s->producers_count - s->consumers_count]);
    else
        model_consumer_deinit(&s->consumers[id - 1 - s->producers_count]);
}

void scenario_clients_start(struct scenario *s)
{
    uint32_t count = scenario_first_of_room(s) + s->room.clients_count;

    for (uint32_t i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof(name), "client %" PRIu32, i);
        s->client_nodes[i] = sim_node_create(
            s->world, &(struct sim_node_options){
                          .name = name, .start = start_client, .end = end_client, .context = s});
        sim_node_start(s->client_nodes[i]);
    }
    s->client_nodes_count = count;
}

struct model_consumer *scenario_clients_auditor(struct scenario *s)
{
    return &s->consumers[0];
}
