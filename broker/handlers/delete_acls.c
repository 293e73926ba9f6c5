/* DeleteAcls (key 31): there is no authorizer yet, and each answer says so as Kafka's does. */
#include "broker/handlers.h"
#include "broker/request.h"
#include "net/protocol/msg_delete_acls.h"

void handle_delete_acls(struct request *request)
{
    const struct delete_acls_request *body = request->body;
    struct delete_acls_response *response = request->response;

    response->filter_results.items = request_try_array(
        request, &delete_acls_response_delete_acls_filter_result_struct, body->filters.count);
    if (response->filter_results.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->filter_results.count = body->filters.count;
    for (int32_t i = 0; i < body->filters.count; i++) {
        response->filter_results.items[i].error_code = KAFKA_SECURITY_DISABLED;
        response->filter_results.items[i].error_message =
            wire_string("No Authorizer is configured.");
    }
    request_answer(request);
}
