#include "broker/append_queue.h"

#include "base/check.h"

/* Its turn, once there may be room: the first one, and then the others have theirs (Q4). */
static bool on_room(struct store_waiter *waiter)
{
    struct append_queue *queue = container_of(waiter, struct append_queue, room);
    struct append_op *op = list_first(&queue->waiting, struct append_op, node);
    enum err err = op->put(op);

    if (err == ERR_FULL)
        return false;
    list_remove(&op->node);
    op->queue = NULL;
    if (!list_is_empty(&queue->waiting))
        store_wait_room(queue->store, &queue->room);
    op->done(op, err);
    return true;
}

void append_queue_init(struct append_queue *queue, struct store *store)
{
    *queue = (struct append_queue){.store = store, .room = {.room = on_room}};
    list_init(&queue->waiting);
}

static void stop_waiting(struct append_queue *queue)
{
    if (list_is_empty(&queue->waiting))
        store_cancel_wait(&queue->room);
}

void append_queue_add(struct append_queue *queue, struct append_op *op)
{
    bool is_first = list_is_empty(&queue->waiting);
    enum err err = is_first ? op->put(op) : ERR_FULL; /* Q1 */
    bool waits = err == ERR_FULL;

    op->queue = NULL;
    if (waits)
        err = op->wait == NULL ? OK : op->wait(op);
    if (!waits || err != OK) {
        check(err != ERR_FULL); /* Q3 */
        op->done(op, err);
        return;
    }
    op->queue = queue;
    list_push_back(&queue->waiting, &op->node);
    if (is_first)
        store_wait_room(queue->store, &queue->room);
}

void append_queue_cancel(struct append_op *op)
{
    struct append_queue *queue = op->queue;

    if (queue == NULL)
        return;
    op->queue = NULL;
    list_remove(&op->node);
    stop_waiting(queue);
}

void append_queue_end(struct append_queue *queue, enum err err)
{
    struct list ended;
    struct list *node;

    check(err != OK && err != ERR_FULL);
    list_init(&ended);
    list_splice_back(&ended, &queue->waiting);
    stop_waiting(queue);
    while ((node = list_pop_front(&ended)) != NULL) {
        struct append_op *op = container_of(node, struct append_op, node);
        op->queue = NULL;
        op->done(op, err);
    }
}

void append_queue_deinit(struct append_queue *queue)
{
    struct list *node;

    while ((node = list_pop_front(&queue->waiting)) != NULL)
        container_of(node, struct append_op, node)->queue = NULL;
    store_cancel_wait(&queue->room);
}
