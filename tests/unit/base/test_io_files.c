#include "base/mem.h"
#include "tests/support/io_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

EachBody(io_files, writes_syncs_and_reads_a_file)
{
    struct call write_call = {0}, sync_call = {0}, syncfs_call = {0}, read_call = {0};
    struct iovec vec[2] = {{"hello ", 6}, {"world", 5}};
    char bytes[32] = {0};
    int32_t fd;

    io_rig_open(body);
    cr_assert(eq(int, io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE, &fd), OK));
    io_writev(io, &write_call.op, fd, vec, 2, 3, true, on_call);
    cr_assert(write_call.op.in_flight);
    cr_assert(not(write_call.over)); /* nothing completes inside the call */
    cr_assert(eq(i32, await(&write_call), 11));
    cr_assert(not(write_call.op.in_flight));
    io_sync(io, &sync_call.op, fd, on_call);
    cr_assert(eq(i32, await(&sync_call), 0));
    io_syncfs(io, &syncfs_call.op, fd, on_call);
    cr_assert(eq(i32, await(&syncfs_call), 0));
    io_read(io, &read_call.op, fd, bytes, sizeof(bytes), 0, on_call);
    cr_assert(eq(i32, await(&read_call), 14));
    cr_assert(eq(int, memcmp(bytes, "\0\0\0hello world", 14), 0));

    read_call = (struct call){0};
    io_read(io, &read_call.op, fd, bytes, sizeof(bytes), 14, on_call);
    cr_assert(eq(i32, await(&read_call), 0)); /* the end */
    write_call = (struct call){0};
    io_writev(io, &write_call.op, fd, vec, 1, 14, false, on_call);
    cr_assert(eq(i32, await(&write_call), 6));
    io->v->close(io, fd);
}

EachBody(io_files, tells_errors_as_negative_errno)
{
    struct call call = {0};
    char byte;
    int32_t fd;

    io_rig_open(body);
    io_read(io, &call.op, 999999, &byte, 1, 0, on_call);
    cr_assert(eq(i32, await(&call), -EBADF));
    call = (struct call){0};
    io_syncfs(io, &call.op, 999999, on_call);
    cr_assert(eq(i32, await(&call), -EBADF));
    call = (struct call){0};
    io_unlink(io, &call.op, path_in_dir("missing"), on_call);
    cr_assert(eq(i32, await(&call), -ENOENT));

    cr_assert(eq(int, io->v->file_open(io, path_in_dir("f"), IO_READ, &fd), ERR_NOT_FOUND));
    cr_assert(eq(
        int, io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &fd), OK));
    io->v->close(io, fd);
    cr_assert(eq(int,
                 io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE | IO_EXCLUSIVE, &fd),
                 ERR_EXISTS));
    call = (struct call){0};
    io_unlink(io, &call.op, path_in_dir("f"), on_call);
    cr_assert(eq(i32, await(&call), 0));
}

EachBody(io_files, direct_files_take_aligned_writes_or_are_refused_at_open)
{
    struct call call = {0};
    struct iovec vec = {.iov_len = IO_ALIGN};
    int32_t fd;
    enum err err;

    io_rig_open(body);
    err = io->v->file_open(io, path_in_dir("direct"), IO_WRITE | IO_CREATE | IO_DIRECT | IO_DSYNC,
                           &fd);
    if (err == ERR_UNSUPPORTED)
        cr_skip_test("no O_DIRECT below /tmp");
    cr_assert(eq(int, err, OK));
    vec.iov_base = mem_try_alloc_aligned(IO_ALIGN, IO_ALIGN);
    memset(vec.iov_base, 'x', IO_ALIGN);
    io_writev(io, &call.op, fd, &vec, 1, 0, false, on_call);
    cr_assert(eq(i32, await(&call), IO_ALIGN));
    mem_free(vec.iov_base);
    io->v->close(io, fd);
}

static uint32_t entries_seen;
static uint32_t dirs_seen;

static void count_entry(void *context, const char *name, bool is_dir)
{
    cr_assert(eq(ptr, context, &loop));
    cr_assert(ne(str, (char *)name, "."));
    entries_seen++;
    dirs_seen += is_dir;
}

EachBody(io_files, short_calls_on_files_and_directories)
{
    char dir[128], name[128], other[128], bytes[16];
    struct io_stat stat;
    struct io_space space;
    uint64_t size;
    uint32_t count;
    int32_t fd, second_fd;

    io_rig_open(body);
    strcpy(dir, path_in_dir(""));
    strcpy(name, path_in_dir("a"));
    strcpy(other, path_in_dir("b"));
    cr_assert(eq(int, io->v->dir_make(io, path_in_dir("sub")), OK));
    cr_assert(eq(int, io->v->dir_make(io, path_in_dir("sub")), ERR_EXISTS));
    cr_assert(eq(int, io->v->file_open(io, name, IO_WRITE | IO_CREATE, &fd), OK));
    cr_assert(eq(int, io->v->file_write(io, fd, "12345678", 8, 2), OK));
    cr_assert(eq(int, io->v->file_sync(io, fd), OK));
    cr_assert(eq(int, io->v->filesystem_sync(io, fd), OK));
    cr_assert(eq(int, io->v->file_read(io, fd, bytes, 16, 0, &count), OK));
    cr_assert(eq(u32, count, 10));
    cr_assert(eq(int, memcmp(bytes, "\0\00012345678", 10), 0));
    cr_assert(eq(int, io->v->file_truncate(io, fd, 5), OK));
    cr_assert(eq(int, io->v->file_size(io, fd, &size), OK));
    cr_assert(eq(u64, size, 5));

    cr_assert(eq(int, io->v->file_open(io, name, IO_WRITE, &second_fd), OK));
    cr_assert(eq(int, io->v->file_lock(io, fd), OK));
    cr_assert(eq(int, io->v->file_lock(io, second_fd), ERR_LOCKED));
    io->v->close(io, fd);
    cr_assert(eq(int, io->v->file_lock(io, second_fd), OK));
    io->v->close(io, second_fd);

    cr_assert(eq(int, io->v->file_rename(io, name, other), OK));
    cr_assert(eq(int, io->v->file_stat(io, name, &stat), ERR_NOT_FOUND));
    cr_assert(eq(int, io->v->file_stat(io, other, &stat), OK));
    cr_assert(eq(u64, stat.size_bytes, 5));
    cr_assert(not(stat.is_dir));
    cr_assert(ge(i64, stat.mtime_ms, clock_wall_ms(&clock_now) - 60000));
    cr_assert(eq(int, io->v->file_stat(io, dir, &stat), OK));
    cr_assert(stat.is_dir);
    cr_assert(eq(int, io->v->dir_sync(io, dir), OK));
    cr_assert(eq(int, io->v->dir_sync(io, name), ERR_NOT_FOUND));
    cr_assert(eq(int, io->v->dir_list(io, dir, count_entry, &loop), OK));
    cr_assert(eq(u32, entries_seen, 2));
    cr_assert(eq(u32, dirs_seen, 1));
    cr_assert(eq(int, io->v->dir_list(io, name, count_entry, &loop), ERR_NOT_FOUND));
    cr_assert(eq(int, io->v->dir_remove(io, dir), ERR_EXISTS)); /* not empty */
    cr_assert(eq(int, io->v->dir_remove(io, path_in_dir("sub")), OK));
    cr_assert(eq(int, io->v->file_unlink(io, other), OK));
    cr_assert(eq(int, io->v->dir_space(io, dir, &space), OK));
    cr_assert(lt(u64, space.free_bytes, space.total_bytes));
}

/* ---- devices that refuse */

static int32_t write_once(int32_t fd, const void *bytes, size_t size_bytes, uint64_t pos,
                          bool dsync)
{
    struct iovec vec = {(void *)(uintptr_t)bytes, size_bytes};
    struct call call = {0};

    io_writev(io, &call.op, fd, &vec, 1, pos, dsync, on_call);
    return await(&call);
}

EachBody(io_files, a_full_device_and_one_that_fails_are_told_as_they_are)
{
    struct call call = {0};
    char bytes[8];
    int32_t fd;

    io_rig_open(body);
    cr_assert(eq(int, io->v->file_open(io, "/dev/full", IO_WRITE, &fd), OK));
    cr_assert(eq(i32, write_once(fd, "x", 1, 0, false), -ENOSPC));
    cr_assert(eq(i32, write_once(fd, "x", 1, 0, true), -ENOSPC));
    io->v->close(io, fd);
    fd = open("/proc/self/mem", O_RDONLY); /* proc(5): nothing lies at 0 */
    io_read(io, &call.op, fd, bytes, sizeof(bytes), 0, on_call);
    cr_assert(eq(i32, await(&call), -EIO));
    io->v->close(io, fd);
}

/* A limit on the size of files is met inside a write: what fits is written and told. */
EachBody(io_files, a_write_that_only_partly_fits_is_short_and_the_next_one_fails)
{
    static char bytes[3 * 4096];
    struct rlimit limit = {.rlim_cur = 8192, .rlim_max = RLIM_INFINITY};
    uint64_t size_bytes;
    int32_t fd;

    signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    io_rig_open(body);
    for (int dsync = 0; dsync < 2; dsync++) {
        cr_assert(
            eq(int, io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE | IO_TRUNCATE, &fd),
               OK));
        cr_assert(eq(i32, write_once(fd, bytes, sizeof(bytes), 0, dsync), 8192));
        cr_assert(eq(i32, write_once(fd, bytes, 4096, 8192, dsync), -EFBIG));
        cr_assert(eq(int, io->v->file_size(io, fd, &size_bytes), OK));
        cr_assert(eq(u64, size_bytes, 8192));
        io->v->close(io, fd);
    }
}

EachBody(io_files, positions_go_beyond_32_bits)
{
    struct call call = {0};
    char bytes[8] = {0};
    uint64_t pos = 5ULL << 30;
    int32_t fd;

    io_rig_open(body);
    cr_assert(eq(int, io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE, &fd), OK));
    cr_assert(eq(i32, write_once(fd, "far off", 7, pos, true), 7));
    io_read(io, &call.op, fd, bytes, sizeof(bytes), pos, on_call);
    cr_assert(eq(i32, await(&call), 7));
    cr_assert(eq(int, memcmp(bytes, "far off", 7), 0));
    io->v->close(io, fd);
}

EachBody(io_files, a_file_that_is_durable_by_its_opening_takes_plain_writes)
{
    int32_t fd;

    io_rig_open(body);
    cr_assert(
        eq(int, io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE | IO_DSYNC, &fd), OK));
    cr_assert(eq(i32, write_once(fd, "12345", 5, 0, false), 5));
    io->v->close(io, fd);
}

EachBody(io_files, a_read_that_waits_holds_up_no_other_op_on_a_file)
{
    struct call slow = {0}, read_call = {0};
    char byte, other;
    int32_t fd, fifo_fd;

    io_rig_open(body);
    cr_assert(eq(int, mkfifo(path_in_dir("fifo"), 0600), 0));
    fifo_fd = open(path_in_dir("fifo"), O_RDWR);
    cr_assert(eq(int, io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE, &fd), OK));
    io_read(io, &slow.op, fifo_fd, &byte, 1, 0, on_call);
    for (int i = 0; i < 20; i++) {
        cr_assert(eq(i32, write_once(fd, "x", 1, 0, i % 2), 1));
        read_call = (struct call){0};
        io_read(io, &read_call.op, fd, &other, 1, 0, on_call);
        cr_assert(eq(i32, await(&read_call), 1));
    }
    cr_assert(not(slow.over));
    cr_assert(eq(sz, write(fifo_fd, "y", 1), 1));
    cr_assert(eq(i32, await(&slow), 1));
    cr_assert(eq(i8, byte, 'y'));
    io->v->close(io, fifo_fd);
    io->v->close(io, fd);
}

/* Many at once, on bytes of their own, over few threads or a short queue. */
enum { CROWD = 2000, CHUNK = 512 };

EachBody(io_files, thousands_of_ops_at_once_do_each_its_own)
{
    static struct call calls[CROWD];
    static uint8_t written[CROWD][CHUNK], got[CROWD][CHUNK];
    static struct iovec vecs[CROWD];
    int32_t fd;

    io_rig_open(body);
    cr_assert(eq(int, io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE, &fd), OK));
    for (uint32_t i = 0; i < CROWD; i++) {
        memset(written[i], (int)(i % 251), CHUNK);
        vecs[i] = (struct iovec){written[i], CHUNK};
        io_writev(io, &calls[i].op, fd, &vecs[i], 1, (uint64_t)i * CHUNK, i % 100 == 0, on_call);
    }
    for (uint32_t i = 0; i < CROWD; i++)
        cr_assert(eq(i32, await(&calls[i]), CHUNK));
    for (uint32_t i = 0; i < CROWD; i++) {
        calls[i] = (struct call){0};
        io_read(io, &calls[i].op, fd, got[i], CHUNK, (uint64_t)i * CHUNK, on_call);
    }
    for (uint32_t i = 0; i < CROWD; i++)
        cr_assert(eq(i32, await(&calls[i]), CHUNK));
    cr_assert(eq(int, memcmp(written, got, sizeof(written)), 0));
    io->v->close(io, fd);
}
