#include "broker/coordinator/transaction.h"

static const char *const state_names[TRANSACTION_STATE_COUNT] = {
    [TRANSACTION_EMPTY] = "Empty",
    [TRANSACTION_ONGOING] = "Ongoing",
    [TRANSACTION_PREPARE_COMMIT] = "PrepareCommit",
    [TRANSACTION_PREPARE_ABORT] = "PrepareAbort",
    [TRANSACTION_COMPLETE_COMMIT] = "CompleteCommit",
    [TRANSACTION_COMPLETE_ABORT] = "CompleteAbort",
    [TRANSACTION_DEAD] = "Dead",
};

#define FROM(state) (1U << TRANSACTION_##state)

/* By the state that follows (DUR-T1; Kafka's TransactionState.VALID_PREVIOUS_STATES). */
static const unsigned states_before[TRANSACTION_STATE_COUNT] = {
    [TRANSACTION_EMPTY] = FROM(EMPTY) | FROM(COMPLETE_COMMIT) | FROM(COMPLETE_ABORT),
    [TRANSACTION_ONGOING] =
        FROM(EMPTY) | FROM(ONGOING) | FROM(COMPLETE_COMMIT) | FROM(COMPLETE_ABORT),
    [TRANSACTION_PREPARE_COMMIT] = FROM(ONGOING),
    [TRANSACTION_PREPARE_ABORT] =
        FROM(ONGOING) | FROM(EMPTY) | FROM(COMPLETE_COMMIT) | FROM(COMPLETE_ABORT),
    [TRANSACTION_COMPLETE_COMMIT] = FROM(PREPARE_COMMIT),
    [TRANSACTION_COMPLETE_ABORT] = FROM(PREPARE_ABORT),
    [TRANSACTION_DEAD] = FROM(EMPTY) | FROM(COMPLETE_COMMIT) | FROM(COMPLETE_ABORT),
};

void transaction_init(struct transaction *transaction, int64_t producer_id, int32_t timeout_ms,
                      int64_t now_ms)
{
    *transaction = (struct transaction){
        .fields = {.state = TRANSACTION_EMPTY,
                   .epoch = TRANSACTION_NO_EPOCH,
                   .timeout_ms = timeout_ms,
                   .producer_id = producer_id,
                   .previous_producer_id = TRANSACTION_NO_PRODUCER,
                   .next_producer_id = TRANSACTION_NO_PRODUCER,
                   .started_ms = TRANSACTION_NO_TIME,
                   .updated_ms = now_ms},
        .last_epoch = TRANSACTION_NO_EPOCH,
    };
}

bool transaction_may_follow(enum transaction_state from, enum transaction_state to)
{
    return (states_before[to] >> from & 1) != 0;
}

void transaction_apply(struct transaction *transaction, const struct transaction_fields *next,
                       int16_t next_last_epoch)
{
    transaction->fields = *next;
    transaction->last_epoch = next_last_epoch;
    transaction->is_pending = false;
}

const char *transaction_state_name(enum transaction_state state)
{
    return state_names[state];
}
