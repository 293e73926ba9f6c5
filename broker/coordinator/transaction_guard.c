#include "broker/coordinator/transaction_guard.h"

bool transaction_guard_passes(struct transaction_guard *guard, int64_t producer_id, int16_t epoch,
                              uint64_t accept_number)
{
    bool is_same = guard->producer_id == producer_id && guard->epoch == epoch;

    if (accept_number == 0)
        return true;
    if (is_same && accept_number < guard->accept_number)
        return false; /* TGD-1 */
    *guard = (struct transaction_guard){accept_number, producer_id, epoch};
    return true;
}

void transaction_guard_clear(struct transaction_guard *guard)
{
    *guard = (struct transaction_guard){0};
}
