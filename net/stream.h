/* stream: bytes to and from one peer, in order: what a connection (conn, dial) knows of its socket.
 *
 * Plain today; what encrypts stands behind the same table.  Lives in its connection, on that loop.
 * Ops are the caller's, as base/io.h has them: op->in_flight, and done or received comes once the
 * op has ended, never inside a call.
 *   STRM-1  one receive and one send at a time
 *   STRM-2  close comes when no op is in flight; from then on the stream is not open */
#ifndef LEVEE_NET_STREAM_H
#define LEVEE_NET_STREAM_H

#include "base/io.h"

struct stream;

struct stream_vtable {
    /* Pieces in shared memory, as io_recv. */
    void (*recv)(struct stream *stream, struct io_recv *recv);
    /* Into the caller's memory, as io_recv_into; op->done is set. */
    void (*recv_into)(struct stream *stream, struct io_op *op, void *bytes, uint32_t size_bytes);
    /* As io_sendv; op->done is set. */
    void (*sendv)(struct stream *stream, struct io_op *op, const struct iovec *vec,
                  uint32_t vec_count);
    /* As io_cancel, of an op that is in flight. */
    void (*cancel)(struct stream *stream, struct io_op *op);
    /* Neither side sends any more; ops in flight end by themselves. */
    void (*shutdown)(struct stream *stream);
    void (*close)(struct stream *stream);
};

struct stream {
    const struct stream_vtable *v;
    struct io *io;
    int32_t fd; /* -1: closed, or never opened */
};

/* Bytes as they are, over a connected socket or one that is going to be; fd is the stream's.  fd
 * -1: a stream that is not open. */
void stream_init_plain(struct stream *stream, struct io *io, int32_t fd);

static inline bool stream_is_open(const struct stream *stream)
{
    return stream->fd >= 0;
}

static inline void stream_recv(struct stream *stream, struct io_recv *recv)
{
    stream->v->recv(stream, recv);
}

static inline void stream_recv_into(struct stream *stream, struct io_op *op, void *bytes,
                                    uint32_t size_bytes, io_done_fn *done)
{
    op->done = done;
    stream->v->recv_into(stream, op, bytes, size_bytes);
}

static inline void stream_sendv(struct stream *stream, struct io_op *op, const struct iovec *vec,
                                uint32_t vec_count, io_done_fn *done)
{
    op->done = done;
    stream->v->sendv(stream, op, vec, vec_count);
}

/* An op that is not in flight is left alone. */
static inline void stream_cancel(struct stream *stream, struct io_op *op)
{
    if (op->in_flight)
        stream->v->cancel(stream, op);
}

/* Nothing happens to one that is not open; the same for stream_close. */
static inline void stream_shutdown(struct stream *stream)
{
    if (stream_is_open(stream))
        stream->v->shutdown(stream);
}

static inline void stream_close(struct stream *stream)
{
    if (!stream_is_open(stream))
        return;
    stream->v->close(stream);
    stream->fd = -1;
}

#endif
