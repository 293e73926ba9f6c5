/* FindCoordinator (key 10; KIP-699): on one broker, it is always this one; what takes time is to
 * create the coordinator's topic when the first one is asked for. */
#include "broker/config.h"
#include "broker/coordinator/group_route.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/endpoint.h"
#include "broker/handlers.h"
#include "broker/internal_topic_creation.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_find_coordinator.h"

struct search {
    struct request *request;
    struct internal_topic_creation creation;
};

/* May the client look for it? */
static int16_t check_key(const struct request *request, int8_t key_type, struct wire_string key,
                         const char **message_out)
{
    if (key_type == KAFKA_COORDINATOR_KEY_TYPE_GROUP)
        return group_may(request, key, KAFKA_ACL_OPERATION_DESCRIBE);
    if (key_type == KAFKA_COORDINATOR_KEY_TYPE_TRANSACTION)
        return key.text == NULL ? KAFKA_INVALID_REQUEST
                                : transaction_may(request, key, KAFKA_ACL_OPERATION_DESCRIBE);
    *message_out = "This broker has no coordinator of that type";
    return KAFKA_INVALID_REQUEST;
}

static void answer(struct request *request, int16_t creation_error)
{
    const struct find_coordinator_request *body = request->body;
    struct find_coordinator_response *response = request->response;
    bool batched = request->api_version >= 4;
    int32_t count = batched ? body->coordinator_keys.count : 1;
    struct find_coordinator_response_coordinator *items =
        request_try_array(request, &find_coordinator_response_coordinator_struct, count);
    char *host = request_try_alloc(request, 1, ENDPOINT_HOST_MAX);
    uint16_t port;

    if (items == NULL || host == NULL) {
        request_refuse_memory(request);
        return;
    }
    endpoint_for(request, host, &port);
    for (int32_t i = 0; i < count; i++) {
        const char *message = NULL;
        items[i].key = batched ? body->coordinator_keys.items[i] : body->key;
        items[i].error_code = check_key(request, body->key_type, items[i].key, &message);
        if (items[i].error_code == KAFKA_NONE)
            items[i].error_code = creation_error;
        if (items[i].error_code == KAFKA_NONE) {
            items[i].node_id = config_node_id(request->home->config);
            items[i].host = wire_string(host);
            items[i].port = port;
            items[i].error_message = wire_string(batched ? "" : "NONE"); /* as Kafka */
        } else {
            items[i].node_id = -1;
            items[i].host = wire_string("");
            items[i].port = -1;
            items[i].error_message =
                wire_string(message != NULL ? message : kafka_error_name(items[i].error_code));
        }
    }
    if (batched) {
        response->coordinators.items = items;
        response->coordinators.count = count;
    } else {
        response->error_code = items[0].error_code;
        response->error_message = items[0].error_message;
        response->node_id = items[0].node_id;
        response->host = items[0].host;
        response->port = items[0].port;
    }
    request_answer(request);
}

static void on_created(struct internal_topic_creation *creation, bool failed)
{
    struct search *search = container_of(creation, struct search, creation);

    answer(search->request, failed ? KAFKA_COORDINATOR_NOT_AVAILABLE : KAFKA_NONE);
}

void handle_find_coordinator(struct request *request)
{
    const struct find_coordinator_request *body = request->body;
    const struct internal_topic *topic = internal_topics_of_keys(body->key_type);
    struct search *search;

    if (topic == NULL || internal_topics_image(request->home->image, body->key_type) != NULL) {
        answer(request, KAFKA_NONE);
        return;
    }
    search = request_try_alloc(request, 1, sizeof(*search));
    if (search == NULL) {
        request_refuse_memory(request);
        return;
    }
    search->request = request;
    search->creation.topic = topic;
    search->creation.done = on_created;
    internal_topic_creation_start(&search->creation, request->home);
}
