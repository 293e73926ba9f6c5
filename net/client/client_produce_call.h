/* client_produce_call: one Produce request to one broker, of a batch for each of some partitions.
 *
 * Owned by client_sender, which keeps those that are not in use: a request costs no allocation.
 * Records are sent from the batches. */
#ifndef LEVEE_NET_CLIENT_CLIENT_PRODUCE_CALL_H
#define LEVEE_NET_CLIENT_CLIENT_PRODUCE_CALL_H

#include "net/client/client_batch.h"
#include "net/client/client_producer.h"
#include "net/protocol/msg_produce.h"

struct client_sender_node;

struct client_produce_call {
    struct client_call call;
    struct list node; /* the sender's */
    struct client_sender_node *to;
    struct client_batch **batches; /* one of a partition each */
    uint32_t count;
    uint64_t size_bytes; /* of the batches */
    /* inside */
    uint32_t capacity;
    struct produce_request request;
    struct produce_request_topic_produce_data *topics;
    struct produce_request_partition_produce_data *parts;
    struct wire_slice *slices;
    /* Where the last answer was found. */
    int32_t topic_cursor;
    int32_t part_cursor;
};

/* NULL: no memory. */
must_use struct client_produce_call *client_produce_call_create(void);
void client_produce_call_destroy(struct client_produce_call *call);

/* Room for one more batch.  ERR_NOMEM. */
must_use enum err client_produce_call_reserve(struct client_produce_call *call);

/* batch has its header; room was reserved. */
void client_produce_call_add(struct client_produce_call *call, struct client_batch *batch);

/* Make the request.  Version 13 knows topics by id alone, and transactions of version 1 end with
 * version 11 (KIP-516, KIP-890). */
void client_produce_call_fill(struct client_produce_call *call,
                              const struct client_producer_options *options,
                              bool is_transaction_v1);

/* What response says of the batch with this index; NULL: nothing. */
const struct produce_response_partition_produce_response *client_produce_call_answer(
    struct client_produce_call *call, const struct produce_response *response, uint32_t index);

/* Forget the batches. */
void client_produce_call_reset(struct client_produce_call *call);

#endif
