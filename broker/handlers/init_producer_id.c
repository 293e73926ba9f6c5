/* InitProducerId (key 22): an id for an idempotent producer (KIP-98, 360).
 *
 * A transactional id is refused with UNSUPPORTED_VERSION, which clients treat as final and tell
 * their user: transactions do not exist here, and no other code says so. */
#include "broker/handlers.h"
#include "broker/producer_id_draw.h"
#include "broker/request.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_init_producer_id.h"

struct id_wait {
    struct producer_id_draw draw;
    struct request *request;
};

static void on_id(struct producer_id_draw *draw, enum err err, int64_t producer_id)
{
    struct request *request = container_of(draw, struct id_wait, draw)->request;
    struct init_producer_id_response *response = request->response;

    if (err != OK) {
        request_answer_error(request, KAFKA_COORDINATOR_LOAD_IN_PROGRESS,
                             NULL); /* Kafka's, without a block */
        return;
    }
    response->producer_id = producer_id;
    response->producer_epoch = 0;
    request_answer(request);
}

void handle_init_producer_id(struct request *request)
{
    const struct init_producer_id_request *body = request->body;
    struct id_wait *wait;

    if (body->transactional_id.text != NULL && body->transactional_id.size_bytes == 0) {
        request_answer_error(request, KAFKA_INVALID_REQUEST, NULL);
    } else if ((body->producer_id == -1) != (body->producer_epoch == -1)) {
        request_answer_error(request, KAFKA_INVALID_REQUEST, NULL);
    } else if (body->transactional_id.text != NULL) {
        request_answer_error(request, KAFKA_UNSUPPORTED_VERSION, NULL);
    } else if (!request_may(request, KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE,
                            KAFKA_ACL_RESOURCE_TYPE_CLUSTER, "kafka-cluster", 13)) {
        request_answer_error(request, KAFKA_CLUSTER_AUTHORIZATION_FAILED, NULL);
    } else {
        wait = request_try_alloc(request, 1, sizeof(*wait));
        if (wait == NULL) {
            request_refuse_memory(request);
            return;
        }
        wait->request = request;
        wait->draw.done = on_id;
        producer_id_draw_start(&wait->draw, request->home);
    }
}
