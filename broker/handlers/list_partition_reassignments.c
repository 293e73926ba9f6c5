/* ListPartitionReassignments (key 46): one broker moves no replicas, so none is under way. */
#include "broker/handlers.h"
#include "broker/request.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_list_partition_reassignments.h"

#include <string.h>

void handle_list_partition_reassignments(struct request *request)
{
    struct list_partition_reassignments_response *response = request->response;

    response->error_message = wire_string(NULL);
    if (!request_may(request, KAFKA_ACL_OPERATION_DESCRIBE, KAFKA_ACL_RESOURCE_TYPE_CLUSTER,
                     "kafka-cluster", strlen("kafka-cluster")))
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    request_answer(request);
}
