/* Decisions about partitions: CreatePartitions (KIP-195). */
#include "base/hash_map.h"
#include "broker/internal_topics.h"
#include "broker/metadata/decision.h"
#include "net/protocol/kafka_errors.h"

typedef struct create_partitions_request_create_partitions_topic asked_topic;
typedef struct create_partitions_response_create_partitions_topic_result answered_topic;

static bool refuse(answered_topic *answer, int16_t error_code, struct wire_string message)
{
    answer->error_code = error_code;
    answer->error_message = message;
    return false;
}

static bool check_count(struct decision *decision, const struct image_topic *topic,
                        const asked_topic *asked, answered_topic *answer)
{
    int32_t current = (int32_t)topic->partition_count;

    if (asked->count == current)
        return refuse(answer, KAFKA_INVALID_PARTITIONS,
                      decision_text(decision, "Topic already has %d partition(s).", current));
    if (asked->count < current)
        return refuse(answer, KAFKA_INVALID_PARTITIONS,
                      decision_text(decision,
                                    "The topic %s currently has %d partition(s); %d would not be "
                                    "an increase.",
                                    topic->name, current, asked->count));
    if (asked->assignments.count >= 0 && asked->assignments.count != asked->count - current)
        return refuse(answer, KAFKA_INVALID_REPLICA_ASSIGNMENT,
                      decision_text(decision,
                                    "Attempted to add %d additional partition(s), but only %d "
                                    "assignment(s) were specified.",
                                    asked->count - current, asked->assignments.count));
    return true;
}

/* Where a group or a transactional id is kept follows from the number of partitions: with another
 * one they would not be found, and what the old partition has of them could come back.  Kafka takes
 * the request, and its coordinators refuse to write afterwards. */
static bool check_internal(struct decision *decision, const struct image_topic *topic,
                           answered_topic *answer)
{
    if (internal_topics_find(topic->name) == NULL)
        return true;
    return refuse(answer, KAFKA_INVALID_REQUEST,
                  decision_text(decision,
                                "The partitions of %s say where the broker finds its own state; "
                                "their number stays.",
                                topic->name));
}

static bool check_assignments(struct decision *decision, const struct image_topic *topic,
                              const asked_topic *asked, answered_topic *answer)
{
    int32_t factor = (int32_t)topic->partitions[0].replica_count;
    int32_t first = 0;
    uint32_t live = decision_live_brokers(decision, &first);
    struct wire_string message;

    for (int32_t i = 0; i < asked->assignments.count; i++) {
        const struct create_partitions_request_create_partitions_assignment *assignment =
            &asked->assignments.items[i];
        if (!decision_check_assignment(decision, (int32_t)topic->partition_count + i,
                                       assignment->broker_ids.items, assignment->broker_ids.count,
                                       factor, &message))
            return refuse(answer, KAFKA_INVALID_REPLICA_ASSIGNMENT, message);
    }
    if (asked->assignments.count < 0 && (uint32_t)factor > live)
        return refuse(answer, KAFKA_INVALID_REPLICATION_FACTOR,
                      decision_too_few_brokers(decision, factor, live));
    return true;
}

static enum err grow_one(struct decision *decision, const asked_topic *asked,
                         answered_topic *answer)
{
    const struct image_topic *topic =
        image_topic_by_name(decision->image, asked->name.text, (size_t)asked->name.size_bytes);
    int32_t leader = decision->node_id;
    enum err err = OK;

    if (topic == NULL) {
        refuse(answer, KAFKA_UNKNOWN_TOPIC_OR_PARTITION, (struct wire_string){0});
        return OK;
    }
    if (!check_count(decision, topic, asked, answer) || !check_internal(decision, topic, answer) ||
        !check_assignments(decision, topic, asked, answer))
        return OK;
    decision_live_brokers(decision, &leader);
    for (int32_t i = (int32_t)topic->partition_count; i < asked->count && err == OK; i++) {
        const int32_t *replicas = &leader;
        int32_t replica_count = 1;
        if (asked->assignments.count >= 0) {
            const struct create_partitions_request_create_partitions_assignment *assignment =
                &asked->assignments.items[i - (int32_t)topic->partition_count];
            replicas = assignment->broker_ids.items;
            replica_count = assignment->broker_ids.count;
        }
        err = decision_add_partition(decision, &topic->id, i, replicas, replica_count);
    }
    return err;
}

static enum err answer_all(struct decision *decision,
                           const struct create_partitions_request *request,
                           struct create_partitions_response *response, const char *message)
{
    for (int32_t i = 0; i < request->topics.count; i++) {
        response->results.items[i].name = request->topics.items[i].name;
        refuse(&response->results.items[i], KAFKA_POLICY_VIOLATION, wire_string(message));
    }
    response->results.count = request->topics.count;
    decision->records->count = 0;
    return OK;
}

static bool is_too_much(struct decision *decision, const struct create_partitions_request *request)
{
    int64_t total = 0;

    for (int32_t i = 0; i < request->topics.count; i++) {
        const asked_topic *asked = &request->topics.items[i];
        const struct image_topic *topic =
            image_topic_by_name(decision->image, asked->name.text, (size_t)asked->name.size_bytes);
        if (topic != NULL && asked->count > (int32_t)topic->partition_count)
            total += asked->count - (int32_t)topic->partition_count;
    }
    return total > DECISION_RECORDS_MAX;
}

enum err decide_create_partitions(struct decision *decision,
                                  const struct create_partitions_request *request,
                                  struct create_partitions_response *response)
{
    int32_t count = request->topics.count < 0 ? 0 : request->topics.count;
    struct hash_map answers; /* by name */
    enum err err = OK;

    response->results.items =
        codec_new_array(&create_partitions_response_create_partitions_topic_result_struct,
                        decision->arena, (size_t)count);
    if (response->results.items == NULL)
        return ERR_NOMEM;
    response->results.count = 0;
    if (is_too_much(decision, request))
        return answer_all(decision, request, response,
                          "Excessively large number of partitions per request.");
    hash_map_init(&answers, prng_u64(decision->prng));
    for (int32_t i = 0; i < count && err == OK; i++) {
        struct wire_string name = request->topics.items[i].name;
        answered_topic *first = hash_map_find(&answers, name.text, (size_t)name.size_bytes);
        if (first != NULL) {
            refuse(first, KAFKA_INVALID_REQUEST, wire_string("Duplicate topic name."));
            continue;
        }
        response->results.items[response->results.count].name = name;
        err = hash_map_insert(&answers, name.text, (size_t)name.size_bytes,
                              &response->results.items[response->results.count++]);
    }
    for (int32_t i = 0; i < count && err == OK; i++) {
        const asked_topic *asked = &request->topics.items[i];
        answered_topic *answer =
            hash_map_find(&answers, asked->name.text, (size_t)asked->name.size_bytes);
        if (answer->error_code == KAFKA_NONE)
            err = grow_one(decision, asked, answer);
    }
    hash_map_deinit(&answers);
    if (request->validate_only)
        decision->records->count = 0;
    return err;
}
