/* io_plain_private: what the three parts of the plain backend share.
 *
 *   io_plain.c          create, wait, cancel, wake: epoll and what it tells
 *   io_plain_sockets.c  accept, receive, send, connect
 *   io_plain_files.c    read, write, sync, syncfs, unlink, on threads
 *
 * A socket's op is tried first and waits only when the kernel says EAGAIN: then it stands in the
 * row of its descriptor (struct plain_fd), which epoll reports by edges, so that a connection costs
 * one epoll_ctl(2) and not one for each wait.
 *   PLAIN-1  receiving and accepting are done by run_ready, an op of ours that the loop runs as any
 *       other: a turn receives recv_count pieces at most, one after the other into the one buffer,
 *       and who has no bytes holds no memory
 *   PLAIN-2  readable and hung_up of a row hold while it has an op; a row that gets its first op
 *            asks epoll anew, so nothing is believed about a descriptor that may have been closed
 *            since
 *   PLAIN-3  each such asking has a number (generation), which comes back with its events: one that
 *            was meant for an earlier life of the descriptor is dropped
 *   PLAIN-4  op.node of an op that waits is on ready, on pausing, or unlinked */
#ifndef LEVEE_BASE_IO_PLAIN_PRIVATE_H
#define LEVEE_BASE_IO_PLAIN_PRIVATE_H

#include "base/check.h"
#include "base/io.h"
#include "base/io_threads.h"

#include <assert.h>
#include <stdatomic.h>

/* io_op.kind */
enum plain_kind {
    PLAIN_NONE, /* not started, or over */
    PLAIN_JOB,
    PLAIN_RECV,   /* a struct io_recv */
    PLAIN_ACCEPT, /* a struct io_accept */
    PLAIN_RECV_INTO,
    PLAIN_SEND,
    PLAIN_CONNECT,
};

enum plain_lane {
    PLAIN_LANE_JOURNAL, /* writes that are durable on completion */
    PLAIN_LANE_UNLINKS, /* of large files, thousands at once: no sync stands behind them */
    PLAIN_LANE_READS,
    PLAIN_LANE_WRITES,
    PLAIN_LANE_SYNCS,
    PLAIN_LANE_COUNT,
};

/* io_op.scratch of an op on a socket. */
struct plain_wait {
    int32_t fd;
    uint32_t size;      /* of a receive into place in bytes; of a send in pieces */
    uint32_t got_bytes; /* of a receive into place */
    union {
        uint8_t *bytes;
        const struct iovec *vec;
    };
    uint64_t resume_ns; /* of an accept that pauses; monotonic */
};

/* io_op.scratch of an op on a file. */
struct plain_file {
    struct io_job job;
    union {
        void *bytes;
        const struct iovec *vec;
        const char *path;
    };
    uint64_t pos;
    int32_t fd;
    uint32_t size; /* in bytes, or in pieces */
};

/* What is known and wanted of a descriptor. */
struct plain_fd {
    struct io_op *reader; /* struct io_recv, struct io_accept or a receive into place */
    struct io_op *sender;
    struct io_op *connector;
    uint32_t generation;
    bool watched;  /* epoll had it, when we asked last: a hint */
    bool readable; /* a receive may find something */
    bool hung_up;  /* ... and then the end, or more behind an urgent byte: read until nothing is */
};

struct plain_io {
    struct io base;
    int32_t epoll_fd;
    bool coarse_waits; /* no epoll_pwait2(2): milliseconds */
    struct plain_fd *fds;
    uint32_t fd_count;
    struct list ready; /* of io_op.node: receives and accepts that may go on */
    struct list
        pausing; /* of io_op.node: accepts after EMFILE and the like, first to go on first */
    struct io_op run_ready;
    uint32_t recv_count;
    uint32_t buffer_bytes;
    uint8_t *buffer;

    int32_t wake_fd;
    atomic_bool wake_pending; /* wake_fd was written and not yet reported */

    struct io_threads threads;
};

static inline struct plain_io *plain_of(struct io *io)
{
    return container_of(io, struct plain_io, base);
}

static inline struct plain_wait *plain_wait_of(struct io_op *op)
{
    static_assert(sizeof(struct plain_wait) <= sizeof(op->scratch), "fits into the op");
    return (struct plain_wait *)(void *)op->scratch;
}

/* op is in flight. */
void plain_start(struct plain_io *self, struct io_op *op, enum plain_kind kind);

/* op is over: the loop will run its done. */
void plain_complete(struct plain_io *self, struct io_op *op, int32_t result);

/* ---- io_plain_sockets.c, for io_plain.c */

/* epoll says this of fd: mask as of epoll_event.events. */
void plain_on_event(struct plain_io *self, int32_t fd, uint32_t generation, uint32_t mask);

/* io_op.done of plain_io.run_ready. */
void plain_run_ready(struct io_op *op, int32_t result);

/* Accepts whose pause is over become ready.  The nanoseconds until the next one's, at most
 * limit_ns. */
uint64_t plain_end_pauses(struct plain_io *self, uint64_t limit_ns);

/* op, on a socket, ends now. */
void plain_cancel_wait(struct plain_io *self, struct io_op *op);

void plain_accept(struct io *io, struct io_accept *accept, int32_t listen_fd);
void plain_recv(struct io *io, struct io_recv *recv, int32_t fd);
void plain_recv_into(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes);
void plain_sendv(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                 uint32_t vec_count);
void plain_connect(struct io *io, struct io_op *op, int32_t fd, const struct io_address *to);
void plain_close(struct io *io, int32_t fd);

/* ---- io_plain_files.c, for io_plain.c */

/* Completes what the threads have done. */
void plain_take_finished(struct plain_io *self);

/* op, on a file, ends now unless a thread has begun it. */
void plain_cancel_job(struct plain_io *self, struct io_op *op);

void plain_read(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes,
                uint64_t pos);
void plain_writev(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                  uint32_t vec_count, uint64_t pos, bool dsync);
void plain_sync(struct io *io, struct io_op *op, int32_t fd);
void plain_syncfs(struct io *io, struct io_op *op, int32_t fd);
void plain_unlink(struct io *io, struct io_op *op, const char *path);

#endif
