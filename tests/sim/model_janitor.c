#include "tests/sim/model_janitor.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/codec.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_records.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "net/protocol/msg_metadata.h"
#include "net/protocol/msg_produce.h"
#include "tests/sim/model_batch.h"
#include "tests/sim/sim_marks.h"

#include <inttypes.h>
#include <stdio.h>

enum { TIMEOUT_MS = 5000, RECREATE_ODDS = 4, ALTER_ODDS = 3 };

static struct model_topic *old_topic(const struct model_janitor *janitor)
{
    return &janitor->topics->at[janitor->old_topic];
}

static struct model_topic *new_topic(const struct model_janitor *janitor)
{
    return &janitor->topics->at[janitor->new_topic];
}

/* ---- records below an offset */

static void on_records_deleted(struct model_call *call, enum err err, const void *answer)
{
    struct model_janitor *janitor = container_of(call, struct model_janitor, call);
    const struct delete_records_response *response = answer;
    const struct delete_records_response_delete_records_partition_result *result;
    struct history_event event = {.kind = HISTORY_DELETE_OK,
                                  .partition = janitor->partition,
                                  .offset = -1,
                                  .asked_ns = janitor->asked_ns};

    janitor->busy = false;
    if (err != OK || response->topics.count != 1 || response->topics.items[0].partitions.count != 1)
        return;
    result = &response->topics.items[0].partitions.items[0];
    if (result->error_code != KAFKA_NONE)
        return;
    janitor->deletions_count++;
    sim_mark(MARK_RECORDS_DELETED);
    event.low = result->low_watermark;
    model_client_tell(&janitor->client, &event);
}

static void delete_records(struct model_janitor *janitor)
{
    struct delete_records_request_delete_records_partition partition;
    struct delete_records_request_delete_records_topic topic;
    struct delete_records_request request;
    uint32_t chosen =
        (uint32_t)prng_below(&janitor->client.prng, janitor->topics->partitions_count);
    const struct model_topic *known = model_topics_of_partition(janitor->topics, chosen);
    int64_t high = janitor->oracle->partitions[chosen].high;
    struct history_event event = {.kind = HISTORY_DELETE, .partition = chosen};

    if (!known->trims || uuid_is_zero(&known->id) || high <= 0)
        return;
    codec_set_defaults(&delete_records_request_desc, &request);
    codec_set_struct_defaults(&delete_records_request_delete_records_topic_struct, &topic);
    codec_set_struct_defaults(&delete_records_request_delete_records_partition_struct, &partition);
    partition.partition_index = (int32_t)(chosen - known->first_partition);
    partition.offset = 1 + (int64_t)prng_below(&janitor->client.prng, (uint64_t)high);
    topic.name = wire_string(known->name);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    event.offset = partition.offset;
    model_client_tell(&janitor->client, &event);
    janitor->partition = chosen;
    janitor->asked_ns = sim_world_now_ns(janitor->client.node->world);
    janitor->busy = true;
    model_client_call(&janitor->client, &janitor->call, API_DELETE_RECORDS,
                      model_client_version(&janitor->client, API_DELETE_RECORDS, 0, 2), &request,
                      on_records_deleted);
}

/* ---- a topic goes */

static void on_topic_deleted(struct model_call *call, enum err err, const void *answer)
{
    struct model_janitor *janitor = container_of(call, struct model_janitor, call);
    const struct delete_topics_response *response = answer;
    int16_t error;

    janitor->busy = false;
    if (err != OK || response->responses.count != 1)
        return;
    error = response->responses.items[0].error_code;
    if (error != KAFKA_NONE && error != KAFKA_UNKNOWN_TOPIC_ID)
        return;
    janitor->new_topic = model_topics_again(janitor->topics, janitor->old_topic);
    for (uint32_t p = 0; p < new_topic(janitor)->partitions_count; p++)
        oracle_set_rules(janitor->oracle, new_topic(janitor)->first_partition + p,
                         &new_topic(janitor)->rules);
    janitor->state = JANITOR_CREATING;
}

static void delete_topic(struct model_janitor *janitor)
{
    struct delete_topics_request_delete_topic_state topic;
    struct delete_topics_request request;

    old_topic(janitor)->gone = true; /* MJN-1 */
    janitor->state = JANITOR_DELETING;
    codec_set_defaults(&delete_topics_request_desc, &request);
    codec_set_struct_defaults(&delete_topics_request_delete_topic_state_struct, &topic);
    topic.topic_id = old_topic(janitor)->id;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    janitor->busy = true;
    model_client_call(&janitor->client, &janitor->call, API_DELETE_TOPICS, 6, &request,
                      on_topic_deleted);
}

/* ---- and comes back as another */

static void take_id(struct model_janitor *janitor, const struct uuid *id)
{
    struct history_event event = {.kind = HISTORY_WIRE, .offset = -1};

    for (uint32_t i = 0; i < janitor->topics->count; i++)
        if (uuid_equal(&janitor->topics->at[i].id, id))
            model_client_tell(&janitor->client, &event); /* MJN-2 */
    new_topic(janitor)->id = *id;
    janitor->state = JANITOR_IDLE;
    janitor->recreations_count++;
    sim_mark(MARK_TOPIC_AGAIN);
}

static void on_metadata(struct model_call *call, enum err err, const void *answer)
{
    struct model_janitor *janitor = container_of(call, struct model_janitor, call);
    const struct metadata_response *response = answer;

    janitor->busy = false;
    if (err == OK && response->topics.count == 1 &&
        response->topics.items[0].error_code == KAFKA_NONE)
        take_id(janitor, &response->topics.items[0].topic_id);
}

static void ask_id(struct model_janitor *janitor)
{
    struct metadata_request_topic asked;
    struct metadata_request request;

    codec_set_defaults(&metadata_request_desc, &request);
    codec_set_struct_defaults(&metadata_request_topic_struct, &asked);
    asked.name = wire_string(new_topic(janitor)->name);
    request.topics.items = &asked;
    request.topics.count = 1;
    request.allow_auto_topic_creation = false;
    janitor->busy = true;
    model_client_call(&janitor->client, &janitor->call, API_METADATA, 12, &request, on_metadata);
}

static void on_created(struct model_call *call, enum err err, const void *answer)
{
    struct model_janitor *janitor = container_of(call, struct model_janitor, call);
    const struct create_topics_response *response = answer;

    janitor->busy = false;
    if (err != OK || response->topics.count != 1)
        return;
    if (response->topics.items[0].error_code == KAFKA_NONE) {
        janitor->created = true;
        take_id(janitor, &response->topics.items[0].topic_id);
    } else if (response->topics.items[0].error_code == KAFKA_TOPIC_ALREADY_EXISTS &&
               model_client_is_up(&janitor->client)) {
        ask_id(janitor);
    }
}

static void tell_record(struct model_janitor *janitor, enum history_kind kind, int64_t offset,
                        int16_t error, const struct model_batch_record *record)
{
    struct history_event event = {
        .kind = kind,
        .partition = new_topic(janitor)->first_partition,
        .session = (uint32_t)janitor->next_counter,
        .offset = offset,
        .value = history_value(janitor->client.options.id, janitor->next_counter - 1),
        .producer_id = -1,
        .sequence = -1,
        .error = error};

    if (record != NULL) {
        event.timestamp_ms = record->timestamp_ms;
        event.value_bytes = record->value_bytes;
    }
    model_client_tell(&janitor->client, &event);
}

static void on_record(struct model_call *call, enum err err, const void *answer)
{
    struct model_janitor *janitor = container_of(call, struct model_janitor, record_call);
    const struct produce_response *response = answer;
    const struct produce_response_partition_produce_response *result;

    janitor->record_busy = false;
    if (err != OK || response->responses.count != 1 ||
        response->responses.items[0].partition_responses.count != 1) {
        tell_record(janitor, HISTORY_SEND_INFO, -1, 0, NULL);
        return;
    }
    result = &response->responses.items[0].partition_responses.items[0];
    if (result->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION && janitor->created)
        tell_record(janitor, HISTORY_OVERTAKEN, -1, result->error_code, NULL);
    /* by name it may have met the topic that another request of ours made */
    tell_record(janitor, HISTORY_SEND_INFO, -1, result->error_code, NULL);
}

/* Right behind the creation, by name. */
static void send_record(struct model_janitor *janitor)
{
    struct model_batch_record record = {.value_bytes = 20,
                                        .timestamp_ms = clock_wall_ms(janitor->client.loop.clock)};
    struct model_batch_spec spec = {
        .first_value = history_value(janitor->client.options.id, janitor->next_counter++),
        .records = &record,
        .records_count = 1,
        .plain = janitor->topics->plain,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1};
    struct produce_request_partition_produce_data data;
    struct produce_request_topic_produce_data topic;
    struct produce_request request;
    struct wire_slice slice;
    uint8_t *bytes;
    uint32_t size_bytes;

    model_batch_make(&spec, janitor->compression, &janitor->client.prng, &bytes, &size_bytes);
    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &data);
    slice = (struct wire_slice){.bytes = bytes, .size_bytes = size_bytes};
    data.records =
        (struct wire_records){.slices = &slice, .slice_count = 1, .size_bytes = size_bytes};
    topic.name = wire_string(new_topic(janitor)->name);
    topic.partition_data.items = &data;
    topic.partition_data.count = 1;
    request.acks = -1;
    request.timeout_ms = TIMEOUT_MS;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    tell_record(janitor, HISTORY_SEND, -1, 0, &record);
    janitor->record_busy = true;
    model_client_call(&janitor->client, &janitor->record_call, API_PRODUCE, 12, &request,
                      on_record);
    mem_free(bytes);
}

static void create_topic(struct model_janitor *janitor)
{
    struct create_topics_request_creatable_topic asked;
    struct create_topics_request_creatable_topic_config configs[MODEL_CONFIGS_MAX];
    struct create_topics_request request;

    codec_set_defaults(&create_topics_request_desc, &request);
    model_topics_fill_creation(new_topic(janitor), &asked, configs);
    request.topics.items = &asked;
    request.topics.count = 1;
    request.timeout_ms = TIMEOUT_MS;
    janitor->created = false;
    janitor->busy = true;
    model_client_call(&janitor->client, &janitor->call, API_CREATE_TOPICS, 7, &request, on_created);
    /* a network with faults may deliver it when the topic is a later one */
    if (janitor->options.pipelines && janitor->client.node->world->net.no_faults)
        send_record(janitor);
}

/* ---- segments of another size */

static void on_altered(struct model_call *call, enum err err, const void *answer)
{
    struct model_janitor *janitor = container_of(call, struct model_janitor, call);
    const struct incremental_alter_configs_response *response = answer;

    janitor->busy = false;
    if (err == OK && response->responses.count == 1 &&
        response->responses.items[0].error_code == KAFKA_NONE)
        sim_mark(MARK_SEGMENTS_ALTERED);
}

static void alter_segments(struct model_janitor *janitor)
{
    const struct model_topics *topics = janitor->topics;
    const struct model_topic *topic = &topics->at[prng_below(&janitor->client.prng, topics->count)];
    struct incremental_alter_configs_request_alterable_config config;
    struct incremental_alter_configs_request_alter_configs_resource resource;
    struct incremental_alter_configs_request request;
    char value[16];

    if (topic->gone || uuid_is_zero(&topic->id))
        return;
    snprintf(value, sizeof(value), "%" PRIu32,
             janitor->options.segment_bytes << janitor->alterations_count++ % 2);
    codec_set_defaults(&incremental_alter_configs_request_desc, &request);
    codec_set_struct_defaults(&incremental_alter_configs_request_alter_configs_resource_struct,
                              &resource);
    codec_set_struct_defaults(&incremental_alter_configs_request_alterable_config_struct, &config);
    config.name = wire_string("segment.bytes");
    config.config_operation = KAFKA_ALTER_CONFIG_OP_SET;
    config.value = wire_string(value);
    resource.resource_type = KAFKA_CONFIG_RESOURCE_TYPE_TOPIC;
    resource.resource_name = wire_string(topic->name);
    resource.configs.items = &config;
    resource.configs.count = 1;
    request.resources.items = &resource;
    request.resources.count = 1;
    janitor->busy = true;
    model_client_call(&janitor->client, &janitor->call, API_INCREMENTAL_ALTER_CONFIGS, 1, &request,
                      on_altered);
}

/* ---- its life */

static bool choose_topic(struct model_janitor *janitor)
{
    const struct model_topics *topics = janitor->topics;
    uint32_t chosen = (uint32_t)prng_below(&janitor->client.prng, topics->count);
    const struct model_topic *topic = &topics->at[chosen];

    if (!topic->mortal || topic->gone || uuid_is_zero(&topic->id) ||
        janitor->recreations_count >= janitor->options.recreations_max)
        return false;
    janitor->old_topic = chosen;
    return true;
}

static void act(struct model_janitor *janitor)
{
    switch (janitor->state) {
    case JANITOR_DELETING:
        delete_topic(janitor);
        break;
    case JANITOR_CREATING:
        create_topic(janitor);
        break;
    case JANITOR_IDLE:
        if (janitor->finishing)
            break;
        if (prng_chance(&janitor->client.prng, 1, RECREATE_ODDS) && choose_topic(janitor))
            delete_topic(janitor);
        else if (janitor->options.segment_bytes > 0 &&
                 prng_chance(&janitor->client.prng, 1, ALTER_ODDS))
            alter_segments(janitor);
        else if (janitor->options.deletes_records)
            delete_records(janitor);
        break;
    }
}

static void on_tick(struct timer *timer)
{
    struct model_janitor *janitor = container_of(timer, struct model_janitor, tick);

    if (!janitor->busy && !janitor->record_busy && model_client_is_up(&janitor->client))
        act(janitor);
    loop_set_timer_ms(&janitor->client.loop, &janitor->tick,
                      model_client_draw_ms(&janitor->client, janitor->options.pause_max_ms));
}

void model_janitor_init(struct model_janitor *janitor, struct sim_node *node,
                        struct history *history, const struct model_client_options *client,
                        const struct model_janitor_options *options, struct model_topics *topics,
                        struct oracle *oracle)
{
    *janitor = (struct model_janitor){.options = *options, .topics = topics, .oracle = oracle};
    model_client_init(&janitor->client, node, history, client);
    janitor->compression = compression_context_create();
    timer_init(&janitor->tick, on_tick);
    loop_set_timer_ms(&janitor->client.loop, &janitor->tick, 1);
}

void model_janitor_deinit(struct model_janitor *janitor)
{
    loop_cancel_timer(&janitor->client.loop, &janitor->tick);
    model_client_deinit(&janitor->client);
    compression_context_destroy(janitor->compression);
}

bool model_janitor_is_done(const struct model_janitor *janitor)
{
    return janitor->state == JANITOR_IDLE && !janitor->busy && !janitor->record_busy;
}
