#include "base/check.h"
#include "base/mem.h"
#include "net/conn_private.h"

#include <errno.h>
#include <string.h>

/* What the backend hands over in one piece, at most. */
enum { STASH_ROOM_BYTES = 64 << 10 };

/* A connection's bytes walk like this:
 *
 *   on_received (a piece in a shared buffer) -> take_bytes -> frame_read until the frame is whole
 *     -> start_request -> events->request -> ... -> conn_answer -> conn_flush -> outbox
 *     -> on_release
 *
 * Frames of which much is missing are received straight into their own buffer (on_placed) between
 * two rounds of pieces.  When start_request may not go on, the connection is blocked: its next
 * piece goes to the stash and ends the receiving; conn_go_on takes it up again. */

const char *conn_close_text(enum conn_close_reason reason)
{
    static const char *const texts[CONN_CLOSE_COUNT] = {
#define CONN_CLOSE_TEXT(name, text) [CONN_CLOSE_##name] = text,
        CONN_CLOSE_LIST(CONN_CLOSE_TEXT)
#undef CONN_CLOSE_TEXT
    };
    return (unsigned)reason < CONN_CLOSE_COUNT ? texts[reason] : "?";
}

static bool takes_requests(const struct conn *conn)
{
    return conn->state == CONN_OPEN || conn->state == CONN_LAPSED;
}

/* Idle is who keeps us waiting: nothing is asked, or the answers are not taken. */
static void update_idle(struct conn *conn)
{
    bool idle =
        takes_requests(conn) && conn->outbox.working_count == 0 && conn->block != CONN_WAITS_SERVER;

    conn_server_update_idle(conn->server, conn, idle);
}

static void touch(struct conn *conn)
{
    conn->active_ns = loop_now_ns(conn->server->loop);
    update_idle(conn);
}

/* ---- ending */

/* From now on conn_is_closing. */
static void begin_end(struct conn *conn, enum conn_state state, enum conn_close_reason reason)
{
    struct conn_server *server = conn->server;
    bool first = !conn_is_closing(conn);

    conn->state = (uint8_t)state;
    update_idle(conn);
    outbox_cancel(&conn->outbox, server->io);
    conn_server_mark_dirty(server, conn);
    if (!first)
        return;
    conn->close_reason = (uint8_t)reason;
    counter_add(&server->counters.closed[reason], 1);
    if (server->events->closing != NULL)
        server->events->closing(server->context, conn, reason);
}

void conn_close(struct conn *conn, enum conn_close_reason reason)
{
    struct conn_server *server = conn->server;

    if (conn->state == CONN_CLOSING)
        return;
    conn_server_end_wait(server, conn);
    if (conn->fd >= 0)
        server->io->v->shutdown(server->io, conn->fd);
    io_cancel(server->io, &conn->recv.op);
    begin_end(conn, CONN_CLOSING, reason);
}

/* The peer takes no more answers: read and execute what it has sent (C6), then close. */
static void lapse(struct conn *conn, enum conn_close_reason reason)
{
    if (conn->state == CONN_OPEN)
        begin_end(conn, CONN_LAPSED, reason);
    else if (conn->state == CONN_DRAINING)
        conn_close(conn, reason);
}

/* The socket has served, and with it the place among the connections. */
static void close_socket(struct conn *conn)
{
    struct conn_ticket *ticket = conn->ticket;

    if (conn->fd < 0)
        return;
    conn->server->io->v->close(conn->server->io, conn->fd);
    conn->fd = -1;
    conn->ticket = NULL;
    if (ticket != NULL)
        ticket->ended(ticket);
}

/* The last steps of a closing connection, as far as they can be made (C4). */
static void finish(struct conn *conn)
{
    struct conn_server *server = conn->server;

    if (conn->outbox.send == NULL)
        (void)outbox_drop_answered(&conn->outbox);
    if (conn->recv.op.in_flight || conn->outbox.send != NULL)
        return;
    close_socket(conn);
    frame_reader_deinit(&conn->frame);
    buf_unref(conn->stash);
    conn->stash = NULL;
    conn_server_memory_back(server);
    if (conn->outbox.request_count > 0)
        return;
    if (server->events->closed != NULL)
        server->events->closed(server->context, conn);
    conn_server_forget(server, conn);
    mem_free(conn);
}

/* ---- receiving */

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

/* Its frame is whole: may it begin, as far as the connection is concerned? */
static bool has_own_room(const struct conn *conn)
{
    const struct conn_limits *limits = &conn->server->limits;
    uint8_t lane = next_lane(conn);

    if (conn->outbox.working_count > 0 && (lane == CONN_LANE_ALONE || lane != conn->lane))
        return false; /* C5 */
    return conn->outbox.request_count < limits->in_flight_max &&
           conn->outbox.queued_bytes < limits->answer_max_bytes;
}

static void cancel_recv(struct conn *conn)
{
    if (conn->recv_canceled)
        return;
    conn->recv_canceled = true;
    io_cancel(conn->server->io, &conn->recv.op);
}

/* Would the stash find room for a piece too many? */
static bool has_stash_room(const struct conn *conn)
{
    return budget_room_bytes(&conn->server->slab->budget) >= STASH_ROOM_BYTES;
}

static void block(struct conn *conn, enum conn_block why)
{
    counter_add(&conn->server->counters.blocked, 1);
    conn->block = (uint8_t)why;
    if (why == CONN_WAITS_SERVER)
        conn_server_wait(conn->server, conn);
    else if (why == CONN_WAITS_MEMORY)
        conn_server_wait_memory(conn->server, conn);
    if (conn->recv.op.in_flight && !conn->receiving_in_place && !has_stash_room(conn))
        cancel_recv(conn);
    update_idle(conn);
}

/* Hand the whole frame to the owner.  False: the connection is blocked, the frame stays. */
static bool start_request(struct conn *conn)
{
    struct conn_server *server = conn->server;
    struct conn_request *request = NULL;
    enum conn_kind kind;
    enum err err = ERR_FULL;
    uint8_t lane;

    if (!has_own_room(conn)) {
        block(conn, CONN_WAITS_OWN);
        return false;
    }
    lane = next_lane(conn);
    if (conn_server_has_budget(server, conn, lane, &kind))
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
    outbox_add(&conn->outbox, request);
    update_idle(conn);
    server->events->request(server->context, request);
    return true;
}

/* Start all requests that become whole with these bytes.  Returns how many bytes are left because
 * the connection is blocked or takes no more requests. */
static uint32_t take_bytes(struct conn *conn, const uint8_t *bytes, uint32_t size_bytes)
{
    while (takes_requests(conn)) {
        uint32_t used;
        enum err err;

        if (frame_is_whole(&conn->frame)) {
            if (conn->whole_ns == 0)
                conn->whole_ns = loop_now_ns(conn->server->loop);
            if (!start_request(conn))
                break;
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
 * which the backend's shared buffers bound.  Frames leave room for it (frame.h, I1). */
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
    touch(conn);
}

static void on_placed(struct io_op *op, int32_t result);

/* Receive on, unless that is under way or may not be.  A blocked connection is received from until
 * a piece too many has come, as long as there is room for that: so we learn that its peer went
 * away. */
static void receive(struct conn *conn)
{
    struct io *io = conn->server->io;
    uint32_t size_bytes;
    uint8_t *bytes;

    if (conn->state == CONN_CLOSING || conn->input_ended || conn->recv.op.in_flight ||
        conn->block == CONN_WAITS_MEMORY ||
        (conn->block != CONN_GOES && (conn->stash != NULL || !has_stash_room(conn))))
        return;
    conn->recv_canceled = false;
    conn->receiving_in_place = takes_requests(conn) && frame_wants_bytes_in_place(&conn->frame);
    if (!conn->receiving_in_place) {
        io_recv(io, &conn->recv, conn->fd);
        return;
    }
    if (frame_place(&conn->frame, &bytes, &size_bytes) != OK) {
        conn->receiving_in_place = false;
        block(conn, CONN_WAITS_MEMORY);
        return;
    }
    io_recv_into(io, &conn->recv.op, conn->fd, bytes, size_bytes, on_placed);
}

/* Receiving has ended with result <= 0. */
static void on_receive_end(struct conn *conn, int32_t result)
{
    if (conn->state == CONN_CLOSING) {
        conn_server_mark_dirty(conn->server, conn);
    } else if (result == -ECANCELED) {
        receive(conn); /* ended by ourselves: blocked, or to go on in place */
    } else {
        conn->input_ended = true;
        lapse(conn, result == 0 ? CONN_CLOSE_PEER_CLOSED : CONN_CLOSE_PEER_RESET);
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
    if (!takes_requests(conn))
        return;
    if (left_bytes > 0) {
        stash(conn, bytes + (size_bytes - left_bytes), left_bytes);
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
    if (takes_requests(conn)) {
        frame_filled(&conn->frame, (uint32_t)result);
        (void)take_bytes(conn, NULL, 0);
    }
    receive(conn);
}

bool conn_go_on(struct conn *conn)
{
    uint64_t before = counter_read(&conn->server->counters.requests);
    uint32_t size_bytes = conn->stash_bytes - conn->stash_pos;

    if (!takes_requests(conn))
        return false;
    conn_server_end_wait(conn->server, conn);
    update_idle(conn);
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
    receive(conn);
    if (conn->state == CONN_LAPSED)
        conn_server_mark_dirty(conn->server, conn); /* that may have been the last of it */
    return counter_read(&conn->server->counters.requests) > before;
}

/* ---- answering */

static void conn_is_answered(struct conn_request *request)
{
    struct conn *conn = request->conn;

    if (conn->outbox.working_count == 0)
        touch(conn);
    if (conn_is_closing(conn) || outbox_is_first(&conn->outbox, request))
        conn_server_mark_dirty(conn->server, conn);
}

/* Bytes that belong to others (slices of a log) are their owners' to count. */
static void count_answer(struct conn_request *request, const struct wire_segment *segments,
                         uint32_t segment_count)
{
    struct budget *answers = request->conn->server->answers;
    uint64_t own_bytes = 0;

    if (answers == NULL)
        return;
    for (uint32_t i = 0; i < segment_count; i++)
        if (segments[i].owner == NULL)
            own_bytes += segments[i].size_bytes;
    if (request->answer_bytes < own_bytes)
        request->answer_bytes = own_bytes;
    budget_force(answers, request->answer_bytes);
}

void conn_answer(struct conn_request *request, const struct wire_segment *segments,
                 uint32_t segment_count)
{
    count_answer(request, segments, segment_count);
    outbox_answer(&request->conn->outbox, request, segments, segment_count);
    conn_is_answered(request);
}

void conn_answer_none(struct conn_request *request)
{
    request->answer_bytes = 0;
    outbox_answer_none(&request->conn->outbox, request);
    conn_is_answered(request);
}

void conn_answer_close(struct conn_request *request)
{
    request->answer_bytes = 0;
    outbox_answer_close(&request->conn->outbox, request);
    conn_is_answered(request);
}

void conn_request_drop_frame(struct conn_request *request)
{
    struct conn_server *server = request->conn->server;

    if (request->frame == NULL)
        return;
    buf_unref(request->frame);
    request->frame = NULL;
    request->bytes = NULL;
    server->queued_request_bytes -= request->size_bytes;
    server->kind_bytes[request->kind] -= request->size_bytes;
    conn_server_budget_back(server);
}

/* A request has left the outbox: the connection may have room for the next one. */
static void on_release(struct outbox *outbox, struct conn_request *request)
{
    struct conn *conn = container_of(outbox, struct conn, outbox);
    struct conn_server *server = conn->server;

    conn_request_drop_frame(request);
    if (server->answers != NULL) {
        budget_give(server->answers, request->answer_bytes);
        request->answer_bytes = 0;
    }
    request->release(request);
    conn_server_budget_back(server); /* of create */
}

static void on_sent(struct outbox *outbox, uint32_t sent_bytes, enum err err)
{
    struct conn *conn = container_of(outbox, struct conn, outbox);
    struct conn_server *server = conn->server;

    conn->out_bytes += sent_bytes;
    counter_add(&server->counters.out_bytes, sent_bytes);
    counter_add(&server->counters.sends, 1);
    touch(conn);
    conn_watch_update(conn);
    if (err == ERR_NOMEM)
        conn_close(conn, CONN_CLOSE_NO_MEMORY);
    else if (err)
        lapse(conn, CONN_CLOSE_PEER_RESET); /* the receiving ends by itself */
    conn_server_mark_dirty(server, conn);
}

/* Time runs for the peer as long as there is something for it to take. */
static void mark_answers(struct conn *conn)
{
    if (conn->outbox.send == NULL) {
        conn->answer_mark_ns = 0;
    } else if (conn->answer_mark_ns == 0) {
        conn->answer_mark_ns = loop_now_ns(conn->server->loop);
        conn->answer_mark_bytes = conn->out_bytes;
    }
}

/* What is ready leaves, or is dropped. */
static void flush_answers(struct conn *conn)
{
    if (conn->state == CONN_LAPSED) {
        if (conn->outbox.send == NULL && outbox_drop_answered(&conn->outbox))
            conn_close(conn, CONN_CLOSE_REFUSED);
    } else if (outbox_flush(&conn->outbox, conn->server->io, conn->fd)) {
        conn_close(conn, CONN_CLOSE_REFUSED);
    } else if (conn->state == CONN_DRAINING && conn->outbox.request_count == 0) {
        conn_close(conn, CONN_CLOSE_STOPPED);
    }
    mark_answers(conn);
}

/* Nothing is left to begin of what a lapsed peer has sent. */
static bool is_spent(const struct conn *conn)
{
    return conn->input_ended && conn->block == CONN_GOES && conn->stash == NULL;
}

void conn_flush(struct conn *conn)
{
    if (conn->state != CONN_CLOSING) {
        flush_answers(conn);
        conn_watch_update(conn);
        if (conn->block == CONN_WAITS_OWN && has_own_room(conn))
            conn_server_mark_ready(conn->server, conn);
        if (conn->state == CONN_LAPSED && conn->input_ended && conn->outbox.send == NULL)
            close_socket(conn);
        if (conn->state == CONN_LAPSED && is_spent(conn))
            conn_close(conn, (enum conn_close_reason)conn->close_reason);
    }
    if (conn->state == CONN_CLOSING)
        finish(conn);
}

void conn_drain(struct conn *conn)
{
    if (conn->state == CONN_LAPSED)
        conn_close(conn, CONN_CLOSE_STOPPED);
    if (conn->state != CONN_OPEN)
        return;
    conn->state = CONN_DRAINING;
    conn_server_end_wait(conn->server, conn);
    update_idle(conn);
    receive(conn);
    conn_server_mark_dirty(conn->server, conn);
}

/* ---- beginning */

struct conn *conn_create(struct conn_server *server, const struct conn_arrival *arrival)
{
    static const struct outbox_events outbox_events = {.sent = on_sent, .release = on_release};
    struct conn *conn = mem_try_alloc(sizeof(*conn));

    if (conn == NULL)
        return NULL;
    conn->server = server;
    conn->listener = arrival->listener;
    conn->ticket = arrival->ticket;
    conn->local = arrival->local;
    conn->peer = arrival->peer;
    conn->fd = arrival->fd;
    conn->active_ns = loop_now_ns(server->loop);
    frame_reader_init(&conn->frame, server->slab, server->limits.request_max_bytes);
    outbox_init(&conn->outbox, &outbox_events, &server->sends);
    conn->recv.received = on_received;
    receive(conn);
    return conn;
}
