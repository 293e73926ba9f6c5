#include "base/io_sockets.h"
#include "base/io_uring_private.h"
#include "base/mem.h"

#include <errno.h>
#include <sys/mman.h>

enum {
    BUFFER_GROUP = 0,
    ACCEPT_PAUSE_MS = 100, /* after EMFILE and the like */
};

static struct ring_repeat *repeat_of(struct io_op *op)
{
    static_assert(sizeof(struct ring_repeat) <= sizeof(op->scratch), "fits into the op");
    return (struct ring_repeat *)(void *)op->scratch;
}

/* ---- the shared receive buffers */

static void buffer_give_back(struct ring_io *self, uint32_t index)
{
    io_uring_buf_ring_add(self->buffer_ring, self->buffers + (size_t)index * self->buffer_bytes,
                          self->buffer_bytes, (uint16_t)index, (int)self->buffer_count - 1, 0);
    io_uring_buf_ring_advance(self->buffer_ring, 1);
}

static void on_recv_piece(struct io_op *op, int32_t result)
{
    struct ring_piece *piece = container_of(op, struct ring_piece, op);
    struct ring_io *self = piece->home;
    struct io_recv *recv = piece->target;
    uint32_t index = (uint32_t)(piece - self->recv_pieces);

    piece->target = NULL;
    recv->received(recv, result, self->buffers + (size_t)index * self->buffer_bytes);
    buffer_give_back(self, index);
}

static void *map_pages(size_t size_bytes)
{
    void *pages = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return pages == MAP_FAILED ? NULL : pages;
}

enum err ring_buffers_create(struct ring_io *self)
{
    struct io_uring_buf_reg registration = {
        .ring_entries = self->buffer_count,
        .bgid = BUFFER_GROUP,
    };
    int result;

    list_init(&self->accept_pieces);
    self->buffer_ring_bytes = self->buffer_count * sizeof(struct io_uring_buf);
    self->buffer_ring = map_pages(self->buffer_ring_bytes);
    self->buffers = map_pages((size_t)self->buffer_count * self->buffer_bytes);
    self->recv_pieces = mem_try_alloc(self->buffer_count * sizeof(*self->recv_pieces));
    if (self->buffer_ring == NULL || self->buffers == NULL || self->recv_pieces == NULL)
        return ERR_NOMEM;
    registration.ring_addr = (uint64_t)(uintptr_t)self->buffer_ring;
    result = io_uring_register_buf_ring(&self->ring, &registration, 0);
    if (result < 0)
        return result == -EINVAL ? ERR_UNSUPPORTED : err_from_errno(-result);
    io_uring_buf_ring_init(self->buffer_ring);
    for (uint32_t i = 0; i < self->buffer_count; i++) {
        self->recv_pieces[i].home = self;
        self->recv_pieces[i].op.done = on_recv_piece;
        buffer_give_back(self, i);
    }
    return OK;
}

void ring_buffers_destroy(struct ring_io *self)
{
    struct list *node;

    if (self->buffer_ring != NULL)
        munmap(self->buffer_ring, self->buffer_ring_bytes);
    if (self->buffers != NULL)
        munmap(self->buffers, (size_t)self->buffer_count * self->buffer_bytes);
    mem_free(self->recv_pieces);
    while ((node = list_pop_front(&self->accept_pieces)) != NULL)
        mem_free(container_of(node, struct ring_piece, op.node));
}

/* ---- what repeats: receive and accept */

static void rearm(struct ring_io *self, struct io_op *op)
{
    repeat_of(op)->rearming = true;
    list_push_back(&self->rearm, &op->node);
}

/* The last word about a struct io_recv. */
static void on_recv_end(struct io_op *op, int32_t result)
{
    struct io_recv *recv = container_of(op, struct io_recv, op);

    recv->received(recv, result, NULL);
}

static void on_accept_end(struct io_op *op, int32_t result)
{
    struct io_accept *accept = container_of(op, struct io_accept, op);

    accept->accepted(accept, result);
}

static void submit_recv(struct ring_io *self, struct io_recv *recv)
{
    struct io_uring_sqe *sqe = ring_sqe(self);
    int32_t fd = repeat_of(&recv->op)->fd;

    if (self->multishot_recv)
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
    else
        io_uring_prep_recv(sqe, fd, NULL, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = BUFFER_GROUP;
    ring_set_data(sqe, &recv->op, RING_RECV);
}

static void submit_accept(struct ring_io *self, struct io_accept *accept)
{
    static struct __kernel_timespec pause = {.tv_nsec = ACCEPT_PAUSE_MS * 1000000LL};
    struct io_uring_sqe *sqe = ring_sqe(self);
    struct ring_repeat *repeat = repeat_of(&accept->op);

    if (repeat->pausing)
        io_uring_prep_timeout(sqe, &pause, 0, 0);
    else if (self->multishot_accept)
        io_uring_prep_multishot_accept(sqe, repeat->fd, NULL, NULL, SOCK_CLOEXEC);
    else
        io_uring_prep_accept(sqe, repeat->fd, NULL, NULL, SOCK_CLOEXEC);
    ring_set_data(sqe, &accept->op, RING_ACCEPT);
}

bool ring_rearm(struct ring_io *self)
{
    for (uint32_t i = 0; i < self->buffer_count && !list_is_empty(&self->rearm); i++) {
        struct io_op *op = list_first(&self->rearm, struct io_op, node);

        list_remove(&op->node);
        repeat_of(op)->rearming = false;
        if (op->done == on_recv_end)
            submit_recv(self, container_of(op, struct io_recv, op));
        else
            submit_accept(self, container_of(op, struct io_accept, op));
    }
    return !list_is_empty(&self->rearm);
}

void ring_on_recv(struct ring_io *self, struct io_recv *recv, int32_t result, uint32_t cqe_flags)
{
    bool canceled = repeat_of(&recv->op)->canceled;

    if ((cqe_flags & IORING_CQE_F_BUFFER) != 0) {
        uint32_t index = cqe_flags >> IORING_CQE_BUFFER_SHIFT;
        struct ring_piece *piece = &self->recv_pieces[index];

        if (result > 0) {
            piece->target = recv;
            piece->op.result = result;
            list_push_back(&self->base.completed, &piece->op.node);
        } else {
            buffer_give_back(self, index);
        }
    }
    if ((cqe_flags & IORING_CQE_F_MORE) != 0)
        return;
    if (result == -EINVAL && self->multishot_recv) {
        self->multishot_recv = false; /* before 6.0 */
        result = -ENOBUFS;
    }
    /* Out of buffers: more of them are back before the next submission (RING-2). */
    if (result > 0 || result == -ENOBUFS || result == -EINTR || result == -EAGAIN) {
        if (!canceled) {
            rearm(self, &recv->op);
            return;
        }
        result = -ECANCELED;
    }
    ring_complete(self, &recv->op, result);
}

static void on_accept_piece(struct io_op *op, int32_t result)
{
    struct ring_piece *piece = container_of(op, struct ring_piece, op);
    struct io_accept *accept = piece->target;

    list_push_back(&piece->home->accept_pieces, &piece->op.node);
    accept->accepted(accept, result);
}

static void tell_accepted(struct ring_io *self, struct io_accept *accept, int32_t result)
{
    struct list *node = list_pop_front(&self->accept_pieces);
    struct ring_piece *piece;

    if (node != NULL) {
        piece = container_of(node, struct ring_piece, op.node);
    } else {
        piece = mem_alloc(sizeof(*piece));
        piece->home = self;
        piece->op.done = on_accept_piece;
    }
    piece->target = accept;
    piece->op.result = result;
    list_push_back(&self->base.completed, &piece->op.node);
}

void ring_on_accept(struct ring_io *self, struct io_accept *accept, int32_t result,
                    uint32_t cqe_flags)
{
    struct ring_repeat *repeat = repeat_of(&accept->op);

    if (repeat->pausing) {
        repeat->pausing = false;
        result = -EAGAIN; /* of the timeout: nothing to tell */
    } else if (result == -EINVAL && self->multishot_accept) {
        self->multishot_accept = false;
        result = -EAGAIN;
    }
    if (result >= 0)
        tell_accepted(self, accept, result);
    if ((cqe_flags & IORING_CQE_F_MORE) != 0)
        return;
    if (repeat->canceled || result == -ECANCELED) {
        ring_complete(self, &accept->op, -ECANCELED);
        return;
    }
    /* A connection that died in the queue is nobody's news (accept(2)). */
    if (result < 0 && result != -EAGAIN && result != -EINTR && result != -ECONNABORTED) {
        tell_accepted(self, accept, result);
        repeat->pausing = true;
    }
    rearm(self, &accept->op);
}

bool ring_cancel_repeat(struct ring_io *self, struct io_op *op, enum ring_tag *tag_out)
{
    struct ring_repeat *repeat = repeat_of(op);

    if (op->done == on_recv_end)
        *tag_out = RING_RECV;
    else if (op->done == on_accept_end)
        *tag_out = RING_ACCEPT;
    else
        return false;
    repeat->canceled = true;
    if (!repeat->rearming)
        return false;
    list_remove(&op->node);
    repeat->rearming = false;
    ring_complete(self, op, -ECANCELED);
    return true;
}

static void start_repeat(struct ring_io *self, struct io_op *op, int32_t fd, io_done_fn *end)
{
    check(!op->in_flight);
    op->in_flight = true;
    op->done = end;
    self->base.in_flight_count++;
    *repeat_of(op) = (struct ring_repeat){.fd = fd};
}

void ring_accept(struct io *io, struct io_accept *accept, int32_t listen_fd)
{
    start_repeat(ring_of(io), &accept->op, listen_fd, on_accept_end);
    submit_accept(ring_of(io), accept);
}

void ring_recv(struct io *io, struct io_recv *recv, int32_t fd)
{
    start_repeat(ring_of(io), &recv->op, fd, on_recv_end);
    submit_recv(ring_of(io), recv);
}

/* ---- what completes once */

void ring_recv_into(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes)
{
    struct io_uring_sqe *sqe = ring_start(ring_of(io), op);

    io_uring_prep_recv(sqe, fd, bytes, size_bytes, MSG_WAITALL);
    ring_set_data(sqe, op, RING_OP);
}

/* Short when the peer is slow: whoever sends sees that it goes on. */
void ring_sendv(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                uint32_t vec_count)
{
    struct io_uring_sqe *sqe = ring_start(ring_of(io), op);

    if (vec_count == 1 && vec[0].iov_len <= UINT32_MAX) {
        io_uring_prep_send(sqe, fd, vec[0].iov_base, vec[0].iov_len, MSG_NOSIGNAL);
    } else {
        op->message = (struct msghdr){
            .msg_iov = (struct iovec *)(uintptr_t)vec, /* only read */
            .msg_iovlen = vec_count,
        };
        io_uring_prep_sendmsg(sqe, fd, &op->message, MSG_NOSIGNAL);
    }
    ring_set_data(sqe, op, RING_OP);
}

void ring_connect(struct io *io, struct io_op *op, int32_t fd, const struct io_address *to)
{
    struct io_uring_sqe *sqe = ring_start(ring_of(io), op);
    union io_socket_name *name = (union io_socket_name *)(void *)op->scratch;
    socklen_t size;

    static_assert(sizeof(*name) <= sizeof(op->scratch), "fits into the op");
    size = io_sockets_name(to, name);
    io_uring_prep_connect(sqe, fd, &name->any, size);
    ring_set_data(sqe, op, RING_OP);
}
