#include "base/io_files.h"
#include "base/io_plain_private.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

static struct plain_file *file_of(struct io_job *job)
{
    return container_of(job, struct plain_file, job);
}

static struct io_op *op_of(struct io_job *job)
{
    return container_of(file_of(job), struct io_op, scratch);
}

/* ---- on a thread */

static void finish(struct io_job *job, int64_t result)
{
    op_of(job)->result = result < 0 ? -errno : (int32_t)result;
}

/* Files without positions (pipes) are read and written where they are, as by a ring. */
static bool has_no_positions(int64_t result)
{
    return result < 0 && errno == ESPIPE;
}

static void run_read(struct io_job *job)
{
    struct plain_file *file = file_of(job);
    ssize_t n;

    io_retry_interrupted(n, pread(file->fd, file->bytes, file->size, (off_t)file->pos));
    if (has_no_positions(n))
        io_retry_interrupted(n, read(file->fd, file->bytes, file->size));
    finish(job, n);
}

static ssize_t write_pieces(const struct plain_file *file)
{
    ssize_t n;

    io_retry_interrupted(n, pwritev(file->fd, file->vec, (int)file->size, (off_t)file->pos));
    if (has_no_positions(n))
        io_retry_interrupted(n, writev(file->fd, file->vec, (int)file->size));
    return n;
}

static void run_write(struct io_job *job)
{
    finish(job, write_pieces(file_of(job)));
}

/* Does a failed pwritev2(2) leave open that the file system or the kernel lacks RWF_DSYNC, or that
 * a filter refuses the call? */
static bool may_lack_dsync(ssize_t result)
{
    return result < 0 && (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS ||
                          errno == EPERM || errno == ESPIPE);
}

/* Durable on completion; else the error of the write or of the sync, whichever failed. */
static void run_write_durably(struct io_job *job)
{
    const struct plain_file *file = file_of(job);
    ssize_t n;

    io_retry_interrupted(
        n, pwritev2(file->fd, file->vec, (int)file->size, (off_t)file->pos, RWF_DSYNC));
    if (may_lack_dsync(n)) {
        n = write_pieces(file);
        if (n > 0) {
            int result;

            io_retry_interrupted(result, fdatasync(file->fd));
            n = result < 0 ? result : n;
        }
    }
    finish(job, n);
}

static void run_sync(struct io_job *job)
{
    int result;

    io_retry_interrupted(result, fdatasync(file_of(job)->fd));
    finish(job, result);
}

static void run_syncfs(struct io_job *job)
{
    int result;

    io_retry_interrupted(result, syncfs(file_of(job)->fd));
    finish(job, result);
}

static void run_unlink(struct io_job *job)
{
    finish(job, unlink(file_of(job)->path));
}

/* ---- on the loop */

static struct plain_file *prepare(struct io *io, struct io_op *op, void (*run)(struct io_job *job))
{
    struct plain_file *file = (struct plain_file *)(void *)op->scratch;

    static_assert(sizeof(*file) <= sizeof(op->scratch), "fits into the op");
    plain_start(plain_of(io), op, PLAIN_JOB);
    *file = (struct plain_file){.job.run = run};
    return file;
}

static void start(struct io *io, struct io_op *op, enum plain_lane lane)
{
    struct plain_io *self = plain_of(io);
    struct plain_file *file = (struct plain_file *)(void *)op->scratch;

    if (io_threads_start(&self->threads, lane, &file->job) == OK)
        return;
    file->job.run(&file->job); /* there is no thread to be had: slow is better than wrong */
    plain_complete(self, op, op->result);
}

void plain_read(struct io *io, struct io_op *op, int32_t fd, void *bytes, uint32_t size_bytes,
                uint64_t pos)
{
    struct plain_file *file = prepare(io, op, run_read);

    file->fd = fd;
    file->bytes = bytes;
    file->size = size_bytes;
    file->pos = pos;
    start(io, op, PLAIN_LANE_READS);
}

/* Was the file opened with O_DSYNC? */
static bool is_durable_file(int32_t fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_DSYNC) != 0;
}

void plain_writev(struct io *io, struct io_op *op, int32_t fd, const struct iovec *vec,
                  uint32_t vec_count, uint64_t pos, bool dsync)
{
    struct plain_file *file = prepare(io, op, dsync ? run_write_durably : run_write);

    file->fd = fd;
    file->vec = vec;
    file->size = vec_count;
    file->pos = pos;
    start(io, op, dsync || is_durable_file(fd) ? PLAIN_LANE_JOURNAL : PLAIN_LANE_WRITES);
}

void plain_sync(struct io *io, struct io_op *op, int32_t fd)
{
    prepare(io, op, run_sync)->fd = fd;
    start(io, op, PLAIN_LANE_SYNCS);
}

void plain_syncfs(struct io *io, struct io_op *op, int32_t fd)
{
    prepare(io, op, run_syncfs)->fd = fd;
    start(io, op, PLAIN_LANE_SYNCS);
}

void plain_unlink(struct io *io, struct io_op *op, const char *path)
{
    prepare(io, op, run_unlink)->path = path;
    start(io, op, PLAIN_LANE_UNLINKS);
}

void plain_take_finished(struct plain_io *self)
{
    struct mail *mail = io_threads_take(&self->threads);

    while (mail != NULL) {
        struct mail *next = mail->next;
        struct io_op *op = op_of(container_of(mail, struct io_job, mail));

        plain_complete(self, op, op->result);
        mail = next;
    }
}

void plain_cancel_job(struct plain_io *self, struct io_op *op)
{
    struct plain_file *file = (struct plain_file *)(void *)op->scratch;

    if (io_threads_cancel(&self->threads, &file->job))
        plain_complete(self, op, -ECANCELED);
}
