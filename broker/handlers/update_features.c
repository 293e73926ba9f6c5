/* UpdateFeatures (key 57): levels of features (KIP-584, 778, 1022). */
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_update_features.h"

#include <string.h>

static void on_answered(struct request *request, enum err err)
{
    struct update_features_response *response;

    if (err == OK) {
        request_answer(request);
        return;
    }
    if (!request_prepare_response(request)) {
        request_refuse_memory(request);
        return;
    }
    response = request->response;
    response->error_code = ask_controller_error(err);
    response->error_message = (struct wire_string){0};
    request_answer(request);
}

void handle_update_features(struct request *request)
{
    const struct update_features_request *body = request->body;
    struct update_features_response *response = request->response;

    if (request_may(request, KAFKA_ACL_OPERATION_ALTER, KAFKA_ACL_RESOURCE_TYPE_CLUSTER,
                    "kafka-cluster", strlen("kafka-cluster"))) {
        ask_controller(request, body->timeout_ms, controller_update_features, on_answered);
        return;
    }
    response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
    response->error_message = (struct wire_string){0};
    request_answer(request);
}
