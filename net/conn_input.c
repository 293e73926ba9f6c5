#include "base/check.h"
#include "base/sometimes.h"
#include "net/conn_private.h"

#include <errno.h>
#include <string.h>

enum {
    STASH_ROOM_BYTES = 64 << 10, /* what the backend hands over in one piece, at most */
    STASH_FULL_BYTES = 16 << 10, /* then a blocked connection is received from no more */
};

/* In a turn that took longer, a connection begins one request and leaves the rest to the next. */
enum { TURN_NS = 2000000 };

/* A connection's bytes walk like this:
 *
 *   on_received (a piece in a shared buffer) -> take_bytes -> frame_read until the frame is whole
 *     -> start_request -> events->request -> ... -> conn_answer -> conn_flush -> outbox
 *     -> on_release
 *
 * Frames of which much is missing are received straight into their own buffer (on_placed) between
 * two rounds of pieces.  When start_request may not go on, the connection is blocked: what comes
 * goes to the stash, and when that is full the receiving ends; conn_go_on takes it up again. */

static enum conn_close_reason reason_of(enum err err)
{
    switch (err) {
    case ERR_MALFORMED:
        return CONN_CLOSE_MALFORMED;
    case ERR_TOO_LARGE:
        return CONN_CLOSE_TOO_LARGE;
    case ERR_NOMEM:
        return CONN_CLOSE_NO_MEMORY;
    default:
        return CONN_CLOSE_PEER_RESET;
    }
}

/* Of the whole frame that waits. */
static uint8_t next_lane(const struct conn *conn)
{
    const struct conn_server *server = conn->server;

    if (server->events->lane == NULL)
        return CONN_LANE_ALONE + 1;
    return server->events->lane(server->context, conn->frame.buf->bytes, conn->frame.size_bytes);
}

/* Of the whole frame that waits. */
static bool next_is_long(const struct conn *conn)
{
    const struct conn_server *server = conn->server;

    return server->events->is_long == NULL ||
           server->events->is_long(server->context, conn->frame.buf->bytes, conn->frame.size_bytes);
}

bool conn_has_own_room(const struct conn *conn)
{
    const struct conn_limits *limits = &conn->server->limits;
    uint8_t lane = next_lane(conn);

    if (conn->outbox.working_count > 0 && (lane == CONN_LANE_ALONE || lane != conn->lane))
        return false; /* CON-5 */
    return conn->outbox.request_count < limits->in_flight_max &&
           conn->outbox.queued_bytes < limits->answer_max_bytes &&
           conn_server_lets_owe(conn->server, conn, next_is_long(conn));
}

static void cancel_recv(struct conn *conn)
{
    if (conn->recv_canceled)
        return;
    conn->recv_canceled = true;
    stream_cancel(&conn->stream, &conn->recv.op);
}

/* Would the stash find room for one more piece? */
static bool has_stash_room(const struct conn *conn)
{
    return conn->stash_bytes - conn->stash_pos < STASH_FULL_BYTES &&
           budget_room_bytes(&conn->server->slab->budget) >= STASH_ROOM_BYTES;
}

static void block(struct conn *conn, enum conn_block why)
{
    counter_add(&conn->server->counters.blocked, 1);
    conn->block = (uint8_t)why;
    if (why == CONN_WAITS_OWN)
        list_push_back(&conn->debt->waiting, &conn->debt_node); /* DEBT-2 */
    else if (why == CONN_WAITS_SERVER)
        conn_server_wait(conn->server, conn);
    else if (why == CONN_WAITS_MEMORY)
        conn_server_wait_memory(conn->server, conn);
    else if (why == CONN_WAITS_TURN)
        conn_server_mark_ready(conn->server, conn);
    if (conn->recv.op.in_flight && !conn->receiving_in_place && !has_stash_room(conn))
        cancel_recv(conn);
    conn_update_idle(conn);
}

/* Hand the whole frame to the owner.  False: the connection is blocked, the frame stays. */
static bool start_request(struct conn *conn)
{
    struct conn_server *server = conn->server;
    struct conn_request *request = NULL;
    enum conn_kind kind;
    enum err err = ERR_FULL;
    uint8_t lane;

    if (!conn_has_own_room(conn)) {
        block(conn, CONN_WAITS_OWN);
        return false;
    }
    lane = next_lane(conn);
    if (conn_server_has_budget(server, conn, lane, next_is_long(conn), &kind))
        err = server->events->create(server->context, conn, lane, &request);
    if (err == ERR_FULL) {
        conn->kind = (uint8_t)kind;
        block(conn, CONN_WAITS_SERVER);
        return false;
    }
    if (err != OK) {
        conn_close(conn, reason_of(err));
        return false;
    }
    conn->is_its_turn = false;
    request->conn = conn;
    request->kind = (uint8_t)kind;
    conn->lane = lane;
    request->frame = frame_take(&conn->frame, &request->size_bytes);
    conn->frame_mark_ns = 0;
    conn->frame_look_bytes = 0;
    if (server->request_slab != NULL) {
        buf_recharge_anyway(request->frame, server->request_slab);
        conn_server_memory_back(server);
    }
    request->bytes = request->frame->bytes;
    request->received_ns = conn->whole_ns;
    conn->whole_ns = 0;
    server->queued_request_bytes += request->size_bytes;
    server->kind_bytes[kind] += request->size_bytes;
    counter_add(&server->counters.requests, 1);
    counter_add(&conn->traffic->requests, 1);
    outbox_add(&conn->outbox, request);
    conn_update_idle(conn);
    server->events->request(server->context, request);
    return true;
}

/* Have the requests of this turn, of whomever, taken long?  (Those that are answered at once leave
 * no other trace that would stop the next one.) */
static bool is_turn_spent(const struct loop *loop)
{
    return BUGGIFY("conn: the turn is spent") ||
           clock_mono_ns(loop->clock) - loop_now_ns(loop) > TURN_NS;
}

/* Start the requests that become whole with these bytes.  Returns how many bytes are left because
 * the connection is blocked or takes no more requests. */
static uint32_t take_bytes(struct conn *conn, const uint8_t *bytes, uint32_t size_bytes)
{
    bool has_begun = false;

    while (conn_takes_requests(conn)) {
        uint32_t used;
        enum err err;

        if (frame_is_whole(&conn->frame)) {
            if (conn->whole_ns == 0)
                conn->whole_ns = loop_now_ns(conn->server->loop);
            if (has_begun && is_turn_spent(conn->server->loop)) {
                block(conn, CONN_WAITS_TURN);
                break;
            }
            if (!start_request(conn))
                break;
            has_begun = true;
            continue;
        }
        if (size_bytes == 0)
            break;
        err = frame_read(&conn->frame, bytes, size_bytes, &used);
        bytes += used;
        size_bytes -= used;
        if (err == ERR_NOMEM) {
            block(conn, CONN_WAITS_MEMORY);
            break;
        }
        if (err) {
            conn_close(conn, reason_of(err));
            break;
        }
    }
    conn_watch_update(conn);
    return size_bytes;
}

/* Keep bytes for conn_go_on.  The stash grows by what TCP has under way until the receiving ends,
 * which the backend's shared buffers bound.  Frames leave room for it (frame.h, FRM-1). */
static void stash(struct conn *conn, const uint8_t *bytes, uint32_t size_bytes)
{
    uint32_t kept_bytes = conn->stash_bytes - conn->stash_pos;
    struct buf *larger = buf_create(conn->server->slab, kept_bytes + size_bytes, 1);

    if (larger == NULL) {
        conn_close(conn, CONN_CLOSE_NO_MEMORY);
        return;
    }
    if (kept_bytes > 0)
        memcpy(larger->bytes, conn->stash->bytes + conn->stash_pos, kept_bytes);
    memcpy(larger->bytes + kept_bytes, bytes, size_bytes);
    buf_unref(conn->stash);
    conn->stash = larger;
    conn->stash_pos = 0;
    conn->stash_bytes = kept_bytes + size_bytes;
}

static void count_in(struct conn *conn, uint32_t size_bytes)
{
    conn->in_bytes += size_bytes;
    counter_add(&conn->server->counters.in_bytes, size_bytes);
    counter_add(&conn->traffic->in_bytes, size_bytes);
    conn_touch(conn);
}

static void on_placed(struct io_op *op, int32_t result);

void conn_receive(struct conn *conn)
{
    uint32_t size_bytes;
    uint8_t *bytes;

    if (conn->state == CONN_CLOSING || conn->input_ended || conn->recv.op.in_flight ||
        conn->block == CONN_WAITS_MEMORY || (conn->block != CONN_GOES && !has_stash_room(conn)))
        return;
    conn->recv_canceled = false;
    conn->receiving_in_place =
        conn_takes_requests(conn) && frame_wants_bytes_in_place(&conn->frame);
    if (!conn->receiving_in_place) {
        stream_recv(&conn->stream, &conn->recv);
        return;
    }
    if (frame_place(&conn->frame, &bytes, &size_bytes) != OK) {
        conn->receiving_in_place = false;
        block(conn, CONN_WAITS_MEMORY);
        return;
    }
    conn->place_ns = loop_now_ns(conn->server->loop);
    stream_recv_into(&conn->stream, &conn->recv.op, bytes, size_bytes, on_placed);
}

/* Receiving has ended with result <= 0. */
static void on_receive_end(struct conn *conn, int32_t result)
{
    if (conn->state == CONN_CLOSING) {
        conn_server_mark_dirty(conn->server, conn);
    } else if (result == -ECANCELED) {
        conn_receive(conn); /* ended by ourselves: blocked, or to go on in place */
        conn_update_idle(conn);
    } else {
        conn->input_ended = true;
        conn_lapse(conn, result == 0 ? CONN_CLOSE_PEER_CLOSED : CONN_CLOSE_PEER_RESET);
        conn_server_mark_dirty(conn->server, conn);
    }
}

static void on_received(struct io_recv *recv, int32_t result, const uint8_t *bytes)
{
    struct conn *conn = container_of(recv, struct conn, recv);
    uint32_t size_bytes = (uint32_t)result;
    uint32_t left_bytes;

    if (result <= 0) {
        on_receive_end(conn, result);
        return;
    }
    if (conn->state == CONN_CLOSING)
        return;
    count_in(conn, size_bytes);
    if (conn->state == CONN_DRAINING)
        return; /* read on all the same: unread bytes would reset the connection at its close */
    left_bytes = conn->block == CONN_GOES ? take_bytes(conn, bytes, size_bytes) : size_bytes;
    if (!conn_takes_requests(conn))
        return;
    if (left_bytes > 0) {
        stash(conn, bytes + (size_bytes - left_bytes), left_bytes);
        if (conn->block == CONN_WAITS_MEMORY || !has_stash_room(conn))
            cancel_recv(conn);
    } else if (conn->block == CONN_GOES && frame_wants_bytes_in_place(&conn->frame)) {
        cancel_recv(conn);
    }
}

static void on_placed(struct io_op *op, int32_t result)
{
    struct conn *conn = container_of(op, struct conn, recv.op);

    conn->receiving_in_place = false;
    if (result <= 0) {
        on_receive_end(conn, result);
        return;
    }
    if (conn->state == CONN_CLOSING) {
        conn_server_mark_dirty(conn->server, conn);
        return;
    }
    count_in(conn, (uint32_t)result);
    if (conn_takes_requests(conn)) {
        frame_filled(&conn->frame, (uint32_t)result,
                     loop_now_ns(conn->server->loop) - conn->place_ns);
        (void)take_bytes(conn, NULL, 0);
    }
    conn_receive(conn);
}

bool conn_go_on(struct conn *conn)
{
    uint64_t before = counter_read(&conn->server->counters.requests);
    uint32_t size_bytes = conn->stash_bytes - conn->stash_pos;

    if (!conn_takes_requests(conn))
        return false;
    conn_server_end_wait(conn->server, conn);
    conn_update_idle(conn);
    if (conn->stash == NULL) {
        (void)take_bytes(conn, NULL, 0);
    } else {
        uint32_t left_bytes = take_bytes(conn, conn->stash->bytes + conn->stash_pos, size_bytes);

        conn->stash_pos = conn->stash_bytes - left_bytes;
        if (left_bytes == 0) {
            buf_unref(conn->stash);
            conn->stash = NULL;
            conn->stash_pos = 0;
            conn->stash_bytes = 0;
        }
    }
    conn_receive(conn);
    if (conn->state == CONN_LAPSED)
        conn_server_mark_dirty(conn->server, conn); /* that may have been the last of it */
    return counter_read(&conn->server->counters.requests) > before;
}

void conn_begin_receiving(struct conn *conn)
{
    conn->recv.received = on_received;
    conn_receive(conn);
}
