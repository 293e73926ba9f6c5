/* DeleteTopics (key 20): by name or, from version 6, by id; answered when no shard has them any
 * more (KIP-516). */
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "net/protocol/msg_delete_topics.h"

static void answer_all(struct request *request, int16_t error_code)
{
    const struct delete_topics_request *body = request->body;
    struct delete_topics_response *response = request->response;
    bool by_state = request->api_version >= 6;
    int32_t count = by_state ? body->topics.count : body->topic_names.count;

    response->responses.items =
        request_try_array(request, &delete_topics_response_deletable_topic_result_struct, count);
    if (response->responses.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->responses.count = count;
    for (int32_t i = 0; i < count; i++) {
        struct delete_topics_response_deletable_topic_result *out = &response->responses.items[i];
        out->name = by_state ? body->topics.items[i].name : body->topic_names.items[i];
        if (by_state)
            out->topic_id = body->topics.items[i].topic_id;
        out->error_code = error_code;
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

void handle_delete_topics(struct request *request)
{
    const struct delete_topics_request *body = request->body;

    if (body->timeout_ms <= 0)
        answer_all(request, KAFKA_REQUEST_TIMED_OUT); /* no time: nothing is tried */
    else
        ask_controller(request, body->timeout_ms, controller_delete_topics, on_answered);
}
