/* Decisions about topics that are to go: DeleteTopics (KIP-516). */
#include "base/hash_map.h"
#include "broker/metadata/decision.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_remove_topic_record.h"

typedef struct delete_topics_response_deletable_topic_result deleted_topic;

static void refuse_deletion(deleted_topic *answer, int16_t error_code, const char *message)
{
    answer->error_code = error_code;
    answer->error_message = wire_string(message);
}

/* What one entry names. */
struct naming {
    struct wire_string name; /* null: by id */
    struct uuid id;
};

struct deletion {
    struct decision *decision;
    deleted_topic *answers;
    struct naming *asked;
    const struct image_topic **topics; /* what the answer names, or NULL */
    int32_t count;                     /* of answers */
    struct hash_map names;             /* of entries in asked, by what they name */
    struct hash_map ids;
    struct hash_map targets; /* of those that have a topic, by its id */
};

/* The answer at index deletes nothing any more. */
static void drop_target(struct deletion *deletion, int32_t index)
{
    const struct image_topic *topic = deletion->topics[index];

    if (topic != NULL)
        hash_map_remove(&deletion->targets, &topic->id, sizeof(topic->id));
    deletion->topics[index] = NULL;
}

/* An entry that names the same as an earlier one is told there and takes no answer of its own. */
static bool is_repeated(struct deletion *deletion, const struct naming *asked,
                        const struct image_topic *topic)
{
    bool by_name = asked->name.text != NULL;
    const struct naming *same =
        by_name ? hash_map_find(&deletion->names, asked->name.text, (size_t)asked->name.size_bytes)
                : hash_map_find(&deletion->ids, &asked->id, sizeof(asked->id));
    const struct naming *other =
        same != NULL || topic == NULL
            ? NULL
            : hash_map_find(&deletion->targets, &topic->id, sizeof(topic->id));
    const struct naming *first = same != NULL ? same : other;
    deleted_topic *answer;

    if (first == NULL)
        return false;
    answer = &deletion->answers[first - deletion->asked];
    if (same == NULL) {
        answer->topic_id = topic->id;
        refuse_deletion(answer, KAFKA_INVALID_REQUEST,
                        "The provided topic name maps to an ID that was already supplied.");
    } else if (by_name) {
        refuse_deletion(answer, KAFKA_INVALID_REQUEST, "Duplicate topic name.");
        answer->topic_id = (struct uuid){0};
    } else {
        refuse_deletion(answer, KAFKA_INVALID_REQUEST, "Duplicate topic id.");
        answer->name = (struct wire_string){0};
    }
    drop_target(deletion, (int32_t)(first - deletion->asked));
    return true;
}

/* So that is_repeated finds the entry again.  One with neither name nor id, or both, is no
 * repetition of anything. */
static enum err remember(struct deletion *deletion, int32_t index)
{
    struct naming *asked = &deletion->asked[index];
    const struct image_topic *topic = deletion->topics[index];
    bool has_name = asked->name.text != NULL;
    enum err err = OK;

    if (has_name == !uuid_is_zero(&asked->id))
        return OK;
    err = has_name ? hash_map_insert(&deletion->names, asked->name.text,
                                     (size_t)asked->name.size_bytes, asked)
                   : hash_map_insert(&deletion->ids, &asked->id, sizeof(asked->id), asked);
    if (err == OK && topic != NULL)
        err = hash_map_insert(&deletion->targets, &topic->id, sizeof(topic->id), asked);
    return err;
}

static enum err name_one(struct deletion *deletion, const struct naming *asked)
{
    const struct image *image = deletion->decision->image;
    bool has_name = asked->name.text != NULL;
    bool has_id = !uuid_is_zero(&asked->id);
    const struct image_topic *topic = NULL;
    deleted_topic *answer;

    if (has_name && !has_id)
        topic = image_topic_by_name(image, asked->name.text, (size_t)asked->name.size_bytes);
    else if (has_id && !has_name)
        topic = image_topic_by_id(image, &asked->id);
    if (has_name != has_id && is_repeated(deletion, asked, topic))
        return OK;
    answer = &deletion->answers[deletion->count];
    deletion->asked[deletion->count] = *asked;
    deletion->topics[deletion->count] = topic;
    deletion->count++;
    if (remember(deletion, deletion->count - 1) != OK)
        return ERR_NOMEM;
    answer->name = asked->name;
    answer->topic_id = asked->id;
    if (!has_name && !has_id) {
        refuse_deletion(answer, KAFKA_INVALID_REQUEST, "Neither topic name nor id were specified.");
    } else if (has_name && has_id) {
        refuse_deletion(answer, KAFKA_INVALID_REQUEST,
                        "You may not specify both topic name and topic id.");
    } else if (topic == NULL) {
        refuse_deletion(answer, has_id ? KAFKA_UNKNOWN_TOPIC_ID : KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                        has_id ? "This server does not host this topic ID."
                               : "This server does not host this topic-partition.");
    } else {
        answer->topic_id = topic->id;
        answer->name = decision_copy(deletion->decision, wire_string(topic->name));
        if (answer->name.text == NULL)
            return ERR_NOMEM;
    }
    return OK;
}

static enum err name_all(struct deletion *deletion, int16_t version,
                         const struct delete_topics_request *request, int32_t count)
{
    const struct decision *decision = deletion->decision;
    bool by_state = version >= 6; /* KIP-516: names or ids */
    bool is_disabled = !decision->values->delete_topic_enable;
    enum err err = OK;

    for (int32_t i = 0; i < count && err == OK; i++) {
        struct naming asked = {0};
        if (by_state)
            asked =
                (struct naming){request->topics.items[i].name, request->topics.items[i].topic_id};
        else
            asked.name = request->topic_names.items[i];
        if (!is_disabled) {
            err = name_one(deletion, &asked);
            continue;
        }
        deletion->answers[i].name = asked.name;
        deletion->answers[i].topic_id = asked.id;
        refuse_deletion(&deletion->answers[deletion->count++],
                        version < 3 ? KAFKA_INVALID_REQUEST : KAFKA_TOPIC_DELETION_DISABLED,
                        "Topic deletion is disabled.");
    }
    return err;
}

static enum err record_all(struct deletion *deletion)
{
    struct decision *decision = deletion->decision;

    for (int32_t i = 0; i < deletion->count; i++) {
        struct remove_topic_record *record;
        if (deletion->topics[i] == NULL)
            continue;
        record = metadata_records_add(decision->records, METADATA_REMOVE_TOPIC, 0);
        if (record == NULL)
            return ERR_NOMEM;
        record->topic_id = deletion->topics[i]->id;
    }
    if (decision->records->count > DECISION_RECORDS_MAX) {
        decision->records->count = 0; /* DEC-2 */
        for (int32_t i = 0; i < deletion->count; i++)
            refuse_deletion(&deletion->answers[i], KAFKA_POLICY_VIOLATION,
                            "Unable to perform excessively large batch operation.");
    }
    return OK;
}

enum err decide_delete_topics(struct decision *decision, int16_t version,
                              const struct delete_topics_request *request,
                              struct delete_topics_response *response)
{
    int32_t count = version >= 6 ? request->topics.count : request->topic_names.count;
    struct deletion deletion = {.decision = decision};
    enum err err;

    count = count < 0 ? 0 : count;
    deletion.answers = codec_new_array(&delete_topics_response_deletable_topic_result_struct,
                                       decision->arena, (size_t)count);
    deletion.asked = arena_alloc_array(decision->arena, (size_t)count, sizeof(*deletion.asked));
    deletion.topics = arena_alloc_array(decision->arena, (size_t)count, sizeof(*deletion.topics));
    if (deletion.answers == NULL || deletion.asked == NULL || deletion.topics == NULL)
        return ERR_NOMEM;
    hash_map_init(&deletion.names, prng_u64(decision->prng));
    hash_map_init(&deletion.ids, prng_u64(decision->prng));
    hash_map_init(&deletion.targets, prng_u64(decision->prng));
    err = name_all(&deletion, version, request, count);
    hash_map_deinit(&deletion.names);
    hash_map_deinit(&deletion.ids);
    hash_map_deinit(&deletion.targets);
    if (err == OK)
        err = record_all(&deletion);
    response->responses.items = deletion.answers;
    response->responses.count = deletion.count;
    return err;
}
