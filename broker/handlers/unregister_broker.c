/* UnregisterBroker (key 64): the only broker of a cluster stays registered; others there are none.
 */
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "net/protocol/msg_unregister_broker.h"

void handle_unregister_broker(struct request *request)
{
    const struct unregister_broker_request *body = request->body;
    bool is_known = image_broker_find(request->home->image, body->broker_id) != NULL;
    const char *text =
        arena_printf(&request->arena,
                     is_known ? "Broker ID %d is the only broker of this cluster, and it is running"
                              : "Broker ID %d is not currently registered",
                     body->broker_id);

    if (text == NULL)
        request_refuse_memory(request);
    else
        request_answer_error(
            request, is_known ? KAFKA_INVALID_REQUEST : KAFKA_BROKER_ID_NOT_REGISTERED, text);
}
