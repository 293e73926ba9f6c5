/* UnregisterBroker (key 64): the only broker of a cluster stays registered; others there are none.
 */
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_unregister_broker.h"

#include <string.h>

void handle_unregister_broker(struct request *request)
{
    const struct unregister_broker_request *body = request->body;
    struct unregister_broker_response *response = request->response;
    const char *text = NULL;

    if (!request_may(request, KAFKA_ACL_OPERATION_ALTER, KAFKA_ACL_RESOURCE_TYPE_CLUSTER,
                     "kafka-cluster", strlen("kafka-cluster"))) {
        response->error_code = KAFKA_CLUSTER_AUTHORIZATION_FAILED;
        request_answer(request);
        return;
    }
    if (image_broker_find(request->home->image, body->broker_id) == NULL) {
        response->error_code = KAFKA_BROKER_ID_NOT_REGISTERED;
        text = arena_printf(&request->arena, "Broker ID %d is not currently registered",
                            body->broker_id);
    } else {
        response->error_code = KAFKA_INVALID_REQUEST;
        text = arena_printf(&request->arena,
                            "Broker ID %d is the only broker of this cluster, and it is running",
                            body->broker_id);
    }
    response->error_message = wire_string(text);
    if (text != NULL)
        request_answer(request);
    else
        request_refuse_memory(request);
}
