#include "base/io_files.h"

#include "base/err.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static enum err result_of(int result)
{
    return result < 0 ? err_from_errno(errno) : OK;
}

enum err io_files_open(struct io *io, const char *path, uint32_t flags, int32_t *fd_out)
{
    int open_flags = O_CLOEXEC | ((flags & IO_WRITE) != 0 ? O_RDWR : O_RDONLY);
    int fd;

    open_flags |= (flags & IO_CREATE) != 0 ? O_CREAT : 0;
    open_flags |= (flags & IO_EXCLUSIVE) != 0 ? O_EXCL : 0;
    open_flags |= (flags & IO_DIRECT) != 0 ? O_DIRECT : 0;
    open_flags |= (flags & IO_DSYNC) != 0 ? O_DSYNC : 0;
    open_flags |= (flags & IO_TRUNCATE) != 0 ? O_TRUNC : 0;
    io_retry_interrupted(fd, open(path, open_flags, 0644));
    if (fd < 0) /* open(2): EINVAL also when the file system has no O_DIRECT */
        return errno == EINVAL && (flags & IO_DIRECT) != 0 ? ERR_UNSUPPORTED
                                                           : err_from_errno(errno);
    *fd_out = fd;
    return OK;
}

enum err io_files_read(struct io *io, int32_t fd, void *bytes, uint32_t size_bytes, uint64_t pos,
                       uint32_t *read_out)
{
    uint32_t have_bytes = 0;

    while (have_bytes < size_bytes) {
        ssize_t n;

        io_retry_interrupted(n, pread(fd, (uint8_t *)bytes + have_bytes, size_bytes - have_bytes,
                                      (off_t)(pos + have_bytes)));
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            break;
        have_bytes += (uint32_t)n;
    }
    *read_out = have_bytes;
    return OK;
}

enum err io_files_write(struct io *io, int32_t fd, const void *bytes, uint32_t size_bytes,
                        uint64_t pos)
{
    uint32_t done_bytes = 0;

    while (done_bytes < size_bytes) {
        ssize_t n;

        io_retry_interrupted(n, pwrite(fd, (const uint8_t *)bytes + done_bytes,
                                       size_bytes - done_bytes, (off_t)(pos + done_bytes)));
        if (n < 0)
            return err_from_errno(errno);
        if (n == 0)
            return ERR_IO;
        done_bytes += (uint32_t)n;
    }
    return OK;
}

/* A sync is not tried again after EIO: the kernel reports lost pages once. */
enum err io_files_sync(struct io *io, int32_t fd)
{
    int result;

    io_retry_interrupted(result, fdatasync(fd));
    return result_of(result);
}

enum err io_files_truncate(struct io *io, int32_t fd, uint64_t size_bytes)
{
    int result;

    if (size_bytes > INT64_MAX)
        return ERR_INVALID;
    io_retry_interrupted(result, ftruncate(fd, (off_t)size_bytes));
    return result_of(result);
}

enum err io_files_stat(struct io *io, const char *path, struct io_stat *out)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return err_from_errno(errno);
    *out = (struct io_stat){
        .size_bytes = (uint64_t)st.st_size,
        .mtime_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000,
        .is_dir = S_ISDIR(st.st_mode),
    };
    return OK;
}

enum err io_files_size(struct io *io, int32_t fd, uint64_t *out)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_from_errno(errno);
    *out = (uint64_t)st.st_size;
    return OK;
}

/* An open file description lock (fcntl(2)): exclusive between opens, in one process too, and also
 * against the record locks that Java's FileChannel.lock takes. */
enum err io_files_lock(struct io *io, int32_t fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result;

    io_retry_interrupted(result, fcntl(fd, F_OFD_SETLK, &whole));
    if (result < 0 && (errno == EAGAIN || errno == EACCES))
        return ERR_LOCKED;
    return result_of(result);
}

enum err io_files_rename(struct io *io, const char *from, const char *to)
{
    return result_of(rename(from, to));
}

enum err io_files_unlink(struct io *io, const char *path)
{
    return result_of(unlink(path));
}

enum err io_files_dir_make(struct io *io, const char *path)
{
    return result_of(mkdir(path, 0755));
}

enum err io_files_dir_remove(struct io *io, const char *path)
{
    int result = rmdir(path);

    return result < 0 && errno == ENOTEMPTY ? ERR_EXISTS : result_of(result);
}

enum err io_files_dir_sync(struct io *io, const char *path)
{
    enum err err;
    int result;
    int fd;

    io_retry_interrupted(fd, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd < 0)
        return err_from_errno(errno);
    io_retry_interrupted(result, fsync(fd));
    err = result_of(result);
    close(fd);
    return err;
}

/* File systems without d_type (readdir(3)) are asked once more. */
static bool entry_is_dir(DIR *dir, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

enum err io_files_dir_list(struct io *io, const char *path,
                           void (*entry)(void *context, const char *name, bool is_dir),
                           void *context)
{
    DIR *dir = opendir(path);
    enum err err;

    if (dir == NULL)
        return err_from_errno(errno);
    for (;;) {
        struct dirent *found;

        errno = 0; /* the only way to tell the end from an error: readdir(3) */
        found = readdir(dir);
        if (found == NULL) {
            err = err_from_errno(errno);
            break;
        }
        if (strcmp(found->d_name, ".") != 0 && strcmp(found->d_name, "..") != 0)
            entry(context, found->d_name, entry_is_dir(dir, found));
    }
    closedir(dir);
    return err;
}

enum err io_files_dir_space(struct io *io, const char *path, struct io_space *out)
{
    struct statvfs st;
    int result;

    io_retry_interrupted(result, statvfs(path, &st));
    if (result < 0)
        return err_from_errno(errno);
    *out = (struct io_space){
        .free_bytes = (uint64_t)st.f_bavail * st.f_frsize,
        .total_bytes = (uint64_t)st.f_blocks * st.f_frsize,
    };
    return OK;
}

enum err io_files_filesystem_sync(struct io *io, int32_t fd)
{
    int result;

    io_retry_interrupted(result, syncfs(fd));
    return result_of(result);
}
