/* client_sender: takes batches that are due to the leaders of their partitions, and brings back
 * what became of them (Kafka's Sender).
 *
 * Owned by the producer; same loop.  A partition is in one place at a time (client_part_place) and
 * moves on when something changes for it, so a turn costs what is ready, not what there is.
 *   CSN-1  at most in_flight_max requests are in flight to one broker
 *   CSN-2  a batch is finished once: it is on `finished` then, and on no other list
 *   CSN-3  a batch that was told as failed while in a request keeps its memory until that ends */
#ifndef LEVEE_NET_CLIENT_CLIENT_SENDER_H
#define LEVEE_NET_CLIENT_CLIENT_SENDER_H

#include "net/client/client_batches.h"
#include "net/client/client_identity.h"

struct client_sender;

struct client_sender_events {
    /* May records go to part now?  False: part is in a list of the other's by its place_node, and
     * client_sender_joined comes when they may (CTX-4). */
    bool (*may_send)(void *context, struct client_part *part);
    /* Is a batch that could be sent again to be failed instead?  With what; false: no. */
    bool (*gives_up)(void *context, int16_t *error_code, enum err *err);
    /* batch has failed for good, and is still as it was sent. */
    void (*failed)(void *context, const struct client_batch *batch, int16_t error_code,
                   enum err err, bool is_fatal);
    /* Tell of a batch whose memory is needed still. */
    void (*tell)(void *context, struct client_batch *batch);
    /* `finished` holds something, or a request has ended. */
    void (*ended)(void *context);
};

struct client_sender {
    struct client_cluster *cluster;
    const struct client_producer_options *options;
    struct client_batches *batches;
    struct client_identity *identity;
    const struct client_sender_events *events;
    void *context;
    bool is_numbered;
    bool is_transactional;
    bool is_transaction_v1;
    bool is_stopped;
    struct list ready;      /* of part.place_node */
    struct list leaderless; /* of part.place_node */
    struct list nodes;
    struct list in_flight; /* calls */
    struct list spare;     /* calls that are not in use */
    struct list finished;  /* of batch.node */
    struct task pump;
    struct timer linger;
    struct timer expiry;
    struct timer refresh; /* while partitions lack a leader */
    uint32_t refresh_count;
    struct client_listener listener;
};

/* The rest stays the caller's.  batches gets its hooks. */
void client_sender_init(struct client_sender *sender, struct client_cluster *cluster,
                        const struct client_producer_options *options,
                        struct client_batches *batches, struct client_identity *identity,
                        const struct client_sender_events *events, void *context);

/* No call is in flight. */
void client_sender_deinit(struct client_sender *sender);

/* A record was added: see to the timers. */
void client_sender_note(struct client_sender *sender);

/* Do not linger. */
void client_sender_flush(struct client_sender *sender);

/* Look at every partition again: numbers are there, or a transaction has begun. */
void client_sender_wake_all(struct client_sender *sender);

/* part, which was JOINING and is on no list, is to be looked at again. */
void client_sender_joined(struct client_sender *sender, struct client_part *part);

/* All that waits fails; what is in flight is awaited. */
void client_sender_drop_waiting(struct client_sender *sender, int16_t error_code, enum err err);

/* And what is in flight is told as failed. */
void client_sender_drop_all(struct client_sender *sender, int16_t error_code, enum err err);

/* Nothing is sent any more: calls are canceled, everything fails.  client_sender_is_idle says when
 * no call is left. */
void client_sender_stop(struct client_sender *sender);
bool client_sender_is_idle(const struct client_sender *sender);

#endif
