/* Decisions about topics that are to be: CreateTopics (KIP-4, 464, 525). */
#include "base/check.h"
#include "base/hash_map.h"
#include "broker/metadata/decision.h"
#include "broker/topic_config.h"
#include "broker/topic_name.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_config_record.h"
#include "net/protocol/msg_topic_record.h"
#include "storage/dir/log_names.h"

#include <string.h>

typedef struct create_topics_request_creatable_topic asked_topic;
typedef struct create_topics_response_creatable_topic_result answered_topic;

static bool refuse(answered_topic *answer, int16_t error_code, struct wire_string message)
{
    answer->error_code = error_code;
    answer->error_message = message;
    answer->topic_id = (struct uuid){0};
    answer->num_partitions = -1;
    answer->replication_factor = -1;
    return false;
}

/* '.' and '_' are one in the names of metrics: the topics that have one of them, by their name with
 * '_' for both. */
struct metric_names {
    struct hash_map topics;
    bool is_built;
};

/* The name in the form of the map, in out (LOG_TOPIC_NAME_MAX bytes); false: it has neither. */
static bool to_metric_name(const char *name, size_t name_bytes, char *out)
{
    bool has_any = false;

    for (size_t i = 0; i < name_bytes; i++) {
        has_any = has_any || name[i] == '.' || name[i] == '_';
        out[i] = name[i] == '.' ? '_' : name[i];
    }
    return has_any;
}

static enum err build_metric_names(struct decision *decision, struct metric_names *names)
{
    const struct image_topic *topic;
    size_t cursor = 0;
    enum err err = OK;

    names->is_built = true;
    while (err == OK && (topic = image_topic_next(decision->image, &cursor)) != NULL) {
        char text[LOG_TOPIC_NAME_MAX];
        size_t size_bytes = strlen(topic->name);
        char *key;
        if (size_bytes > sizeof(text) || !to_metric_name(topic->name, size_bytes, text))
            continue;
        key = arena_strndup(decision->records->arena, text, size_bytes);
        err = key == NULL
                  ? ERR_NOMEM
                  : hash_map_insert(&names->topics, key, size_bytes, (void *)(uintptr_t)topic);
        err = err == ERR_EXISTS ? OK : err; /* from a time when it was allowed */
    }
    return err;
}

/* A topic whose metrics would have the same name; NULL: none.  The name is a valid one. */
static enum err find_colliding(struct decision *decision, struct metric_names *names,
                               struct wire_string name, const struct image_topic **out)
{
    char text[LOG_TOPIC_NAME_MAX];
    enum err err = OK;

    *out = NULL;
    if (!to_metric_name(name.text, (size_t)name.size_bytes, text))
        return OK;
    if (!names->is_built)
        err = build_metric_names(decision, names);
    if (err == OK)
        *out = hash_map_find(&names->topics, text, (size_t)name.size_bytes);
    return err;
}

static bool check_name(struct decision *decision, struct metric_names *names,
                       const asked_topic *asked, answered_topic *answer, enum err *err_out)
{
    const struct image_topic *colliding;
    struct wire_string message;

    if (!topic_name_check(asked->name, decision->arena, &message))
        return refuse(answer, KAFKA_INVALID_TOPIC_EXCEPTION, message);
    if (image_topic_by_name(decision->image, asked->name.text, (size_t)asked->name.size_bytes))
        return refuse(
            answer, KAFKA_TOPIC_ALREADY_EXISTS,
            topic_name_text(decision->arena, "Topic '", asked->name, "' already exists."));
    *err_out = find_colliding(decision, names, asked->name, &colliding);
    if (colliding != NULL)
        return refuse(answer, KAFKA_INVALID_TOPIC_EXCEPTION,
                      decision_text(decision, "Topic '%.*s' collides with existing topic: %s",
                                    asked->name.size_bytes, asked->name.text, colliding->name));
    return true;
}

static bool check_assignments(struct decision *decision, const asked_topic *asked,
                              answered_topic *answer)
{
    int32_t count = asked->assignments.count;
    int32_t factor = -1;
    struct wire_string message;
    uint8_t *seen = arena_alloc(decision->arena, (size_t)count);

    if (asked->replication_factor != -1)
        return refuse(answer, KAFKA_INVALID_REQUEST,
                      wire_string("A manual partition assignment was specified, but replication "
                                  "factor was not set to -1."));
    if (asked->num_partitions != -1)
        return refuse(answer, KAFKA_INVALID_REQUEST,
                      wire_string("A manual partition assignment was specified, but numPartitions "
                                  "was not set to -1."));
    if (seen == NULL)
        return refuse(answer, KAFKA_UNKNOWN_SERVER_ERROR, (struct wire_string){0});
    for (int32_t i = 0; i < count; i++) {
        const struct create_topics_request_creatable_replica_assignment *assignment =
            &asked->assignments.items[i];
        int32_t index = assignment->partition_index;
        bool is_second = index >= 0 && index < count && seen[index] != 0;
        for (int32_t j = 0; j < i && (index < 0 || index >= count) && !is_second; j++)
            is_second = asked->assignments.items[j].partition_index == index;
        if (is_second)
            return refuse(answer, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          decision_text(decision,
                                        "Found multiple manual partition assignments for "
                                        "partition %d",
                                        index));
        if (!decision_check_assignment(decision, index, assignment->broker_ids.items,
                                       assignment->broker_ids.count, factor, &message))
            return refuse(answer, KAFKA_INVALID_REPLICA_ASSIGNMENT, message);
        factor = assignment->broker_ids.count;
        if (index >= 0 && index < count)
            seen[index] = 1;
    }
    for (int32_t i = 0; i < count; i++)
        if (!seen[i])
            return refuse(answer, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                          wire_string("partitions should be a consecutive 0-based integer "
                                      "sequence"));
    answer->num_partitions = count;
    answer->replication_factor = (int16_t)factor;
    return true;
}

static struct wire_string cannot_place(struct decision *decision, int64_t factor, uint32_t live)
{
    struct wire_string why = decision_too_few_brokers(decision, factor, live);

    return decision_text(decision, "Unable to replicate the partition %d time(s): %.*s",
                         (int)factor, why.size_bytes, why.text == NULL ? "" : why.text);
}

static bool check_counts(struct decision *decision, const asked_topic *asked,
                         answered_topic *answer)
{
    int64_t partitions = asked->num_partitions;
    int64_t factor = asked->replication_factor;
    int32_t first;
    uint32_t live = decision_live_brokers(decision, &first);

    if (factor < -1 || factor == 0)
        return refuse(answer, KAFKA_INVALID_REPLICATION_FACTOR,
                      wire_string("Replication factor must be larger than 0, or -1 to use the "
                                  "default value."));
    if (partitions < -1 || partitions == 0)
        return refuse(answer, KAFKA_INVALID_PARTITIONS,
                      wire_string("Number of partitions was set to an invalid non-positive "
                                  "value."));
    if (partitions == -1)
        partitions = decision->values->num_partitions;
    if (factor == -1)
        factor = decision->values->default_replication_factor;
    if (factor > (int64_t)live || live == 0)
        return refuse(answer, KAFKA_INVALID_REPLICATION_FACTOR,
                      cannot_place(decision, factor, live));
    answer->num_partitions = (int32_t)partitions;
    answer->replication_factor = (int16_t)factor;
    return true;
}

static enum err add_partitions(struct decision *decision, const asked_topic *asked,
                               const answered_topic *answer)
{
    enum err err = OK;
    int32_t leader = decision->node_id;

    if (asked->assignments.count == 0) {
        decision_live_brokers(decision, &leader);
        for (int32_t i = 0; i < answer->num_partitions && err == OK; i++)
            err = decision_add_partition(decision, &answer->topic_id, i, &leader, 1);
        return err;
    }
    for (int32_t i = 0; i < asked->assignments.count && err == OK; i++)
        for (int32_t j = 0; j < asked->assignments.count; j++) { /* records in order of index */
            const struct create_topics_request_creatable_replica_assignment *assignment =
                &asked->assignments.items[(i + j) % asked->assignments.count];
            if (assignment->partition_index != i)
                continue;
            err =
                decision_add_partition(decision, &answer->topic_id, i, assignment->broker_ids.items,
                                       assignment->broker_ids.count);
            break;
        }
    return err;
}

/* What the topic's configs will be (KIP-525). */
static enum err fill_configs(struct decision *decision, const asked_topic *asked,
                             answered_topic *answer)
{
    uint32_t count;
    const struct config_key *keys = topic_config_keys(&count);
    const char *name =
        arena_strndup(decision->arena, asked->name.text, (size_t)asked->name.size_bytes);

    if (name == NULL)
        return ERR_NOMEM;
    answer->configs.items = codec_new_array(&create_topics_response_creatable_topic_configs_struct,
                                            decision->arena, count);
    if (answer->configs.items == NULL)
        return ERR_NOMEM;
    answer->configs.count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        struct create_topics_response_creatable_topic_configs *out = &answer->configs.items[i];
        struct topic_config_value value;
        topic_config_value(decision->config, decision->image, name, (enum topic_config_id)i,
                           &value);
        out->name = wire_string(keys[i].name);
        out->value = decision_copy(decision, wire_string(value.text));
        out->config_source = (int8_t)value.source;
        for (int32_t c = 0; c < asked->configs.count; c++) { /* the last of equal names counts */
            if (!wire_string_is(asked->configs.items[c].name, keys[i].name))
                continue;
            out->value = asked->configs.items[c].value;
            out->config_source = CONFIG_SOURCE_TOPIC;
        }
    }
    return OK;
}

static enum err create_one(struct decision *decision, struct metric_names *names,
                           const asked_topic *asked, answered_topic *answer)
{
    uint32_t mark = decision->records->count;
    struct topic_record *record;
    struct wire_string message;
    int16_t error_code;
    bool is_fine;
    enum err err = OK;

    if (!check_name(decision, names, asked, answer, &err) || err != OK)
        return err;
    record = metadata_records_add(decision->records, METADATA_TOPIC, 0);
    if (record == NULL)
        return ERR_NOMEM;
    is_fine = decide_new_topic_configs(decision, asked, &error_code, &message, &err);
    if (err != OK)
        return err;
    if (!is_fine)
        refuse(answer, error_code, message);
    else
        is_fine = asked->assignments.count > 0 ? check_assignments(decision, asked, answer)
                                               : check_counts(decision, asked, answer);
    if (!is_fine) {
        decision->records->count = mark; /* DEC-1 */
        return OK;
    }
    uuid_random(decision->prng, &answer->topic_id);
    record->name = asked->name;
    record->topic_id = answer->topic_id;
    answer->error_message = (struct wire_string){0};
    err = add_partitions(decision, asked, answer);
    return err == OK ? fill_configs(decision, asked, answer) : err;
}

/* Is there an earlier entry of the same name, which is the one that is answered? */
static bool is_repetition(const struct hash_map *names, const asked_topic *asked)
{
    return hash_map_find(names, asked->name.text, (size_t)asked->name.size_bytes) != asked;
}

static enum err answer_all(struct decision *decision, const struct create_topics_request *request,
                           struct create_topics_response *response, int16_t error_code,
                           const char *message)
{
    for (int32_t i = 0; i < request->topics.count; i++) {
        response->topics.items[i].name = request->topics.items[i].name;
        refuse(&response->topics.items[i], error_code, wire_string(message));
    }
    response->topics.count = request->topics.count;
    decision->records->count = 0;
    return OK;
}

static bool is_too_much(struct decision *decision, const struct create_topics_request *request)
{
    int64_t total = 0;

    for (int32_t i = 0; i < request->topics.count; i++) {
        const asked_topic *asked = &request->topics.items[i];
        if (asked->assignments.count > 0)
            total += asked->assignments.count;
        else if (asked->num_partitions == -1)
            total += decision->values->num_partitions;
        else if (asked->num_partitions > 0)
            total += asked->num_partitions;
    }
    return total > DECISION_RECORDS_MAX;
}

enum err decide_create_topics(struct decision *decision,
                              const struct create_topics_request *request,
                              struct create_topics_response *response)
{
    int32_t count = request->topics.count < 0 ? 0 : request->topics.count;
    struct hash_map names;   /* the first of each name */
    struct hash_map doubled; /* told already */
    struct metric_names metric_names = {0};
    enum err err = OK;

    response->topics.items = codec_new_array(&create_topics_response_creatable_topic_result_struct,
                                             decision->arena, (size_t)count);
    if (response->topics.items == NULL)
        return ERR_NOMEM;
    response->topics.count = 0;
    if (is_too_much(decision, request))
        return answer_all(decision, request, response, KAFKA_POLICY_VIOLATION,
                          "Excessively large number of partitions per request.");
    hash_map_init(&names, prng_u64(decision->prng));
    hash_map_init(&doubled, prng_u64(decision->prng));
    hash_map_init(&metric_names.topics, prng_u64(decision->prng));
    for (int32_t i = 0; i < count && err == OK; i++) {
        asked_topic *asked = &request->topics.items[i];
        err = hash_map_insert(&names, asked->name.text, (size_t)asked->name.size_bytes, asked);
        if (err == ERR_EXISTS) {
            err =
                hash_map_insert(&doubled, asked->name.text, (size_t)asked->name.size_bytes, asked);
            err = err == ERR_EXISTS ? OK : err;
        }
    }
    for (int32_t i = 0; i < count && err == OK; i++) {
        const asked_topic *asked = &request->topics.items[i];
        answered_topic *answer = &response->topics.items[response->topics.count];
        if (is_repetition(&names, asked))
            continue;
        response->topics.count++;
        answer->name = asked->name;
        if (hash_map_find(&doubled, asked->name.text, (size_t)asked->name.size_bytes) != NULL)
            refuse(answer, KAFKA_INVALID_REQUEST, wire_string("Duplicate topic name."));
        else
            err = create_one(decision, &metric_names, asked, answer);
    }
    hash_map_deinit(&names);
    hash_map_deinit(&doubled);
    hash_map_deinit(&metric_names.topics);
    if (err == OK && decision->records->count > DECISION_RECORDS_MAX)
        return answer_all(decision, request, response, KAFKA_POLICY_VIOLATION,
                          "Unable to perform excessively large batch operation.");
    if (request->validate_only)
        decision->records->count = 0;
    return err;
}
