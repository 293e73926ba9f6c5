#include "storage/log/segment_aborted.h"

#include "base/mem.h"
#include "base/small_file.h"

enum err segment_aborted_load(struct segment *segment)
{
    char path[LOG_PATH_MAX];
    uint8_t *bytes;
    size_t size_bytes;
    enum err err;

    segment_path(segment, LOG_FILE_TXN_INDEX, false, path);
    err = small_file_read(segment->of->io, path, &bytes, &size_bytes);
    if (err != OK)
        return err;
    err = transaction_index_decode(&segment->aborted, bytes, size_bytes);
    mem_free(bytes);
    if (err != OK)
        return err;
    segment->aborted_saved = segment->aborted.count;
    segment_aborted_use(segment);
    return OK;
}

static enum err write_from(struct segment *segment, const char *path, uint32_t from_count)
{
    struct io *io = segment->of->io;
    uint64_t pos = (uint64_t)from_count * TRANSACTION_INDEX_ENTRY_BYTES;
    size_t size_bytes = transaction_index_size_bytes(&segment->aborted) - pos;
    uint8_t *bytes = mem_try_alloc(size_bytes);
    int32_t fd;
    enum err err;

    if (bytes == NULL)
        return ERR_NOMEM;
    transaction_index_encode(&segment->aborted, from_count, bytes);
    err = io->v->file_open(io, path, IO_WRITE | IO_CREATE | (pos == 0 ? IO_TRUNCATE : 0), &fd);
    if (err == OK) {
        err = io->v->file_write(io, fd, bytes, (uint32_t)size_bytes, pos);
        if (err == OK) /* of a life before this one it may hold more */
            err = io->v->file_truncate(io, fd, pos + size_bytes);
        io->v->close(io, fd);
    }
    mem_free(bytes);
    return err;
}

enum err segment_aborted_save(struct segment *segment)
{
    struct io *io = segment->of->io;
    char path[LOG_PATH_MAX];
    enum err err;

    if (!segment->aborted_dirty)
        return OK;
    segment_path(segment, LOG_FILE_TXN_INDEX, false, path);
    if (segment->aborted.count > 0)
        err = write_from(segment, path, segment->aborted_saved);
    else
        err = io->v->file_unlink(io, path);
    if (err == ERR_NOT_FOUND && segment->aborted.count == 0)
        err = OK;
    if (err != OK)
        return err;
    segment->aborted_saved = segment->aborted.count;
    segment->aborted_dirty = false;
    segment_aborted_use(segment);
    return OK;
}

void segment_aborted_clear(struct segment *segment)
{
    index_cache_forget(segment->of->aborted, &segment->aborted_cached);
    transaction_index_clear(&segment->aborted);
    segment->aborted_saved = 0;
    segment->aborted_dirty = true;
}

void segment_aborted_use(struct segment *segment)
{
    if (segment->is_active || segment->aborted_dirty || segment->aborted.count == 0)
        return;
    index_cache_use(segment->of->aborted, &segment->aborted_cached,
                    transaction_index_size_bytes(&segment->aborted));
}

void segment_aborted_unload(struct cached_indexes *indexes)
{
    struct segment *segment = container_of(indexes, struct segment, aborted_cached);

    if (segment->is_active || segment->aborted_dirty)
        return;
    index_cache_forget(segment->of->aborted, indexes);
    transaction_index_unload(&segment->aborted);
}
