/* conn: one peer that connected: its bytes become requests, their answers become bytes.
 *
 * Lives on the loop of its conn_server, which makes and ends it; see there for the callbacks.
 *   CON-1  each request handed to events->request is answered once: conn_answer, conn_answer_none
 *          or conn_answer_close, on this loop, also when the connection has died meanwhile
 *   CON-2  request->release runs once, after the answer was sent or dropped, never inside CON-1's
 *          calls
 *   CON-3  a connection that may not go on is not read: the peer feels it through TCP.  A few
 *          pieces too many wait in stash, so that the end of a peer that sends little is noticed
 *   CON-4  the memory of a conn lives until its ops have ended and its requests are released
 *   CON-5  requests of one connection take effect in their order: the next one begins when those
 *       before it are answered, unless both are of the same lane (conn_events.lane)
 *   CON-6  what had arrived when the peer went away is executed like anything else; only its
 *          answers are dropped
 *   CON-7  once a turn has taken long, each connection begins one more request at most in it */
#ifndef LEVEE_NET_CONN_H
#define LEVEE_NET_CONN_H

#include "base/list.h"
#include "net/frame.h"
#include "net/outbox.h"

struct conn_server;
struct listener;

/* Why a connection ended. */
#define CONN_CLOSE_LIST(X)                                                         \
    X(PEER_CLOSED, "the peer closed")                                              \
    X(PEER_RESET, "the connection broke")                                          \
    X(MALFORMED, "a request with a size below 1")                                  \
    X(TOO_LARGE, "a request larger than socket.request.max.bytes")                 \
    X(NO_MEMORY, "no memory for a request that is being received, or for a send")  \
    X(UNTAKEN, "it took its answers too slowly: levee.answer.stall.ms")            \
    X(SLOW, "a request that came too slowly: levee.request.stall.ms")              \
    X(IDLE, "idle for longer than connections.max.idle.ms")                        \
    X(REFUSED, "a request that has no answer")                                     \
    X(STOPPED, "the server stops")                                                 \
    X(DEADLINE, "the server stops, and the peer did not take its answers in time") \
    X(OWNER, "closed by us")

enum conn_close_reason {
#define CONN_CLOSE_ENUM(name, text) CONN_CLOSE_##name,
    CONN_CLOSE_LIST(CONN_CLOSE_ENUM)
#undef CONN_CLOSE_ENUM
        CONN_CLOSE_COUNT
};

/* The text above.  Never NULL. */
const char *conn_close_text(enum conn_close_reason reason);

/* What a connection gives back when it ends; ended runs once, on the loop of the connection. */
struct conn_ticket {
    void (*ended)(struct conn_ticket *ticket);
};

enum { CONN_LISTENERS_MAX = 16 };

/* A connected socket on its way to a server. */
struct conn_arrival {
    struct io_address local;
    struct io_address peer;
    const struct listener *listener; /* outlives the connection; may be NULL */
    struct conn_ticket *ticket;      /* may be NULL */
    uint32_t listener_index;         /* below CONN_LISTENERS_MAX; of what is counted */
    uint64_t accept_number;          /* rises with each that is let in; 0: nobody counts them */
    int32_t fd;
};

enum conn_state {
    CONN_OPEN,
    CONN_DRAINING, /* the server stops: what arrives is thrown away, answers still go out */
    CONN_LAPSED,   /* the peer is gone: what it sent is executed, answers are dropped (CON-6) */
    CONN_CLOSING,  /* the socket is shut; waits for ops and requests (CON-4) */
};

enum conn_block {
    CONN_GOES,
    CONN_WAITS_OWN, /* CON-5, in_flight_max or answer_max_bytes of this connection, or its address
                     */
    CONN_WAITS_SERVER, /* a budget of the server, or create gave nothing */
    CONN_WAITS_MEMORY, /* to receive more of a frame */
    CONN_WAITS_TURN,   /* its next request begins in the next turn (CON-7) */
};

struct conn {
    struct list node;       /* conn_server.conns */
    struct list idle_node;  /* conn_server.idle, while no request is in work */
    struct list wait_node;  /* conn_server.waiting, .ready or .hungry */
    struct list watch_node; /* conn_server.watched, while a send or a frame is under way */
    struct list dirty_node; /* conn_server.dirty */
    struct list debt_node;  /* peer_debt.waiting, while it is CONN_WAITS_OWN */
    struct peer_debt *debt; /* of its address */
    struct conn_server *server;
    const struct listener *listener;
    struct conn_traffic *traffic; /* the server's, of that listener */
    struct conn_ticket *ticket;
    void *user; /* the owner's; NULL at first */
    uint64_t id;
    uint64_t accept_number;  /* conn_arrival's */
    uint64_t active_ns;      /* loop_now_ns when bytes last came or went */
    uint64_t wait_ns;        /* since when it waits for the server or for memory */
    uint64_t answer_mark_ns; /* when out_bytes were answer_mark_bytes; 0: there is none to take */
    uint64_t answer_mark_bytes;
    uint64_t place_ns;      /* when it began to receive in place */
    uint64_t frame_mark_ns; /* when frame_mark_bytes of the current frame were there; 0: not yet */
    uint32_t frame_mark_bytes;
    uint32_t frame_look_bytes; /* of the current frame, when it was last looked at */
    uint64_t whole_ns;         /* since when the frame is whole and has not begun; 0: it is not */
    uint64_t in_bytes;
    uint64_t out_bytes;
    struct io_address local;
    struct io_address peer;
    struct stream stream;
    uint8_t state;
    uint8_t block;
    uint8_t close_reason;
    uint8_t lane;     /* of the requests in work */
    uint8_t kind;     /* CONN_WAITS_SERVER: enum conn_kind */
    bool is_its_turn; /* among those who waited: its next request is not behind them */
    bool is_fed;      /* it waited for memory of its frame, and got it since the last look */
    bool input_ended; /* there is nothing more to receive */
    bool receiving_in_place;
    bool recv_canceled;
    struct frame_reader frame;
    struct buf *stash; /* received while blocked */
    uint32_t stash_pos;
    uint32_t stash_bytes;
    struct outbox outbox;
    struct io_recv recv;
};

/* Send the answer: segments with the size in front, in the order of requests, together with what
 * else is answered in this turn of the loop. The segments and their memory live until release. */
void conn_answer(struct conn_request *request, const struct wire_segment *segments,
                 uint32_t segment_count);

/* Nothing is sent (Produce with acks=0), the order moves on. */
void conn_answer_none(struct conn_request *request);

/* Close the connection once the answers before this one are sent: Kafka's way to refuse. */
void conn_answer_close(struct conn_request *request);

/* Its answer, which it still owes, will be about so long: if that is more than CONN_STEP_BYTES it
 * counts among the long ones from now on (SRV-4).  False: they have no room for it, nothing is
 * counted, and it is to be answered shortly. */
must_use bool conn_request_expects(struct conn_request *request, uint64_t answer_bytes);

/* The request's bytes are no longer needed; they stop counting at once.  Again is allowed. */
void conn_request_drop_frame(struct conn_request *request);

/* The same of most of them: smaller, whose reference is the request's now and whose first
 * size_bytes are no more than there were, has what is still needed. */
void conn_request_shrink_frame(struct conn_request *request, struct buf *smaller,
                               uint32_t size_bytes);

/* It waits from now on for what others ask: its frame leaves the budget of requests in work for
 * that of slab, past its limit, or what those others ask could never begin. */
void conn_request_park(struct conn_request *request, struct slab *slab);

/* Close now; what is not sent is lost.  Requests in work are still to be answered (CON-1). */
void conn_close(struct conn *conn, enum conn_close_reason reason);

/* True: answers will not reach the peer, so work that only serves it may be cut short. */
static inline bool conn_is_closing(const struct conn *conn)
{
    return conn->state >= CONN_LAPSED;
}

#endif
