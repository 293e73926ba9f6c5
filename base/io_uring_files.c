#include "base/io_uring_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void ring_read(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes,
               uint64_t pos)
{
    struct io_uring_sqe *sqe = ring_start(ring_of(io), op);

    io_uring_prep_read(sqe, fd, bytes, size_bytes, pos);
    ring_set_data(sqe, op, RING_OP);
}

void ring_writev(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                 uint32_t vec_count, uint64_t pos, bool dsync)
{
    struct io_uring_sqe *sqe = ring_start(ring_of(io), op);

    if (vec_count == 1 && vec[0].iov_len <= UINT32_MAX) /* spares the kernel a copy of vec */
        io_uring_prep_write(sqe, fd, vec[0].iov_base, (uint32_t)vec[0].iov_len, pos);
    else
        io_uring_prep_writev(sqe, fd, vec, vec_count, pos);
    if (dsync)
        sqe->rw_flags = RWF_DSYNC;
    ring_set_data(sqe, op, RING_OP);
}

void ring_sync(struct io *io, struct io_op *op, int32_t fd)
{
    struct io_uring_sqe *sqe = ring_start(ring_of(io), op);

    io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    ring_set_data(sqe, op, RING_OP);
}

static void run_syncfs(struct io_job *job)
{
    int32_t fd = container_of(job, struct ring_job, job)->fd;

    ring_op_of(job)->result = syncfs(fd) < 0 ? -errno : 0;
}

/* Without a form of its own in a ring: on a thread. */
void ring_syncfs(struct io *io, struct io_op *op, int32_t fd)
{
    struct ring_io *self = ring_of(io);
    struct ring_job *ring_job = (struct ring_job *)(void *)op->scratch;

    static_assert(sizeof(*ring_job) <= sizeof(op->scratch), "fits into the op");
    ring_count(self, op);
    *ring_job = (struct ring_job){.job.run = run_syncfs, .fd = fd};
    if (io_threads_start(&self->threads, 0, &ring_job->job) == OK)
        return;
    run_syncfs(&ring_job->job); /* there is no thread to be had: slow is better than wrong */
    ring_complete(self, op, op->result);
}

void ring_unlink(struct io *io, struct io_op *op, const char *path)
{
    struct io_uring_sqe *sqe = ring_start(ring_of(io), op);

    io_uring_prep_unlinkat(sqe, AT_FDCWD, path, 0);
    ring_set_data(sqe, op, RING_OP);
}
