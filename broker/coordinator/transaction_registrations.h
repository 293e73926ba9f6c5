/* transaction_registrations: the coordinator's side of transaction_registration.h: those of one id
 * that are asked for in one turn become one step.  Part of the transaction_coordinator, on its
 * loop. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_REGISTRATIONS_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_REGISTRATIONS_H

#include "base/loop.h"
#include "broker/coordinator/transaction_registration.h"

struct transaction_coordinator;

struct transaction_registrations {
    struct transaction_coordinator *coordinator;
    struct list asked;   /* of transaction_registration.node: in this turn */
    struct list batches; /* of those that are being recorded */
    struct task turn;
};

void transaction_registrations_init(struct transaction_registrations *registrations,
                                    struct transaction_coordinator *coordinator);

/* Its answer is its error, in shard_call_finish of its hop. */
void transaction_registrations_ask(struct transaction_registrations *registrations,
                                   struct transaction_registration *registration);

/* The coordinator's steps have ended. */
void transaction_registrations_deinit(struct transaction_registrations *registrations);

#endif
