/* client_broker_private: what client_broker.c (its connection) and client_broker_calls.c (the
 * requests on it) tell each other. */
#ifndef LEVEE_NET_CLIENT_CLIENT_BROKER_PRIVATE_H
#define LEVEE_NET_CLIENT_CLIENT_BROKER_PRIVATE_H

#include "net/client/client_broker.h"
#include "net/client/client_flight.h"
#include "net/client/client_names.h"
#include "net/client/client_versions.h"

enum client_broker_state {
    CLIENT_BROKER_RESTS,     /* not dialled */
    CLIENT_BROKER_LOOKS_UP,  /* its name, for the first time */
    CLIENT_BROKER_PAUSES,    /* after a name that was not found */
    CLIENT_BROKER_DIALS,     /* dial is open */
    CLIENT_BROKER_LIES_DOWN, /* dial is being closed, to rest */
};

struct client_broker {
    struct client_broker_options options;
    char host[CLIENT_HOST_MAX];
    char name[CLIENT_HOST_MAX + 8];
    struct dial dial;
    struct client_lookup lookup;
    struct timer pause;
    struct client_versions versions;
    struct io_address addresses[CLIENT_ADDRESSES_MAX];
    uint32_t addresses_count;
    uint32_t address_index;
    uint32_t lookups_failed_count; /* in a row */
    enum err last_err;
    uint8_t state;      /* enum client_broker_state */
    const char *reason; /* a constant text: last_err is of a name; or NULL */
    bool was_connected; /* last_err is of a connection */
    bool is_numeric;
    bool is_looking_up;
    bool is_ready; /* up, and the versions are known */
    bool is_used;  /* it was dialled once, or was to be */
    bool is_ending;
    enum err end_err; /* of calls, when is_ending */
    void (*closed)(void *context);
    void *closed_context;
    /* client_broker_calls.c */
    struct list waiting; /* of client_call.node, oldest first */
    struct list flights; /* of client_flight.node, oldest first */
    struct list ended;   /* of client_call.node: done is still to run */
    struct client_flight_pool pool;
    struct arena arena;  /* of the answer that is told */
    struct timer expiry; /* not after the first deadline of a call */
    struct task task;
    uint32_t calls_count;        /* waiting, in flight, ended */
    uint32_t orphans_count;      /* flights without call */
    int32_t correlation_id;      /* of the last request */
    bool is_blame_told;          /* who met the error that ends this connection knows it */
    struct client_call greeting; /* ApiVersions */
    struct api_versions_request greeting_request;
    int16_t greeting_version;
};

/* ---- client_broker.c */

/* Dial, unless that is under way. */
void client_broker_wake(struct client_broker *broker);

/* The peer is of no use; what was sent ends soon, from the loop. */
void client_broker_fail(struct client_broker *broker, enum err err);

/* The last call has ended: if it is to be destroyed and its connection is gone, it is freed. */
void client_broker_may_end(struct client_broker *broker);

/* ---- client_broker_calls.c */

void client_broker_calls_init(struct client_broker *broker);
void client_broker_calls_deinit(struct client_broker *broker);

/* Ask the connection, which is up, for its versions, in this version of ApiVersions. */
void client_broker_greet(struct client_broker *broker, int16_t version);

/* The versions are known: send what waits. */
void client_broker_send_waiting(struct client_broker *broker);

/* An answer has come; the reference is the callee's. */
void client_broker_take_frame(struct client_broker *broker, struct buf *frame, uint32_t size_bytes);

/* The connection is down: what was sent ends. */
void client_broker_end_flights(struct client_broker *broker, enum err err);

/* What waits ends with err; when only_impatient, what fails_with_connection. */
void client_broker_end_waiting(struct client_broker *broker, enum err err, bool only_impatient);

#endif
