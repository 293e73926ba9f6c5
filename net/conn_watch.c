/* Patience has an end: with peers that take no answer, with frames that come too slowly, and with
 * those that hold memory of frames which others need (conn_server.h, V5).
 *
 * Connections with a send or a frame under way are looked at once a second; without them there is
 * no timer. */
#include "net/conn_private.h"

enum {
    LOOK_MS = 1000,
    PRESSED_STALL_MS = 5000, /* instead of answer_stall_ms, while answers fill their budget */
    HUNGRY_MS = 1000,        /* a connection waits so long before another is closed for it */
};

static uint64_t ms_to_ns(uint64_t ms)
{
    return ms * 1000000U;
}

static bool has_partial_frame(const struct conn *conn)
{
    return (conn->state == CONN_OPEN || conn->state == CONN_LAPSED) &&
           frame_is_partial(&conn->frame) && !frame_is_whole(&conn->frame);
}

void conn_watch_update(struct conn *conn)
{
    struct conn_server *server = conn->server;
    bool wanted =
        conn->state != CONN_CLOSING && (conn->outbox.send != NULL || has_partial_frame(conn));

    if (wanted == list_is_linked(&conn->watch_node))
        return;
    if (!wanted) {
        list_remove(&conn->watch_node);
        return;
    }
    list_push_back(&server->watched, &conn->watch_node);
    if (!timer_is_set(&server->watch_timer))
        loop_set_timer_ms(server->loop, &server->watch_timer, LOOK_MS);
}

static bool takes_no_answer(const struct conn *conn, uint64_t now_ns)
{
    const struct conn_server *server = conn->server;
    const struct budget *answers = server->answers;
    uint64_t limit_ms = server->limits.answer_stall_ms;

    if (conn->outbox.send == NULL || limit_ms == 0)
        return false;
    if (answers != NULL && budget_used_bytes(answers) > answers->max_bytes / 4 * 3 &&
        limit_ms > PRESSED_STALL_MS)
        limit_ms = PRESSED_STALL_MS;
    return now_ns - conn->sent_ns >= ms_to_ns(limit_ms);
}

/* CONN_FRAME_STEP_BYTES in each frame_stall_ms; what waits for our memory is not to blame. */
static bool comes_too_slowly(struct conn *conn, uint64_t now_ns)
{
    uint64_t limit_ms = conn->server->limits.frame_stall_ms;
    uint32_t filled_bytes = conn->frame.filled_bytes;

    if (limit_ms == 0)
        return false;
    if (conn->frame_mark_ns != 0 && conn->block == CONN_GOES &&
        now_ns - conn->frame_mark_ns < ms_to_ns(limit_ms))
        return false;
    if (conn->frame_mark_ns != 0 && conn->block == CONN_GOES &&
        filled_bytes - conn->frame_mark_bytes < CONN_FRAME_STEP_BYTES)
        return true;
    conn->frame_mark_ns = now_ns;
    conn->frame_mark_bytes = filled_bytes;
    return false;
}

static bool holds_much(const struct conn *conn)
{
    return conn->frame.buf != NULL && conn->frame.buf->capacity_bytes > FRAME_LARGE_BYTES;
}

/* Whose frame gives its memory to those that wait for some: who has been silent longest; when all
 * wait for each other, the youngest, so that the oldest frame gets whole.  What whole frames hold
 * comes back by itself. */
static struct conn *find_victim(struct conn_server *server, uint64_t now_ns)
{
    struct conn *silent = NULL;
    struct conn *youngest = NULL;
    bool somebody_goes_on = false;

    list_for_each(node, &server->watched)
    {
        struct conn *conn = container_of(node, struct conn, watch_node);

        if (!has_partial_frame(conn))
            continue;
        if (conn->block == CONN_WAITS_MEMORY) {
            if (youngest == NULL || conn->id > youngest->id)
                youngest = conn;
        } else if (holds_much(conn)) {
            if (now_ns - conn->active_ns < ms_to_ns(HUNGRY_MS))
                somebody_goes_on = true;
            else if (silent == NULL || conn->active_ns < silent->active_ns)
                silent = conn;
        }
    }
    if (silent != NULL)
        return silent;
    if (somebody_goes_on || !list_is_empty(&server->waiting) ||
        list_first(&server->hungry, struct conn, wait_node) == youngest)
        return NULL;
    return youngest;
}

static void on_watch_timer(struct timer *timer)
{
    struct conn_server *server = container_of(timer, struct conn_server, watch_timer);
    uint64_t now_ns = loop_now_ns(server->loop);

    list_for_each_safe(node, &server->watched)
    {
        struct conn *conn = container_of(node, struct conn, watch_node);

        if (takes_no_answer(conn, now_ns))
            conn_close(conn, CONN_CLOSE_UNTAKEN);
        else if (has_partial_frame(conn) && comes_too_slowly(conn, now_ns))
            conn_close(conn, CONN_CLOSE_SLOW);
    }
    if (!list_is_empty(&server->hungry) &&
        now_ns - list_first(&server->hungry, struct conn, wait_node)->hungry_ns >=
            ms_to_ns(HUNGRY_MS)) {
        struct conn *victim = find_victim(server, now_ns);

        if (victim != NULL)
            conn_close(victim, CONN_CLOSE_NO_MEMORY);
    }
    conn_server_memory_back(server);
    if (!list_is_empty(&server->watched))
        loop_set_timer_ms(server->loop, &server->watch_timer, LOOK_MS);
}

void conn_watch_init(struct conn_server *server)
{
    list_init(&server->watched);
    timer_init(&server->watch_timer, on_watch_timer);
}

void conn_watch_deinit(struct conn_server *server)
{
    loop_cancel_timer(server->loop, &server->watch_timer);
}
