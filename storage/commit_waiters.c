#include "storage/commit_waiters.h"

#include "base/check.h"

void commit_waiters_init(struct commit_waiters *waiters)
{
    list_init(&waiters->waiting);
}

void commit_waiters_add(struct commit_waiters *waiters, struct commit_waiter *waiter)
{
    if (!list_is_empty(&waiters->waiting))
        check(container_of(waiters->waiting.prev, struct commit_waiter, node)->sequence <=
              waiter->sequence); /* CMW-1 */
    list_push_back(&waiters->waiting, &waiter->node);
}

static void tell(struct commit_waiter *waiter, enum err err)
{
    list_remove(&waiter->node);
    waiter->committed(waiter, err);
}

void commit_waiters_reached(struct commit_waiters *waiters, uint64_t sequence)
{
    while (!list_is_empty(&waiters->waiting)) {
        struct commit_waiter *waiter = list_first(&waiters->waiting, struct commit_waiter, node);
        if (waiter->sequence > sequence)
            return;
        tell(waiter, OK);
    }
}

/* Those that are there now: who is told may wait anew. */
void commit_waiters_fail(struct commit_waiters *waiters, enum err err)
{
    struct list told;
    struct list *node;

    list_init(&told);
    list_splice_back(&told, &waiters->waiting);
    while ((node = told.next) != &told)
        tell(container_of(node, struct commit_waiter, node), err);
}

void commit_waiters_drop(struct commit_waiters *waiters)
{
    struct list *node;

    while ((node = list_pop_front(&waiters->waiting)) != NULL) {
        struct commit_waiter *waiter = container_of(node, struct commit_waiter, node);
        waiter->dropped(waiter);
    }
}
