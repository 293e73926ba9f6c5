#include "storage/open_files.h"

#include "base/check.h"
#include "base/sometimes.h"

void open_files_init(struct open_files *files, struct io *io, uint32_t max_count,
                     struct gauge *gauge)
{
    *files = (struct open_files){.io = io, .max_count = max_count, .gauge = gauge};
    list_init(&files->open);
}

static void count_one(struct open_files *files, struct open_file *file)
{
    list_push_back(&files->open, &file->node);
    files->count++;
    gauge_set(files->gauge, files->count);
}

static void discount(struct open_files *files, struct open_file *file)
{
    if (!list_is_linked(&file->node))
        return;
    list_remove(&file->node);
    files->count--;
    gauge_set(files->gauge, files->count);
}

void open_files_close(struct open_files *files, struct open_file *file)
{
    if (file->fd < 0)
        return;
    files->io->v->close(files->io, file->fd);
    file->fd = -1;
    discount(files, file);
}

/* Close those that were not used for longest and are not in use, down to count_max. */
static void keep_bounded(struct open_files *files, uint32_t count_max)
{
    list_for_each_safe(node, &files->open)
    {
        struct open_file *file = container_of(node, struct open_file, node);
        if (files->count <= count_max)
            return;
        if (file->io_count == 0)
            open_files_close(files, file);
    }
}

enum err open_files_open(struct open_files *files, struct open_file *file, const char *path)
{
    struct io *io = files->io;
    enum err err;

    check(file->fd < 0);
    /* before it is open: it is not in use yet, and must not be what is closed */
    if (files->max_count > 0)
        keep_bounded(files, BUGGIFY("segment: files are closed early") ? 0 : files->max_count - 1);
    err = io->v->file_open(io, path, IO_WRITE | IO_CREATE | IO_DIRECT, &file->fd);
    if (err == ERR_UNSUPPORTED || err == ERR_INVALID)
        err = io->v->file_open(io, path, IO_WRITE | IO_CREATE, &file->fd);
    if (err != OK) {
        file->fd = -1;
        return err;
    }
    count_one(files, file);
    return OK;
}

void open_files_touch(struct open_files *files, struct open_file *file)
{
    list_remove(&file->node);
    list_push_back(&files->open, &file->node);
}

void open_files_io_ended(struct open_files *files, struct open_file *file)
{
    check(file->io_count > 0);
    file->io_count--;
    keep_bounded(files, files->max_count); /* OPF-1 */
}

void open_files_leave(struct open_files *files, struct open_file *file)
{
    if (file->io_count == 0)
        open_files_close(files, file);
    else
        discount(files, file);
}
