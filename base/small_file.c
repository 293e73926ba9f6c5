#include "base/small_file.h"

#include "base/mem.h"

#include <stdio.h>

/* Up to size_bytes from the beginning: *done_out. */
static enum err read_up_to(struct io *io, int32_t fd, uint8_t *bytes, uint64_t size_bytes,
                           uint64_t *done_out)
{
    uint64_t done = 0;
    enum err err = OK;

    while (err == OK && done < size_bytes) {
        uint32_t got = 0;
        err = io->v->file_read(io, fd, bytes + done, (uint32_t)(size_bytes - done), done, &got);
        if (err == OK && got == 0)
            break;
        done += got;
    }
    *done_out = done;
    return err;
}

enum err small_file_read(struct io *io, const char *path, uint8_t **bytes_out, size_t *size_out)
{
    uint64_t size_bytes;
    uint8_t *bytes = NULL;
    uint64_t done;
    int32_t fd;
    enum err err = io->v->file_open(io, path, IO_READ, &fd);

    if (err != OK)
        return err;
    err = io->v->file_size(io, fd, &size_bytes);
    if (err == OK && size_bytes > SMALL_FILE_BYTES_MAX)
        err = ERR_TOO_LARGE;
    if (err == OK)
        bytes = mem_try_alloc(size_bytes);
    if (err == OK && bytes == NULL)
        err = ERR_NOMEM;
    if (err == OK)
        err = read_up_to(io, fd, bytes, size_bytes, &done);
    if (err == OK && done < size_bytes)
        err = ERR_TRUNCATED;
    io->v->close(io, fd);
    if (err != OK) {
        mem_free(bytes);
        return err;
    }
    *bytes_out = bytes;
    *size_out = size_bytes;
    return OK;
}

enum err small_file_read_into(struct io *io, const char *path, void *bytes, uint32_t capacity,
                              size_t *size_out)
{
    uint64_t done;
    int32_t fd;
    enum err err = io->v->file_open(io, path, IO_READ, &fd);

    if (err != OK)
        return err;
    err = read_up_to(io, fd, bytes, capacity, &done);
    io->v->close(io, fd);
    if (err == OK)
        *size_out = done;
    return err;
}

/* Beside path: name_out.  SMF-1 */
static enum err write_beside(struct io *io, const char *path, const void *bytes, size_t size_bytes,
                             bool sync, char name_out[static SMALL_FILE_PATH_MAX + 8])
{
    int32_t fd;
    int length = snprintf(name_out, SMALL_FILE_PATH_MAX + 8, "%s.tmp", path);
    enum err err;

    if (length < 0 || length >= SMALL_FILE_PATH_MAX + 4 || size_bytes > UINT32_MAX)
        return ERR_INVALID;
    err = io->v->file_open(io, name_out, IO_WRITE | IO_CREATE | IO_TRUNCATE, &fd);
    if (err != OK)
        return err;
    if (size_bytes > 0)
        err = io->v->file_write(io, fd, bytes, (uint32_t)size_bytes, 0);
    if (err == OK && sync)
        err = io->v->file_sync(io, fd);
    io->v->close(io, fd);
    return err;
}

enum err small_file_write(struct io *io, const char *path, const void *bytes, size_t size_bytes)
{
    char temporary[SMALL_FILE_PATH_MAX + 8];
    enum err err = write_beside(io, path, bytes, size_bytes, false, temporary);

    return err == OK ? io->v->file_rename(io, temporary, path) : err;
}

enum err small_file_install(struct io *io, const char *dir, const char *temporary, const char *path)
{
    enum err err = io->v->file_rename(io, temporary, path);

    if (err == OK && dir != NULL)
        err = io->v->dir_sync(io, dir);
    return err; /* SMF-2 */
}

enum err small_file_replace(struct io *io, const char *dir, const char *path, const void *bytes,
                            size_t size_bytes)
{
    char temporary[SMALL_FILE_PATH_MAX + 8];
    enum err err = write_beside(io, path, bytes, size_bytes, true, temporary);

    return err == OK ? small_file_install(io, dir, temporary, path) : err;
}
