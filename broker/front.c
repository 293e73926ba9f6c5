#include "broker/front.h"

#include "base/check.h"
#include "broker/config.h"
#include "broker/config_ip_overrides.h"
#include "broker/connection_metrics.h"
#include "broker/dispatch.h"
#include "broker/front_request.h"
#include "broker/metadata/image.h"
#include "net/conn_server.h"
#include "net/listener.h"
#include "net/protocol/kafka_tables.h"

#include <stdio.h>
#include <string.h>

enum { DRAIN_MS = 5000, ANSWER_BYTES_MAX = 256 << 10 };

struct front_shard {
    struct front *front;
    struct shard *shard;
    struct conn_server server;
    void (*stopped)(void *context);
    void *stopped_context;
    uint64_t stuck_told_ns; /* when LVE-3108 was written last; 0: never */
    bool lacks_decoded;     /* a request found no room in that budget since the last press */
    bool started;
    bool stopping;
};

struct front {
    const struct config *config;
    const struct shards *shards;
    struct front_shard *fronts;
    struct conn_server **servers; /* for the listeners */
    struct admission admission;
    uint32_t connections_max;   /* that there can be; 0: no limit */
    uint64_t answers_max_bytes; /* unsent, of a connection */
    uint64_t hash_seed;
    int64_t limits_offset; /* of the image that the limits were read from */
    struct listener listeners[CONN_LISTENERS_MAX];
    uint32_t listener_count;
    uint32_t closed_count;
    bool listening;
};

/* ---- requests of connections */

static enum err on_create(void *context, struct conn *conn, uint8_t lane, struct conn_request **out)
{
    struct front_shard *front = context;
    enum err err = front_request_create(front->shard->requests, conn, lane != CONN_LANE_ALONE, out);

    front->lacks_decoded |= err == ERR_FULL;
    return err;
}

static void on_request(void *context, struct conn_request *wire)
{
    struct front_shard *front = context;
    struct request *request = front_request_of(wire);

    front_request_begin(wire);
    if (conn_is_closing(wire->conn))
        request_cancel(request, REQUEST_PEER_GONE);
    else if (front->stopping)
        request_cancel(request, REQUEST_STOPPING);
    dispatch(request);
}

/* Nobody will take their answers, or the broker stops. */
static void cancel_requests(struct conn *conn, enum request_cancel why)
{
    list_for_each(node, &conn->outbox.requests)
    {
        struct conn_request *wire = container_of(node, struct conn_request, node);
        if (wire->state == CONN_REQUEST_WORKING)
            request_cancel(front_request_of(wire), why);
    }
}

/* Produce requests run together: what they wait for is shared, and appends keep their order by
 * themselves.  Any other request sees the effects of those before it, as in Kafka. */
static uint8_t lane_of(void *context, const uint8_t *bytes, uint32_t size_bytes)
{
    bool is_produce = size_bytes >= 2 && bytes[0] == 0 && bytes[1] == API_PRODUCE;

    return is_produce ? CONN_LANE_ALONE + 1 : CONN_LANE_ALONE;
}

static bool is_long(void *context, const uint8_t *bytes, uint32_t size_bytes)
{
    return dispatch_is_long(bytes, size_bytes);
}

enum {
    PRESSED_AFTER_MS = 1000,
    HOLDS_MUCH_BYTES = 64 << 10,
    STUCK_TOLD_MS = 60000, /* not again before */
};

static bool holds_much(const struct request *request)
{
    uint64_t arena_bytes = request->away == NULL ? request->arena.total_bytes : 0;
    uint64_t frame_bytes = request->frame == NULL ? 0 : request->size_bytes;

    return frame_bytes + arena_bytes > HOLDS_MUCH_BYTES;
}

/* Those that hold more than themselves, each once.  Returns how many were told. */
static uint32_t press(struct front_shard *front, bool all)
{
    uint64_t now_ns = loop_now_ns(&front->shard->loop);
    uint32_t count = 0;

    list_for_each(conn_node, &front->server.conns)
    {
        const struct conn *conn = container_of(conn_node, struct conn, node);

        list_for_each(node, &conn->outbox.requests)
        {
            struct conn_request *wire = container_of(node, struct conn_request, node);
            struct request *request = front_request_of(wire);

            if (wire->state != CONN_REQUEST_WORKING || request->canceled >= REQUEST_PRESSED ||
                list_is_linked(&request->shed_node) ||
                now_ns - request->received_ns < PRESSED_AFTER_MS * 1000000ULL ||
                (!all && !holds_much(request)))
                continue;
            request_cancel(request, REQUEST_PRESSED);
            count++;
        }
    }
    return count;
}

/* What there is belongs to work that is under way: a slow device, or too much at once. */
static void tell_stuck(struct front_shard *front)
{
    const struct budget *requests = memory_budget(&front->shard->memory, MEMORY_REQUESTS);
    const struct budget *decoded = memory_budget(&front->shard->memory, MEMORY_DECODED);
    const struct budget *answers = memory_budget(&front->shard->memory, MEMORY_ANSWERS);
    uint64_t now_ns = loop_now_ns(&front->shard->loop);

    if (front->stuck_told_ns != 0 && now_ns - front->stuck_told_ns < STUCK_TOLD_MS * 1000000ULL)
        return;
    front->stuck_told_ns = now_ns;
    log_line(front->shard->sink, LOG_WARN, "LVE-3108",
             "requests wait for memory, and nothing that waits for others can give any back",
             log_u64("requests_bytes", budget_used_bytes(requests)),
             log_u64("decoded_bytes", budget_used_bytes(decoded)),
             log_u64("answers_bytes", budget_used_bytes(answers)));
}

/* Requests find no memory: those that merely wait give theirs back, the large ones first, and last
 * those that hold nothing but themselves, of which members of groups are disturbed. */
static void on_pressed(void *context)
{
    struct front_shard *front = context;
    uint32_t count = press(front, false);

    if (count == 0)
        count = press(front, true);
    if (count == 0 && front->lacks_decoded)
        count = request_pool_press_shed(front->shard->requests);
    front->lacks_decoded = false;
    if (count == 0)
        tell_stuck(front);
}

static void on_opened(void *context, struct conn *conn)
{
    struct client *client = mem_try_alloc(sizeof(*client));

    conn->user = client;
    if (client == NULL) {
        conn_close(conn, CONN_CLOSE_NO_MEMORY);
        return;
    }
    client_init(client, &conn->peer, &conn->local,
                conn->listener == NULL ? NULL : conn->listener->options.name);
    client->accept_number = conn->accept_number;
}

static void on_closing(void *context, struct conn *conn, enum conn_close_reason reason)
{
    struct front_shard *front = context;
    char peer[IO_ADDRESS_TEXT_MAX];
    enum log_level level = reason == CONN_CLOSE_MALFORMED || reason == CONN_CLOSE_TOO_LARGE ||
                                   reason == CONN_CLOSE_NO_MEMORY || reason == CONN_CLOSE_UNTAKEN ||
                                   reason == CONN_CLOSE_SLOW
                               ? LOG_WARN
                               : LOG_DEBUG;

    io_address_format(&conn->peer, peer);
    log_line(front->shard->sink, level, "LVE-3103", "a connection was closed",
             log_str("peer", peer), log_str("reason", conn_close_text(reason)));
    cancel_requests(conn, REQUEST_PEER_GONE);
}

static void on_overdue(void *context, struct conn *conn)
{
    cancel_requests(conn, REQUEST_CUT);
}

static void on_closed(void *context, struct conn *conn)
{
    struct client *client = conn->user;

    if (client != NULL)
        client_deinit(client);
    mem_free(client);
}

static const struct conn_events events = {.opened = on_opened,
                                          .create = on_create,
                                          .lane = lane_of,
                                          .is_long = is_long,
                                          .request = on_request,
                                          .pressed = on_pressed,
                                          .closing = on_closing,
                                          .overdue = on_overdue,
                                          .closed = on_closed};

/* ---- building */

/* A request is received whole before it is judged.  One that grows lies there twice for a moment,
 * and an eighth is for what others have received: a larger one would never be whole. */
static uint32_t request_limit(const struct config *config, struct memory *memory)
{
    uint64_t limit = (uint64_t)config_values(config)->socket_request_max_bytes;
    uint64_t frames_max = memory_budget(memory, MEMORY_FRAMES)->max_bytes;

    return (uint32_t)(limit < frames_max / 16 * 7 ? limit : frames_max / 16 * 7);
}

static uint64_t ms_or_none(int64_t value)
{
    return value > 0 ? (uint64_t)value : 0;
}

static void init_server(struct front *front, uint32_t index)
{
    const struct config *config = front->config;
    struct front_shard *shard = &front->fronts[index];
    int64_t idle_ms = config_values(config)->connections_max_idle_ms; /* negative: none */
    struct memory *memory = &front->shards->at[index]->memory;
    struct conn_server_options options = {
        .loop = &front->shards->at[index]->loop,
        .slab = memory_slab(memory, MEMORY_FRAMES),
        .request_slab = memory_slab(memory, MEMORY_REQUESTS),
        .answers = memory_budget(memory, MEMORY_ANSWERS),
        .limits =
            {
                .request_max_bytes = request_limit(config, memory),
                .in_flight_max =
                    (uint32_t)config_values(config)->levee_max_in_flight_requests_per_connection,
                .answer_max_bytes = front->answers_max_bytes,
                .answer_stall_ms = ms_or_none(config_values(config)->levee_answer_stall_ms),
                .frame_stall_ms = ms_or_none(config_values(config)->levee_request_stall_ms),
                .idle_max_ms = idle_ms < 0 ? 0 : (uint64_t)idle_ms,
            },
        .events = &events,
        .context = shard,
        .hash_seed = front->hash_seed,
    };

    shard->front = front;
    shard->shard = front->shards->at[index];
    conn_server_init(&shard->server, &options);
    shard->shard->conns = &shard->server;
    front->servers[index] = &shard->server;
}

static void on_room(void *context)
{
    conn_server_resume(context);
}

/* ---- limits of connections */

/* A stored text may be from a time when nobody checked it: then the file's value counts, which
 * config_load has checked. */
static void read_overrides(const struct front *front, struct config_ip_overrides *out)
{
    enum config_id id = CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES;
    const char *text = config_string(front->config, front->shards->at[0]->image, id);
    struct config_ip_fault fault;
    enum err err = config_ip_overrides_parse(text, strlen(text), out, &fault);

    if (err == OK)
        return;
    text = config_text(front->config, id);
    err = config_ip_overrides_parse(text, strlen(text), out, &fault);
    check(err == OK);
}

/* On shard 0, where the admission is, with the image as it is now. */
static void read_limits(struct front *front, struct config_ip_overrides *overrides,
                        struct admission_limits *out)
{
    const struct config_values *values = shard_config(front->shards->at[0]);
    int64_t per_ip_max = values->max_connections_per_ip;
    int64_t all_max = values->max_connections;

    if (all_max == 0 || all_max >= INT32_MAX)
        all_max = front->connections_max;
    else if (front->connections_max != 0 && all_max > front->connections_max)
        all_max = front->connections_max;
    read_overrides(front, overrides);
    front->limits_offset = image_offset(front->shards->at[0]->image);
    *out = (struct admission_limits){
        .connections_max = (uint32_t)all_max,
        .connections_per_ip_max = per_ip_max >= INT32_MAX ? 0 : (uint32_t)per_ip_max,
        .only_overrides = per_ip_max == 0 && overrides->count > 0,
        .overrides = overrides->items,
        .override_count = overrides->count,
    };
}

/* Committed changes act on the next connection. */
static void on_admission_refresh(void *context)
{
    struct front *front = context;
    struct config_ip_overrides overrides;
    struct admission_limits limits;

    if (image_offset(front->shards->at[0]->image) == front->limits_offset)
        return;
    read_limits(front, &overrides, &limits);
    admission_set_limits(&front->admission, &limits);
}

enum err front_create(const struct config *config, const struct shards *shards,
                      uint32_t connections_max, uint64_t answers_max_bytes, struct front **out)
{
    struct front *front = mem_alloc(sizeof(*front));
    struct config_ip_overrides overrides;
    struct admission_limits limits;
    enum err err = OK;

    front->config = config;
    front->answers_max_bytes = answers_max_bytes != 0 ? answers_max_bytes : ANSWER_BYTES_MAX;
    front->shards = shards;
    front->connections_max = connections_max;
    read_limits(front, &overrides, &limits);
    front->fronts = mem_alloc(shards->count * sizeof(*front->fronts));
    front->servers = mem_alloc(shards->count * sizeof(struct conn_server *));
    front->hash_seed = prng_u64(&shards->at[0]->prng);
    admission_init(&front->admission, &shards->at[0]->loop, &limits, front->hash_seed);
    admission_set_refresh(&front->admission, on_admission_refresh, front);
    for (uint32_t i = 0; i < shards->count && err == OK; i++) {
        err = request_pool_create(shards->at[i], FRONT_REQUEST_BYTES, on_room,
                                  &front->fronts[i].server, &shards->at[i]->requests);
        init_server(front, i);
    }
    *out = front;
    return err;
}

void front_destroy(struct front *front)
{
    if (front == NULL)
        return;
    for (uint32_t i = 0; !front->listening && i < front->listener_count; i++) {
        struct io *io = front->shards->at[0]->io;
        io->v->close(io, front->listeners[i].fd); /* bound, but never started */
    }
    for (uint32_t i = 0; i < front->shards->count; i++) {
        conn_server_deinit(&front->fronts[i].server);
        request_pool_destroy(front->shards->at[i]->requests);
    }
    admission_deinit(&front->admission);
    mem_free(front->servers);
    mem_free(front->fronts);
    mem_free(front);
}

/* ---- listening */

static void on_refused(void *context, struct listener *listener, const struct io_address *peer,
                       enum err err)
{
    struct front *front = context;
    char text[IO_ADDRESS_TEXT_MAX] = "";

    if (peer != NULL)
        io_address_format(peer, text);
    log_line(front->shards->at[0]->sink, LOG_WARN, "LVE-3104", "a connection was not let in",
             log_str("listener", listener->options.name), log_str("peer", text), log_err(err));
}

enum err front_listen(struct front *front)
{
    struct shard *shard = front->shards->at[0];

    check(config_listener_count(front->config) <= CONN_LISTENERS_MAX);
    for (uint32_t i = 0; i < config_listener_count(front->config); i++) {
        const struct config_listener *configured = config_listener_at(front->config, i);
        struct listener_options options = {
            .name = configured->name,
            .index = i,
            .backlog = (uint32_t)config_values(front->config)->socket_listen_backlog_size,
            .servers = front->servers,
            .server_count = front->shards->count,
            .admission = &front->admission,
            .refused = on_refused,
            .context = front,
        };
        enum err err =
            shard->io->v->resolve(shard->io, configured->host, configured->port, &options.at);
        if (err == OK)
            err = listener_open(&front->listeners[i], &options);
        if (err != OK) {
            log_line(shard->sink, LOG_ERROR, "LVE-3105", "a listener cannot be opened",
                     log_str("listener", configured->name), log_str("host", configured->host),
                     log_i64("port", configured->port), log_err(err));
            return err;
        }
        front->listener_count++;
    }
    return OK;
}

void front_start_shard(struct front *front, struct shard *shard)
{
    front->fronts[shard->index].started = true;
    if (shard->index != 0)
        return;
    front->listening = true;
    for (uint32_t i = 0; i < front->listener_count; i++)
        listener_start(&front->listeners[i]);
}

uint16_t front_port(const struct front *front, uint32_t listener_index)
{
    return listener_index < front->listener_count ? front->listeners[listener_index].bound.port : 0;
}

/* ---- stopping */

static void on_server_stopped(struct conn_server *server)
{
    struct front_shard *front = container_of(server, struct front_shard, server);

    front->stopped(front->stopped_context);
}

/* What waits for events is answered now; what has its end in itself is let finish. */
static void stop_server(struct front_shard *stopping)
{
    stopping->stopping = true;
    conn_server_stop(&stopping->server, DRAIN_MS, on_server_stopped);
    list_for_each(node, &stopping->server.conns)
        cancel_requests(container_of(node, struct conn, node), REQUEST_STOPPING);
}

static void on_listener_closed(struct listener *listener)
{
    struct front *front = listener->options.context;

    if (++front->closed_count == front->listener_count)
        stop_server(&front->fronts[0]);
}

void front_stop_shard(struct front *front, struct shard *shard, void (*done)(void *context),
                      void *context)
{
    struct front_shard *stopping = &front->fronts[shard->index];

    stopping->stopped = done;
    stopping->stopped_context = context;
    if (shard->index != 0 || !front->listening || front->listener_count == 0) {
        stop_server(stopping);
        return;
    }
    for (uint32_t i = 0; i < front->listener_count; i++)
        listener_close(&front->listeners[i], on_listener_closed);
}

/* ---- metrics */

void front_register_metrics(struct front *front, struct metrics *metrics)
{
    for (uint32_t i = 0; i < front->shards->count; i++) {
        const struct conn_server *server = &front->fronts[i].server;
        connection_metrics_register(&server->counters, metrics);
        for (uint32_t l = 0; l < config_listener_count(front->config); l++)
            connection_metrics_register_listener(
                &server->traffic[l], config_listener_at(front->config, l)->name, metrics);
    }
    connection_metrics_register_admission(&front->admission, metrics);
}
