#include "tests/sim/sim_conn.h"

#include "base/mem.h"
#include "tests/sim/sim_heap.h"

#include <errno.h>

static struct sim_sock *receiver_of(const struct sim_lane *lane)
{
    return lane->conn->socks[1 - lane->from_side];
}

static bool is_blocked(const struct sim_lane *lane)
{
    const struct sim_conn *conn = lane->conn;
    uint32_t from = conn->hosts[lane->from_side];
    uint32_t to = conn->hosts[1 - lane->from_side];

    return lane->held || lane->silent || conn->net->links[from][to].held || !conn->net->host_up[to];
}

static uint64_t window_of(const struct sim_lane *lane)
{
    uint64_t unread = lane->pipe.arrived_pos - lane->pipe.read_pos;
    uint32_t bound = lane->conn->net->options.receive_bytes;

    if (receiver_of(lane) == NULL)
        return UINT64_MAX;
    return unread < bound ? bound - unread : 0;
}

void sim_lane_kick(struct sim_lane *lane, bool follows)
{
    struct sim_conn *conn = lane->conn;
    uint64_t waiting = lane->pipe.sent_pos - lane->pipe.arrived_pos;
    uint64_t delay;

    if (sim_event_is_queued(&lane->event) || is_blocked(lane) || lane->end_arrived)
        return;
    if (waiting > 0 ? window_of(lane) == 0 : lane->end == SIM_END_NONE)
        return;
    delay = sim_net_draw_delay(conn->net, conn->hosts[lane->from_side],
                               conn->hosts[1 - lane->from_side]);
    if (follows)
        delay /= 8;
    if (lane->held_until_ns > conn->net->queue->now_ns + delay)
        delay = lane->held_until_ns - conn->net->queue->now_ns;
    sim_queue_add(conn->net->queue, &lane->event, delay);
}

void sim_conn_tell(struct sim_sock *sock)
{
    if (sock != NULL && sock->notify != NULL)
        sock->notify(sock);
}

static void lane_reset_arrived(struct sim_lane *lane)
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

void sim_conn_reset(struct sim_conn *conn)
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
static void lane_refused(struct sim_lane *lane)
{
    struct sim_lane *back = &lane->conn->lanes[1 - lane->from_side];

    sim_pipe_drop(&lane->pipe);
    lane->end_arrived = true;
    if (back->end == SIM_END_RESET)
        return;
    sim_pipe_drop(&back->pipe);
    back->end = SIM_END_RESET;
    back->end_arrived = false; /* a close may have come before */
    back->silent = false;
    sim_lane_kick(back, false);
}

/* What may happen to a piece on its way.  True: it does not arrive now. */
static bool piece_suffers(struct sim_lane *lane, uint64_t size_bytes)
{
    struct sim_net *net = lane->conn->net;
    const struct sim_net_options *options = &net->options;
    uint64_t time;

    if (sim_net_by_chance(net, options->cut_ppm)) {
        uint64_t pos = lane->pipe.arrived_pos + prng_below(&net->fault_prng, size_bytes + 1);
        if (pos < lane->cut_pos)
            lane->cut_pos = pos;
    }
    if (sim_net_by_chance(net, options->silence_ppm)) {
        lane->silent = true;
        net->queue->stats.stream_silences++;
        sim_queue_note(net->queue, "net silence", lane->conn->id, lane->from_side, 0, 0);
        return true;
    }
    if (sim_net_by_chance(net, options->hold_ppm)) {
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

static uint64_t draw_piece(struct sim_lane *lane)
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

static void piece_arrives(struct sim_lane *lane, uint64_t size_bytes)
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
        sim_conn_reset(conn);
    } else {
        sim_lane_kick(lane, true);
    }
    /* neither closes a socket: notify only completes operations */
    sim_conn_tell(receiver);
    sim_conn_tell(sender);
}

static void lane_arrives(struct sim_event *event)
{
    struct sim_lane *lane = container_of(event, struct sim_lane, event);
    struct sim_conn *conn = lane->conn;
    uint64_t size;

    if (is_blocked(lane))
        return; /* kicked again on release */
    if (lane->held_until_ns > conn->net->queue->now_ns) {
        sim_lane_kick(lane, false);
        return;
    }
    if (lane->pipe.sent_pos == lane->pipe.arrived_pos) {
        sim_queue_note(conn->net->queue, "net end", conn->id, lane->from_side, lane->end, 0);
        if (lane->end == SIM_END_RESET)
            lane_reset_arrived(lane);
        else
            lane->end_arrived = true;
        sim_conn_tell(receiver_of(lane));
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
        sim_lane_kick(lane, false);
        return;
    }
    piece_arrives(lane, size);
}

struct sim_conn *sim_conn_create(struct sim_sock *client, struct sim_sock *server)
{
    struct sim_net *net = client->net;
    struct sim_conn *conn = sim_heap_own_alloc(sizeof(*conn));

    conn->net = net;
    conn->id = net->next_id++;
    conn->socks[0] = client;
    conn->socks[1] = server;
    for (uint32_t i = 0; i < 2; i++) {
        conn->hosts[i] = conn->socks[i]->host;
        conn->lanes[i] = (struct sim_lane){
            .event.fire = lane_arrives, .conn = conn, .from_side = i, .cut_pos = UINT64_MAX};
        conn->socks[i]->conn = conn;
        conn->socks[i]->side = i;
        conn->socks[i]->state = SIM_SOCK_CONNECTED;
    }
    list_push_back(&net->conns, &conn->node);
    return conn;
}

void sim_conn_leave(struct sim_sock *sock)
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
