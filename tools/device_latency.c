#include "tools/device_latency.h"

#include "base/clock_system.h"
#include "base/loop.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_BYTES = 4 << 20, PING_BYTES = 4096, GROUP_BYTES = 64 * 1024, PATH_BYTES_MAX = 4352 };

struct measuring {
    struct clock clock;
    struct loop loop;
    struct io *io;
    struct io_op op;
    struct iovec piece;
    int32_t fd;
    int32_t result;
    bool done;
};

static void on_done(struct io_op *op, int32_t result)
{
    struct measuring *m = container_of(op, struct measuring, op);

    m->result = result;
    m->done = true;
}

static enum err finish(struct measuring *m)
{
    enum err err = OK;

    while (!m->done && err == OK)
        err = loop_turn(&m->loop, LOOP_WAIT_FOREVER);
    m->done = false;
    if (err == OK && m->result < 0)
        err = err_from_errno(-m->result);
    return err;
}

/* Short writes go on where they stopped. */
static enum err write_once(struct measuring *m, uint8_t *bytes, uint32_t size_bytes, uint64_t pos,
                           bool dsync)
{
    enum err err = OK;

    m->piece = (struct iovec){.iov_base = bytes, .iov_len = size_bytes};
    while (m->piece.iov_len > 0 && err == OK) {
        io_writev(m->io, &m->op, m->fd, &m->piece, 1, pos, dsync, on_done);
        err = finish(m);
        if (err != OK)
            break;
        if (m->result == 0)
            return ERR_IO;
        m->piece.iov_base = (uint8_t *)m->piece.iov_base + m->result;
        m->piece.iov_len -= (uint32_t)m->result;
        pos += (uint32_t)m->result;
    }
    return err;
}

/* A file that was written whole before, as the journal's extents are: no block is new. */
static enum err open_file(struct measuring *m, const char *dir, bool direct, uint8_t *bytes,
                          bool *direct_out)
{
    const uint32_t flags = IO_WRITE | IO_CREATE | IO_EXCLUSIVE;
    char path[PATH_BYTES_MAX];
    enum err err;

    snprintf(path, sizeof(path), "%s/.levee-doctor-%ld", dir, (long)getpid());
    *direct_out = direct;
    err = m->io->v->file_open(m->io, path, flags | (direct ? IO_DIRECT | IO_DSYNC : 0), &m->fd);
    if (err == ERR_UNSUPPORTED && direct) {
        *direct_out = false;
        (void)m->io->v->file_unlink(m->io, path);
        err = m->io->v->file_open(m->io, path, flags | IO_DSYNC, &m->fd);
    }
    if (err != OK)
        return err;
    err = m->io->v->file_unlink(m->io, path);
    for (uint64_t pos = 0; pos < FILE_BYTES && err == OK; pos += GROUP_BYTES)
        err = m->io->v->file_write(m->io, m->fd, bytes, GROUP_BYTES, pos);
    if (err == OK)
        err = m->io->v->file_sync(m->io, m->fd);
    if (err != OK)
        m->io->v->close(m->io, m->fd);
    return err;
}

static enum err measure(struct measuring *m, enum device_write kind, uint32_t count, uint8_t *bytes,
                        struct histogram *took_ns)
{
    uint32_t size_bytes = kind == DEVICE_WRITE_GROUP ? GROUP_BYTES : PING_BYTES;
    bool dsync = kind != DEVICE_WRITE_FSYNC;
    enum err err = OK;

    for (uint32_t i = 0; i < count && err == OK; i++) {
        uint64_t pos = (uint64_t)i * size_bytes % FILE_BYTES;
        uint64_t begin_ns = clock_mono_ns(&m->clock);

        bytes[0] = (uint8_t)i;
        err = write_once(m, bytes, size_bytes, pos, dsync);
        if (err == OK && !dsync) {
            io_sync(m->io, &m->op, m->fd, on_done);
            err = finish(m);
        }
        if (err == OK)
            histogram_record(took_ns, clock_mono_ns(&m->clock) - begin_ns);
    }
    return err;
}

enum err device_latency_measure(struct io *io, const char *dir, enum device_write kind,
                                uint32_t count, struct device_latency *out)
{
    struct measuring m = {.io = io};
    uint8_t *bytes = mem_try_alloc_aligned(IO_ALIGN, GROUP_BYTES);
    bool direct;
    enum err err;

    if (bytes == NULL)
        return ERR_NOMEM;
    memset(bytes, 'l', GROUP_BYTES);
    clock_system_init(&m.clock);
    loop_init(&m.loop, 0, io, &m.clock);
    err = open_file(&m, dir, kind != DEVICE_WRITE_FSYNC, bytes, &direct);
    if (err == OK) {
        out->direct = direct;
        err = measure(&m, kind, count, bytes, &out->took_ns);
        io->v->close(io, m.fd);
    }
    loop_deinit(&m.loop);
    mem_free(bytes);
    return err;
}
