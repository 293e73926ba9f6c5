/* client_live_rig: clients of the client room in the simulated world of live_rig, each on a host of
 * its own.  Included by one test file at a time. */
#ifndef LEVEE_TESTS_CLIENT_LIVE_RIG_H
#define LEVEE_TESTS_CLIENT_LIVE_RIG_H

#include "net/client/client_cluster.h"
#include "tests/unit/broker/live_rig.h"

enum { CLIENTS_MAX = 6, CLIENT_SLAB_BYTES = 256 << 20 };

struct rig_client {
    struct sim_node *node;
    struct loop loop;
    struct slab slab;
    struct prng prng;
    struct client_env env;
    struct client_options options;
    struct client_cluster *cluster;
    uint32_t index;
};

static struct rig_client rig_clients[CLIENTS_MAX];

static inline void rig_client_start(struct sim_node *node)
{
    struct rig_client *client = node->options.context;
    char problem[200];

    prng_fork(&node->prng, "client", &client->prng);
    loop_init(&client->loop, 0, sim_node_io(node, 0), sim_node_clock(node));
    sim_node_attach(node, 0, &client->loop);
    client->loop.now_ns = clock_mono_ns(client->loop.clock);
    slab_init(&client->slab, CLIENT_SLAB_BYTES);
    client->env = (struct client_env){
        .loop = &client->loop, .slab = &client->slab, .prng = &client->prng, .client_id = "rig"};
    cr_assert(eq(int,
                 client_cluster_create(&client->env, &client->options, &client->cluster, problem,
                                       sizeof(problem)),
                 OK),
              "%s", problem);
}

static inline void rig_client_end(struct sim_node *node, enum sim_crash kind)
{
}

/* A broker whose clients are told the address of its host. */
static inline void rig_start(uint32_t shards_count, const char *const *sets)
{
    static const char *all[12] = {"advertised.listeners=PLAINTEXT://10.0.0.1:9092"};

    for (uint32_t i = 0; sets != NULL && sets[i] != NULL; i++)
        all[i + 1] = sets[i];
    live_start(shards_count, all);
}

/* The client with this number, which knows where the broker is.  Before the first call of it its
 * options may be set. */
static inline struct rig_client *rig_client(uint32_t index)
{
    struct rig_client *client = &rig_clients[index];
    static char names[CLIENTS_MAX][16];

    if (client->node != NULL)
        return client;
    if (client->options.request_timeout_ms == 0)
        client->options = client_options_default();
    client->options.bootstrap_servers = "10.0.0.1:9092";
    client->index = index;
    snprintf(names[index], sizeof(names[index]), "rig %u", index);
    client->node = sim_node_create(live.world, &(struct sim_node_options){.name = names[index],
                                                                          .start = rig_client_start,
                                                                          .end = rig_client_end,
                                                                          .context = client});
    sim_node_start(client->node);
    return client;
}

/* ---- waiting */

struct rig_wait {
    struct client_wait wait;
    bool is_done;
    enum err err;
};

static inline void rig_on_waited(struct client_wait *wait, enum err err)
{
    struct rig_wait *of = container_of(wait, struct rig_wait, wait);

    cr_assert(not(of->is_done));
    of->is_done = true;
    of->err = err;
}

static inline bool rig_is_true(void *context)
{
    return *(bool *)context;
}

static inline void rig_until(bool *flag, uint64_t limit_ns)
{
    cr_assert(sim_world_run_until(live.world, rig_is_true, flag, limit_ns), "it did not happen");
}

static bool rig_has_closed;

static inline void rig_on_closed(void *context)
{
    rig_has_closed = true;
}

/* The handle of a topic that is there. */
static inline struct client_topic *rig_topic(struct rig_client *client, const char *name)
{
    struct client_topic *topic = client_cluster_topic(client->cluster, name);
    struct rig_wait wait = {.wait.done = rig_on_waited};

    client_cluster_wait_topic(client->cluster, &wait.wait, topic, 60000);
    rig_until(&wait.is_done, 120 * SIM_SECOND);
    cr_assert(eq(int, wait.err, OK));
    return topic;
}

/* ---- the broker: it dies, and is up again after a while */

static inline void rig_kill_broker(uint64_t away_ns)
{
    sim_node_crash(live.broker.node, SIM_KILL);
    sim_world_run_for(live.world, away_ns);
    sim_node_start(live.broker.node);
    cr_assert(sim_world_run_until(live.world, live_is_ready, NULL, 60 * SIM_SECOND));
    cr_assert(live.broker.ready);
}

/* Reset connections, let pipes stand still: so many millionths of the pieces. */
static inline void rig_set_faults(uint32_t cut_ppm, uint32_t hold_ppm)
{
    live.world->net.options.cut_ppm = cut_ppm;
    live.world->net.options.hold_ppm = hold_ppm;
    live.world->net.options.hold_time =
        (struct sim_span){.min_ns = SIM_MS, .max_ns = 2000 * SIM_MS};
}

/* ---- records: value number n of a partition says so */

static inline void rig_produce(const char *topic, int32_t partition, uint32_t first, uint32_t count,
                               enum compression codec)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct compression_context *context = compression_context_create();
    struct batch_builder builder;
    char value[64];

    options.codec = codec;
    batch_builder_init(&builder, &options);
    for (uint32_t i = first; i < first + count; i++) {
        int size_bytes = snprintf(value, sizeof(value), "%d:%u", partition, i);
        cr_assert(eq(int,
                     batch_builder_add_pair(&builder, NULL, -1, value, (int32_t)size_bytes,
                                            (int64_t)i + 1000),
                     OK));
    }
    cr_assert(eq(i16,
                 live_produce_built(live_client(0), topic, partition, &builder, context).error_code,
                 KAFKA_NONE));
    compression_context_destroy(context);
}

#endif
