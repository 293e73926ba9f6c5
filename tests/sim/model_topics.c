#include "tests/sim/model_topics.h"

#include "base/check.h"
#include "net/protocol/codec.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_metadata.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TICK_MS = 20 };

void model_topics_add(struct model_topics *topics, const char *name, uint32_t partitions_count)
{
    struct model_topic *topic = &topics->at[topics->count++];

    check(topics->count <= MODEL_TOPICS_MAX);
    snprintf(topic->name, sizeof(topic->name), "%s", name);
    topic->partitions_count = partitions_count;
    topic->rules.retention_ms = topic->rules.retention_bytes = -1;
    topic->first_partition = topics->partitions_count;
    topics->partitions_count += partitions_count;
    check(topics->partitions_count <= HISTORY_PARTITIONS_MAX);
}

void model_topics_set(struct model_topics *topics, const char *name, const char *format, ...)
{
    struct model_topic *topic = &topics->at[topics->count - 1];
    struct model_config *config = &topic->configs[topic->configs_count++];
    va_list args;

    check(topic->configs_count <= MODEL_CONFIGS_MAX);
    snprintf(config->name, sizeof(config->name), "%s", name);
    va_start(args, format);
    vsnprintf(config->value, sizeof(config->value), format, args);
    va_end(args);
}

uint32_t model_topics_again(struct model_topics *topics, uint32_t old_index)
{
    const struct model_topic *old = &topics->at[old_index];
    struct model_topic *topic;
    char name[sizeof(old->name)];

    memcpy(name, old->name, sizeof(name)); /* both lie in the one array */
    model_topics_add(topics, name, old->partitions_count);
    topic = &topics->at[topics->count - 1];
    topic->rules = old->rules;
    topic->trims = old->trims;
    topic->mortal = true;
    memcpy(topic->configs, old->configs, sizeof(topic->configs));
    topic->configs_count = old->configs_count;
    return topics->count - 1;
}

void model_topics_fill_creation(const struct model_topic *topic,
                                struct create_topics_request_creatable_topic *asked,
                                struct create_topics_request_creatable_topic_config *configs)
{
    codec_set_struct_defaults(&create_topics_request_creatable_topic_struct, asked);
    for (uint32_t i = 0; i < topic->configs_count; i++) {
        codec_set_struct_defaults(&create_topics_request_creatable_topic_config_struct,
                                  &configs[i]);
        configs[i].name = wire_string(topic->configs[i].name);
        configs[i].value = wire_string(topic->configs[i].value);
    }
    asked->name = wire_string(topic->name);
    asked->num_partitions = (int32_t)topic->partitions_count;
    asked->replication_factor = 1;
    asked->configs.items = configs;
    asked->configs.count = (int32_t)topic->configs_count;
}

const struct model_topic *model_topics_of_partition(const struct model_topics *topics,
                                                    uint32_t partition)
{
    for (uint32_t i = 0; i < topics->count; i++)
        if (partition < topics->at[i].first_partition + topics->at[i].partitions_count)
            return &topics->at[i];
    check(false);
    return NULL;
}

/* ---- the client: asks for creation, then for the id, until both were answered */

static struct model_topic *next_unknown(const struct model_admin *admin)
{
    for (uint32_t i = 0; i < admin->wanted; i++)
        if (uuid_is_zero(&admin->topics->at[i].id))
            return &admin->topics->at[i];
    return NULL;
}

bool model_admin_is_done(const struct model_admin *admin)
{
    return next_unknown(admin) == NULL;
}

static struct model_topic *topic_named(struct model_topics *topics, struct wire_string name)
{
    for (uint32_t i = 0; i < topics->count; i++)
        if (wire_string_is(name, topics->at[i].name))
            return &topics->at[i];
    return NULL;
}

static void on_metadata(struct model_call *call, enum err err, const void *answer)
{
    struct model_admin *admin = container_of(call, struct model_admin, call);
    const struct metadata_response *response = answer;

    admin->busy = false;
    for (int32_t i = 0; err == OK && i < response->topics.count; i++) {
        const struct metadata_response_topic *got = &response->topics.items[i];
        struct model_topic *topic = topic_named(admin->topics, got->name);
        if (topic != NULL && got->error_code == KAFKA_NONE)
            topic->id = got->topic_id;
    }
}

static void ask_id(struct model_admin *admin, const struct model_topic *topic)
{
    struct metadata_request_topic asked;
    struct metadata_request request;

    codec_set_defaults(&metadata_request_desc, &request);
    codec_set_struct_defaults(&metadata_request_topic_struct, &asked);
    asked.name = wire_string(topic->name);
    request.topics.items = &asked;
    request.topics.count = 1;
    request.allow_auto_topic_creation = false;
    admin->busy = true;
    model_client_call(&admin->client, &admin->call, API_METADATA,
                      model_client_version(&admin->client, API_METADATA, 10, 13), &request,
                      on_metadata);
}

static void on_created(struct model_call *call, enum err err, const void *answer)
{
    struct model_admin *admin = container_of(call, struct model_admin, call);
    const struct create_topics_response *response = answer;
    const struct create_topics_response_creatable_topic_result *result;
    struct model_topic *topic;

    admin->busy = false;
    if (err != OK || response->topics.count != 1)
        return;
    result = &response->topics.items[0];
    topic = topic_named(admin->topics, result->name);
    if (topic == NULL)
        return;
    if (result->error_code == KAFKA_NONE && call->version >= 7)
        topic->id = result->topic_id;
    else if (result->error_code == KAFKA_NONE || result->error_code == KAFKA_TOPIC_ALREADY_EXISTS)
        if (model_client_is_up(&admin->client))
            ask_id(admin, topic);
}

static void create(struct model_admin *admin, const struct model_topic *topic)
{
    struct create_topics_request_creatable_topic asked;
    struct create_topics_request_creatable_topic_config configs[MODEL_CONFIGS_MAX];
    struct create_topics_request request;

    codec_set_defaults(&create_topics_request_desc, &request);
    model_topics_fill_creation(topic, &asked, configs);
    request.topics.items = &asked;
    request.topics.count = 1;
    request.timeout_ms = 5000;
    admin->busy = true;
    model_client_call(&admin->client, &admin->call, API_CREATE_TOPICS,
                      model_client_version(&admin->client, API_CREATE_TOPICS, 2, 7), &request,
                      on_created);
}

static void on_tick(struct timer *timer)
{
    struct model_admin *admin = container_of(timer, struct model_admin, tick);
    const struct model_topic *topic = next_unknown(admin);

    if (topic != NULL && !admin->busy && model_client_is_up(&admin->client))
        create(admin, topic);
    loop_set_timer_ms(&admin->client.loop, &admin->tick, TICK_MS);
}

void model_admin_init(struct model_admin *admin, struct sim_node *node, struct history *history,
                      const struct model_client_options *options, struct model_topics *topics,
                      uint32_t wanted)
{
    *admin = (struct model_admin){.topics = topics, .wanted = wanted};
    model_client_init(&admin->client, node, history, options);
    timer_init(&admin->tick, on_tick);
    loop_set_timer_ms(&admin->client.loop, &admin->tick, TICK_MS);
}

void model_admin_deinit(struct model_admin *admin)
{
    loop_cancel_timer(&admin->client.loop, &admin->tick);
    model_client_deinit(&admin->client);
}
