#include "base/io_files.h"
#include "base/io_plain_private.h"
#include "base/io_sockets.h"
#include "base/io_system.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 256, /* of one wait; more come with the next */
    RECV_BUFFER_BYTES_DEFAULT = 64 * 1024,
    RECV_COUNT_DEFAULT = 32,
};

#define WAKE_DATA UINT64_MAX /* epoll_event.data of wake_fd */

void plain_start(struct plain_io *self, struct io_op *op, enum plain_kind kind)
{
    check(!op->in_flight);
    op->in_flight = true;
    op->kind = (uint8_t)kind;
    self->base.in_flight_count++;
}

void plain_complete(struct plain_io *self, struct io_op *op, int32_t result)
{
    op->result = result;
    op->kind = PLAIN_NONE;
    self->base.in_flight_count--;
    list_push_back(&self->base.completed, &op->node);
}

/* ---- waking.  wake_fd is watched by its edges: each write is one, and none must be read. */

static void plain_wake(struct io *io)
{
    struct plain_io *self = plain_of(io);
    uint64_t one = 1;
    int saved_errno = errno; /* may run in a signal handler */

    if (!atomic_exchange(&self->wake_pending, true))
        while (write(self->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    errno = saved_errno;
}

/* ---- waiting */

/* epoll_wait(2) with a limit in milliseconds, rounded up. */
static int wait_coarsely(struct plain_io *self, struct epoll_event *events, uint64_t timeout_ns)
{
    uint64_t timeout_ms = timeout_ns / 1000000U + (timeout_ns % 1000000U != 0);

    if (timeout_ns == UINT64_MAX)
        return epoll_wait(self->epoll_fd, events, EVENTS_MAX, -1);
    return epoll_wait(self->epoll_fd, events, EVENTS_MAX,
                      timeout_ms < INT32_MAX ? (int)timeout_ms : INT32_MAX);
}

static int wait_for_events(struct plain_io *self, struct epoll_event *events, uint64_t timeout_ns)
{
    struct timespec timeout = {
        .tv_sec = (int64_t)(timeout_ns / 1000000000U),
        .tv_nsec = (int64_t)(timeout_ns % 1000000000U),
    };
    long count;

    self->base.submit_count++;
    if (self->coarse_waits || timeout_ns == UINT64_MAX || timeout_ns % 1000000U == 0)
        return wait_coarsely(self, events, timeout_ns);
    count = syscall(SYS_epoll_pwait2, self->epoll_fd, events, EVENTS_MAX, &timeout, NULL, 0);
    if (count < 0 && (errno == ENOSYS || errno == EPERM)) { /* 5.10, or a filter that is older */
        self->coarse_waits = true;
        return wait_coarsely(self, events, timeout_ns);
    }
    return (int)count;
}

static enum err plain_wait(struct io *io, uint64_t timeout_ns)
{
    struct plain_io *self = plain_of(io);
    struct epoll_event events[EVENTS_MAX];
    int count;

    timeout_ns = plain_end_pauses(self, timeout_ns);
    if (!list_is_empty(&io->completed) || !list_is_empty(&self->ready))
        timeout_ns = 0;
    count = wait_for_events(self, events, timeout_ns);
    if (count < 0 && errno != EINTR)
        return err_from_errno(errno);
    for (int i = 0; i < count; i++) {
        uint64_t data = events[i].data.u64;

        if (data == WAKE_DATA) /* the exchange sees what the waker did before its own */
            (void)atomic_exchange(&self->wake_pending, false);
        else
            plain_on_event(self, (int32_t)(uint32_t)data, (uint32_t)(data >> 32), events[i].events);
    }
    plain_take_finished(self);
    (void)plain_end_pauses(self, 0);
    if (!list_is_empty(&self->ready) && !list_is_linked(&self->run_ready.node))
        list_push_back(&io->completed, &self->run_ready.node);
    return OK;
}

static void plain_flush(struct io *io)
{
    (void)io; /* an op begins with its start */
}

static void plain_cancel(struct io *io, struct io_op *op)
{
    if (op->kind == PLAIN_JOB)
        plain_cancel_job(plain_of(io), op);
    else if (op->kind != PLAIN_NONE)
        plain_cancel_wait(plain_of(io), op);
}

/* ---- life */

static void plain_destroy(struct io *io)
{
    struct plain_io *self = plain_of(io);

    check(io->in_flight_count == 0);
    if (list_is_linked(&self->run_ready.node)) /* for one that was canceled since */
        list_remove(&self->run_ready.node);
    check(list_is_empty(&io->completed) && list_is_empty(&self->ready));
    io_threads_deinit(&self->threads);
    if (self->epoll_fd >= 0)
        close(self->epoll_fd);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    mem_free(self->buffer);
    mem_free(self->fds);
    mem_free(self);
}

static const struct io_vtable plain_vtable = {
    .name = "plain",
    .read = plain_read,
    .writev = plain_writev,
    .sync = plain_sync,
    .syncfs = plain_syncfs,
    .unlink = plain_unlink,
    .accept = plain_accept,
    .recv = plain_recv,
    .recv_into = plain_recv_into,
    .sendv = plain_sendv,
    .connect = plain_connect,
    .cancel = plain_cancel,
    .resolve = io_sockets_resolve,
    .listen = io_sockets_listen,
    .socket = io_sockets_socket,
    .names = io_sockets_names,
    .shutdown = io_sockets_shutdown,
    .close = plain_close,
    .file_open = io_files_open,
    .file_read = io_files_read,
    .file_write = io_files_write,
    .file_sync = io_files_sync,
    .file_truncate = io_files_truncate,
    .file_stat = io_files_stat,
    .file_size = io_files_size,
    .file_lock = io_files_lock,
    .file_rename = io_files_rename,
    .file_unlink = io_files_unlink,
    .dir_make = io_files_dir_make,
    .dir_remove = io_files_dir_remove,
    .dir_sync = io_files_dir_sync,
    .dir_list = io_files_dir_list,
    .dir_space = io_files_dir_space,
    .filesystem_sync = io_files_filesystem_sync,
    .wait = plain_wait,
    .flush = plain_flush,
    .wake = plain_wake,
    .destroy = plain_destroy,
};

static uint32_t or_default(uint32_t value, uint32_t value_if_zero)
{
    return value != 0 ? value : value_if_zero;
}

static enum err open_descriptors(struct plain_io *self)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKE_DATA};

    self->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (self->epoll_fd < 0)
        return err_from_errno(errno);
    self->wake_fd = eventfd(0, EFD_CLOEXEC);
    if (self->wake_fd < 0)
        return err_from_errno(errno);
    return epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, self->wake_fd, &event) < 0
               ? err_from_errno(errno)
               : OK;
}

enum err io_plain_create(const struct io_plain_options *options, struct io **out)
{
    const uint32_t thread_max[PLAIN_LANE_COUNT] = {
        [PLAIN_LANE_JOURNAL] = or_default(options->journal_thread_count, 3),
        [PLAIN_LANE_UNLINKS] = 1, /* nobody waits for them */
        [PLAIN_LANE_READS] = or_default(options->read_thread_count, 4),
        [PLAIN_LANE_WRITES] = or_default(options->write_thread_count, 2),
        [PLAIN_LANE_SYNCS] = or_default(options->sync_thread_count, 3),
    };
    struct plain_io *self = mem_try_alloc(sizeof(*self));
    enum err err;

    if (self == NULL)
        return ERR_NOMEM;
    self->base.v = &plain_vtable;
    list_init(&self->base.completed);
    list_init(&self->ready);
    list_init(&self->pausing);
    self->run_ready.done = plain_run_ready;
    self->epoll_fd = -1;
    self->wake_fd = -1;
    self->recv_count = or_default(options->recv_count, RECV_COUNT_DEFAULT);
    self->buffer_bytes = or_default(options->recv_buffer_bytes, RECV_BUFFER_BYTES_DEFAULT);
    self->buffer = mem_try_alloc(self->buffer_bytes);
    io_threads_init(&self->threads, &self->base, thread_max, PLAIN_LANE_COUNT);
    err = self->buffer == NULL ? ERR_NOMEM : open_descriptors(self);
    if (err) {
        plain_destroy(&self->base);
        return err;
    }
    *out = &self->base;
    return OK;
}
