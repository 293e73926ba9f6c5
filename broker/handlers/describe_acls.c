/* DescribeAcls (key 29): there is no authorizer yet, and the answer says so as Kafka's does. */
#include "broker/handlers.h"
#include "broker/request.h"
#include "net/protocol/msg_describe_acls.h"

void handle_describe_acls(struct request *request)
{
    struct describe_acls_response *response = request->response;

    response->error_code = KAFKA_SECURITY_DISABLED;
    response->error_message = wire_string("No Authorizer is configured on the broker");
    request_answer(request);
}
