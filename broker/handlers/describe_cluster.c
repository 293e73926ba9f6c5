/* DescribeCluster (key 60): brokers and the cluster's id (KIP-700, 919, 1073). */
#include "broker/authorized.h"
#include "broker/config.h"
#include "broker/endpoint.h"
#include "broker/handlers.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/image.h"
#include "net/protocol/msg_describe_cluster.h"

enum { ENDPOINT_BROKERS = 1, ENDPOINT_CONTROLLERS = 2 };

/* False: there is no memory. */
static bool fill_self(struct request *request, struct describe_cluster_response *response)
{
    const struct describe_cluster_request *body = request->body;
    int32_t node_id = config_node_id(request->home->config);
    const struct image_broker *self = image_broker_find(request->home->image, node_id);
    char *host = request_try_alloc(request, 1, ENDPOINT_HOST_MAX);
    struct describe_cluster_response_describe_cluster_broker *out =
        request_try_array(request, &describe_cluster_response_describe_cluster_broker_struct, 1);
    uint16_t port;

    if (host == NULL || out == NULL)
        return false;
    response->brokers.items = out;
    if (self != NULL && self->fenced && !body->include_fenced_brokers)
        return true;
    response->brokers.count = 1;
    endpoint_for(request, host, &port);
    out->broker_id = node_id;
    out->host = wire_string(host);
    out->port = port;
    out->rack = wire_string(self == NULL ? NULL : self->rack);
    out->is_fenced = self != NULL && self->fenced;
    return true;
}

void handle_describe_cluster(struct request *request)
{
    const struct describe_cluster_request *body = request->body;
    struct describe_cluster_response *response = request->response;
    const struct controller *controller = shard_of_controller(request->home->shards)->controller;
    char *message;

    if (body->endpoint_type == ENDPOINT_CONTROLLERS) {
        request_answer_error(
            request, KAFKA_MISMATCHED_ENDPOINT_TYPE,
            "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of "
            "type CONTROLLER");
        return;
    }
    if (body->endpoint_type != ENDPOINT_BROKERS) {
        message =
            arena_printf(&request->arena, "Unsupported endpoint type %d", body->endpoint_type);
        request_answer_error(request, KAFKA_UNSUPPORTED_ENDPOINT_TYPE, message);
        return;
    }
    response->cluster_id = wire_string(controller_cluster_id(controller));
    response->controller_id = config_node_id(request->home->config);
    if (!fill_self(request, response)) {
        request_refuse_memory(request);
        return;
    }
    if (body->include_cluster_authorized_operations)
        response->cluster_authorized_operations = authorized_on_cluster(request);
    request_answer(request);
}
