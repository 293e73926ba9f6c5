/* Patience has an end: with peers that take their answers too slowly, with frames that come too
 * slowly, and with those that hold memory of frames which others need (conn_server.h, SRV-5).
 *
 * Connections with a send or a frame under way are looked at once a second; without them there is
 * no timer. */
#include "net/conn_private.h"

enum {
    LOOK_MS = 1000,
    PRESSED_STALL_MS = 5000, /* instead of answer_stall_ms, while answers fill their budget */
    HUNGRY_MS = 1000,        /* a connection waits so long before another is closed for it */
    PACE_PART = 16,          /* of what a frame holds */
    VICTIMS_MAX = 256,       /* of one look */
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

/* CONN_STEP_BYTES in each answer_stall_ms, or all there are. */
static bool takes_answers_too_slowly(struct conn *conn, uint64_t now_ns)
{
    const struct conn_server *server = conn->server;
    const struct budget *answers = server->answers;
    uint64_t limit_ms = server->limits.answer_stall_ms;

    if (conn->answer_mark_ns == 0 || limit_ms == 0)
        return false;
    if (conn->out_bytes - conn->answer_mark_bytes >= CONN_STEP_BYTES) {
        conn->answer_mark_ns = now_ns;
        conn->answer_mark_bytes = conn->out_bytes;
        return false;
    }
    if (answers != NULL && budget_used_bytes(answers) > answers->max_bytes / 4 * 3 &&
        limit_ms > PRESSED_STALL_MS)
        limit_ms = PRESSED_STALL_MS;
    return now_ns - conn->answer_mark_ns >= ms_to_ns(limit_ms);
}

/* CONN_STEP_BYTES in each frame_stall_ms; what waits for our memory is not to blame. */
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
        filled_bytes - conn->frame_mark_bytes < CONN_STEP_BYTES)
        return true;
    conn->frame_mark_ns = now_ns;
    conn->frame_mark_bytes = filled_bytes;
    return false;
}

static void look_at_all(struct conn_server *server, uint64_t now_ns)
{
    list_for_each_safe(node, &server->watched)
    {
        struct conn *conn = container_of(node, struct conn, watch_node);

        if (takes_answers_too_slowly(conn, now_ns))
            conn_close(conn, CONN_CLOSE_UNTAKEN);
        else if (has_partial_frame(conn) && comes_too_slowly(conn, now_ns))
            conn_close(conn, CONN_CLOSE_SLOW);
    }
}

/* ---- memory of frames */

static uint32_t held_bytes(const struct conn *conn)
{
    return conn->frame.buf == NULL ? 0 : conn->frame.buf->capacity_bytes;
}

/* While others hunger, a frame has to bring a part of what it holds in each look; what has just got
 * its memory has had no time for that. */
static bool brings_little(const struct conn *conn)
{
    return !conn->is_fed &&
           conn->frame.filled_bytes - conn->frame_look_bytes < held_bytes(conn) / PACE_PART;
}

/* Of equal ones the youngest, so that the oldest frame gets whole. */
static struct conn *heavier(struct conn *one, struct conn *other)
{
    if (one == NULL || held_bytes(other) > held_bytes(one))
        return other;
    return held_bytes(other) == held_bytes(one) && other->id > one->id ? other : one;
}

/* Whose frame gives its memory to those that wait for some: of those that bring little the one that
 * holds most; when all wait for each other, the same of those behind the first, which then gets
 * whole.  What whole frames hold comes back by itself. */
static struct conn *find_victim(struct conn_server *server)
{
    struct conn *idlest = NULL;
    struct conn *waiting = NULL;
    bool somebody_goes_on = false;

    list_for_each(node, &server->watched)
    {
        struct conn *conn = container_of(node, struct conn, watch_node);

        if (!has_partial_frame(conn))
            continue;
        if (conn->block == CONN_WAITS_MEMORY) {
            if (list_first(&server->hungry, struct conn, wait_node) != conn)
                waiting = heavier(waiting, conn);
        } else if (held_bytes(conn) > 0) {
            if (!brings_little(conn))
                somebody_goes_on = true;
            else
                idlest = heavier(idlest, conn);
        }
    }
    if (idlest != NULL)
        return idlest;
    return somebody_goes_on || !list_is_empty(&server->waiting) ? NULL : waiting;
}

/* What waits to go into its frame, or the next byte of it. */
static uint32_t coming_bytes(const struct conn *conn)
{
    uint32_t stashed_bytes = conn->stash_bytes - conn->stash_pos;

    return stashed_bytes > 0 ? stashed_bytes : 1;
}

/* What those want that hunger for too long. */
static uint64_t wanted_bytes(const struct conn_server *server, uint64_t now_ns)
{
    uint64_t sum_bytes = 0;

    list_for_each(node, &server->hungry)
    {
        const struct conn *conn = container_of(node, struct conn, wait_node);
        if (now_ns - conn->wait_ns >= ms_to_ns(HUNGRY_MS))
            sum_bytes += frame_growth_bytes(&conn->frame, coming_bytes(conn));
    }
    return sum_bytes;
}

/* Close as many as they need.  When it is the process that has no memory, the first one itself. */
static void feed_by_force(struct conn_server *server, uint64_t now_ns)
{
    uint64_t missing_bytes;
    struct conn *first;

    conn_server_feed_hungry(server);
    if (list_is_empty(&server->hungry))
        return;
    first = list_first(&server->hungry, struct conn, wait_node);
    if (now_ns - first->wait_ns >= ms_to_ns(HUNGRY_MS) &&
        frame_has_room(&first->frame, coming_bytes(first))) {
        conn_close(first, CONN_CLOSE_NO_MEMORY);
        return;
    }
    missing_bytes = wanted_bytes(server, now_ns);
    for (int i = 0; i < VICTIMS_MAX && missing_bytes > 0 && !list_is_empty(&server->hungry); i++) {
        struct conn *victim = find_victim(server);
        uint64_t freed_bytes = victim == NULL ? 0 : held_bytes(victim);
        bool is_hungry = victim != NULL && victim->block == CONN_WAITS_MEMORY;

        if (victim == NULL)
            return;
        missing_bytes -= freed_bytes < missing_bytes ? freed_bytes : missing_bytes;
        conn_close(victim, CONN_CLOSE_NO_MEMORY);
        if (is_hungry)
            return; /* one at a time */
    }
}

static void remember_frames(struct conn_server *server)
{
    list_for_each(node, &server->watched)
    {
        struct conn *conn = container_of(node, struct conn, watch_node);
        conn->frame_look_bytes = conn->frame.filled_bytes;
        conn->is_fed = false;
    }
}

static void on_watch_timer(struct timer *timer)
{
    struct conn_server *server = container_of(timer, struct conn_server, watch_timer);
    uint64_t now_ns = loop_now_ns(server->loop);

    look_at_all(server, now_ns);
    feed_by_force(server, now_ns);
    remember_frames(server);
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
