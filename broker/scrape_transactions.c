/* What a scrape tells of the transactions of a shard: how many, and the age of the oldest. */
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/scrape_private.h"

bool scrape_transactions(struct scrape *scrape)
{
    const struct transaction_coordinator *coordinator = scrape->at->transactions;
    struct scrape_totals *totals = &scrape->totals;
    uint32_t open_count;
    int64_t oldest_ms = transaction_timeouts_oldest_ms(&coordinator->timeouts, &open_count);
    int64_t age_ms;

    totals->transactional_ids += hash_map_count(&coordinator->entries);
    totals->transactions_open += open_count;
    if (oldest_ms == TRANSACTION_NO_TIME ||
        __builtin_sub_overflow(clock_wall_ms(scrape->at->clock), oldest_ms, &age_ms))
        return true;
    if (age_ms > totals->oldest_transaction_ms)
        totals->oldest_transaction_ms = age_ms;
    return true;
}
