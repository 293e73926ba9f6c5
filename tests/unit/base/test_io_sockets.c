#include "base/mem.h"
#include "tests/support/io_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

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

EachBody(io_sockets, many_peers_send_more_than_the_buffers_hold_and_end_in_two_ways)
{
    static uint8_t bytes[SENT_BYTES];
    struct io_address bound, local, remote;
    int32_t listen_fd;

    io_rig_open(body);
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

EachBody(io_sockets, connects_sends_pieces_and_receives_into_place)
{
    static uint8_t sent[8][50000], got[400000];
    struct iovec vec[8];
    struct io_address bound;
    int32_t listen_fd;
    int32_t fd, peer_fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
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

EachBody(io_sockets, a_refused_connection_says_so)
{
    struct io_address bound;
    int32_t listen_fd;
    int32_t fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    io->v->close(io, listen_fd);
    cr_assert(eq(int, io->v->socket(io, bound.family, &fd), OK));
    io_connect(io, &connect_call.op, fd, &bound, on_call);
    cr_assert(eq(i32, await(&connect_call), -ECONNREFUSED));
    io->v->close(io, fd);
}

EachBody(io_sockets, a_port_in_use_is_told)
{
    struct io_address bound, again;
    int32_t listen_fd;
    int32_t fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
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

EachBody(io_sockets, a_port_that_is_about_to_be_free_is_waited_for)
{
    struct io_address bound, again;
    int32_t held_fd;
    int32_t fd = -1;
    pthread_t thread;

    io_rig_open(body);
    held_fd = listen_on_loopback(&bound);
    cr_assert(eq(int, pthread_create(&thread, NULL, close_later, &held_fd), 0));
    cr_assert(eq(int, io->v->listen(io, &bound, 8, &fd, &again), OK));
    cr_assert(eq(int, pthread_join(thread, NULL), 0));
    cr_assert(eq(u16, again.port, bound.port));
    io->v->close(io, fd);
}

EachBody(io_sockets, canceling_an_op_in_the_turn_of_its_start_works)
{
    struct io_address bound;
    int32_t listen_fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    accept_call.accepted = on_accepted;
    io_accept(io, &accept_call, listen_fd);
    io_cancel(io, &accept_call.op);
    turns_until(accept_ended);
    cr_assert(eq(i32, accept_end, -ECANCELED));
    turns(2);
    io->v->close(io, listen_fd);
}

/* ---- one stream, with what happens to it written down */

struct stream {
    struct io_recv recv;
    int32_t fd;
    int32_t client_fd;
    uint8_t bytes[512];
    uint32_t got_bytes;
    uint32_t piece_count;
    bool ended;
    int32_t end;
    bool cancels; /* at the first piece */
};

static void on_stream(struct io_recv *recv, int32_t result, const uint8_t *bytes)
{
    struct stream *stream = container_of(recv, struct stream, recv);

    cr_assert(not(stream->ended)); /* IO-1 */
    if (result <= 0) {
        cr_assert(not(recv->op.in_flight));
        stream->ended = true;
        stream->end = result;
        return;
    }
    cr_assert(recv->op.in_flight);
    cr_assert(le(u32, stream->got_bytes + (uint32_t)result, sizeof(stream->bytes)));
    memcpy(stream->bytes + stream->got_bytes, bytes, (size_t)result);
    stream->got_bytes += (uint32_t)result;
    stream->piece_count++;
    if (stream->cancels)
        io_cancel(io, &recv->op);
}

static struct stream stream;

static bool stream_ended(void)
{
    return stream.ended;
}

static uint32_t wanted_bytes;

static bool stream_has_wanted(void)
{
    return stream.got_bytes >= wanted_bytes;
}

/* A new connection; nothing is received yet. */
static void open_stream(int32_t listen_fd, const struct io_address *bound)
{
    stream = (struct stream){.recv.received = on_stream, .client_fd = connect_plainly(bound)};
    stream.fd = accept(listen_fd, NULL, NULL);
    cr_assert(le(i32, 0, stream.fd));
}

/* An end that resets the connection: socket(7), SO_LINGER. */
static void reset_client(void)
{
    struct linger linger = {.l_onoff = 1};

    setsockopt(stream.client_fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(stream.client_fd);
}

EachBody(io_sockets, a_peer_may_end_at_any_byte_and_what_it_sent_before_arrives)
{
    static const uint8_t sent[64] = "abcdefghijklmnopqrstuvwxyz";
    struct io_address bound;
    int32_t listen_fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    for (uint32_t i = 0; i < 60; i++) {
        uint32_t size = i / 4;

        open_stream(listen_fd, &bound);
        if (i % 2 == 0)
            io_recv(io, &stream.recv, stream.fd);
        if (size > 0)
            cr_assert(eq(sz, send(stream.client_fd, sent, size, 0), size));
        if (i % 3 == 0) {
            wanted_bytes = i % 2 == 0 ? size : 0;
            turns_until(stream_has_wanted);
        }
        close(stream.client_fd);
        if (i % 2 != 0)
            io_recv(io, &stream.recv, stream.fd);
        turns_until(stream_ended);
        cr_assert(eq(i32, stream.end, 0));
        cr_assert(eq(u32, stream.got_bytes, size));
        cr_assert(eq(int, memcmp(stream.bytes, sent, size), 0));
        io->v->close(io, stream.fd);
    }
    io->v->close(io, listen_fd);
}

EachBody(io_sockets, a_reset_is_told_once_to_a_receive)
{
    struct io_address bound;
    int32_t listen_fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    for (int i = 0; i < 20; i++) {
        open_stream(listen_fd, &bound);
        io_recv(io, &stream.recv, stream.fd);
        turns((uint32_t)i % 3);
        reset_client();
        turns_until(stream_ended);
        cr_assert(eq(i32, stream.end, -ECONNRESET));
        turns(1);
        io->v->close(io, stream.fd);
    }
    io->v->close(io, listen_fd);
}

EachBody(io_sockets, a_receive_into_place_waits_for_all_and_is_short_at_the_end)
{
    static const char digits[] = "0123456789";
    struct io_address bound;
    struct call call;
    char bytes[10];
    int32_t listen_fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    for (int32_t size = 0; size <= 10; size++) {
        open_stream(listen_fd, &bound);
        call = (struct call){0};
        io_recv_into(io, &call.op, stream.fd, bytes, 10, on_call);
        for (int32_t i = 0; i < size; i++) {
            cr_assert(not(call.over));
            cr_assert(eq(sz, send(stream.client_fd, &digits[i], 1, 0), 1));
            turns(1);
        }
        cr_assert(eq(int, call.over, size == 10));
        close(stream.client_fd);
        cr_assert(eq(i32, await(&call), size));
        cr_assert(eq(int, memcmp(bytes, digits, (size_t)size), 0));
        call = (struct call){0};
        io_recv_into(io, &call.op, stream.fd, bytes, 10, on_call);
        cr_assert(eq(i32, await(&call), 0));
        io->v->close(io, stream.fd);
    }
    io->v->close(io, listen_fd);
}

EachBody(io_sockets, what_a_canceled_receive_into_place_has_got_is_told)
{
    struct io_address bound;
    struct call call = {0};
    char bytes[10];
    int32_t listen_fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    open_stream(listen_fd, &bound);
    io_recv_into(io, &call.op, stream.fd, bytes, 10, on_call);
    cr_assert(eq(sz, send(stream.client_fd, "0123", 4, 0), 4));
    turns(3);
    io_cancel(io, &call.op);
    cr_assert(not(call.over));
    cr_assert(eq(i32, await(&call), 4));
    cr_assert(eq(int, memcmp(bytes, "0123", 4), 0));
    close(stream.client_fd);
    io->v->close(io, stream.fd);
    io->v->close(io, listen_fd);
}

/* Backpressure: what comes meanwhile is there at the next start, in order, and so is the end. */
EachBody(io_sockets, a_receive_canceled_at_each_piece_and_started_again_loses_nothing)
{
    struct io_address bound;
    int32_t listen_fd;
    uint32_t sent_bytes = 0;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    open_stream(listen_fd, &bound);
    stream.cancels = true;
    for (uint32_t i = 0; !stream.ended || stream.end != 0; i++) {
        if (stream.ended || i == 0) {
            cr_assert(i == 0 || stream.end == -ECANCELED);
            stream.ended = false;
            io_recv(io, &stream.recv, stream.fd);
        }
        for (int k = 0; k < 3 && sent_bytes < sizeof(stream.bytes); k++, sent_bytes++) {
            uint8_t byte = (uint8_t)sent_bytes;

            cr_assert(eq(sz, send(stream.client_fd, &byte, 1, 0), 1));
        }
        if (sent_bytes == sizeof(stream.bytes)) {
            shutdown(stream.client_fd, SHUT_WR);
            sent_bytes++;
        }
        turns(1);
    }
    cr_assert(eq(u32, stream.got_bytes, sizeof(stream.bytes)));
    for (uint32_t i = 0; i < stream.got_bytes; i++)
        cr_assert(eq(u8, stream.bytes[i], (uint8_t)i));
    close(stream.client_fd);
    io->v->close(io, stream.fd);
    io->v->close(io, listen_fd);
}

/* The peer's side and ours become full, and a send waits.  How much was sent before it. */
static uint64_t send_until_full(void)
{
    static uint8_t bytes[1 << 20];
    static struct iovec vec = {bytes, sizeof(bytes)};
    uint64_t sent_bytes = 0;

    send_call = (struct call){.over = true};
    for (int quiet = 0; quiet < 50; quiet++) { /* acknowledgements come late: tcp(7) */
        if (send_call.over) {
            sent_bytes += (uint64_t)send_call.result;
            send_call = (struct call){0};
            io_sendv(io, &send_call.op, stream.fd, &vec, 1, on_call);
            quiet = 0;
        }
        cr_assert(eq(int, loop_turn(&loop, 5000000), OK));
    }
    if (send_call.over) /* in the last of these turns */
        return sent_bytes + (uint64_t)send_call.result + send_until_full();
    return sent_bytes;
}

EachBody(io_sockets, a_send_waits_for_room_beside_a_receive_and_goes_on_when_there_is_some)
{
    static uint8_t sink[1 << 16];
    struct io_address bound;
    uint64_t sent_bytes, read_bytes = 0;
    int32_t listen_fd;
    ssize_t n;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    open_stream(listen_fd, &bound);
    io_recv(io, &stream.recv, stream.fd);
    sent_bytes = send_until_full();
    cr_assert(eq(sz, send(stream.client_fd, "ping", 4, 0), 4)); /* the other direction goes */
    wanted_bytes = 4;
    turns_until(stream_has_wanted);
    cr_assert(not(send_call.over));
    while (!send_call.over || read_bytes < sent_bytes) {
        n = recv(stream.client_fd, sink, sizeof(sink), MSG_DONTWAIT);
        read_bytes += n > 0 ? (uint64_t)n : 0;
        if (n < 0)
            turns(1);
    }
    cr_assert(lt(i32, 0, send_call.result));

    /* And one that waits while the peer goes ends with an error. */
    send_until_full();
    reset_client();
    cr_assert(lt(i32, await(&send_call), 0));
    turns_until(stream_ended);
    io->v->close(io, stream.fd);
    io->v->close(io, listen_fd);
}

EachBody(io_sockets, a_descriptor_that_is_used_again_hears_nothing_of_its_earlier_life)
{
    struct io_address bound;
    int32_t listen_fd;
    int32_t first_fd = -1;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    for (int i = 0; i < 40; i++) {
        open_stream(listen_fd, &bound);
        first_fd = i == 0 ? stream.fd : first_fd;
        cr_assert(eq(i32, stream.fd, first_fd)); /* the same number each time */
        io_recv(io, &stream.recv, stream.fd);
        if (i % 2 == 0)
            turns(1);
        cr_assert(not(stream.ended)); /* not by what the one before it had */
        cr_assert(eq(u32, stream.got_bytes, 0));
        wanted_bytes = 1;
        cr_assert(eq(sz, send(stream.client_fd, "x", 1, 0), 1));
        turns_until(stream_has_wanted);
        io_cancel(io, &stream.recv.op);
        turns_until(stream_ended);
        cr_assert(eq(i32, stream.end, -ECANCELED));
        cr_assert(eq(sz, send(stream.client_fd, "unread", 6, 0), 6));
        if (i % 3 == 0)
            turns(1);
        close(stream.client_fd);
        if (i % 4 == 0) /* by whomever */
            close(stream.fd);
        else
            io->v->close(io, stream.fd);
    }
    io->v->close(io, listen_fd);
}

static int32_t accept_errors[8];
static uint32_t accept_error_count;
static int32_t accepted_fds[8];
static uint32_t accepted_count;

static void on_accepted_or_not(struct io_accept *accept, int32_t fd_or_error)
{
    if (fd_or_error == -ECANCELED) {
        accept_end = fd_or_error;
    } else if (fd_or_error < 0) {
        cr_assert(lt(u32, accept_error_count, 8));
        accept_errors[accept_error_count++] = fd_or_error;
    } else {
        cr_assert(lt(u32, accepted_count, 8));
        accepted_fds[accepted_count++] = fd_or_error;
    }
}

static bool accept_failed(void)
{
    return accept_error_count > 0;
}

static bool three_accepted(void)
{
    return accepted_count == 3;
}

static void leave_no_descriptor(void)
{
    struct rlimit limit;
    int32_t lowest = dup(0);

    close(lowest);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = (rlim_t)lowest;
    setrlimit(RLIMIT_NOFILE, &limit);
}

EachBody(io_sockets, without_descriptors_accepting_pauses_and_goes_on_when_there_are_some)
{
    struct io_address bound;
    struct rlimit before;
    int32_t client_fds[4];
    int32_t listen_fd;
    uint64_t entries;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    accept_call.accepted = on_accepted_or_not;
    for (int i = 0; i < 4; i++)
        client_fds[i] = socket(AF_INET, SOCK_STREAM, 0);
    getrlimit(RLIMIT_NOFILE, &before);
    leave_no_descriptor();
    for (int i = 0; i < 3; i++)
        connect_socket(client_fds[i], &bound);
    io_accept(io, &accept_call, listen_fd); /* a ring looks at the limit here */
    turns_until(accept_failed);
    cr_assert(eq(i32, accept_errors[0], -EMFILE));
    entries = io->submit_count;
    for (uint64_t end_ns = clock_mono_ns(&clock_now) + 250000000;
         clock_mono_ns(&clock_now) < end_ns;)
        cr_assert(eq(int, loop_turn(&loop, 300000000), OK));
    cr_assert(lt(u64, io->submit_count, entries + 20)); /* it sleeps between its tries */
    cr_assert(lt(u32, accept_error_count, 8));
    setrlimit(RLIMIT_NOFILE, &before);
    turns_until(three_accepted);

    io_cancel(io, &accept_call.op);
    turns_until(accept_ended);

    /* A cancel during the pause ends it. */
    accept_error_count = 0;
    accept_end = 0;
    leave_no_descriptor();
    connect_socket(client_fds[3], &bound);
    io_accept(io, &accept_call, listen_fd);
    turns_until(accept_failed);
    io_cancel(io, &accept_call.op);
    turns_until(accept_ended);
    setrlimit(RLIMIT_NOFILE, &before);
    for (int i = 0; i < 3; i++)
        io->v->close(io, accepted_fds[i]);
    for (int i = 0; i < 4; i++)
        close(client_fds[i]);
    io->v->close(io, listen_fd);
}

/* ---- thousands */

enum { CROWD = 2000 };

static struct stream *crowd;
static uint32_t crowd_count;

static void on_crowd(struct io_accept *accept, int32_t fd_or_error)
{
    if (fd_or_error < 0) {
        accept_end = fd_or_error;
        return;
    }
    cr_assert(lt(u32, crowd_count, CROWD));
    crowd[crowd_count].fd = fd_or_error;
    crowd[crowd_count].recv.received = on_stream;
    io_recv(io, &crowd[crowd_count].recv, fd_or_error);
    crowd_count++;
}

static uint32_t crowd_wanted;

static bool crowd_is_in(void)
{
    return crowd_count == crowd_wanted;
}

static bool crowd_has_heard(void)
{
    for (uint32_t i = 0; i < CROWD; i++)
        if (crowd[i].got_bytes < 100)
            return false;
    return true;
}

static bool crowd_has_ended(void)
{
    for (uint32_t i = 0; i < CROWD; i++)
        if (!crowd[i].ended)
            return false;
    return true;
}

EachBody(io_sockets, thousands_of_connections_come_speak_at_once_and_go)
{
    static const uint8_t bytes[100];
    static int32_t client_fds[CROWD];
    struct io_address bound;
    struct rlimit limit;
    uint64_t used_bytes;
    int32_t listen_fd;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 2 * CROWD + 100)
        cr_skip_test("too few descriptors");
    io_rig_open(body);
    crowd = mem_alloc(CROWD * sizeof(*crowd));
    listen_fd = listen_on_loopback(&bound);
    accept_call.accepted = on_crowd;
    io_accept(io, &accept_call, listen_fd);
    used_bytes = mem_used_bytes();
    for (uint32_t i = 0; i < CROWD; i++) {
        client_fds[i] = connect_plainly(&bound);
        crowd_wanted = i + 1;
        if (i % 32 == 31) /* the backlog is 64 */
            turns_until(crowd_is_in);
    }
    turns_until(crowd_is_in);
    cr_assert(lt(u64, mem_used_bytes() - used_bytes, CROWD * 256)); /* no buffer for the silent */
    for (uint32_t i = 0; i < CROWD; i++)
        cr_assert(eq(sz, send(client_fds[i], bytes, sizeof(bytes), 0), sizeof(bytes)));
    turns_until(crowd_has_heard);
    for (uint32_t i = 0; i < CROWD; i++)
        close(client_fds[i]);
    turns_until(crowd_has_ended);
    for (uint32_t i = 0; i < CROWD; i++) {
        cr_assert(eq(i32, crowd[i].end, 0));
        cr_assert(eq(u32, crowd[i].got_bytes, 100));
        io->v->close(io, crowd[i].fd);
    }
    io_cancel(io, &accept_call.op);
    turns_until(accept_ended);
    io->v->close(io, listen_fd);
    mem_free(crowd);
}

static uint32_t canceled_after;

static void on_accepted_some(struct io_accept *accept, int32_t fd_or_error)
{
    if (fd_or_error < 0) {
        accept_end = fd_or_error;
        return;
    }
    close(fd_or_error);
    if (++accepted_count == canceled_after)
        io_cancel(io, &accept->op);
}

EachBody(io_sockets, an_accept_that_is_canceled_by_its_callback_ends)
{
    struct io_address bound;
    int32_t listen_fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    for (int i = 0; i < 10; i++)
        (void)connect_plainly(&bound);
    canceled_after = 3;
    accept_call.accepted = on_accepted_some;
    io_accept(io, &accept_call, listen_fd);
    turns_until(accept_ended);
    cr_assert(eq(i32, accept_end, -ECANCELED));
    cr_assert(body->is_plain ? accepted_count == 3 : accepted_count >= 3); /* at hand, in a ring */
    io->v->close(io, listen_fd);
}

EachBody(io_sockets, errors_come_as_they_are_and_never_from_the_start)
{
    struct call calls[4] = {0};
    struct iovec vec = {"x", 1};
    struct io_address to;
    char byte;
    int32_t file_fd;

    io_rig_open(body);
    cr_assert(eq(int, io_address_parse("127.0.0.1", 1, &to), OK));
    cr_assert(eq(int, io->v->file_open(io, path_in_dir("f"), IO_WRITE | IO_CREATE, &file_fd), OK));
    io_recv_into(io, &calls[0].op, 99999, &byte, 1, on_call);
    io_sendv(io, &calls[1].op, 99999, &vec, 1, on_call);
    io_connect(io, &calls[2].op, 99999, &to, on_call);
    io_sendv(io, &calls[3].op, file_fd, &vec, 1, on_call);
    for (size_t i = 0; i < array_count(calls); i++)
        cr_assert(not(calls[i].over));
    for (size_t i = 0; i < array_count(calls); i++)
        cr_assert(eq(i32, await(&calls[i]), i == 3 ? -ENOTSOCK : -EBADF));
    stream = (struct stream){.recv.received = on_stream};
    io_recv(io, &stream.recv, 99999);
    cr_assert(not(stream.ended));
    turns_until(stream_ended);
    cr_assert(eq(i32, stream.end, -EBADF));
    stream = (struct stream){.recv.received = on_stream};
    io_recv(io, &stream.recv, file_fd);
    turns_until(stream_ended);
    cr_assert(eq(i32, stream.end, -ENOTSOCK));
    io->v->close(io, file_fd);
}

EachBody(io_sockets, a_receive_started_again_beside_a_send_that_waits_finds_what_came_meanwhile)
{
    struct io_address bound;
    int32_t listen_fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    for (int i = 0; i < 4; i++) {
        open_stream(listen_fd, &bound);
        io_recv(io, &stream.recv, stream.fd);
        send_until_full();
        io_cancel(io, &stream.recv.op);
        turns_until(stream_ended);
        stream.ended = false;
        cr_assert(eq(sz, send(stream.client_fd, "ping", 4, 0), 4));
        if (i % 2 == 1)
            shutdown(stream.client_fd, SHUT_WR);
        turns(3);
        io_recv(io, &stream.recv, stream.fd);
        wanted_bytes = 4;
        turns_until(stream_has_wanted);
        if (i % 2 == 1)
            turns_until(stream_ended); /* and of its end */
        reset_client();
        await(&send_call);
        turns_until(stream_ended);
        io->v->close(io, stream.fd);
    }
    io->v->close(io, listen_fd);
}

/* As when a socket was given to another process: what happens to it goes on being told. */
EachBody(io_sockets, a_closed_descriptor_whose_socket_lives_on_elsewhere_disturbs_no_other)
{
    struct io_address bound, full;
    struct sockaddr_in name = {.sin_family = AF_INET};
    struct call call = {0};
    int32_t listen_fd, full_fd, copy_fd, fd;

    io_rig_open(body);
    listen_fd = listen_on_loopback(&bound);
    cr_assert(eq(int, io_address_parse("127.0.0.1", 0, &full), OK));
    cr_assert(eq(int, io->v->listen(io, &full, 0, &full_fd, &full), OK));
    name.sin_port = htons(full.port);
    memcpy(&name.sin_addr, full.ip, 4);
    for (int i = 0; i < 4; i++) { /* nobody is let in there any more */
        fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fd, (struct sockaddr *)&name, sizeof(name));
    }
    open_stream(listen_fd, &bound);
    io_recv(io, &stream.recv, stream.fd);
    turns(1);
    io_cancel(io, &stream.recv.op);
    turns_until(stream_ended);
    copy_fd = dup(stream.fd);
    io->v->close(io, stream.fd);
    cr_assert(eq(int, io->v->socket(io, AF_INET, &fd), OK));
    cr_assert(eq(i32, fd, stream.fd));
    io_connect(io, &call.op, fd, &full, on_call);
    turns(1);
    reset_client();
    turns(3);
    cr_assert(not(call.over));
    io_cancel(io, &call.op);
    cr_assert(eq(i32, await(&call), -ECANCELED));
    close(copy_fd);
    io->v->close(io, fd);
    io->v->close(io, full_fd);
    io->v->close(io, listen_fd);
}
