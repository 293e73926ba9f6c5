/* JoinGroup (key 11). */
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/group_route.h"
#include "broker/handlers.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_join_group.h"

static void on_group_shard(struct request *request)
{
    group_join(request->at->groups, request);
}

void handle_join_group(struct request *request)
{
    const struct join_group_request *body = request->body;
    struct join_group_response *response = request->response;

    response->error_code = group_may(request, body->group_id, KAFKA_ACL_OPERATION_READ);
    if (response->error_code == KAFKA_NONE && body->group_id.size_bytes == 0)
        response->error_code = KAFKA_INVALID_GROUP_ID;
    response->member_id = body->member_id;
    response->protocol_name = wire_string(request->api_version >= 7 ? NULL : "");
    if (response->error_code != KAFKA_NONE) {
        request_answer(request);
        return;
    }
    request_park(request); /* for the other members */
    request_run_on(request, group_shard(request, body->group_id), on_group_shard);
}
