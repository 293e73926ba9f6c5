#include "base/whole_write.h"

#include "base/check.h"

#include <errno.h>

enum { FRUITLESS_MAX = 16 };

static void submit(struct whole_write *write);

/* count bytes of what was left are done. */
static void advance(struct whole_write *write, uint32_t count)
{
    write->pos += count;
    while (count > 0) {
        struct iovec *piece = write->vec;
        check(write->vec_count > 0);
        if (count < piece->iov_len) {
            piece->iov_base = (uint8_t *)piece->iov_base + count;
            piece->iov_len -= count;
            return;
        }
        count -= (uint32_t)piece->iov_len;
        write->vec++;
        write->vec_count--;
    }
}

static void on_written(struct io_op *op, int32_t result)
{
    struct whole_write *write = container_of(op, struct whole_write, op);
    uint32_t moved = result > 0 ? (uint32_t)result / write->block_bytes * write->block_bytes : 0;

    if (result == 0 || (result < 0 && result != -EINTR && result != -EAGAIN)) {
        write->done(write, result == 0 ? ERR_IO : err_from_errno(-result));
        return;
    }
    write->fruitless_count = moved > 0 ? 0 : write->fruitless_count + 1; /* WHW-2 */
    advance(write, moved);                                               /* WHW-1 */
    if (write->vec_count == 0) {
        write->done(write, OK);
        return;
    }
    write->short_count += moved > 0;
    if (write->stopped || write->fruitless_count == FRUITLESS_MAX)
        write->done(write, write->stopped ? ERR_CANCELED : ERR_IO);
    else
        submit(write);
}

static void submit(struct whole_write *write)
{
    io_writev(write->io, &write->op, write->fd, write->vec, write->vec_count, write->pos,
              write->dsync, on_written);
}

void whole_write_vec(struct whole_write *write, struct io *io, int32_t fd, struct iovec *vec,
                     uint32_t vec_count, uint64_t pos, bool dsync, uint32_t block_bytes,
                     void (*done)(struct whole_write *write, enum err err))
{
    check(vec_count > 0 && block_bytes > 0);
    write->io = io;
    write->fd = fd;
    write->vec = vec;
    write->vec_count = vec_count;
    write->pos = pos;
    write->dsync = dsync;
    write->block_bytes = block_bytes;
    write->fruitless_count = 0;
    write->short_count = 0;
    write->stopped = false;
    write->done = done;
    submit(write);
}

void whole_write_bytes(struct whole_write *write, struct io *io, int32_t fd, const void *bytes,
                       size_t size_bytes, uint64_t pos, bool dsync, uint32_t block_bytes,
                       void (*done)(struct whole_write *write, enum err err))
{
    write->one = (struct iovec){(void *)(uintptr_t)bytes, size_bytes};
    whole_write_vec(write, io, fd, &write->one, 1, pos, dsync, block_bytes, done);
}

void whole_write_stop(struct whole_write *write)
{
    write->stopped = true;
}
