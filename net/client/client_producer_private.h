/* client_producer_private: what a producer is made of, for its own files: client_producer.c and
 * client_transaction*.c. */
#ifndef LEVEE_NET_CLIENT_CLIENT_PRODUCER_PRIVATE_H
#define LEVEE_NET_CLIENT_CLIENT_PRODUCER_PRIVATE_H

#include "net/client/client_sender.h"
#include "net/client/client_transaction.h"
#include "net/client/client_transaction_private.h"

struct client_producer {
    struct client_cluster *cluster;
    struct client_producer_options options; /* transactional_id: a copy */
    struct client_producer_events events;
    void *context;
    char *transactional_id;
    struct client_batches batches;
    struct client_identity identity;
    struct client_sender sender;
    struct client_transaction transaction;
    struct task deliver;
    struct list drains; /* of client_wait.node */
    bool wants_room;    /* somebody was told ERR_FULL */
    bool is_closing;
    bool is_fatal;
    bool is_fatal_told;
    int16_t fatal_code;
    enum err fatal_err;
    void (*closed)(void *context);
    void *closed_context;
};

/* The producer can't go on. */
void client_producer_fail(struct client_producer *producer, int16_t error_code, enum err err);

/* Look at what has ended, soon. */
void client_producer_deliver_soon(struct client_producer *producer);

/* Nothing is held, and no request with records is in flight. */
bool client_producer_is_drained(const struct client_producer *producer);

#endif
