/* CreateDelegationToken, RenewDelegationToken, ExpireDelegationToken, DescribeDelegationToken (keys
 * 38 to 41; KIP-48): there is no authentication yet, hence nobody whom a token could stand for.
 * Kafka answers so on a PLAINTEXT listener. */
#include "broker/handlers.h"
#include "broker/request.h"

void handle_create_delegation_token(struct request *request)
{
    request_answer_error(request, KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, NULL);
}

void handle_renew_delegation_token(struct request *request)
{
    request_answer_error(request, KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, NULL);
}

void handle_expire_delegation_token(struct request *request)
{
    request_answer_error(request, KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, NULL);
}

void handle_describe_delegation_token(struct request *request)
{
    request_answer_error(request, KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, NULL);
}
