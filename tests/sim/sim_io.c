#include "tests/sim/sim_io.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_heap.h"
#include "tests/sim/sim_op.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

static struct sim_io *sim_of(struct io *io)
{
    return container_of(io, struct sim_io, io);
}

/* 0 or a negative errno value, as an enum err. */
static enum err err_of(int64_t result)
{
    return result < 0 ? err_from_errno((int)-result) : OK;
}

/* The end of a call after sim_process_enter. */
static enum err call_done(struct sim_process *process, int64_t result)
{
    sim_process_leave(process);
    return process->dead ? ERR_CLOSED : err_of(result);
}

/* --- operations --- */

/* Start an operation on the disk; the process may die before or after. */
static void start_disk_op(struct sim_op *sop)
{
    struct sim_process *process = sop->sim->process;

    if (!process->dead && !sim_process_enter(process, 0, NULL))
        return; /* it was in flight when the process died, and is complete as all are */
    sim_op_start(sop);
    sim_process_leave(process);
}

static void sim_io_read(struct io *io, struct io_op *op, int32_t fd, void *bytes,
                        uint32_t size_bytes, uint64_t pos)
{
    struct sim_op *sop = sim_op_begin(sim_of(io), op, SIM_OP_READ, fd);

    sop->bytes = bytes;
    sop->size_bytes = size_bytes;
    sop->write.pos = pos;
    start_disk_op(sop);
}

static void sim_io_writev(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                          uint32_t vec_count, uint64_t pos, bool dsync)
{
    struct sim_op *sop = sim_op_begin(sim_of(io), op, SIM_OP_WRITE, fd);
    uint32_t flags = sop->handle != NULL ? sop->handle->open_flags : 0;

    sop->write = (struct sim_disk_write){.vec = vec,
                                         .vec_count = vec_count,
                                         .pos = pos,
                                         .direct = (flags & IO_DIRECT) != 0,
                                         .dsync = dsync || (flags & IO_DSYNC) != 0};
    start_disk_op(sop);
}

static void sim_io_sync(struct io *io, struct io_op *op, int32_t fd)
{
    start_disk_op(sim_op_begin(sim_of(io), op, SIM_OP_SYNC, fd));
}

static void sim_io_syncfs(struct io *io, struct io_op *op, int32_t fd)
{
    start_disk_op(sim_op_begin(sim_of(io), op, SIM_OP_SYNCFS, fd));
}

static void sim_io_unlink(struct io *io, struct io_op *op, const char *path)
{
    struct sim_op *sop = sim_op_begin(sim_of(io), op, SIM_OP_UNLINK, -1);

    sop->path = path;
    start_disk_op(sop);
}

static void sim_io_accept(struct io *io, struct io_accept *accept, int32_t listen_fd)
{
    sim_op_start(sim_op_begin(sim_of(io), &accept->op, SIM_OP_ACCEPT, listen_fd));
}

static void sim_io_recv(struct io *io, struct io_recv *recv, int32_t fd)
{
    sim_op_start(sim_op_begin(sim_of(io), &recv->op, SIM_OP_RECV, fd));
}

static void sim_io_recv_into(struct io *io, struct io_op *op, int32_t fd, void *bytes,
                             uint32_t size_bytes)
{
    struct sim_op *sop = sim_op_begin(sim_of(io), op, SIM_OP_RECV_INTO, fd);

    sop->bytes = bytes;
    sop->size_bytes = size_bytes;
    sim_op_start(sop);
}

static void sim_io_sendv(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                         uint32_t vec_count)
{
    struct sim_op *sop = sim_op_begin(sim_of(io), op, SIM_OP_SEND, fd);

    check(vec_count <= 1024); /* io_sendv */
    sop->write.vec = vec;
    sop->write.vec_count = vec_count;
    sim_op_start(sop);
}

static void sim_io_connect(struct io *io, struct io_op *op, int32_t fd, const struct io_address *to)
{
    struct sim_op *sop = sim_op_begin(sim_of(io), op, SIM_OP_CONNECT, fd);

    sop->to = *to;
    sim_op_start(sop);
}

static void sim_io_cancel(struct io *io, struct io_op *op)
{
    sim_op_cancel(sim_of(io), op);
}

/* --- sockets, now --- */

/* A descriptor for sock. */
static enum err install_sock(struct sim_process *process, struct sim_sock *sock, int32_t *fd_out)
{
    struct sim_handle *handle = sim_handle_create(process);
    int32_t fd = sim_process_install(process, handle);

    handle->sock = sock;
    sock->context = handle;
    sock->notify = sim_op_on_sock;
    if (fd < 0) {
        sim_handle_unref(process, handle);
        return err_of(fd);
    }
    *fd_out = fd;
    return OK;
}

static enum err sim_io_resolve(struct io *io, const char *host, uint16_t port,
                               struct io_address *out)
{
    return io_address_parse(host, port, out) == OK ? OK : ERR_NOT_FOUND;
}

static enum err sim_io_listen(struct io *io, const struct io_address *at, uint32_t backlog,
                              int32_t *fd_out, struct io_address *bound_out)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_sock *sock;
    int result;

    if (process->dead)
        return ERR_CLOSED;
    sock = sim_sock_create(process->net, process->host);
    result = sim_sock_listen(sock, at, backlog);
    if (result != 0) {
        sim_sock_close(sock);
        return err_of(result);
    }
    if (bound_out != NULL)
        *bound_out = sock->local;
    return install_sock(process, sock, fd_out);
}

static enum err sim_io_socket(struct io *io, uint16_t family, int32_t *fd_out)
{
    struct sim_process *process = sim_of(io)->process;

    if (process->dead)
        return ERR_CLOSED;
    if (family != AF_INET && family != AF_INET6)
        return ERR_UNSUPPORTED;
    return install_sock(process, sim_sock_create(process->net, process->host), fd_out);
}

static struct sim_sock *sock_of(struct io *io, int32_t fd)
{
    struct sim_handle *handle = sim_process_handle(sim_of(io)->process, fd);

    return handle != NULL ? handle->sock : NULL;
}

static enum err sim_io_names(struct io *io, int32_t fd, struct io_address *local_out,
                             struct io_address *peer_out)
{
    struct sim_sock *sock = sock_of(io, fd);

    if (sock == NULL || (peer_out != NULL && sock->state != SIM_SOCK_CONNECTED))
        return ERR_CLOSED;
    if (local_out != NULL)
        *local_out = sock->local;
    if (peer_out != NULL)
        *peer_out = sock->peer;
    return OK;
}

static void sim_io_shutdown(struct io *io, int32_t fd)
{
    struct sim_sock *sock = sock_of(io, fd);

    if (sock == NULL)
        return;
    sim_sock_shutdown(sock);
    sim_op_on_sock(sock); /* a waiting receive ends, a waiting send fails */
}

static void sim_io_close(struct io *io, int32_t fd)
{
    struct sim_process *process = sim_of(io)->process;

    if (!process->dead)
        sim_process_close(process, fd); /* SIO-5 */
}

/* --- files, now --- */

static enum err sim_io_file_open(struct io *io, const char *path, uint32_t flags, int32_t *fd_out)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_handle *handle;
    uint64_t inode = 0;
    int result;

    if (!process->dead && !sim_process_has_room(process))
        return ERR_NOMEM;
    if ((flags & IO_DIRECT) != 0 && process->disk->options.refuse_direct)
        return ERR_INVALID;
    if (!sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    result = sim_disk_open(process->disk, path,
                           ((flags & IO_CREATE) != 0 ? SIM_OPEN_CREATE : 0U) |
                               ((flags & IO_EXCLUSIVE) != 0 ? SIM_OPEN_EXCLUSIVE : 0U) |
                               ((flags & IO_TRUNCATE) != 0 ? SIM_OPEN_TRUNCATE : 0U),
                           &inode);
    sim_queue_note(process->queue, "file open", process->node, inode, flags, (uint64_t)-result);
    if (result == 0) {
        handle = sim_handle_create(process);
        handle->inode = inode;
        handle->open_flags = flags;
        *fd_out = sim_process_install(process, handle);
    }
    return call_done(process, result);
}

/* The file behind fd, NULL when there is none; the process lives. */
static struct sim_handle *file_of(struct sim_process *process, int32_t fd)
{
    struct sim_handle *handle = sim_process_handle(process, fd);

    return handle != NULL && handle->sock == NULL ? handle : NULL;
}

static bool is_transient(int64_t result)
{
    return result == -EINTR || result == -EAGAIN;
}

static enum err sim_io_file_read(struct io *io, int32_t fd, void *bytes, uint32_t size_bytes,
                                 uint64_t pos, uint32_t *read_out)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_handle *handle = file_of(process, fd);
    uint32_t done = 0;
    int32_t got = 0;
    bool direct;

    if (handle == NULL || !sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    direct = (handle->open_flags & IO_DIRECT) != 0;
    while (done < size_bytes) {
        got = sim_disk_read(process->disk, handle->inode, direct, (uint8_t *)bytes + done,
                            size_bytes - done, pos + done);
        if (is_transient(got))
            continue;
        if (got < 0)
            break;
        done += (uint32_t)got;
        if (got == 0 || (direct && got % IO_ALIGN != 0))
            break; /* the end of the file */
    }
    if (got >= 0)
        *read_out = done;
    return call_done(process, got);
}

static enum err sim_io_file_write(struct io *io, int32_t fd, const void *bytes, uint32_t size_bytes,
                                  uint64_t pos)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_handle *handle = process->dead ? NULL : file_of(process, fd);
    struct iovec vec = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size_bytes};
    struct sim_disk_write write = {.vec = &vec, .vec_count = 1, .pos = pos};
    int32_t moved = 0;

    if (handle == NULL || (handle->open_flags & IO_WRITE) == 0)
        return ERR_CLOSED;
    write.direct = (handle->open_flags & IO_DIRECT) != 0;
    write.dsync = (handle->open_flags & IO_DSYNC) != 0;
    if (!sim_process_enter(process, handle->inode, &write))
        return ERR_CLOSED;
    while (vec.iov_len > 0) {
        moved = sim_disk_write(process->disk, handle->inode, &write);
        if (is_transient(moved))
            continue;
        if (moved < 0)
            break;
        vec.iov_base = (uint8_t *)vec.iov_base + moved;
        vec.iov_len -= (size_t)moved;
        write.pos += (uint64_t)moved;
    }
    sim_queue_note(process->queue, "file write", handle->inode, pos, XXH3_64bits(bytes, size_bytes),
                   (uint64_t)moved);
    return call_done(process, moved);
}

static enum err sim_io_file_sync(struct io *io, int32_t fd)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_handle *handle = file_of(process, fd);
    struct sim_capture capture;
    int result;

    if (handle == NULL || !sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    sim_disk_sync_begin(process->disk, handle->inode, sim_op_is_unfinished, process, &capture);
    result = sim_disk_sync_end(process->disk, handle->inode, &capture);
    sim_queue_note(process->queue, "file sync", handle->inode, (uint64_t)-result, 0, 0);
    return call_done(process, result);
}

static enum err sim_io_filesystem_sync(struct io *io, int32_t fd)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_handle *handle = file_of(process, fd);
    struct sim_syncfs syncfs;
    int result;

    if (handle == NULL || !sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    sim_disk_syncfs_begin(process->disk, sim_op_is_unfinished, process, &syncfs);
    result = sim_disk_syncfs_end(process->disk, &syncfs);
    sim_queue_note(process->queue, "filesystem sync", process->node, (uint64_t)-result, 0, 0);
    return call_done(process, result);
}

static enum err sim_io_file_truncate(struct io *io, int32_t fd, uint64_t size_bytes)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_handle *handle = file_of(process, fd);
    int result;

    if (handle == NULL || (handle->open_flags & IO_WRITE) == 0 ||
        !sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    result = sim_disk_truncate(process->disk, handle->inode, size_bytes);
    sim_queue_note(process->queue, "file truncate", handle->inode, size_bytes, (uint64_t)-result,
                   0);
    return call_done(process, result);
}

static enum err sim_io_file_stat(struct io *io, const char *path, struct io_stat *out)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_disk_stat stat;
    int result;

    if (process->dead)
        return ERR_CLOSED;
    result = sim_disk_stat(process->disk, path, &stat);
    if (result == 0)
        *out = (struct io_stat){
            .size_bytes = stat.size_bytes, .mtime_ms = stat.mtime_ms, .is_dir = stat.is_dir};
    return err_of(result);
}

static enum err sim_io_file_size(struct io *io, int32_t fd, uint64_t *out)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_handle *handle = file_of(process, fd);

    if (process->dead || handle == NULL)
        return ERR_CLOSED;
    *out = sim_disk_size(process->disk, handle->inode);
    return OK;
}

static enum err sim_io_file_lock(struct io *io, int32_t fd)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_handle *handle = file_of(process, fd);

    if (process->dead || handle == NULL)
        return ERR_CLOSED;
    return sim_disk_lock(process->disk, handle->inode, handle->id) == 0 ? OK : ERR_LOCKED;
}

/* The end of a call on names. */
static enum err names_done(struct sim_process *process, const char *what, int result)
{
    sim_queue_note(process->queue, what, process->node, (uint64_t)-result, 0, 0);
    return call_done(process, result);
}

static enum err sim_io_file_rename(struct io *io, const char *from, const char *to)
{
    struct sim_process *process = sim_of(io)->process;

    if (!sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    return names_done(process, "rename", sim_disk_rename(process->disk, from, to));
}

static enum err sim_io_file_unlink(struct io *io, const char *path)
{
    struct sim_process *process = sim_of(io)->process;

    if (!sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    return names_done(process, "unlink", sim_disk_unlink(process->disk, path));
}

static enum err sim_io_dir_make(struct io *io, const char *path)
{
    struct sim_process *process = sim_of(io)->process;

    if (!sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    return names_done(process, "dir make", sim_disk_dir_make(process->disk, path));
}

static enum err sim_io_dir_remove(struct io *io, const char *path)
{
    struct sim_process *process = sim_of(io)->process;

    if (!sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    return names_done(process, "dir remove", sim_disk_dir_remove(process->disk, path));
}

static enum err sim_io_dir_sync(struct io *io, const char *path)
{
    struct sim_process *process = sim_of(io)->process;

    if (!sim_process_enter(process, 0, NULL))
        return ERR_CLOSED;
    return names_done(process, "dir sync", sim_disk_dir_sync(process->disk, path));
}

static enum err sim_io_dir_list(struct io *io, const char *path,
                                void (*entry)(void *context, const char *name, bool is_dir),
                                void *context)
{
    struct sim_process *process = sim_of(io)->process;

    if (process->dead)
        return ERR_CLOSED;
    return err_of(sim_disk_dir_list(process->disk, path, entry, context));
}

static enum err sim_io_dir_space(struct io *io, const char *path, struct io_space *out)
{
    struct sim_process *process = sim_of(io)->process;
    struct sim_disk_stat stat;
    int result;

    if (process->dead)
        return ERR_CLOSED;
    result = sim_disk_stat(process->disk, path, &stat);
    if (result == 0)
        *out = (struct io_space){.free_bytes = sim_disk_free_bytes(process->disk),
                                 .total_bytes = sim_disk_capacity_bytes(process->disk)};
    return err_of(result);
}

/* --- the loop's side --- */

static void sim_io_flush(struct io *io)
{
    (void)io; /* an operation begins with its call */
}

static enum err sim_io_wait(struct io *io, uint64_t timeout_ns)
{
    struct sim_io *sim = sim_of(io);

    sim->woken = false; /* time passes between turns only, so there is nothing to wait for */
    sim_op_deliver(sim);
    return OK;
}

static void sim_io_wake(struct io *io)
{
    sim_of(io)->woken = true;
}

static void sim_io_destroy_by_program(struct io *io)
{
    struct sim_io *sim = sim_of(io);

    check(list_is_empty(&sim->ops)); /* what is in flight still owns its memory */
    sim->destroyed = true;
}

static const struct io_vtable vtable = {
    .name = "sim",
    .read = sim_io_read,
    .writev = sim_io_writev,
    .sync = sim_io_sync,
    .syncfs = sim_io_syncfs,
    .unlink = sim_io_unlink,
    .accept = sim_io_accept,
    .recv = sim_io_recv,
    .recv_into = sim_io_recv_into,
    .sendv = sim_io_sendv,
    .connect = sim_io_connect,
    .cancel = sim_io_cancel,
    .resolve = sim_io_resolve,
    .listen = sim_io_listen,
    .socket = sim_io_socket,
    .names = sim_io_names,
    .shutdown = sim_io_shutdown,
    .close = sim_io_close,
    .file_open = sim_io_file_open,
    .file_read = sim_io_file_read,
    .file_write = sim_io_file_write,
    .file_sync = sim_io_file_sync,
    .file_truncate = sim_io_file_truncate,
    .file_stat = sim_io_file_stat,
    .file_size = sim_io_file_size,
    .file_lock = sim_io_file_lock,
    .file_rename = sim_io_file_rename,
    .file_unlink = sim_io_file_unlink,
    .dir_make = sim_io_dir_make,
    .dir_remove = sim_io_dir_remove,
    .dir_sync = sim_io_dir_sync,
    .dir_list = sim_io_dir_list,
    .dir_space = sim_io_dir_space,
    .filesystem_sync = sim_io_filesystem_sync,
    .wait = sim_io_wait,
    .flush = sim_io_flush,
    .wake = sim_io_wake,
    .destroy = sim_io_destroy_by_program,
};

struct sim_io *sim_io_create(struct sim_process *process, uint32_t shard)
{
    struct sim_io *sim = sim_heap_own_alloc(sizeof(*sim));

    sim->io.v = &vtable;
    list_init(&sim->io.completed);
    sim->process = process;
    sim->shard = shard;
    sim->recv_bytes = sim_heap_own_alloc(SIM_RECV_BYTES);
    list_init(&sim->ops);
    list_init(&sim->ready);
    return sim;
}

void sim_io_destroy(struct sim_io *sim)
{
    while (!list_is_empty(&sim->ops))
        sim_op_free(list_first(&sim->ops, struct sim_op, node));
    mem_free(sim->recv_bytes);
    mem_free(sim);
}

bool sim_io_is_ready(const struct sim_io *sim)
{
    return sim->woken || !list_is_empty(&sim->ready) || !list_is_empty(&sim->io.completed);
}

void sim_io_die(struct sim_io *sim)
{
    list_for_each(node, &sim->ops)
    {
        sim_op_die(container_of(node, struct sim_op, node));
    }
}

uint64_t sim_io_pending_count(const struct sim_io *sim)
{
    uint64_t count = 0;

    list_for_each(node, &sim->ops) count++;
    return count;
}
