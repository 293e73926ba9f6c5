/* client: who asks: what is known of a peer beside its requests, and what they share.
 *
 * Made by who makes its requests (a connection's by front), whom it outlives none of them.  On the
 * home shard of these; who it is and where it came from do not change while one is under way, so
 * that any shard may look at them. */
#ifndef LEVEE_BROKER_CLIENT_H
#define LEVEE_BROKER_CLIENT_H

#include "base/io.h"
#include "base/list.h"
#include "broker/authorizer.h"
#include "broker/fetch_session.h"
#include "net/protocol/wire.h"

#define CLIENT_ANONYMOUS "User:ANONYMOUS" /* Kafka: KafkaPrincipal.ANONYMOUS */

enum { CLIENT_SOFTWARE_TEXT_MAX = 64 };

struct client {
    const struct authorizer *authorizer; /* NULL: it may do anything, as in Kafka without one */
    const char *principal;               /* "User:name"; NULL: it has yet to say who it is */
    const char *listener; /* the name of the one that it came through; NULL: through none */
    struct io_address peer;
    struct io_address local; /* the address that it dialled */
    uint64_t accept_number; /* of its connection: a later one has a higher number; 0: it has none */
    struct fetch_session_owner fetch_sessions;
    struct list
        starting; /* of its Produce requests that begin in turns, oldest first (produce.c) */
    char software_name[CLIENT_SOFTWARE_TEXT_MAX]; /* as it says itself (KIP-511); "" */
    char software_version[CLIENT_SOFTWARE_TEXT_MAX];
};

/* A client of a listener that asks nobody who he is.  listener stays the caller's and outlives the
 * client. */
void client_init(struct client *client, const struct io_address *peer,
                 const struct io_address *local, const char *listener);

/* No request of it is under way. */
void client_deinit(struct client *client);

/* What ApiVersions said; longer texts are cut. */
void client_set_software(struct client *client, struct wire_string name,
                         struct wire_string version);

#endif
