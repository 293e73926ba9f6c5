/* CreatePartitions (key 37): more partitions for topics (KIP-195). */
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "net/protocol/msg_create_partitions.h"

static void on_answered(struct request *request, enum err err)
{
    if (err != OK)
        request_answer_error(request, ask_controller_error(err), NULL);
    else
        request_answer(request);
}

void handle_create_partitions(struct request *request)
{
    const struct create_partitions_request *body = request->body;

    if (body->timeout_ms <= 0)
        request_answer_error(request, KAFKA_REQUEST_TIMED_OUT,
                             NULL); /* no time: nothing is tried */
    else
        ask_controller(request, body->timeout_ms, controller_create_partitions, on_answered);
}
