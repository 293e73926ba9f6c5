/* client_broker: one connection to one broker with requests in flight: dialled, versions asked
 * (ApiVersions, KIP-35, KIP-511), answers matched to requests by correlation id.
 *
 * Owned by a client_cluster (or by whoever knows one address); lives on the loop of its env.  From
 * its first call on it stays dialled until it is closed: after a failure again, later each time
 * (reconnect.backoff.ms, KIP-144); a connection over which the versions could not be asked counts
 * as a failure.
 *   CBR-1  requests are sent in the order of client_broker_call, and answered in that order
 *   CBR-2  an answer that is late (timeout_ms of its call), is none of the oldest call's, or cannot
 *          be decoded ends the connection, and with it every call that was sent, oldest first: the
 *          late ones with ERR_TIMEOUT, the one that met an error with that, the others with
 *          ERR_CLOSED
 *   CBR-3  calls that have not been sent wait for the next connection until their timeout, or until
 *          the next attempt fails (call->fails_with_connection)
 *   CBR-4  at most calls_max calls wait or are in flight, canceled ones whose answer is still to
 *          come included
 *   CBR-5  done of a call whose bytes may still be sent waits until they are let go (CAL-2) */
#ifndef LEVEE_NET_CLIENT_CLIENT_BROKER_H
#define LEVEE_NET_CLIENT_CLIENT_BROKER_H

#include "net/client/client_call.h"
#include "net/client/client_env.h"
#include "net/dial.h"

#include <netinet/in.h>

enum { CLIENT_HOST_MAX = 256 };

struct client_broker_options {
    const struct client_env *env;
    const char *host; /* copied; a name is looked up anew once its addresses have all been tried */
    uint16_t port;
    int32_t node_id;             /* -1: a bootstrap address */
    uint32_t request_timeout_ms; /* request.timeout.ms */
    uint32_t connect_max_ms;     /* socket.connection.setup.timeout.ms */
    uint32_t backoff_first_ms;   /* reconnect.backoff.ms */
    uint32_t backoff_max_ms;     /* reconnect.backoff.max.ms */
    uint32_t frame_max_bytes;    /* of an answer */
    uint32_t calls_max;          /* CBR-4 */
    /* Optional news. */
    void (*up)(void *context, struct client_broker *broker);
    void (*down)(void *context, struct client_broker *broker,
                 enum err err); /* or an attempt failed: at all its addresses */
    void *context;
};

struct client_broker;

/* Dials nothing yet.  ERR_INVALID (host), ERR_NOMEM. */
must_use enum err client_broker_create(const struct client_broker_options *options,
                                       struct client_broker **out);

/* Dials no more; calls end with ERR_CANCELED, from the loop.  closed (may be NULL) runs once, from
 * the loop; the broker is freed then. */
void client_broker_destroy(struct client_broker *broker, void (*closed)(void *context),
                           void *context);

/* The same of a broker that is no more where it was: calls end with ERR_CLOSED. */
void client_broker_retire(struct client_broker *broker, void (*closed)(void *context),
                          void *context);

/* Dial it ahead of its first call. */
void client_broker_dial(struct client_broker *broker);

/* Give its connection up, if it has no calls: it is dialled again with the next one. */
void client_broker_rest(struct client_broker *broker);

/* Start call.  ERR_FULL: CBR-4; ERR_CLOSED: it is being destroyed.  Nothing was queued then (done
 * does not run). */
must_use enum err client_broker_call(struct client_broker *broker, struct client_call *call);

/* The answer is of no interest any more: done(ERR_CANCELED) comes soon.  What was sent stays sent,
 * and its answer is awaited by the connection (CBR-1) without the call. */
void client_broker_cancel(struct client_call *call);

/* The newest version of key that both sides know, at most max_version; -1: none, or not connected
 * yet. */
int16_t client_broker_version(const struct client_broker *broker, int16_t key, int16_t max_version);

bool client_broker_is_up(const struct client_broker *broker);
int32_t client_broker_node_id(const struct client_broker *broker);
uint32_t client_broker_calls_count(const struct client_broker *broker);

/* "host:port", for messages. */
const char *client_broker_name(const struct client_broker *broker);

/* Why the last attempt or connection ended; OK: none did. */
enum err client_broker_last_error(const struct client_broker *broker);

/* The same in words; of a name that was not found, why. */
const char *client_broker_reason(const struct client_broker *broker);

/* True: last_error is of a connection that stood, so that somebody listens there. */
bool client_broker_was_connected(const struct client_broker *broker);

/* Level of a feature that the broker has finalized (KIP-584: transaction.version); 0: none. */
int16_t client_broker_feature(const struct client_broker *broker, const char *name);

#endif
