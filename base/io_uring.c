#include "base/io_files.h"
#include "base/io_sockets.h"
#include "base/io_system.h"
#include "base/io_uring_private.h"
#include "base/mem.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    ENTRY_COUNT_DEFAULT = 1024,
    COMPLETIONS_PER_ENTRY = 4, /* what repeats completes more than once */
    RECV_BUFFER_BYTES_DEFAULT = 64 * 1024,
    RECV_BUFFER_COUNT_DEFAULT = 32,
    RECV_BUFFER_COUNT_MAX = 32768,
};

/* Newer kernel interface than the headers of the build may have (<linux/io_uring.h>). */
#ifndef IORING_SQ_TASKRUN
#define IORING_SQ_TASKRUN (1U << 2)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif

/* ---- submitting */

/* The ring was created disabled, so that its first submitter becomes its thread. */
static void enable(struct ring_io *self)
{
    if (self->enabled)
        return;
    self->enabled = true;
    if ((self->ring.flags & IORING_SETUP_R_DISABLED) != 0)
        /* io_uring_enable_rings is declared by liburing 2.3 and missing in its library */
        check(io_uring_register((unsigned)self->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL,
                                0) >= 0);
}

static void reap(struct ring_io *self);

/* Submit without waiting.  What the kernel did not take stays in the queue. */
static enum err submit(struct ring_io *self)
{
    int result;

    enable(self);
    self->base.submit_count++;
    result = io_uring_submit(&self->ring);
    if (result >= 0 || result == -EINTR)
        return OK;
    if (result == -EAGAIN || result == -EBUSY || result == -ENOMEM) {
        reap(self); /* the kernel asks for room among the completions */
        return OK;
    }
    return err_from_errno(-result);
}

struct io_uring_sqe *ring_sqe(struct ring_io *self)
{
    struct io_uring_sqe *sqe;

    while ((sqe = io_uring_get_sqe(&self->ring)) == NULL)
        check(submit(self) == OK); /* only a broken ring refuses */
    return sqe;
}

void ring_count(struct ring_io *self, struct io_op *op)
{
    check(!op->in_flight);
    op->in_flight = true;
    self->base.in_flight_count++;
}

struct io_uring_sqe *ring_start(struct ring_io *self, struct io_op *op)
{
    ring_count(self, op);
    return ring_sqe(self);
}

void ring_complete(struct ring_io *self, struct io_op *op, int32_t result)
{
    op->result = result;
    self->base.in_flight_count--;
    list_push_back(&self->base.completed, &op->node);
}

/* ---- waking: a read of wake_fd is always armed.  One write is enough until it was read. */

static void arm_wake(struct ring_io *self)
{
    struct io_uring_sqe *sqe;

    if (self->wake_armed)
        return;
    sqe = ring_sqe(self);
    io_uring_prep_read(sqe, self->wake_fd, &self->wake_value, sizeof(self->wake_value), 0);
    ring_set_data(sqe, NULL, RING_WAKE);
    self->wake_armed = true;
}

static void ring_wake(struct io *io)
{
    struct ring_io *self = ring_of(io);
    uint64_t one = 1;
    int saved_errno = errno; /* may run in a signal handler */

    if (!atomic_exchange(&self->wake_pending, true))
        while (write(self->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    errno = saved_errno;
}

/* What the threads have done. */
static void take_finished(struct ring_io *self)
{
    struct mail *mail = io_threads_take(&self->threads);

    while (mail != NULL) {
        struct mail *next = mail->next;
        struct io_op *op = ring_op_of(container_of(mail, struct io_job, mail));

        ring_complete(self, op, op->result);
        mail = next;
    }
}

/* ---- waiting and reaping */

static void on_completion(struct ring_io *self, const struct io_uring_cqe *cqe)
{
    void *target = (void *)(uintptr_t)(cqe->user_data & ~(uint64_t)RING_TAG_MASK);

    switch ((enum ring_tag)(cqe->user_data & RING_TAG_MASK)) {
    case RING_OP:
        if (target != NULL) /* else a cancel that found nothing */
            ring_complete(self, target, cqe->res);
        break;
    case RING_RECV:
        ring_on_recv(self, target, cqe->res, cqe->flags);
        break;
    case RING_ACCEPT:
        ring_on_accept(self, target, cqe->res, cqe->flags);
        break;
    case RING_WAKE:
        self->wake_armed = false;
        atomic_store(&self->wake_pending, false); /* before the loop looks into its mailbox */
        break;
    default:
        check(false);
    }
}

static void reap(struct ring_io *self)
{
    struct io_uring_cqe *cqe;
    unsigned head;
    unsigned count = 0;

    io_uring_for_each_cqe(&self->ring, head, cqe)
    {
        on_completion(self, cqe);
        count++;
    }
    io_uring_cq_advance(&self->ring, count);
}

/* Would entering the kernel change anything, when there is no time to wait? */
static bool kernel_has_news(struct ring_io *self)
{
    unsigned flags = IO_URING_READ_ONCE(*self->ring.sq.kflags);

    return !self->has_taskrun_flag || io_uring_sq_ready(&self->ring) > 0 ||
           (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

static void ring_flush(struct io *io)
{
    enum err err = submit(ring_of(io));

    (void)err; /* only a broken ring refuses: the next wait says so */
}

static int enter(struct ring_io *self, uint64_t timeout_ns)
{
    struct io_uring_cqe *cqe;
    struct __kernel_timespec timeout;

    if (timeout_ns == 0) {
        if (!kernel_has_news(self))
            return 0;
        self->base.submit_count++;
        return io_uring_submit_and_get_events(&self->ring);
    }
    self->base.submit_count++;
    if (timeout_ns == UINT64_MAX)
        return io_uring_submit_and_wait(&self->ring, 1);
    timeout.tv_sec = (int64_t)(timeout_ns / 1000000000U);
    timeout.tv_nsec = (int64_t)(timeout_ns % 1000000000U);
    return io_uring_submit_and_wait_timeout(&self->ring, &cqe, 1, &timeout, NULL);
}

static enum err ring_wait(struct io *io, uint64_t timeout_ns)
{
    struct ring_io *self = ring_of(io);
    int result;

    enable(self);
    arm_wake(self);
    if (ring_rearm(self) || !list_is_empty(&self->base.completed))
        timeout_ns = 0;
    result = enter(self, timeout_ns);
    reap(self);
    take_finished(self);
    switch (result) {
    case -ETIME:
    case -EINTR:
    case -EAGAIN: /* no memory or no room just now; what is queued stays queued */
    case -EBUSY:
    case -ENOMEM:
        return OK;
    default:
        return result < 0 ? err_from_errno(-result) : OK;
    }
}

static void ring_cancel(struct io *io, struct io_op *op)
{
    struct ring_io *self = ring_of(io);
    enum ring_tag tag = RING_OP;
    struct io_uring_sqe *sqe;

    if (ring_cancel_repeat(self, op, &tag))
        return;
    sqe = ring_sqe(self);
    io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)op | (uint64_t)tag, 0);
    sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
    ring_set_data(sqe, NULL, RING_OP);
}

/* ---- life */

static void ring_destroy(struct io *io)
{
    struct ring_io *self = ring_of(io);

    check(io->in_flight_count == 0 && list_is_empty(&io->completed));
    io_threads_deinit(&self->threads);
    if (self->ring.ring_fd > 0)
        io_uring_queue_exit(&self->ring);
    if (self->wake_fd >= 0)
        close(self->wake_fd);
    ring_buffers_destroy(self);
    mem_free(self);
}

static const struct io_vtable ring_vtable = {
    .name = "io_uring",
    .read = ring_read,
    .writev = ring_writev,
    .sync = ring_sync,
    .syncfs = ring_syncfs,
    .unlink = ring_unlink,
    .accept = ring_accept,
    .recv = ring_recv,
    .recv_into = ring_recv_into,
    .sendv = ring_sendv,
    .connect = ring_connect,
    .cancel = ring_cancel,
    .resolve = io_sockets_resolve,
    .listen = io_sockets_listen,
    .socket = io_sockets_socket,
    .names = io_sockets_names,
    .shutdown = io_sockets_shutdown,
    .close = io_sockets_close,
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
    .wait = ring_wait,
    .flush = ring_flush,
    .wake = ring_wake,
    .destroy = ring_destroy,
};

/* The best of these that the kernel has: completions run when we wait (6.1), completions without
 * interrupting us (5.19), plain. */
static enum err create_ring(struct ring_io *self, uint32_t entry_count, bool plain)
{
    static const uint32_t levels[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
            IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
        0,
    };
    int result = -EINVAL;

    for (size_t i = plain ? array_count(levels) - 1 : 0;
         i < array_count(levels) && result == -EINVAL; i++) {
        struct io_uring_params params = {
            .flags = levels[i] | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
            .cq_entries = entry_count * COMPLETIONS_PER_ENTRY,
        };

        result = io_uring_queue_init_params(entry_count, &self->ring, &params);
        self->has_taskrun_flag = (levels[i] & IORING_SETUP_TASKRUN_FLAG) != 0;
    }
    switch (result) {
    case 0:
        break;
    case -EINVAL:
    case -ENOSYS:
    case -EPERM: /* kernel.io_uring_disabled, or a container's filter */
        return ERR_UNSUPPORTED;
    default:
        return err_from_errno(-result);
    }
    /* EXT_ARG: the timeout of a wait (5.11); CQE_SKIP: quiet cancels (5.17). */
    if ((self->ring.features & IORING_FEAT_EXT_ARG) == 0 ||
        (self->ring.features & IORING_FEAT_CQE_SKIP) == 0)
        return ERR_UNSUPPORTED;
    return OK;
}

enum err io_uring_create(const struct io_uring_options *options, struct io **out)
{
    uint32_t entry_count = options->entry_count ? options->entry_count : ENTRY_COUNT_DEFAULT;
    struct ring_io *self = mem_try_alloc(sizeof(*self));
    enum err err;

    if (self == NULL)
        return ERR_NOMEM;
    self->base.v = &ring_vtable;
    list_init(&self->base.completed);
    list_init(&self->rearm);
    list_init(&self->accept_pieces);
    io_threads_init(&self->threads, &self->base, &(uint32_t){1}, 1);
    self->wake_fd = -1;
    self->multishot_recv = !options->plain;
    self->multishot_accept = !options->plain;
    self->buffer_bytes =
        options->recv_buffer_bytes ? options->recv_buffer_bytes : RECV_BUFFER_BYTES_DEFAULT;
    self->buffer_count =
        options->recv_buffer_count ? options->recv_buffer_count : RECV_BUFFER_COUNT_DEFAULT;
    check((self->buffer_count & (self->buffer_count - 1)) == 0);
    check(self->buffer_count <= RECV_BUFFER_COUNT_MAX && self->buffer_bytes % 4096 == 0);

    err = create_ring(self, entry_count, options->plain);
    if (!err)
        err = ring_buffers_create(self);
    if (!err) {
        self->wake_fd = eventfd(0, EFD_CLOEXEC);
        err = self->wake_fd < 0 ? err_from_errno(errno) : OK;
    }
    if (err) {
        ring_destroy(&self->base);
        return err;
    }
    *out = &self->base;
    return OK;
}
