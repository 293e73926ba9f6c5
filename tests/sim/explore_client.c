#include "tests/sim/explore_client.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/codec.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_records.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "net/protocol/msg_metadata.h"

#include <inttypes.h>
#include <string.h>

enum { TIMEOUT_MS = 5000 };

void explore_client_init(struct explore_client *client, struct sim_node *node,
                         struct history *history, const struct model_client_options *options,
                         struct model_topics *topics, const struct oracle *oracle)
{
    *client = (struct explore_client){.topics = topics, .oracle = oracle};
    model_client_init(&client->client, node, history, options);
}

void explore_client_deinit(struct explore_client *client)
{
    model_client_deinit(&client->client);
}

static void begin(struct explore_client *client, int16_t key, int16_t version, const void *request,
                  void (*done)(struct model_call *, enum err, const void *))
{
    check(!client->busy);
    client->client.loop.now_ns = clock_mono_ns(client->client.loop.clock); /* not in its turn */
    client->busy = true;
    client->error = KAFKA_NONE;
    model_client_call(&client->client, &client->call, key, version, request, done);
}

/* The call has ended; the client. */
static struct explore_client *ended(struct model_call *call, enum err err)
{
    struct explore_client *client = container_of(call, struct explore_client, call);

    client->busy = false;
    client->err = err;
    return client;
}

/* ---- a look */

static void take_topic(struct explore_client *client, const struct metadata_response_topic *topic)
{
    uint32_t found = MODEL_TOPICS_MAX;

    if (topic->is_internal)
        return;
    for (uint32_t i = 0; i < client->topics->count; i++)
        if (wire_string_is(topic->name, client->topics->at[i].name))
            found = i; /* the newest of that name */
    if (found == MODEL_TOPICS_MAX) {
        client->strangers_count++;
        return;
    }
    for (uint32_t i = 0; i < client->topics->count; i++)
        if (uuid_equal(&client->topics->at[i].id, &topic->topic_id))
            found = i;
    client->listed[found] = true;
    client->ids[found] = topic->topic_id;
}

static void on_looked(struct model_call *call, enum err err, const void *answer)
{
    struct explore_client *client = ended(call, err);
    const struct metadata_response *response = answer;

    for (int32_t i = 0; err == OK && i < response->topics.count; i++)
        take_topic(client, &response->topics.items[i]);
}

void explore_client_look(struct explore_client *client)
{
    struct metadata_request request;

    memset(client->listed, 0, sizeof(client->listed));
    client->strangers_count = 0;
    codec_set_defaults(&metadata_request_desc, &request);
    request.topics.count = -1; /* null: all of them */
    request.allow_auto_topic_creation = false;
    begin(client, API_METADATA, 12, &request, on_looked);
}

/* ---- records go */

static void on_records_deleted(struct model_call *call, enum err err, const void *answer)
{
    struct explore_client *client = ended(call, err);
    const struct delete_records_response *response = answer;
    struct history_event event = {
        .kind = HISTORY_DELETE_OK, .partition = client->partition, .offset = -1};

    if (err != OK)
        return;
    client->error = response->topics.items[0].partitions.items[0].error_code;
    event.low = response->topics.items[0].partitions.items[0].low_watermark;
    if (client->error == KAFKA_NONE)
        model_client_tell(&client->client, &event);
}

void explore_client_delete_records(struct explore_client *client, uint32_t partition,
                                   int64_t offset)
{
    const struct model_topic *known = model_topics_of_partition(client->topics, partition);
    struct delete_records_request_delete_records_partition asked;
    struct delete_records_request_delete_records_topic topic;
    struct delete_records_request request;
    struct history_event event = {.kind = HISTORY_DELETE, .partition = partition, .offset = offset};

    codec_set_defaults(&delete_records_request_desc, &request);
    codec_set_struct_defaults(&delete_records_request_delete_records_topic_struct, &topic);
    codec_set_struct_defaults(&delete_records_request_delete_records_partition_struct, &asked);
    asked.partition_index = (int32_t)(partition - known->first_partition);
    asked.offset = offset;
    topic.name = wire_string(known->name);
    topic.partitions.items = &asked;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    client->partition = partition;
    model_client_tell(&client->client, &event);
    begin(client, API_DELETE_RECORDS, 2, &request, on_records_deleted);
}

/* ---- a topic goes */

static void on_topic_deleted(struct model_call *call, enum err err, const void *answer)
{
    struct explore_client *client = ended(call, err);
    const struct delete_topics_response *response = answer;

    if (err == OK)
        client->error = response->responses.items[0].error_code;
}

void explore_client_delete_topic(struct explore_client *client, uint32_t topic)
{
    struct delete_topics_request_delete_topic_state state;
    struct delete_topics_request request;

    codec_set_defaults(&delete_topics_request_desc, &request);
    codec_set_struct_defaults(&delete_topics_request_delete_topic_state_struct, &state);
    state.topic_id = client->topics->at[topic].id;
    request.topics.items = &state;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    client->topic = topic;
    client->topics->at[topic].gone = true;
    begin(client, API_DELETE_TOPICS, 6, &request, on_topic_deleted);
}

/* ---- a topic comes */

static void on_created(struct model_call *call, enum err err, const void *answer)
{
    struct explore_client *client = ended(call, err);
    const struct create_topics_response *response = answer;

    if (err != OK)
        return;
    client->error = response->topics.items[0].error_code;
    if (client->error == KAFKA_NONE)
        client->topics->at[client->topic].id = response->topics.items[0].topic_id;
}

void explore_client_create(struct explore_client *client, uint32_t topic)
{
    struct create_topics_request_creatable_topic asked;
    struct create_topics_request_creatable_topic_config configs[MODEL_CONFIGS_MAX];
    struct create_topics_request request;

    codec_set_defaults(&create_topics_request_desc, &request);
    model_topics_fill_creation(&client->topics->at[topic], &asked, configs);
    request.topics.items = &asked;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    client->topic = topic;
    begin(client, API_CREATE_TOPICS, 7, &request, on_created);
}

/* ---- metadata grows */

static void on_altered(struct model_call *call, enum err err, const void *answer)
{
    struct explore_client *client = ended(call, err);
    const struct incremental_alter_configs_response *response = answer;

    if (err == OK)
        client->error = response->responses.items[0].error_code;
}

void explore_client_alter(struct explore_client *client, uint32_t topic, uint32_t value_bytes)
{
    struct incremental_alter_configs_request_alterable_config config;
    struct incremental_alter_configs_request_alter_configs_resource resource;
    struct incremental_alter_configs_request request;
    char *value = mem_alloc((size_t)value_bytes + 1);

    codec_set_defaults(&incremental_alter_configs_request_desc, &request);
    codec_set_struct_defaults(&incremental_alter_configs_request_alter_configs_resource_struct,
                              &resource);
    codec_set_struct_defaults(&incremental_alter_configs_request_alterable_config_struct, &config);
    for (uint32_t i = 0; i + 4 <= value_bytes; i += 4)
        memcpy(value + i, "0:0,", 4);
    value[(value_bytes - 1) / 4 * 4 - 1] = '\0';
    value[0] = (char)('1' + client->alterations_count++ % 9);
    config.name = wire_string("leader.replication.throttled.replicas");
    config.config_operation = KAFKA_ALTER_CONFIG_OP_SET;
    config.value = wire_string(value);
    resource.resource_type = KAFKA_CONFIG_RESOURCE_TYPE_TOPIC;
    resource.resource_name = wire_string(client->topics->at[topic].name);
    resource.configs.items = &config;
    resource.configs.count = 1;
    request.resources.items = &resource;
    request.resources.count = 1;
    begin(client, API_INCREMENTAL_ALTER_CONFIGS, 1, &request, on_altered);
    mem_free(value);
}
