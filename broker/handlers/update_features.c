/* UpdateFeatures (key 57): levels of features (KIP-584, 778, 1022). */
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "net/protocol/msg_update_features.h"

static void on_answered(struct request *request, enum err err)
{
    if (err != OK)
        request_answer_error(request, ask_controller_error(err), NULL);
    else
        request_answer(request);
}

void handle_update_features(struct request *request)
{
    const struct update_features_request *body = request->body;

    ask_controller(request, body->timeout_ms, controller_update_features, on_answered);
}
