/* room_queue: those who were told ERR_FULL, and whose turn it is when there may be room.
 *
 * Owned by a store; lives on its loop.  Nobody passes those who wait for the journal: a large batch
 * is not starved by small ones.
 *   RMQ-1  turns come in the order of waiting; who was told ERR_FULL again keeps its turn
 *   RMQ-2  turns do not nest */
#ifndef LEVEE_STORAGE_ROOM_QUEUE_H
#define LEVEE_STORAGE_ROOM_QUEUE_H

#include "base/list.h"

#include <stdbool.h>

/* Someone who got ERR_FULL and wants a turn when there may be room.  Embedded in the caller's
 * struct; zeroed. */
struct store_waiter {
    struct list node;
    /* Its turn: append something.  False: that said ERR_FULL, it keeps its turn (and has not called
     * store_wait_room).  True: it was tried, well or not; who wants more waits anew, at the end. */
    bool (*room)(struct store_waiter *waiter);
};

struct room_queue {
    struct list waiting; /* of store_waiter.node */
    bool giving;         /* the first of them has its turn */
    bool refused;        /* there was none for the last one who asked */
};

void room_queue_init(struct room_queue *queue);
void room_queue_wait(struct room_queue *queue, struct store_waiter *waiter);

/* Also of one that does not wait. */
void room_queue_cancel(struct store_waiter *waiter);
bool room_queue_is_empty(const struct room_queue *queue);

/* There may be room: turns, until one is refused. */
void room_queue_give(struct room_queue *queue);

/* An append found none. */
void room_queue_refuse(struct room_queue *queue);

/* May an append not even try?  Those that may use reserved space pass. */
bool room_queue_must_wait(const struct room_queue *queue, bool reserved_space);

#endif
