/* client_flight: one request on its way: its bytes, and whose answer is awaited.
 *
 * Made and kept for the next one by the pool of its client_broker, on that loop.  It outlives its
 * call when that was canceled: the answer is to come all the same (CBR-1).
 *   FLT-1  a request of usual size takes no memory but the flight's own */
#ifndef LEVEE_NET_CLIENT_CLIENT_FLIGHT_H
#define LEVEE_NET_CLIENT_CLIENT_FLIGHT_H

#include "net/client/client_call.h"
#include "net/outbox.h"

enum {
    CLIENT_FLIGHT_BYTES = 512, /* of a request that needs no more memory */
    CLIENT_FLIGHT_SEGMENTS = 8,
    CLIENT_FLIGHTS_KEPT_MAX = 256,
};

struct client_flight {
    struct conn_request message; /* first: conn_request comes home to it */
    struct list node;            /* client_broker.flights, or client_flight_pool.free */
    struct client_broker *broker;
    struct client_call *call; /* NULL: nobody waits for the answer any more */
    struct buf *frame;        /* of an answer that came before the message was let go */
    uint32_t frame_bytes;
    uint64_t deadline_ns;
    int32_t correlation_id;
    bool has_no_answer;
    bool is_answered;
    bool is_released; /* the message */
    bool is_canceled; /* call ends once is_released */
    struct arena arena;
    struct wire_segment segments[CLIENT_FLIGHT_SEGMENTS];
    uint8_t bytes[CLIENT_FLIGHT_BYTES];
};

struct client_flight_pool {
    struct list free;
    uint32_t free_count;
};

void client_flight_pool_init(struct client_flight_pool *pool);
void client_flight_pool_deinit(struct client_flight_pool *pool);

/* NULL: no memory. */
must_use struct client_flight *client_flight_take(struct client_flight_pool *pool);

/* Its message is let go; frame is NULL. */
void client_flight_give(struct client_flight_pool *pool, struct client_flight *flight);

/* Encode the request of call (api, version, and flight's correlation_id are set).  Errors: as
 * codec_encode. */
must_use enum err client_flight_encode(struct client_flight *flight, const struct client_call *call,
                                       const char *client_id, const struct wire_segment **segments,
                                       uint32_t *segment_count);

#endif
