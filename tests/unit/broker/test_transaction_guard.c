#include "broker/coordinator/transaction_guard.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { P = 1000, E = 3 };

static struct transaction_guard guard;

static bool passes(uint64_t accept_number)
{
    return transaction_guard_passes(&guard, P, E, accept_number);
}

/* The client's EndTxn hangs in connection 5; it repeats it on 6 and begins the next one there. */
Test(transaction_guard, what_was_delayed_on_an_earlier_connection_is_not_executed)
{
    cr_assert(passes(5)); /* the partitions of the first */
    cr_assert(passes(6)); /* its end, repeated */
    cr_assert(passes(6)); /* the partitions of the second */
    cr_assert(not(passes(5)));
    cr_assert(passes(6));
    cr_assert(passes(9));
    cr_assert(not(passes(6)));
}

/* A pool that uses two in turn: each that is closed comes again as the latest. */
Test(transaction_guard, a_pool_of_two_connections_makes_progress)
{
    uint64_t pool[2] = {1, 2};
    uint64_t newest = 2;
    uint32_t executed = 0;
    uint32_t closed = 0;

    for (uint32_t i = 0; i < 100; i++) {
        uint64_t *used = &pool[i % 2];
        if (!passes(*used)) {
            *used = ++newest;
            closed++;
            cr_assert(passes(*used), "it is repeated once");
        }
        executed++;
    }
    cr_assert(eq(u32, executed, 100));
    cr_assert(le(u32, closed, 100));
}

/* Clients of the Python family send InitProducerId on another connection than the rest. */
Test(transaction_guard, whom_the_id_is_handed_to_is_the_first_again)
{
    cr_assert(passes(7));
    cr_assert(not(passes(5)));
    transaction_guard_clear(&guard);
    cr_assert(passes(5));
}

Test(transaction_guard, another_epoch_or_producer_is_another_holder)
{
    cr_assert(passes(7));
    cr_assert(transaction_guard_passes(&guard, P, E + 1, 5));
    cr_assert(transaction_guard_passes(&guard, P + 1, E + 1, 4));
    cr_assert(not(transaction_guard_passes(&guard, P + 1, E + 1, 3)));
}

Test(transaction_guard, who_comes_through_no_connection_passes_and_claims_nothing)
{
    cr_assert(passes(7));
    cr_assert(passes(0));
    cr_assert(not(passes(6)));
}
