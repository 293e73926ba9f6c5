/* DescribeConfigs (key 32): effective values, where they come from, types, documentation (KIP-133,
 * 226, 569).  Sources and synonyms are those of Kafka's ConfigHelper. */
#include "base/hash_map.h"
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

/* Which of keys a resource is asked for; null and empty both mean every key.  NULL: no memory. */
static const bool *find_asked(struct request *request, const asked_resource *asked,
                              const struct config_key *keys, uint32_t count)
{
    bool *is_asked = request_try_alloc(request, count, sizeof(*is_asked));
    struct hash_map names;
    enum err err = OK;

    if (is_asked == NULL || asked->configuration_keys.count <= 0) {
        if (is_asked != NULL)
            memset(is_asked, 1, count);
        return is_asked;
    }
    hash_map_init(&names, prng_u64(&request->home->prng));
    for (uint32_t i = 0; i < count && err == OK; i++)
        err = hash_map_insert(&names, keys[i].name, strlen(keys[i].name), &is_asked[i]);
    for (int32_t i = 0; i < asked->configuration_keys.count && err == OK; i++) {
        struct wire_string name = asked->configuration_keys.items[i];
        bool *found = hash_map_find(&names, name.text, (size_t)name.size_bytes);
        if (found != NULL)
            *found = true;
    }
    hash_map_deinit(&names);
    return err == OK ? is_asked : NULL;
}

/* The texts of a value may lie in the caller's stack or in the image: copied.  False: no memory. */
static bool copy(struct request *request, const struct config_key *key, const char *text,
                 struct wire_string *out)
{
    if (key->type == CONFIG_PASSWORD)
        text = NULL; /* secrets are never told */
    return request_try_text(request, wire_string(text), out);
}

static void fill_common(struct request *request, const struct config_key *key, answered_config *out)
{
    const struct describe_configs_request *body = request->body;

    out->name = wire_string(key->name);
    out->is_sensitive = key->type == CONFIG_PASSWORD;
    out->config_type = type_of(key);
    out->documentation = wire_string(body->include_documentation ? config_key_doc(key) : NULL);
}

static bool add_synonym(struct request *request, const struct config_key *key, answered_config *out,
                        const char *name, const char *text, enum config_source source)
{
    struct describe_configs_response_describe_configs_synonym *synonym =
        &out->synonyms.items[out->synonyms.count++];

    synonym->name = wire_string(name);
    synonym->source = (int8_t)source;
    return copy(request, key, text, &synonym->value);
}

/* ---- topics */

/* Kafka leaves out the broker's synonyms that stand before the first one with the main name, hence
 * all of them when the main one (log.retention.ms) is not set. */
static bool fill_topic_synonyms(struct request *request, const char *topic,
                                const struct config_key *key, answered_config *out)
{
    struct topic_config_synonym synonyms[TOPIC_CONFIG_SYNONYMS_MAX];
    const char *main_name = topic_config_origin(key)->broker_names[0];
    uint32_t count = topic_config_synonyms(request->home->config, request->home->image, topic,
                                           key->name, synonyms);
    bool main_seen = main_name == NULL;

    out->synonyms.items = request_try_array(
        request, &describe_configs_response_describe_configs_synonym_struct, (int32_t)count);
    for (uint32_t i = 0; i < count && out->synonyms.items != NULL; i++) {
        bool is_topics = synonyms[i].source == CONFIG_SOURCE_TOPIC;
        main_seen = main_seen || strcmp(synonyms[i].name, main_name) == 0;
        if ((is_topics || main_seen) &&
            !add_synonym(request, key, out, synonyms[i].name, synonyms[i].text, synonyms[i].source))
            return false;
    }
    return out->synonyms.items != NULL;
}

static bool fill_topic(struct request *request, const asked_resource *asked, const char *topic,
                       answered_resource *out)
{
    const struct describe_configs_request *body = request->body;
    uint32_t count;
    const struct config_key *keys = topic_config_keys(&count);
    const bool *is_asked = find_asked(request, asked, keys, count);

    out->configs.items = request_try_array(
        request, &describe_configs_response_describe_configs_resource_result_struct,
        (int32_t)count);
    if (is_asked == NULL || out->configs.items == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct topic_config_value value;
        answered_config *config = &out->configs.items[out->configs.count];
        if (!is_asked[i])
            continue;
        out->configs.count++;
        topic_config_value(request->home->config, request->home->image, topic, keys[i].name,
                           &value);
        fill_common(request, &keys[i], config);
        config->config_source = (int8_t)value.source;
        if (!copy(request, &keys[i], value.text, &config->value) ||
            (body->include_synonyms && !fill_topic_synonyms(request, topic, &keys[i], config)))
            return false;
    }
    return true;
}

static bool describe_topic(struct request *request, const asked_resource *asked,
                           answered_resource *out)
{
    struct wire_string name = asked->resource_name;
    const struct image_topic *topic;

    if (!topic_name_check(name, &request->arena, &out->error_message)) {
        out->error_code = KAFKA_INVALID_TOPIC_EXCEPTION;
        return true;
    }
    if (!request_may(request, KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                     name.text, (size_t)name.size_bytes)) {
        out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        return true;
    }
    topic = image_topic_by_name(request->home->image, name.text, (size_t)name.size_bytes);
    if (topic != NULL)
        return fill_topic(request, asked, topic->name, out);
    out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    return true;
}

/* ---- brokers */

/* What has a value for this broker, the strongest first. */
static bool fill_broker_synonyms(struct request *request, const struct config_key *key,
                                 answered_config *out)
{
    const struct config *config = request->home->config;
    const struct image *image = request->home->image;
    bool is_fine;
    char id[16];
    const char *text;

    snprintf(id, sizeof(id), "%d", config_node_id(config));
    out->synonyms.items =
        request_try_array(request, &describe_configs_response_describe_configs_synonym_struct, 4);
    is_fine = out->synonyms.items != NULL;
    text = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, id, key->name);
    if (is_fine && text != NULL)
        is_fine = add_synonym(request, key, out, key->name, text, CONFIG_SOURCE_BROKER);
    text = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, "", key->name);
    if (is_fine && text != NULL)
        is_fine = add_synonym(request, key, out, key->name, text, CONFIG_SOURCE_DEFAULT_BROKER);
    if (is_fine && config_is_set(config, key->name))
        is_fine = add_synonym(request, key, out, key->name, config_text(config, key->name),
                              CONFIG_SOURCE_STATIC);
    if (is_fine && key->default_text != NULL)
        is_fine =
            add_synonym(request, key, out, key->name, key->default_text, CONFIG_SOURCE_DEFAULT);
    return is_fine;
}

static bool fill_synonyms(struct request *request, const struct config_key *key, bool is_cluster,
                          const char *common, answered_config *out)
{
    if (!is_cluster)
        return fill_broker_synonyms(request, key, out);
    out->synonyms.items =
        request_try_array(request, &describe_configs_response_describe_configs_synonym_struct, 1);
    return out->synonyms.items != NULL &&
           add_synonym(request, key, out, key->name, common, CONFIG_SOURCE_DEFAULT_BROKER);
}

/* is_cluster: the resource "", which holds only what was set for all brokers. */
static bool fill_broker(struct request *request, const asked_resource *asked, bool is_cluster,
                        answered_resource *out)
{
    const struct describe_configs_request *body = request->body;
    const struct config *config = request->home->config;
    const struct image *image = request->home->image;
    uint32_t count;
    const struct config_key *keys = config_keys(&count);
    const bool *is_asked = find_asked(request, asked, keys, count);

    out->configs.items = request_try_array(
        request, &describe_configs_response_describe_configs_resource_result_struct,
        (int32_t)count);
    if (is_asked == NULL || out->configs.items == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct config_key *key = &keys[i];
        const char *common = image_config(image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, "", key->name);
        const char *value = is_cluster ? common : config_string(config, image, key->name);
        answered_config *answer = &out->configs.items[out->configs.count];
        if (key->internal || !is_asked[i] || (is_cluster && common == NULL))
            continue;
        out->configs.count++;
        fill_common(request, key, answer);
        answer->read_only = !config_rules_is_changeable(key);
        answer->config_source = (int8_t)(is_cluster ? CONFIG_SOURCE_DEFAULT_BROKER
                                                    : config_source_of(config, image, key->name));
        if (!copy(request, key, value, &answer->value) ||
            (body->include_synonyms && !fill_synonyms(request, key, is_cluster, common, answer)))
            return false;
    }
    return true;
}

static bool describe_broker(struct request *request, const asked_resource *asked,
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
        return true;
    }
    if (id != node_id) {
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message = wire_string(arena_printf(
            &request->arena, "Unexpected broker id, expected %d or empty string, but received %d",
            node_id, (int)id));
        return true;
    }
    return fill_broker(request, asked, name.size_bytes == 0, out);
}

static bool describe_one(struct request *request, const asked_resource *asked,
                         answered_resource *out)
{
    if (asked->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_TOPIC)
        return describe_topic(request, asked, out);
    if (asked->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER)
        return describe_broker(request, asked, out);
    out->error_code = KAFKA_INVALID_REQUEST;
    out->error_message = wire_string(invalid_request_text);
    return true;
}

/* What names a resource: the first byte is its type. */
static char *key_of(struct request *request, const asked_resource *asked)
{
    size_t size_bytes = (size_t)asked->resource_name.size_bytes;
    char *key = request_try_alloc(request, 1, size_bytes + 1);

    if (key == NULL)
        return NULL;
    key[0] = (char)asked->resource_type;
    if (size_bytes > 0)
        memcpy(key + 1, asked->resource_name.text, size_bytes);
    return key;
}

static enum err describe_all(struct request *request, struct hash_map *seen)
{
    const struct describe_configs_request *body = request->body;
    struct describe_configs_response *response = request->response;

    response->results.items = request_try_array(
        request, &describe_configs_response_describe_configs_result_struct, body->resources.count);
    if (response->results.items == NULL)
        return ERR_NOMEM;
    response->results.count = body->resources.count;
    for (int32_t i = 0; i < body->resources.count; i++) {
        const asked_resource *asked = &body->resources.items[i];
        answered_resource *out = &response->results.items[i];
        char *key = key_of(request, asked);
        enum err err =
            key == NULL
                ? ERR_NOMEM
                : hash_map_insert(seen, key, (size_t)asked->resource_name.size_bytes + 1, out);
        out->resource_type = asked->resource_type;
        out->resource_name = asked->resource_name;
        out->error_message = wire_string("");
        if (err ==
            ERR_EXISTS) { /* Kafka answers each; that would let a request multiply its cost */
            out->error_code = KAFKA_INVALID_REQUEST;
            out->error_message = wire_string("Each resource must appear at most once.");
        } else if (err != OK || !describe_one(request, asked, out)) {
            return ERR_NOMEM;
        }
    }
    return OK;
}

void handle_describe_configs(struct request *request)
{
    struct hash_map seen;
    enum err err;

    hash_map_init(&seen, prng_u64(&request->home->prng));
    err = describe_all(request, &seen);
    hash_map_deinit(&seen);
    if (err == OK)
        request_answer(request);
    else
        request_refuse_memory(request);
}
