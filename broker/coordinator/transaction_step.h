/* transaction_step: what transaction_coordinator.h says of it is done here; this is what its
 * runtime calls. */
#ifndef LEVEE_BROKER_COORDINATOR_TRANSACTION_STEP_H
#define LEVEE_BROKER_COORDINATOR_TRANSACTION_STEP_H

#include "broker/coordinator/transaction_coordinator.h"

/* The record of a step is in the log: the entry is what it says.  Needs no memory (RUN-1). */
void transaction_step_apply(struct runtime_write *write);

#endif
