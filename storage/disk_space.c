#include "storage/disk_space.h"

enum { LOOK_MS = 1000 };

void disk_space_look(struct disk_space *space)
{
    struct io *io = space->loop->io;
    struct io_space now;
    uint64_t enough_bytes = space->reserve_bytes;
    bool is_short;

    if (io->v->dir_space(io, space->path, &now) != OK)
        return;
    space->free_bytes = now.free_bytes;
    if (space->is_short)
        enough_bytes += enough_bytes / 8; /* not to and fro */
    is_short = now.free_bytes < enough_bytes || space->refused;
    space->refused = false;
    if (is_short == space->is_short)
        return;
    space->is_short = is_short;
    space->changed(space);
}

static void on_time(struct timer *timer)
{
    struct disk_space *space = container_of(timer, struct disk_space, timer);
    bool again = space->used;

    space->used = false;
    disk_space_look(space);
    if (again || space->is_short)
        loop_set_timer_ms(space->loop, &space->timer, LOOK_MS);
}

void disk_space_init(struct disk_space *space, struct loop *loop, const char *path,
                     uint64_t reserve_bytes, void (*changed)(struct disk_space *space))
{
    *space = (struct disk_space){
        .loop = loop, .path = path, .reserve_bytes = reserve_bytes, .changed = changed};
    timer_init(&space->timer, on_time);
}

void disk_space_deinit(struct disk_space *space)
{
    if (space->loop != NULL)
        loop_cancel_timer(space->loop, &space->timer);
}

void disk_space_note_use(struct disk_space *space)
{
    space->used = true;
    if (!timer_is_set(&space->timer))
        loop_set_timer_ms(space->loop, &space->timer, LOOK_MS);
}

void disk_space_note_refusal(struct disk_space *space)
{
    space->refused = true;
    disk_space_look(space);
    space->refused = true; /* until a second has passed without another one */
    disk_space_note_use(space);
}
