#include "storage/store_walk.h"

#include "base/check.h"
#include "storage/log/log_private.h"

/* What a visit does may take the better part of a millisecond. */
enum { LOGS_PER_TURN = 8 };

static void end_walk(struct store_walk *walk, enum err err)
{
    void (*done)(void *context, enum err err) = walk->done;

    walk->done = NULL;
    if (err == OK && walk->env->state == STORE_FAILED) /* perhaps since the last log (SWK-2) */
        err = ERR_STORAGE;
    done(walk->context, err);
}

/* It takes the last one and puts it in front: whoever comes meanwhile is the last one then, and
 * when one of this round is, all are (SWK-1).  Their order stays as it was. */
static void run_walk(struct task *task)
{
    struct store_walk *walk = container_of(task, struct store_walk, task);
    struct log_environment *env = walk->env;
    enum err err = OK;

    for (uint32_t i = 0; i < LOGS_PER_TURN && err == OK; i++) {
        struct log *log = container_of(env->logs.prev, struct log, node);
        if (list_is_empty(&env->logs) || log->walk_round == walk->round) {
            end_walk(walk, OK);
            return;
        }
        list_remove(&log->node);
        list_push_front(&env->logs, &log->node);
        log->walk_round = walk->round;
        err = env->state == STORE_FAILED ? ERR_STORAGE : walk->visit(log);
        counter_add(&walk->visited, 1);
    }
    if (err == OK)
        loop_defer(env->loop, &walk->task);
    else
        end_walk(walk, err);
}

void store_walk_init(struct store_walk *walk, struct log_environment *env)
{
    *walk = (struct store_walk){.env = env};
    walk->task.run = run_walk;
}

void store_walk_deinit(struct store_walk *walk)
{
    loop_undefer(&walk->task);
}

void store_walk_begin(struct store_walk *walk, enum err (*visit)(struct log *log),
                      void (*done)(void *context, enum err err), void *context)
{
    check(walk->done == NULL);
    walk->round++;
    walk->visit = visit;
    walk->done = done;
    walk->context = context;
    loop_defer(walk->env->loop, &walk->task);
}
