#include "base/check.h"
#include "base/mem.h"
#include "net/conn_private.h"

#include <errno.h>
#include <string.h>

const char *conn_close_text(enum conn_close_reason reason)
{
    static const char *const texts[CONN_CLOSE_COUNT] = {
#define CONN_CLOSE_TEXT(name, text) [CONN_CLOSE_##name] = text,
        CONN_CLOSE_LIST(CONN_CLOSE_TEXT)
#undef CONN_CLOSE_TEXT
    };
    return (unsigned)reason < CONN_CLOSE_COUNT ? texts[reason] : "?";
}

bool conn_takes_requests(const struct conn *conn)
{
    return conn->state == CONN_OPEN || conn->state == CONN_LAPSED;
}

/* It is not received from, so that nobody would notice its end (SRV-6). */
static bool is_deaf(const struct conn *conn)
{
    return conn->block != CONN_GOES && !conn->recv.op.in_flight && !conn->input_ended;
}

void conn_update_idle(struct conn *conn)
{
    bool waits_for_us = conn->outbox.working_count > 0 || conn->block == CONN_WAITS_SERVER ||
                        conn->block == CONN_WAITS_TURN;
    bool idle = conn_takes_requests(conn) && (!waits_for_us || is_deaf(conn));

    conn_server_update_idle(conn->server, conn, idle);
}

void conn_touch(struct conn *conn)
{
    conn->active_ns = loop_now_ns(conn->server->loop);
    conn_update_idle(conn);
}

/* ---- ending */

/* From now on conn_is_closing. */
static void begin_end(struct conn *conn, enum conn_state state, enum conn_close_reason reason)
{
    struct conn_server *server = conn->server;
    bool first = !conn_is_closing(conn);

    conn->state = (uint8_t)state;
    conn_update_idle(conn);
    outbox_cancel(&conn->outbox, &conn->stream);
    conn_server_mark_dirty(server, conn);
    if (!first)
        return;
    conn->close_reason = (uint8_t)reason;
    counter_add(&server->counters.closed[reason], 1);
    counter_add(&conn->traffic->ended, 1);
    if (server->events->closing != NULL)
        server->events->closing(server->context, conn, reason);
}

void conn_close(struct conn *conn, enum conn_close_reason reason)
{
    struct conn_server *server = conn->server;

    if (conn->state == CONN_CLOSING)
        return;
    conn_server_end_wait(server, conn);
    stream_shutdown(&conn->stream);
    stream_cancel(&conn->stream, &conn->recv.op);
    begin_end(conn, CONN_CLOSING, reason);
}

void conn_lapse(struct conn *conn, enum conn_close_reason reason)
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

    if (!stream_is_open(&conn->stream))
        return;
    stream_close(&conn->stream);
    conn->ticket = NULL;
    if (ticket != NULL)
        ticket->ended(ticket);
}

/* The last steps of a closing connection, as far as they can be made (CON-4). */
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

/* ---- answering */

static void conn_is_answered(struct conn_request *request)
{
    struct conn *conn = request->conn;

    if (conn->outbox.working_count == 0)
        conn_touch(conn);
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
    conn_server_owe(request->conn->server, request->conn, request->answer_bytes);
}

bool conn_request_expects(struct conn_request *request, uint64_t answer_bytes)
{
    struct conn_server *server = request->conn->server;

    if (server->answers == NULL || answer_bytes <= CONN_STEP_BYTES)
        return true;
    check(request->expected_bytes == 0);
    if (!conn_server_has_long_room(server, request->conn))
        return false;
    conn_server_owe(server, request->conn, answer_bytes);
    request->expected_bytes = answer_bytes;
    return true;
}

/* It is answered: what counts is what there is. */
static void end_expectation(struct conn_request *request)
{
    struct conn_server *server = request->conn->server;

    if (request->expected_bytes == 0)
        return;
    conn_server_settle(server, request->conn, request->expected_bytes);
    request->expected_bytes = 0;
    conn_server_budget_back(server);
}

void conn_answer(struct conn_request *request, const struct wire_segment *segments,
                 uint32_t segment_count)
{
    end_expectation(request);
    count_answer(request, segments, segment_count);
    outbox_answer(&request->conn->outbox, request, segments, segment_count);
    conn_is_answered(request);
}

void conn_answer_none(struct conn_request *request)
{
    end_expectation(request);
    request->answer_bytes = 0;
    outbox_answer_none(&request->conn->outbox, request);
    conn_is_answered(request);
}

void conn_answer_close(struct conn_request *request)
{
    end_expectation(request);
    request->answer_bytes = 0;
    outbox_answer_close(&request->conn->outbox, request);
    conn_is_answered(request);
}

/* SRV-2 counts so many of its bytes no longer. */
static void count_less(struct conn_request *request, uint32_t size_bytes)
{
    struct conn_server *server = request->conn->server;

    server->queued_request_bytes -= size_bytes;
    server->kind_bytes[request->kind] -= size_bytes;
    conn_server_budget_back(server);
}

void conn_request_drop_frame(struct conn_request *request)
{
    if (request->frame == NULL)
        return;
    buf_unref(request->frame);
    request->frame = NULL;
    request->bytes = NULL;
    if (!request->is_parked)
        count_less(request, request->size_bytes);
}

void conn_request_shrink_frame(struct conn_request *request, struct buf *smaller,
                               uint32_t size_bytes)
{
    check(request->frame != NULL && !request->is_parked && size_bytes <= request->size_bytes);
    buf_unref(request->frame);
    request->frame = smaller;
    request->bytes = smaller->bytes;
    count_less(request, request->size_bytes - size_bytes);
    request->size_bytes = size_bytes;
}

void conn_request_park(struct conn_request *request, struct slab *slab)
{
    if (request->frame == NULL || request->is_parked)
        return;
    buf_recharge_anyway(request->frame, slab);
    request->is_parked = true;
    count_less(request, request->size_bytes);
}

/* A request has left the outbox: the connection may have room for the next one. */
static void on_release(struct outbox *outbox, struct conn_request *request)
{
    struct conn *conn = container_of(outbox, struct conn, outbox);
    struct conn_server *server = conn->server;

    conn_request_drop_frame(request);
    if (server->answers != NULL) {
        conn_server_settle(server, conn, request->answer_bytes);
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
    counter_add(&conn->traffic->out_bytes, sent_bytes);
    counter_add(&server->counters.sends, 1);
    conn_touch(conn);
    conn_watch_update(conn);
    if (err == ERR_NOMEM)
        conn_close(conn, CONN_CLOSE_NO_MEMORY);
    else if (err)
        conn_lapse(conn, CONN_CLOSE_PEER_RESET); /* the receiving ends by itself */
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
    } else if (outbox_flush(&conn->outbox, &conn->stream)) {
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
        if (conn->block == CONN_WAITS_OWN && conn_has_own_room(conn))
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
    conn_update_idle(conn);
    conn_receive(conn);
    conn_server_mark_dirty(conn->server, conn);
}

/* ---- beginning */

struct conn *conn_create(struct conn_server *server, const struct conn_arrival *arrival)
{
    static const struct outbox_events outbox_events = {.sent = on_sent, .release = on_release};
    struct conn *conn = mem_try_alloc(sizeof(*conn));

    if (conn == NULL)
        return NULL;
    conn->debt = peer_debts_join(&server->debts, &arrival->peer);
    if (conn->debt == NULL) {
        mem_free(conn);
        return NULL;
    }
    conn->server = server;
    conn->listener = arrival->listener;
    check(arrival->listener_index < CONN_LISTENERS_MAX);
    conn->traffic = &server->traffic[arrival->listener_index];
    conn->ticket = arrival->ticket;
    conn->local = arrival->local;
    conn->peer = arrival->peer;
    conn->accept_number = arrival->accept_number;
    stream_init_plain(&conn->stream, server->io, arrival->fd);
    conn->active_ns = loop_now_ns(server->loop);
    frame_reader_init(&conn->frame, server->slab, server->limits.request_max_bytes);
    outbox_init(&conn->outbox, &outbox_events, &server->sends);
    conn_begin_receiving(conn);
    return conn;
}
