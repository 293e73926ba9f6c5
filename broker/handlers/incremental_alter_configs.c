/* IncrementalAlterConfigs (key 44): of topics and of the broker (KIP-339). */
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "net/protocol/msg_incremental_alter_configs.h"

static void answer_all(struct request *request, int16_t error_code)
{
    const struct incremental_alter_configs_request *body = request->body;
    struct incremental_alter_configs_response *response = request->response;

    response->responses.items = request_try_array(
        request, &incremental_alter_configs_response_alter_configs_resource_response_struct,
        body->resources.count);
    if (response->responses.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->responses.count = body->resources.count;
    for (int32_t i = 0; i < body->resources.count; i++) {
        struct incremental_alter_configs_response_alter_configs_resource_response *out =
            &response->responses.items[i];
        out->resource_type = body->resources.items[i].resource_type;
        out->resource_name = body->resources.items[i].resource_name;
        out->error_code = error_code;
        out->error_message = (struct wire_string){0};
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

void handle_incremental_alter_configs(struct request *request)
{
    ask_controller(request, controller_alter_configs, on_answered);
}
