#include "net/conn_server.h"

#include "base/check.h"
#include "net/conn_private.h"

/* ---- tasks */

static void run_flush(struct task *task)
{
    struct conn_server *server = container_of(task, struct conn_server, flush_task);
    struct list dirty;
    struct list *node;

    list_init(&dirty);
    list_splice_back(&dirty, &server->dirty);
    while ((node = list_pop_front(&dirty)) != NULL)
        conn_flush(container_of(node, struct conn, dirty_node));
}

static uint64_t quarter_of_requests(const struct conn_server *server)
{
    return server->request_slab == NULL ? UINT64_MAX : server->request_slab->budget.max_bytes / 4;
}

/* Within the part of SRV-2 in which a kind goes on past the other. */
static bool is_within_own_part(const struct conn_server *server, const struct conn *conn,
                               enum conn_kind kind)
{
    return server->kind_bytes[kind] + conn->frame.size_bytes <= quarter_of_requests(server);
}

/* Has somebody else, for whom there is no room, the right of way (SRV-3)? */
static bool is_behind(const struct conn_server *server, const struct conn *conn,
                      enum conn_kind kind, const bool blocked[CONN_KIND_COUNT])
{
    if (blocked[kind])
        return true;
    return kind != CONN_LONG && blocked[kind == CONN_BULK ? CONN_SMALL : CONN_BULK] &&
           !is_within_own_part(server, conn, kind);
}

/* Let the ready ones go on, but for those behind one of them that finds no room.  If that one got
 * nothing it keeps its place in front; else it goes to the back (SRV-3). */
static void go_on_ready(struct conn_server *server)
{
    bool spent[CONN_KIND_COUNT] = {false};
    struct list ready, first, last;
    struct list *node;

    list_init(&ready);
    list_init(&first);
    list_init(&last);
    list_splice_back(&ready, &server->ready);
    while ((node = list_pop_front(&ready)) != NULL) {
        struct conn *conn = container_of(node, struct conn, wait_node);
        bool waited = conn->block == CONN_WAITS_SERVER;
        uint64_t since_ns = conn->wait_ns;
        bool got_something;

        if (waited && is_behind(server, conn, (enum conn_kind)conn->kind, spent)) {
            list_push_back(&first, &conn->wait_node);
            continue;
        }
        conn->is_its_turn = waited;
        got_something = conn_go_on(conn);
        conn->is_its_turn = false;
        if (conn->block != CONN_WAITS_SERVER)
            continue;
        list_remove(&conn->wait_node);
        if (got_something || !waited) {
            list_push_back(&last, &conn->wait_node);
            continue;
        }
        spent[conn->kind] = true;
        conn->wait_ns = since_ns;
        list_push_back(&first, &conn->wait_node);
    }
    list_splice_back(&first, &server->waiting);
    list_splice_back(&first, &last);
    list_splice_back(&server->waiting, &first);
}

/* Does its next piece make a buffer of which frames leave more to others (frame.c, DUR-I1)? */
static bool wants_much(const struct conn *conn)
{
    uint32_t stashed_bytes = conn->stash_bytes - conn->stash_pos;

    return frame_growth_bytes(&conn->frame, stashed_bytes > 0 ? stashed_bytes : 1) >
           FRAME_LARGE_BYTES;
}

void conn_server_feed_hungry(struct conn_server *server)
{
    bool refused[2] = {false}; /* the first one for whom there is no room, by wants_much */
    struct list hungry, kept;
    struct list *node;

    list_init(&hungry);
    list_init(&kept);
    list_splice_back(&hungry, &server->hungry);
    while ((node = list_pop_front(&hungry)) != NULL) {
        struct conn *conn = container_of(node, struct conn, wait_node);
        uint64_t since_ns = conn->wait_ns;
        bool much = wants_much(conn);

        if (!refused[much]) {
            (void)conn_go_on(conn);
            conn->is_fed = conn->block != CONN_WAITS_MEMORY;
            if (conn->is_fed)
                continue;
            list_remove(&conn->wait_node);
            conn->wait_ns = since_ns;
            refused[much] = true;
        }
        list_push_back(&kept, &conn->wait_node);
    }
    list_splice_back(&kept, &server->hungry);
    list_splice_back(&server->hungry, &kept);
}

static void run_go_on(struct task *task)
{
    struct conn_server *server = container_of(task, struct conn_server, go_on_task);

    go_on_ready(server);
    conn_server_feed_hungry(server);
}

static void tell_stopped(struct task *task)
{
    struct conn_server *server = container_of(task, struct conn_server, stopped_task);

    server->stopped(server);
}

static void stop_if_empty(struct conn_server *server)
{
    if (!server->stopping || server->conn_count > 0 || server->stop_told)
        return;
    server->stop_told = true;
    loop_cancel_timer(server->loop, &server->stop_timer);
    loop_defer(server->loop, &server->stopped_task);
}

/* ---- idleness */

static void set_idle_timer(struct conn_server *server)
{
    struct conn *oldest;

    if (list_is_empty(&server->idle))
        return;
    oldest = list_first(&server->idle, struct conn, idle_node);
    timer_set(&server->loop->timers, &server->idle_timer,
              clock_deadline_ns(oldest->active_ns, server->limits.idle_max_ms));
}

static void on_idle_timer(struct timer *timer)
{
    struct conn_server *server = container_of(timer, struct conn_server, idle_timer);
    uint64_t now_ns = loop_now_ns(server->loop);

    while (!list_is_empty(&server->idle)) {
        struct conn *oldest = list_first(&server->idle, struct conn, idle_node);

        if (clock_deadline_ns(oldest->active_ns, server->limits.idle_max_ms) > now_ns)
            break;
        conn_close(oldest, CONN_CLOSE_IDLE); /* leaves the list */
    }
    set_idle_timer(server);
}

void conn_server_update_idle(struct conn_server *server, struct conn *conn, bool idle)
{
    if (list_is_linked(&conn->idle_node))
        list_remove(&conn->idle_node);
    if (!idle || server->limits.idle_max_ms == 0)
        return;
    list_push_back(&server->idle, &conn->idle_node);
    if (!timer_is_set(&server->idle_timer)) /* else it comes too early at worst */
        set_idle_timer(server);
}

/* ---- what conn asks for */

void conn_server_mark_dirty(struct conn_server *server, struct conn *conn)
{
    if (!list_is_linked(&conn->dirty_node))
        list_push_back(&server->dirty, &conn->dirty_node);
    loop_defer(server->loop, &server->flush_task);
}

void conn_server_mark_ready(struct conn_server *server, struct conn *conn)
{
    if (!list_is_linked(&conn->wait_node))
        list_push_back(&server->ready, &conn->wait_node);
    loop_defer(server->loop, &server->go_on_task);
}

void conn_server_wait(struct conn_server *server, struct conn *conn)
{
    check(!list_is_linked(&conn->wait_node));
    conn->wait_ns = loop_now_ns(server->loop);
    list_push_back(&server->waiting, &conn->wait_node);
    server->waiting_count[conn->kind]++;
    if (!timer_is_set(&server->press_timer))
        loop_set_timer_ms(server->loop, &server->press_timer, CONN_PRESS_MS);
}

void conn_server_end_wait(struct conn_server *server, struct conn *conn)
{
    if (list_is_linked(&conn->wait_node))
        list_remove(&conn->wait_node);
    if (list_is_linked(&conn->debt_node))
        list_remove(&conn->debt_node);
    if (conn->block == CONN_WAITS_SERVER)
        server->waiting_count[conn->kind]--;
    conn->block = CONN_GOES;
}

static uint32_t waiting_count(const struct conn_server *server)
{
    uint32_t count = 0;

    for (int kind = 0; kind < CONN_KIND_COUNT; kind++)
        count += server->waiting_count[kind];
    return count;
}

/* Who waits long waits for those that wait for something else. */
static void on_press_timer(struct timer *timer)
{
    struct conn_server *server = container_of(timer, struct conn_server, press_timer);
    bool is_pressed = false;

    list_for_each(node, &server->waiting)
    {
        const struct conn *conn = container_of(node, struct conn, wait_node);
        is_pressed |= loop_now_ns(server->loop) - conn->wait_ns >= CONN_PRESS_MS * 1000000ULL;
    }
    if (is_pressed && server->events->pressed != NULL)
        server->events->pressed(server->context);
    conn_server_budget_back(server);
    if (waiting_count(server) > 0)
        loop_set_timer_ms(server->loop, &server->press_timer, CONN_PRESS_MS);
}

void conn_server_budget_back(struct conn_server *server)
{
    if (list_is_empty(&server->waiting))
        return;
    list_splice_back(&server->ready, &server->waiting);
    loop_defer(server->loop, &server->go_on_task);
}

void conn_server_wait_memory(struct conn_server *server, struct conn *conn)
{
    check(!list_is_linked(&conn->wait_node));
    conn->wait_ns = loop_now_ns(server->loop);
    list_push_back(&server->hungry, &conn->wait_node);
}

void conn_server_memory_back(struct conn_server *server)
{
    if (!list_is_empty(&server->hungry))
        loop_defer(server->loop, &server->go_on_task);
}

/* SRV-2: one bulk request may pass the limit when no other is in work, or all that are. */
static bool has_request_room(const struct conn_server *server, const struct conn *conn,
                             enum conn_kind kind)
{
    uint32_t size_bytes = conn->frame.size_bytes;
    const struct budget *budget;
    uint64_t bulk_max_bytes;
    uint64_t used_bytes;

    if (server->limits.queued_request_max_bytes != 0 &&
        server->queued_request_bytes >= server->limits.queued_request_max_bytes)
        return false;
    if (server->request_slab == NULL)
        return true;
    budget = &server->request_slab->budget;
    used_bytes = budget_used_bytes(budget);
    bulk_max_bytes = budget->max_bytes / 4 * 3;
    if (used_bytes == 0)
        return true;
    if (kind == CONN_BULK && size_bytes > bulk_max_bytes)
        return server->kind_bytes[CONN_BULK] == 0;
    if (size_bytes > budget->max_bytes || used_bytes > budget->max_bytes - size_bytes)
        return false;
    return kind == CONN_SMALL || server->kind_bytes[CONN_BULK] + size_bytes <= bulk_max_bytes;
}

/* Is there room in the quarters of the answers' budget that a request may use (SRV-4)? */
static bool has_answer_room(const struct conn_server *server, bool is_long, bool owes)
{
    uint64_t max_bytes, used_bytes, part_bytes;

    if (server->answers == NULL)
        return true;
    max_bytes = server->answers->max_bytes;
    used_bytes = budget_used_bytes(server->answers);
    part_bytes = is_long ? max_bytes / 4 * 3 : max_bytes / 4;
    if (used_bytes >= max_bytes)
        return false;
    used_bytes = is_long ? server->long_answer_bytes : used_bytes - server->long_answer_bytes;
    return used_bytes < (owes ? part_bytes / 4 * 3 : part_bytes);
}

enum { ADDRESS_PART = 2 }; /* of a part, that the connections of one address may owe */

/* What an address may owe of the long answers, or of the others. */
static uint64_t address_max_bytes(const struct conn_server *server, bool is_long)
{
    uint64_t quarter_bytes = server->answers->max_bytes / 4;

    return (is_long ? quarter_bytes * 3 : quarter_bytes) / ADDRESS_PART;
}

bool conn_server_has_address_room(const struct conn_server *server, const struct conn *conn,
                                  bool is_long)
{
    uint64_t owed_bytes = is_long ? conn->debt->long_bytes : conn->debt->short_bytes;

    return server->answers == NULL || owed_bytes == 0 ||
           owed_bytes < address_max_bytes(server, is_long);
}

static uint64_t *debt_of(struct conn *conn, uint64_t bytes)
{
    return bytes > CONN_STEP_BYTES ? &conn->debt->long_bytes : &conn->debt->short_bytes;
}

void conn_server_owe(struct conn_server *server, struct conn *conn, uint64_t bytes)
{
    budget_force(server->answers, bytes);
    *debt_of(conn, bytes) += bytes;
    if (bytes > CONN_STEP_BYTES)
        server->long_answer_bytes += bytes;
}

void conn_server_settle(struct conn_server *server, struct conn *conn, uint64_t bytes)
{
    bool is_long = bytes > CONN_STEP_BYTES;
    bool was_full = !conn_server_has_address_room(server, conn, is_long);

    budget_give(server->answers, bytes);
    *debt_of(conn, bytes) -= bytes;
    if (is_long)
        server->long_answer_bytes -= bytes;
    if (!was_full || !conn_server_has_address_room(server, conn, is_long))
        return;
    list_for_each(node, &conn->debt->waiting) /* DEBT-2 */
        conn_server_mark_ready(server, container_of(node, struct conn, debt_node));
}

bool conn_server_lets_owe(const struct conn_server *server, const struct conn *conn, bool is_long)
{
    return conn_server_has_address_room(server, conn, is_long) &&
           (conn->outbox.queued_bytes == 0 || has_answer_room(server, is_long, true));
}

bool conn_server_has_long_room(const struct conn_server *server, const struct conn *conn)
{
    return conn_server_has_address_room(server, conn, true) &&
           has_answer_room(server, true, conn->outbox.queued_bytes > 0);
}

bool conn_server_has_budget(const struct conn_server *server, const struct conn *conn, uint8_t lane,
                            bool is_long, enum conn_kind *kind_out)
{
    bool blocked[CONN_KIND_COUNT];
    enum conn_kind kind = lane != CONN_LANE_ALONE || conn->frame.size_bytes > CONN_BULK_BYTES
                              ? CONN_BULK
                              : CONN_SMALL;

    *kind_out = kind;
    for (int each = 0; each < CONN_KIND_COUNT; each++)
        blocked[each] = server->waiting_count[each] > 0;
    if (is_long && ((!conn->is_its_turn && is_behind(server, conn, CONN_LONG, blocked)) ||
                    !has_answer_room(server, true, false))) {
        *kind_out = CONN_LONG;
        return false;
    }
    if (!conn->is_its_turn && is_behind(server, conn, kind, blocked))
        return false;
    return (is_long || has_answer_room(server, false, false)) &&
           has_request_room(server, conn, kind);
}

void conn_server_resume(struct conn_server *server)
{
    conn_server_budget_back(server);
}

void conn_server_forget(struct conn_server *server, struct conn *conn)
{
    list_remove(&conn->node);
    if (list_is_linked(&conn->idle_node))
        list_remove(&conn->idle_node);
    conn_server_end_wait(server, conn);
    if (list_is_linked(&conn->dirty_node))
        list_remove(&conn->dirty_node);
    if (list_is_linked(&conn->watch_node))
        list_remove(&conn->watch_node);
    peer_debts_leave(&server->debts, conn->debt);
    server->conn_count--;
    gauge_add(&server->counters.open, -1);
    gauge_add(&conn->traffic->open, -1);
    stop_if_empty(server);
}

/* ---- life */

static void on_stop_timer(struct timer *timer)
{
    struct conn_server *server = container_of(timer, struct conn_server, stop_timer);

    list_for_each_safe(node, &server->conns)
    {
        struct conn *conn = container_of(node, struct conn, node);

        conn_close(conn, CONN_CLOSE_DEADLINE);
        if (server->events->overdue != NULL)
            server->events->overdue(server->context, conn);
    }
}

void conn_server_init(struct conn_server *server, const struct conn_server_options *options)
{
    check(options->limits.in_flight_max > 0 && options->limits.answer_max_bytes > 0);
    *server = (struct conn_server){
        .loop = options->loop,
        .io = options->loop->io,
        .slab = options->slab,
        .request_slab = options->request_slab,
        .answers = options->answers,
        .limits = options->limits,
        .events = options->events,
        .context = options->context,
    };
    list_init(&server->conns);
    list_init(&server->idle);
    list_init(&server->waiting);
    list_init(&server->ready);
    list_init(&server->dirty);
    list_init(&server->hungry);
    conn_watch_init(server);
    server->flush_task.run = run_flush;
    server->go_on_task.run = run_go_on;
    server->stopped_task.run = tell_stopped;
    timer_init(&server->idle_timer, on_idle_timer);
    timer_init(&server->stop_timer, on_stop_timer);
    timer_init(&server->press_timer, on_press_timer);
    outbox_pool_init(&server->sends);
    peer_debts_init(&server->debts, options->hash_seed);
}

void conn_server_deinit(struct conn_server *server)
{
    if (server->loop == NULL)
        return; /* zeroed */
    check(server->conn_count == 0);
    loop_cancel_timer(server->loop, &server->idle_timer);
    loop_cancel_timer(server->loop, &server->stop_timer);
    loop_cancel_timer(server->loop, &server->press_timer);
    conn_watch_deinit(server);
    outbox_pool_deinit(&server->sends);
    peer_debts_deinit(&server->debts);
}

void conn_server_adopt(struct conn_server *server, const struct conn_arrival *arrival)
{
    struct conn *conn = server->stopping ? NULL : conn_create(server, arrival);

    if (conn == NULL) {
        counter_add(&server->counters.failed, 1);
        server->io->v->close(server->io, arrival->fd);
        if (arrival->ticket != NULL)
            arrival->ticket->ended(arrival->ticket);
        return;
    }
    conn->id = (uint64_t)server->loop->index << 48 | ++server->last_id;
    list_push_back(&server->conns, &conn->node);
    server->conn_count++;
    counter_add(&server->counters.opened, 1);
    gauge_add(&server->counters.open, 1);
    counter_add(&conn->traffic->opened, 1);
    gauge_add(&conn->traffic->open, 1);
    conn_server_update_idle(server, conn, true);
    if (server->events->opened != NULL)
        server->events->opened(server->context, conn);
}

void conn_server_stop(struct conn_server *server, uint64_t deadline_ms,
                      void (*stopped)(struct conn_server *server))
{
    check(!server->stopping);
    server->stopping = true;
    server->stopped = stopped;
    loop_set_timer_ms(server->loop, &server->stop_timer, deadline_ms);
    list_for_each_safe(node, &server->conns) conn_drain(container_of(node, struct conn, node));
    stop_if_empty(server);
}
