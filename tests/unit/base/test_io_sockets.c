#include "base/mem.h"
#include "tests/support/io_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
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
