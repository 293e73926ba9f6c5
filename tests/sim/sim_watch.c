#include "tests/sim/sim_watch.h"

#include "base/check.h"
#include "broker/front_request.h"
#include "net/conn_private.h"
#include "net/protocol/kafka_tables.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

enum { ASLEEP_SECONDS = 10, REQUEST_BYTES_MAX = 8192 };

printf_like(3, 4) static void complain(struct sim_watch *watch, const char *rule,
                                       const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    watch->complain(watch->context, rule, text);
}

/* What budget_force adds to a limit (base/budget.h, BUD-1), as far as it does: */
struct forced {
    uint64_t frames_bytes;  /* the largest of each connection: conn_server.h, SRV-2 */
    uint64_t answers_bytes; /* the same, and those of produce requests beside each other: SRV-4 */
};

static void add_forced(struct forced *forced, const struct conn *conn)
{
    uint64_t frame_bytes = 0;
    uint64_t answer_bytes = 0;

    list_for_each(node, &conn->outbox.requests)
    {
        struct conn_request *wire = container_of(node, struct conn_request, node);
        const struct request *request = front_request_of(wire);
        if (wire->frame != NULL && buf_cost_bytes(wire->frame) > frame_bytes)
            frame_bytes = buf_cost_bytes(wire->frame);
        if (request->api_key == API_PRODUCE)
            forced->answers_bytes += wire->answer_bytes;
        else if (wire->answer_bytes > answer_bytes)
            answer_bytes = wire->answer_bytes;
    }
    forced->frames_bytes += frame_bytes;
    forced->answers_bytes += answer_bytes;
}

static struct forced forced_of(const struct shard *shard)
{
    struct forced forced = {0};

    if (shard->conns == NULL)
        return forced;
    list_for_each(item, &shard->conns->conns)
    {
        add_forced(&forced, container_of(item, struct conn, node));
    }
    return forced;
}

/* What a purpose may hold; of the others nothing is forced, or no more than was asked for before.
 * A read of a batch that is larger than all that readers may hold is one alone (log_read.c), and so
 * is a request that has nothing beside it (request.c). */
static uint64_t most_of(enum memory_purpose purpose, uint64_t max_bytes,
                        const struct forced *forced)
{
    if (purpose == MEMORY_REQUESTS)
        return max_bytes + forced->frames_bytes;
    if (purpose == MEMORY_ANSWERS)
        return max_bytes + forced->answers_bytes;
    if (purpose == MEMORY_COLD_READS && max_bytes < SIM_WATCH_READ_BYTES_MAX)
        return SIM_WATCH_READ_BYTES_MAX;
    if (purpose == MEMORY_DECODED && max_bytes < REQUEST_BYTES_MAX)
        return REQUEST_BYTES_MAX;
    return max_bytes;
}

static void look_at_memory(struct sim_watch *watch, struct shard *shard)
{
    struct forced forced = forced_of(shard);

    for (uint32_t i = 0; i < MEMORY_PURPOSE_COUNT; i++) {
        const struct budget *budget = memory_budget(&shard->memory, (enum memory_purpose)i);
        uint64_t used_bytes = budget_used_bytes(budget);
        uint64_t most_bytes = most_of((enum memory_purpose)i, budget->max_bytes, &forced);
        if (used_bytes > most_bytes)
            complain(watch, "BUDGET", "%s holds %" PRIu64 " bytes of %" PRIu64 " and %" PRIu64,
                     budget->name, used_bytes, budget->max_bytes, most_bytes - budget->max_bytes);
    }
}

/* Those that wait for the world outside of their shard must be able to hear that nobody wants
 * them any more (request.h, REQ-4). */
static bool must_hear(int16_t api_key)
{
    return api_key == API_PRODUCE || api_key == API_FETCH || api_key == API_JOIN_GROUP ||
           api_key == API_SYNC_GROUP || api_key == API_LIST_OFFSETS;
}

static void look_at_request(struct sim_watch *watch, const struct request *request,
                            uint64_t calm_ns)
{
    uint64_t age_ns = loop_now_ns(&request->home->loop) - request->received_ns;

    if (must_hear(request->api_key) && request->on_cancel == NULL && request->away == NULL &&
        !request->asking)
        complain(watch, "WAIT", "a %s request waits where nobody can end it", request->api->name);
    if (age_ns > SIM_WATCH_LIMIT_SECONDS * SIM_SECOND &&
        calm_ns > SIM_WATCH_LIMIT_SECONDS * SIM_SECOND)
        complain(watch, "WAIT", "a %s request is not answered after %" PRIu64 " seconds",
                 request->api->name, (uint64_t)(age_ns / SIM_SECOND));
}

/* A connection that is not read stands in the list of whoever lets it go on. */
static void look_at_block(struct sim_watch *watch, const struct conn *conn)
{
    bool listed = list_is_linked(&conn->wait_node);

    if ((conn->block == CONN_WAITS_SERVER || conn->block == CONN_WAITS_MEMORY ||
         conn->block == CONN_WAITS_TURN) &&
        !listed)
        complain(watch, "WAIT", "a connection waits for the server in no list");
    if (conn->block == CONN_WAITS_OWN && !listed && list_is_empty(&conn->outbox.requests) &&
        conn_server_has_address_room(conn->server, conn, true) &&
        conn_server_has_address_room(conn->server, conn, false))
        complain(watch, "WAIT", "a connection waits for answers and none is due");
}

static void look_at_conn(struct sim_watch *watch, const struct conn *conn, uint64_t calm_ns)
{
    if (conn->state == CONN_CLOSING)
        return;
    look_at_block(watch, conn);
    list_for_each(node, &conn->outbox.requests)
    {
        struct conn_request *wire = container_of(node, struct conn_request, node);
        if (wire->state == CONN_REQUEST_WORKING)
            look_at_request(watch, front_request_of(wire), calm_ns);
    }
}

static void on_turned(struct sim_node *node, uint32_t index)
{
    struct sim_broker *broker = node->options.context;
    struct sim_watch *watch = broker->watch;
    struct shard *shard;

    if (watch == NULL || broker->broker == NULL || !sim_node_is_running(node))
        return;
    shard = broker_shard(broker->broker, index);
    if (sim_world_now_ns(node->world) - watch->looked_ns > ASLEEP_SECONDS * SIM_SECOND)
        sim_watch_disturb(watch); /* it stood still, or was down */
    watch->looked_ns = sim_world_now_ns(node->world);
    watch->looks_count++;
    look_at_memory(watch, shard);
    if (!broker->ready || shard->conns == NULL)
        return;
    list_for_each(item, &shard->conns->conns)
    {
        look_at_conn(watch, container_of(item, struct conn, node),
                     sim_world_now_ns(node->world) - watch->calm_since_ns);
    }
}

void sim_watch_begin(struct sim_watch *watch, struct sim_broker *broker,
                     void (*complain_to)(void *context, const char *rule, const char *text),
                     void *context)
{
    *watch = (struct sim_watch){.broker = broker, .complain = complain_to, .context = context};
    broker->watch = watch;
    broker->node->options.turned = on_turned;
}

void sim_watch_disturb(struct sim_watch *watch)
{
    watch->calm_since_ns = sim_world_now_ns(watch->broker->node->world);
}
