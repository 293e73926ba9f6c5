/* Decisions about configs: IncrementalAlterConfigs (KIP-339), and those of a new topic. */
#include "base/check.h"
#include "base/hash_map.h"
#include "base/text.h"
#include "broker/metadata/config_rules.h"
#include "broker/metadata/decision.h"
#include "broker/topic_name.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_config_record.h"

#include <string.h>

typedef struct incremental_alter_configs_request_alter_configs_resource asked_resource;
typedef struct incremental_alter_configs_request_alterable_config asked_change;
typedef struct incremental_alter_configs_response_alter_configs_resource_response answered_resource;

/* What a set of changes of one resource comes to. */
struct alteration {
    struct decision *decision;
    int8_t type;
    const char *resource; /* NUL-terminated */
    int16_t error_code;
    struct wire_string message;
    enum err err;
};

static bool refuse(struct alteration *alteration, int16_t error_code, struct wire_string message)
{
    alteration->error_code = error_code;
    alteration->message = message;
    return false;
}

static bool fail(struct alteration *alteration)
{
    alteration->err = ERR_NOMEM;
    return false;
}

static bool add_config(struct alteration *alteration, struct wire_string name,
                       struct wire_string value)
{
    struct config_record *record =
        metadata_records_add(alteration->decision->records, METADATA_CONFIG, 0);

    if (record == NULL)
        return fail(alteration);
    record->resource_type = alteration->type;
    record->resource_name = wire_string(alteration->resource);
    record->name = name;
    record->value = value;
    return true;
}

/* The row of a config, or NULL: unknown.  name may hold any bytes. */
static const struct config_key *find_key(struct alteration *alteration, struct wire_string name)
{
    char text[256];

    if (name.size_bytes <= 0 || (size_t)name.size_bytes >= sizeof(text) ||
        memchr(name.text, '\0', (size_t)name.size_bytes) != NULL)
        return NULL;
    memcpy(text, name.text, (size_t)name.size_bytes);
    text[name.size_bytes] = '\0';
    return alteration->type == KAFKA_CONFIG_RESOURCE_TYPE_TOPIC ? topic_config_key_find(text)
                                                                : config_key_find(text);
}

/* ---- lists */

/* The next word of a list, from *next on; false: there is none. */
static bool next_word(const char **next, const char *end, const char **word, size_t *word_bytes)
{
    while (*next < end) {
        const char *comma = memchr(*next, ',', (size_t)(end - *next));
        *word = *next;
        *word_bytes = (size_t)((comma == NULL ? end : comma) - *next);
        *next += *word_bytes + 1;
        if (*word_bytes > 0)
            return true;
    }
    return false;
}

static enum err take_words(struct hash_map *words, struct wire_string list)
{
    const char *next = list.text;
    const char *word;
    size_t word_bytes;
    enum err err = OK;

    while (err == OK && next_word(&next, list.text + list.size_bytes, &word, &word_bytes)) {
        err = hash_map_insert(words, word, word_bytes, (void *)(uintptr_t)word);
        err = err == ERR_EXISTS ? OK : err;
    }
    return err;
}

/* The words of list that are not in other, behind what out holds. */
static enum err copy_words(struct decision *decision, struct wire_string *out, char *space,
                           struct wire_string list, struct wire_string other)
{
    const char *next = list.text;
    const char *word;
    size_t word_bytes;
    struct hash_map others;
    enum err err;

    hash_map_init(&others, prng_u64(decision->prng));
    err = take_words(&others, other);
    while (err == OK && next_word(&next, list.text + list.size_bytes, &word, &word_bytes)) {
        if (hash_map_find(&others, word, word_bytes) != NULL)
            continue;
        if (out->size_bytes > 0)
            space[out->size_bytes++] = ',';
        memcpy(space + out->size_bytes, word, word_bytes);
        out->size_bytes += (int32_t)word_bytes;
    }
    hash_map_deinit(&others);
    return err;
}

static const char *current_text(const struct alteration *alteration, const struct config_key *key)
{
    const struct decision *decision = alteration->decision;

    return image_config(decision->image, alteration->type, alteration->resource, key->name);
}

/* APPEND and SUBTRACT start from what is effective without them (Kafka: from the stored value,
 * else the static or default one). */
static bool edit_list(struct alteration *alteration, const struct config_key *key,
                      const asked_change *change, struct wire_string *out)
{
    struct decision *decision = alteration->decision;
    bool is_append = change->config_operation == KAFKA_ALTER_CONFIG_OP_APPEND;
    const char *text = current_text(alteration, key);
    struct topic_config_value value;
    struct wire_string old;
    const struct wire_string none = {"", 0};
    char *space;

    if (key->type != CONFIG_LIST)
        return refuse(alteration, KAFKA_INVALID_CONFIG,
                      decision_text(decision, "Can't %s to key %s because its type is not LIST.",
                                    is_append ? "APPEND" : "SUBTRACT", key->name));
    if (text == NULL && alteration->type == KAFKA_CONFIG_RESOURCE_TYPE_TOPIC) {
        topic_config_value(decision->config, decision->image, NULL, key->name, &value);
        text = value.text;
    } else if (text == NULL) {
        text = config_text(decision->config, key->name);
    }
    old = wire_string(text == NULL ? "" : text);
    space = arena_alloc(decision->records->arena,
                        (size_t)old.size_bytes + (size_t)change->value.size_bytes + 2);
    if (space == NULL)
        return fail(alteration);
    *out = (struct wire_string){space, 0};
    if (copy_words(decision, out, space, old, is_append ? none : change->value) != OK ||
        (is_append && copy_words(decision, out, space, change->value, old) != OK))
        return fail(alteration);
    return true;
}

/* ---- one change */

/* Kafka's code for a value that is not legal: a topic's is INVALID_CONFIG, but what the broker
 * checks before it asks its controller is INVALID_REQUEST. */
static int16_t code_of(const struct alteration *alteration)
{
    return alteration->type == KAFKA_CONFIG_RESOURCE_TYPE_TOPIC ? KAFKA_INVALID_CONFIG
                                                                : KAFKA_INVALID_REQUEST;
}

/* Internal topics have no choice where topic_config_is_fixed says so. */
static bool may_be(struct alteration *alteration, const struct config_key *key,
                   struct wire_string value)
{
    if (alteration->type != KAFKA_CONFIG_RESOURCE_TYPE_TOPIC ||
        !topic_config_is_fixed(alteration->resource, key->name) ||
        wire_string_is(value, key->default_text))
        return true;
    return refuse(alteration, KAFKA_INVALID_CONFIG,
                  decision_text(alteration->decision,
                                "Invalid value %.*s for configuration %s: an internal topic is "
                                "always %s",
                                value.size_bytes, value.text, key->name, key->default_text));
}

static bool apply_change(struct alteration *alteration, const asked_change *change)
{
    struct decision *decision = alteration->decision;
    bool is_topic = alteration->type == KAFKA_CONFIG_RESOURCE_TYPE_TOPIC;
    const struct config_key *key = find_key(alteration, change->name);
    struct wire_string value = change->value;
    struct wire_string stored = value;
    struct wire_string problem;
    const char *current;

    if (change->config_operation == KAFKA_ALTER_CONFIG_OP_DELETE) {
        if (key == NULL || current_text(alteration, key) == NULL)
            return true; /* nothing to delete */
        return add_config(alteration, wire_string(key->name), (struct wire_string){0});
    }
    if (key == NULL && is_topic)
        return refuse(
            alteration, KAFKA_INVALID_CONFIG,
            topic_name_text(decision->arena, "Unknown topic config name: ", change->name, ""));
    if (key == NULL)
        return true; /* Kafka takes what it does not know for a plug-in's; nobody here reads it */
    if (!is_topic && !config_rules_is_changeable(key))
        return refuse(
            alteration, KAFKA_INVALID_REQUEST,
            decision_text(decision, "Cannot update these configs dynamically: [%s]", key->name));
    if (!is_topic && config_rules_is_of_listener(key))
        return refuse(alteration, KAFKA_INVALID_REQUEST,
                      decision_text(decision,
                                    "These security configs can be dynamically updated only "
                                    "per-listener using the listener prefix: [%s]",
                                    key->name));
    if (change->config_operation != KAFKA_ALTER_CONFIG_OP_SET &&
        !edit_list(alteration, key, change, &value))
        return false;
    if (!config_rules_check(key, value, decision->arena, &stored, &problem))
        return problem.text == NULL ? fail(alteration)
                                    : refuse(alteration, code_of(alteration), problem);
    if (!may_be(alteration, key, stored))
        return false;
    current = current_text(alteration, key);
    if (current != NULL && wire_string_is(stored, current))
        return true;
    return add_config(alteration, wire_string(key->name), stored);
}

/* ---- rules between configs of one topic */

/* The value that the records so far, from mark on, give a key; else what is effective now. */
static int64_t number_after(const struct alteration *alteration, uint32_t mark, const char *name)
{
    const struct decision *decision = alteration->decision;
    struct topic_config_value value;
    struct wire_string text = {0};
    bool is_deleted = false;
    int64_t number = 0;
    enum err err;

    for (uint32_t i = mark; i < decision->records->count; i++) {
        const struct config_record *record = decision->records->items[i].body;
        if (decision->records->items[i].type != METADATA_CONFIG ||
            !wire_string_is(record->name, name))
            continue;
        text = record->value;
        is_deleted = text.text == NULL;
    }
    if (text.text == NULL) {
        topic_config_value(decision->config, decision->image,
                           is_deleted ? NULL : alteration->resource, name, &value);
        text = wire_string(value.text);
    }
    err = text_parse_i64(text.text, (size_t)text.size_bytes, INT64_MIN, INT64_MAX, &number);
    check(err == OK); /* checked when it was set */
    return number;
}

static bool check_together(struct alteration *alteration, uint32_t mark)
{
    int64_t min_ms = number_after(alteration, mark, "min.compaction.lag.ms");
    int64_t max_ms = number_after(alteration, mark, "max.compaction.lag.ms");

    if (min_ms <= max_ms)
        return true;
    return refuse(alteration, KAFKA_INVALID_CONFIG,
                  decision_text(alteration->decision,
                                "conflict topic config setting min.compaction.lag.ms (%lld) > "
                                "max.compaction.lag.ms (%lld)",
                                (long long)min_ms, (long long)max_ms));
}

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
        return fail(alteration);
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
    return refuse(alteration, KAFKA_INVALID_CONFIG,
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
        is_fine = err == OK || err == ERR_EXISTS || fail(alteration);
    }
    for (int32_t i = 0; i < topic->configs.count && is_fine; i++) {
        struct wire_string name = topic->configs.items[i].name;
        const asked_config *config =
            hash_map_remove(&last, name.text, (size_t)name.size_bytes); /* once */
        if (config != NULL)
            is_fine = apply_change(alteration,
                                   &(asked_change){.name = config->name, .value = config->value});
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
        is_fine = fail(&alteration);
    is_fine = is_fine && refuse_nulls(&alteration, topic) && apply_configs(&alteration, topic);
    if (is_fine && topic->configs.count > 0)
        is_fine = check_together(&alteration, mark);
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
        return refuse(alteration, KAFKA_INVALID_REQUEST,
                      wire_string("Error due to duplicate config keys"));
    if (err != OK)
        return fail(alteration);
    for (int32_t i = 0; i < asked->configs.count; i++) {
        const asked_change *change = &asked->configs.items[i];
        if (change->value.text == NULL && change->config_operation != KAFKA_ALTER_CONFIG_OP_DELETE)
            return refuse(alteration, KAFKA_INVALID_REQUEST,
                          topic_name_text(alteration->decision->arena,
                                          "Null value not supported for : ", change->name, ""));
        if (change->config_operation < KAFKA_ALTER_CONFIG_OP_SET ||
            change->config_operation > KAFKA_ALTER_CONFIG_OP_SUBTRACT)
            return refuse(alteration, KAFKA_UNKNOWN_SERVER_ERROR, (struct wire_string){0});
    }
    return true;
}

static bool check_topic(struct alteration *alteration, const asked_resource *asked)
{
    struct decision *decision = alteration->decision;
    struct wire_string problem;

    if (asked->resource_name.size_bytes == 0)
        return refuse(alteration, KAFKA_INVALID_REQUEST,
                      wire_string("Default topic resources are not allowed."));
    if (!topic_name_check(asked->resource_name, decision->arena, &problem))
        return refuse(alteration, KAFKA_INVALID_TOPIC_EXCEPTION, problem);
    if (image_topic_by_name(decision->image, asked->resource_name.text,
                            (size_t)asked->resource_name.size_bytes) == NULL)
        return refuse(alteration, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                      topic_name_text(decision->arena, "The topic '", asked->resource_name,
                                      "' does not exist."));
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
        return refuse(
            alteration, KAFKA_INVALID_REQUEST,
            topic_name_text(decision->arena, "Node id must be an integer, but it is: ", name, ""));
    if (id != decision->node_id)
        return refuse(alteration, KAFKA_INVALID_REQUEST,
                      decision_text(decision, "Unexpected broker id, expected %d, but received %d",
                                    decision->node_id, (int)id));
    alteration->resource =
        arena_printf(decision->records->arena, "%d", decision->node_id); /* "+1" is 1 */
    return alteration->resource != NULL || fail(alteration);
}

static bool check_resource(struct alteration *alteration, const asked_resource *asked)
{
    switch (asked->resource_type) {
    case KAFKA_CONFIG_RESOURCE_TYPE_TOPIC:
        return check_topic(alteration, asked);
    case KAFKA_CONFIG_RESOURCE_TYPE_BROKER:
        return check_broker(alteration, asked);
    default:
        return refuse(
            alteration, KAFKA_INVALID_REQUEST,
            decision_text(alteration->decision, "Unknown resource type %d", asked->resource_type));
    }
}

static enum err alter_one(struct decision *decision, const asked_resource *asked,
                          answered_resource *answer)
{
    uint32_t mark = decision->records->count;
    struct alteration alteration = {.decision = decision, .type = asked->resource_type};
    bool is_fine = check_changes(&alteration, asked);

    alteration.resource = arena_strndup(decision->records->arena, asked->resource_name.text,
                                        (size_t)asked->resource_name.size_bytes);
    if (alteration.resource == NULL)
        return ERR_NOMEM;
    is_fine = is_fine && check_resource(&alteration, asked);
    for (int32_t i = 0; i < asked->configs.count && is_fine; i++)
        is_fine = apply_change(&alteration, &asked->configs.items[i]);
    if (is_fine && asked->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_TOPIC)
        is_fine = check_together(&alteration, mark);
    if (!is_fine)
        decision->records->count = mark; /* D1 */
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
        decision->records->count = 0; /* D2 */
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
