/* EndTxn (key 26; KIP-98, 890): answered when the decision is durable; markers follow. */
#include "broker/coordinator/transaction_call.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/handlers.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_end_txn.h"

enum { VERSION_OF_V2 = 5 }; /* from it on the client speaks TV2 (KIP-890) */

static void on_done(void *context, const struct transaction_decision *decision, int16_t error)
{
    struct request *request = context;
    struct end_txn_response *response = request->response;

    if (error == KAFKA_PRODUCER_FENCED && request->api_version < 2)
        error = KAFKA_INVALID_PRODUCER_EPOCH;
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
    const struct end_txn_request *body = request->body;
    struct transaction_event event = {
        .kind = TRANSACTION_END,
        .version = request->api_version >= VERSION_OF_V2 ? TRANSACTION_V2 : TRANSACTION_V0,
        .producer_id = body->producer_id,
        .epoch = body->producer_epoch,
        .commit = body->committed,
    };

    if (event.version < TRANSACTION_V2 &&
        transaction_guard_is_late(request->at, request->client, body->transactional_id,
                                  body->producer_id, body->producer_epoch))
        transaction_guard_refuse(request, body->transactional_id);
    else
        transaction_call_start_for(request, body->transactional_id, &event, NULL, on_done);
}

void handle_end_txn(struct request *request)
{
    const struct end_txn_request *body = request->body;
    struct wire_string id = body->transactional_id;
    int16_t error = transaction_may(request, id, KAFKA_ACL_OPERATION_WRITE);

    if (error == KAFKA_NONE && id.size_bytes == 0)
        error = KAFKA_INVALID_REQUEST;
    if (error != KAFKA_NONE)
        request_answer_error(request, error, NULL);
    else
        request_run_on(request, transaction_shard(request->home, id.text, (size_t)id.size_bytes),
                       on_shard);
}
