/* append_queue: what is to be written to one log, in the order in which it came.
 *
 * Part of whoever drives that log (a partition, the metadata log), on its loop.  When the journal
 * has no room, the first of the queue waits for it, and everybody behind waits too, also who would
 * fit: a batch of one connection and partition is never overtaken by a later one (DUR-L7,
 * DUR-I2), and no writer has to know that there was no room.
 *   APQ-1  ops are put in the order of append_queue_add
 *   APQ-2  done runs once, perhaps inside append_queue_add, and not at all after
 *          append_queue_cancel
 *   APQ-3  done never says ERR_FULL
 *   APQ-4  a turn puts one op; then the other queues of the store have theirs (store_wait_room)
 *   APQ-5  an op that is preparing holds its place: it is not put, nor is anybody behind it, before
 *       append_queue_ready */
#ifndef LEVEE_BROKER_APPEND_QUEUE_H
#define LEVEE_BROKER_APPEND_QUEUE_H

#include "base/err.h"
#include "base/list.h"
#include "broker/key_chains.h"
#include "storage/store.h"

struct append_load;

struct append_queue {
    struct store *store;
    struct append_load *load; /* counts what its ops hold, too; NULL: nobody does */
    uint64_t held_bytes;      /* of those that wait */
    struct list waiting;      /* of append_op, oldest first */
    struct key_chains keys;   /* of those that wait and have one */
    struct store_waiter room;
};

/* One write; owned by the caller until done or append_queue_cancel, and embedded in its struct. */
struct append_op {
    struct list node;
    struct append_queue *queue; /* where it waits, else NULL */
    bool is_preparing;          /* the caller's, before it is added: put comes later (APQ-5) */
    uint64_t held_bytes;        /* the caller's, before it is added: what it keeps while it waits */
    bool has_key;               /* the caller's, before it is added: key.key is set */
    struct key_link key;        /* whose ops are found by append_queue_next */
    /* Write now.  ERR_FULL: no room, nothing was written; it is called again later. */
    enum err (*put)(struct append_op *op);
    /* May be NULL.  Runs once, inside append_queue_add, when the op has to wait: the place to keep
     * what put needs and to limit the wait.  An error is done's. */
    enum err (*wait)(struct append_op *op);
    void (*done)(struct append_op *op, enum err err);
};

/* load may be NULL.  seed: from the prng (key_chains.h). */
void append_queue_init(struct append_queue *queue, struct store *store, struct append_load *load,
                       uint64_t seed);

/* put, wait and done are set. */
void append_queue_add(struct append_queue *queue, struct append_op *op);

/* What was preparing may be put now: at once, when nobody is before it; done may run inside. */
void append_queue_ready(struct append_op *op);

/* The next one that waits behind op with the key of op, or NULL; op waits and has one. */
struct append_op *append_queue_next(const struct append_op *op);

/* It is not written and done does not run; nothing happens to one that does not wait. */
void append_queue_cancel(struct append_op *op);

/* The same, and whom a preparing one held up is put: their done runs inside. */
void append_queue_drop(struct append_op *op);

/* All that wait end with err, in their order; new ones may come. */
void append_queue_end(struct append_queue *queue, enum err err);

/* Nobody waits any more, and nobody is told: everything ends. */
void append_queue_deinit(struct append_queue *queue);

/* Does all that waits wait for the first one, which prepares (APQ-5)? */
bool append_queue_is_held(const struct append_queue *queue);

static inline bool append_op_is_waiting(const struct append_op *op)
{
    return op->queue != NULL;
}

#endif
