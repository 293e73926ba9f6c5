#include "tests/sim/sim_net.h"

#include "base/check.h"
#include "base/mem.h"
#include "tests/sim/sim_pipe.h"

#include <errno.h>
#include <string.h>

enum { MILLION = 1000000, PORT_FIRST = 32768, PORT_LAST = 60999, LOOPBACK = 0x7f000001 };

enum lane_end { END_NONE, END_CLOSE, END_RESET };

/* One direction of a connection. */
struct lane {
    struct sim_event event; /* the next piece, or the end, arrives */
    struct sim_pipe pipe;
    struct sim_conn *conn;
    uint32_t from_side;
    uint64_t cut_pos; /* reset when that many bytes have arrived */
    uint64_t held_until_ns;
    bool held;
    bool silent;
    bool end_arrived;
    enum lane_end end;
};

struct sim_conn {
    struct list node;
    struct sim_net *net;
    uint64_t id;
    struct sim_sock *socks[2]; /* NULL: closed */
    uint32_t hosts[2];
    struct lane lanes[2]; /* by sending side */
};

void sim_net_options_init(struct sim_net_options *options)
{
    *options = (struct sim_net_options){
        .delay = {50 * SIM_US, SIM_MS},
        .send_bytes = 64 << 10,
        .receive_bytes = 64 << 10,
        .piece_max_bytes = 64 << 10,
        .connect_limit_ns = 75 * SIM_SECOND,
        .hold_time = {SIM_MS, 30 * SIM_SECOND},
    };
}

static uint32_t draw_rate(struct prng *prng, uint32_t max_ppm)
{
    uint32_t rate = 1 + (uint32_t)prng_below(prng, max_ppm);

    return prng_chance(prng, 1, 2) ? rate : 0;
}

void sim_net_options_draw(struct sim_net_options *options, struct prng *prng)
{
    sim_net_options_init(options);
    options->delay.max_ns = SIM_MS << prng_below(prng, 8);
    options->send_bytes = 512U << prng_below(prng, 12);
    options->receive_bytes = 512U << prng_below(prng, 12);
    options->piece_max_bytes = 1U << prng_below(prng, 18);
    if (options->piece_max_bytes < 64 && !prng_chance(prng, 1, 4))
        options->piece_max_bytes = 1460;
    options->cut_ppm = draw_rate(prng, 500);
    options->silence_ppm = draw_rate(prng, 100);
    options->hold_ppm = draw_rate(prng, 1000);
    options->refuse_ppm = draw_rate(prng, 20000);
    options->short_send_ppm = draw_rate(prng, 200000);
}

void sim_net_init(struct sim_net *net, struct sim_queue *queue,
                  const struct sim_net_options *options, const struct prng *seed)
{
    *net = (struct sim_net){.queue = queue, .options = *options, .next_port = PORT_FIRST};
    prng_fork(seed, "net delays", &net->delay_prng);
    prng_fork(seed, "net faults", &net->fault_prng);
    list_init(&net->conns);
    list_init(&net->listeners);
}

void sim_net_deinit(struct sim_net *net)
{
    check(list_is_empty(&net->listeners));
    check(list_is_empty(&net->conns));
}

static bool by_chance(struct sim_net *net, uint32_t ppm)
{
    return ppm > 0 && !net->no_faults && prng_chance(&net->fault_prng, ppm, MILLION);
}

/* --- hosts and addresses --- */

uint32_t sim_net_host_add(struct sim_net *net)
{
    check(net->hosts_count < SIM_HOSTS_MAX);
    net->host_up[net->hosts_count] = true;
    return net->hosts_count++;
}

static uint32_t host_ip4(uint32_t host)
{
    return 0x0a000001U + host;
}

static struct io_address address_of_ip4(uint32_t ip4, uint16_t port)
{
    return (struct io_address){
        .family = AF_INET,
        .port = port,
        .ip = {(uint8_t)(ip4 >> 24), (uint8_t)(ip4 >> 16), (uint8_t)(ip4 >> 8), (uint8_t)ip4}};
}

struct io_address sim_net_host_address(uint32_t host, uint16_t port)
{
    return address_of_ip4(host_ip4(host), port);
}

static uint32_t ip4_at(const uint8_t *ip)
{
    return (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 | (uint32_t)ip[2] << 8 | ip[3];
}

/* Either family as IPv4: ":: " is 0.0.0.0, "::1" is 127.0.0.1, mapped ones are themselves.
 * UINT32_MAX: anything else. */
static uint32_t ip4_of(const struct io_address *address)
{
    static const uint8_t zeros[16];

    if (address->family == AF_INET)
        return ip4_at(address->ip);
    if (memcmp(address->ip, zeros, sizeof(zeros)) == 0)
        return 0;
    if (memcmp(address->ip, zeros, 15) == 0 && address->ip[15] == 1)
        return LOOPBACK;
    if (memcmp(address->ip, zeros, 10) == 0 && address->ip[10] == 0xff && address->ip[11] == 0xff)
        return ip4_at(address->ip + 12);
    return UINT32_MAX;
}

/* The host that `from` reaches by ip4, or -1. */
static int64_t host_by_ip4(const struct sim_net *net, uint32_t from, uint32_t ip4)
{
    if (ip4 == 0 || ip4 >> 24 == LOOPBACK >> 24)
        return from;
    if (ip4 >= host_ip4(0) && ip4 < host_ip4(net->hosts_count))
        return ip4 - host_ip4(0);
    return -1;
}

/* --- lanes --- */

static struct sim_sock *receiver_of(const struct lane *lane)
{
    return lane->conn->socks[1 - lane->from_side];
}

static bool is_blocked(const struct lane *lane)
{
    const struct sim_conn *conn = lane->conn;
    uint32_t from = conn->hosts[lane->from_side];
    uint32_t to = conn->hosts[1 - lane->from_side];

    return lane->held || lane->silent || conn->net->links[from][to].held || !conn->net->host_up[to];
}

static uint64_t window_of(const struct lane *lane)
{
    uint64_t unread = lane->pipe.arrived_pos - lane->pipe.read_pos;
    uint32_t bound = lane->conn->net->options.receive_bytes;

    if (receiver_of(lane) == NULL)
        return UINT64_MAX;
    return unread < bound ? bound - unread : 0;
}

static uint64_t draw_delay(struct sim_net *net, uint32_t from, uint32_t to)
{
    const struct sim_span *span = &net->options.delay;
    uint64_t high = span->max_ns > span->min_ns ? span->max_ns : span->min_ns;

    return net->links[from][to].extra_delay_ns + span->min_ns +
           prng_below(&net->delay_prng, high - span->min_ns + 1);
}

/* Let the next piece or the end be on its way, if there is any and nothing stands against it. */
static void lane_kick(struct lane *lane, bool follows)
{
    struct sim_conn *conn = lane->conn;
    uint64_t waiting = lane->pipe.sent_pos - lane->pipe.arrived_pos;
    uint64_t delay;

    if (sim_event_is_queued(&lane->event) || is_blocked(lane) || lane->end_arrived)
        return;
    if (waiting > 0 ? window_of(lane) == 0 : lane->end == END_NONE)
        return;
    delay = draw_delay(conn->net, conn->hosts[lane->from_side], conn->hosts[1 - lane->from_side]);
    if (follows)
        delay /= 8;
    if (lane->held_until_ns > conn->net->queue->now_ns + delay)
        delay = lane->held_until_ns - conn->net->queue->now_ns;
    sim_queue_add(conn->net->queue, &lane->event, delay);
}

static void tell(struct sim_sock *sock)
{
    if (sock != NULL && sock->notify != NULL)
        sock->notify(sock);
}

static void lane_reset_arrived(struct lane *lane)
{
    struct sim_sock *receiver = receiver_of(lane);

    sim_pipe_drop(&lane->pipe);
    lane->end_arrived = true;
    if (receiver != NULL) {
        receiver->error = ECONNRESET;
        sim_pipe_drop(&lane->conn->lanes[1 - lane->from_side].pipe);
        lane->conn->lanes[1 - lane->from_side].end_arrived = true;
        sim_queue_remove(lane->conn->net->queue, &lane->conn->lanes[1 - lane->from_side].event);
    }
}

static void conn_reset(struct sim_conn *conn)
{
    sim_queue_note(conn->net->queue, "net reset", conn->id, conn->lanes[0].pipe.arrived_pos,
                   conn->lanes[1].pipe.arrived_pos, 0);
    for (int i = 0; i < 2; i++) {
        sim_queue_remove(conn->net->queue, &conn->lanes[i].event);
        sim_pipe_drop(&conn->lanes[i].pipe);
        conn->lanes[i].end_arrived = true;
        if (conn->socks[i] != NULL)
            conn->socks[i]->error = ECONNRESET;
    }
}

/* The receiver's host has no such socket (any more): it answers with a reset. */
static void lane_refused(struct lane *lane)
{
    struct lane *back = &lane->conn->lanes[1 - lane->from_side];

    sim_pipe_drop(&lane->pipe);
    lane->end_arrived = true;
    if (back->end == END_RESET)
        return;
    sim_pipe_drop(&back->pipe);
    back->end = END_RESET;
    back->end_arrived = false; /* a close may have come before */
    back->silent = false;
    lane_kick(back, false);
}

/* What may happen to a piece on its way.  True: it does not arrive now. */
static bool piece_suffers(struct lane *lane, uint64_t size_bytes)
{
    struct sim_net *net = lane->conn->net;
    const struct sim_net_options *options = &net->options;
    uint64_t time;

    if (by_chance(net, options->cut_ppm)) {
        uint64_t pos = lane->pipe.arrived_pos + prng_below(&net->fault_prng, size_bytes + 1);
        if (pos < lane->cut_pos)
            lane->cut_pos = pos;
    }
    if (by_chance(net, options->silence_ppm)) {
        lane->silent = true;
        net->queue->stats.stream_silences++;
        sim_queue_note(net->queue, "net silence", lane->conn->id, lane->from_side, 0, 0);
        return true;
    }
    if (by_chance(net, options->hold_ppm)) {
        time =
            options->hold_time.min_ns +
            prng_below(&net->fault_prng, options->hold_time.max_ns - options->hold_time.min_ns + 1);
        lane->held_until_ns = net->queue->now_ns + time;
        net->queue->stats.stream_holds++;
        sim_queue_note(net->queue, "net hold", lane->conn->id, lane->from_side, time, 0);
        return true;
    }
    return false;
}

static uint64_t draw_piece(struct lane *lane)
{
    struct sim_net *net = lane->conn->net;
    uint64_t most = lane->pipe.sent_pos - lane->pipe.arrived_pos;
    uint64_t window = window_of(lane);

    if (most > net->options.piece_max_bytes)
        most = net->options.piece_max_bytes;
    if (most > window)
        most = window;
    if (most > 1 && !prng_chance(&net->delay_prng, 1, 2))
        most = 1 + prng_below(&net->delay_prng, most);
    return most;
}

static void piece_arrives(struct lane *lane, uint64_t size_bytes)
{
    struct sim_conn *conn = lane->conn;
    struct sim_sock *sender = conn->socks[lane->from_side];
    struct sim_sock *receiver = receiver_of(lane);
    bool cut = lane->cut_pos <= lane->pipe.arrived_pos + size_bytes;

    if (cut)
        size_bytes = lane->cut_pos - lane->pipe.arrived_pos;
    lane->pipe.arrived_pos += size_bytes;
    sim_queue_note(conn->net->queue, "net arrival", conn->id, lane->from_side,
                   lane->pipe.arrived_pos, size_bytes);
    if (cut) {
        conn->net->queue->stats.stream_cuts++;
        conn_reset(conn);
    } else {
        lane_kick(lane, true);
    }
    /* neither closes a socket: notify only completes operations */
    tell(receiver);
    tell(sender);
}

static void lane_arrives(struct sim_event *event)
{
    struct lane *lane = container_of(event, struct lane, event);
    struct sim_conn *conn = lane->conn;
    uint64_t size;

    if (is_blocked(lane))
        return; /* kicked again on release */
    if (lane->held_until_ns > conn->net->queue->now_ns) {
        lane_kick(lane, false);
        return;
    }
    if (lane->pipe.sent_pos == lane->pipe.arrived_pos) {
        sim_queue_note(conn->net->queue, "net end", conn->id, lane->from_side, lane->end, 0);
        if (lane->end == END_RESET)
            lane_reset_arrived(lane);
        else
            lane->end_arrived = true;
        tell(receiver_of(lane));
        return;
    }
    if (receiver_of(lane) == NULL) {
        lane_refused(lane);
        return;
    }
    size = draw_piece(lane);
    if (size == 0)
        return; /* the window closed meanwhile; the reader kicks */
    if (piece_suffers(lane, size)) {
        lane_kick(lane, false);
        return;
    }
    piece_arrives(lane, size);
}

static struct sim_conn *conn_create(struct sim_sock *client, struct sim_sock *server)
{
    struct sim_net *net = client->net;
    struct sim_conn *conn = mem_alloc(sizeof(*conn));

    conn->net = net;
    conn->id = net->next_id++;
    conn->socks[0] = client;
    conn->socks[1] = server;
    for (uint32_t i = 0; i < 2; i++) {
        conn->hosts[i] = conn->socks[i]->host;
        conn->lanes[i] = (struct lane){
            .event.fire = lane_arrives, .conn = conn, .from_side = i, .cut_pos = UINT64_MAX};
        conn->socks[i]->conn = conn;
        conn->socks[i]->side = i;
        conn->socks[i]->state = SIM_SOCK_CONNECTED;
    }
    list_push_back(&net->conns, &conn->node);
    return conn;
}

static void conn_leave(struct sim_sock *sock)
{
    struct sim_conn *conn = sock->conn;

    conn->socks[sock->side] = NULL;
    if (conn->socks[0] != NULL || conn->socks[1] != NULL)
        return;
    for (int i = 0; i < 2; i++) {
        sim_queue_remove(conn->net->queue, &conn->lanes[i].event);
        sim_pipe_deinit(&conn->lanes[i].pipe);
    }
    list_remove(&conn->node);
    mem_free(conn);
}

static void kick_all(struct sim_net *net)
{
    list_for_each(node, &net->conns)
    {
        struct sim_conn *conn = container_of(node, struct sim_conn, node);
        lane_kick(&conn->lanes[0], false);
        lane_kick(&conn->lanes[1], false);
    }
}

void sim_net_host_set_up(struct sim_net *net, uint32_t host, bool up)
{
    net->host_up[host] = up;
    sim_queue_note(net->queue, up ? "host up" : "host down", host, 0, 0, 0);
    if (up)
        kick_all(net);
}

/* --- sockets --- */

struct sim_sock *sim_sock_create(struct sim_net *net, uint32_t host)
{
    struct sim_sock *sock = mem_alloc(sizeof(*sock));

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
        struct lane *out = &sock->conn->lanes[sock->side];
        struct lane *in = &sock->conn->lanes[1 - sock->side];
        sim_pipe_drop(&out->pipe);
        sim_pipe_skip(&in->pipe); /* nobody reads it any more */
        if (silently)
            out->silent = true;
        else if (out->end == END_NONE)
            out->end = END_RESET;
        lane_kick(out, false);
        conn_leave(sock);
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
    struct lane *out;
    struct lane *in;

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
    if (out->end == END_NONE)
        out->end = END_CLOSE;
    lane_kick(out, false);
    conn_leave(sock);
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
        uint32_t at = ip4_of(&sock->local);
        if (sock->host == host && sock->local.port == port && (at == 0 || ip4 == 0 || at == ip4))
            return sock;
    }
    return NULL;
}

static uint16_t next_port(struct sim_net *net)
{
    uint16_t port = net->next_port;

    net->next_port = port == PORT_LAST ? PORT_FIRST : (uint16_t)(port + 1);
    return port;
}

int sim_sock_listen(struct sim_sock *sock, const struct io_address *at, uint32_t backlog_max)
{
    uint32_t ip4 = ip4_of(at);
    struct io_address local = *at;

    check(sock->state == SIM_SOCK_NEW);
    if (host_by_ip4(sock->net, sock->host, ip4) != sock->host)
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
    tell(sock);
}

static void establish(struct sim_sock *client, struct sim_sock *listener)
{
    struct sim_sock *server = sim_sock_create(client->net, listener->host);
    uint32_t ip4 = ip4_of(&client->peer);
    bool inside = client->host == listener->host;

    client->local =
        address_of_ip4(inside && ip4 >> 24 == LOOPBACK >> 24 ? ip4 : host_ip4(client->host),
                       next_port(client->net));
    server->local = client->peer;
    server->peer = client->local;
    (void)conn_create(client, server);
    list_push_back(&listener->backlog, &server->waiting);
    listener->backlog_count++;
    connect_end(client, 0);
    tell(listener);
}

static void connect_arrives(struct sim_event *event)
{
    struct sim_sock *sock = container_of(event, struct sim_sock, connect_event);
    struct sim_net *net = sock->net;
    uint32_t ip4 = ip4_of(&sock->peer);
    int64_t host = host_by_ip4(net, sock->host, ip4);
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
    if (by_chance(net, net->options.refuse_ppm)) {
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
    int64_t host = host_by_ip4(sock->net, sock->host, ip4_of(to));

    check(sock->state == SIM_SOCK_NEW);
    sock->state = SIM_SOCK_CONNECTING;
    sock->peer = *to;
    sock->connect_result = 1;
    sock->connect_deadline_ns = sock->net->queue->now_ns + sock->net->options.connect_limit_ns;
    sock->connect_event.fire = connect_arrives;
    sim_queue_add(sock->net->queue, &sock->connect_event,
                  draw_delay(sock->net, sock->host, host < 0 ? sock->host : (uint32_t)host));
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
    struct lane *lane;

    if (sock->error != 0)
        return -sock->error;
    if (sock->state != SIM_SOCK_CONNECTED)
        return -ENOTCONN;
    lane = &sock->conn->lanes[sock->side];
    if (lane->end != END_NONE)
        return -EPIPE;
    for (uint32_t i = 0; i < vec_count; i++)
        size += vec[i].iov_len;
    waiting = lane->pipe.sent_pos - lane->pipe.arrived_pos;
    if (size > 0 && waiting >= net->options.send_bytes)
        return -EAGAIN;
    if (size > net->options.send_bytes - waiting)
        size = net->options.send_bytes - waiting;
    if (size > 1 && by_chance(net, net->options.short_send_ppm)) {
        size = 1 + prng_below(&net->fault_prng, size - 1);
        net->queue->stats.short_sends++;
    }
    sim_pipe_put(&lane->pipe, vec, size);
    lane_kick(lane, false);
    return (int32_t)size;
}

int32_t sim_sock_recv(struct sim_sock *sock, void *bytes, uint32_t size_bytes)
{
    struct lane *lane;
    size_t got;

    if (sock->state != SIM_SOCK_CONNECTED)
        return -ENOTCONN;
    lane = &sock->conn->lanes[1 - sock->side];
    got = sim_pipe_take(&lane->pipe, bytes, size_bytes);
    if (got > 0) {
        lane_kick(lane, false); /* the window opened */
        return (int32_t)got;
    }
    if (sock->error != 0)
        return -sock->error;
    if (lane->end_arrived || sock->conn->lanes[sock->side].end != END_NONE)
        return 0; /* the peer's end, or our own shutdown */
    return -EAGAIN;
}

bool sim_sock_is_readable(const struct sim_sock *sock)
{
    const struct lane *lane;

    if (sock->state != SIM_SOCK_CONNECTED || sock->error != 0)
        return true;
    lane = &sock->conn->lanes[1 - sock->side];
    return lane->pipe.arrived_pos > lane->pipe.read_pos || lane->end_arrived ||
           sock->conn->lanes[sock->side].end != END_NONE;
}

bool sim_sock_is_acceptable(const struct sim_sock *sock)
{
    return !list_is_empty(&sock->backlog);
}

void sim_sock_shutdown(struct sim_sock *sock)
{
    struct lane *lane;

    if (sock->state != SIM_SOCK_CONNECTED)
        return;
    lane = &sock->conn->lanes[sock->side];
    if (lane->end == END_NONE)
        lane->end = END_CLOSE;
    lane_kick(lane, false);
}

/* --- faults from a test --- */

void sim_net_hold(struct sim_net *net, uint32_t from, uint32_t to, bool held)
{
    net->links[from][to].held = held;
    net->queue->stats.stream_holds += held;
    sim_queue_note(net->queue, held ? "link held" : "link released", from, to, 0, 0);
    if (!held)
        kick_all(net);
}

void sim_net_set_delay(struct sim_net *net, uint32_t from, uint32_t to, uint64_t extra_delay_ns)
{
    net->links[from][to].extra_delay_ns = extra_delay_ns;
}

static struct lane *lane_of(struct sim_sock *sock)
{
    check(sock->conn != NULL);
    return &sock->conn->lanes[sock->side];
}

void sim_sock_hold(struct sim_sock *sock, bool held)
{
    lane_of(sock)->held = held;
    sock->net->queue->stats.stream_holds += held;
    if (!held)
        lane_kick(lane_of(sock), false);
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
    conn_reset(conn);
    tell(conn->socks[0]);
    tell(conn->socks[1]);
}

void sim_net_heal(struct sim_net *net)
{
    net->no_faults = true;
    for (uint32_t from = 0; from < net->hosts_count; from++) {
        for (uint32_t to = 0; to < net->hosts_count; to++)
            net->links[from][to] = (struct sim_link){0};
    }
    list_for_each(node, &net->conns)
    {
        struct sim_conn *conn = container_of(node, struct sim_conn, node);
        for (int i = 0; i < 2; i++) {
            conn->lanes[i].held = false;
            conn->lanes[i].held_until_ns = 0;
        }
    }
    kick_all(net);
}

uint64_t sim_sock_unread_bytes(const struct sim_sock *sock)
{
    const struct sim_pipe *pipe = &sock->conn->lanes[sock->side].pipe;

    return pipe->sent_pos - pipe->read_pos;
}

uint64_t sim_net_conn_count(const struct sim_net *net)
{
    uint64_t count = 0;

    list_for_each(node, &net->conns) count++;
    return count;
}
