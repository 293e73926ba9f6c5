/* CreateTopics (key 19): decided by the controller, answered when every shard has the topics. */
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_create_topics.h"

static void on_answered(struct request *request, enum err err)
{
    if (err != OK)
        request_answer_error(request, ask_controller_error(err), NULL);
    else
        request_answer(request);
}

void handle_create_topics(struct request *request)
{
    const struct create_topics_request *body = request->body;

    if (!request_may(request, KAFKA_ACL_OPERATION_CREATE, KAFKA_ACL_RESOURCE_TYPE_CLUSTER,
                     "kafka-cluster", 13))
        request_answer_error(request, KAFKA_TOPIC_AUTHORIZATION_FAILED, NULL);
    else if (body->timeout_ms <= 0)
        request_answer_error(request, KAFKA_REQUEST_TIMED_OUT,
                             NULL); /* no time: nothing is tried */
    else
        ask_controller(request, body->timeout_ms, controller_create_topics, on_answered);
}
