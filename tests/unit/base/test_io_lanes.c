/* The threads of io_plain: what waits in one lane holds up no other; within one, order and growth.
 */
#include "tests/support/io_rig.h"
#include "tests/support/seccomp_hold.h"

#include <assert.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct io_rig_body plain = {.is_plain = true};

#ifdef SYS_unlink
enum { UNLINK_CALL = SYS_unlink, UNLINK_PATH_ARG = 0 };
#else
enum { UNLINK_CALL = SYS_unlinkat, UNLINK_PATH_ARG = 1 };
#endif

enum { JOB_COUNT = 12 }; /* more than there are threads of a lane */

static struct seccomp_hold hold;
static struct call calls[JOB_COUNT];
static int32_t fds[JOB_COUNT]; /* each with a byte */
static char paths[JOB_COUNT][128];
static char bytes[JOB_COUNT];
static struct iovec vec = {"x", 1};

static void setup(void)
{
    io_rig_open(&plain);
    for (int i = 0; i < JOB_COUNT; i++) {
        char name[8];

        snprintf(name, sizeof(name), "%d", i);
        strcpy(paths[i], path_in_dir(name));
        cr_assert(eq(int, io->v->file_open(io, paths[i], IO_WRITE | IO_CREATE, &fds[i]), OK));
        cr_assert(eq(int, io->v->file_write(io, fds[i], "x", 1, 0), OK));
    }
}

TestSuite(io_lanes, .init = setup, .fini = io_rig_close, .timeout = 120);

static void open_again(const struct io_plain_options *options)
{
    io->v->destroy(io);
    cr_assert(eq(int, io_plain_create(options, &io), OK));
    loop_init(&loop, 0, io, &clock_now);
}

/* ---- a job of each kind; the index tells which it is */

static void start_read(uint32_t i)
{
    io_read(io, &calls[i].op, fds[i], &bytes[i], 1, 0, on_call);
}

static void start_write(uint32_t i)
{
    io_writev(io, &calls[i].op, fds[i], &vec, 1, 0, false, on_call);
}

static void start_durable_write(uint32_t i)
{
    io_writev(io, &calls[i].op, fds[i], &vec, 1, 0, true, on_call);
}

static void start_sync(uint32_t i)
{
    io_sync(io, &calls[i].op, fds[i], on_call);
}

static void start_syncfs(uint32_t i)
{
    io_syncfs(io, &calls[i].op, fds[i], on_call);
}

static void start_unlink(uint32_t i)
{
    io_unlink(io, &calls[i].op, paths[i], on_call);
}

static const struct job_kind {
    long call; /* the system call that does it */
    void (*start)(uint32_t i);
    uint32_t lane;
    uint32_t thread_max; /* of its lane */
} kinds[] = {
    {SYS_pread64, start_read, 0, 4},           {SYS_pwritev, start_write, 1, 2},
    {SYS_pwritev2, start_durable_write, 2, 3}, {SYS_fdatasync, start_sync, 3, 3},
    {SYS_syncfs, start_syncfs, 3, 3},          {UNLINK_CALL, start_unlink, 4, 1},
};

/* Which job made that call. */
static uint32_t index_of(const struct seccomp_notif *call)
{
    for (uint32_t i = 0; i < JOB_COUNT; i++)
        if (call->data.nr == UNLINK_CALL
                ? call->data.args[UNLINK_PATH_ARG] == (uint64_t)(uintptr_t)paths[i]
                : (int32_t)call->data.args[0] == fds[i])
            return i;
    return JOB_COUNT;
}

static void hold_calls(const long *held, uint32_t count)
{
    if (!seccomp_hold(&hold, held, count))
        cr_skip_test("no user notifications of system calls");
}

static void await_all(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        cr_assert(le(i32, 0, await(&calls[i])));
    memset(calls, 0, sizeof(calls));
}

#define EachKind(test)                                                                \
    ParameterizedTestParameters(io_lanes_each, test)                                  \
    {                                                                                 \
        static uint32_t indexes[] = {0, 1, 2, 3, 4, 5};                               \
                                                                                      \
        static_assert(array_count(indexes) == array_count(kinds), "each of them");    \
        return cr_make_param_array(uint32_t, indexes, array_count(indexes));          \
    }                                                                                 \
    ParameterizedTest(const uint32_t *kind_index, io_lanes_each, test, .init = setup, \
                      .fini = io_rig_close, .timeout = 120)

/* Twelve wait in the kernel or before it; one of each other lane goes on. */
EachKind(what_waits_in_one_lane_holds_up_no_other)
{
    const struct job_kind *waiting = &kinds[*kind_index];

    hold_calls(&waiting->call, 1);
    for (uint32_t i = 1; i < JOB_COUNT; i++)
        waiting->start(i);
    turns(2);
    for (size_t k = 0; k < array_count(kinds); k++) {
        if (kinds[k].lane == waiting->lane)
            continue;
        calls[0] = (struct call){0};
        kinds[k].start(0);
        cr_assert(le(i32, 0, await(&calls[0])));
    }
    for (uint32_t i = 1; i < JOB_COUNT; i++)
        cr_assert(not(calls[i].over));
    cr_assert(seccomp_hold_let_all_go(&hold, 0));
    await_all(JOB_COUNT);
}

EachKind(jobs_of_one_thread_begin_in_the_order_of_their_start) /* DUR-T2 */
{
    const struct job_kind *kind = &kinds[*kind_index];
    struct seccomp_notif call;

    open_again(&(struct io_plain_options){.journal_thread_count = 1,
                                          .read_thread_count = 1,
                                          .write_thread_count = 1,
                                          .sync_thread_count = 1});
    hold_calls(&kind->call, 1);
    for (uint32_t i = 0; i < JOB_COUNT; i++)
        kind->start(i);
    for (uint32_t i = 0; i < JOB_COUNT; i++) {
        cr_assert(seccomp_hold_next(&hold, 20000, &call));
        cr_assert(eq(u32, index_of(&call), i));
        seccomp_hold_let_go(&hold, &call);
    }
    await_all(JOB_COUNT);
    cr_assert(seccomp_hold_let_all_go(&hold, 0));
}

/* A thread that sleeps is one thread: the second of two jobs needs another, if that is allowed. */
EachKind(as_many_jobs_are_at_work_as_the_lane_has_threads)
{
    const struct job_kind *kind = &kinds[*kind_index];
    struct seccomp_notif begun[JOB_COUNT], more;

    if (kind->call == UNLINK_CALL)
        cr_skip_test("one thread, and what was unlinked is gone");
    hold_calls(&kind->call, 1);
    for (int round = 0; round < 10; round++) {
        open_again(&(struct io_plain_options){0});
        kind->start(0);
        cr_assert(seccomp_hold_next(&hold, 20000, &begun[0]));
        seccomp_hold_let_go(&hold, &begun[0]);
        await_all(1);
        turns(1); /* it sleeps */
        for (uint32_t i = 0; i < JOB_COUNT; i++)
            kind->start(i);
        for (uint32_t i = 0; i < kind->thread_max; i++)
            cr_assert(seccomp_hold_next(&hold, 10000, &begun[i]), "round %d, job %u", round, i);
        cr_assert(not(seccomp_hold_next(&hold, 5, &more)));
        for (uint32_t i = 0; i < JOB_COUNT; i++) {
            seccomp_hold_let_go(&hold, &begun[i]);
            if (i + kind->thread_max < JOB_COUNT)
                cr_assert(seccomp_hold_next(&hold, 10000, &begun[i + kind->thread_max]));
        }
        await_all(JOB_COUNT);
    }
    cr_assert(seccomp_hold_let_all_go(&hold, 0));
}

/* ---- the threads themselves */

static void make_threads(void)
{
    for (size_t k = 0; k < array_count(kinds); k++) {
        kinds[k].start((uint32_t)k);
        cr_assert(le(i32, 0, await(&calls[k])));
    }
    memset(calls, 0, sizeof(calls));
}

/* Of the threads of this process those of which is() says true; NULL: all. */
static uint32_t count_threads(bool (*is)(const char *task))
{
    uint32_t count = 0;
    struct dirent *entry;
    DIR *dir = opendir("/proc/self/task");

    while ((entry = readdir(dir)) != NULL)
        count += entry->d_name[0] != '.' && (is == NULL || is(entry->d_name));
    closedir(dir);
    return count;
}

/* A field of hexadecimal digits of /proc/self/task/task/status: proc(5). */
static uint64_t status_of(const char *task, const char *field)
{
    unsigned long long value = 0;
    char path[320], line[256];
    FILE *file;

    snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
    file = fopen(path, "r");
    cr_assert(ne(ptr, file, NULL));
    while (fgets(line, sizeof(line), file) != NULL)
        if (strncmp(line, field, strlen(field)) == 0)
            cr_assert(eq(int, sscanf(line + strlen(field), ": %llx", &value), 1));
    fclose(file);
    return value;
}

/* Those below the real-time signals, without the two that nobody blocks. */
#define SIGNALS (0x7fffffffULL & ~(1ULL << (SIGKILL - 1)) & ~(1ULL << (SIGSTOP - 1)))

static bool blocks_signals(const char *task)
{
    return (status_of(task, "SigBlk") & SIGNALS) == SIGNALS;
}

Test(io_lanes, signals_are_blocked_in_its_threads_and_as_they_were_in_ours)
{
    char self[16];
    uint32_t others = count_threads(NULL), blocking = count_threads(blocks_signals);
    uint32_t made;
    uint64_t before;

    snprintf(self, sizeof(self), "%d", (int)gettid());
    before = status_of(self, "SigBlk");
    make_threads();
    cr_assert(eq(u64, status_of(self, "SigBlk"), before));
    made = count_threads(NULL) - others;
    cr_assert(ge(u32, made, 5));
    cr_assert(eq(u32, count_threads(blocks_signals), blocking + made));
}

/* Each thread's end takes a while here. */
Test(io_lanes, its_threads_are_gone_when_it_is)
{
    static const long held[] = {SYS_exit};
    uint32_t others = count_threads(NULL);
    uint32_t made;

    hold_calls(held, 1);
    make_threads();
    made = count_threads(NULL) - others;
    cr_assert(ge(u32, made, 5));
    cr_assert(seccomp_hold_let_all_go(&hold, 5000000));
    open_again(&(struct io_plain_options){0});
    cr_assert(eq(u32, atomic_load(&hold.let_go_count), made));
}
