#include "storage/trash.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct trash_item {
    struct list node;
    struct trash *trash; /* NULL: given up */
    struct io_op op;
    uint64_t due_ns;
    char *path;
    bool is_dir;
    bool listed; /* the directory's files are in front of it */
};

static void run_next(struct trash *trash);

static void on_due(struct timer *timer)
{
    run_next(container_of(timer, struct trash, timer));
}

void trash_init(struct trash *trash, struct loop *loop)
{
    *trash = (struct trash){.loop = loop};
    list_init(&trash->items);
    timer_init(&trash->timer, on_due);
}

static void free_item(struct trash_item *item)
{
    mem_free(item->path);
    mem_free(item);
}

void trash_deinit(struct trash *trash)
{
    struct list *node;

    if (trash->loop == NULL)
        return;
    loop_cancel_timer(trash->loop, &trash->timer);
    if (trash->current != NULL)
        trash->current->trash = NULL; /* I2 of io.h: op and path stay until done */
    while ((node = list_pop_front(&trash->items)) != NULL)
        free_item(container_of(node, struct trash_item, node));
}

static struct trash_item *make_item(struct trash *trash, const char *path, bool is_dir)
{
    struct trash_item *item = mem_alloc(sizeof(*item));

    item->trash = trash;
    item->path = mem_strdup(path);
    item->is_dir = is_dir;
    return item;
}

struct listing {
    struct trash *trash;
    const char *dir;
    uint64_t due_ns;
};

static void on_entry(void *context, const char *name, bool is_dir)
{
    struct listing *listing = context;
    size_t max_bytes = strlen(listing->dir) + strlen(name) + 2;
    char *path;
    struct trash_item *item;

    if (is_dir)
        return;
    path = mem_alloc(max_bytes);
    snprintf(path, max_bytes, "%s/%s", listing->dir, name);
    item = make_item(listing->trash, path, false);
    item->due_ns = listing->due_ns;
    list_push_front(&listing->trash->items, &item->node);
    mem_free(path);
}

static void on_unlinked(struct io_op *op, int32_t result)
{
    struct trash_item *item = container_of(op, struct trash_item, op);
    struct trash *trash = item->trash;

    free_item(item); /* a failed unlink is found again at the next start */
    if (trash == NULL)
        return;
    trash->current = NULL;
    run_next(trash);
}

/* The first item is due: a file is unlinked; a directory is emptied first, then removed. */
static void run_first(struct trash *trash, struct trash_item *item)
{
    struct io *io = trash->loop->io;

    if (!item->is_dir) {
        list_remove(&item->node);
        trash->current = item;
        io_unlink(io, &item->op, item->path, on_unlinked);
        return;
    }
    if (!item->listed) {
        struct listing listing = {.trash = trash, .dir = item->path, .due_ns = item->due_ns};
        item->listed = true;
        (void)io->v->dir_list(io, item->path, on_entry, &listing);
        return;
    }
    list_remove(&item->node);
    (void)io->v->dir_remove(io, item->path);
    free_item(item);
}

static void run_next(struct trash *trash)
{
    while (trash->running && trash->current == NULL && !list_is_empty(&trash->items)) {
        struct trash_item *item = list_first(&trash->items, struct trash_item, node);
        if (item->due_ns > loop_now_ns(trash->loop)) {
            timer_set(&trash->loop->timers, &trash->timer, item->due_ns);
            return;
        }
        run_first(trash, item);
    }
}

void trash_start(struct trash *trash)
{
    trash->running = true;
    run_next(trash);
}

void trash_add(struct trash *trash, const char *path, bool is_dir, uint64_t delay_ms)
{
    struct trash_item *item = make_item(trash, path, is_dir);
    struct list *before = trash->items.prev;

    item->due_ns = loop_now_ns(trash->loop) + delay_ms * 1000000U;
    while (before != &trash->items &&
           container_of(before, struct trash_item, node)->due_ns > item->due_ns)
        before = before->prev;
    list_insert_between(&item->node, before, before->next);
    run_next(trash);
}
