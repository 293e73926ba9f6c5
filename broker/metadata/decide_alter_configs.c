/* Decisions about configs: IncrementalAlterConfigs (KIP-339) of topics, brokers, groups and client
 * metrics, and those of a new topic. */
#include "base/hash_map.h"
#include "base/text.h"
#include "broker/metadata/alteration.h"
#include "broker/topic_config.h"
#include "broker/topic_name.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_config_record.h"

#include <string.h>

typedef struct incremental_alter_configs_request_alter_configs_resource asked_resource;
typedef struct incremental_alter_configs_request_alterable_config asked_change;
typedef struct incremental_alter_configs_response_alter_configs_resource_response answered_resource;

enum {
    /* Groups and client metrics are made by naming them: somebody must say when it is enough. */
    RESOURCES_MAX = 10000,
    RESOURCE_NAME_MAX = INT16_MAX, /* of a topic, group or string in Kafka's own protocol */
};

/* ---- a new topic */

typedef struct create_topics_request_creatable_topic asked_topic;
typedef struct create_topics_request_creatable_topic_config asked_config;

enum { NULLS_TEXT_BYTES = 4096 };

/* Settings without a value, named one behind the other, as far as a sentence reaches. */
static bool refuse_nulls(struct alteration *alteration, const asked_topic *topic)
{
    static const char begin[] = "Null value not supported for topic configs: ";
    struct arena *arena = alteration->decision->arena;
    size_t size_bytes = sizeof(begin);
    bool has_any = false;
    char *text;
    char *end;

    for (int32_t i = 0; i < topic->configs.count && size_bytes < NULLS_TEXT_BYTES; i++) {
        if (topic->configs.items[i].value.text != NULL)
            continue;
        has_any = true;
        size_bytes += (size_t)topic->configs.items[i].name.size_bytes + 1;
    }
    if (!has_any)
        return true;
    text = arena_alloc(arena, size_bytes);
    if (text == NULL)
        return alteration_fail(alteration);
    memcpy(text, begin, sizeof(begin) - 1);
    end = text + sizeof(begin) - 1;
    for (int32_t i = 0; i < topic->configs.count && end < text + size_bytes - 1; i++) {
        const asked_config *config = &topic->configs.items[i];
        if (config->value.text != NULL)
            continue;
        if (end[-1] != ' ')
            *end++ = ',';
        memcpy(end, config->name.text, (size_t)config->name.size_bytes);
        end += config->name.size_bytes;
    }
    return alteration_refuse(alteration, KAFKA_INVALID_CONFIG,
                             (struct wire_string){text, (int32_t)(end - text)});
}

/* Each name once, in the order of first mention, with the last value. */
static bool apply_configs(struct alteration *alteration, const asked_topic *topic)
{
    struct hash_map last; /* of each name */
    bool is_fine = true;

    hash_map_init(&last, prng_u64(alteration->decision->prng));
    for (int32_t i = topic->configs.count; i-- > 0 && is_fine;) {
        asked_config *config = &topic->configs.items[i];
        enum err err =
            hash_map_insert(&last, config->name.text, (size_t)config->name.size_bytes, config);
        is_fine = err == OK || err == ERR_EXISTS || alteration_fail(alteration);
    }
    for (int32_t i = 0; i < topic->configs.count && is_fine; i++) {
        struct wire_string name = topic->configs.items[i].name;
        const asked_config *config =
            hash_map_remove(&last, name.text, (size_t)name.size_bytes); /* once */
        if (config != NULL)
            is_fine = alteration_apply(
                alteration, &(asked_change){.name = config->name, .value = config->value});
    }
    hash_map_deinit(&last);
    return is_fine;
}

bool decide_new_topic_configs(struct decision *decision, const asked_topic *topic,
                              int16_t *error_out, struct wire_string *message_out,
                              enum err *err_out)
{
    uint32_t mark = decision->records->count;
    struct alteration alteration = {.decision = decision, .type = KAFKA_CONFIG_RESOURCE_TYPE_TOPIC};
    bool is_fine = true;

    alteration.resource =
        arena_strndup(decision->records->arena, topic->name.text, (size_t)topic->name.size_bytes);
    if (alteration.resource == NULL)
        is_fine = alteration_fail(&alteration);
    is_fine = is_fine && refuse_nulls(&alteration, topic) && apply_configs(&alteration, topic);
    if (is_fine && topic->configs.count > 0)
        is_fine = alteration_check_whole(&alteration, mark);
    *error_out = alteration.error_code;
    *message_out = alteration.message;
    *err_out = alteration.err;
    return is_fine;
}

/* ---- IncrementalAlterConfigs */

/* Of the request as such, before values are looked at (Kafka's ConfigAdminManager.preprocess). */
static bool check_changes(struct alteration *alteration, const asked_resource *asked)
{
    struct hash_map names;
    enum err err = OK;

    hash_map_init(&names, prng_u64(alteration->decision->prng));
    for (int32_t i = 0; i < asked->configs.count && err == OK; i++)
        err = hash_map_insert(&names, asked->configs.items[i].name.text,
                              (size_t)asked->configs.items[i].name.size_bytes,
                              &asked->configs.items[i]);
    hash_map_deinit(&names);
    if (err == ERR_EXISTS)
        return alteration_refuse(alteration, KAFKA_INVALID_REQUEST,
                                 wire_string("Error due to duplicate config keys"));
    if (err != OK)
        return alteration_fail(alteration);
    for (int32_t i = 0; i < asked->configs.count; i++) {
        const asked_change *change = &asked->configs.items[i];
        if (change->value.text == NULL && change->config_operation != KAFKA_ALTER_CONFIG_OP_DELETE)
            return alteration_refuse(
                alteration, KAFKA_INVALID_REQUEST,
                topic_name_text(alteration->decision->arena,
                                "Null value not supported for : ", change->name, ""));
        if (change->config_operation < KAFKA_ALTER_CONFIG_OP_SET ||
            change->config_operation > KAFKA_ALTER_CONFIG_OP_SUBTRACT)
            return alteration_refuse(alteration, KAFKA_UNKNOWN_SERVER_ERROR,
                                     (struct wire_string){0});
    }
    return true;
}

static bool check_topic(struct alteration *alteration, const asked_resource *asked)
{
    struct decision *decision = alteration->decision;
    struct wire_string problem;

    if (asked->resource_name.size_bytes == 0)
        return alteration_refuse(alteration, KAFKA_INVALID_REQUEST,
                                 wire_string("Default topic resources are not allowed."));
    if (!topic_name_check(asked->resource_name, decision->arena, &problem))
        return alteration_refuse(alteration, KAFKA_INVALID_TOPIC_EXCEPTION, problem);
    if (image_topic_by_name(decision->image, asked->resource_name.text,
                            (size_t)asked->resource_name.size_bytes) == NULL)
        return alteration_refuse(alteration, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                                 topic_name_text(decision->arena, "The topic '",
                                                 asked->resource_name, "' does not exist."));
    return true;
}

static bool check_broker(struct alteration *alteration, const asked_resource *asked)
{
    struct decision *decision = alteration->decision;
    struct wire_string name = asked->resource_name;
    int64_t id;

    if (name.size_bytes == 0)
        return true; /* the default of all brokers */
    if (text_parse_i64(name.text, (size_t)name.size_bytes, INT32_MIN, INT32_MAX, &id) != OK)
        return alteration_refuse(
            alteration, KAFKA_INVALID_REQUEST,
            topic_name_text(decision->arena, "Node id must be an integer, but it is: ", name, ""));
    if (id != decision->node_id)
        return alteration_refuse(alteration, KAFKA_INVALID_REQUEST,
                                 decision_text(decision,
                                               "Unexpected broker id, expected %d, but received %d",
                                               decision->node_id, (int)id));
    alteration->resource =
        arena_printf(decision->records->arena, "%d", decision->node_id); /* "+1" is 1 */
    return alteration->resource != NULL || alteration_fail(alteration);
}

/* A group or a subscription to client metrics, which need not be there. */
static bool check_named(struct alteration *alteration, const asked_resource *asked,
                        const char *no_name)
{
    struct wire_string name = asked->resource_name;
    const struct image *image = alteration->decision->image;

    if (name.size_bytes == 0)
        return alteration_refuse(alteration, KAFKA_INVALID_REQUEST, wire_string(no_name));
    if (name.size_bytes > RESOURCE_NAME_MAX ||
        memchr(name.text, '\0', (size_t)name.size_bytes) != NULL)
        return alteration_refuse(alteration, KAFKA_INVALID_REQUEST,
                                 wire_string("The name of a resource is too long or has a NUL."));
    if (image_config_resource_count(image, asked->resource_type) >= RESOURCES_MAX &&
        !image_config_has_resource(image, asked->resource_type, alteration->resource))
        return alteration_refuse(
            alteration, KAFKA_POLICY_VIOLATION,
            decision_text(alteration->decision,
                          "There are %d such resources already, which is the limit.",
                          RESOURCES_MAX));
    return alteration_check_names(alteration, asked->configs.items, asked->configs.count);
}

static bool check_resource(struct alteration *alteration, const asked_resource *asked)
{
    switch (asked->resource_type) {
    case KAFKA_CONFIG_RESOURCE_TYPE_TOPIC:
        return check_topic(alteration, asked);
    case KAFKA_CONFIG_RESOURCE_TYPE_BROKER:
        return check_broker(alteration, asked);
    case KAFKA_CONFIG_RESOURCE_TYPE_GROUP:
        return check_named(alteration, asked, "Default group resources are not allowed.");
    case KAFKA_CONFIG_RESOURCE_TYPE_CLIENT_METRICS:
        return check_named(alteration, asked, "Subscription name can't be empty");
    default:
        return alteration_refuse(
            alteration, KAFKA_INVALID_REQUEST,
            decision_text(alteration->decision, "Unknown resource type %d", asked->resource_type));
    }
}

/* A logger's changes are no metadata: here they are looked at as such, and its broker does the
 * rest.
 */
static enum err alter_one(struct decision *decision, const asked_resource *asked,
                          answered_resource *answer)
{
    uint32_t mark = decision->records->count;
    struct alteration alteration = {.decision = decision, .type = asked->resource_type};
    bool is_fine = check_changes(&alteration, asked);
    bool is_logger = asked->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER_LOGGER;

    alteration.resource = arena_strndup(decision->records->arena, asked->resource_name.text,
                                        (size_t)asked->resource_name.size_bytes);
    if (alteration.resource == NULL)
        return ERR_NOMEM;
    is_fine = is_fine && (is_logger || check_resource(&alteration, asked));
    for (int32_t i = 0; i < asked->configs.count && is_fine && !is_logger; i++)
        is_fine = alteration_apply(&alteration, &asked->configs.items[i]);
    is_fine = is_fine && alteration_check_whole(&alteration, mark);
    if (!is_fine)
        decision->records->count = mark; /* DEC-1 */
    answer->error_code = alteration.error_code;
    answer->error_message = alteration.message;
    return alteration.err;
}

/* What names a resource: its type, then its name; in the answer's arena. */
static char *key_of(struct decision *decision, const asked_resource *asked)
{
    size_t size_bytes = (size_t)asked->resource_name.size_bytes;
    char *key = arena_alloc(decision->arena, size_bytes + 1);

    if (key == NULL)
        return NULL;
    key[0] = (char)asked->resource_type;
    if (size_bytes > 0)
        memcpy(key + 1, asked->resource_name.text, size_bytes);
    return key;
}

/* Resources that are named more than once are refused, at every mention. */
static enum err refuse_doubled(struct decision *decision,
                               const struct incremental_alter_configs_request *request,
                               answered_resource *answers)
{
    struct hash_map first; /* answers, by what they are for */
    enum err err = OK;

    hash_map_init(&first, prng_u64(decision->prng));
    for (int32_t i = 0; i < request->resources.count && err == OK; i++) {
        const asked_resource *asked = &request->resources.items[i];
        size_t key_bytes = (size_t)asked->resource_name.size_bytes + 1;
        char *key = key_of(decision, asked);
        err = key == NULL ? ERR_NOMEM : hash_map_insert(&first, key, key_bytes, &answers[i]);
        if (err != ERR_EXISTS)
            continue;
        ((answered_resource *)hash_map_find(&first, key, key_bytes))->error_code =
            KAFKA_INVALID_REQUEST;
        answers[i].error_code = KAFKA_INVALID_REQUEST;
        err = OK;
    }
    hash_map_deinit(&first);
    return err;
}

enum { RETENTION_CHANGES_MAX = 8, RETENTION_VALUE_BYTES_MAX = 32, RETENTION_NAME_BYTES = 256 };

/* Of a topic, or of all of them as the broker's own. */
static bool is_of_retention(int8_t type, struct wire_string name)
{
    static const enum topic_config_id of_topic[] = {
        TOPIC_CONFIG_RETENTION_MS, TOPIC_CONFIG_RETENTION_BYTES, TOPIC_CONFIG_CLEANUP_POLICY};
    static const enum config_id of_broker[] = {
        CONFIG_LOG_RETENTION_MS, CONFIG_LOG_RETENTION_MINUTES, CONFIG_LOG_RETENTION_HOURS,
        CONFIG_LOG_RETENTION_BYTES, CONFIG_LOG_CLEANUP_POLICY};

    for (size_t i = 0; type == KAFKA_CONFIG_RESOURCE_TYPE_TOPIC && i < array_count(of_topic); i++)
        if (wire_string_is(name, topic_config_key(of_topic[i])->name))
            return true;
    for (size_t i = 0; type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER && i < array_count(of_broker); i++)
        if (wire_string_is(name, config_key(of_broker[i])->name))
            return true;
    return false;
}

static bool copy_name(struct wire_string name, char out[RETENTION_NAME_BYTES])
{
    if (name.size_bytes < 0 || name.size_bytes >= RETENTION_NAME_BYTES)
        return false;
    memcpy(out, name.text, (size_t)name.size_bytes);
    out[name.size_bytes] = '\0';
    return true;
}

/* Is it said what is there already?  AlterConfigs (key 33) names all that a resource keeps. */
static bool changes_nothing(const struct image *image, const asked_resource *asked,
                            const asked_change *change)
{
    char resource[RETENTION_NAME_BYTES];
    char key[RETENTION_NAME_BYTES];
    const char *stored;

    if (!copy_name(asked->resource_name, resource) || !copy_name(change->name, key))
        return false;
    stored = image_config(image, asked->resource_type, resource, key);
    if (change->config_operation == KAFKA_ALTER_CONFIG_OP_DELETE)
        return stored == NULL;
    return change->config_operation == KAFKA_ALTER_CONFIG_OP_SET && stored != NULL &&
           wire_string_is(change->value, stored);
}

bool decide_alters_retention(const struct image *image,
                             const struct incremental_alter_configs_request *request)
{
    int32_t count = 0;

    for (int32_t i = 0; i < request->resources.count; i++) {
        const asked_resource *asked = &request->resources.items[i];
        for (int32_t j = 0; j < asked->configs.count; j++) {
            const asked_change *change = &asked->configs.items[j];
            if (changes_nothing(image, asked, change))
                continue;
            if (!is_of_retention(asked->resource_type, change->name) ||
                change->value.size_bytes > RETENTION_VALUE_BYTES_MAX ||
                ++count > RETENTION_CHANGES_MAX)
                return false;
        }
    }
    return count > 0;
}

bool decide_altered_retention(const struct metadata_records *records)
{
    for (uint32_t i = 0; i < records->count; i++) {
        const struct config_record *record = records->items[i].body;
        if (records->items[i].type != METADATA_CONFIG ||
            !is_of_retention(record->resource_type, record->name) ||
            record->value.size_bytes > RETENTION_VALUE_BYTES_MAX)
            return false;
    }
    return records->count <= RETENTION_CHANGES_MAX;
}

enum err decide_alter_configs(struct decision *decision,
                              const struct incremental_alter_configs_request *request,
                              struct incremental_alter_configs_response *response)
{
    int32_t count = request->resources.count < 0 ? 0 : request->resources.count;
    enum err err = OK;

    response->responses.items =
        codec_new_array(&incremental_alter_configs_response_alter_configs_resource_response_struct,
                        decision->arena, (size_t)count);
    if (response->responses.items == NULL)
        return ERR_NOMEM;
    response->responses.count = count;
    err = refuse_doubled(decision, request, response->responses.items);
    for (int32_t i = 0; i < count && err == OK; i++) {
        const asked_resource *asked = &request->resources.items[i];
        answered_resource *answer = &response->responses.items[i];
        answer->resource_type = asked->resource_type;
        answer->resource_name = asked->resource_name;
        answer->error_message = (struct wire_string){0};
        if (answer->error_code != KAFKA_NONE) {
            answer->error_message = wire_string("Each resource must appear at most once.");
        } else {
            err = alter_one(decision, asked, answer);
        }
    }
    if (err == OK && decision->records->count > DECISION_RECORDS_MAX) {
        decision->records->count = 0; /* DEC-2 */
        for (int32_t i = 0; i < count; i++) {
            response->responses.items[i].error_code = KAFKA_POLICY_VIOLATION;
            response->responses.items[i].error_message =
                wire_string("Unable to perform excessively large batch operation.");
        }
    }
    if (request->validate_only)
        decision->records->count = 0;
    return err;
}
