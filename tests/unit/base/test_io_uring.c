#include "base/check.h"
#include "base/clock_system.h"
#include "base/io_system.h"
#include "base/loop.h"
#include "base/mem.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <criterion/parameterized.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static struct io *io;
static struct loop loop;
static struct clock clock_now;
static char dir[64];

static void setup_with(const struct io_uring_options *options)
{
    clock_system_init(&clock_now);
    cr_assert(eq(int, io_uring_create(options, &io), OK));
    loop_init(&loop, 0, io, &clock_now);
    strcpy(dir, "/tmp/levee-io-XXXXXX");
    cr_assert(ne(ptr, mkdtemp(dir), NULL));
}

static void setup(void)
{
    setup_with(&(struct io_uring_options){0});
}

static void teardown(void)
{
    char command[96];

    cr_assert(eq(u64, io->in_flight_count, 0));
    io->v->destroy(io);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    cr_assert(eq(int, system(command), 0));
}

static void turns_until(bool (*over)(void))
{
    uint64_t deadline_ns = clock_mono_ns(&clock_now) + 20000000000U;

    while (!over()) {
        cr_assert(lt(u64, clock_mono_ns(&clock_now), deadline_ns));
        cr_assert(eq(int, loop_turn(&loop, 50000000), OK));
    }
}

static void turns(uint32_t count)
{
    while (count-- > 0)
        cr_assert(eq(int, loop_turn(&loop, 5000000), OK));
}

/* ---- one-shot ops remember their result here */

struct call {
    struct io_op op;
    int32_t result;
    bool over;
};

static struct call *awaited;

static bool awaited_over(void)
{
    return awaited->over;
}

static void on_call(struct io_op *op, int32_t result)
{
    struct call *call = container_of(op, struct call, op);

    cr_assert(not(call->over));
    call->result = result;
    call->over = true;
}

static int32_t await(struct call *call)
{
    awaited = call;
    turns_until(awaited_over);
    return call->result;
}

static const char *path_in_dir(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    return path;
}

Test(io_uring, writes_syncs_and_reads_a_file, .init = setup, .fini = teardown)
{
    struct call write_call = {0}, sync_call = {0}, syncfs_call = {0}, read_call = {0};
    struct iovec vec[2] = {{"hello ", 6}, {"world", 5}};
    char bytes[32] = {0};
    int32_t fd;

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

Test(io_uring, tells_errors_as_negative_errno, .init = setup, .fini = teardown)
{
    struct call call = {0};
    char byte;
    int32_t fd;

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

Test(io_uring, direct_files_take_aligned_writes_or_are_refused_at_open, .init = setup,
     .fini = teardown)
{
    struct call call = {0};
    struct iovec vec = {.iov_len = IO_ALIGN};
    int32_t fd;
    enum err err = io->v->file_open(io, path_in_dir("direct"),
                                    IO_WRITE | IO_CREATE | IO_DIRECT | IO_DSYNC, &fd);

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

Test(io_uring, short_calls_on_files_and_directories, .init = setup, .fini = teardown)
{
    char name[128], other[128], bytes[16];
    struct io_stat stat;
    struct io_space space;
    uint64_t size;
    uint32_t count;
    int32_t fd, second_fd;

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

enum { MANY_COUNT = 3000 };

Test(io_uring, more_ops_at_once_than_the_queue_holds_all_complete, .fini = teardown)
{
    static struct call calls[MANY_COUNT];
    static char bytes[MANY_COUNT];
    int32_t fd;

    setup_with(&(struct io_uring_options){.entry_count = 16});
    cr_assert(eq(int, io->v->file_open(io, "/dev/zero", IO_READ, &fd), OK));
    memset(bytes, 'x', sizeof(bytes));
    for (int i = 0; i < MANY_COUNT; i++)
        io_read(io, &calls[i].op, fd, &bytes[i], 1, 0, on_call);
    for (int i = 0; i < MANY_COUNT; i++) {
        cr_assert(eq(i32, await(&calls[i]), 1));
        cr_assert(eq(i8, bytes[i], 0));
    }
    io->v->close(io, fd);
}

/* ---- sockets: with all features and with none of the newer ones */

ParameterizedTestParameters(io_uring, sockets)
{
    static struct io_uring_options options[] = {
        {.recv_buffer_bytes = 4096, .recv_buffer_count = 4},
        {.recv_buffer_bytes = 4096, .recv_buffer_count = 4, .plain = true},
    };
    return cr_make_param_array(struct io_uring_options, options, 2);
}

enum { PEER_COUNT = 12, SENT_BYTES = 100000 };

struct peer {
    struct io_recv recv;
    int32_t fd;
    int32_t client_fd;
    uint64_t received_bytes;
    bool wrong;
    bool ended;
    int32_t end;
};

static struct io_accept accept_call;
static struct peer peers[PEER_COUNT];
static uint32_t peer_count;
static int32_t accept_end;

static void on_received(struct io_recv *recv, int32_t result, const uint8_t *bytes)
{
    struct peer *peer = container_of(recv, struct peer, recv);

    cr_assert(not(peer->ended));
    if (result <= 0) {
        cr_assert(eq(ptr, (void *)bytes, NULL));
        peer->ended = true;
        peer->end = result;
        return;
    }
    for (int32_t i = 0; i < result; i++)
        peer->wrong |= bytes[i] != (uint8_t)((peer->received_bytes + (uint64_t)i) * 7);
    peer->received_bytes += (uint64_t)result;
}

static void on_accepted(struct io_accept *accept, int32_t fd_or_error)
{
    if (fd_or_error < 0) {
        accept_end = fd_or_error;
        return;
    }
    cr_assert(lt(u32, peer_count, PEER_COUNT));
    peers[peer_count].fd = fd_or_error;
    peers[peer_count].recv.received = on_received;
    io_recv(io, &peers[peer_count].recv, fd_or_error);
    peer_count++;
}

static int32_t connect_plainly(const struct io_address *to)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    int32_t fd = socket(AF_INET, SOCK_STREAM, 0);

    memcpy(&name.sin_addr, to->ip, 4);
    cr_assert(eq(int, connect(fd, (struct sockaddr *)&name, sizeof(name)), 0));
    return fd;
}

static bool all_accepted(void)
{
    return peer_count == PEER_COUNT;
}

static bool all_received(void)
{
    for (int i = 0; i < PEER_COUNT; i++)
        if (peers[i].received_bytes < SENT_BYTES)
            return false;
    return true;
}

static bool all_ended(void)
{
    for (int i = 0; i < PEER_COUNT; i++)
        if (!peers[i].ended)
            return false;
    return true;
}

static bool accept_ended(void)
{
    return accept_end != 0;
}

static int32_t listen_on_loopback(struct io_address *bound)
{
    struct io_address at;
    int32_t fd;

    cr_assert(eq(int, io_address_parse("127.0.0.1", 0, &at), OK));
    cr_assert(eq(int, io->v->listen(io, &at, 64, &fd, bound), OK));
    cr_assert(ne(u16, bound->port, 0));
    return fd;
}

ParameterizedTest(struct io_uring_options *options, io_uring, sockets, .fini = teardown,
                  .timeout = 600)
{
    static uint8_t bytes[SENT_BYTES];
    struct io_address bound, local, remote;
    int32_t listen_fd;

    setup_with(options);
    for (uint32_t i = 0; i < SENT_BYTES; i++)
        bytes[i] = (uint8_t)(i * 7);
    listen_fd = listen_on_loopback(&bound);
    accept_call.accepted = on_accepted;
    io_accept(io, &accept_call, listen_fd);
    for (int i = 0; i < PEER_COUNT; i++)
        peers[i].client_fd = connect_plainly(&bound);
    turns_until(all_accepted);
    cr_assert(eq(int, io->v->names(io, peers[0].fd, &local, &remote), OK));
    cr_assert(eq(u16, local.port, bound.port));
    cr_assert(eq(u16, remote.family, AF_INET));

    /* Far more than the shared buffers hold, from all of them at once. */
    for (int i = 0; i < PEER_COUNT; i++)
        cr_assert(eq(sz, send(peers[i].client_fd, bytes, SENT_BYTES, 0), SENT_BYTES));
    turns_until(all_received);
    for (int i = 0; i < PEER_COUNT; i++)
        cr_assert(not(peers[i].wrong));

    /* Half of them are canceled, half are closed by the peer. */
    for (int i = 0; i < PEER_COUNT; i++) {
        if (i % 2 == 0)
            io_cancel(io, &peers[i].recv.op);
        else
            close(peers[i].client_fd);
    }
    turns_until(all_ended);
    for (int i = 0; i < PEER_COUNT; i++) {
        cr_assert(eq(i32, peers[i].end, i % 2 == 0 ? -ECANCELED : 0));
        cr_assert(not(peers[i].recv.op.in_flight));
        io->v->close(io, peers[i].fd);
    }
    io_cancel(io, &accept_call.op);
    turns_until(accept_ended);
    cr_assert(eq(i32, accept_end, -ECANCELED));
    io->v->close(io, listen_fd);
}

static struct call send_call, into_call, connect_call;

Test(io_uring, connects_sends_pieces_and_receives_into_place, .init = setup, .fini = teardown,
     .timeout = 600)
{
    static uint8_t sent[8][50000], got[400000];
    struct iovec vec[8];
    struct io_address bound;
    int32_t listen_fd = listen_on_loopback(&bound);
    int32_t fd, peer_fd;

    cr_assert(eq(int, io->v->socket(io, bound.family, &fd), OK));
    io_connect(io, &connect_call.op, fd, &bound, on_call);
    cr_assert(eq(i32, await(&connect_call), 0));
    peer_fd = accept(listen_fd, NULL, NULL);
    for (int i = 0; i < 8; i++) {
        memset(sent[i], 'a' + i, sizeof(sent[i]));
        vec[i] = (struct iovec){sent[i], sizeof(sent[i])};
    }
    io_recv_into(io, &into_call.op, peer_fd, got, sizeof(got), on_call);
    for (int i = 0; i < 8; i += 2) {
        uint32_t pair_bytes = 2 * sizeof(sent[0]), pair_sent = 0;

        while (pair_sent < pair_bytes) { /* a send may be short */
            struct iovec rest = {sent[i] + pair_sent, pair_bytes - pair_sent};

            send_call = (struct call){0};
            if (pair_sent == 0)
                io_sendv(io, &send_call.op, fd, &vec[i], 2, on_call);
            else
                io_sendv(io, &send_call.op, fd, &rest, 1, on_call);
            cr_assert(lt(i32, 0, await(&send_call)));
            pair_sent += (uint32_t)send_call.result;
        }
    }
    cr_assert(eq(i32, await(&into_call), sizeof(got)));
    cr_assert(eq(int, memcmp(got, sent, sizeof(got)), 0));

    /* A receive that nobody will feed, canceled. */
    into_call = (struct call){0};
    io_recv_into(io, &into_call.op, peer_fd, got, sizeof(got), on_call);
    turns(1);
    io_cancel(io, &into_call.op);
    cr_assert(eq(i32, await(&into_call), -ECANCELED));

    /* The peer is gone: an error or a close, never a signal. */
    io->v->close(io, peer_fd);
    turns(1);
    for (int i = 0; i < 3 && send_call.result >= 0; i++) {
        send_call = (struct call){0};
        io_sendv(io, &send_call.op, fd, vec, 1, on_call);
        await(&send_call);
    }
    cr_assert(lt(i32, send_call.result, 0));
    io->v->close(io, fd);
    io->v->close(io, listen_fd);
}

Test(io_uring, a_refused_connection_says_so, .init = setup, .fini = teardown)
{
    struct io_address bound;
    int32_t listen_fd = listen_on_loopback(&bound);
    int32_t fd;

    io->v->close(io, listen_fd);
    cr_assert(eq(int, io->v->socket(io, bound.family, &fd), OK));
    io_connect(io, &connect_call.op, fd, &bound, on_call);
    cr_assert(eq(i32, await(&connect_call), -ECONNREFUSED));
    io->v->close(io, fd);
}

Test(io_uring, a_port_in_use_is_told, .init = setup, .fini = teardown)
{
    struct io_address bound, again;
    int32_t listen_fd = listen_on_loopback(&bound);
    int32_t fd;

    cr_assert(eq(int, io->v->listen(io, &bound, 8, &fd, &again), ERR_IN_USE));
    io->v->close(io, listen_fd);
}

/* As a process that was killed does: its listener ends a moment after itself. */
static void *close_later(void *context)
{
    const struct timespec moment = {.tv_nsec = 200000000};

    nanosleep(&moment, NULL);
    close(*(int32_t *)context);
    return NULL;
}

Test(io_uring, a_port_that_is_about_to_be_free_is_waited_for, .init = setup, .fini = teardown)
{
    struct io_address bound, again;
    int32_t held_fd = listen_on_loopback(&bound);
    int32_t fd = -1;
    pthread_t thread;

    cr_assert(eq(int, pthread_create(&thread, NULL, close_later, &held_fd), 0));
    cr_assert(eq(int, io->v->listen(io, &bound, 8, &fd, &again), OK));
    cr_assert(eq(int, pthread_join(thread, NULL), 0));
    cr_assert(eq(u16, again.port, bound.port));
    io->v->close(io, fd);
}

Test(io_uring, canceling_an_op_in_the_turn_of_its_start_works, .init = setup, .fini = teardown)
{
    struct io_address bound;
    int32_t listen_fd = listen_on_loopback(&bound);

    accept_call.accepted = on_accepted;
    io_accept(io, &accept_call, listen_fd);
    io_cancel(io, &accept_call.op);
    turns_until(accept_ended);
    cr_assert(eq(i32, accept_end, -ECANCELED));
    turns(2);
    io->v->close(io, listen_fd);
}

Test(io_uring, an_idle_loop_enters_the_kernel_once, .init = setup, .fini = teardown)
{
    uint64_t before;

    turns(1);
    before = io->submit_count;
    cr_assert(eq(int, loop_turn(&loop, 30000000), OK));
    cr_assert(eq(u64, io->submit_count, before + 1));
    cr_assert(eq(int, loop_turn(&loop, 0), OK)); /* nothing to submit and no time: no call */
    cr_assert(eq(u64, io->submit_count, before + 1));
}

Test(io_address, parses_and_formats)
{
    static const struct {
        const char *host;
        const char *text; /* NULL: refused */
    } rows[] = {
        {"192.0.2.1", "192.0.2.1:9092"},
        {"localhost", "127.0.0.1:9092"},
        {"", "[::]:9092"},
        {"::", "[::]:9092"},
        {"0.0.0.0", "0.0.0.0:9092"},
        {"2001:db8::1", "[2001:db8::1]:9092"},
        {"[::1]", "[::1]:9092"},
        {"example.org", NULL},
        {"1.2.3", NULL},
        {"[::1", NULL},
        {"1.2.3.4.5", NULL},
        {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:"
                                                    "9092"},
    };

    for (size_t i = 0; i < array_count(rows); i++) {
        struct io_address address = {0};
        char text[IO_ADDRESS_TEXT_MAX];
        enum err err = io_address_parse(rows[i].host, 9092, &address);

        cr_assert(eq(int, err, rows[i].text == NULL ? ERR_INVALID : OK), "%s", rows[i].host);
        if (err)
            continue;
        io_address_format(&address, text);
        cr_assert(eq(str, text, (char *)rows[i].text));
    }
}
