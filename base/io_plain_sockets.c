#include "base/io_plain_private.h"
#include "base/io_sockets.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum {
    ACCEPT_COUNT = 32,     /* connections taken from one listener in a turn */
    ACCEPT_PAUSE_MS = 100, /* after EMFILE and the like */
    FDS_MIN = 64,
};

/* ---- the rows of descriptors */

/* There is a row for fd.  0, or a negative errno value. */
static int32_t make_row(struct plain_io *self, int32_t fd)
{
    uint32_t count = self->fd_count < FDS_MIN ? FDS_MIN : self->fd_count;
    struct plain_fd *fds;

    if (fd < 0)
        return -EBADF;
    if ((uint32_t)fd < self->fd_count)
        return 0;
    while (count <= (uint32_t)fd)
        count *= 2;
    fds = mem_try_alloc(count * sizeof(*fds));
    if (fds == NULL)
        return -ENOMEM;
    if (self->fd_count > 0)
        memcpy(fds, self->fds, self->fd_count * sizeof(*fds));
    mem_free(self->fds);
    self->fds = fds;
    self->fd_count = count;
    return 0;
}

static struct plain_fd *row_of(struct plain_io *self, struct io_op *op)
{
    return &self->fds[plain_wait_of(op)->fd];
}

/* Let epoll tell what fd is ready for, now and whenever that changes (PLAIN-2).  0, or a negative
 * errno value. */
static int32_t watch(struct plain_io *self, int32_t fd, struct plain_fd *row)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET,
        .data.u64 = (uint64_t)++row->generation << 32 | (uint32_t)fd,
    };
    int first = row->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    int second = row->watched ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

    row->readable = false;
    row->hung_up = false;
    row->watched = true;
    if (epoll_ctl(self->epoll_fd, first, fd, &event) == 0)
        return 0;
    if ((errno == ENOENT || errno == EEXIST) && epoll_ctl(self->epoll_fd, second, fd, &event) == 0)
        return 0;
    row->watched = false;
    return errno == EPERM ? -ENOTSOCK : -errno; /* EPERM: a file */
}

/* The row of fd, watched.  NULL: *error_out says why, as a negative errno value. */
static struct plain_fd *watched_row(struct plain_io *self, int32_t fd, int32_t *error_out)
{
    struct plain_fd *row;

    *error_out = make_row(self, fd);
    if (*error_out < 0)
        return NULL;
    row = &self->fds[fd];
    if (row->reader == NULL && row->sender == NULL && row->connector == NULL)
        *error_out = watch(self, fd, row);
    return *error_out < 0 ? NULL : row;
}

/* op waits for nothing any more. */
static void forget(struct plain_io *self, struct io_op *op)
{
    struct plain_fd *row = row_of(self, op);

    if (list_is_linked(&op->node)) /* PLAIN-4 */
        list_remove(&op->node);
    if (row->reader == op)
        row->reader = NULL;
    else if (row->sender == op)
        row->sender = NULL;
    else if (row->connector == op)
        row->connector = NULL;
}

static void end(struct plain_io *self, struct io_op *op, int32_t result)
{
    forget(self, op);
    plain_complete(self, op, result);
}

/* The reader of row may go on in this turn or the next. */
static void make_ready(struct plain_io *self, struct io_op *reader)
{
    if (!list_is_linked(&reader->node))
        list_push_back(&self->ready, &reader->node);
}

static bool is_transient(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static ssize_t receive(struct plain_io *self, int32_t fd, void *bytes, size_t size_bytes)
{
    self->base.submit_count++;
    return recv(fd, bytes, size_bytes, MSG_DONTWAIT);
}

/* ---- receiving into the shared buffer */

static void on_recv_end(struct io_op *op, int32_t result)
{
    struct io_recv *recv = container_of(op, struct io_recv, op);

    recv->received(recv, result, NULL);
}

/* The row of fd, which epoll tells of.  NULL: op has ended with what epoll said. */
static struct plain_fd *row_for(struct plain_io *self, struct io_op *op, int32_t fd)
{
    int32_t error;
    struct plain_fd *row = watched_row(self, fd, &error);

    if (row == NULL)
        plain_complete(self, op, error);
    return row;
}

/* op reads from fd whenever there is something. */
static void start_reader(struct plain_io *self, struct io_op *op, int32_t fd)
{
    struct plain_fd *row = row_for(self, op, fd);

    if (row == NULL)
        return;
    check(row->reader == NULL);
    row->reader = op;
    if (row->readable)
        make_ready(self, op);
}

void plain_recv(struct io *io, struct io_recv *recv, int32_t fd)
{
    struct plain_io *self = plain_of(io);
    struct io_op *op = &recv->op;

    plain_start(self, op, PLAIN_RECV);
    op->done = on_recv_end;
    *plain_wait_of(op) = (struct plain_wait){.fd = fd};
    start_reader(self, op, fd);
}

/* One piece.  Less than there was room for is all there was (epoll(7)), unless the peer has closed
 * or sent an urgent byte, at which a receive stops (tcp(7)): that is told once, and may have been
 * told before. */
static void receive_piece(struct plain_io *self, struct io_op *op)
{
    struct io_recv *recv = container_of(op, struct io_recv, op);
    struct plain_fd *row = row_of(self, op);
    ssize_t n = receive(self, plain_wait_of(op)->fd, self->buffer, self->buffer_bytes);

    if (n < 0 && is_transient(errno)) {
        row->readable = errno == EINTR;
    } else if (n <= 0) {
        end(self, op, n < 0 ? -errno : 0);
        return;
    } else {
        row->readable = (size_t)n == self->buffer_bytes || row->hung_up;
    }
    if (row->readable)
        make_ready(self, op);
    if (n > 0)
        recv->received(recv, (int32_t)n, self->buffer); /* may cancel, or start what moves rows */
}

/* ---- receiving into place */

/* Until all is there, as recv(2) with MSG_WAITALL does: whoever waits for a frame wants to hear of
 * the whole.  What came before an end or an error is a short result. */
static void receive_into(struct plain_io *self, struct io_op *op)
{
    struct plain_wait *wait = plain_wait_of(op);
    struct plain_fd *row = row_of(self, op);

    for (;;) {
        uint32_t room_bytes = wait->size - wait->got_bytes;
        ssize_t n = receive(self, wait->fd, wait->bytes + wait->got_bytes, room_bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && is_transient(errno))
            break;
        wait->got_bytes += n > 0 ? (uint32_t)n : 0;
        if (n <= 0 || (uint32_t)n == room_bytes) {
            end(self, op, n < 0 && wait->got_bytes == 0 ? -errno : (int32_t)wait->got_bytes);
            return;
        }
        if (!row->hung_up)
            break;
    }
    row->readable = false;
}

void plain_recv_into(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes)
{
    struct plain_io *self = plain_of(io);
    struct plain_fd *row;

    plain_start(self, op, PLAIN_RECV_INTO);
    *plain_wait_of(op) = (struct plain_wait){.fd = fd, .size = size_bytes, .bytes = bytes};
    row = row_for(self, op, fd);
    if (row == NULL)
        return;
    check(row->reader == NULL);
    row->reader = op;
    receive_into(self, op); /* most often the rest of a frame has come by now */
}

/* ---- sending */

/* False: the kernel has no room now. */
static bool try_send(struct plain_io *self, struct io_op *op, int32_t *result_out)
{
    const struct plain_wait *wait = plain_wait_of(op);
    struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)wait->vec, /* only read */
        .msg_iovlen = wait->size,
    };
    ssize_t n;

    do {
        self->base.submit_count++;
        n = sendmsg(wait->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && is_transient(errno))
        return false;
    *result_out = n < 0 ? -errno : (int32_t)n;
    return true;
}

/* Short when the peer is slow: whoever sends sees that it goes on. */
void plain_sendv(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                 uint32_t vec_count)
{
    struct plain_io *self = plain_of(io);
    struct plain_fd *row;
    int32_t result;

    plain_start(self, op, PLAIN_SEND);
    *plain_wait_of(op) = (struct plain_wait){.fd = fd, .size = vec_count, .vec = vec};
    if (try_send(self, op, &result)) {
        plain_complete(self, op, result);
        return;
    }
    row = row_for(self, op, fd);
    if (row == NULL)
        return;
    check(row->sender == NULL);
    row->sender = op; /* room that came since is told: it makes an edge after an EAGAIN */
}

/* ---- connecting */

void plain_connect(struct io *io, struct io_op *op, int32_t fd, const struct io_address *to)
{
    struct plain_io *self = plain_of(io);
    union io_socket_name name;
    socklen_t size = io_sockets_name(to, &name);
    int flags = fcntl(fd, F_GETFL);
    struct plain_fd *row;
    int32_t error;

    plain_start(self, op, PLAIN_CONNECT);
    *plain_wait_of(op) = (struct plain_wait){.fd = fd};
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        plain_complete(self, op, -errno);
        return;
    }
    error = connect(fd, &name.any, size) < 0 ? -errno : 0;
    if (error != -EINPROGRESS && error != -EINTR) {
        plain_complete(self, op, error);
        return;
    }
    row = row_for(self, op, fd);
    if (row == NULL)
        return;
    check(row->connector == NULL);
    row->connector = op;
}

/* It is over, one way or the other (connect(2), EINPROGRESS). */
static void connected(struct plain_io *self, struct io_op *op)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof(peer);
    int32_t fd = plain_wait_of(op)->fd;
    int error = 0;
    socklen_t error_size = sizeof(error);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) < 0 ||
        (error == 0 && getpeername(fd, (struct sockaddr *)&peer, &size) < 0))
        error = errno;
    end(self, op, -error);
}

/* ---- accepting */

static void on_accept_end(struct io_op *op, int32_t result)
{
    struct io_accept *accept = container_of(op, struct io_accept, op);

    accept->accepted(accept, result);
}

void plain_accept(struct io *io, struct io_accept *accept, int32_t listen_fd)
{
    struct plain_io *self = plain_of(io);
    struct io_op *op = &accept->op;
    int flags = fcntl(listen_fd, F_GETFL);

    plain_start(self, op, PLAIN_ACCEPT);
    op->done = on_accept_end;
    *plain_wait_of(op) = (struct plain_wait){.fd = listen_fd};
    if (flags < 0 || fcntl(listen_fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        plain_complete(self, op, -errno);
        return;
    }
    start_reader(self, op, listen_fd);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static void pause_accept(struct plain_io *self, struct io_op *op)
{
    plain_wait_of(op)->resume_ns = now_ns() + ACCEPT_PAUSE_MS * 1000000ULL;
    list_push_back(&self->pausing, &op->node);
}

uint64_t plain_end_pauses(struct plain_io *self, uint64_t limit_ns)
{
    uint64_t now;

    if (list_is_empty(&self->pausing))
        return limit_ns;
    now = now_ns();
    list_for_each_safe(node, &self->pausing)
    {
        struct io_op *op = container_of(node, struct io_op, node);
        uint64_t resume_ns = plain_wait_of(op)->resume_ns;

        if (resume_ns > now)
            return resume_ns - now < limit_ns ? resume_ns - now : limit_ns;
        list_remove(node);
        make_ready(self, op);
    }
    return limit_ns;
}

/* The connections that wait, some of them in this turn.  Each accepted may cancel op. */
static void accept_some(struct plain_io *self, struct io_op *op)
{
    struct io_accept *accept = container_of(op, struct io_accept, op);
    int32_t listen_fd = plain_wait_of(op)->fd;

    for (uint32_t i = 0; i < ACCEPT_COUNT && op->kind == PLAIN_ACCEPT; i++) {
        int fd;

        self->base.submit_count++;
        fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            accept->accepted(accept, fd);
            continue;
        }
        if (errno == ECONNABORTED || errno == EINTR)
            continue; /* a connection that died in the queue is nobody's news (accept(2)) */
        if (is_transient(errno)) {
            row_of(self, op)->readable = false;
            return;
        }
        fd = -errno;
        pause_accept(self, op);
        accept->accepted(accept, fd);
        return;
    }
    if (op->kind == PLAIN_ACCEPT)
        make_ready(self, op);
}

/* ---- what epoll says */

void plain_on_event(struct plain_io *self, int32_t fd, uint32_t generation, uint32_t mask)
{
    struct plain_fd *row = &self->fds[fd];
    bool ended = (mask & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0;

    if (row->generation != generation)
        return; /* PLAIN-3 */
    row->hung_up |= ended;
    if ((mask & EPOLLIN) != 0 || ended) {
        row->readable = true;
        if (row->reader != NULL && row->reader->kind == PLAIN_RECV_INTO)
            receive_into(self, row->reader);
        else if (row->reader != NULL)
            make_ready(self, row->reader);
    }
    if ((mask & (EPOLLOUT | EPOLLHUP | EPOLLERR)) == 0)
        return;
    if (row->connector != NULL)
        connected(self, row->connector);
    if (row->sender != NULL) {
        struct io_op *op = row->sender;
        int32_t result;

        if (try_send(self, op, &result))
            end(self, op, result);
    }
}

void plain_run_ready(struct io_op *run_ready, int32_t result)
{
    struct plain_io *self = container_of(run_ready, struct plain_io, run_ready);

    (void)result; /* of an op of ours */
    for (uint32_t i = 0; i < self->recv_count; i++) {
        struct list *node = list_pop_front(&self->ready);
        struct io_op *op;

        if (node == NULL)
            return;
        op = container_of(node, struct io_op, node);
        if (op->kind == PLAIN_RECV)
            receive_piece(self, op);
        else
            accept_some(self, op);
    }
}

void plain_cancel_wait(struct plain_io *self, struct io_op *op)
{
    const struct plain_wait *wait = plain_wait_of(op);
    bool has_some = op->kind == PLAIN_RECV_INTO && wait->got_bytes > 0;

    end(self, op, has_some ? (int32_t)wait->got_bytes : -ECANCELED);
}

void plain_close(struct io *io, int32_t fd)
{
    struct plain_io *self = plain_of(io);

    if (fd >= 0 && (uint32_t)fd < self->fd_count) {
        struct plain_fd *row = &self->fds[fd];
        struct io_op *ops[] = {row->reader, row->sender, row->connector};

        for (size_t i = 0; i < array_count(ops); i++)
            if (ops[i] != NULL)
                plain_cancel_wait(self, ops[i]);
        row->watched = false;
    }
    io_sockets_close(io, fd);
}
