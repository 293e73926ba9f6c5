/* DescribeConfigs (key 32): effective values, where they come from, types, documentation (KIP-133,
 * 226, 569).  Sources and synonyms are those of Kafka's ConfigHelper. */
#include "base/text.h"
#include "broker/config.h"
#include "broker/handlers.h"
#include "broker/metadata/config_rules.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "broker/topic_config.h"
#include "broker/topic_config_table.h"
#include "broker/topic_name.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_configs.h"

#include <stdio.h>
#include <string.h>

typedef struct describe_configs_request_describe_configs_resource asked_resource;
typedef struct describe_configs_response_describe_configs_result answered_resource;
typedef struct describe_configs_response_describe_configs_resource_result answered_config;

static const char invalid_request_text[] =
    "This most likely occurs because of a request being malformed by the client library or the "
    "message was sent to an incompatible broker. See the broker logs for more details.";

static int8_t type_of(const struct config_key *key)
{
    static const int8_t types[] = {
        [CONFIG_BOOL] = KAFKA_CONFIG_TYPE_BOOLEAN,  [CONFIG_I32] = KAFKA_CONFIG_TYPE_INT,
        [CONFIG_I64] = KAFKA_CONFIG_TYPE_LONG,      [CONFIG_I16] = KAFKA_CONFIG_TYPE_SHORT,
        [CONFIG_DOUBLE] = KAFKA_CONFIG_TYPE_DOUBLE, [CONFIG_STRING] = KAFKA_CONFIG_TYPE_STRING,
        [CONFIG_LIST] = KAFKA_CONFIG_TYPE_LIST,     [CONFIG_PASSWORD] = KAFKA_CONFIG_TYPE_PASSWORD,
        [CONFIG_CLASS] = KAFKA_CONFIG_TYPE_CLASS,
    };

    return types[key->type];
}

/* Null and empty both mean every key. */
static bool is_asked(const asked_resource *asked, const char *name)
{
    for (int32_t i = 0; i < asked->configuration_keys.count; i++)
        if (wire_string_is(asked->configuration_keys.items[i], name))
            return true;
    return asked->configuration_keys.count <= 0;
}

/* The texts of a value may lie in the caller's stack or in the image: copied. */
static struct wire_string copy(struct request *request, const struct config_key *key,
                               const char *text)
{
    if (text == NULL || key->type == CONFIG_PASSWORD)
        return (struct wire_string){0}; /* secrets are never told */
    return wire_string(request_text(request, wire_string(text)));
}

static void fill_common(struct request *request, const struct config_key *key, answered_config *out)
{
    const struct describe_configs_request *body = request->body;

    out->name = wire_string(key->name);
    out->is_sensitive = key->type == CONFIG_PASSWORD;
    out->config_type = type_of(key);
    out->documentation = wire_string(body->include_documentation ? key->doc : NULL);
}

static void add_synonym(struct request *request, const struct config_key *key, answered_config *out,
                        const char *name, const char *text, enum config_source source)
{
    struct describe_configs_response_describe_configs_synonym *synonym =
        &out->synonyms.items[out->synonyms.count++];

    synonym->name = wire_string(name);
    synonym->value = copy(request, key, text);
    synonym->source = (int8_t)source;
}

/* ---- topics */

/* Kafka leaves out the broker's synonyms that stand before the first one with the main name, hence
 * all of them when the main one (log.retention.ms) is not set. */
static void fill_topic_synonyms(struct request *request, const char *topic,
                                const struct config_key *key, answered_config *out)
{
    struct topic_config_synonym synonyms[TOPIC_CONFIG_SYNONYMS_MAX];
    const char *main_name = topic_config_origin(key)->broker_names[0];
    uint32_t count = topic_config_synonyms(request->home->config, request->home->image, topic,
                                           key->name, synonyms);
    bool main_seen = main_name == NULL;

    out->synonyms.items = request_new_array(
        request, &describe_configs_response_describe_configs_synonym_struct, (int32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        bool is_topics = synonyms[i].source == CONFIG_SOURCE_TOPIC;
        main_seen = main_seen || strcmp(synonyms[i].name, main_name) == 0;
        if (is_topics || main_seen)
            add_synonym(request, key, out, synonyms[i].name, synonyms[i].text, synonyms[i].source);
    }
}

static void fill_topic(struct request *request, const asked_resource *asked, const char *topic,
                       answered_resource *out)
{
    const struct describe_configs_request *body = request->body;
    uint32_t count;
    const struct config_key *keys = topic_config_keys(&count);

    out->configs.items = request_new_array(
        request, &describe_configs_response_describe_configs_resource_result_struct,
        (int32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        struct topic_config_value value;
        answered_config *config = &out->configs.items[out->configs.count];
        if (!is_asked(asked, keys[i].name))
            continue;
        out->configs.count++;
        topic_config_value(request->home->config, request->home->image, topic, keys[i].name,
                           &value);
        fill_common(request, &keys[i], config);
        config->value = copy(request, &keys[i], value.text);
        config->config_source = (int8_t)value.source;
        if (body->include_synonyms)
            fill_topic_synonyms(request, topic, &keys[i], config);
    }
}

static void describe_topic(struct request *request, const asked_resource *asked,
                           answered_resource *out)
{
    struct wire_string name = asked->resource_name;
    const struct image_topic *topic;

    if (!topic_name_check(name, &request->arena, &out->error_message)) {
        out->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
        return;
    }
    if (!request_may(request, KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                     name.text, (size_t)name.size_bytes)) {
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        return;
    }
    topic = image_topic_by_name(request->home->image, name.text, (size_t)name.size_bytes);
    if (topic == NULL)
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    else
        fill_topic(request, asked, topic->name, out);
}

/* ---- brokers */

/* What has a value for this broker, the strongest first. */
static void fill_broker_synonyms(struct request *request, const struct config_key *key,
                                 answered_config *out)
{
    const struct config *config = request->home->config;
    const struct image *image = request->home->image;
    char id[16];
    const char *text;

    snprintf(id, sizeof(id), "%d", config_node_id(config));
    out->synonyms.items =
        request_new_array(request, &describe_configs_response_describe_configs_synonym_struct, 4);
    text = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, id, key->name);
    if (text != NULL)
        add_synonym(request, key, out, key->name, text, CONFIG_SOURCE_BROKER);
    text = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, "", key->name);
    if (text != NULL)
        add_synonym(request, key, out, key->name, text, CONFIG_SOURCE_DEFAULT_BROKER);
    if (config_is_set(config, key->name))
        add_synonym(request, key, out, key->name, config_text(config, key->name),
                    CONFIG_SOURCE_STATIC);
    if (key->default_text != NULL)
        add_synonym(request, key, out, key->name, key->default_text, CONFIG_SOURCE_DEFAULT);
}

/* is_cluster: the resource "", which holds only what was set for all brokers. */
static void fill_broker(struct request *request, const asked_resource *asked, bool is_cluster,
                        answered_resource *out)
{
    const struct describe_configs_request *body = request->body;
    const struct config *config = request->home->config;
    const struct image *image = request->home->image;
    uint32_t count;
    const struct config_key *keys = config_keys(&count);

    out->configs.items = request_new_array(
        request, &describe_configs_response_describe_configs_resource_result_struct,
        (int32_t)count);
    for (uint32_t i = 0; i < count; i++) {
        const struct config_key *key = &keys[i];
        const char *common = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, "", key->name);
        answered_config *answer = &out->configs.items[out->configs.count];
        if (!is_asked(asked, key->name) || (is_cluster && common == NULL))
            continue;
        out->configs.count++;
        fill_common(request, key, answer);
        answer->read_only = !config_rules_is_changeable(key);
        answer->value =
            copy(request, key, is_cluster ? common : config_string(config, image, key->name));
        answer->config_source = (int8_t)(is_cluster ? CONFIG_SOURCE_DEFAULT_BROKER
                                                    : config_source_of(config, image, key->name));
        if (body->include_synonyms && is_cluster) {
            answer->synonyms.items = request_new_array(
                request, &describe_configs_response_describe_configs_synonym_struct, 1);
            add_synonym(request, key, answer, key->name, common, CONFIG_SOURCE_DEFAULT_BROKER);
        } else if (body->include_synonyms) {
            fill_broker_synonyms(request, key, answer);
        }
    }
}

static void describe_broker(struct request *request, const asked_resource *asked,
                            answered_resource *out)
{
    struct wire_string name = asked->resource_name;
    int32_t node_id = config_node_id(request->home->config);
    int64_t id = node_id;

    if (name.size_bytes > 0 &&
        text_parse_i64(name.text, (size_t)name.size_bytes, INT32_MIN, INT32_MAX, &id) != OK) {
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message =
            topic_name_text(&request->arena, "Broker id must be an integer, but it is: ", name, "");
        return;
    }
    if (id != node_id) {
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message = wire_string(arena_printf(
            &request->arena, "Unexpected broker id, expected %d or empty string, but received %d",
            node_id, (int)id));
        return;
    }
    fill_broker(request, asked, name.size_bytes == 0, out);
}

void handle_describe_configs(struct request *request)
{
    const struct describe_configs_request *body = request->body;
    struct describe_configs_response *response = request->response;

    response->results.items = request_new_array(
        request, &describe_configs_response_describe_configs_result_struct, body->resources.count);
    response->results.count = body->resources.count;
    for (int32_t i = 0; i < body->resources.count; i++) {
        const asked_resource *asked = &body->resources.items[i];
        answered_resource *out = &response->results.items[i];
        out->resource_type = asked->resource_type;
        out->resource_name = asked->resource_name;
        out->error_message = wire_string("");
        if (asked->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_TOPIC) {
            describe_topic(request, asked, out);
        } else if (asked->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER) {
            describe_broker(request, asked, out);
        } else {
            out->error_code = KAFKA_INVALID_REQUEST;
            out->error_message = wire_string(invalid_request_text);
        }
    }
    request_answer(request);
}
