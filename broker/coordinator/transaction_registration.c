/* start → (to the coordinator's shard) ask, which transaction_registrations.c answers → (back)
 * done. */
#include "broker/coordinator/transaction_registration.h"

#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/coordinator/transaction_route.h"

static void ask(struct shard_call *hop)
{
    transaction_registrations_ask(&hop->target->transactions->registrations,
                                  container_of(hop, struct transaction_registration, hop));
}

static void on_back(struct shard_call *hop)
{
    struct transaction_registration *registration =
        container_of(hop, struct transaction_registration, hop);

    registration->done(registration, registration->error);
}

void transaction_registration_start(struct transaction_registration *registration, struct shard *at)
{
    shard_call_start(&registration->hop, at,
                     transaction_shard(at, registration->id, registration->id_bytes), ask, on_back);
}
