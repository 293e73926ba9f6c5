/* CreateTopics (key 19): decided by the controller, answered when every shard has the topics. */
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_create_topics.h"

static void answer_all(struct request *request, int16_t error_code)
{
    const struct create_topics_request *body = request->body;
    struct create_topics_response *response = request->response;

    response->topics.items = request_try_array(
        request, &create_topics_response_creatable_topic_result_struct, body->topics.count);
    if (response->topics.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->topics.count = body->topics.count;
    for (int32_t i = 0; i < body->topics.count; i++) {
        response->topics.items[i].name = body->topics.items[i].name;
        response->topics.items[i].error_code = error_code;
        response->topics.items[i].error_message = (struct wire_string){0};
    }
    request_answer(request);
}

static void on_answered(struct request *request, enum err err)
{
    if (err != OK)
        answer_all(request, ask_controller_error(err));
    else
        request_answer(request);
}

void handle_create_topics(struct request *request)
{
    const struct create_topics_request *body = request->body;

    if (!request_may(request, KAFKA_ACL_OPERATION_CREATE, KAFKA_ACL_RESOURCE_TYPE_CLUSTER,
                     "kafka-cluster", 13))
        answer_all(request, KAFKA_TOPIC_AUTHORIZATION_FAILED);
    else if (body->timeout_ms <= 0)
        answer_all(request, KAFKA_REQUEST_TIMED_OUT); /* no time: nothing is tried */
    else
        ask_controller(request, body->timeout_ms, controller_create_topics, on_answered);
}
