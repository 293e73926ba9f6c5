/* The promises of io.h (IO-1 to IO-5), one by one, over each body. */
#include "base/mem.h"
#include "tests/support/io_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- one op of each kind, none of which can end by itself but those on files */

enum kind { READ, WRITE, WRITE_DSYNC, SYNC, SYNCFS, UNLINK, RECV_INTO, SEND, CONNECT, KIND_COUNT };

static bool is_on_file(enum kind kind)
{
    return kind <= UNLINK;
}

static struct {
    struct io_address bound;
    int32_t file_fd;
    int32_t listen_fd;
    int32_t fd; /* of a connection of which the sending side is full, and nothing comes */
    int32_t peer_fd;
    int32_t connecting_fd;
    char path[128];
    char bytes[4096];
    struct iovec vec;
} world;

/* A port of which nobody takes connections: the queue of the listener is full. */
static void fill_backlog(void)
{
    struct io_address at;
    int32_t fd;

    cr_assert(eq(int, io_address_parse("127.0.0.1", 0, &at), OK));
    cr_assert(eq(int, io->v->listen(io, &at, 0, &world.listen_fd, &world.bound), OK));
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(world.bound.port)};

        memcpy(&name.sin_addr, world.bound.ip, 4);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); /* ends with the process */
        (void)connect(fd, (struct sockaddr *)&name, sizeof(name));
    }
}

static void make_world(void)
{
    int32_t pair[2];
    char full[65536] = {0};

    cr_assert(eq(int, socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0));
    world.fd = pair[0];
    world.peer_fd = pair[1];
    while (send(world.fd, full, sizeof(full), MSG_DONTWAIT) > 0)
        continue;
    world.vec = (struct iovec){world.bytes, sizeof(world.bytes)};
    strcpy(world.path, path_in_dir("f"));
    cr_assert(eq(int, io->v->file_open(io, world.path, IO_WRITE | IO_CREATE, &world.file_fd), OK));
    fill_backlog();
    cr_assert(eq(int, io->v->socket(io, AF_INET, &world.connecting_fd), OK));
}

static void end_world(void)
{
    io->v->close(io, world.file_fd);
    io->v->close(io, world.fd);
    io->v->close(io, world.peer_fd);
    io->v->close(io, world.connecting_fd);
    io->v->close(io, world.listen_fd);
}

static void start(enum kind kind, struct call *call)
{
    switch (kind) {
    case READ:
        io_read(io, &call->op, world.file_fd, world.bytes, sizeof(world.bytes), 0, on_call);
        break;
    case WRITE:
    case WRITE_DSYNC:
        io_writev(io, &call->op, world.file_fd, &world.vec, 1, 0, kind == WRITE_DSYNC, on_call);
        break;
    case SYNC:
        io_sync(io, &call->op, world.file_fd, on_call);
        break;
    case SYNCFS:
        io_syncfs(io, &call->op, world.file_fd, on_call);
        break;
    case UNLINK:
        io_unlink(io, &call->op, world.path, on_call);
        break;
    case RECV_INTO:
        io_recv_into(io, &call->op, world.fd, world.bytes, sizeof(world.bytes), on_call);
        break;
    case SEND:
        io_sendv(io, &call->op, world.fd, &world.vec, 1, on_call);
        break;
    case CONNECT:
        io_connect(io, &call->op, world.connecting_fd, &world.bound, on_call);
        break;
    default:
        check(false);
    }
    cr_assert(call->op.in_flight);
    cr_assert(not(call->over)); /* IO-1 */
}

/* Over, by the cancel or by itself, and then for good: another cancel changes nothing. */
static void expect_end(enum kind kind, struct call *call)
{
    int32_t result = await(call);

    if (!is_on_file(kind))
        cr_assert(eq(i32, result, -ECANCELED), "kind %d", kind);
    else
        cr_assert(result >= 0 || result == -ECANCELED, "kind %d: %d", kind, result);
    cr_assert(not(call->op.in_flight));
    io_cancel(io, &call->op);
    turns(2); /* on_call insists on coming once */
}

EachBody(io, an_op_of_each_kind_can_be_canceled_in_the_turn_of_its_start)
{
    io_rig_open(body);
    make_world();
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct call call = {0};

        start(kind, &call);
        io_cancel(io, &call.op);
        cr_assert(not(call.over)); /* IO-1 */
        io_cancel(io, &call.op);
        expect_end(kind, &call);
    }
    end_world();
}

EachBody(io, an_op_of_each_kind_can_be_canceled_when_it_is_under_way)
{
    io_rig_open(body);
    make_world();
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        struct call call = {0};

        start(kind, &call);
        turns(2);
        cr_assert(call.op.in_flight != call.over);
        io_cancel(io, &call.op);
        if (is_on_file(kind)) {
            await(&call);
            continue;
        }
        cr_assert(not(call.over));
        expect_end(kind, &call);
    }
    end_world();
}

static struct call *victim;

/* One that has ended and of which the loop has not yet told. */
static void cancel_victim(struct io_op *op, int32_t result)
{
    on_call(op, result);
    io_cancel(io, &victim->op);
}

EachBody(io, a_cancel_of_what_has_ended_and_is_not_yet_told_changes_nothing)
{
    static char bytes[2][4096];
    struct call first = {0}, second = {0};
    int32_t fd;

    io_rig_open(body);
    make_world();
    cr_assert(eq(int, io->v->file_open(io, "/dev/zero", IO_READ, &fd), OK));
    for (int i = 0; i < 100; i++) {
        first = second = (struct call){0};
        victim = &second;
        io_read(io, &first.op, fd, bytes[0], sizeof(bytes[0]), 0, cancel_victim);
        io_read(io, &second.op, fd, bytes[1], sizeof(bytes[1]), 0, on_call);
        await(&first);
        cr_assert(await(&second) == -ECANCELED || second.result == sizeof(bytes[1]));
    }
    io->v->close(io, fd);
    end_world();
}

EachBody(io, an_op_is_its_callers_again_when_it_is_done)
{
    static struct call call;

    io_rig_open(body);
    make_world();
    for (int i = 0; i < 300; i++) {
        memset(&call, 0, sizeof(call));
        start(i % SYNC, &call);
        await(&call);
        memset(&call, 0xa5, sizeof(call)); /* IO-2: nobody looks at it any more */
        turns(i % 2);
    }
    end_world();
}

/* ---- sleeping and waking */

static void *wake_often(void *context)
{
    for (int i = 0; i < 2000; i++)
        io->v->wake(io);
    return NULL;
}

EachBody(io, a_wake_from_any_thread_ends_a_wait_and_is_never_lost)
{
    pthread_t threads[2];

    io_rig_open(body);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 2; i++)
            cr_assert(eq(int, pthread_create(&threads[i], NULL, wake_often, NULL), 0));
        cr_assert(eq(int, io->v->wait(io, UINT64_MAX), OK)); /* or the test runs out of time */
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        cr_assert(eq(int, io->v->wait(io, 0), OK)); /* takes what is left of them */
    }
    io->v->wake(io); /* before the wait */
    cr_assert(eq(int, io->v->wait(io, UINT64_MAX), OK));
}

EachBody(io, the_end_of_an_op_on_a_file_ends_a_wait)
{
    io_rig_open(body);
    make_world();
    for (int i = 0; i < 10; i++) {
        for (int kind = READ; kind <= UNLINK; kind++) {
            struct call call = {0};

            start(kind, &call);
            while (!call.over) /* or the test runs out of time */
                cr_assert(eq(int, loop_turn(&loop, LOOP_WAIT_FOREVER), OK));
        }
    }
    end_world();
}

EachBody(io, a_wait_lasts_as_long_as_it_was_asked_for)
{
    static const uint64_t waits_ns[] = {0, 1, 999999, 1000000, 1000001, 30000000};

    io_rig_open(body);
    turns(2);
    for (size_t i = 0; i < array_count(waits_ns); i++) {
        uint64_t before_ns = clock_mono_ns(&clock_now);
        uint64_t took_ns;

        cr_assert(eq(int, io->v->wait(io, waits_ns[i]), OK));
        took_ns = clock_mono_ns(&clock_now) - before_ns;
        cr_assert(ge(u64, took_ns, waits_ns[i]));
        cr_assert(lt(u64, took_ns, waits_ns[i] + 5000000000)); /* a busy machine */
    }
}

EachBody(io, an_idle_loop_enters_the_kernel_once_a_wait)
{
    uint64_t before;

    io_rig_open(body);
    turns(2);
    before = io->submit_count;
    cr_assert(eq(int, loop_turn(&loop, 100000000), OK));
    cr_assert(eq(u64, io->submit_count, before + 1));
}

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    signals = signals + 1;
}

EachBody(io, a_signal_ends_a_wait_without_an_error)
{
    io_rig_open(body);
    signal(SIGALRM, on_signal);
    for (int i = 0; i < 5; i++) {
        ualarm(10000, 0);
        while (signals == i)
            cr_assert(eq(int, loop_turn(&loop, 1000000000), OK));
    }
}

EachBody(io, a_stopped_and_continued_process_goes_on)
{
    static char bytes[65536];
    struct iovec vec = {bytes, sizeof(bytes)};
    uint64_t done_count = 0;
    int32_t fd;
    pid_t child;
    int status;

    io_rig_open(body);
    cr_assert(eq(int, io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE, &fd), OK));
    child = fork();
    if (child == 0) {
        for (int i = 0; i < 5; i++) {
            usleep(20000);
            kill(getppid(), SIGSTOP);
            usleep(20000);
            kill(getppid(), SIGCONT);
        }
        _exit(0);
    }
    while (waitpid(child, &status, WNOHANG) == 0) {
        struct call write_call = {0}, read_call = {0};

        io_writev(io, &write_call.op, fd, &vec, 1, 0, true, on_call);
        cr_assert(eq(i32, await(&write_call), sizeof(bytes)));
        io_read(io, &read_call.op, fd, bytes, sizeof(bytes), 0, on_call);
        cr_assert(eq(i32, await(&read_call), sizeof(bytes)));
        done_count++;
    }
    cr_assert(lt(u64, 0, done_count));
    io->v->close(io, fd);
}
