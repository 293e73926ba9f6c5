/* io_uring_private: what the three parts of the ring backend share.
 *
 *   io_uring.c          the ring itself: create, submit, wait, reap, cancel, wake
 *   io_uring_sockets.c  accept, receive, send, connect
 *   io_uring_files.c    read, write, sync, syncfs, unlink
 *
 * user_data of a submission is the io_op with a tag in its low bits.  A completion is turned into
 * ops on io.completed, by ring_wait alone, and nothing is called from there:
 *   RING-1  a piece of a struct io_recv or io_accept is an op of ours (struct ring_piece), so
 *           several of one turn keep their order; a receive buffer has one piece, and goes back to
 *           the kernel after the piece was handed over
 *   RING-2  reaping needs no submission: what must be armed again is noted on rearm and submitted
 *           by the next ring_wait, when buffers are back */
#ifndef LEVEE_BASE_IO_URING_PRIVATE_H
#define LEVEE_BASE_IO_URING_PRIVATE_H

#include "base/check.h"
#include "base/io.h"
#include "base/io_threads.h"

#include <assert.h>
#include <liburing.h>
#include <stdatomic.h>

enum ring_tag {
    RING_OP,     /* completes once */
    RING_RECV,   /* a struct io_recv */
    RING_ACCEPT, /* a struct io_accept, or the pause after a failure of one */
    RING_WAKE,   /* the read of wake_fd; no op */
    RING_TAG_MASK = 7,
};

/* One receive or accept that happened. */
struct ring_piece {
    struct io_op op;
    struct ring_io *home;
    void *target; /* the struct io_recv or io_accept */
};

/* io_op.scratch of a struct io_recv or io_accept. */
struct ring_repeat {
    int32_t fd;
    bool canceled; /* io_cancel was called: do not arm again */
    bool pausing;  /* accept: a timeout is in flight in its place */
    bool rearming; /* on ring_io.rearm, not in the kernel */
};

/* io_op.scratch of a syncfs, which has no asynchronous form. */
struct ring_job {
    struct io_job job;
    int32_t fd;
};

struct ring_io {
    struct io base;
    struct io_uring ring;
    bool enabled;          /* a thread owns the ring */
    bool has_taskrun_flag; /* the kernel says when completions wait to be run */
    bool multishot_recv;
    bool multishot_accept;
    struct list rearm; /* of io_op.node: struct io_recv and io_accept */

    struct io_uring_buf_ring *buffer_ring; /* shared with the kernel */
    size_t buffer_ring_bytes;
    uint8_t *buffers;
    uint32_t buffer_bytes;
    uint32_t buffer_count;
    struct ring_piece *recv_pieces; /* by number of the buffer */
    struct list accept_pieces;      /* free ones */

    int32_t wake_fd;
    bool wake_armed;
    uint64_t wake_value;
    atomic_bool wake_pending; /* wake_fd was written and not yet read */

    struct io_threads threads; /* one lane, of one thread: syncfs */
};

static inline struct ring_io *ring_of(struct io *io)
{
    return container_of(io, struct ring_io, base);
}

/* The op in whose scratch job is. */
static inline struct io_op *ring_op_of(struct io_job *job)
{
    struct ring_job *ring_job = container_of(job, struct ring_job, job);

    return container_of(ring_job, struct io_op, scratch);
}

/* op is counted as in flight. */
void ring_count(struct ring_io *self, struct io_op *op);

/* A submission of op, counted as in flight; the caller prepares it.  Never NULL. */
struct io_uring_sqe *ring_start(struct ring_io *self, struct io_op *op);

/* A free submission.  Never NULL: when the queue is full it is submitted. */
struct io_uring_sqe *ring_sqe(struct ring_io *self);

/* To be called after io_uring_prep_*, which clears it. */
static inline void ring_set_data(struct io_uring_sqe *sqe, void *target, enum ring_tag tag)
{
    sqe->user_data = (uint64_t)(uintptr_t)target | (uint64_t)tag;
}

/* op is over: the loop will run its done. */
void ring_complete(struct ring_io *self, struct io_op *op, int32_t result);

/* ---- io_uring_sockets.c, for io_uring.c */

/* ERR_UNSUPPORTED: no provided-buffer rings here.  ERR_NOMEM. */
must_use enum err ring_buffers_create(struct ring_io *self);
void ring_buffers_destroy(struct ring_io *self);

void ring_on_recv(struct ring_io *self, struct io_recv *recv, int32_t result, uint32_t cqe_flags);
void ring_on_accept(struct ring_io *self, struct io_accept *accept, int32_t result,
                    uint32_t cqe_flags);

/* Submit of what is noted on rearm as much as there are receive buffers: more would only find none.
 * True: some is left. */
bool ring_rearm(struct ring_io *self);

/* op is a struct io_recv or io_accept. True: ended here, the kernel does not have it. */
bool ring_cancel_repeat(struct ring_io *self, struct io_op *op, enum ring_tag *tag_out);

void ring_accept(struct io *io, struct io_accept *accept, int32_t listen_fd);
void ring_recv(struct io *io, struct io_recv *recv, int32_t fd);
void ring_recv_into(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes);
void ring_sendv(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                uint32_t vec_count);
void ring_connect(struct io *io, struct io_op *op, int32_t fd, const struct io_address *to);

/* ---- io_uring_files.c, for io_uring.c */

void ring_read(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes,
               uint64_t pos);
void ring_writev(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                 uint32_t vec_count, uint64_t pos, bool dsync);
void ring_sync(struct io *io, struct io_op *op, int32_t fd);
void ring_syncfs(struct io *io, struct io_op *op, int32_t fd);
void ring_unlink(struct io *io, struct io_op *op, const char *path);

#endif
