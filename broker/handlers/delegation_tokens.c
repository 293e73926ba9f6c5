/* CreateDelegationToken, RenewDelegationToken, ExpireDelegationToken, DescribeDelegationToken (keys
 * 38 to 41; KIP-48): there is no authentication yet, hence nobody whom a token could stand for.
 * Kafka answers so on a PLAINTEXT listener. */
#include "broker/handlers.h"
#include "broker/request.h"
#include "net/protocol/msg_create_delegation_token.h"
#include "net/protocol/msg_describe_delegation_token.h"
#include "net/protocol/msg_expire_delegation_token.h"
#include "net/protocol/msg_renew_delegation_token.h"

enum { NO_TIME = -1 };

void handle_create_delegation_token(struct request *request)
{
    struct create_delegation_token_response *response = request->response;

    response->error_code = KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    response->issue_timestamp_ms = NO_TIME;
    response->expiry_timestamp_ms = NO_TIME;
    response->max_timestamp_ms = NO_TIME;
    request_answer(request);
}

void handle_renew_delegation_token(struct request *request)
{
    struct renew_delegation_token_response *response = request->response;

    response->error_code = KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    response->expiry_timestamp_ms = NO_TIME;
    request_answer(request);
}

void handle_expire_delegation_token(struct request *request)
{
    struct expire_delegation_token_response *response = request->response;

    response->error_code = KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    response->expiry_timestamp_ms = NO_TIME;
    request_answer(request);
}

void handle_describe_delegation_token(struct request *request)
{
    struct describe_delegation_token_response *response = request->response;

    response->error_code = KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED;
    request_answer(request);
}
