#include "broker/append_queue.h"

#include "base/check.h"
#include "base/sometimes.h"
#include "broker/append_load.h"

enum { PUTS_MAX = 64 }; /* at one go */

bool append_queue_is_held(const struct append_queue *queue)
{
    return !list_is_empty(&queue->waiting) &&
           list_first(&queue->waiting, struct append_op, node)->is_preparing;
}

/* Room is waited for exactly while the first op could use it. */
static void renew_wait(struct append_queue *queue)
{
    bool wants = !list_is_empty(&queue->waiting) && !append_queue_is_held(queue); /* APQ-5 */

    if (!wants)
        store_cancel_wait(&queue->room);
    else if (!list_is_linked(&queue->room.node))
        store_wait_room(queue->store, &queue->room);
}

static void remember(struct append_queue *queue, struct append_op *op)
{
    op->queue = queue;
    list_push_back(&queue->waiting, &op->node);
    queue->held_bytes += op->held_bytes;
    if (queue->load != NULL)
        queue->load->held_bytes += op->held_bytes;
    if (op->has_key)
        key_chains_add(&queue->keys, &op->key);
}

static void forget(struct append_queue *queue, struct append_op *op)
{
    queue->held_bytes -= op->held_bytes;
    if (queue->load != NULL)
        queue->load->held_bytes -= op->held_bytes;
    if (op->has_key)
        key_chains_remove(&queue->keys, &op->key);
    op->queue = NULL;
}

static void finish(struct append_op *op, enum err err)
{
    struct append_queue *queue = op->queue;

    list_remove(&op->node);
    forget(queue, op);
    renew_wait(queue);
    op->done(op, err);
}

/* Its turn, once there may be room: the first one, and then the others have theirs (APQ-4). */
static bool on_room(struct store_waiter *waiter)
{
    struct append_queue *queue = container_of(waiter, struct append_queue, room);
    struct append_op *op = list_first(&queue->waiting, struct append_op, node);
    enum err err = op->put(op);

    if (err == ERR_FULL)
        return false;
    SOMETIMES("append_queue: an append had room with another one behind it",
              op->node.next != &queue->waiting);
    finish(op, err);
    return true;
}

void append_queue_init(struct append_queue *queue, struct store *store, struct append_load *load,
                       uint64_t seed)
{
    *queue = (struct append_queue){.store = store, .load = load, .room = {.room = on_room}};
    list_init(&queue->waiting);
    key_chains_init(&queue->keys, seed);
}

void append_queue_add(struct append_queue *queue, struct append_op *op)
{
    bool is_first = list_is_empty(&queue->waiting);
    enum err err = is_first && !op->is_preparing ? op->put(op) : ERR_FULL; /* APQ-1, APQ-5 */
    bool waits = err == ERR_FULL;

    op->queue = NULL;
    if (waits)
        err = op->wait == NULL ? OK : op->wait(op);
    if (!waits || err != OK) {
        check(err != ERR_FULL); /* APQ-3 */
        op->done(op, err);
        return;
    }
    remember(queue, op);
    renew_wait(queue);
}

struct append_op *append_queue_next(const struct append_op *op)
{
    struct key_link *next = key_chains_next(&op->queue->keys, &op->key);

    return next == NULL ? NULL : container_of(next, struct append_op, key);
}

/* At once, and not in a turn of the store's: who waits behind one that prepares lacks no room. */
static void go_on(struct append_queue *queue)
{
    for (uint32_t i = 0; i < PUTS_MAX && !list_is_empty(&queue->waiting); i++) {
        struct append_op *op = list_first(&queue->waiting, struct append_op, node);
        enum err err = op->is_preparing ? ERR_FULL : op->put(op);
        if (err == ERR_FULL)
            break;
        finish(op, err);
    }
    renew_wait(queue);
}

void append_queue_ready(struct append_op *op)
{
    check(op->queue != NULL && op->is_preparing);
    op->is_preparing = false;
    if (list_first(&op->queue->waiting, struct append_op, node) == op)
        go_on(op->queue);
}

void append_queue_drop(struct append_op *op)
{
    struct append_queue *queue = op->queue;
    bool was_first;

    if (queue == NULL)
        return;
    was_first = list_first(&queue->waiting, struct append_op, node) == op && op->is_preparing;
    append_queue_cancel(op);
    if (was_first)
        go_on(queue);
}

void append_queue_cancel(struct append_op *op)
{
    struct append_queue *queue = op->queue;

    if (queue == NULL)
        return;
    forget(queue, op);
    list_remove(&op->node);
    renew_wait(queue);
}

void append_queue_end(struct append_queue *queue, enum err err)
{
    struct list ended;
    struct list *node;

    check(err != OK && err != ERR_FULL);
    list_init(&ended);
    list_splice_back(&ended, &queue->waiting);
    renew_wait(queue);
    while ((node = list_pop_front(&ended)) != NULL) {
        struct append_op *op = container_of(node, struct append_op, node);
        forget(queue, op);
        op->done(op, err);
    }
}

void append_queue_deinit(struct append_queue *queue)
{
    struct list *node;

    while ((node = list_pop_front(&queue->waiting)) != NULL)
        forget(queue, container_of(node, struct append_op, node));
    key_chains_deinit(&queue->keys);
    store_cancel_wait(&queue->room);
}
