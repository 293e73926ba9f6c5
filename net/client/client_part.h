/* client_part: one partition of a producer: the batches gathered for it, and their numbers (KIP-98,
 * KIP-360).  Decides what may be sent next; sends nothing itself.
 *
 * Owned by client_batches; same loop.  A batch is `waiting` (gathered, or come back for another
 * try), then `in_air` (in a request), and so on until it is finished.  Numbered ones keep their
 * order, whatever comes back when:
 *   CPA-1  waiting: first those that have numbers, by serial, then the others, as they were taken
 *   CPA-2  in_air is ordered by serial; a batch that has numbers already is sent alone
 *   CPA-3  numbers are taken off a batch only when it surely was not stored with them, and none
 *          before it has them any more; no request of the partition is in flight then
 *   CPA-4  until a batch of this producer id and epoch was stored, one alone is in the air: a
 *          partition that knows nothing of a producer takes any sequence from it, so that the
 *          second could be stored though the first was refused
 *   CPA-5  the oldest batch that has numbers and is not finished is one of the last in_air_max that
 *          got some: a partition remembers no more of them, and would not know it again
 *
 * After a batch failed for good there is a gap in the sequence: what follows can't be stored with
 * its numbers.  The partition settles: what is in the air is awaited; then, unless the batches
 * behind prove that the failed one was stored, all get new numbers in a new epoch. */
#ifndef LEVEE_NET_CLIENT_CLIENT_PART_H
#define LEVEE_NET_CLIENT_CLIENT_PART_H

#include "base/timer.h"
#include "net/client/client_batch.h"
#include "net/client/client_cluster.h"

/* Where a partition waits to be looked at. */
enum client_part_place {
    CLIENT_PART_IDLE,       /* nothing to send, or something of its own has to end first */
    CLIENT_PART_READY,      /* in the sender's list */
    CLIENT_PART_NODE,       /* in the list of its leader */
    CLIENT_PART_LEADERLESS, /* until metadata says more */
    CLIENT_PART_JOINING,    /* in the transaction's list, until it is in that (CTX-4) */
    CLIENT_PART_BACKOFF,    /* until its timer */
};

struct client_part {
    struct client_topic *topic;
    int32_t partition; /* -1: records whose partition can't be known yet */
    struct list waiting;
    struct list in_air;
    uint32_t in_air_count;
    struct client_batch *open; /* the last of waiting, or NULL */
    struct list linger_node;   /* while open is not due */
    /* The sender's. */
    struct list place_node;
    enum client_part_place place;
    struct timer backoff;
    void *owner; /* of the timer */
    /* Numbers. */
    int64_t producer_id; /* -1: none yet */
    int16_t producer_epoch;
    int32_t next_sequence;
    int32_t acked_sequence; /* the one behind the last that was stored, while has_acked */
    uint64_t next_serial;
    uint64_t renumber_serial; /* while must_renumber: from this batch on */
    bool has_acked;
    bool must_renumber;
    bool is_unresolved;          /* one failed that may have been stored */
    uint64_t transaction_serial; /* of the transaction that it is in (client_transaction) */
};

void client_part_init(struct client_part *part, struct client_topic *topic, int32_t partition);

/* A batch at the end of waiting. */
void client_part_push(struct client_part *part, struct client_batch *batch);

/* The batch takes no records any more. */
void client_part_close(struct client_part *part);

/* How a producer numbers. */
struct client_numbering {
    bool is_numbered; /* idempotent */
    bool is_transactional;
    int64_t producer_id; /* -1: none at present */
    int16_t producer_epoch;
    uint32_t in_air_max; /* of one partition: 5 (KIP-98), or 1 without numbers */
};

enum client_part_step {
    CLIENT_PART_NOTHING,   /* until something of it ends, comes, or lingered */
    CLIENT_PART_SEND,      /* the first of waiting */
    CLIENT_PART_NEW_EPOCH, /* the producer must take a new epoch first; then ask again */
};

/* What to do now.  Settles where it can. */
enum client_part_step client_part_next(struct client_part *part,
                                       const struct client_numbering *numbering);

/* The first of waiting, sealed, goes into a request: it gets numbers, unless it has some.  Returns
 * it; it is in_air. */
struct client_batch *client_part_send(struct client_part *part,
                                      const struct client_numbering *numbering);

/* No other that has numbers and is not finished comes before batch, which is in_air. */
bool client_part_is_first(const struct client_part *part, const struct client_batch *batch);

/* A batch that was in_air: stored; it is on no list. */
void client_part_stored(struct client_part *part, struct client_batch *batch);

/* To be sent again. */
void client_part_return(struct client_part *part, struct client_batch *batch);

/* In_air or waiting, failed for good (batch->may_be_stored says how surely); it is on no list. */
void client_part_failed(struct client_part *part, struct client_batch *batch);

/* The broker can't take batch with its numbers; it was not stored.  It is, or comes, back. */
void client_part_renumber_from(struct client_part *part, const struct client_batch *batch);

/* first and second (client_batch_split) take the place of batch, which was in_air and is on no list
 * now. */
void client_part_replace(struct client_part *part, struct client_batch *batch,
                         struct client_batch *first, struct client_batch *second);

#endif
