/* OffsetDelete (key 47; KIP-496). */
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/group_route.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_offset_delete.h"

static void on_group_shard(struct request *request)
{
    group_offset_delete(request->at->groups, request);
}

/* KAFKA_NONE: the group's shard decides. */
static int16_t check_topic(const struct request *request, struct wire_string name,
                           const struct image_topic **topic_out)
{
    int16_t error_code;

    if (!request_may(request, KAFKA_ACL_OPERATION_READ, KAFKA_ACL_RESOURCE_TYPE_TOPIC, name.text,
                     (size_t)name.size_bytes))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    *topic_out = topic_ref_find(request->home->image, false, name, NULL, &error_code);
    return error_code;
}

/* An answer for each partition, those of topics that do not exist already with their error.  False:
 * there is no memory for them. */
static bool prepare_answers(struct request *request)
{
    const struct offset_delete_request *body = request->body;
    struct offset_delete_response *response = request->response;

    response->topics.items =
        request_try_array(request, &offset_delete_response_topic_struct, body->topics.count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = body->topics.count;
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct offset_delete_request_topic *asked = &body->topics.items[t];
        struct offset_delete_response_topic *out = &response->topics.items[t];
        const struct image_topic *topic = NULL;
        int16_t error_code = check_topic(request, asked->name, &topic);
        out->name = asked->name;
        out->partitions.items = request_try_array(request, &offset_delete_response_partition_struct,
                                                  asked->partitions.count);
        if (out->partitions.items == NULL)
            return false;
        out->partitions.count = asked->partitions.count;
        for (int32_t p = 0; p < asked->partitions.count; p++) {
            int32_t index = asked->partitions.items[p].partition_index;
            out->partitions.items[p].partition_index = index;
            out->partitions.items[p].error_code = error_code != KAFKA_NONE ? error_code
                                                  : topic_ref_has(topic, index)
                                                      ? KAFKA_NONE
                                                      : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        }
    }
    return true;
}

void handle_offset_delete(struct request *request)
{
    const struct offset_delete_request *body = request->body;
    struct offset_delete_response *response = request->response;

    response->error_code = group_may(request, body->group_id, KAFKA_ACL_OPERATION_DELETE);
    if (response->error_code == KAFKA_NONE && body->group_id.size_bytes == 0)
        response->error_code = KAFKA_INVALID_GROUP_ID;
    if (response->error_code != KAFKA_NONE) {
        request_answer(request);
        return;
    }
    if (prepare_answers(request))
        request_run_on(request, group_shard(request, body->group_id), on_group_shard);
    else
        request_refuse_memory(request);
}
