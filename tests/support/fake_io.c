#include "tests/support/fake_io.h"

#include "base/check.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>

enum { FAKE_FD_FIRST = 100 };

static struct fake_io *fake_of(struct io *io)
{
    return container_of(io, struct fake_io, io);
}

static struct fake_file *file_of(struct fake_io *fake, int32_t fd)
{
    check(fd >= FAKE_FD_FIRST && fd < FAKE_FD_FIRST + FAKE_FILES_MAX);
    return &fake->files[fd - FAKE_FD_FIRST];
}

struct fake_file *fake_io_file(struct fake_io *fake, const char *path)
{
    for (uint32_t i = 0; i < FAKE_FILES_MAX; i++) {
        if (fake->files[i].exists && strcmp(fake->files[i].path, path) == 0)
            return &fake->files[i];
    }
    return NULL;
}

static struct fake_file *make_file(struct fake_io *fake, const char *path)
{
    for (uint32_t i = 0; i < FAKE_FILES_MAX; i++) {
        struct fake_file *file = &fake->files[i];
        if (file->exists)
            continue;
        mem_free(file->bytes); /* of a removed file that was still open */
        *file = (struct fake_file){.exists = true};
        check(strlen(path) < FAKE_NAME_MAX);
        memcpy(file->path, path, strlen(path) + 1);
        return file;
    }
    check_failed("too many files in a fake_io", __FILE__, __LINE__);
}

static uint64_t used_bytes(const struct fake_io *fake)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < FAKE_FILES_MAX; i++)
        sum += fake->files[i].exists ? fake->files[i].size_bytes : 0;
    return sum;
}

static int resize(struct fake_io *fake, struct fake_file *file, uint64_t size_bytes)
{
    if (size_bytes > file->size_bytes &&
        used_bytes(fake) + size_bytes - file->size_bytes > fake->space_bytes)
        return -ENOSPC;
    file->bytes = mem_realloc(file->bytes, size_bytes);
    if (size_bytes > file->size_bytes)
        memset(file->bytes + file->size_bytes, 0, size_bytes - file->size_bytes);
    file->size_bytes = size_bytes;
    return 0;
}

static int32_t write_at(struct fake_io *fake, struct fake_file *file, const void *bytes,
                        uint64_t size_bytes, uint64_t pos)
{
    if (pos + size_bytes > file->size_bytes) {
        int result = resize(fake, file, pos + size_bytes);
        if (result < 0)
            return result;
    }
    memcpy(file->bytes + pos, bytes, size_bytes);
    return (int32_t)size_bytes;
}

static int32_t read_at(const struct fake_file *file, void *bytes, uint64_t size_bytes, uint64_t pos)
{
    if (pos >= file->size_bytes)
        return 0;
    if (size_bytes > file->size_bytes - pos)
        size_bytes = file->size_bytes - pos;
    memcpy(bytes, file->bytes + pos, size_bytes);
    return (int32_t)size_bytes;
}

/* Counts one of that kind: 0, or the error that a test has asked for. */
static int count(struct fake_io *fake, enum fake_kind kind)
{
    fake->counts[kind]++;
    if (fake->fail_in[kind] == 0 || --fake->fail_in[kind] > 0)
        return 0;
    return -fake->fail_errno[kind];
}

static enum err err_of(int32_t result)
{
    return result < 0 ? err_from_errno(-result) : OK;
}

/* ---- operations */

static int32_t act(struct fake_io *fake, const struct fake_op *op)
{
    uint64_t pos = op->pos;
    uint64_t left_bytes = UINT64_MAX;

    switch (op->kind) {
    case FAKE_READ:
        return read_at(file_of(fake, op->fd), op->bytes, op->size_bytes, pos);
    case FAKE_WRITE:
        if (fake->cap_bytes > 0)
            left_bytes = fake->cap_bytes;
        fake->cap_bytes = 0;
        for (uint32_t i = 0; i < op->vec_count && left_bytes > 0; i++) {
            uint64_t part_bytes = op->vec[i].iov_len < left_bytes ? op->vec[i].iov_len : left_bytes;
            int32_t result =
                write_at(fake, file_of(fake, op->fd), op->vec[i].iov_base, part_bytes, pos);
            if (result < 0)
                return result;
            pos += part_bytes;
            left_bytes -= part_bytes;
        }
        return (int32_t)(pos - op->pos);
    case FAKE_UNLINK:
        return fake->io.v->file_unlink(&fake->io, op->path) ? -ENOENT : 0;
    default:
        return 0;
    }
}

static void finish(struct fake_io *fake, uint32_t index, int32_t error)
{
    struct fake_op op = fake->ops[index];

    op.op->result = error < 0 ? error : act(fake, &op);
    fake->op_count--;
    memmove(&fake->ops[index], &fake->ops[index + 1],
            (fake->op_count - index) * sizeof(fake->ops[0]));
    fake->io.in_flight_count--;
    list_push_back(&fake->io.completed, &op.op->node);
}

static void start(struct fake_io *fake, const struct fake_op *op)
{
    check(fake->op_count < FAKE_OPS_MAX && !op->op->in_flight);
    op->op->in_flight = true;
    fake->ops[fake->op_count++] = *op;
    fake->io.in_flight_count++;
    if (!fake->hold[op->kind])
        finish(fake, fake->op_count - 1, count(fake, op->kind));
    else
        fake->counts[op->kind]++;
}

void fake_io_complete(struct fake_io *fake, uint32_t index)
{
    enum fake_kind kind;

    check(index < fake->op_count);
    kind = fake->ops[index].kind;
    fake->counts[kind]--; /* counted when it was started */
    finish(fake, index, count(fake, kind));
}

uint32_t fake_io_find(const struct fake_io *fake, enum fake_kind kind, uint32_t index)
{
    for (uint32_t i = 0; i < fake->op_count; i++) {
        if (fake->ops[i].kind == kind && index-- == 0)
            return i;
    }
    return UINT32_MAX;
}

void fake_io_fail(struct fake_io *fake, enum fake_kind kind, uint64_t nth, int errno_value)
{
    fake->fail_in[kind] = nth;
    fake->fail_errno[kind] = errno_value;
}

static void fake_read(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes,
                      uint64_t pos)
{
    start(fake_of(io), &(struct fake_op){.op = op,
                                         .kind = FAKE_READ,
                                         .fd = fd,
                                         .bytes = bytes,
                                         .size_bytes = size_bytes,
                                         .pos = pos});
}

static void fake_writev(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                        uint32_t vec_count, uint64_t pos, bool dsync)
{
    uint64_t size_bytes = 0;

    for (uint32_t i = 0; i < vec_count; i++)
        size_bytes += vec[i].iov_len;
    start(fake_of(io), &(struct fake_op){.op = op,
                                         .kind = FAKE_WRITE,
                                         .fd = fd,
                                         .vec = vec,
                                         .vec_count = vec_count,
                                         .size_bytes = size_bytes,
                                         .pos = pos,
                                         .dsync = dsync});
}

static void fake_sync(struct io *io, struct io_op *op, int32_t fd)
{
    start(fake_of(io), &(struct fake_op){.op = op, .kind = FAKE_SYNC, .fd = fd});
}

static void fake_syncfs(struct io *io, struct io_op *op, int32_t fd)
{
    start(fake_of(io), &(struct fake_op){.op = op, .kind = FAKE_SYNCFS, .fd = fd});
}

static void fake_unlink(struct io *io, struct io_op *op, const char *path)
{
    start(fake_of(io), &(struct fake_op){.op = op, .kind = FAKE_UNLINK, .path = path});
}

static void fake_cancel(struct io *io, struct io_op *op)
{
}

/* ---- calls */

static void fake_close(struct io *io, int32_t fd)
{
    check(fake_of(io)->open_count > 0);
    fake_of(io)->open_count--;
    file_of(fake_of(io), fd)->locked = false;
}

static enum err fake_file_open(struct io *io, const char *path, uint32_t flags, int32_t *fd_out)
{
    struct fake_io *fake = fake_of(io);
    struct fake_file *file = fake_io_file(fake, path);
    int error = count(fake, FAKE_OPEN);

    if (error < 0)
        return err_of(error);
    if ((flags & IO_DIRECT) != 0 && fake->refuse_direct)
        return ERR_INVALID;
    if (file != NULL && (flags & IO_EXCLUSIVE) != 0)
        return ERR_EXISTS;
    if (file == NULL && (flags & IO_CREATE) == 0)
        return ERR_NOT_FOUND;
    if (file == NULL)
        file = make_file(fake, path);
    if ((flags & IO_TRUNCATE) != 0)
        file->size_bytes = 0;
    fake->open_count++;
    *fd_out = (int32_t)(file - fake->files) + FAKE_FD_FIRST;
    return OK;
}

static enum err fake_file_read(struct io *io, int32_t fd, void *bytes, uint32_t size_bytes,
                               uint64_t pos, uint32_t *read_out)
{
    int error = count(fake_of(io), FAKE_FILE_READ);

    if (error < 0)
        return err_of(error);
    *read_out = (uint32_t)read_at(file_of(fake_of(io), fd), bytes, size_bytes, pos);
    return OK;
}

static enum err fake_file_write(struct io *io, int32_t fd, const void *bytes, uint32_t size_bytes,
                                uint64_t pos)
{
    int error = count(fake_of(io), FAKE_FILE_WRITE);

    return err_of(error < 0
                      ? error
                      : write_at(fake_of(io), file_of(fake_of(io), fd), bytes, size_bytes, pos));
}

static enum err fake_file_sync(struct io *io, int32_t fd)
{
    return err_of(count(fake_of(io), FAKE_FILE_SYNC));
}

static enum err fake_file_truncate(struct io *io, int32_t fd, uint64_t size_bytes)
{
    return err_of(resize(fake_of(io), file_of(fake_of(io), fd), size_bytes));
}

static enum err fake_file_stat(struct io *io, const char *path, struct io_stat *out)
{
    const struct fake_file *file = fake_io_file(fake_of(io), path);

    if (file == NULL && strchr(path, '.') != NULL)
        return ERR_NOT_FOUND; /* our files have a suffix, our directories none */
    *out =
        (struct io_stat){.size_bytes = file != NULL ? file->size_bytes : 0, .is_dir = file == NULL};
    return OK;
}

static enum err fake_file_size(struct io *io, int32_t fd, uint64_t *out)
{
    *out = file_of(fake_of(io), fd)->size_bytes;
    return OK;
}

static enum err fake_file_lock(struct io *io, int32_t fd)
{
    struct fake_file *file = file_of(fake_of(io), fd);

    if (file->locked)
        return ERR_LOCKED;
    file->locked = true;
    return OK;
}

static enum err fake_file_unlink(struct io *io, const char *path)
{
    struct fake_file *file = fake_io_file(fake_of(io), path);

    if (file == NULL)
        return ERR_NOT_FOUND;
    file->exists = false;
    return OK;
}

static enum err fake_file_rename(struct io *io, const char *from, const char *to)
{
    struct fake_file *file = fake_io_file(fake_of(io), from);
    struct fake_file *old = fake_io_file(fake_of(io), to);

    if (file == NULL)
        return ERR_NOT_FOUND;
    if (old != NULL)
        old->exists = false;
    memcpy(file->path, to, strlen(to) + 1);
    return OK;
}

static enum err fake_dir_make(struct io *io, const char *path)
{
    return OK;
}

static enum err fake_dir_sync(struct io *io, const char *path)
{
    return err_of(count(fake_of(io), FAKE_DIR_SYNC));
}

static enum err fake_dir_list(struct io *io, const char *path,
                              void (*entry)(void *context, const char *name, bool is_dir),
                              void *context)
{
    struct fake_io *fake = fake_of(io);
    size_t path_bytes = strlen(path);

    for (uint32_t i = 0; i < FAKE_FILES_MAX; i++) {
        struct fake_file *file = &fake->files[i];
        if (file->exists && strncmp(file->path, path, path_bytes) == 0 &&
            file->path[path_bytes] == '/' && strchr(file->path + path_bytes + 1, '/') == NULL)
            entry(context, file->path + path_bytes + 1, false);
    }
    return OK;
}

static void fake_flush(struct io *io)
{
    (void)io; /* an operation begins with its call */
}

static enum err fake_wait(struct io *io, uint64_t timeout_ns)
{
    return OK;
}

static void fake_wake(struct io *io)
{
}

static const struct io_vtable vtable = {
    .name = "fake",
    .read = fake_read,
    .writev = fake_writev,
    .sync = fake_sync,
    .syncfs = fake_syncfs,
    .unlink = fake_unlink,
    .cancel = fake_cancel,
    .close = fake_close,
    .file_open = fake_file_open,
    .file_read = fake_file_read,
    .file_write = fake_file_write,
    .file_sync = fake_file_sync,
    .file_truncate = fake_file_truncate,
    .file_stat = fake_file_stat,
    .file_size = fake_file_size,
    .file_lock = fake_file_lock,
    .file_rename = fake_file_rename,
    .file_unlink = fake_file_unlink,
    .dir_make = fake_dir_make,
    .dir_sync = fake_dir_sync,
    .dir_list = fake_dir_list,
    .wait = fake_wait,
    .flush = fake_flush,
    .wake = fake_wake,
};

void fake_io_init(struct fake_io *fake)
{
    *fake = (struct fake_io){.io.v = &vtable, .space_bytes = UINT64_MAX / 2};
    list_init(&fake->io.completed);
}

void fake_io_deinit(struct fake_io *fake)
{
    for (uint32_t i = 0; i < FAKE_FILES_MAX; i++)
        mem_free(fake->files[i].bytes);
}

void fake_io_put(struct fake_io *fake, const char *path, const void *bytes, uint64_t size_bytes)
{
    struct fake_file *file = fake_io_file(fake, path);

    if (file == NULL)
        file = make_file(fake, path);
    check(resize(fake, file, size_bytes) == 0);
    if (size_bytes > 0)
        memcpy(file->bytes, bytes, size_bytes);
}
