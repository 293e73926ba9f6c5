#include "broker/turn_lines.h"

#include "base/check.h"
#include "base/mem.h"

struct turn_line {
    struct list node;
    struct list waiters; /* oldest first */
    struct turn_lines *of;
    const void *owner;
};

void turn_lines_init(struct turn_lines *lines, uint64_t seed)
{
    list_init(&lines->lines);
    hash_map_init(&lines->by_owner, seed);
}

void turn_lines_deinit(struct turn_lines *lines)
{
    while (turn_lines_next(lines) != NULL)
        continue;
    hash_map_deinit(&lines->by_owner);
}

enum err turn_lines_add(struct turn_lines *lines, struct turn_waiter *waiter, const void *owner)
{
    struct turn_line *line = hash_map_find(&lines->by_owner, &owner, sizeof(owner));
    enum err err = OK;

    if (line == NULL) {
        line = mem_try_alloc(sizeof(*line));
        if (line == NULL)
            return ERR_NOMEM;
        *line = (struct turn_line){.of = lines, .owner = owner};
        list_init(&line->waiters);
        err = hash_map_insert(&lines->by_owner, &line->owner, sizeof(line->owner), line);
        if (err != OK) {
            mem_free(line);
            return err;
        }
        list_push_back(&lines->lines, &line->node);
    }
    list_push_back(&line->waiters, &waiter->node);
    waiter->line = line;
    return OK;
}

void turn_waiter_leave(struct turn_waiter *waiter)
{
    struct turn_line *line = waiter->line;

    if (line == NULL)
        return;
    list_remove(&waiter->node);
    waiter->line = NULL;
    if (!list_is_empty(&line->waiters))
        return;
    hash_map_remove(&line->of->by_owner, &line->owner, sizeof(line->owner));
    list_remove(&line->node);
    mem_free(line);
}

struct turn_waiter *turn_lines_next(struct turn_lines *lines)
{
    struct turn_line *line;
    struct turn_waiter *waiter;

    if (list_is_empty(&lines->lines))
        return NULL;
    line = list_first(&lines->lines, struct turn_line, node);
    waiter = list_first(&line->waiters, struct turn_waiter, node);
    list_remove(&line->node);
    list_push_back(&lines->lines, &line->node);
    turn_waiter_leave(waiter);
    return waiter;
}
