/* dial: one outgoing connection that is kept up: connect within a deadline, exchange frames, and
 * after a failure connect again, later each time (Kafka's reconnect.backoff.ms: doubled up to
 * reconnect.backoff.max.ms, a fifth more or less by chance, begun anew after a success).
 *
 * Lives on one loop.  It knows nothing of requests: who sends keeps his own count of what is
 * outstanding, and may say himself when a connection has proved good (is_confirmed_by_owner): until
 * then its end counts as a failed attempt.
 *   DIAL-1  up and down alternate, up first; between them frames arrive and messages may be sent
 *   DIAL-2  each message is released once: sent, or dropped before down
 *   DIAL-3  a frame for which the slab has no room waits for it, and nothing is received meanwhile:
 *           the peer feels it through TCP */
#ifndef LEVEE_NET_DIAL_H
#define LEVEE_NET_DIAL_H

#include "base/loop.h"
#include "base/prng.h"
#include "net/frame.h"
#include "net/outbox.h"

struct dial;

struct dial_events {
    void (*up)(void *context, struct dial *dial);
    /* A whole frame, its size left out; the reference is the owner's. */
    void (*frame)(void *context, struct dial *dial, struct buf *buf, uint32_t size_bytes);
    /* After up: the connection ended.  It is dialled again unless dial_close was called. */
    void (*down)(void *context, struct dial *dial, enum err err);
    /* Optional.  An attempt failed; the next one begins in delay_ms. */
    void (*failed)(void *context, struct dial *dial, enum err err, uint64_t delay_ms);
};

struct dial_options {
    struct loop *loop;
    struct slab *slab; /* of frames */
    struct prng *prng;
    struct io_address to;
    uint32_t frame_max_bytes;
    uint32_t connect_max_ms;   /* socket.connection.setup.timeout.ms */
    uint32_t backoff_first_ms; /* reconnect.backoff.ms */
    uint32_t backoff_max_ms;   /* reconnect.backoff.max.ms */
    const struct dial_events *events;
    void *context;
    bool is_confirmed_by_owner; /* with dial_confirm; false: whoever accepts is good */
};

enum dial_state {
    DIAL_WAITING, /* for the next attempt */
    DIAL_CONNECTING,
    DIAL_UP,
    DIAL_ENDING, /* until the ops are back */
    DIAL_CLOSED,
};

struct dial {
    struct dial_options options;
    struct frame_reader frame;
    struct outbox_pool sends;
    struct outbox outbox;
    struct io_op connect;
    struct io_recv recv;
    struct timer timer; /* deadline of connecting, the next attempt, or the next look for room */
    uint8_t *stash;     /* received, and no room for it: stash_bytes, of which stash_pos are read */
    uint32_t stash_pos;
    uint32_t stash_bytes;
    struct task flush_task;
    struct task end_task;
    void (*closed)(struct dial *dial);
    enum err end_err;
    uint32_t failure_count; /* in a row */
    struct stream stream;   /* open from the first step of an attempt on */
    uint8_t state;
    bool was_up;       /* before DIAL_ENDING */
    bool is_confirmed; /* this connection, or the last one */
    bool closing;
};

/* Begin to dial.  What options points to stays the caller's and must outlive the dial. */
void dial_open(struct dial *dial, const struct dial_options *options);

/* While up: send segments (with the size in front) after what was sent before.  message is zeroed
 * but for release, which runs when the segments are no longer needed, never inside this call. */
void dial_send(struct dial *dial, struct conn_request *message, const struct wire_segment *segments,
               uint32_t segment_count);

/* While up: the peer is of no use (it answered nonsense, or not in time); dial anew. */
void dial_hang_up(struct dial *dial, enum err err);

/* The peer of this connection is what was looked for: after its end the waits begin anew. */
void dial_confirm(struct dial *dial);

/* The next attempt goes there. */
void dial_redirect(struct dial *dial, const struct io_address *to);

/* How long to wait after so many failures in a row: first_ms doubled with each, at most max_ms, and
 * of that 80 % to 120 % by chance. */
uint64_t dial_backoff_ms(struct prng *prng, uint32_t first_ms, uint32_t max_ms,
                         uint32_t failure_count);

/* Dial no more.  closed runs once, from the loop, after down if it was up. */
void dial_close(struct dial *dial, void (*closed)(struct dial *dial));

static inline bool dial_is_up(const struct dial *dial)
{
    return dial->state == DIAL_UP;
}

#endif
