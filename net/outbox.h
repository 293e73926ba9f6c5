/* outbox: the answers of one connection, sent in the order of their requests (Kafka protocol:
 * "Network").
 *
 * Requests enter when their frame is whole and may be answered in any order.  What is answered at
 * the front is sent together, in as few sends as there is room for in OUTBOX_VEC_MAX pieces.
 *   OUT-1  a request is in the list from outbox_add until release, which runs once and never inside
 *       one of the answering calls
 *   OUT-2  one send is in flight at most, so bytes leave in order
 *   OUT-3  the memory of an answer stays the request's until its release, also when the send
 *          fails */
#ifndef LEVEE_NET_OUTBOX_H
#define LEVEE_NET_OUTBOX_H

#include "base/list.h"
#include "base/slab.h"
#include "net/protocol/wire.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stdint.h>

struct conn;

enum {
    OUTBOX_VEC_MAX = 1024,      /* pieces of one send: IOV_MAX */
    OUTBOX_SMALL_VEC_MAX = 64,  /* of a send that is kept for the next one */
    OUTBOX_FREE_SENDS_MAX = 64, /* kept by one pool */
};

enum conn_request_state {
    CONN_REQUEST_WORKING,
    CONN_REQUEST_ANSWERED, /* segments wait or are being sent */
    CONN_REQUEST_SILENT,   /* nothing to send; only the order */
    CONN_REQUEST_CLOSE,    /* close the connection when all before it is sent */
};

/* One request and its answer.  Embed it first in a struct of your own; zeroed but for release. */
struct conn_request {
    struct list node; /* outbox.requests */
    struct conn *conn;
    struct buf *frame;    /* whose first size_bytes are the request; NULL once dropped */
    const uint8_t *bytes; /* without the four bytes of the size */
    uint32_t size_bytes;
    uint32_t segment_count;
    const struct wire_segment *segments; /* the answer, its size included */
    uint64_t answer_bytes;   /* that the answers' budget counts until release; may be set before the
                              * answer, when it holds more than its segments say */
    uint64_t expected_bytes; /* that it counts for an answer that is not made yet (conn.h) */
    uint64_t received_ns;    /* loop_now_ns when the frame was whole */
    void (*release)(struct conn_request *request); /* the memory is yours again */
    uint8_t state;
    uint8_t kind;   /* the server's: enum conn_kind */
    bool is_parked; /* its frame is in another budget (conn_request_park) */
};

/* Sends that are not in use, shared by the outboxes of one loop.  Zeroed, then _init. */
struct outbox_pool {
    struct list free;
    uint32_t free_count;
};

struct outbox;

struct outbox_events {
    /* A send ended, and what it finished was released: flush again.  ERR_CLOSED and others: the
     * connection is dead. */
    void (*sent)(struct outbox *outbox, uint32_t sent_bytes, enum err err);
    /* request has left the list: give it back to its owner. */
    void (*release)(struct outbox *outbox, struct conn_request *request);
};

struct outbox {
    const struct outbox_events *events;
    struct outbox_pool *pool;
    struct outbox_send *send; /* in flight, or NULL */
    struct list requests;     /* oldest first */
    uint64_t queued_bytes;    /* of answers, not yet sent */
    uint32_t request_count;
    uint32_t working_count;      /* of them, not yet answered */
    uint32_t head_segment_index; /* of the first request: where the next byte to send is */
    uint32_t head_segment_pos;
};

void outbox_pool_init(struct outbox_pool *pool);
void outbox_pool_deinit(struct outbox_pool *pool);

void outbox_init(struct outbox *outbox, const struct outbox_events *events,
                 struct outbox_pool *pool);

/* At the end; request->state becomes CONN_REQUEST_WORKING. */
void outbox_add(struct outbox *outbox, struct conn_request *request);

/* The answer of a request in work; segments stay its owner's memory until release. */
void outbox_answer(struct outbox *outbox, struct conn_request *request,
                   const struct wire_segment *segments, uint32_t segment_count);
void outbox_answer_none(struct outbox *outbox, struct conn_request *request);
void outbox_answer_close(struct outbox *outbox, struct conn_request *request);

/* True: request is the oldest, so its answer can be sent now. */
static inline bool outbox_is_first(const struct outbox *outbox, const struct conn_request *request)
{
    return outbox->requests.next == &request->node;
}

/* Send what is ready, unless a send is in flight; release what needs no sending.  True: everything
 * before a CONN_REQUEST_CLOSE is sent, it is time to close.  ERR_NOMEM comes through sent. */
bool outbox_flush(struct outbox *outbox, struct stream *stream);

/* Nobody takes answers any more: release all that is answered, ready or not.  No send is in flight.
 * True: a CONN_REQUEST_CLOSE was among them. */
bool outbox_drop_answered(struct outbox *outbox);

/* End the send in flight soon, if there is one. */
void outbox_cancel(struct outbox *outbox, struct stream *stream);

#endif
