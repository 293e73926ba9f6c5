/* The product's own clients, beside the models: what the client room is like in this run, and its
 * programs. */
#include "tests/sim/scenario_private.h"

#include <inttypes.h>

static struct model_room_options draw_room(struct scenario *s, uint32_t id)
{
    struct plan *plan = &s->plan;

    return (struct model_room_options){
        .id = id,
        .request_timeout_ms = (uint32_t)plan_pick_of(plan, "request.timeout.ms", 300, 2000, 10000),
        .connect_max_ms = (uint32_t)plan_pick_of(plan, "connect.ms", 200, 2000),
        .reconnect_max_ms = (uint32_t)plan_pick_of(plan, "reconnect.ms", 20, 300),
        .retry_max_ms = (uint32_t)plan_pick_of(plan, "retry.ms", 20, 300),
        .metadata_max_age_ms = (uint32_t)plan_pick_of(plan, "metadata.age.ms", 500, 300000),
    };
}

/* delivery.timeout.ms is not below linger.ms + request.timeout.ms. */
static void hold_delivery(const struct scenario *s, uint32_t id, uint32_t *delivery_timeout_ms,
                          uint32_t linger_us)
{
    uint32_t least_ms =
        s->room.options[id - scenario_first_of_room(s)].request_timeout_ms + linger_us / 1000;

    if (*delivery_timeout_ms < least_ms)
        *delivery_timeout_ms = least_ms;
}

static void draw_producer(struct scenario *s, uint32_t index, uint32_t id)
{
    struct plan *plan = &s->plan;

    plan_scope(plan, "room.producer%" PRIu32, index);
    s->room.options[id - scenario_first_of_room(s)] = draw_room(s, id);
    s->room.producer_options[index] = (struct model_room_producer_options){
        .records_limit = plan_pick_of(plan, "records.limit", 50, 300, 1500),
        .burst_max = (uint32_t)plan_pick_of(plan, "burst", 1, 5, 40),
        .value_bytes_max = (uint32_t)plan_pick_of(plan, "value.bytes", 8, 100, 1000, 5000),
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 2, 20, 200),
        .linger_us = (uint32_t)plan_pick_of(plan, "linger.us", 0, 1000, 20000),
        .batch_bytes = (uint32_t)plan_pick_of(plan, "batch.bytes", 200, 2000, 16384),
        .in_flight_max = (uint32_t)plan_range(plan, "in.flight", 1, 5),
        .delivery_timeout_ms =
            (uint32_t)plan_pick_of(plan, "delivery.timeout.ms", 1000, 10000, 60000),
        .buffer_memory_bytes = plan_pick_of(plan, "buffer.bytes", 65536, 1 << 20, 32 << 20),
        .codec = (enum compression)plan_range(plan, "codec", 0, COMPRESSION_COUNT - 1),
    };
    hold_delivery(s, id, &s->room.producer_options[index].delivery_timeout_ms,
                  s->room.producer_options[index].linger_us);
}

static void draw_reader(struct scenario *s, uint32_t index, uint32_t id)
{
    struct plan *plan = &s->plan;

    plan_scope(plan, "room.reader%" PRIu32, index);
    s->room.options[id - scenario_first_of_room(s)] = draw_room(s, id);
    s->room.reader_options[index] = (struct model_room_reader_options){
        .max_wait_ms = (uint32_t)plan_pick_of(plan, "wait.ms", 0, 20, 200),
        .bytes_max = (uint32_t)plan_pick_of(plan, "bytes", 1, 10000, 1 << 20),
        .partition_bytes_max = (uint32_t)plan_pick_of(plan, "partition.bytes", 1, 5000, 1 << 20),
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 2, 20, 200),
        .pull_max = (uint32_t)plan_pick_of(plan, "pull", 1, 5, 1000),
        .sessions = plan_odds(plan, "sessions", 1, 2),
    };
}

static void draw_transactor(struct scenario *s, uint32_t index, uint32_t id)
{
    struct plan *plan = &s->plan;

    plan_scope(plan, "room.transactor%" PRIu32, index);
    s->room.options[id - scenario_first_of_room(s)] = draw_room(s, id);
    s->room.transactor_options[index] = (struct model_room_transactor_options){
        .id = (uint32_t)plan_range(plan, "id", 0, ORACLE_TXN_IDS_MAX / 2 - 1),
        .is_tv1 = plan_odds(plan, "tv1", 1, 2),
        .timeout_ms = (uint32_t)plan_pick_of(plan, "transaction.timeout.ms", 300, 2000, 20000),
        .transactions_max = (uint32_t)plan_pick_of(plan, "transactions", 3, 15, 40),
        .records_max = (uint32_t)plan_pick_of(plan, "records", 1, 4, 20),
        .pause_max_ms = (uint32_t)plan_pick_of(plan, "pause.ms", 2, 10, 100),
        .down_max_ms = (uint32_t)plan_pick_of(plan, "down.ms", 5, 200, 1000),
        .abort_odds = (uint32_t)plan_pick_of(plan, "aborts", 10, 30, 60),
        .stop_odds = (uint32_t)plan_pick_of(plan, "stops", 0, 5, 20),
        .delivery_timeout_ms =
            (uint32_t)plan_pick_of(plan, "delivery.timeout.ms", 1000, 10000, 60000),
    };
    hold_delivery(s, id, &s->room.transactor_options[index].delivery_timeout_ms, 1000);
    if (s->room.transactor_options[index].timeout_ms * SIM_MS > s->ledger.patience_ns)
        s->ledger.patience_ns += s->room.transactor_options[index].timeout_ms * SIM_MS;
}

void scenario_room_draw(struct scenario *s)
{
    struct plan *plan = &s->plan;
    struct room *room = &s->room;
    uint32_t id = scenario_first_of_room(s);

    plan_scope(plan, "room");
    room->producers_count = (uint32_t)plan_count(plan, "producers", 0, 1, ROOM_PRODUCERS_MAX);
    room->readers_count = (uint32_t)plan_count(plan, "readers", 0, 1, ROOM_READERS_MAX);
    if (s->ledger.clients_count > 0)
        room->transactors_count =
            (uint32_t)plan_count(plan, "transactors", 0, 1, ROOM_TRANSACTORS_MAX);
    for (uint32_t i = 0; i < room->producers_count; i++)
        draw_producer(s, i, id++);
    for (uint32_t i = 0; i < room->readers_count; i++)
        draw_reader(s, i, id++);
    for (uint32_t i = 0; i < room->transactors_count; i++)
        draw_transactor(s, i, id++);
    room->clients_count = id - scenario_first_of_room(s);
}

/* ---- programs */

void scenario_room_start_client(struct scenario *s, struct sim_node *node, uint32_t index)
{
    struct room *room = &s->room;
    struct model_room_options options = room->options[index];

    options.broker = sim_node_address(s->broker.node, SIM_BROKER_PORT);
    if (index < room->producers_count) {
        model_room_producer_init(&room->producers[index], node, &s->history, &options,
                                 &room->producer_options[index], &s->topics);
        return;
    }
    index -= room->producers_count;
    if (index < room->readers_count) {
        model_room_reader_init(&room->readers[index], node, &s->history, &options,
                               &room->reader_options[index], &s->topics, s->oracle);
        return;
    }
    index -= room->readers_count;
    model_room_transactor_init(&room->transactors[index], node, &s->history, &options,
                               &room->transactor_options[index], &s->ledger.topics, &s->ledger.txn);
}

void scenario_room_end_client(struct scenario *s, uint32_t index)
{
    struct room *room = &s->room;

    if (index < room->producers_count)
        model_room_producer_deinit(&room->producers[index]);
    else if (index < room->producers_count + room->readers_count)
        model_room_reader_deinit(&room->readers[index - room->producers_count]);
    else
        model_room_transactor_deinit(
            &room->transactors[index - room->producers_count - room->readers_count]);
}

/* ---- phases */

void scenario_room_finish(struct scenario *s)
{
    for (uint32_t i = 0; i < s->room.producers_count; i++)
        model_room_producer_finish(&s->room.producers[i]);
    for (uint32_t i = 0; i < s->room.readers_count; i++)
        s->room.readers[i].stop = true;
    for (uint32_t i = 0; i < s->room.transactors_count; i++)
        model_room_transactor_finish(&s->room.transactors[i]);
}

const char *scenario_room_unfinished(const struct scenario *s)
{
    for (uint32_t i = 0; i < s->room.producers_count; i++)
        if (!model_room_producer_is_done(&s->room.producers[i]))
            return "a producer of the client room still has records under way";
    for (uint32_t i = 0; i < s->room.transactors_count; i++)
        if (!model_room_transactor_is_done(&s->room.transactors[i]))
            return "a transaction of the client room cannot be ended";
    for (uint32_t i = 0; i < s->room.readers_count; i++)
        if (!model_room_reader_is_at_end(&s->room.readers[i]))
            return "a reader of the client room does not reach the end";
    return NULL;
}
