#include "storage/room_queue.h"

void room_queue_init(struct room_queue *queue)
{
    *queue = (struct room_queue){0};
    list_init(&queue->waiting);
}

void room_queue_wait(struct room_queue *queue, struct store_waiter *waiter)
{
    list_push_back(&queue->waiting, &waiter->node);
}

void room_queue_cancel(struct store_waiter *waiter)
{
    if (list_is_linked(&waiter->node))
        list_remove(&waiter->node);
}

bool room_queue_is_empty(const struct room_queue *queue)
{
    return list_is_empty(&queue->waiting);
}

void room_queue_give(struct room_queue *queue)
{
    struct list skipped;
    struct list *node;

    if (queue->giving || list_is_empty(&queue->waiting))
        return; /* RMQ-2 */
    queue->giving = true;
    queue->refused = false;
    list_init(&skipped);
    while (!queue->refused && (node = list_pop_front(&queue->waiting)) != NULL) {
        struct store_waiter *waiter = container_of(node, struct store_waiter, node);
        if (!waiter->room(waiter)) /* where the memory did not suffice, less may */
            list_push_back(&skipped, &waiter->node);
    }
    list_splice_back(&skipped, &queue->waiting); /* they keep their turns (RMQ-1) */
    list_splice_back(&queue->waiting, &skipped);
    queue->giving = false;
}

void room_queue_refuse(struct room_queue *queue)
{
    queue->refused = true;
}

bool room_queue_must_wait(const struct room_queue *queue, bool reserved_space)
{
    return queue->refused && !queue->giving && !reserved_space && !list_is_empty(&queue->waiting);
}
