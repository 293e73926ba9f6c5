/* aborted_filter: which batches of a fetched partition belong to aborted transactions.
 *
 * Of one answer: its list, and its batches from the first to the last one.  As Kafka's
 * CompletedFetch (KIP-98): a transaction's batches are left out from where it began to its marker.
 */
#ifndef LEVEE_TOOLS_ABORTED_FILTER_H
#define LEVEE_TOOLS_ABORTED_FILTER_H

#include "net/protocol/msg_fetch.h"
#include "record/batch.h"

struct aborted_filter {
    struct fetch_response_aborted_transaction *list; /* by rising first offset; owned */
    int32_t count;
    int32_t begun;      /* of them, so far */
    int64_t *producers; /* of those that have begun and not ended; owned */
    int32_t producer_count;
};

/* data: with the list, which may be null: nothing is left out then. */
void aborted_filter_init(struct aborted_filter *filter,
                         const struct fetch_response_partition_data *data);
void aborted_filter_deinit(struct aborted_filter *filter);

/* The next batch, whole: is it to be left out? */
bool aborted_filter_drops(struct aborted_filter *filter, const struct batch_header *header,
                          const uint8_t *bytes);

#endif
