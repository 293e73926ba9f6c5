/* client_offsets_private: what the kinds of operations of client_offsets share, for its files
 * alone.
 *
 * An operation goes in rounds: round() asks for all that is still open; when its answers are there,
 * it calls _end, _retry, or lets the next round begin at once. */
#ifndef LEVEE_NET_CLIENT_CLIENT_OFFSETS_PRIVATE_H
#define LEVEE_NET_CLIENT_CLIENT_OFFSETS_PRIVATE_H

#include "net/client/client_offsets.h"

struct client_offsets_kind {
    void (*round)(struct client_offsets_op *op);
    /* Cancel what is under way; is_busy ends when it is gone. */
    void (*cancel)(struct client_offsets_op *op);
    /* The time is over: what the end is. */
    enum err (*late)(struct client_offsets_op *op);
    /* Free detail's parts (not detail itself). */
    void (*free)(struct client_offsets_op *op);
};

/* Zeroed detail of that size; the first round begins from the loop.  NULL: no memory, and the
 * operation ends by itself. */
void *client_offsets_begin(struct client_offsets_op *op, const struct client_offsets_kind *kind,
                           size_t detail_bytes);

/* done(err) comes from the loop. */
void client_offsets_end(struct client_offsets_op *op, enum err err);

/* Another round after the back-off, or the end, when no time is left. */
void client_offsets_retry(struct client_offsets_op *op);

/* Another round soon. */
void client_offsets_go_on(struct client_offsets_op *op);

/* Milliseconds until the deadline, at least 1. */
uint32_t client_offsets_left_ms(const struct client_offsets_op *op);

static inline struct loop *client_offsets_loop(const struct client_offsets_op *op)
{
    return client_cluster_env(op->cluster)->loop;
}

#endif
