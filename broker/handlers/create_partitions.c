/* CreatePartitions (key 37): more partitions for topics (KIP-195). */
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "net/protocol/msg_create_partitions.h"

static void answer_all(struct request *request, int16_t error_code)
{
    const struct create_partitions_request *body = request->body;
    struct create_partitions_response *response = request->response;

    response->results.items = request_try_array(
        request, &create_partitions_response_create_partitions_topic_result_struct,
        body->topics.count);
    if (response->results.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->results.count = body->topics.count;
    for (int32_t i = 0; i < body->topics.count; i++) {
        response->results.items[i].name = body->topics.items[i].name;
        response->results.items[i].error_code = error_code;
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

void handle_create_partitions(struct request *request)
{
    const struct create_partitions_request *body = request->body;

    if (body->timeout_ms <= 0)
        answer_all(request, KAFKA_REQUEST_TIMED_OUT); /* no time: nothing is tried */
    else
        ask_controller(request, body->timeout_ms, controller_create_partitions, on_answered);
}
