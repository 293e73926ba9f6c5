#include "base/mem.h"
#include "tests/support/io_rig.h"
#include "tests/support/seccomp_refuse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct io_rig_body plain = {.is_plain = true};

static void setup(void)
{
    io_rig_open(&plain);
}

TestSuite(io_plain, .init = setup, .fini = io_rig_close, .timeout = 120);

static void refuse(long call, int errno_value)
{
    cr_assert(seccomp_refuse(&call, 1, (uint32_t)errno_value));
}

static int32_t open_file(const char *name)
{
    int32_t fd;

    cr_assert(eq(int, io->v->file_open(io, path_in_dir(name), IO_WRITE | IO_CREATE, &fd), OK));
    return fd;
}

/* A descriptor of which a read waits until something is written into the other end. */
static int32_t open_fifo(int32_t *write_fd_out)
{
    int32_t fd;

    cr_assert(eq(int, mkfifo(path_in_dir("fifo"), 0600), 0));
    fd = open(path_in_dir("fifo"), O_RDWR);
    *write_fd_out = fd; /* both ends: opening one of them would wait */
    return fd;
}

/* ---- threads that the system refuses */

static void refuse_threads(void)
{
    static const long calls[] = {SYS_clone, SYS_clone3};

    cr_assert(seccomp_refuse(calls, array_count(calls), EAGAIN));
}

/* A limit of threads (ulimit -u, a container's) says nothing about the files. */
Test(io_plain, without_any_thread_an_op_on_a_file_is_done_by_the_loop)
{
    struct call calls[5] = {0};
    struct iovec vec = {"x", 1};
    char byte;
    int32_t fd = open_file("f");

    refuse_threads();
    io_read(io, &calls[0].op, fd, &byte, 1, 0, on_call);
    io_writev(io, &calls[1].op, fd, &vec, 1, 0, true, on_call);
    io_sync(io, &calls[2].op, fd, on_call);
    io_syncfs(io, &calls[3].op, fd, on_call);
    io_unlink(io, &calls[4].op, "/nowhere", on_call);
    for (size_t i = 0; i < array_count(calls); i++)
        cr_assert(not(calls[i].over)); /* IO-1 */
    cr_assert(eq(i32, await(&calls[0]), 0));
    cr_assert(eq(i32, await(&calls[1]), 1));
    cr_assert(eq(i32, await(&calls[2]), 0));
    cr_assert(eq(i32, await(&calls[3]), 0));
    cr_assert(eq(i32, await(&calls[4]), -ENOENT));
    io->v->close(io, fd);
}

Test(io_plain, what_finds_no_thread_of_its_own_runs_on_one_that_is_there)
{
    struct call calls[4] = {0};
    struct iovec vec = {"x", 1};
    char byte = 0;
    int32_t fd = open_file("f");

    io_writev(io, &calls[0].op, fd, &vec, 1, 0, true, on_call); /* makes the journal's */
    cr_assert(eq(i32, await(&calls[0]), 1));
    refuse_threads();
    io_read(io, &calls[1].op, fd, &byte, 1, 0, on_call);
    cr_assert(eq(i32, await(&calls[1]), 1));
    cr_assert(eq(i8, byte, 'x'));
    io_sync(io, &calls[2].op, fd, on_call);
    cr_assert(eq(i32, await(&calls[2]), 0));
    io_writev(io, &calls[3].op, fd, &vec, 1, 1, false, on_call);
    cr_assert(eq(i32, await(&calls[3]), 1));
    io->v->close(io, fd);
}

/* ---- lanes */

enum { SLOW_COUNT = 12 }; /* more than there are threads for reads */

Test(io_plain, reads_that_wait_hold_up_no_write_and_no_sync)
{
    static struct call slow[SLOW_COUNT];
    static char bytes[SLOW_COUNT];
    struct call write_call = {0}, sync_call = {0}, unlink_call = {0};
    struct iovec vec = {"hello", 5};
    int32_t fd = open_file("f");
    int32_t write_fd;
    int32_t fifo_fd = open_fifo(&write_fd);

    for (int i = 0; i < SLOW_COUNT; i++)
        io_read(io, &slow[i].op, fifo_fd, &bytes[i], 1, 0, on_call);
    io_writev(io, &write_call.op, fd, &vec, 1, 0, true, on_call);
    cr_assert(eq(i32, await(&write_call), 5));
    write_call = (struct call){0};
    io_writev(io, &write_call.op, fd, &vec, 1, 5, false, on_call);
    cr_assert(eq(i32, await(&write_call), 5));
    io_sync(io, &sync_call.op, fd, on_call);
    cr_assert(eq(i32, await(&sync_call), 0));
    io_unlink(io, &unlink_call.op, path_in_dir("f"), on_call);
    cr_assert(eq(i32, await(&unlink_call), 0));
    for (int i = 0; i < SLOW_COUNT; i++)
        cr_assert(not(slow[i].over));
    cr_assert(eq(sz, write(write_fd, "abcdefghijkl", SLOW_COUNT), SLOW_COUNT));
    for (int i = 0; i < SLOW_COUNT; i++)
        cr_assert(eq(i32, await(&slow[i]), 1));
    io->v->close(io, fifo_fd);
    io->v->close(io, fd);
}

/* Those that have begun do not end, those that wait do; each is told once. */
Test(io_plain, a_read_that_has_not_begun_can_be_canceled_and_one_that_has_goes_on)
{
    static struct call slow[SLOW_COUNT];
    static char bytes[SLOW_COUNT];
    uint32_t canceled_count = 0;
    int32_t write_fd;
    int32_t fifo_fd = open_fifo(&write_fd);

    for (int i = 0; i < SLOW_COUNT; i++)
        io_read(io, &slow[i].op, fifo_fd, &bytes[i], 1, 0, on_call);
    turns(10); /* four have begun */
    for (int i = 0; i < SLOW_COUNT; i++) {
        io_cancel(io, &slow[i].op);
        io_cancel(io, &slow[i].op);
        cr_assert(not(slow[i].over)); /* IO-1 */
    }
    turns(2);
    for (int i = 0; i < SLOW_COUNT; i++)
        canceled_count += slow[i].over;
    cr_assert(eq(u32, canceled_count, SLOW_COUNT - 4));
    cr_assert(eq(sz, write(write_fd, "abcd", 4), 4));
    for (int i = 0; i < SLOW_COUNT; i++) {
        int32_t result = await(&slow[i]);

        cr_assert(result == 1 || result == -ECANCELED);
    }
    io->v->close(io, fifo_fd);
}

/* ---- kernels, file systems and filters that lack a call */

/* A filter binds the threads that are made after it: there is none before. */
static int32_t write_durably(int32_t fd)
{
    static struct iovec vec[2] = {{"hello ", 6}, {"world", 5}};
    struct call call = {0};

    io_writev(io, &call.op, fd, vec, 2, 3, true, on_call);
    return await(&call);
}

ParameterizedTestParameters(io_plain_dsync, a_refused_pwritev2_is_a_write_and_a_sync)
{
    static int errno_values[] = {EOPNOTSUPP, EINVAL, ENOSYS, EPERM};

    return cr_make_param_array(int, errno_values, array_count(errno_values));
}

ParameterizedTest(const int *errno_value, io_plain_dsync, a_refused_pwritev2_is_a_write_and_a_sync,
                  .init = setup, .fini = io_rig_close)
{
    char bytes[16];
    int32_t fd = open_file("f");

    refuse(SYS_pwritev2, *errno_value);
    cr_assert(eq(i32, write_durably(fd), 11));
    cr_assert(eq(sz, pread(fd, bytes, sizeof(bytes), 3), 11));
    cr_assert(eq(int, memcmp(bytes, "hello world", 11), 0));
    io->v->close(io, fd);
}

Test(io_plain, what_was_written_is_not_told_as_durable_when_its_sync_fails)
{
    int32_t fd = open_file("f");

    refuse(SYS_pwritev2, EOPNOTSUPP);
    refuse(SYS_fdatasync, EIO);
    cr_assert(eq(i32, write_durably(fd), -EIO));
    io->v->close(io, fd);
}

Test(io_plain, a_write_that_is_refused_for_another_reason_is_not_tried_again)
{
    int32_t fd = open_file("f");

    refuse(SYS_pwritev2, EIO);
    cr_assert(eq(i32, write_durably(fd), -EIO));
    io->v->close(io, fd);
}

static void wait_and_compare(uint64_t wait_ns)
{
    uint64_t before_ns = clock_mono_ns(&clock_now);
    uint64_t took_ns;

    cr_assert(eq(int, io->v->wait(io, wait_ns), OK));
    took_ns = clock_mono_ns(&clock_now) - before_ns;
    cr_assert(ge(u64, took_ns, wait_ns));
    cr_assert(lt(u64, took_ns, wait_ns + 2000000000)); /* a busy machine */
}

Test(io_plain, without_waits_in_nanoseconds_it_waits_for_milliseconds_and_never_too_short)
{
    static const int errno_values[] = {ENOSYS, EPERM};

    wait_and_compare(2300000);
    for (size_t i = 0; i < array_count(errno_values); i++) {
        refuse(SYS_epoll_pwait2, errno_values[i]);
        wait_and_compare(2300000);
        wait_and_compare(1);
        wait_and_compare(0);
        io->v->destroy(io);
        cr_assert(eq(int, io_plain_create(&(struct io_plain_options){0}, &io), OK));
    }
}

/* ---- the buffer, and rest */

Test(io_plain, a_full_table_of_descriptors_refuses_the_creation)
{
    struct rlimit before;
    struct io *other = NULL;
    uint64_t blocks = mem_used_count();

    cr_assert(eq(int, getrlimit(RLIMIT_NOFILE, &before), 0));
    for (int32_t room = 0; room < 2; room++) {
        int32_t lowest = dup(0);
        struct rlimit limit = {(rlim_t)(lowest + room), before.rlim_max};
        enum err err;

        close(lowest);
        setrlimit(RLIMIT_NOFILE, &limit);
        err = io_plain_create(&(struct io_plain_options){0}, &other);
        setrlimit(RLIMIT_NOFILE, &before);
        cr_assert(eq(int, err, ERR_NOMEM));
        cr_assert(eq(u64, mem_used_count(), blocks));
    }
}

Test(io_plain, a_refused_allocation_refuses_the_creation)
{
    struct io *other = NULL;
    uint64_t blocks = mem_used_count();

    for (uint64_t n = 1; n <= 2; n++) {
        mem_fail_after(n);
        cr_assert(eq(int, io_plain_create(&(struct io_plain_options){0}, &other), ERR_NOMEM));
        cr_assert(eq(u64, mem_used_count(), blocks));
    }
    mem_fail_after(0);
}

/* Waits, and switches of its threads, while it has nothing to do. */
static uint64_t switches_of_others(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    uint64_t sum = 0;

    while ((entry = readdir(dir)) != NULL) {
        char path[320], line[256];
        FILE *file;

        if (entry->d_name[0] == '.' || atoi(entry->d_name) == (int)gettid())
            continue;
        snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
        file = fopen(path, "r");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
            unsigned long long count;

            if (sscanf(line, "voluntary_ctxt_switches: %llu", &count) == 1)
                sum += count;
        }
        if (file != NULL)
            fclose(file);
    }
    closedir(dir);
    return sum;
}

Test(io_plain, when_idle_nothing_wakes_up)
{
    struct call calls[4] = {0};
    struct iovec vec = {"x", 1};
    char byte;
    int32_t fd = open_file("f");
    uint64_t entries, switches;

    io_read(io, &calls[0].op, fd, &byte, 1, 0, on_call);
    io_writev(io, &calls[1].op, fd, &vec, 1, 0, true, on_call);
    io_writev(io, &calls[2].op, fd, &vec, 1, 0, false, on_call);
    io_sync(io, &calls[3].op, fd, on_call);
    for (size_t i = 0; i < array_count(calls); i++)
        await(&calls[i]);
    turns(20);
    entries = io->submit_count;
    switches = switches_of_others();
    cr_assert(lt(u64, 0, switches)); /* they are there */
    cr_assert(eq(int, loop_turn(&loop, 500000000), OK));
    cr_assert(eq(u64, io->submit_count, entries + 1));
    cr_assert(eq(u64, switches_of_others(), switches));
    io->v->close(io, fd);
}

Test(io_plain, it_can_end_right_after_the_last_work)
{
    int32_t fd = open("/dev/zero", O_RDONLY);

    for (int i = 0; i < 300; i++) {
        struct io *other;
        struct loop other_loop;
        struct call call = {0};
        char byte;

        cr_assert(eq(int, io_plain_create(&(struct io_plain_options){0}, &other), OK));
        loop_init(&other_loop, 0, other, &clock_now);
        io_read(other, &call.op, fd, &byte, 1, 0, on_call);
        while (!call.over)
            cr_assert(eq(int, loop_turn(&other_loop, 50000000), OK));
        other->v->destroy(other);
    }
    close(fd);
}
