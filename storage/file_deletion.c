#include "storage/file_deletion.h"

#include "base/mem.h"
#include "storage/dir/log_names.h"

#include <stdio.h>
#include <string.h>

struct doomed_file {
    struct list node; /* file_deletion.waiting; off it: the object is gone */
    struct io_op io;
    struct file_deletion *deletion;
    uint64_t due_ns;
    bool is_dir;
    bool in_flight;
    char path[];
};

static void arm(struct file_deletion *deletion);

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
static bool remove_dir(struct io *io, const char *path, struct turn *turn)
{
    struct names names = {0};
    char file[LOG_PATH_MAX + LOG_DIR_NAME_MAX];
    size_t at = 0;

    if (io->v->dir_list(io, path, collect, &names) == OK)
        for (; at < names.size_bytes && !is_over(turn); at += strlen(names.items + at) + 1) {
            snprintf(file, sizeof(file), "%s/%s", path, names.items + at);
            (void)!io->v->file_unlink(io, file);
            turn->left_count--;
        }
    mem_free(names.items);
    if (at < names.size_bytes)
        return false;
    (void)!io->v->dir_remove(io, path);
    return true;
}

static void on_unlinked(struct io_op *op, int32_t result)
{
    struct doomed_file *file = container_of(op, struct doomed_file, io);
    struct file_deletion *deletion = file->deletion;
    bool is_there = list_is_linked(&file->node); /* FDL-2 */

    if (is_there)
        list_remove(&file->node);
    mem_free(file);
    if (is_there) {
        deletion->in_flight_count--;
        deletion->ended(deletion->context);
    }
}

static void on_timer(struct timer *timer)
{
    struct file_deletion *deletion = container_of(timer, struct file_deletion, timer);
    struct loop *loop = deletion->loop;
    uint64_t now_ns = loop_now_ns(loop);
    struct turn turn = {
        .clock = loop->clock, .began_ns = clock_mono_ns(loop->clock), .left_count = FILES_PER_TURN};

    if (!deletion->is_on)
        return; /* FDL-1 */
    list_for_each_safe(node, &deletion->waiting)
    {
        struct doomed_file *file = container_of(node, struct doomed_file, node);
        if (file->in_flight || file->due_ns > now_ns)
            continue;
        if (is_over(&turn)) {
            timer_set(&loop->timers, timer, now_ns); /* the rest in the next turn */
            return;
        }
        if (file->is_dir) {
            if (!remove_dir(loop->io, file->path, &turn))
                continue;
            list_remove(&file->node);
            mem_free(file);
            continue;
        }
        turn.left_count--;
        file->in_flight = true;
        deletion->in_flight_count++;
        io_unlink(loop->io, &file->io, file->path, on_unlinked);
    }
    arm(deletion);
}

static void arm_for(struct file_deletion *deletion, uint64_t due_ns)
{
    if (due_ns != TIMER_NEVER && deletion->is_on)
        timer_set(&deletion->loop->timers, &deletion->timer, due_ns);
}

static void arm(struct file_deletion *deletion)
{
    uint64_t due_ns = TIMER_NEVER;

    list_for_each(node, &deletion->waiting)
    {
        struct doomed_file *file = container_of(node, struct doomed_file, node);
        if (!file->in_flight && file->due_ns < due_ns)
            due_ns = file->due_ns;
    }
    arm_for(deletion, due_ns);
}

void file_deletion_add(struct file_deletion *deletion, const char *path, bool is_dir,
                       int64_t delay_ms)
{
    size_t path_bytes = strlen(path) + 1;
    struct doomed_file *file = mem_alloc(sizeof(*file) + path_bytes);

    file->deletion = deletion;
    file->is_dir = is_dir;
    file->due_ns = clock_deadline_ns(loop_now_ns(deletion->loop), (uint64_t)delay_ms);
    memcpy(file->path, path, path_bytes);
    list_push_back(&deletion->waiting, &file->node);
    if (!timer_is_set(&deletion->timer) || file->due_ns < deletion->timer.deadline_ns)
        arm_for(deletion, file->due_ns);
}

struct leftovers {
    struct file_deletion *deletion;
    const char *dir;
};

static void find_left(void *context, const char *name, bool is_dir)
{
    struct leftovers *leftovers = context;
    struct log_dir_name parsed;
    char path[LOG_PATH_MAX];

    if (!is_dir || log_names_parse_dir(name, &parsed) != OK || !parsed.deleted)
        return;
    snprintf(path, sizeof(path), "%s/%s", leftovers->dir, name);
    file_deletion_add(leftovers->deletion, path, true, 0);
}

void file_deletion_scan(struct file_deletion *deletion, const char *dir)
{
    struct leftovers leftovers = {deletion, dir};
    struct io *io = deletion->loop->io;

    (void)!io->v->dir_list(io, dir, find_left, &leftovers);
}

void file_deletion_start(struct file_deletion *deletion)
{
    deletion->is_on = true;
    arm(deletion);
}

void file_deletion_stop(struct file_deletion *deletion)
{
    deletion->is_on = false;
}

void file_deletion_init(struct file_deletion *deletion, struct loop *loop,
                        void (*ended)(void *context), void *context)
{
    *deletion = (struct file_deletion){.loop = loop, .ended = ended, .context = context};
    list_init(&deletion->waiting);
    deletion->timer.fire = on_timer;
}

void file_deletion_deinit(struct file_deletion *deletion)
{
    loop_cancel_timer(deletion->loop, &deletion->timer);
    list_for_each_safe(node, &deletion->waiting)
    {
        struct doomed_file *file = container_of(node, struct doomed_file, node);
        list_remove(&file->node);
        if (!file->in_flight) /* else its completion frees it (FDL-2) */
            mem_free(file);
    }
}
