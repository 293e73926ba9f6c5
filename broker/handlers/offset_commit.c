/* OffsetCommit (key 8; KIP-211, 320, 345). */
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/group_route.h"
#include "broker/handlers.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_offset_commit.h"

static void on_group_shard(struct request *request)
{
    group_offset_commit(request->at->groups, request);
}

/* False: there is no memory for the answer. */
static bool prepare_refusal(struct request *request, int16_t error_code)
{
    const struct offset_commit_request *body = request->body;
    struct offset_commit_response *response = request->response;

    response->topics.items =
        request_try_array(request, &offset_commit_response_topic_struct, body->topics.count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = body->topics.count;
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct offset_commit_request_topic *asked = &body->topics.items[t];
        struct offset_commit_response_topic *out = &response->topics.items[t];
        out->name = asked->name;
        out->topic_id = asked->topic_id;
        out->partitions.items = request_try_array(request, &offset_commit_response_partition_struct,
                                                  asked->partitions.count);
        if (out->partitions.items == NULL)
            return false;
        out->partitions.count = asked->partitions.count;
        for (int32_t p = 0; p < asked->partitions.count; p++) {
            out->partitions.items[p].partition_index = asked->partitions.items[p].partition_index;
            out->partitions.items[p].error_code = error_code;
        }
    }
    return true;
}

void handle_offset_commit(struct request *request)
{
    const struct offset_commit_request *body = request->body;
    int16_t error_code = group_may(request, body->group_id, KAFKA_ACL_OPERATION_READ);

    if (error_code == KAFKA_NONE)
        request_run_on(request, group_shard(request, body->group_id), on_group_shard);
    else if (prepare_refusal(request, error_code))
        request_answer(request);
    else
        request_refuse_memory(request);
}
