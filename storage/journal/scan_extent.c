#include "storage/journal/scan_extent.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

enum { READ_BYTES = 4 << 20 }; /* at once: the kernel makes several requests of it */

static enum err open_file(const struct scan_source *source, struct scan_extent *extent)
{
    size_t path_bytes = strlen(source->dir) + 1 + JOURNAL_NAME_MAX;
    char *path = mem_try_alloc(path_bytes);
    char name[JOURNAL_NAME_MAX];
    uint64_t max_bytes = UINT32_MAX / IO_ALIGN * IO_ALIGN;
    enum err err;

    if (path == NULL)
        return ERR_NOMEM;
    journal_format_name(name, extent->shard, extent->number);
    snprintf(path, path_bytes, "%s/%s", source->dir, name);
    err = source->io->v->file_open(source->io, path, IO_READ | IO_DIRECT, &extent->fd);
    if (err == ERR_INVALID || err == ERR_UNSUPPORTED)
        err = source->io->v->file_open(source->io, path, IO_READ, &extent->fd);
    mem_free(path);
    if (!err)
        err = source->io->v->file_size(source->io, extent->fd, &extent->size_bytes);
    if (err)
        return err;
    extent->size_bytes = extent->size_bytes / IO_ALIGN * IO_ALIGN;
    if (extent->size_bytes > max_bytes)
        extent->size_bytes = max_bytes;
    return OK;
}

void scan_extent_close(const struct scan_source *source, struct scan_extent *extent)
{
    if (extent->fd >= 0)
        source->io->v->close(source->io, extent->fd);
    extent->fd = -1;
}

void scan_extent_drop(struct scan_extent *extent)
{
    buf_unref(extent->buf);
    extent->buf = NULL;
    extent->loaded_bytes = 0;
    extent->kept = false;
}

/* Read on into extent->buf until size_bytes of the file are there. */
static enum err read_on(const struct scan_source *source, struct scan_extent *extent,
                        uint64_t size_bytes)
{
    while (extent->loaded_bytes < size_bytes && extent->loaded_bytes < extent->size_bytes) {
        uint64_t left_bytes = extent->buf->capacity_bytes - extent->loaded_bytes;
        uint32_t read_bytes = 0;
        enum err err = source->io->v->file_read(
            source->io, extent->fd, extent->buf->bytes + extent->loaded_bytes,
            left_bytes < READ_BYTES ? (uint32_t)left_bytes : READ_BYTES, extent->loaded_bytes,
            &read_bytes);

        if (err)
            return err;
        extent->loaded_bytes += read_bytes / IO_ALIGN * IO_ALIGN;
        if (read_bytes < IO_ALIGN)
            extent->size_bytes = extent->loaded_bytes; /* shorter than it was */
    }
    return OK;
}

enum err scan_extent_load(const struct scan_source *source, struct scan_extent *extent,
                          uint64_t size_bytes)
{
    if (extent->loaded_bytes >= size_bytes || extent->loaded_bytes >= extent->size_bytes)
        return OK;
    if (extent->buf == NULL)
        extent->buf = buf_create(source->slab, (uint32_t)extent->size_bytes, IO_ALIGN);
    return extent->buf != NULL ? read_on(source, extent, size_bytes) : ERR_NOMEM;
}

enum err scan_extent_group(const struct scan_source *source, struct scan_extent *extent,
                           uint64_t pos, struct journal_group_head *head)
{
    enum err err = scan_extent_load(source, extent, pos + IO_ALIGN);
    enum err newer;

    if (err)
        return err;
    if (pos + IO_ALIGN > extent->loaded_bytes)
        return ERR_MALFORMED;
    newer = journal_format_read_head(extent->buf->bytes + pos, extent->size_bytes - pos, head);
    if (newer == ERR_MALFORMED)
        return newer;
    err = scan_extent_load(source, extent, pos + head->size_bytes);
    if (err)
        return err;
    if (pos + head->size_bytes > extent->loaded_bytes)
        return ERR_MALFORMED;
    if (!extent->kept)
        err = journal_format_verify(extent->buf->bytes + pos, head);
    return err ? err : newer;
}

/* The first size_bytes of it for a moment; scan_extent_drop after. */
static enum err load_front(const struct scan_source *source, struct scan_extent *extent,
                           uint64_t size_bytes)
{
    extent->buf = buf_create(source->slab, (uint32_t)size_bytes, IO_ALIGN);
    return extent->buf != NULL ? read_on(source, extent, size_bytes) : ERR_NOMEM;
}

enum err scan_extent_open(const struct scan_source *source, struct scan_extent *extent)
{
    enum err err = open_file(source, extent);

    if (err || extent->size_bytes == 0)
        return err;
    err = load_front(source, extent, IO_ALIGN);
    extent->has_head = !err && extent->loaded_bytes > 0 &&
                       journal_format_read_head(extent->buf->bytes, extent->size_bytes,
                                                &extent->head) != ERR_MALFORMED &&
                       extent->head.shard == extent->shard;
    scan_extent_drop(extent);
    return err;
}

enum err scan_extent_reopen(const struct scan_source *source, struct scan_extent *extent)
{
    return open_file(source, extent);
}

enum err scan_extent_verify(const struct scan_source *source, struct scan_extent *extent)
{
    struct journal_group_head head;
    enum err err = load_front(source, extent, journal_format_round_up(extent->head.size_bytes));

    if (!err)
        err = scan_extent_group(source, extent, 0, &head);
    scan_extent_drop(extent);
    extent->good = err == OK;
    return err == ERR_CORRUPT || err == ERR_MALFORMED ? OK : err;
}
