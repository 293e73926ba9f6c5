/* AlterPartitionReassignments (key 45; KIP-455): every partition has its one replica here, so what
 * can be asked for is what is there already, or wrong.  Order of checks and messages: Kafka's
 * ReplicationControlManager.alterPartitionReassignment, validateManualPartitionAssignment. */
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "broker/topic_name.h"
#include "broker/topic_ref.h"
#include "net/protocol/msg_alter_partition_reassignments.h"

typedef struct alter_partition_reassignments_request_reassignable_topic asked_topic;
typedef struct alter_partition_reassignments_request_reassignable_partition asked_partition;
typedef struct alter_partition_reassignments_response_reassignable_topic_response answered_topic;
typedef struct alter_partition_reassignments_response_reassignable_partition_response
    answered_partition;

static bool is_registered(const struct request *request, int32_t broker_id)
{
    return image_broker_find(request->home->image, broker_id) != NULL;
}

/* Kafka looks at the ids by rising order and tells the first that is wrong.  False: no memory. */
static bool check_replicas(struct request *request, const asked_partition *asked,
                           answered_partition *out)
{
    const struct image *image = request->home->image;
    const char *text = NULL;
    bool is_wrong = false, is_double = false;
    int32_t wrong_id = 0;

    if (asked->replicas.count == 0) {
        out->error_code = KAFKA_INVALID_REPLICA_ASSIGNMENT;
        out->error_message =
            wire_string("The manual partition assignment includes an empty replica list.");
        return true;
    }
    for (int32_t i = 0; i < asked->replicas.count; i++) {
        int32_t id = asked->replicas.items[i];
        if (!is_registered(request, id) && (!is_wrong || id < wrong_id)) {
            is_wrong = true;
            wrong_id = id;
        }
    }
    for (uint32_t b = 0; b < image_broker_count(image); b++) {
        int32_t id = image_broker_at(image, b)->id;
        uint32_t count = 0;
        for (int32_t i = 0; i < asked->replicas.count; i++)
            count += asked->replicas.items[i] == id;
        if (count > 1 && (!is_wrong || id < wrong_id)) {
            is_wrong = is_double = true;
            wrong_id = id;
        }
    }
    if (!is_wrong)
        return true;
    out->error_code = KAFKA_INVALID_REPLICA_ASSIGNMENT;
    text = is_double ? arena_printf(&request->arena,
                                    "The manual partition assignment includes the broker %d more "
                                    "than once.",
                                    wrong_id)
                     : arena_printf(&request->arena,
                                    "The manual partition assignment includes broker %d, but no "
                                    "such broker is registered.",
                                    wrong_id);
    out->error_message = wire_string(text);
    return text != NULL;
}

static bool answer_partition(struct request *request, const struct image_topic *topic,
                             const asked_partition *asked, answered_partition *out)
{
    const char *text;

    if (!topic_ref_has(topic, asked->partition_index)) {
        text = arena_printf(&request->arena, "Unable to find partition %s:%d.", topic->name,
                            asked->partition_index);
        out->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        out->error_message = wire_string(text);
        return text != NULL;
    }
    if (asked->replicas.count < 0) { /* null: cancel */
        out->error_code = KAFKA_NO_REASSIGNMENT_IN_PROGRESS;
        return true;
    }
    return check_replicas(request, asked, out);
}

static bool answer_topic(struct request *request, const asked_topic *asked, answered_topic *out)
{
    const struct image_topic *topic =
        image_topic_by_name(request->home->image, asked->name.text, (size_t)asked->name.size_bytes);
    struct wire_string missing = {0};

    if (topic == NULL) {
        missing =
            topic_name_text(&request->arena, "Unable to find a topic named ", asked->name, ".");
        if (missing.text == NULL)
            return false;
    }
    out->name = asked->name;
    out->partitions.items = request_try_array(
        request, &alter_partition_reassignments_response_reassignable_partition_response_struct,
        asked->partitions.count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = asked->partitions.count;
    for (int32_t p = 0; p < asked->partitions.count; p++) {
        answered_partition *answer = &out->partitions.items[p];
        answer->partition_index = asked->partitions.items[p].partition_index;
        answer->error_code = topic == NULL ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION : KAFKA_NONE;
        answer->error_message = missing;
        if (topic != NULL && !answer_partition(request, topic, &asked->partitions.items[p], answer))
            return false;
    }
    return true;
}

void handle_alter_partition_reassignments(struct request *request)
{
    const struct alter_partition_reassignments_request *body = request->body;
    struct alter_partition_reassignments_response *response = request->response;

    response->allow_replication_factor_change = body->allow_replication_factor_change;
    if (body->topics.count > 0)
        response->error_message = wire_string(NULL);
    response->responses.items = request_try_array(
        request, &alter_partition_reassignments_response_reassignable_topic_response_struct,
        body->topics.count);
    if (response->responses.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->responses.count = body->topics.count;
    for (int32_t t = 0; t < body->topics.count; t++)
        if (!answer_topic(request, &body->topics.items[t], &response->responses.items[t])) {
            request_refuse_memory(request);
            return;
        }
    request_answer(request);
}
