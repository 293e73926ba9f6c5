/* produce_private: one Produce request while it is served; for the handler's own files produce*.c
 * alone.
 *
 * Owned by the request (its arena); a piece is its partition's shard's from produce_piece_run until
 * it has finished. */
#ifndef LEVEE_BROKER_HANDLERS_PRODUCE_PRIVATE_H
#define LEVEE_BROKER_HANDLERS_PRODUCE_PRIVATE_H

#include "broker/batch_check.h"
#include "broker/partition.h"
#include "broker/produce_registration.h"
#include "broker/request.h"
#include "broker/scatter.h"
#include "net/protocol/msg_produce.h"

/* One batch, and its partition. */
struct produce_piece {
    struct scatter_piece piece;
    struct produce *all;
    struct produce_piece *next; /* in the order of the request */
    const struct produce_request_partition_produce_data *asked;
    struct produce_response_partition_produce_response *answer;
    struct uuid topic_id;
    struct shard *at;
    struct batch_check check;
    struct produce_registration registration;
    bool is_registered; /* with the coordinator of its transaction */
    struct partition_append append;
    struct partition_waiter ack;
    struct timer timeout;
};

struct produce {
    struct scatter scatter;
    struct request *request;
    struct produce_piece *pieces;
    struct produce_piece **last;
    struct produce_piece *to_start; /* the next one; NULL: all have begun */
    struct list starting;           /* in client.starting, while it begins or waits for that */
    struct task turn;
    int16_t acks;
    int32_t timeout_ms;
    uint64_t owner; /* of the producer ids that it brings */
};

/* ---- produce_piece.c: on the shard of the partition; for struct scatter_piece */
void produce_piece_run(struct scatter_piece *piece, struct shard *at);
void produce_piece_cancel(struct scatter_piece *piece, int why);

/* Any shard: what the client sent, in the frame, which is the request's until it is answered. */
const uint8_t *produce_piece_records(const struct produce_piece *piece);

#endif
