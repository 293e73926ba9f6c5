/* cleaner_transactions: what the batches of a log say of its transactions, for one pass of the
 * cleaner: which data was aborted, of which nobody knows yet, and whether a marker still has data.
 *
 * Two walks in offset order: the first notes batches from the dirty section's begin on (a
 * transaction that was open there is in it whole), up to where the pass ends; after seal the second
 * asks, and tells which batches stay.  Owned by a pass; one thread at a time.  (Kafka:
 * CleanedTransactionMetadata)
 *   CLT-1  what has no end among the noted batches is undecided: it stays as it is, and the next
 *          pass begins at or below its first batch
 *   CLT-2  a marker has data as long as a batch of its transaction stays, even an emptied one:
 *          without it a replay would open the transaction again
 *   CLT-3  at most ranges_max aborted transactions and as many open ones; full ends the pass */
#ifndef LEVEE_STORAGE_CLEANER_CLEANER_TRANSACTIONS_H
#define LEVEE_STORAGE_CLEANER_CLEANER_TRANSACTIONS_H

#include "base/err.h"
#include "base/hash_map.h"
#include "record/batch.h"
#include "record/control_record.h"

#include <stdbool.h>
#include <stdint.h>

enum cleaner_fate { CLEANER_COMMITTED, CLEANER_ABORTED, CLEANER_UNDECIDED };

/* Data of a producer from first to last: aborted by a marker at last, or (INT64_MAX) undecided. */
struct cleaner_range {
    int64_t producer_id;
    int64_t first_offset;
    int64_t last_offset;
};

struct cleaner_transactions {
    struct cleaner_range *ranges; /* after seal: by producer id and last offset */
    uint32_t range_count;
    uint32_t range_capacity;
    uint32_t ranges_max;
    struct hash_map open; /* of the first walk, then of the second: by producer id */
    int64_t first_undecided;
    bool is_sealed;
};

void cleaner_transactions_init(struct cleaner_transactions *transactions, uint64_t seed,
                               uint32_t ranges_max);
void cleaner_transactions_deinit(struct cleaner_transactions *transactions); /* zeroed: accepted */

/* The first walk: the next batch; marker: of one that ends a transaction, else NULL.
 * ERR_FULL (CLT-3), ERR_NOMEM: it is not noted. */
must_use enum err cleaner_transactions_note(struct cleaner_transactions *transactions,
                                            const struct batch_header *header,
                                            const struct control_marker *marker);

/* Between the walks.  ERR_NOMEM, ERR_FULL: nothing is lost, but it may not be asked. */
must_use enum err cleaner_transactions_seal(struct cleaner_transactions *transactions);

/* What became of a transactional data batch that ends at offset. */
enum cleaner_fate cleaner_transactions_fate(const struct cleaner_transactions *transactions,
                                            int64_t producer_id, int64_t offset);

/* Of all that is undecided; INT64_MAX: nothing is. */
static inline int64_t cleaner_transactions_first_undecided(
    const struct cleaner_transactions *transactions)
{
    return transactions->first_undecided;
}

/* The second walk: a transactional data batch stays, perhaps empty.  ERR_NOMEM. */
must_use enum err cleaner_transactions_stays(struct cleaner_transactions *transactions,
                                             int64_t producer_id);

/* The second walk: a transaction of the producer ends here.  Does a batch of it stay (CLT-2)? */
bool cleaner_transactions_end(struct cleaner_transactions *transactions, int64_t producer_id);

#endif
