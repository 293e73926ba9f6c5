/* ListConfigResources (key 74; version 0 was ListClientMetricsResources): what has configurations
 * (KIP-1000, 1142).  Groups and client metrics are there as long as something is set for them. */
#include "broker/config.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_list_config_resources.h"

#include <stdio.h>
typedef struct list_config_resources_response_config_resource resource;

static const int8_t known_types[] = {
    KAFKA_CONFIG_RESOURCE_TYPE_TOPIC, KAFKA_CONFIG_RESOURCE_TYPE_BROKER,
    KAFKA_CONFIG_RESOURCE_TYPE_BROKER_LOGGER, KAFKA_CONFIG_RESOURCE_TYPE_CLIENT_METRICS,
    KAFKA_CONFIG_RESOURCE_TYPE_GROUP};

/* By place in known_types.  False: a type that nobody knows. */
static bool find_asked(const struct request *request, bool asked[array_count(known_types)])
{
    const struct list_config_resources_request *body = request->body;
    bool is_all = request->api_version > 0 && body->resource_types.count <= 0;

    for (size_t k = 0; k < array_count(known_types); k++)
        asked[k] = is_all || (request->api_version == 0 &&
                              known_types[k] == KAFKA_CONFIG_RESOURCE_TYPE_CLIENT_METRICS);
    for (int32_t i = 0; i < body->resource_types.count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < array_count(known_types); k++)
            if (known_types[k] == body->resource_types.items[i])
                is_known = asked[k] = true;
        if (!is_known)
            return false;
    }
    return true;
}

static void add(struct list_config_resources_response *response, int8_t type,
                struct wire_string name)
{
    resource *out = &response->config_resources.items[response->config_resources.count++];

    out->resource_type = type;
    out->resource_name = name;
}

static void add_topics(const struct image *image, struct list_config_resources_response *response)
{
    const struct image_topic *topic;
    size_t cursor = 0;

    while ((topic = image_topic_next(image, &cursor)) != NULL)
        add(response, KAFKA_CONFIG_RESOURCE_TYPE_TOPIC, wire_string(topic->name));
}

/* Brokers and their loggers are named by the broker's id. */
static bool add_brokers(struct request *request, int8_t type,
                        struct list_config_resources_response *response)
{
    const struct image *image = request->home->image;

    for (uint32_t i = 0; i < image_broker_count(image); i++) {
        char id[16];
        struct wire_string name;
        snprintf(id, sizeof(id), "%d", image_broker_at(image, i)->id);
        if (!request_try_text(request, wire_string(id), &name))
            return false;
        add(response, type, name);
    }
    return true;
}

struct naming {
    struct request *request;
    int8_t type;
    bool is_failed;
};

static void add_named(void *context, const char *name_text)
{
    struct naming *naming = context;
    struct wire_string name;

    if (naming->is_failed || !request_try_text(naming->request, wire_string(name_text), &name))
        naming->is_failed = true;
    else
        add(naming->request->response, naming->type, name);
}

static bool add_type(struct request *request, int8_t type)
{
    const struct image *image = request->home->image;
    struct naming naming = {request, type, false};

    switch (type) {
    case KAFKA_CONFIG_RESOURCE_TYPE_TOPIC:
        add_topics(image, request->response);
        return true;
    case KAFKA_CONFIG_RESOURCE_TYPE_BROKER:
    case KAFKA_CONFIG_RESOURCE_TYPE_BROKER_LOGGER:
        return add_brokers(request, type, request->response);
    default:
        image_config_each_resource(image, type, add_named, &naming);
        return !naming.is_failed;
    }
}

static bool fill(struct request *request, const bool asked[array_count(known_types)])
{
    const struct image *image = request->home->image;
    struct list_config_resources_response *response = request->response;
    uint32_t count_max =
        image_topic_count(image) + 2 * image_broker_count(image) +
        image_config_resource_count(image, KAFKA_CONFIG_RESOURCE_TYPE_GROUP) +
        image_config_resource_count(image, KAFKA_CONFIG_RESOURCE_TYPE_CLIENT_METRICS);

    response->config_resources.items = request_try_array(
        request, &list_config_resources_response_config_resource_struct, (int32_t)count_max);
    if (response->config_resources.items == NULL)
        return false;
    for (size_t k = 0; k < array_count(known_types); k++)
        if (asked[k] && !add_type(request, known_types[k]))
            return false;
    return true;
}

void handle_list_config_resources(struct request *request)
{
    struct list_config_resources_response *response = request->response;
    bool asked[array_count(known_types)];

    if (!find_asked(request, asked))
        response->error_code = KAFKA_UNSUPPORTED_VERSION;
    else if (!fill(request, asked)) {
        request_refuse_memory(request);
        return;
    }
    request_answer(request);
}
