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

void handle_offset_commit(struct request *request)
{
    const struct offset_commit_request *body = request->body;
    int16_t error_code = group_may(request, body->group_id, KAFKA_ACL_OPERATION_READ);

    if (error_code == KAFKA_NONE)
        request_run_on(request, group_shard(request, body->group_id), on_group_shard);
    else
        request_answer_error(request, error_code, NULL);
}
