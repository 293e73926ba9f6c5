/* live_rig: a whole broker in a simulated world, and clients that speak to it.  Included by one
 * test file at a time.
 *
 * Each test is a process of its own, so what a crashed broker leaves behind does not matter. */
#ifndef LEVEE_TESTS_LIVE_RIG_H
#define LEVEE_TESTS_LIVE_RIG_H

#include "base/mem.h"
#include "broker/metadata/image.h"
#include "broker/shard.h"
#include "net/conn_server.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_produce.h"
#include "record/batch_builder.h"
#include "tests/sim/model_client.h"
#include "tests/sim/sim_broker.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>

enum { LIVE_CLIENTS_MAX = 4 };

struct live_client {
    struct model_client client;
    struct sim_node *node;
    uint32_t index;
};

static struct {
    struct sim_world *world;
    struct sim_broker broker;
    struct history history;
    struct live_client clients[LIVE_CLIENTS_MAX];
    struct broker_sizes sizes; /* set before live_start */
} live;

static inline void live_start_client(struct sim_node *node)
{
    struct live_client *client = node->options.context;
    struct model_client_options options = {
        .id = client->index, .timeout_ms = 600000, .reconnect_max_ms = 5};

    options.broker = sim_node_address(live.broker.node, SIM_BROKER_PORT);
    model_client_init(&client->client, node, &live.history, &options);
}

static inline void live_end_client(struct sim_node *node, enum sim_crash kind)
{
    model_client_deinit(&((struct live_client *)node->options.context)->client);
}

static inline bool live_is_ready(void *context)
{
    return live.broker.ready || live.broker.failed;
}

static inline bool live_is_up(void *context)
{
    return model_client_is_up(&((struct live_client *)context)->client);
}

/* The client with this number, connected. */
static inline struct live_client *live_client(uint32_t index)
{
    struct live_client *client = &live.clients[index];
    char name[16];

    if (client->node == NULL) {
        snprintf(name, sizeof(name), "client %u", index);
        client->index = index;
        client->node =
            sim_node_create(live.world, &(struct sim_node_options){.name = name,
                                                                   .start = live_start_client,
                                                                   .end = live_end_client,
                                                                   .context = client});
    }
    if (!sim_node_is_running(client->node))
        sim_node_start(client->node);
    cr_assert(sim_world_run_until(live.world, live_is_up, client, 60 * SIM_SECOND));
    return client;
}

/* A broker with so many shards and settings ("key=value", ends with NULL; NULL: none). */
static inline void live_start(uint32_t shards_count, const char *const *sets)
{
    static const char *all[16] = {"listeners=PLAINTEXT://:9092",
                                  "levee.http.listener=", "log.dirs=data",
                                  "levee.disk.reserve.bytes=0"};
    uint32_t count = 4;

    for (; sets != NULL && *sets != NULL; sets++)
        all[count++] = *sets;
    live.world = sim_world_create(&(struct sim_world_options){.seed = 7});
    history_init(&live.history);
    sim_broker_init(&live.broker, live.world, "broker",
                    &(struct sim_broker_options){
                        .shards_count = shards_count, .sets = all, .sizes = live.sizes});
    sim_node_start(live.broker.node);
    cr_assert(sim_world_run_until(live.world, live_is_ready, NULL, 60 * SIM_SECOND));
    cr_assert(live.broker.ready);
}

/* ---- asking */

struct live_ask {
    struct model_call call;
    bool is_done;
    enum err err;
    uint64_t asked_ns; /* virtual time */
    uint64_t answered_ns;
    /* What to take from the answer, which lives no longer than this call; may be NULL. */
    void (*look)(struct live_ask *ask, const void *response);
    void *context; /* for look */
};

static inline void live_on_answer(struct model_call *call, enum err err, const void *response)
{
    struct live_ask *ask = container_of(call, struct live_ask, call);

    ask->is_done = true;
    ask->err = err;
    ask->answered_ns = sim_world_now_ns(live.world);
    if (err == OK && ask->look != NULL)
        ask->look(ask, response);
}

static inline void live_ask_start(struct live_ask *ask, struct live_client *client, int16_t key,
                                  int16_t version, const void *request)
{
    ask->is_done = false;
    ask->asked_ns = sim_world_now_ns(live.world);
    model_client_call(&client->client, &ask->call, key, version, request, live_on_answer);
}

static inline bool live_is_answered(void *context)
{
    return ((struct live_ask *)context)->is_done;
}

/* Until it is answered, or the virtual time is over; false then. */
static inline bool live_ask_wait(struct live_ask *ask, uint64_t limit_ms)
{
    return sim_world_run_until(live.world, live_is_answered, ask, limit_ms * SIM_MS);
}

/* Ask and wait for an answer, which must come. */
static inline void live_ask(struct live_ask *ask, struct live_client *client, int16_t key,
                            int16_t version, const void *request)
{
    live_ask_start(ask, client, key, version, request);
    cr_assert(live_ask_wait(ask, 600000), "no answer");
    cr_assert(eq(int, ask->err, OK));
}

/* ---- topics */

/* context: struct uuid, the id. */
static inline void live_look_created(struct live_ask *ask, const void *response)
{
    const struct create_topics_response *answer = response;

    cr_assert(eq(i16, answer->topics.items[0].error_code, KAFKA_NONE));
    *(struct uuid *)ask->context = answer->topics.items[0].topic_id;
}

/* context: int16_t, the error code. */
static inline void live_look_create_code(struct live_ask *ask, const void *response)
{
    const struct create_topics_response *answer = response;

    *(int16_t *)ask->context = answer->topics.items[0].error_code;
}

/* ask has its look and context. */
static inline void live_create_start(struct live_ask *ask, struct live_client *client,
                                     const char *name, int32_t partitions, int32_t timeout_ms)
{
    struct create_topics_request_creatable_topic topic;
    struct create_topics_request request;

    codec_set_defaults(&create_topics_request_desc, &request);
    codec_set_struct_defaults(&create_topics_request_creatable_topic_struct, &topic);
    topic.name = wire_string(name);
    topic.num_partitions = partitions;
    topic.replication_factor = -1;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = timeout_ms;
    live_ask_start(ask, client, API_CREATE_TOPICS, 7, &request);
}

/* A new topic; its id. */
static inline struct uuid live_topic(struct live_client *client, const char *name,
                                     int32_t partitions)
{
    struct uuid id;
    struct live_ask ask = {.look = live_look_created, .context = &id};

    live_create_start(&ask, client, name, partitions, 60000);
    cr_assert(live_ask_wait(&ask, 600000), "no answer");
    cr_assert(eq(int, ask.err, OK));
    return id;
}

/* context: int16_t, the error code; or NULL: there is none. */
static inline void live_look_deleted(struct live_ask *ask, const void *response)
{
    const struct delete_topics_response *answer = response;
    int16_t code = answer->responses.items[0].error_code;

    if (ask->context == NULL)
        cr_assert(eq(i16, code, KAFKA_NONE));
    else
        *(int16_t *)ask->context = code;
}

/* ask has its context. */
static inline void live_delete_start(struct live_ask *ask, struct live_client *client,
                                     const char *topic_name, int32_t timeout_ms)
{
    struct wire_string name = wire_string(topic_name);
    struct delete_topics_request request;

    codec_set_defaults(&delete_topics_request_desc, &request);
    request.topic_names.items = &name;
    request.topic_names.count = 1;
    request.timeout_ms = timeout_ms;
    ask->look = live_look_deleted;
    live_ask_start(ask, client, API_DELETE_TOPICS, 5, &request);
}

/* ---- records */

/* One batch to one partition. */
struct live_produce {
    struct live_ask ask;
    const char *topic_name;
    int32_t partition;
    int16_t acks;
    int32_t timeout_ms;
    /* out */
    int16_t error_code;
    int64_t base_offset;
    uint32_t size_bytes; /* of the batch */
};

/* With acks=all and time enough. */
static inline struct live_produce live_produce_to(const char *topic_name, int32_t partition)
{
    return (struct live_produce){
        .topic_name = topic_name, .partition = partition, .acks = -1, .timeout_ms = 60000};
}

static inline void live_look_produced(struct live_ask *ask, const void *response)
{
    struct live_produce *produce = container_of(ask, struct live_produce, ask);
    const struct produce_response *answer = response;

    produce->error_code = answer->responses.items[0].partition_responses.items[0].error_code;
    produce->base_offset = answer->responses.items[0].partition_responses.items[0].base_offset;
}

/* The bytes are read in this call. */
static inline void live_produce_start(struct live_produce *produce, struct live_client *client,
                                      const uint8_t *bytes, uint32_t size_bytes)
{
    struct wire_slice slice = {.bytes = bytes, .size_bytes = size_bytes};
    struct produce_request_partition_produce_data part;
    struct produce_request_topic_produce_data topic;
    struct produce_request request;

    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &part);
    part.index = produce->partition;
    part.records =
        (struct wire_records){.slices = &slice, .slice_count = 1, .size_bytes = size_bytes};
    topic.name = wire_string(produce->topic_name);
    topic.partition_data.items = &part;
    topic.partition_data.count = 1;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    request.acks = produce->acks;
    request.timeout_ms = produce->timeout_ms;
    produce->ask = (struct live_ask){.look = live_look_produced};
    produce->error_code = -1;
    produce->size_bytes = size_bytes;
    live_ask_start(&produce->ask, client, API_PRODUCE, 9, &request);
}

/* What the builder has, with acks=all, and the answer waited for.  The builder is given back.
 * compression: NULL when it does not compress. */
static inline struct live_produce live_produce_built(struct live_client *client,
                                                     const char *topic_name, int32_t partition,
                                                     struct batch_builder *builder,
                                                     struct compression_context *compression)
{
    struct live_produce produce = live_produce_to(topic_name, partition);
    const uint8_t *bytes;
    uint32_t size_bytes;

    cr_assert(eq(int, batch_builder_finish(builder, compression, &bytes, &size_bytes), OK));
    live_produce_start(&produce, client, bytes, size_bytes);
    cr_assert(live_ask_wait(&produce.ask, 600000), "no answer");
    cr_assert(eq(int, produce.ask.err, OK));
    batch_builder_deinit(builder);
    return produce;
}

/* One record of so many zeroes; the error code. */
static inline int16_t live_produce_zeroes(struct live_client *client, const char *topic_name,
                                          int32_t partition, int32_t value_bytes,
                                          int64_t timestamp_ms)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    uint8_t *value = mem_alloc((size_t)value_bytes);

    batch_builder_init(&builder, &options);
    cr_assert(
        eq(int, batch_builder_add_pair(&builder, NULL, -1, value, value_bytes, timestamp_ms), OK));
    mem_free(value);
    return live_produce_built(client, topic_name, partition, &builder, NULL).error_code;
}

/* ---- the broker from inside */

/* Connections that its shards still have in memory. */
static inline uint32_t live_connections(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < live.broker.shards_count; i++)
        count += broker_shard(live.broker.broker, i)->conns->conn_count;
    return count;
}

static inline bool live_has_stopped(void *context)
{
    return live.broker.stopped || live.broker.failed;
}

/* Milliseconds of virtual time that an orderly stop takes; it must come to an end. */
static inline uint64_t live_stop_ms(void)
{
    uint64_t begin_ns = sim_world_now_ns(live.world);

    sim_broker_ask_stop(&live.broker);
    cr_assert(sim_world_run_until(live.world, live_has_stopped, NULL, 600 * SIM_SECOND));
    cr_assert(live.broker.stopped);
    cr_assert(eq(int, live.broker.stop_err, OK));
    return (sim_world_now_ns(live.world) - begin_ns) / SIM_MS;
}

#endif
