/* What a socket of io_plain does at its limits. */
#include "tests/support/io_rig.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE_BYTES = 4096, PIECES_PER_TURN = 4, FLOOD_BYTES = 16 * PIECE_BYTES };

struct stream {
    struct io_recv recv;
    int32_t fd;
    int32_t client_fd;
    uint8_t bytes[32];
    uint32_t got_bytes;
    uint32_t piece_count;
    bool ended;
    int32_t end;
};

static struct stream streams[2];
static uint32_t wanted_bytes;

static void on_stream(struct io_recv *recv, int32_t result, const uint8_t *bytes)
{
    struct stream *stream = container_of(recv, struct stream, recv);

    cr_assert(not(stream->ended)); /* IO-1 */
    if (result <= 0) {
        stream->ended = true;
        stream->end = result;
        return;
    }
    for (int32_t i = 0; i < result; i++, stream->got_bytes++)
        if (stream->got_bytes < sizeof(stream->bytes))
            stream->bytes[stream->got_bytes] = bytes[i];
    stream->piece_count++;
}

static void open_stream(struct stream *stream, int32_t listen_fd, const struct io_address *bound)
{
    *stream = (struct stream){.recv.received = on_stream, .client_fd = connect_plainly(bound)};
    stream->fd = accept(listen_fd, NULL, NULL);
    cr_assert(le(i32, 0, stream->fd));
}

static void end_stream(struct stream *stream)
{
    io_cancel(io, &stream->recv.op);
    turns(2);
    cr_assert(eq(i32, stream->end, -ECANCELED));
    close(stream->client_fd);
    io->v->close(io, stream->fd);
}

static bool has_wanted(void)
{
    return streams[0].got_bytes >= wanted_bytes;
}

/* recv(2) stops at an urgent byte, also when more is behind it, and hands that byte in by
 * MSG_OOB only: tcp(7). */
EachBody(io_plain_sockets, what_comes_behind_an_urgent_byte_is_received)
{
    struct io_address bound;
    struct call call = {0};
    char bytes[12];
    int32_t listen_fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    for (int i = 0; i < 4; i++) {
        open_stream(&streams[0], listen_fd, &bound);
        if (i % 2 == 0)
            io_recv(io, &streams[0].recv, streams[0].fd);
        turns(i < 2 ? 1 : 0);
        cr_assert(eq(sz, send(streams[0].client_fd, "012345", 6, 0), 6));
        cr_assert(eq(sz, send(streams[0].client_fd, "x", 1, MSG_OOB), 1));
        cr_assert(eq(sz, send(streams[0].client_fd, "6789ab", 6, 0), 6));
        if (i % 2 == 1)
            io_recv(io, &streams[0].recv, streams[0].fd);
        wanted_bytes = 12;
        turns_until(has_wanted);
        cr_assert(eq(int, memcmp(streams[0].bytes, "0123456789ab", 12), 0));
        end_stream(&streams[0]);
    }
    open_stream(&streams[0], listen_fd, &bound);
    io_recv_into(io, &call.op, streams[0].fd, bytes, 12, on_call);
    cr_assert(eq(sz, send(streams[0].client_fd, "012345", 6, 0), 6));
    cr_assert(eq(sz, send(streams[0].client_fd, "x", 1, MSG_OOB), 1));
    cr_assert(eq(sz, send(streams[0].client_fd, "6789ab", 6, 0), 6));
    while (await(&call) == 6) { /* a ring may say what came before the mark */
        call = (struct call){0};
        io_recv_into(io, &call.op, streams[0].fd, bytes + 6, 6, on_call);
        if (await(&call) == 6)
            break;
    }
    cr_assert(eq(int, memcmp(bytes, "0123456789ab", 12), 0));
    close(streams[0].client_fd);
    io->v->close(io, streams[0].fd);
    io->v->close(io, listen_fd);
}

static const struct io_rig_body plain = {.is_plain = true};

static void setup(void)
{
    io_rig_open(&plain);
}

TestSuite(io_plain_limits, .init = setup, .fini = io_rig_close, .timeout = 600);

/* Timers and other connections come between. */
Test(io_plain_limits, a_turn_receives_so_many_pieces_and_no_connection_takes_them_all)
{
    static uint8_t bytes[FLOOD_BYTES];
    struct io_address bound;
    int32_t listen_fd = listen_on_loopback(&bound);

    for (int i = 0; i < 2; i++) {
        open_stream(&streams[i], listen_fd, &bound);
        cr_assert(eq(sz, send(streams[i].client_fd, bytes, FLOOD_BYTES, 0), FLOOD_BYTES));
        io_recv(io, &streams[i].recv, streams[i].fd);
    }
    for (int turn = 0;
         turn < 1000 && (streams[0].got_bytes < FLOOD_BYTES || streams[1].got_bytes < FLOOD_BYTES);
         turn++) {
        uint32_t before = streams[0].piece_count + streams[1].piece_count;

        turns(1);
        cr_assert(
            le(u32, streams[0].piece_count + streams[1].piece_count - before, PIECES_PER_TURN));
        if (streams[0].got_bytes < FLOOD_BYTES && streams[1].got_bytes < FLOOD_BYTES)
            cr_assert(le(u32, streams[0].piece_count, streams[1].piece_count + PIECES_PER_TURN));
    }
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(u32, streams[i].got_bytes, FLOOD_BYTES));
        end_stream(&streams[i]);
    }
    io->v->close(io, listen_fd);
}

Test(io_plain_limits, a_close_ends_what_waits_on_its_descriptor)
{
    static uint8_t bytes[1 << 20];
    struct iovec vec = {bytes, sizeof(bytes)};
    struct call send_call = {.over = true};
    struct io_address bound;
    int32_t listen_fd = listen_on_loopback(&bound);

    open_stream(&streams[0], listen_fd, &bound);
    io_recv(io, &streams[0].recv, streams[0].fd);
    for (int quiet = 0; quiet < 50; quiet++) { /* until there is no room */
        if (send_call.over) {
            send_call = (struct call){0};
            io_sendv(io, &send_call.op, streams[0].fd, &vec, 1, on_call);
            quiet = 0;
        }
        turns(1);
    }
    cr_assert(not(send_call.over));
    io->v->close(io, streams[0].fd);
    cr_assert(not(send_call.over)); /* IO-1 */
    cr_assert(not(streams[0].ended));
    cr_assert(eq(i32, await(&send_call), -ECANCELED));
    turns(1);
    cr_assert(streams[0].ended);
    cr_assert(eq(i32, streams[0].end, -ECANCELED));
    close(streams[0].client_fd);
    io->v->close(io, listen_fd);
}

static int32_t accepted_fd = -1;
static int32_t accept_error;

static void on_accepted(struct io_accept *accept, int32_t fd_or_error)
{
    if (fd_or_error >= 0)
        accepted_fd = fd_or_error;
    else
        accept_error = fd_or_error;
}

static bool accept_failed(void)
{
    return accept_error != 0;
}

/* Else a broker without other work would sleep on although there is room again. */
Test(io_plain_limits, a_pause_of_accepting_ends_a_wait)
{
    static struct io_accept accept_call = {.accepted = on_accepted};
    struct io_address bound;
    int32_t listen_fd = listen_on_loopback(&bound);
    int32_t client_fd = socket(AF_INET, SOCK_STREAM, 0);
    int32_t lowest_fd = dup(0);
    struct rlimit before, limit;
    uint64_t began_ns;

    close(lowest_fd);
    getrlimit(RLIMIT_NOFILE, &before);
    limit = (struct rlimit){(rlim_t)lowest_fd, before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limit);
    connect_socket(client_fd, &bound);
    io_accept(io, &accept_call, listen_fd);
    turns_until(accept_failed);
    cr_assert(eq(i32, accept_error, -EMFILE));
    setrlimit(RLIMIT_NOFILE, &before);
    began_ns = clock_mono_ns(&clock_now);
    for (int i = 0; i < 3 && accepted_fd < 0; i++)
        cr_assert(eq(int, loop_turn(&loop, 20000000000), OK));
    cr_assert(le(i32, 0, accepted_fd));
    cr_assert(lt(u64, clock_mono_ns(&clock_now) - began_ns, 10000000000));
    io_cancel(io, &accept_call.op);
    turns(2);
    close(client_fd);
    io->v->close(io, accepted_fd);
    io->v->close(io, listen_fd);
}
