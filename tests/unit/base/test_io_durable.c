/* What says that it is durable has asked the kernel for it, and says so when the kernel fails. */
#include "tests/support/io_rig.h"
#include "tests/support/seccomp_refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct io_rig_body plain = {.is_plain = true};

static void setup(void)
{
    io_rig_open(&plain);
}

TestSuite(io_durable, .init = setup, .fini = io_rig_close, .timeout = 120);

/* A filter binds the threads that are made after it: none is there before the first op. */
static void refuse(long call, int errno_value)
{
    cr_assert(seccomp_refuse(&call, 1, (uint32_t)errno_value));
}

static int32_t open_file(const char *name, uint32_t flags)
{
    int32_t fd;

    cr_assert(
        eq(int, io->v->file_open(io, path_in_dir(name), IO_WRITE | IO_CREATE | flags, &fd), OK));
    return fd;
}

/* The result of a write of one byte at pos. */
static int32_t write_byte(int32_t fd, uint64_t pos, bool dsync)
{
    static struct iovec vec = {"x", 1};
    struct call call = {0};

    io_writev(io, &call.op, fd, &vec, 1, pos, dsync, on_call);
    return await(&call);
}

static int32_t sync_file(int32_t fd)
{
    struct call call = {0};

    io_sync(io, &call.op, fd, on_call);
    return await(&call);
}

static int32_t sync_filesystem(int32_t fd)
{
    struct call call = {0};

    io_syncfs(io, &call.op, fd, on_call);
    return await(&call);
}

/* ---- what is asked for */

/* pwritev2(2): the flags are the argument after the two halves of the position. */
Test(io_durable, a_write_that_is_to_be_durable_asks_for_it)
{
    int32_t fd = open_file("f", 0);

    cr_assert(seccomp_refuse_bits(SYS_pwritev2, 5, RWF_DSYNC, EIO));
    cr_assert(eq(i32, write_byte(fd, 0, true), -EIO));
    cr_assert(eq(i32, write_byte(fd, 0, false), 1));
    io->v->close(io, fd);
}

/* open(2): O_DSYNC is told by F_GETFL. */
Test(io_durable, a_file_that_is_opened_as_durable_is)
{
    int32_t durable_fd = open_file("f", IO_DSYNC);
    int32_t fd = open_file("f", 0);

    cr_assert(ne(int, fcntl(durable_fd, F_GETFL) & O_DSYNC, 0));
    cr_assert(eq(int, fcntl(fd, F_GETFL) & O_DSYNC, 0));
    io->v->close(io, durable_fd);
    io->v->close(io, fd);
}

/* Where pwritev2(2) is refused. */
Test(io_durable, a_write_that_is_made_durable_by_a_sync_calls_it_each_time)
{
    int32_t fd = open_file("f", 0);

    refuse(SYS_pwritev2, ENOSYS);
    refuse(SYS_fdatasync, EIO);
    for (uint64_t pos = 0; pos < 3; pos++) {
        cr_assert(eq(i32, write_byte(fd, pos, true), -EIO));
        cr_assert(eq(i32, write_byte(fd, pos, false), 1)); /* which asks for none */
    }
    io->v->close(io, fd);
}

/* ---- errors */

ParameterizedTestParameters(io_durable_errors, a_sync_that_fails_says_so)
{
    static int errno_values[] = {EIO, ENOSPC, EDQUOT, EROFS, EINVAL};

    return cr_make_param_array(int, errno_values, array_count(errno_values));
}

ParameterizedTest(const int *errno_value, io_durable_errors, a_sync_that_fails_says_so,
                  .init = setup, .fini = io_rig_close, .timeout = 120)
{
    int32_t fd = open_file("f", 0);

    cr_assert(eq(i32, write_byte(fd, 0, false), 1));
    refuse(SYS_fdatasync, *errno_value);
    refuse(SYS_syncfs, *errno_value);
    for (int i = 0; i < 3; i++) {
        cr_assert(eq(i32, sync_file(fd), -*errno_value));
        cr_assert(eq(i32, sync_filesystem(fd), -*errno_value));
    }
    io->v->close(io, fd);
}

Test(io_durable, one_kind_of_sync_is_not_done_by_another)
{
    int32_t fd = open_file("f", 0);

    refuse(SYS_fdatasync, EIO);
    cr_assert(eq(i32, sync_filesystem(fd), 0));
    cr_assert(eq(i32, sync_file(fd), -EIO));
    io->v->close(io, fd);
}

/* As those of a file's start and of its names, which every backend takes from io_files. */
Test(io_durable, a_short_call_that_syncs_says_that_it_failed)
{
    static const long calls[] = {SYS_fdatasync, SYS_fsync, SYS_syncfs};
    int32_t fd = open_file("f", 0);

    cr_assert(eq(int, io->v->file_sync(io, fd), OK));
    cr_assert(eq(int, io->v->dir_sync(io, path_in_dir("")), OK));
    cr_assert(eq(int, io->v->filesystem_sync(io, fd), OK));
    cr_assert(seccomp_refuse(calls, array_count(calls), EIO));
    cr_assert(eq(int, io->v->file_sync(io, fd), ERR_IO));
    cr_assert(eq(int, io->v->dir_sync(io, path_in_dir("")), ERR_IO));
    cr_assert(eq(int, io->v->filesystem_sync(io, fd), ERR_IO));
    io->v->close(io, fd);
}

ParameterizedTestParameters(io_durable_errors, a_durable_write_that_fails_says_so)
{
    static int errno_values[] = {EIO, ENOSPC, EDQUOT, EFBIG, EROFS, EBADF};

    return cr_make_param_array(int, errno_values, array_count(errno_values));
}

ParameterizedTest(const int *errno_value, io_durable_errors, a_durable_write_that_fails_says_so,
                  .init = setup, .fini = io_rig_close, .timeout = 120)
{
    int32_t fd = open_file("f", 0);

    refuse(SYS_pwritev2, *errno_value);
    cr_assert(eq(i32, write_byte(fd, 0, true), -*errno_value));
    io->v->close(io, fd);
}

Test(io_durable, a_write_that_fails_where_its_sync_would_not_says_so)
{
    int32_t fd = open_file("f", 0);

    refuse(SYS_pwritev2, EOPNOTSUPP);
    refuse(SYS_pwritev, ENOSPC);
    cr_assert(eq(i32, write_byte(fd, 0, true), -ENOSPC));
    cr_assert(eq(i32, write_byte(fd, 0, false), -ENOSPC));
    io->v->close(io, fd);
}

/* ---- no lane for them but the journal's */

enum { SLOW_COUNT = 12 }; /* more than there are threads of a lane */

/* A pipe that is full: who writes into it waits until drain. */
static int32_t open_full_fifo(void)
{
    char page[4096] = {0};
    int32_t fd;

    cr_assert(eq(int, mkfifo(path_in_dir("fifo"), 0600), 0));
    fd = open(path_in_dir("fifo"), O_RDWR | O_NONBLOCK);
    while (write(fd, page, sizeof(page)) > 0)
        ;
    cr_assert(eq(int, fcntl(fd, F_SETFL, O_RDWR), 0));
    return fd;
}

static void drain(int32_t fd)
{
    static char bytes[1 << 20]; /* a pipe's most, without privileges: pipe(7) */

    cr_assert(lt(sz, 0, (size_t)read(fd, bytes, sizeof(bytes))));
}

static struct call slow[SLOW_COUNT];

static void start_slow_writes(int32_t fifo_fd, bool dsync)
{
    static struct iovec vec = {"x", 1};

    for (int i = 0; i < SLOW_COUNT; i++)
        io_writev(io, &slow[i].op, fifo_fd, &vec, 1, 0, dsync, on_call);
    turns(5); /* some have begun */
}

static void end_slow_writes(int32_t fifo_fd)
{
    for (int i = 0; i < SLOW_COUNT; i++)
        cr_assert(not(slow[i].over));
    drain(fifo_fd);
    for (int i = 0; i < SLOW_COUNT; i++)
        await(&slow[i]);
    io->v->close(io, fifo_fd);
}

static int32_t read_byte(int32_t fd)
{
    struct call call = {0};
    char byte;

    io_read(io, &call.op, fd, &byte, 1, 0, on_call);
    return await(&call);
}

static int32_t unlink_file(const char *name)
{
    struct call call = {0};

    io_unlink(io, &call.op, path_in_dir(name), on_call);
    return await(&call);
}

/* The journal's file is opened with O_DSYNC and written without a flag of the write's own. */
Test(io_durable, writes_that_wait_hold_up_nothing_that_is_durable)
{
    int32_t fifo_fd = open_full_fifo();
    int32_t durable_fd = open_file("f", IO_DSYNC);
    int32_t fd = open_file("f", 0);

    start_slow_writes(fifo_fd, false);
    cr_assert(eq(i32, write_byte(durable_fd, 0, false), 1));
    cr_assert(eq(i32, write_byte(durable_fd, 1, true), 1));
    cr_assert(eq(i32, write_byte(fd, 2, true), 1));
    cr_assert(eq(i32, sync_file(fd), 0));
    cr_assert(eq(i32, sync_filesystem(fd), 0));
    cr_assert(eq(i32, read_byte(fd), 1));
    end_slow_writes(fifo_fd);
    io->v->close(io, durable_fd);
    io->v->close(io, fd);
}

/* The journal's threads wait: a write that is not durable, and what else there is, goes on. */
Test(io_durable, durable_writes_that_wait_hold_up_nothing_else)
{
    int32_t fifo_fd = open_full_fifo();
    int32_t fd = open_file("f", 0);

    start_slow_writes(fifo_fd, true);
    cr_assert(eq(i32, write_byte(fd, 0, false), 1));
    cr_assert(eq(i32, sync_file(fd), 0));
    cr_assert(eq(i32, sync_filesystem(fd), 0));
    cr_assert(eq(i32, read_byte(fd), 1));
    cr_assert(eq(i32, unlink_file("f"), 0));
    end_slow_writes(fifo_fd);
    io->v->close(io, fd);
}
