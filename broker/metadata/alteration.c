#include "broker/metadata/alteration.h"

#include "base/check.h"
#include "base/text.h"
#include "broker/client_metrics_config.h"
#include "broker/cordon.h"
#include "broker/group_config.h"
#include "broker/metadata/config_list.h"
#include "broker/metadata/config_rules.h"
#include "broker/topic_name.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_config_record.h"

#include <string.h>

typedef alteration_change asked_change;

bool alteration_refuse(struct alteration *alteration, int16_t error_code,
                       struct wire_string message)
{
    alteration->error_code = error_code;
    alteration->message = message;
    return false;
}

bool alteration_fail(struct alteration *alteration)
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
        return alteration_fail(alteration);
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
    switch (alteration->type) {
    case KAFKA_CONFIG_RESOURCE_TYPE_TOPIC:
        return topic_config_key_find(text);
    case KAFKA_CONFIG_RESOURCE_TYPE_GROUP:
        return group_config_key_find(text);
    case KAFKA_CONFIG_RESOURCE_TYPE_CLIENT_METRICS:
        return client_metrics_config_key_find(text);
    default:
        return config_key_find(text);
    }
}

/* Nobody knows a key of that name: false, and Kafka's words for it.  A broker's is passed over:
 * Kafka takes what it does not know for a plug-in's; nobody here reads it. */
static bool refuse_unknown(struct alteration *alteration, struct wire_string name)
{
    struct arena *arena = alteration->decision->arena;

    switch (alteration->type) {
    case KAFKA_CONFIG_RESOURCE_TYPE_TOPIC:
        return alteration_refuse(alteration, KAFKA_INVALID_CONFIG,
                                 topic_name_text(arena, "Unknown topic config name: ", name, ""));
    case KAFKA_CONFIG_RESOURCE_TYPE_GROUP:
        return alteration_refuse(alteration, KAFKA_INVALID_CONFIG,
                                 topic_name_text(arena, "Unknown group config name: ", name, ""));
    case KAFKA_CONFIG_RESOURCE_TYPE_CLIENT_METRICS:
        return alteration_refuse(
            alteration, KAFKA_INVALID_REQUEST,
            topic_name_text(arena, "Unknown client metrics configuration: ", name, ""));
    default:
        return true;
    }
}

static const char *current_text(const struct alteration *alteration, const struct config_key *key)
{
    const struct decision *decision = alteration->decision;

    return image_config(decision->image, alteration->type, alteration->resource, key->name);
}

/* APPEND and SUBTRACT start from what is effective without them (Kafka: from the stored value,
 * else the static or default one).  Kafka's controller knows the types of topics' and brokers' keys
 * alone. */
static bool edit_list(struct alteration *alteration, const struct config_key *key,
                      const asked_change *change, struct wire_string *out)
{
    struct decision *decision = alteration->decision;
    bool is_append = change->config_operation == KAFKA_ALTER_CONFIG_OP_APPEND;
    bool is_topic = alteration->type == KAFKA_CONFIG_RESOURCE_TYPE_TOPIC;
    const char *text = current_text(alteration, key);
    struct topic_config_value value;
    struct wire_string old;
    enum err err;

    if (key->type != CONFIG_LIST ||
        (!is_topic && alteration->type != KAFKA_CONFIG_RESOURCE_TYPE_BROKER))
        return alteration_refuse(alteration, KAFKA_INVALID_CONFIG,
                                 decision_text(decision,
                                               "Can't %s to key %s because its type is not LIST.",
                                               is_append ? "APPEND" : "SUBTRACT", key->name));
    if (text == NULL && is_topic) {
        topic_config_value(decision->config, decision->image, NULL, topic_config_key_id(key),
                           &value);
        text = value.text;
    } else if (text == NULL) {
        text = config_text(decision->config, config_key_id(key));
    }
    old = wire_string(text == NULL ? "" : text);
    err = (is_append ? config_list_append : config_list_subtract)(
        decision->records->arena, prng_u64(decision->prng), old, change->value, out);
    return err == OK || alteration_fail(alteration);
}

/* ---- one change */

/* Kafka's code for a value that is not legal: INVALID_CONFIG, but what the broker checks before it
 * asks its controller, its own configs, is INVALID_REQUEST. */
static int16_t code_of(const struct alteration *alteration)
{
    return alteration->type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER ? KAFKA_INVALID_REQUEST
                                                                 : KAFKA_INVALID_CONFIG;
}

/* A broker's key: may it be changed now, and here? */
static bool is_changeable(struct alteration *alteration, const struct config_key *key)
{
    struct decision *decision = alteration->decision;

    if (!key->dynamic)
        return alteration_refuse(
            alteration, KAFKA_INVALID_REQUEST,
            decision_text(decision, "Cannot update these configs dynamically: [%s]", key->name));
    if (key->listener)
        return alteration_refuse(
            alteration, KAFKA_INVALID_REQUEST,
            decision_text(decision,
                          "These security configs can be dynamically updated only "
                          "per-listener using the listener prefix: [%s]",
                          key->name));
    if (*alteration->resource == '\0' && key == config_key(CONFIG_CORDONED_LOG_DIRS))
        return alteration_refuse(
            alteration, KAFKA_INVALID_REQUEST,
            decision_text(decision,
                          "Cannot update these configs at default cluster level, broker "
                          "id must be specified: [%s]",
                          key->name));
    return true;
}

/* cordoned.log.dirs becomes a record of our registration, which is what placing looks at. text:
 * NULL: what the configuration says without it. */
static bool cordon(struct alteration *alteration, const char *text)
{
    struct decision *decision = alteration->decision;
    int16_t level = image_metadata_level(decision->image);
    enum metadata_type type = METADATA_BROKER_REGISTRATION_CHANGE;
    struct broker_registration_change_record *change;
    const char *stranger;
    struct uuid *dir;
    size_t stranger_bytes;

    if (cordon_find_stranger(decision->config, text, &stranger, &stranger_bytes))
        return alteration_refuse(
            alteration, KAFKA_INVALID_REQUEST,
            decision_text(decision,
                          "requirement failed: All entries in cordoned.log.dirs must be "
                          "present in log.dirs or log.dir. Missing entries : %.*s",
                          (int)stranger_bytes, stranger));
    if (level < FEATURES_CORDONED)
        return true; /* no record can say so: it acts when the level is raised */
    dir = arena_alloc(decision->records->arena, sizeof(*dir));
    change = metadata_records_add(decision->records, type, features_record_version(type, level));
    if (dir == NULL || change == NULL)
        return alteration_fail(alteration);
    *dir = decision->directory_id;
    change->broker_id = decision->node_id;
    change->broker_epoch = decision->broker_epoch;
    change->cordoned_log_dirs.items = dir;
    change->cordoned_log_dirs.count = cordon_covers(
        decision->config,
        text != NULL ? text : config_text(decision->config, CONFIG_CORDONED_LOG_DIRS));
    return true;
}

/* Internal topics have no choice where topic_config_is_fixed says so. */
static bool may_be(struct alteration *alteration, const struct config_key *key,
                   struct wire_string value)
{
    if (alteration->type != KAFKA_CONFIG_RESOURCE_TYPE_TOPIC ||
        !topic_config_is_fixed(alteration->resource, topic_config_key_id(key)) ||
        wire_string_is(value, key->default_text))
        return true;
    return alteration_refuse(
        alteration, KAFKA_INVALID_CONFIG,
        decision_text(alteration->decision,
                      "Invalid value %.*s for configuration %s: an internal topic is "
                      "always %s",
                      value.size_bytes, value.text, key->name, key->default_text));
}

static bool apply_delete(struct alteration *alteration, const struct config_key *key)
{
    if (key == NULL || current_text(alteration, key) == NULL)
        return true; /* nothing to delete */
    if (alteration->type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER &&
        key == config_key(CONFIG_CORDONED_LOG_DIRS) && !cordon(alteration, NULL))
        return false;
    return add_config(alteration, wire_string(key->name), (struct wire_string){0});
}

static bool apply_set(struct alteration *alteration, const struct config_key *key,
                      struct wire_string value)
{
    struct decision *decision = alteration->decision;
    struct wire_string stored = value;
    struct wire_string problem;
    const char *current = current_text(alteration, key);
    char *text;

    if (!config_rules_check(key, value, decision->arena, &stored, &problem))
        return problem.text == NULL ? alteration_fail(alteration)
                                    : alteration_refuse(alteration, code_of(alteration), problem);
    if (!may_be(alteration, key, stored))
        return false;
    if (current != NULL && wire_string_is(stored, current))
        return true;
    text = arena_strndup(decision->records->arena, stored.text, (size_t)stored.size_bytes);
    if (text == NULL)
        return alteration_fail(alteration);
    if (alteration->type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER &&
        key == config_key(CONFIG_CORDONED_LOG_DIRS) && !cordon(alteration, text))
        return false;
    return add_config(alteration, wire_string(key->name), stored);
}

bool alteration_apply(struct alteration *alteration, const asked_change *change)
{
    const struct config_key *key = find_key(alteration, change->name);
    struct wire_string value = change->value;

    if (change->config_operation == KAFKA_ALTER_CONFIG_OP_DELETE)
        return apply_delete(alteration, key);
    if (key == NULL)
        return refuse_unknown(alteration, change->name);
    if (alteration->type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER && !is_changeable(alteration, key))
        return false;
    if (change->config_operation != KAFKA_ALTER_CONFIG_OP_SET &&
        !edit_list(alteration, key, change, &value))
        return false;
    return apply_set(alteration, key, value);
}

/* ---- rules of one kind of resource */

static int64_t number_of(struct wire_string text)
{
    int64_t number = 0;
    enum err err =
        text_parse_i64(text.text, (size_t)text.size_bytes, INT64_MIN, INT64_MAX, &number);

    check(err == OK); /* config_rules_check let it in */
    return number;
}

/* The value that the records so far, from mark on, give a key; else what is effective now. */
static int64_t number_after(const struct alteration *alteration, uint32_t mark,
                            enum topic_config_id id)
{
    const struct decision *decision = alteration->decision;
    struct topic_config_value value;
    struct wire_string text = {0};
    bool is_deleted = false;

    for (uint32_t i = mark; i < decision->records->count; i++) {
        const struct config_record *record = decision->records->items[i].body;
        if (decision->records->items[i].type != METADATA_CONFIG ||
            !wire_string_is(record->name, topic_config_key(id)->name))
            continue;
        text = record->value;
        is_deleted = text.text == NULL;
    }
    if (text.text == NULL) {
        topic_config_value(decision->config, decision->image,
                           is_deleted ? NULL : alteration->resource, id, &value);
        text = wire_string(value.text);
    }
    return number_of(text);
}

/* What the records from mark on set a key to; false: nothing. */
static bool find_set(const struct alteration *alteration, uint32_t mark,
                     const struct config_key *key, struct wire_string *out)
{
    const struct metadata_records *records = alteration->decision->records;

    for (uint32_t i = mark; i < records->count; i++) {
        const struct config_record *record = records->items[i].body;
        if (records->items[i].type == METADATA_CONFIG && wire_string_is(record->name, key->name) &&
            record->value.text != NULL) {
            *out = record->value;
            return true;
        }
    }
    return false;
}

bool alteration_check_names(struct alteration *alteration, const asked_change *changes,
                            int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        if (changes[i].config_operation != KAFKA_ALTER_CONFIG_OP_DELETE &&
            find_key(alteration, changes[i].name) == NULL &&
            !refuse_unknown(alteration, changes[i].name))
            return false;
    return true;
}

static bool check_group(struct alteration *alteration, uint32_t mark)
{
    struct decision *decision = alteration->decision;
    uint32_t count;
    const struct config_key *keys = group_config_keys(&count);
    const struct config_key *bound;
    struct wire_string value;

    for (uint32_t i = 0; i < count; i++) {
        if (keys[i].type != CONFIG_I32 || !find_set(alteration, mark, &keys[i], &value))
            continue;
        bound = group_config_broken_bound(decision->values, &keys[i], number_of(value));
        if (bound != NULL)
            return alteration_refuse(
                alteration, KAFKA_INVALID_CONFIG,
                decision_text(decision, "%s must be %s than or equal to %s", keys[i].name,
                              config_key_id(bound) == keys[i].least ? "greater" : "less",
                              bound->name));
    }
    return true;
}

static bool check_client_metrics(struct alteration *alteration, uint32_t mark)
{
    struct decision *decision = alteration->decision;
    uint32_t count;
    const struct config_key *keys = client_metrics_config_keys(&count);
    const char *entry;
    size_t entry_bytes;
    struct wire_string value;

    for (uint32_t i = 0; i < count; i++)
        if (keys[i].type == CONFIG_LIST && find_set(alteration, mark, &keys[i], &value) &&
            client_metrics_config_has_empty(value.text, (size_t)value.size_bytes))
            return alteration_refuse(alteration, KAFKA_INVALID_CONFIG,
                                     decision_text(decision,
                                                   "Configuration '%s' values must not be empty.",
                                                   keys[i].name));
    if (find_set(alteration, mark, client_metrics_config_key(CLIENT_METRICS_CONFIG_INTERVAL_MS),
                 &value) &&
        !client_metrics_config_is_interval(number_of(value)))
        return alteration_refuse(
            alteration, KAFKA_INVALID_REQUEST,
            decision_text(decision,
                          "Invalid value %.*s for interval.ms, interval must be between "
                          "100 and 3600000 (1 hour)",
                          value.size_bytes, value.text));
    if (find_set(alteration, mark, client_metrics_config_key(CLIENT_METRICS_CONFIG_MATCH),
                 &value) &&
        client_metrics_config_find_bad_match(value.text, (size_t)value.size_bytes, &entry,
                                             &entry_bytes))
        return alteration_refuse(alteration, KAFKA_INVALID_CONFIG,
                                 decision_text(decision, "Illegal client matching pattern: %.*s",
                                               (int)entry_bytes, entry));
    return true;
}

static bool check_together(struct alteration *alteration, uint32_t mark)
{
    int64_t min_ms = number_after(alteration, mark, TOPIC_CONFIG_MIN_COMPACTION_LAG_MS);
    int64_t max_ms = number_after(alteration, mark, TOPIC_CONFIG_MAX_COMPACTION_LAG_MS);

    if (min_ms <= max_ms)
        return true;
    return alteration_refuse(
        alteration, KAFKA_INVALID_CONFIG,
        decision_text(alteration->decision,
                      "conflict topic config setting min.compaction.lag.ms (%lld) > "
                      "max.compaction.lag.ms (%lld)",
                      (long long)min_ms, (long long)max_ms));
}

bool alteration_check_whole(struct alteration *alteration, uint32_t mark)
{
    switch (alteration->type) {
    case KAFKA_CONFIG_RESOURCE_TYPE_TOPIC:
        return check_together(alteration, mark);
    case KAFKA_CONFIG_RESOURCE_TYPE_GROUP:
        return check_group(alteration, mark);
    case KAFKA_CONFIG_RESOURCE_TYPE_CLIENT_METRICS:
        return check_client_metrics(alteration, mark);
    default:
        return true;
    }
}
