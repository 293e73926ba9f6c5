/* Decisions about topics that nobody described: made because a client asked for one by its name, or
 * because the broker needs it. */
#include "broker/config/config_value.h"
#include "broker/internal_topics.h"
#include "broker/metadata/decision.h"
#include "broker/topic_config.h"
#include "net/protocol/kafka_errors.h"

#include <inttypes.h>

static void set_config(struct create_topics_request_creatable_topic_config *config,
                       enum topic_config_id id, const char *value)
{
    config->name = wire_string(topic_config_key(id)->name);
    config->value = wire_string(value);
}

/* The configured size, or the least that a topic may have (KIP-1030): Kafka takes any, and then
 * cannot make the topic. */
static const char *segment_bytes_of(const struct internal_topic *internal,
                                    struct decision *decision, struct log_sink *sink)
{
    int64_t asked = config_value_i64(decision->values, config_key(internal->segment_bytes_key));
    int64_t least = topic_config_key(TOPIC_CONFIG_SEGMENT_BYTES)->min;

    if (asked < least) {
        log_line(sink, LOG_INFO, "LVE-4014",
                 "the segments of an internal topic are made as large as a topic's must be",
                 log_i64("asked", asked), log_i64("segment_bytes", least));
        asked = least;
    }
    return arena_printf(decision->arena, "%" PRId64, asked);
}

/* It has settings of its own; its factor is what one broker can give. */
static enum err prepare_internal(const struct internal_topic *internal, struct decision *decision,
                                 struct log_sink *sink,
                                 struct create_topics_request_creatable_topic *topic)
{
    int64_t factor = config_value_i64(decision->values, config_key(internal->replication_key));
    int32_t first = 0;
    uint32_t live = decision_live_brokers(decision, &first);
    const char *segment_bytes = segment_bytes_of(internal, decision, sink);

    topic->num_partitions =
        (int32_t)config_value_i64(decision->values, config_key(internal->partitions_key));
    topic->configs.items =
        codec_new_array(&create_topics_request_creatable_topic_config_struct, decision->arena, 3);
    if (topic->configs.items == NULL || segment_bytes == NULL)
        return ERR_NOMEM;
    topic->configs.count = 3;
    set_config(&topic->configs.items[0], TOPIC_CONFIG_CLEANUP_POLICY, internal->cleanup_policy);
    set_config(&topic->configs.items[1], TOPIC_CONFIG_COMPRESSION_TYPE, internal->compression_type);
    set_config(&topic->configs.items[2], TOPIC_CONFIG_SEGMENT_BYTES, segment_bytes);
    if (factor > (int64_t)live && live > 0) {
        log_line(sink, LOG_INFO, "LVE-4010",
                 "the replication factor of an internal topic was lowered to the live brokers",
                 log_text("topic", topic->name.text, (size_t)topic->name.size_bytes),
                 log_i64("asked", factor), log_i64("brokers", live));
        factor = live;
    }
    topic->replication_factor = (int16_t)factor;
    return OK;
}

enum err decide_auto_create(struct decision *decision, struct log_sink *sink, const char *name,
                            int16_t *error_code)
{
    struct create_topics_request_creatable_topic topic = {
        .name = wire_string(name), .num_partitions = -1, .replication_factor = -1};
    struct create_topics_request request = {.topics = {&topic, 1}};
    struct create_topics_response response = {0};
    const struct internal_topic *internal = internal_topics_find(name);
    enum err err = OK;

    if (internal != NULL && internal->key_type >= 0)
        err = prepare_internal(internal, decision, sink, &topic);
    if (err == OK)
        err = decide_create_topics(decision, &request, &response);
    if (err != OK)
        return err;
    *error_code = response.topics.items[0].error_code;
    if (*error_code == KAFKA_TOPIC_ALREADY_EXISTS)
        *error_code = KAFKA_NONE;
    return OK;
}
