#include "net/stream.h"

static void plain_recv(struct stream *stream, struct io_recv *recv)
{
    io_recv(stream->io, recv, stream->fd);
}

static void plain_recv_into(struct stream *stream, struct io_op *op, void *bytes,
                            uint32_t size_bytes)
{
    io_recv_into(stream->io, op, stream->fd, bytes, size_bytes, op->done);
}

static void plain_sendv(struct stream *stream, struct io_op *op, const struct iovec *vec,
                        uint32_t vec_count)
{
    io_sendv(stream->io, op, stream->fd, vec, vec_count, op->done);
}

static void plain_cancel(struct stream *stream, struct io_op *op)
{
    io_cancel(stream->io, op);
}

static void plain_shutdown(struct stream *stream)
{
    stream->io->v->shutdown(stream->io, stream->fd);
}

static void plain_close(struct stream *stream)
{
    stream->io->v->close(stream->io, stream->fd);
}

static const struct stream_vtable plain = {.recv = plain_recv,
                                           .recv_into = plain_recv_into,
                                           .sendv = plain_sendv,
                                           .cancel = plain_cancel,
                                           .shutdown = plain_shutdown,
                                           .close = plain_close};

void stream_init_plain(struct stream *stream, struct io *io, int32_t fd)
{
    *stream = (struct stream){.v = &plain, .io = io, .fd = fd};
}
