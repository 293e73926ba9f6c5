#include "storage/small_file.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdio.h>

enum { PATH_BYTES = 4096 + 320 };

enum err small_file_read(struct io *io, const char *path, uint32_t max_bytes, uint8_t **bytes_out,
                         uint32_t *size_out)
{
    uint64_t size_bytes = 0;
    uint32_t read_bytes = 0;
    uint8_t *bytes = NULL;
    int32_t fd;
    enum err err = io->v->file_open(io, path, IO_READ, &fd);

    if (err)
        return err;
    err = io->v->file_size(io, fd, &size_bytes);
    if (!err && size_bytes > max_bytes)
        err = ERR_TOO_LARGE;
    if (!err) {
        bytes = mem_try_alloc(size_bytes);
        err = bytes == NULL ? ERR_NOMEM
                            : io->v->file_read(io, fd, bytes, (uint32_t)size_bytes, 0, &read_bytes);
    }
    io->v->close(io, fd);
    if (err) {
        mem_free(bytes);
        return err;
    }
    *bytes_out = bytes;
    *size_out = read_bytes;
    return OK;
}

enum err small_file_write(struct io *io, const char *path, const void *bytes, uint32_t size_bytes)
{
    char tmp[PATH_BYTES];
    int size = snprintf(tmp, sizeof(tmp), "%s.tmp", path);
    int32_t fd;
    enum err err;

    check(size > 0 && (size_t)size < sizeof(tmp));
    err = io->v->file_open(io, tmp, IO_WRITE | IO_CREATE | IO_TRUNCATE, &fd);
    if (err)
        return err;
    err = io->v->file_write(io, fd, bytes, size_bytes, 0);
    io->v->close(io, fd);
    return err ? err : io->v->file_rename(io, tmp, path);
}
