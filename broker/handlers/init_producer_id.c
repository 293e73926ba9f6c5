/* InitProducerId (key 22; KIP-98, 360): an id for an idempotent producer, or for the next instance
 * of a transactional one, which the coordinator of its transactional id gives. */
#include "broker/coordinator/transaction_call.h"
#include "broker/coordinator/transaction_route.h"
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

/* An id for a producer without transactions. */
static void answer_with_id(struct request *request)
{
    struct id_wait *wait = request_try_alloc(request, 1, sizeof(*wait));

    if (wait == NULL) {
        request_refuse_memory(request);
        return;
    }
    wait->request = request;
    wait->draw.done = on_id;
    producer_id_draw_start(&wait->draw, request->home);
}

static void on_done(void *context, const struct transaction_decision *decision, int16_t error)
{
    struct request *request = context;
    struct init_producer_id_response *response = request->response;

    if (error == KAFKA_PRODUCER_FENCED && request->api_version < 4)
        error = KAFKA_INVALID_PRODUCER_EPOCH; /* KIP-588 */
    if (error != KAFKA_NONE) {
        request_answer_error(request, error, NULL);
        return;
    }
    response->producer_id = decision->producer_id;
    response->producer_epoch = decision->epoch;
    request_answer(request);
}

static void on_shard(struct request *request)
{
    const struct init_producer_id_request *body = request->body;
    struct transaction_event event = {
        .kind = TRANSACTION_INIT,
        .version = transaction_coordinator_version(request->at->transactions),
        .producer_id = body->producer_id,
        .epoch = body->producer_epoch,
        .timeout_ms = body->enable_2pc ? INT32_MAX : body->transaction_timeout_ms,
    };

    transaction_call_start_for(request, body->transactional_id, &event, NULL, on_done);
}

static int16_t check_client(const struct request *request)
{
    const struct init_producer_id_request *body = request->body;

    if (body->transactional_id.text != NULL)
        return transaction_may(request, body->transactional_id, KAFKA_ACL_OPERATION_WRITE);
    return request_may(request, KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE,
                       KAFKA_ACL_RESOURCE_TYPE_CLUSTER, "kafka-cluster", 13)
               ? KAFKA_NONE
               : KAFKA_CLUSTER_AUTHORIZATION_FAILED;
}

/* In Kafka's order (KafkaApis, TransactionCoordinator.handleInitProducerId). */
static int16_t check_all(const struct request *request)
{
    const struct init_producer_id_request *body = request->body;
    const struct config_values *values = shard_config(request->home);
    int16_t error = check_client(request);

    if (error != KAFKA_NONE)
        return error;
    if ((body->producer_id == -1) != (body->producer_epoch == -1))
        return KAFKA_INVALID_REQUEST;
    if (body->transactional_id.text == NULL)
        return KAFKA_NONE;
    if (body->transactional_id.size_bytes == 0)
        return KAFKA_INVALID_REQUEST;
    if (body->enable_2pc && !values->transaction_two_phase_commit_enable)
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (body->keep_prepared_txn)
        return KAFKA_UNSUPPORTED_VERSION;
    if (!body->enable_2pc && (body->transaction_timeout_ms <= 0 ||
                              body->transaction_timeout_ms > values->transaction_max_timeout_ms))
        return KAFKA_INVALID_TRANSACTION_TIMEOUT;
    return KAFKA_NONE;
}

void handle_init_producer_id(struct request *request)
{
    const struct init_producer_id_request *body = request->body;
    struct wire_string id = body->transactional_id;
    int16_t error = check_all(request);

    if (error != KAFKA_NONE)
        request_answer_error(request, error, NULL);
    else if (id.text == NULL)
        answer_with_id(request);
    else
        request_run_on(request, transaction_shard(request->home, id.text, (size_t)id.size_bytes),
                       on_shard);
}
