/* AlterConfigs (key 33): the older form, in which a resource's configs become exactly those that
 * are named.  Told to the controller as the incremental one: set what is named, delete the rest. */
#include "base/hash_map.h"
#include "broker/ask_controller.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_alter_configs.h"
#include "net/protocol/msg_incremental_alter_configs.h"

#include <string.h>

typedef struct alter_configs_request_alter_configs_resource asked_resource;
typedef struct incremental_alter_configs_request_alter_configs_resource told_resource;
typedef struct incremental_alter_configs_request_alterable_config told_config;

struct translation {
    struct request *request;
    const asked_resource *asked;
    told_resource *told;
    struct hash_map named; /* its configs in the request, by name */
    enum err err;
};

static void count_set(void *context, const char *key, const char *value)
{
    (*(int32_t *)context)++;
}

static void delete_unnamed(void *context, const char *key, const char *value)
{
    struct translation *translation = context;
    told_config *out = &translation->told->configs.items[translation->told->configs.count];

    if (translation->err != OK || hash_map_find(&translation->named, key, strlen(key)) != NULL)
        return;
    if (!request_try_text(translation->request, wire_string(key), &out->name)) {
        translation->err = ERR_NOMEM;
        return;
    }
    out->config_operation = KAFKA_ALTER_CONFIG_OP_DELETE;
    out->value = wire_string(NULL);
    translation->told->configs.count++;
}

static enum err translate(struct request *request, const asked_resource *asked, told_resource *told)
{
    struct translation translation = {.request = request, .asked = asked, .told = told};
    const struct image *image = request->home->image;
    struct wire_string name;
    int32_t set_count = 0;

    if (!request_try_text(request, asked->resource_name, &name))
        return ERR_NOMEM;
    image_config_each(image, asked->resource_type, name.text, count_set, &set_count);
    told->resource_type = asked->resource_type;
    told->resource_name = asked->resource_name;
    told->configs.items =
        request_try_array(request, &incremental_alter_configs_request_alterable_config_struct,
                          asked->configs.count + set_count);
    if (told->configs.items == NULL)
        return ERR_NOMEM;
    hash_map_init(&translation.named, prng_u64(&request->home->prng));
    for (int32_t i = 0; i < asked->configs.count && translation.err == OK; i++) {
        told_config *out = &told->configs.items[told->configs.count++];
        out->name = asked->configs.items[i].name;
        out->value = asked->configs.items[i].value;
        out->config_operation = KAFKA_ALTER_CONFIG_OP_SET;
        translation.err =
            hash_map_insert(&translation.named, out->name.text, (size_t)out->name.size_bytes, out);
        if (translation.err == ERR_EXISTS)
            translation.err = OK; /* the controller refuses it */
    }
    image_config_each(image, asked->resource_type, name.text, delete_unnamed, &translation);
    hash_map_deinit(&translation.named);
    return translation.err;
}

static void on_answered(struct request *request, enum err err)
{
    const struct incremental_alter_configs_request *told = request->body;
    const struct incremental_alter_configs_response *heard = request->response;
    struct alter_configs_response *response;

    if (!request_prepare_response(request)) {
        request_refuse_memory(request);
        return;
    }
    response = request->response;
    response->responses.count = told->resources.count;
    response->responses.items =
        request_try_array(request, &alter_configs_response_alter_configs_resource_response_struct,
                          told->resources.count);
    if (response->responses.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    for (int32_t i = 0; i < told->resources.count; i++) {
        struct alter_configs_response_alter_configs_resource_response *out =
            &response->responses.items[i];
        out->resource_type = told->resources.items[i].resource_type;
        out->resource_name = told->resources.items[i].resource_name;
        out->error_code = ask_controller_error(err);
        out->error_message = wire_string(NULL);
        if (err == OK && i < heard->responses.count) {
            out->error_code = heard->responses.items[i].error_code;
            out->error_message = heard->responses.items[i].error_message;
        }
        if (out->resource_type == KAFKA_CONFIG_RESOURCE_TYPE_BROKER_LOGGER) {
            out->error_code = KAFKA_INVALID_REQUEST; /* not in this form */
            out->error_message = wire_string("Unknown resource type 8");
        }
    }
    request_answer(request);
}

void handle_alter_configs(struct request *request)
{
    const struct alter_configs_request *body = request->body;
    struct incremental_alter_configs_request *told = request_try_alloc(request, 1, sizeof(*told));
    struct incremental_alter_configs_response *heard =
        request_try_alloc(request, 1, sizeof(*heard));
    enum err err = OK;

    if (told == NULL || heard == NULL) {
        request_refuse_memory(request);
        return;
    }
    codec_set_defaults(&incremental_alter_configs_request_desc, told);
    codec_set_defaults(&incremental_alter_configs_response_desc, heard);
    told->validate_only = body->validate_only;
    told->resources.count = body->resources.count;
    told->resources.items =
        request_try_array(request, &incremental_alter_configs_request_alter_configs_resource_struct,
                          body->resources.count);
    err = told->resources.items == NULL ? ERR_NOMEM : OK;
    for (int32_t i = 0; i < body->resources.count && err == OK; i++)
        err = translate(request, &body->resources.items[i], &told->resources.items[i]);
    if (err != OK) {
        request_refuse_memory(request);
        return;
    }
    request->body = told;
    request->response = heard;
    ask_controller(request, ASK_CONTROLLER_NO_TIMEOUT, controller_alter_configs, on_answered);
}
