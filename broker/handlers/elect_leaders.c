/* ElectLeaders (key 43; KIP-183, 460): the one replica of a partition is its leader, so no election
 * is needed while the broker is up.  Errors: Kafka's ReplicationControlManager.electLeaders. */
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/partition_facts.h"
#include "broker/topic_name.h"
#include "broker/topic_ref.h"
#include "net/protocol/msg_elect_leaders.h"

typedef struct elect_leaders_request_topic_partitions asked_topic;
typedef struct elect_leaders_response_partition_result answered_partition;
typedef struct elect_leaders_response_replica_election_result answered_topic;

enum { ELECT_PREFERRED = 0, ELECT_UNCLEAN = 1 };

static bool answer_partition(struct request *request, const struct image_topic *topic,
                             int32_t index, answered_partition *out)
{
    if (!topic_ref_has(topic, index)) {
        const char *text =
            arena_printf(&request->arena, "No such partition as %s-%d", topic->name, index);
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        out->error_message = wire_string(text);
        return text != NULL;
    }
    if (partition_facts_leader(request->home->image, &topic->partitions[index]) < 0) {
        out->error_code = KAFKA_ELIGIBLE_LEADERS_NOT_AVAILABLE;
        out->error_message = wire_string(NULL);
        return true;
    }
    out->error_code = KAFKA_ELECTION_NOT_NEEDED;
    out->error_message = wire_string("Leader election not needed for topic partition.");
    return true;
}

static bool answer_topic(struct request *request, const asked_topic *asked, answered_topic *out)
{
    const struct image_topic *topic = image_topic_by_name(request->home->image, asked->topic.text,
                                                          (size_t)asked->topic.size_bytes);
    struct wire_string missing = {0};

    if (topic == NULL) {
        missing = topic_name_text(&request->arena, "No such topic as ", asked->topic, "");
        if (missing.text == NULL)
            return false;
    }
    out->topic = asked->topic;
    out->partition_result.items = request_try_array(
        request, &elect_leaders_response_partition_result_struct, asked->partitions.count);
    if (out->partition_result.items == NULL)
        return false;
    out->partition_result.count = asked->partitions.count;
    for (int32_t p = 0; p < asked->partitions.count; p++) {
        answered_partition *answer = &out->partition_result.items[p];
        answer->partition_id = asked->partitions.items[p];
        answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        answer->error_message = missing;
        if (topic != NULL && !answer_partition(request, topic, answer->partition_id, answer))
            return false;
    }
    return true;
}

/* Every topic, without the partitions that need no election: all of them. */
static bool answer_all(struct request *request, struct elect_leaders_response *response)
{
    const struct image *image = request->home->image;
    const struct image_topic *topic;
    size_t cursor = 0;

    response->replica_election_results.items =
        request_try_array(request, &elect_leaders_response_replica_election_result_struct,
                          (int32_t)image_topic_count(image));
    if (response->replica_election_results.items == NULL)
        return false;
    while ((topic = image_topic_next(image, &cursor)) != NULL)
        response->replica_election_results.items[response->replica_election_results.count++].topic =
            wire_string(topic->name);
    return true;
}

static bool answer_asked(struct request *request, struct elect_leaders_response *response)
{
    const struct elect_leaders_request *body = request->body;

    response->replica_election_results.items =
        request_try_array(request, &elect_leaders_response_replica_election_result_struct,
                          body->topic_partitions.count);
    if (response->replica_election_results.items == NULL)
        return false;
    response->replica_election_results.count = body->topic_partitions.count;
    for (int32_t t = 0; t < body->topic_partitions.count; t++)
        if (!answer_topic(request, &body->topic_partitions.items[t],
                          &response->replica_election_results.items[t]))
            return false;
    return true;
}

static void refuse_type(struct request *request, int8_t election_type)
{
    const char *text = arena_printf(&request->arena, "Unknown election type %d", election_type);

    if (text == NULL)
        request_refuse_memory(request);
    else
        request_answer_error(request, KAFKA_INVALID_REQUEST, text);
}

void handle_elect_leaders(struct request *request)
{
    const struct elect_leaders_request *body = request->body;

    if (body->election_type != ELECT_PREFERRED && body->election_type != ELECT_UNCLEAN)
        refuse_type(request, body->election_type);
    else if (body->topic_partitions.count < 0 ? answer_all(request, request->response)
                                              : answer_asked(request, request->response))
        request_answer(request);
    else
        request_refuse_memory(request);
}
