/* SASL where none is spoken. */
#include "net/protocol/msg_sasl_authenticate.h"
#include "net/protocol/msg_sasl_handshake.h"
#include "tests/unit/broker/group_asks.h"

static void setup(void)
{
    rig_up(NULL);
}

TestSuite(sasl_handshake, .init = setup, .fini = rig_down, .timeout = 600);

Test(sasl_handshake, both_steps_say_that_the_listener_does_not_speak_sasl)
{
    struct ask ask = ask_new(API_SASL_HANDSHAKE, 1);

    ask_start(&ask, handle_sasl_handshake);
    cr_assert(eq(i16, ((const struct sasl_handshake_response *)ask.response)->error_code,
                 KAFKA_ILLEGAL_SASL_STATE));
    ask_end(&ask);
    ask = ask_new(API_SASL_AUTHENTICATE, 2);
    ask_start(&ask, handle_sasl_authenticate);
    cr_assert(eq(i16, ((const struct sasl_authenticate_response *)ask.response)->error_code,
                 KAFKA_ILLEGAL_SASL_STATE));
    ask_end(&ask);
}
