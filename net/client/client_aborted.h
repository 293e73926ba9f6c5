/* client_aborted: which batches of a fetched partition belong to aborted transactions.
 *
 * Of one answer: its list, and its batches from the first to the last one.  As Kafka's
 * CompletedFetch (KIP-98): a transaction's batches are left out from where it began to its marker.
 */
#ifndef LEVEE_NET_CLIENT_CLIENT_ABORTED_H
#define LEVEE_NET_CLIENT_CLIENT_ABORTED_H

#include "net/protocol/msg_fetch.h"
#include "record/batch.h"

struct client_aborted {
    struct fetch_response_aborted_transaction *list; /* by rising first offset; owned */
    int32_t count;
    int32_t begun;      /* of them, so far */
    int64_t *producers; /* of those that have begun and not ended; owned, in the block of list */
    int32_t producer_count;
};

/* data: with the list, which may be null: nothing is left out then.  ERR_NOMEM: nothing to give
 * back. */
must_use enum err client_aborted_init(struct client_aborted *aborted,
                                      const struct fetch_response_partition_data *data);

/* A zeroed one is accepted. */
void client_aborted_deinit(struct client_aborted *aborted);

/* The next batch, whole: is it to be left out? */
bool client_aborted_drops(struct client_aborted *aborted, const struct batch_header *header,
                          const uint8_t *bytes);

#endif
