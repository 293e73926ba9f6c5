/* Clients as programs of nodes; the index in client_nodes is the id. */
#include "tests/sim/scenario_private.h"

#include <inttypes.h>
#include <stdio.h>

static struct model_client_options client_options(struct scenario *s, uint32_t id)
{
    bool reads_slowly = plan_has(&s->plan, PLAN_SLOW) && id > s->producers_count + 1 &&
                        id <= s->producers_count + s->consumers_count;

    return (struct model_client_options){
        .id = id,
        .read_pause_max_ms = reads_slowly ? (uint32_t)plan_pick_of(&s->plan, 0, 5, 200) : 0,
        .stop_reading_ppm = reads_slowly ? (uint32_t)plan_pick_of(&s->plan, 0, 1000, 20000) : 0,
        .hang_up_ppm =
            plan_has(&s->plan, PLAN_HANG_UP) ? (uint32_t)plan_pick_of(&s->plan, 0, 500, 5000) : 0,
        .broker = sim_node_address(s->broker.node, SIM_BROKER_PORT),
        .timeout_ms = draw_of(s, 500, 2000, 10000),
        .reconnect_max_ms = draw_of(s, 5, 50, 500),
    };
}

/* The id of the first member. */
static uint32_t first_member(const struct scenario *s)
{
    return 1 + s->producers_count + s->consumers_count + s->groups_count;
}

static void start_member(struct scenario *s, struct sim_node *node, uint32_t id)
{
    static const uint32_t sessions_ms[] = {200, 1000, 3000};
    static const uint32_t rebalances_ms[] = {300, 1000, 3000};
    static const uint32_t pauses_ms[] = {10, 30, 60};
    struct prng *prng = &s->members_prng;
    struct model_client_options client = {
        .id = id,
        .broker = sim_node_address(s->broker.node, SIM_BROKER_PORT),
        .timeout_ms = 5000 * (1 + (uint32_t)prng_below(prng, 2)), /* longer than a rebalance */
        .reconnect_max_ms = pauses_ms[prng_below(prng, 3)],
    };
    struct model_member_options options = {
        .group = (id - first_member(s)) % s->member_groups_count,
        .is_static = prng_chance(prng, 1, 3),
        .session_ms = sessions_ms[prng_below(prng, 3)],
        .rebalance_ms = rebalances_ms[prng_below(prng, 3)],
        .pause_max_ms = pauses_ms[prng_below(prng, 3)],
    };

    model_member_init(&s->members[id - first_member(s)], node, &s->history, &client, &options,
                      &s->topics);
}

/* What the plan has for producers. */
static void widen_producer(struct scenario *s, struct model_producer_options *options)
{
    struct plan *plan = &s->plan;

    if (plan_has(plan, PLAN_SIZES)) {
        options->mixed_bytes_log2 = (uint32_t)plan_pick_of(plan, 12, 16, 20, 22);
        options->mixed_bytes_limit = MIXED_BYTES_LIMIT;
    }
    if (plan_has(plan, PLAN_LIES))
        options->lie_odds = (uint32_t)plan_pick_of(plan, 5, 50);
    if (plan_has(plan, PLAN_REFUSED))
        options->bad_odds = (uint32_t)plan_pick_of(plan, 2, 20);
    if (plan_has(plan, PLAN_ACKS_ZERO))
        options->acks_zero_odds = (uint32_t)plan_pick_of(plan, 0, 30, 100);
    if (plan_has(plan, PLAN_RETENTION))
        options->dated_max_ms = (uint32_t)plan_pick_of(plan, 0, 5000, 86400000);
    if (plan_has(plan, PLAN_RECREATE))
        options->version_min = VERSION_WITH_IDS;
    if (plan_has(plan, PLAN_ACKS_ONE))
        options->acks_one_odds = (uint32_t)plan_pick_of(plan, 0, 30, 100);
}

static void start_crowd(struct scenario *s, struct sim_node *node, uint32_t id)
{
    struct model_client_options client = {
        .id = id,
        .broker = sim_node_address(s->broker.node, SIM_BROKER_PORT),
        .timeout_ms = 30000, /* a broker that starts opens thousands of logs */
        .reconnect_max_ms = 50,
    };
    struct model_crowd_options options = {
        .topics_count = (uint32_t)plan_pick_of(&s->plan, 1500, 2500, CROWD_TOPICS_MAX),
        .batch_max = (uint32_t)plan_pick_of(&s->plan, 100, CROWD_BATCH_MAX),
        .pause_max_ms = (uint32_t)plan_pick_of(&s->plan, 2, 20),
    };

    options.deleted_max = options.topics_count / (uint32_t)plan_pick_of(&s->plan, 2, 4, 10);
    model_crowd_init(&s->crowd, node, &s->history, &client, &options, s->oracle);
}

static bool is_crowd(const struct scenario *s, uint32_t id)
{
    return id == first_member(s) + s->members_count + s->janitors_count;
}

static void start_client(struct sim_node *node)
{
    struct scenario *s = node->options.context;
    uint32_t id = node->index - s->broker.node->index - 1;
    struct model_client_options client;

    if (id >= first_member(s) && id < first_member(s) + s->members_count) {
        start_member(s, node, id);
        return;
    }
    if (is_crowd(s, id)) {
        start_crowd(s, node, id);
        return;
    }
    client = client_options(s, id);
    if (id >= first_member(s)) {
        struct model_janitor_options options = {
            .pause_max_ms = (uint32_t)plan_pick_of(&s->plan, 20, 200, 1000),
            .recreations_max = RECREATIONS_MAX,
            .deletes_records = plan_has(&s->plan, PLAN_DELETE_RECORDS),
            .pipelines = plan_has(&s->plan, PLAN_PIPELINES),
            .segment_bytes = plan_has(&s->plan, PLAN_SEGMENTS) ? scenario_draw_segment_bytes(s) : 0,
        };
        model_janitor_init(&s->janitor, node, &s->history, &client, &options, &s->topics,
                           s->oracle);
        return;
    }

    if (id == 0) {
        model_admin_init(&s->admin, node, &s->history, &client, &s->topics, s->topics_at_start);
    } else if (id <= s->producers_count) {
        struct model_producer_options options = {
            .idempotent = odds(s, 3, 4),
            .flights_max = draw(s, 1, PRODUCER_FLIGHTS_MAX),
            .records_max = draw_of(s, 1, 3, 20),
            .value_bytes_max = draw_of(s, 8, 100, 1000, 20000),
            .pause_max_ms = draw_of(s, 2, 20, 200),
            .request_batches_max = draw(s, 1, 4),
            .records_limit = draw_of(s, 50, 300, 1000),
            .codec = odds(s, 1, 2) ? COMPRESSION_NONE
                                   : (enum compression)draw(s, 0, COMPRESSION_COUNT - 1),
        };
        if (prng_chance(&s->producers_prng, 1, 3)) {
            options.one_partition = true;
            options.flights_max = PRODUCER_FLIGHTS_MAX;
        }
        widen_producer(s, &options);
        model_producer_init(&s->producers[id - 1], node, &s->history, &client, &options,
                            &s->topics);
    } else if (id > s->producers_count + s->consumers_count) {
        model_group_init(&s->groups[id - 1 - s->producers_count - s->consumers_count], node,
                         &s->history, &client, draw_of(s, 5, 50, 200), &s->topics, s->oracle);
        s->groups[id - 1 - s->producers_count - s->consumers_count].pipelines =
            plan_has(&s->plan, PLAN_PIPELINES);
    } else {
        struct model_consumer_options options = {
            .max_wait_ms = draw_of(s, 0, 20, 500),
            .bytes_max = draw_of(s, 1, 10000, 1 << 20),
            .partition_bytes_max = draw_of(s, 1, 5000, 1 << 20),
            .pause_max_ms = draw_of(s, 2, 20, 200),
            .auditor = id == s->producers_count + 1,
        };
        if (plan_has(&s->plan, PLAN_RECREATE))
            options.version_min = VERSION_WITH_IDS;
        options.sessions = plan_has(&s->plan, PLAN_SESSIONS) && !options.auditor;
        if (options.auditor)
            options.bytes_max = options.partition_bytes_max = 1 << 20;
        model_consumer_init(&s->consumers[id - 1 - s->producers_count], node, &s->history, &client,
                            &options, &s->topics, s->oracle);
    }
}

static void end_client(struct sim_node *node, enum sim_crash kind)
{
    struct scenario *s = node->options.context;
    uint32_t id = node->index - s->broker.node->index - 1;

    if (id == 0)
        model_admin_deinit(&s->admin);
    else if (id <= s->producers_count)
        model_producer_deinit(&s->producers[id - 1]);
    else if (is_crowd(s, id))
        model_crowd_deinit(&s->crowd);
    else if (id >= first_member(s) + s->members_count)
        model_janitor_deinit(&s->janitor);
    else if (id >= first_member(s))
        model_member_deinit(&s->members[id - first_member(s)]);
    else if (id > s->producers_count + s->consumers_count)
        model_group_deinit(&s->groups[id - 1 - s->producers_count - s->consumers_count]);
    else
        model_consumer_deinit(&s->consumers[id - 1 - s->producers_count]);
}

void scenario_clients_start(struct scenario *s)
{
    uint32_t count;

    s->producers_count = draw(s, 1, PRODUCERS_MAX);
    s->consumers_count = draw(s, 2, CONSUMERS_MAX);
    s->groups_count = draw(s, 0, GROUPS_MAX);
    s->janitors_count = plan_has(&s->plan, PLAN_DELETE_RECORDS) ||
                        plan_has(&s->plan, PLAN_RECREATE) || plan_has(&s->plan, PLAN_SEGMENTS);
    s->crowds_count = plan_has(&s->plan, PLAN_CROWD) ? 1 : 0;
    count = first_member(s) + s->members_count + s->janitors_count + s->crowds_count;
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
