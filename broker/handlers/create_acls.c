/* CreateAcls (key 30): there is no authorizer yet, and each answer says so as Kafka's does. */
#include "broker/handlers.h"
#include "broker/request.h"
#include "net/protocol/msg_create_acls.h"

void handle_create_acls(struct request *request)
{
    const struct create_acls_request *body = request->body;
    struct create_acls_response *response = request->response;

    response->results.items = request_try_array(
        request, &create_acls_response_acl_creation_result_struct, body->creations.count);
    if (response->results.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->results.count = body->creations.count;
    for (int32_t i = 0; i < body->creations.count; i++) {
        response->results.items[i].error_code = KAFKA_SECURITY_DISABLED;
        response->results.items[i].error_message = wire_string("No Authorizer is configured.");
    }
    request_answer(request);
}
