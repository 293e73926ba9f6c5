/* A walk over all logs of a store, some of them in each turn of the loop.  (store_private.h) */
#include "base/check.h"
#include "storage/log/log_private.h"

/* What a visit does may take the better part of a millisecond. */
enum { LOGS_PER_TURN = 8 };

static void end_walk(struct store *store, enum err err)
{
    void (*done)(struct store * store, enum err err) = store->walk.done;

    store->walk.done = NULL;
    if (err == OK && store->state == STORE_FAILED) /* perhaps since the last log */
        err = ERR_STORAGE;
    done(store, err);
}

/* It takes the last one and puts it in front: whoever comes meanwhile is the last one then, and
 * when one of this round is, all are.  Their order stays as it was. */
static void run_walk(struct task *task)
{
    struct store *store = container_of(task, struct store, walk.task);
    struct store_walk *walk = &store->walk;
    enum err err = OK;

    for (uint32_t i = 0; i < LOGS_PER_TURN && err == OK; i++) {
        struct log *log = container_of(store->logs.prev, struct log, node);
        if (list_is_empty(&store->logs) || log->walk_round == walk->round) {
            end_walk(store, OK);
            return;
        }
        list_remove(&log->node);
        list_push_front(&store->logs, &log->node);
        log->walk_round = walk->round;
        err = store->state == STORE_FAILED ? ERR_STORAGE : walk->visit(log);
        counter_add(&walk->visited, 1);
    }
    if (err == OK)
        loop_defer(store->loop, &walk->task);
    else
        end_walk(store, err);
}

void store_walk_begin(struct store *store, enum err (*visit)(struct log *log),
                      void (*done)(struct store *store, enum err err))
{
    check(store->walk.done == NULL);
    store->walk.task.run = run_walk;
    store->walk.round++;
    store->walk.visit = visit;
    store->walk.done = done;
    loop_defer(store->loop, &store->walk.task);
}
