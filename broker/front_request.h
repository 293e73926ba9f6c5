/* front_request: the requests of connections: net's conn_request and the broker's request, which do
 * not know each other, in one.
 *
 * On the shard of the connection, whose conn->user is a struct client. */
#ifndef LEVEE_BROKER_FRONT_REQUEST_H
#define LEVEE_BROKER_FRONT_REQUEST_H

#include "broker/request.h"
#include "net/conn_server.h"

struct front_request {
    struct request request; /* first: the pool's */
    struct conn_request wire;
};

enum { FRONT_REQUEST_BYTES = sizeof(struct front_request) }; /* of an item of the pool */

/* For the whole frame that waits at conn, as conn_events.create. */
must_use enum err front_request_create(struct request_pool *pool, struct conn *conn,
                                       bool is_produce, struct conn_request **out);

/* Its frame is there: what remains is to dispatch it. */
void front_request_begin(struct conn_request *wire);

/* The request of a connection, and back. */
static inline struct request *front_request_of(struct conn_request *wire)
{
    return &container_of(wire, struct front_request, wire)->request;
}

static inline struct conn_request *front_request_wire(struct request *request)
{
    return &container_of(request, struct front_request, request)->wire;
}

#endif
