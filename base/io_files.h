/* io_files: the short calls of an io on files and directories (io.h, "files, now"), for the
 * backends that speak to the kernel.
 *
 * Each blocks, keeps nothing, and may run on any thread; io is not looked at.  What a call takes
 * and answers stands in io.h beside its row of io_vtable; errors are those of err_from_errno. */
#ifndef LEVEE_BASE_IO_FILES_H
#define LEVEE_BASE_IO_FILES_H

#include "base/io.h"

#include <errno.h>

/* Again while a signal interrupts. */
#define io_retry_interrupted(result, call) \
    do                                     \
        (result) = (call);                 \
    while ((result) < 0 && errno == EINTR)

/* ERR_UNSUPPORTED: IO_DIRECT on a file system without it. */
must_use enum err io_files_open(struct io *io, const char *path, uint32_t flags, int32_t *fd_out);

/* Short at the end of the file only. */
must_use enum err io_files_read(struct io *io, int32_t fd, void *bytes, uint32_t size_bytes,
                                uint64_t pos, uint32_t *read_out);

/* All of it, or an error. */
must_use enum err io_files_write(struct io *io, int32_t fd, const void *bytes, uint32_t size_bytes,
                                 uint64_t pos);

/* fdatasync(2). */
must_use enum err io_files_sync(struct io *io, int32_t fd);
must_use enum err io_files_truncate(struct io *io, int32_t fd, uint64_t size_bytes);
must_use enum err io_files_stat(struct io *io, const char *path, struct io_stat *out);
must_use enum err io_files_size(struct io *io, int32_t fd, uint64_t *out);

/* ERR_LOCKED: another opening holds it.  It ends with the descriptor. */
must_use enum err io_files_lock(struct io *io, int32_t fd);
must_use enum err io_files_rename(struct io *io, const char *from, const char *to);
must_use enum err io_files_unlink(struct io *io, const char *path);
must_use enum err io_files_dir_make(struct io *io, const char *path);

/* ERR_EXISTS: it is not empty. */
must_use enum err io_files_dir_remove(struct io *io, const char *path);

/* The names in it are durable. */
must_use enum err io_files_dir_sync(struct io *io, const char *path);

/* entry(context, name, is_dir) for each but . and .., in no order. */
must_use enum err io_files_dir_list(struct io *io, const char *path,
                                    void (*entry)(void *context, const char *name, bool is_dir),
                                    void *context);
must_use enum err io_files_dir_space(struct io *io, const char *path, struct io_space *out);

/* syncfs(2) of the file system that fd lies on. */
must_use enum err io_files_filesystem_sync(struct io *io, int32_t fd);

#endif
