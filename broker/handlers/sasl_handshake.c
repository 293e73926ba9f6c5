/* SaslHandshake (key 17; KIP-43) and SaslAuthenticate (key 36; KIP-152) where no SASL is spoken: no
 * listener has it yet, and Kafka tells a client that tries on such a listener what is wrong. */
#include "broker/handlers.h"
#include "broker/request.h"
#include "net/protocol/msg_sasl_authenticate.h"
#include "net/protocol/msg_sasl_handshake.h"

void handle_sasl_handshake(struct request *request)
{
    struct sasl_handshake_response *response = request->response;

    response->error_code = KAFKA_ILLEGAL_SASL_STATE;
    request_answer(request);
}

void handle_sasl_authenticate(struct request *request)
{
    struct sasl_authenticate_response *response = request->response;

    response->error_code = KAFKA_ILLEGAL_SASL_STATE;
    response->error_message =
        wire_string("SaslAuthenticate request received after successful authentication");
    request_answer(request);
}
