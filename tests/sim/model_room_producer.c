#include "tests/sim/model_room_producer.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/kafka_errors.h"
#include "tests/sim/model_record.h"
#include "tests/sim/sim_marks.h"

/* ---- what became of records */

static void note_id(struct model_room_producer *producer)
{
    int64_t id = client_producer_id(producer->producer);
    int16_t epoch = client_producer_epoch(producer->producer);
    struct history_event event = {
        .kind = HISTORY_PRODUCER_ID, .offset = -1, .producer_id = id, .producer_epoch = epoch};

    if (id >= 0 && id != producer->producer_id)
        model_room_tell(&producer->room, &event);
    else if (id >= 0 && epoch != producer->producer_epoch)
        sim_mark(MARK_ROOM_EPOCH);
    producer->producer_id = id;
    producer->producer_epoch = epoch;
}

static const struct model_topic *topic_of(const struct model_room_producer *producer,
                                          const struct client_topic *handle)
{
    for (uint32_t i = 0; i < producer->topics->count; i++)
        if (producer->handles[i] == handle)
            return &producer->topics->at[i];
    check(false);
    return NULL;
}

static void tell_delivery(struct model_room_producer *producer,
                          const struct client_delivery *delivery, enum history_kind kind)
{
    uint32_t partition =
        topic_of(producer, delivery->topic)->first_partition + (uint32_t)delivery->partition;

    for (uint32_t i = 0; i < delivery->records_count; i++) {
        struct history_event event = {
            .kind = kind,
            .partition = partition,
            .session = 1,
            .offset = kind != HISTORY_SEND_OK || delivery->base_offset < 0
                          ? -1
                          : delivery->base_offset + i,
            .value = history_value(producer->room.options.id, delivery->tokens[i]),
            .error = delivery->error_code,
            .by_append_time = kind == HISTORY_SEND_OK && delivery->append_time_ms >= 0,
            .timestamp_ms = delivery->append_time_ms,
            .idempotent = true,
            .asked_ns = 1, /* it may have been stored long ago */
        };
        model_room_tell(&producer->room, &event);
    }
}

static void on_delivered(void *context, const struct client_delivery *delivery)
{
    struct model_room_producer *producer = context;

    if (!sim_node_is_running(producer->room.node))
        return;
    note_id(producer);
    if (delivery->err == OK && delivery->error_code == KAFKA_NONE) {
        sim_mark(MARK_ROOM_STORED);
        tell_delivery(producer, delivery, HISTORY_SEND_OK);
    } else if (delivery->is_ambiguous) {
        sim_mark(MARK_ROOM_IN_DOUBT);
        tell_delivery(producer, delivery, HISTORY_SEND_INFO);
    } else {
        sim_mark(MARK_ROOM_FAILED);
        tell_delivery(producer, delivery, HISTORY_SEND_FAIL);
    }
}

static void on_room(void *context)
{
    struct model_room_producer *producer = context;

    sim_mark(MARK_ROOM_FULL);
    producer->is_full = false;
}

/* An idempotent producer always can. */
static void on_fatal(void *context, int16_t error_code, enum err err)
{
    struct model_room_producer *producer = context;
    struct history_event event = {.kind = HISTORY_WIRE,
                                  .offset = -1,
                                  .error = error_code != KAFKA_NONE ? error_code : (int32_t)err};

    producer->is_broken = true;
    model_room_tell(&producer->room, &event);
}

/* ---- what is sent */

static void tell_sent(struct model_room_producer *producer, uint32_t partition,
                      const struct client_record *record)
{
    struct history_event event = {
        .kind = HISTORY_SEND,
        .partition = partition,
        .session = 1,
        .offset = -1,
        .value = history_value(producer->room.options.id, record->token),
        .sequence = (int32_t)record->token, /* it has one, which one only the producer knows */
        .timestamp_ms = record->timestamp_ms,
        .value_bytes = record->record.value_bytes,
        .idempotent = true,
    };

    model_room_tell(&producer->room, &event);
}

/* False: there is no room. */
static bool send_one(struct model_room_producer *producer, uint32_t topic_index)
{
    const struct model_topic *topic = &producer->topics->at[topic_index];
    struct prng *prng = &producer->room.prng;
    uint32_t p = (uint32_t)prng_below(prng, topic->partitions_count);
    struct model_record made;
    struct client_record record = {.topic = producer->handles[topic_index],
                                   .partition = (int32_t)p,
                                   .timestamp_ms = clock_wall_ms(producer->room.loop.clock),
                                   .token = producer->next_counter};
    int32_t value_bytes =
        HISTORY_VALUE_BYTES_MIN +
        (int32_t)prng_below(prng, producer->options.value_bytes_max - HISTORY_VALUE_BYTES_MIN + 1);
    uint8_t *bytes = mem_alloc((size_t)value_bytes);
    enum err err;

    model_record_make(&made, history_value(producer->room.options.id, record.token), value_bytes,
                      producer->topics->plain, bytes);
    record.record = made.record;
    producer->next_counter++;
    tell_sent(producer, topic->first_partition + p, &record);
    err = client_producer_send(producer->producer, &record);
    mem_free(bytes);
    if (err != OK) { /* it was not taken: certainly not there */
        struct history_event event = {
            .kind = HISTORY_SEND_FAIL,
            .partition = topic->first_partition + p,
            .session = 1,
            .offset = -1,
            .value = history_value(producer->room.options.id, record.token),
            .error = (int32_t)err,
        };
        model_room_tell(&producer->room, &event);
    }
    producer->is_full = err == ERR_FULL;
    return err == OK;
}

static bool is_usable(const struct model_topic *topic)
{
    return !topic->mortal && !topic->gone && !uuid_is_zero(&topic->id);
}

static void on_tick(struct timer *timer)
{
    struct model_room_producer *producer = container_of(timer, struct model_room_producer, tick);
    struct prng *prng = &producer->room.prng;
    uint32_t burst = 1 + (uint32_t)prng_below(prng, producer->options.burst_max);

    for (uint32_t i = 0;
         i < burst && !producer->finishing && !producer->is_full && !producer->is_broken &&
         producer->next_counter < producer->options.records_limit;
         i++) {
        uint32_t index = (uint32_t)prng_below(prng, producer->topics->count);
        if (!is_usable(&producer->topics->at[index]))
            continue;
        if (producer->handles[index] == NULL)
            producer->handles[index] =
                client_cluster_topic(producer->room.cluster, producer->topics->at[index].name);
        if (!send_one(producer, index))
            break;
    }
    if (prng_chance(prng, 1, 20))
        client_producer_flush(producer->producer);
    loop_set_timer_ms(&producer->room.loop, timer,
                      model_room_draw_ms(&producer->room, producer->options.pause_max_ms));
}

/* ---- life */

void model_room_producer_init(struct model_room_producer *producer, struct sim_node *node,
                              struct history *history, const struct model_room_options *room,
                              const struct model_room_producer_options *options,
                              const struct model_topics *topics)
{
    static const struct client_producer_events events = {
        .delivered = on_delivered, .room = on_room, .fatal = on_fatal};
    struct client_producer_options client = client_producer_options_default();

    *producer = (struct model_room_producer){
        .options = *options, .topics = topics, .producer_id = -1, .producer_epoch = -1};
    model_room_init(&producer->room, node, history, room);
    client.linger_us = options->linger_us;
    client.batch_bytes = options->batch_bytes;
    client.in_flight_max = options->in_flight_max;
    client.delivery_timeout_ms = options->delivery_timeout_ms;
    client.request_timeout_ms = room->request_timeout_ms;
    client.buffer_memory_bytes = options->buffer_memory_bytes;
    client.codec = options->codec;
    check(client_producer_create(producer->room.cluster, &client, &events, producer,
                                 &producer->producer) == OK);
    timer_init(&producer->tick, on_tick);
    loop_set_timer_ms(&producer->room.loop, &producer->tick, 1);
}

void model_room_producer_deinit(struct model_room_producer *producer)
{
    loop_cancel_timer(&producer->room.loop, &producer->tick);
    client_producer_destroy(producer->producer, model_room_note_gone, &producer->is_gone);
    model_room_deinit(&producer->room, &producer->is_gone);
}

void model_room_producer_finish(struct model_room_producer *producer)
{
    producer->finishing = true;
    client_producer_flush(producer->producer);
}

bool model_room_producer_is_done(const struct model_room_producer *producer)
{
    return producer->finishing && client_producer_pending_count(producer->producer) == 0 &&
           !producer->is_full;
}
