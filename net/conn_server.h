/* conn_server: the connections of one loop, under common limits.
 *
 * Its owner hands it connected sockets (net/listener does) and answers requests.  It counts what it
 * refuses and logs nothing; reasons reach the owner through the callbacks.  The limits have Kafka's
 * names; those of a whole process are divided by the owner among its servers.
 *   SRV-1  callbacks come from the loop, never inside a call of the owner
 *   SRV-2  queued_request_bytes is the sum of size_bytes of the requests that still have their
 *          frame and are not parked; it passes its limit by less than one request for each
 *          connection
 *   SRV-3  who waits for SRV-2, SRV-4 or create goes on in the order of waiting, and before those
 *          who come later.  Bulk (large requests, and those that run beside others in a lane) and
 *          small ones wait apart: each kind goes on past the other within a quarter of SRV-2, and
 *          bulk leaves a quarter free
 *   SRV-4  no request begins while unsent answers fill their budget.  Of it, three quarters are for
 *       long answers: a request that may get one (conn_events.is_long) begins while they have room,
 *       and waits apart from the others, which go on beside those who take their answers slowly.
 *       A connection that has unsent answers leaves a quarter of each part to those that have none:
 *       it waits until its own are taken.  What turns out to have a long answer counts with it from
 *       then on, or is told that there is no room (conn_request_expects)
 *       And connections of one address leave half of each part to the other addresses
 *   SRV-5  who takes its answers or sends a frame too slowly is closed (conn_watch.c); so are, when
 *       frames find no memory, those that hold some and bring nothing
 *   SRV-6  a blocked connection is received from, so that its end is noticed, while there is room
 *          for what comes; unfinished frames leave some.  One that is not is closed when nothing
 *          has come or gone for idle_max_ms, also with requests in work */
#ifndef LEVEE_NET_CONN_SERVER_H
#define LEVEE_NET_CONN_SERVER_H

#include "base/loop.h"
#include "base/metrics.h"
#include "base/slab.h"
#include "net/conn.h"
#include "net/peer_debts.h"

enum {
    CONN_LANE_ALONE = 0,
    CONN_STEP_BYTES = 16 << 10, /* of a frame, or of answers: what counts as progress */
    CONN_BULK_BYTES = 64 << 10, /* a larger request is bulk */
};

struct conn_limits {
    uint32_t request_max_bytes;        /* socket.request.max.bytes */
    uint32_t in_flight_max;            /* requests of one connection, until their answer is sent */
    uint64_t queued_request_max_bytes; /* queued.max.request.bytes; 0: no limit */
    uint64_t answer_max_bytes;         /* unsent answers of one connection; then it is not read */
    uint64_t answer_stall_ms; /* levee.answer.stall.ms: CONN_STEP_BYTES of answers, or all there
                               * are, have to be taken in this time; 0: no limit */
    uint64_t frame_stall_ms;  /* levee.request.stall.ms: CONN_STEP_BYTES of a frame, or its end,
                               * have to come in this time; 0: no limit */
    uint64_t idle_max_ms;     /* connections.max.idle.ms: no byte in or out, and no request in
                               * work (or SRV-6); 0: no limit */
};

struct conn_events {
    /* Optional.  A connection begins; the place to set conn->user. */
    void (*opened)(void *context, struct conn *conn);
    /* Memory for the next request of conn, whose whole frame waits there, with release set.
     * ERR_FULL: no budget; asked again after another request was released, or after
     * conn_server_resume.  Any other error closes the connection. */
    enum err (*create)(void *context, struct conn *conn, uint8_t lane, struct conn_request **out);
    /* Optional.  The lane of a whole request that has not begun: requests of one lane are in work
     * together, those of lane CONN_LANE_ALONE one at a time (conn.h, CON-5).  NULL: all are of
     * one. */
    uint8_t (*lane)(void *context, const uint8_t *bytes, uint32_t size_bytes);
    /* Optional.  May the answer of a whole request that has not begun be longer than
     * CONN_STEP_BYTES (SRV-4)?  NULL: any may. */
    bool (*is_long)(void *context, const uint8_t *bytes, uint32_t size_bytes);
    /* A whole request: bytes, size_bytes, frame and received_ns are set.  Answer it now or later
     * (conn.h, CON-1). */
    void (*request)(void *context, struct conn_request *request);
    /* Optional.  A connection has waited for CONN_PRESS_MS for the server's budgets or create: what
     * merely waits should give back what it holds.  Again each CONN_PRESS_MS. */
    void (*pressed)(void *context);
    /* Optional.  The connection broke or was closed: conn_is_closing.  Requests that arrived before
     * may still begin (CON-6). */
    void (*closing)(void *context, struct conn *conn, enum conn_close_reason reason);
    /* Optional.  The server stops and its deadline has passed, also for those that have closed
     * before: requests in work are to end (CON-1). */
    void (*overdue)(void *context, struct conn *conn);
    /* Optional.  All is over; conn is gone after this. */
    void (*closed)(void *context, struct conn *conn);
};

enum { CONN_PRESS_MS = 1000 };

/* Who waits for the server, by what he is. */
enum conn_kind {
    CONN_SMALL,
    CONN_BULK,
    CONN_LONG, /* may get a long answer, and those that are unsent fill their part (SRV-4) */
    CONN_KIND_COUNT,
};

/* Of the connections of one listener. */
struct conn_traffic {
    struct counter opened;
    struct counter ended;
    struct counter requests;
    struct counter in_bytes;
    struct counter out_bytes;
    struct gauge open; /* connections now */
};

struct conn_counters {
    struct counter opened;
    struct counter closed[CONN_CLOSE_COUNT]; /* by reason */
    struct counter failed; /* sockets that were gone, or had no memory, before they began */
    struct counter requests;
    struct counter in_bytes;
    struct counter out_bytes;
    struct counter blocked; /* times that a connection was not read any further */
    struct counter sends;
    struct gauge open; /* connections now */
};

struct conn_server_options {
    struct loop *loop;
    struct slab *slab; /* frames: partial, stashed, or whole and not begun */
    /* Optional.  Frames of requests in work; its budget is SRV-2 as queued_request_max_bytes is,
     * which one request that is alone may pass. */
    struct slab *request_slab;
    struct budget *answers; /* optional: SRV-4 */
    struct conn_limits limits;
    const struct conn_events *events;
    void *context;      /* for events */
    uint64_t hash_seed; /* from the prng */
};

struct conn_server {
    struct loop *loop;
    struct io *io;
    struct slab *slab;
    struct slab *request_slab;
    struct budget *answers;
    struct conn_limits limits;
    const struct conn_events *events;
    void *context;
    struct list conns;   /* of conn.node */
    struct list idle;    /* of conn.idle_node, longest idle first */
    struct list waiting; /* of conn.wait_node: for the server's budgets */
    struct list hungry;  /* of conn.wait_node: for memory of a frame, longest first */
    struct list watched; /* of conn.watch_node */
    struct list ready;   /* of conn.wait_node: may go on */
    struct list dirty;   /* of conn.dirty_node: to flush, or to finish */
    struct task flush_task;
    struct task go_on_task;
    struct task stopped_task;
    struct timer idle_timer;
    struct timer watch_timer;
    struct timer stop_timer;
    struct timer press_timer;
    struct outbox_pool sends;
    uint64_t queued_request_bytes;
    uint64_t kind_bytes[CONN_KIND_COUNT]; /* of queued_request_bytes */
    struct peer_debts debts;              /* of addresses, in answers */
    uint64_t long_answer_bytes;           /* of answers' used bytes: those above CONN_STEP_BYTES */
    uint32_t waiting_count[CONN_KIND_COUNT]; /* of conns that CONN_WAITS_SERVER */
    uint64_t last_id;
    uint32_t conn_count;
    bool stopping;
    bool stop_told;
    void (*stopped)(struct conn_server *server);
    struct conn_counters counters;                   /* of all */
    struct conn_traffic traffic[CONN_LISTENERS_MAX]; /* by conn_arrival.listener_index */
};

/* loop, slab and events stay the caller's and must outlive the server. */
void conn_server_init(struct conn_server *server, const struct conn_server_options *options);

/* No connection may be left (conn_server_stop).  A zeroed server is accepted. */
void conn_server_deinit(struct conn_server *server);

/* On the server's loop: fd is the server's now.  When the connection cannot begin, fd is closed and
 * the ticket ended. */
void conn_server_adopt(struct conn_server *server, const struct conn_arrival *arrival);

/* Is there room for one more long answer, of conn (SRV-4)? */
bool conn_server_has_long_room(const struct conn_server *server, const struct conn *conn);

/* Do the connections of conn's address leave enough to others to begin such a request (SRV-4)? */
bool conn_server_has_address_room(const struct conn_server *server, const struct conn *conn,
                                  bool is_long);

/* create may have budget again. */
void conn_server_resume(struct conn_server *server);

/* Take no more requests, send what is answered, close; after deadline_ms the rest is closed at
 * once.  stopped runs when the last connection is gone: requests in work must still be answered
 * (CON-1).  Sockets adopted from now on are closed.  Close listeners before; with other loops, post
 * the call that leads here from the listener's loop, so that it comes after the last socket. */
void conn_server_stop(struct conn_server *server, uint64_t deadline_ms,
                      void (*stopped)(struct conn_server *server));

#endif
