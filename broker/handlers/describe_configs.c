/* DescribeConfigs (key 32): effective values, where they come from, types, documentation (KIP-133,
 * 226, 569).  Sources and synonyms are those of Kafka's ConfigHelper. */
#include "base/hash_map.h"
#include "base/text.h"
#include "broker/broker_logger.h"
#include "broker/client_metrics_config.h"
#include "broker/config.h"
#include "broker/group_config.h"
#include "broker/handlers.h"
#include "broker/metadata/config_rules.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "broker/topic_config.h"
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
    out->documentation = wire_string(body->include_documentation ? key->doc : NULL);
}

/* Kafka leaves out the values that stand before the first one of the setting's main key, hence all
 * of them when that one (log.retention.ms) is not set, and then says that the value is a default.
 */
static bool fill_synonyms(struct request *request, const struct config_key *key,
                          const struct config_synonym *synonyms, uint32_t count,
                          answered_config *out)
{
    const struct describe_configs_request *body = request->body;

    out->config_source = (int8_t)(count > 0 ? synonyms[0].source : CONFIG_SOURCE_DEFAULT);
    if (!body->include_synonyms)
        return true;
    out->synonyms.items = request_try_array(
        request, &describe_configs_response_describe_configs_synonym_struct, (int32_t)count);
    if (out->synonyms.items == NULL)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct describe_configs_response_describe_configs_synonym *synonym =
            &out->synonyms.items[out->synonyms.count++];
        synonym->name = wire_string(synonyms[i].key->name);
        synonym->source = (int8_t)synonyms[i].source;
        if (!copy(request, key, synonyms[i].text, &synonym->value))
            return false;
    }
    return true;
}

/* ---- what has keys of its own */

/* One resource whose keys are gone through. */
struct describing {
    struct request *request;
    const struct config *config;
    const struct image *image;
    const char *name; /* NUL-terminated */
    /* False: it is not shown, or there is no memory (is_failed). */
    bool (*fill)(struct describing *describing, const struct config_key *key, answered_config *out);
    bool is_failed;
};

static bool fill_keys(struct describing *describing, const asked_resource *asked,
                      const struct config_key *keys, uint32_t count, answered_resource *out)
{
    const bool *is_asked = find_asked(describing->request, asked, keys, count);

    out->configs.items = request_try_array(
        describing->request, &describe_configs_response_describe_configs_resource_result_struct,
        (int32_t)count);
    if (is_asked == NULL || out->configs.items == NULL)
        return false;
    for (uint32_t i = 0; i < count && !describing->is_failed; i++) {
        answered_config *config = &out->configs.items[out->configs.count];
        if (!is_asked[i])
            continue;
        fill_common(describing->request, &keys[i], config);
        out->configs.count += describing->fill(describing, &keys[i], config);
    }
    return !describing->is_failed;
}

static bool done(struct describing *describing, bool is_fine)
{
    describing->is_failed = !is_fine;
    return is_fine;
}

static struct describing describing_of(struct request *request, const char *name)
{
    return (struct describing){.request = request,
                               .config = request->home->config,
                               .image = request->home->image,
                               .name = name};
}

/* ---- topics */

static bool fill_topic_key(struct describing *describing, const struct config_key *key,
                           answered_config *out)
{
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    struct topic_config_value value;
    uint32_t count = topic_config_synonyms(describing->config, describing->image, describing->name,
                                           topic_config_key_id(key), synonyms);
    uint32_t own = count > 0 && synonyms[0].source == CONFIG_SOURCE_TOPIC;
    uint32_t hidden =
        key->behind == CONFIG_NO_KEY
            ? 0
            : config_synonyms_hidden(synonyms + own, count - own, config_key(key->behind));

    for (uint32_t i = own; i + hidden < count; i++)
        synonyms[i] = synonyms[i + hidden];
    topic_config_value(describing->config, describing->image, describing->name,
                       topic_config_key_id(key), &value);
    return done(describing,
                copy(describing->request, key, value.text, &out->value) &&
                    fill_synonyms(describing->request, key, synonyms, count - hidden, out));
}

static bool describe_topic(struct request *request, const asked_resource *asked,
                           answered_resource *out)
{
    struct wire_string name = asked->resource_name;
    const struct image_topic *topic;
    struct describing describing;
    uint32_t count;
    const struct config_key *keys = topic_config_keys(&count);

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
    if (topic == NULL) {
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return true;
    }
    describing = describing_of(request, topic->name);
    describing.fill = fill_topic_key;
    return fill_keys(&describing, asked, keys, count, out);
}

/* ---- brokers */

static bool fill_broker_key(struct describing *describing, const struct config_key *key,
                            answered_config *out)
{
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    const char *value = config_string(describing->config, describing->image, config_key_id(key));
    uint32_t count;
    uint32_t hidden;

    if (key->internal)
        return false;
    count = config_synonyms(describing->config, describing->image, config_key_id(key), synonyms);
    hidden = config_synonyms_hidden(synonyms, count, key);
    out->read_only = !key->dynamic;
    return done(describing, copy(describing->request, key, value, &out->value) &&
                                fill_synonyms(describing->request, key, synonyms + hidden,
                                              count - hidden, out));
}

/* The resource "" holds only what was set for all brokers. */
static bool fill_cluster_key(struct describing *describing, const struct config_key *key,
                             answered_config *out)
{
    const char *text =
        image_config(describing->image, KAFKA_CONFIG_RESOURCE_TYPE_BROKER, "", key->name);
    struct config_synonym synonym = {key, text, CONFIG_SOURCE_DEFAULT_BROKER};

    if (key->internal || text == NULL)
        return false;
    out->read_only = !key->dynamic;
    return done(describing, copy(describing->request, key, text, &out->value) &&
                                fill_synonyms(describing->request, key, &synonym, 1, out));
}

/* Is the name that of this broker?  Otherwise *out says why not. */
static bool check_broker_name(struct request *request, const asked_resource *asked,
                              const char *or_empty, answered_resource *out)
{
    struct wire_string name = asked->resource_name;
    int32_t node_id = config_node_id(request->home->config);
    int64_t id = node_id;

    if (text_parse_i64(name.text, (size_t)name.size_bytes, INT32_MIN, INT32_MAX, &id) != OK)
        out->error_message =
            topic_name_text(&request->arena, "Broker id must be an integer, but it is: ", name, "");
    else if (id != node_id)
        out->error_message = wire_string(
            arena_printf(&request->arena, "Unexpected broker id, expected %d%s but received %d",
                         node_id, or_empty, (int)id));
    else
        return true;
    out->error_code = KAFKA_INVALID_REQUEST;
    return false;
}

static bool describe_broker(struct request *request, const asked_resource *asked,
                            answered_resource *out)
{
    struct describing describing = describing_of(request, "");
    bool is_cluster = asked->resource_name.size_bytes == 0;
    uint32_t count;
    const struct config_key *keys = config_keys(&count);

    if (!is_cluster && !check_broker_name(request, asked, " or empty string,", out))
        return true;
    describing.fill = is_cluster ? fill_cluster_key : fill_broker_key;
    return fill_keys(&describing, asked, keys, count, out);
}

/* ---- loggers */

static bool is_logger_asked(const asked_resource *asked)
{
    for (int32_t i = 0; i < asked->configuration_keys.count; i++)
        if (wire_string_is(asked->configuration_keys.items[i], broker_logger_name))
            return true;
    return asked->configuration_keys.count <= 0;
}

static bool describe_logger(struct request *request, const asked_resource *asked,
                            answered_resource *out)
{
    const struct describe_configs_request *body = request->body;
    answered_config *config;

    if (asked->resource_name.size_bytes == 0) {
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message = wire_string("Broker id must not be empty");
        return true;
    }
    if (!check_broker_name(request, asked, "", out) || !is_logger_asked(asked))
        return true;
    out->configs.items = request_try_array(
        request, &describe_configs_response_describe_configs_resource_result_struct, 1);
    if (out->configs.items == NULL)
        return false;
    out->configs.count = 1;
    config = &out->configs.items[0];
    config->name = wire_string(broker_logger_name);
    config->value = wire_string(broker_logger_level_name(request->home->sink->min_level));
    config->config_source = KAFKA_CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER_CONFIG;
    config->documentation = wire_string(body->include_documentation ? "" : NULL);
    return true;
}

/* ---- groups and client metrics, which need not be there */

static bool fill_group_key(struct describing *describing, const struct config_key *key,
                           answered_config *out)
{
    struct config_synonym synonyms[CONFIG_SYNONYMS_MAX];
    uint32_t count = group_config_synonyms(describing->config, describing->image, describing->name,
                                           key, synonyms);

    return done(describing, copy(describing->request, key,
                                 count == 0 ? key->default_text : synonyms[0].text, &out->value) &&
                                fill_synonyms(describing->request, key, synonyms, count, out));
}

static bool fill_metrics_key(struct describing *describing, const struct config_key *key,
                             answered_config *out)
{
    const char *text = image_config(describing->image, KAFKA_CONFIG_RESOURCE_TYPE_CLIENT_METRICS,
                                    describing->name, key->name);
    struct config_synonym synonym = {key, text, CONFIG_SOURCE_CLIENT_METRICS};

    return done(
        describing,
        copy(describing->request, key, text == NULL ? key->default_text : text, &out->value) &&
            fill_synonyms(describing->request, key, &synonym, text != NULL, out));
}

static bool describe_named(struct request *request, const asked_resource *asked,
                           answered_resource *out)
{
    bool is_group = asked->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_GROUP;
    struct describing describing;
    struct wire_string name;
    uint32_t count;
    const struct config_key *keys =
        is_group ? group_config_keys(&count) : client_metrics_config_keys(&count);

    if (asked->resource_name.size_bytes == 0) {
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message =
            wire_string(is_group ? "Group name must not be empty"
                                 : "Client metrics subscription name must not be empty");
        return true;
    }
    if (!request_try_text(request, asked->resource_name, &name))
        return false;
    describing = describing_of(request, name.text);
    describing.fill = is_group ? fill_group_key : fill_metrics_key;
    return fill_keys(&describing, asked, keys, count, out);
}

static bool describe_one(struct request *request, const asked_resource *asked,
                         answered_resource *out)
{
    switch (asked->resource_type) {
    case KAFKA_CONFIG_RESOURCE_TYPE_TOPIC:
        return describe_topic(request, asked, out);
    case KAFKA_CONFIG_RESOURCE_TYPE_BROKER:
        return describe_broker(request, asked, out);
    case KAFKA_CONFIG_RESOURCE_TYPE_BROKER_LOGGER:
        return describe_logger(request, asked, out);
    case KAFKA_CONFIG_RESOURCE_TYPE_GROUP:
    case KAFKA_CONFIG_RESOURCE_TYPE_CLIENT_METRICS:
        return describe_named(request, asked, out);
    default:
        out->error_code = KAFKA_INVALID_REQUEST;
        out->error_message = wire_string(invalid_request_text);
        return true;
    }
}

/* What names a resource: the first byte is its type.  A broker has many names ("1", "01", "+1"):
 * the number is the key.  text NULL: no memory. */
static struct wire_string key_of(struct request *request, const asked_resource *asked)
{
    struct wire_string name = asked->resource_name;
    bool is_broker = asked->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER ||
                     asked->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER_LOGGER;
    char number[24];
    int64_t id;
    char *key;

    if (is_broker &&
        text_parse_i64(name.text, (size_t)name.size_bytes, INT32_MIN, INT32_MAX, &id) == OK)
        name =
            (struct wire_string){number, snprintf(number, sizeof(number), "%lld", (long long)id)};
    key = request_try_alloc(request, 1, (size_t)name.size_bytes + 1);
    if (key == NULL)
        return (struct wire_string){0};
    key[0] = (char)asked->resource_type;
    if (name.size_bytes > 0)
        memcpy(key + 1, name.text, (size_t)name.size_bytes);
    return (struct wire_string){key, name.size_bytes + 1};
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
        struct wire_string key = key_of(request, asked);
        enum err err = key.text == NULL
                           ? ERR_NOMEM
                           : hash_map_insert(seen, key.text, (size_t)key.size_bytes, out);
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
