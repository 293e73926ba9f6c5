/* DeleteTopics (key 20): by name or, from version 6, by id; answered when no shard has them any
 * more (KIP-516). */
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "net/protocol/msg_delete_topics.h"

static void on_answered(struct request *request, enum err err)
{
    if (err != OK)
        request_answer_error(request, ask_controller_error(err), NULL);
    else
        request_answer(request);
}

void handle_delete_topics(struct request *request)
{
    const struct delete_topics_request *body = request->body;

    if (body->timeout_ms <= 0)
        request_answer_error(request, KAFKA_REQUEST_TIMED_OUT,
                             NULL); /* no time: nothing is tried */
    else
        ask_controller(request, body->timeout_ms, controller_delete_topics, on_answered);
}
