/* ListPartitionReassignments (key 46): one broker moves no replicas, so none is under way. */
#include "broker/handlers.h"
#include "broker/request.h"
#include "net/protocol/msg_list_partition_reassignments.h"

void handle_list_partition_reassignments(struct request *request)
{
    struct list_partition_reassignments_response *response = request->response;

    response->error_message = wire_string(NULL);
    request_answer(request);
}
