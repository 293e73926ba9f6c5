/* client_identity: the producer id and epoch under which an idempotent producer numbers its records
 * (KIP-98, KIP-360).
 *
 * Owned by the producer; same loop.  One that is not transactional asks any broker for an id and
 * raises the epoch by itself; that of a transactional one is given by its coordinator. */
#ifndef LEVEE_NET_CLIENT_CLIENT_IDENTITY_H
#define LEVEE_NET_CLIENT_CLIENT_IDENTITY_H

#include "net/client/client_cluster.h"
#include "net/protocol/msg_init_producer_id.h"

struct client_identity {
    struct client_cluster *cluster;
    int64_t producer_id; /* -1: none at present */
    int16_t producer_epoch;
    /* There is one. */
    void (*known)(struct client_identity *identity);
    /* None is given, for a reason that does not pass. */
    void (*refused)(struct client_identity *identity, int16_t error_code, enum err err);
    /* inside */
    struct client_call call;
    struct init_producer_id_request request;
    struct timer retry;
    uint32_t attempts_count;
    bool is_asking; /* a call, or the timer before the next one */
    bool is_called;
    bool is_stopped;
};

/* None yet. */
void client_identity_init(struct client_identity *identity, struct client_cluster *cluster);

/* Ask for an id, unless that goes on already; again, with back-off, until it comes. */
void client_identity_ask(struct client_identity *identity);

/* A new epoch of this id, or, when all are used up, another id (asked for). */
void client_identity_new_epoch(struct client_identity *identity);

/* What the coordinator said. */
void client_identity_set(struct client_identity *identity, int64_t producer_id,
                         int16_t producer_epoch);

/* Asks no more.  A call may still end: client_identity_is_idle. */
void client_identity_stop(struct client_identity *identity);
bool client_identity_is_idle(const struct client_identity *identity);

#endif
