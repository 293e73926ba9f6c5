#include "tests/sim/sim_sock.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_conn.h"
#include "tests/sim/sim_heap.h"

#include <errno.h>

struct sim_sock *sim_sock_create(struct sim_net *net, uint32_t host)
{
    struct sim_sock *sock = sim_heap_own_alloc(sizeof(*sock));

    sock->net = net;
    sock->id = net->next_id++;
    sock->host = host;
    list_init(&sock->backlog);
    return sock;
}

static void sock_free(struct sim_sock *sock)
{
    if (sock->state == SIM_SOCK_LISTENING)
        list_remove(&sock->node);
    sim_queue_remove(sock->net->queue, &sock->connect_event);
    mem_free(sock);
}

/* Leave the connection with a reset, or with nothing at all. */
static void sock_drop(struct sim_sock *sock, bool silently)
{
    if (sock->conn != NULL) {
        struct sim_lane *out = &sock->conn->lanes[sock->side];
        struct sim_lane *in = &sock->conn->lanes[1 - sock->side];
        sim_pipe_drop(&out->pipe);
        sim_pipe_skip(&in->pipe); /* nobody reads it any more */
        if (silently)
            out->silent = true;
        else if (out->end == SIM_END_NONE)
            out->end = SIM_END_RESET;
        sim_lane_kick(out, false);
        sim_conn_leave(sock);
    }
    sock_free(sock);
}

static void backlog_drop(struct sim_sock *listener, bool silently)
{
    while (!list_is_empty(&listener->backlog)) {
        struct sim_sock *sock = list_first(&listener->backlog, struct sim_sock, waiting);
        list_remove(&sock->waiting);
        sock_drop(sock, silently);
    }
}

void sim_sock_close(struct sim_sock *sock)
{
    struct sim_lane *out;
    struct sim_lane *in;

    backlog_drop(sock, false);
    if (sock->conn == NULL) {
        sock_free(sock);
        return;
    }
    out = &sock->conn->lanes[sock->side];
    in = &sock->conn->lanes[1 - sock->side];
    if (in->pipe.arrived_pos > in->pipe.read_pos) {
        sock_drop(sock, false); /* tcp(7): data not read, so a reset */
        return;
    }
    if (out->end == SIM_END_NONE)
        out->end = SIM_END_CLOSE;
    sim_lane_kick(out, false);
    sim_conn_leave(sock);
    sock_free(sock);
}

void sim_sock_abandon(struct sim_sock *sock)
{
    backlog_drop(sock, true);
    sock_drop(sock, true);
}

static struct sim_sock *find_listener(const struct sim_net *net, uint32_t host, uint32_t ip4,
                                      uint16_t port)
{
    list_for_each(node, &net->listeners)
    {
        struct sim_sock *sock = container_of(node, struct sim_sock, node);
        uint32_t at = sim_net_ip4_of(&sock->local);
        if (sock->host == host && sock->local.port == port && (at == 0 || ip4 == 0 || at == ip4))
            return sock;
    }
    return NULL;
}

static uint16_t next_port(struct sim_net *net)
{
    uint16_t port = net->next_port;

    net->next_port = port == SIM_PORT_LAST ? SIM_PORT_FIRST : (uint16_t)(port + 1);
    return port;
}

int sim_sock_listen(struct sim_sock *sock, const struct io_address *at, uint32_t backlog_max)
{
    uint32_t ip4 = sim_net_ip4_of(at);
    struct io_address local = *at;

    check(sock->state == SIM_SOCK_NEW);
    if (sim_net_host_by_ip4(sock->net, sock->host, ip4) != sock->host)
        return -EADDRNOTAVAIL;
    while (local.port == 0) {
        uint16_t port = next_port(sock->net);
        if (find_listener(sock->net, sock->host, ip4, port) == NULL)
            local.port = port;
    }
    if (find_listener(sock->net, sock->host, ip4, local.port) != NULL)
        return -EADDRINUSE;
    sock->state = SIM_SOCK_LISTENING;
    sock->local = local;
    sock->backlog_max = backlog_max == 0 ? 1 : backlog_max;
    list_push_back(&sock->net->listeners, &sock->node);
    return 0;
}

struct sim_sock *sim_sock_accept(struct sim_sock *listener)
{
    struct sim_sock *sock;

    if (list_is_empty(&listener->backlog))
        return NULL;
    sock = list_first(&listener->backlog, struct sim_sock, waiting);
    list_remove(&sock->waiting);
    listener->backlog_count--;
    return sock;
}

static void connect_end(struct sim_sock *sock, int result)
{
    sock->connect_result = result;
    if (result != 0)
        sock->state = SIM_SOCK_NEW;
    sim_queue_note(sock->net->queue, "net connect", sock->id, sock->host, (uint64_t)-result, 0);
    sim_conn_tell(sock);
}

static void establish(struct sim_sock *client, struct sim_sock *listener)
{
    struct sim_sock *server = sim_sock_create(client->net, listener->host);
    uint32_t ip4 = sim_net_ip4_of(&client->peer);
    bool inside = client->host == listener->host;

    client->local = sim_net_address(
        inside && ip4 >> 24 == SIM_LOOPBACK >> 24 ? ip4 : sim_net_host_ip4(client->host),
        next_port(client->net));
    server->local = client->peer;
    server->peer = client->local;
    (void)sim_conn_create(client, server);
    list_push_back(&listener->backlog, &server->waiting);
    listener->backlog_count++;
    connect_end(client, 0);
    sim_conn_tell(listener);
}

static void connect_arrives(struct sim_event *event)
{
    struct sim_sock *sock = container_of(event, struct sim_sock, connect_event);
    struct sim_net *net = sock->net;
    uint32_t ip4 = sim_net_ip4_of(&sock->peer);
    int64_t host = sim_net_host_by_ip4(net, sock->host, ip4);
    struct sim_sock *listener;

    if (host < 0) {
        connect_end(sock, -EHOSTUNREACH);
        return;
    }
    listener = find_listener(net, (uint32_t)host, ip4, sock->peer.port);
    if (!net->host_up[host] || net->links[sock->host][host].held ||
        net->links[host][sock->host].held ||
        (listener != NULL && listener->backlog_count >= listener->backlog_max)) {
        if (net->queue->now_ns >= sock->connect_deadline_ns)
            connect_end(sock, -ETIMEDOUT);
        else
            sim_queue_add(net->queue, event, SIM_SECOND); /* the kernel asks again */
        return;
    }
    if (sim_net_by_chance(net, net->options.refuse_ppm)) {
        net->queue->stats.connect_refusals++;
        listener = NULL;
    }
    if (listener == NULL)
        connect_end(sock, -ECONNREFUSED);
    else
        establish(sock, listener);
}

void sim_sock_connect(struct sim_sock *sock, const struct io_address *to)
{
    int64_t host = sim_net_host_by_ip4(sock->net, sock->host, sim_net_ip4_of(to));

    check(sock->state == SIM_SOCK_NEW);
    sock->state = SIM_SOCK_CONNECTING;
    sock->peer = *to;
    sock->connect_result = 1;
    sock->connect_deadline_ns = sock->net->queue->now_ns + sock->net->options.connect_limit_ns;
    sock->connect_event.fire = connect_arrives;
    sim_queue_add(
        sock->net->queue, &sock->connect_event,
        sim_net_draw_delay(sock->net, sock->host, host < 0 ? sock->host : (uint32_t)host));
}

void sim_sock_connect_cancel(struct sim_sock *sock)
{
    sim_queue_remove(sock->net->queue, &sock->connect_event);
    if (sock->state == SIM_SOCK_CONNECTING)
        sock->state = SIM_SOCK_NEW;
}

int32_t sim_sock_send(struct sim_sock *sock, const struct iovec *vec, uint32_t vec_count)
{
    struct sim_net *net = sock->net;
    uint64_t size = 0;
    uint64_t waiting;
    struct sim_lane *lane;

    if (sock->error != 0)
        return -sock->error;
    if (sock->state != SIM_SOCK_CONNECTED)
        return -ENOTCONN;
    lane = &sock->conn->lanes[sock->side];
    if (lane->end != SIM_END_NONE)
        return -EPIPE;
    for (uint32_t i = 0; i < vec_count; i++)
        size += vec[i].iov_len;
    waiting = lane->pipe.sent_pos - lane->pipe.arrived_pos;
    if (size > 0 && waiting >= net->options.send_bytes)
        return -EAGAIN;
    if (size > net->options.send_bytes - waiting)
        size = net->options.send_bytes - waiting;
    if (size > 1 && sim_net_by_chance(net, net->options.short_send_ppm)) {
        size = 1 + prng_below(&net->fault_prng, size - 1);
        net->queue->stats.short_sends++;
    }
    sim_pipe_put(&lane->pipe, vec, size);
    sim_lane_kick(lane, false);
    return (int32_t)size;
}

int32_t sim_sock_recv(struct sim_sock *sock, void *bytes, uint32_t size_bytes)
{
    struct sim_lane *lane;
    size_t got;

    if (sock->state != SIM_SOCK_CONNECTED)
        return -ENOTCONN;
    lane = &sock->conn->lanes[1 - sock->side];
    got = sim_pipe_take(&lane->pipe, bytes, size_bytes);
    if (got > 0) {
        sim_lane_kick(lane, false); /* the window opened */
        return (int32_t)got;
    }
    if (sock->error != 0)
        return -sock->error;
    if (lane->end_arrived || sock->conn->lanes[sock->side].end != SIM_END_NONE)
        return 0; /* the peer's end, or our own shutdown */
    return -EAGAIN;
}

bool sim_sock_is_readable(const struct sim_sock *sock)
{
    const struct sim_lane *lane;

    if (sock->state != SIM_SOCK_CONNECTED || sock->error != 0)
        return true;
    lane = &sock->conn->lanes[1 - sock->side];
    return lane->pipe.arrived_pos > lane->pipe.read_pos || lane->end_arrived ||
           sock->conn->lanes[sock->side].end != SIM_END_NONE;
}

bool sim_sock_is_acceptable(const struct sim_sock *sock)
{
    return !list_is_empty(&sock->backlog);
}

void sim_sock_shutdown(struct sim_sock *sock)
{
    struct sim_lane *lane;

    if (sock->state != SIM_SOCK_CONNECTED)
        return;
    lane = &sock->conn->lanes[sock->side];
    if (lane->end == SIM_END_NONE)
        lane->end = SIM_END_CLOSE;
    sim_lane_kick(lane, false);
}

/* --- faults from a test --- */

static struct sim_lane *lane_of(struct sim_sock *sock)
{
    check(sock->conn != NULL);
    return &sock->conn->lanes[sock->side];
}

void sim_sock_hold(struct sim_sock *sock, bool held)
{
    lane_of(sock)->held = held;
    sock->net->queue->stats.stream_holds += held;
    if (!held)
        sim_lane_kick(lane_of(sock), false);
}

void sim_sock_cut_after(struct sim_sock *sock, uint64_t size_bytes)
{
    lane_of(sock)->cut_pos = lane_of(sock)->pipe.arrived_pos + size_bytes;
}

void sim_sock_silence(struct sim_sock *sock)
{
    lane_of(sock)->silent = true;
    sock->net->queue->stats.stream_silences++;
}

void sim_sock_reset(struct sim_sock *sock)
{
    struct sim_conn *conn = sock->conn;

    check(conn != NULL);
    sock->net->queue->stats.stream_cuts++;
    sim_conn_reset(conn);
    sim_conn_tell(conn->socks[0]);
    sim_conn_tell(conn->socks[1]);
}

uint64_t sim_sock_unread_bytes(const struct sim_sock *sock)
{
    const struct sim_pipe *pipe = &sock->conn->lanes[sock->side].pipe;

    return pipe->sent_pos - pipe->read_pos;
}
