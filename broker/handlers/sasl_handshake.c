/* SaslHandshake (key 17; KIP-43) and SaslAuthenticate (key 36; KIP-152) where no SASL is spoken: no
 * listener has it yet, and Kafka tells a client that tries on such a listener what is wrong. */
#include "broker/handlers.h"
#include "broker/request.h"

void handle_sasl_handshake(struct request *request)
{
    request_answer_error(request, KAFKA_ILLEGAL_SASL_STATE, NULL);
}

void handle_sasl_authenticate(struct request *request)
{
    request_answer_error(request, KAFKA_ILLEGAL_SASL_STATE,
                         "SaslAuthenticate request received after successful authentication");
}
