/* Files and directories that are to go after a delay: renamed by whoever decided it, unlinked here,
 * some in each turn; those that an earlier process left, or a stop, are found at start. */
#include "base/mem.h"
#include "storage/log/log_private.h"

#include <stdio.h>
#include <string.h>

struct file_deletion {
    struct list node; /* store.deletions, in order of due time of one delay */
    struct io_op io;
    struct store *store;
    uint64_t due_ns;
    bool is_dir;
    bool in_flight;
    char path[];
};

static void arm(struct store *store);

struct names {
    char *items; /* NUL-separated */
    size_t size_bytes;
};

static void collect(void *context, const char *name, bool is_dir)
{
    struct names *names = context;
    size_t name_bytes = strlen(name) + 1;

    names->items = mem_realloc(names->items, names->size_bytes + name_bytes);
    memcpy(names->items + names->size_bytes, name, name_bytes);
    names->size_bytes += name_bytes;
}

/* What one turn may do: a topic's directories are all due at once, and the loop serves others. */
enum { FILES_PER_TURN = 32, TURN_NS = 2000000 };

struct turn {
    struct clock *clock;
    uint64_t began_ns;
    uint32_t left_count; /* of files */
};

static bool is_over(const struct turn *turn)
{
    return turn->left_count == 0 || clock_mono_ns(turn->clock) - turn->began_ns > TURN_NS;
}

/* A partition's directory holds files only.  False: the turn is over, and some are left. */
static bool remove_dir(struct store *store, const char *path, struct turn *turn)
{
    struct names names = {0};
    char file[LOG_PATH_MAX + LOG_DIR_NAME_MAX];
    size_t at = 0;

    if (store->io->v->dir_list(store->io, path, collect, &names) == OK)
        for (; at < names.size_bytes && !is_over(turn); at += strlen(names.items + at) + 1) {
            snprintf(file, sizeof(file), "%s/%s", path, names.items + at);
            (void)!store->io->v->file_unlink(store->io, file);
            turn->left_count--;
        }
    mem_free(names.items);
    if (at < names.size_bytes)
        return false;
    (void)!store->io->v->dir_remove(store->io, path);
    return true;
}

static void on_unlinked(struct io_op *op, int32_t result)
{
    struct file_deletion *deletion = container_of(op, struct file_deletion, io);
    struct store *store = deletion->store;
    bool store_is_there = list_is_linked(&deletion->node);

    if (store_is_there)
        list_remove(&deletion->node);
    mem_free(deletion);
    if (store_is_there) {
        store->deletions_in_flight--;
        store_tell_stopped(store);
    }
}

static void on_timer(struct timer *timer)
{
    struct store *store = container_of(timer, struct store, deletion_timer);
    uint64_t now_ns = loop_now_ns(store->loop);
    struct turn turn = {.clock = store->loop->clock,
                        .began_ns = clock_mono_ns(store->loop->clock),
                        .left_count = FILES_PER_TURN};

    if (store->state != STORE_RUNNING || store->stopping)
        return; /* the next start finds what is left */
    list_for_each_safe(node, &store->deletions)
    {
        struct file_deletion *deletion = container_of(node, struct file_deletion, node);
        if (deletion->in_flight || deletion->due_ns > now_ns)
            continue;
        if (is_over(&turn)) {
            timer_set(&store->loop->timers, timer, now_ns); /* the rest in the next turn */
            return;
        }
        if (deletion->is_dir) {
            if (!remove_dir(store, deletion->path, &turn))
                continue;
            list_remove(&deletion->node);
            mem_free(deletion);
            continue;
        }
        turn.left_count--;
        deletion->in_flight = true;
        store->deletions_in_flight++;
        io_unlink(store->io, &deletion->io, deletion->path, on_unlinked);
    }
    arm(store);
}

static void arm_for(struct store *store, uint64_t due_ns)
{
    store->deletion_timer.fire = on_timer;
    if (due_ns != TIMER_NEVER && store->state == STORE_RUNNING)
        timer_set(&store->loop->timers, &store->deletion_timer, due_ns);
}

static void arm(struct store *store)
{
    uint64_t due_ns = TIMER_NEVER;

    list_for_each(node, &store->deletions)
    {
        struct file_deletion *deletion = container_of(node, struct file_deletion, node);
        if (!deletion->in_flight && deletion->due_ns < due_ns)
            due_ns = deletion->due_ns;
    }
    arm_for(store, due_ns);
}

void file_deletion_add(struct store *store, const char *path, bool is_dir, int64_t delay_ms)
{
    size_t path_bytes = strlen(path) + 1;
    struct file_deletion *deletion = mem_alloc(sizeof(*deletion) + path_bytes);

    deletion->store = store;
    deletion->is_dir = is_dir;
    deletion->due_ns = clock_deadline_ns(loop_now_ns(store->loop), (uint64_t)delay_ms);
    memcpy(deletion->path, path, path_bytes);
    list_push_back(&store->deletions, &deletion->node);
    if (!timer_is_set(&store->deletion_timer) ||
        deletion->due_ns < store->deletion_timer.deadline_ns)
        arm_for(store, deletion->due_ns);
}

static void find_left(void *context, const char *name, bool is_dir)
{
    struct store *store = context;
    struct log_dir_name parsed;
    char path[LOG_PATH_MAX];

    if (!is_dir || log_names_parse_dir(name, &parsed) != OK || !parsed.deleted)
        return;
    snprintf(path, sizeof(path), "%s/%s", store->world.dir->path, name);
    file_deletion_add(store, path, true, 0);
}

void file_deletion_scan(struct store *store)
{
    if (store->options.shard == 0)
        (void)!store->io->v->dir_list(store->io, store->world.dir->path, find_left, store);
    arm(store);
}

void file_deletion_drop_all(struct store *store)
{
    loop_cancel_timer(store->loop, &store->deletion_timer);
    list_for_each_safe(node, &store->deletions)
    {
        struct file_deletion *deletion = container_of(node, struct file_deletion, node);
        list_remove(&deletion->node);
        if (!deletion->in_flight) /* else its completion frees it */
            mem_free(deletion);
    }
}
