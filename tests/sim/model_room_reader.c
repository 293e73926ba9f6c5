#include "tests/sim/model_room_reader.h"

#include "base/check.h"
#include "net/protocol/kafka_errors.h"
#include "tests/sim/model_record.h"
#include "tests/sim/sim_marks.h"

enum { REWIND_ODDS = 200, LIST_MAX_MS = 5000 };

static void tell(struct model_room_reader *reader, enum history_kind kind, uint32_t partition,
                 int64_t offset, uint64_t value)
{
    struct history_event event = {
        .kind = kind, .partition = partition, .offset = offset, .value = value, .sequence = -1};

    model_room_tell(&reader->room, &event);
}

/* The partition in the history. */
static uint32_t number_of(const struct model_room_reader *reader, const struct client_topic *handle,
                          int32_t partition)
{
    for (uint32_t i = 0; i < reader->topics->count; i++)
        if (reader->handles[i] == handle)
            return reader->topics->at[i].first_partition + (uint32_t)partition;
    check(false);
    return 0;
}

/* What an answer tells may be older than a power loss: when it was asked, only the fetcher knows.
 */
static uint64_t asked_ns(const struct model_room_reader *reader, uint32_t partition)
{
    return model_topics_of_partition(reader->topics, partition)->rules.cache ? 1 : 0;
}

static void assign(struct model_room_reader *reader, uint32_t topic, uint32_t p, int64_t offset)
{
    struct room_reader_partition *at =
        &reader->partitions[reader->topics->at[topic].first_partition + p];

    check(client_fetcher_assign(reader->fetcher, reader->handles[topic], (int32_t)p, offset, -1) ==
          OK);
    at->position = offset;
    at->has_stopped = at->is_lost = false;
}

/* ---- what is handed out */

static void take_record(struct model_room_reader *reader, uint32_t partition,
                        const struct client_fetched *batch,
                        const struct client_fetched_record *record)
{
    struct history_event event = {.kind = HISTORY_READ,
                                  .partition = partition,
                                  .offset = record->offset,
                                  .producer_id = batch->header.producer_id,
                                  .producer_epoch = batch->header.producer_epoch,
                                  .sequence = -1,
                                  .timestamp_ms = record->timestamp_ms,
                                  .asked_ns = asked_ns(reader, partition),
                                  .value_bytes = record->record.value_bytes,
                                  .by_append_time = batch_is_log_append_time(&batch->header)};

    if (!model_record_read(&record->record, reader->topics->plain, &event.value))
        tell(reader, HISTORY_GARBLED, partition, record->offset, 0);
    else
        model_room_tell(&reader->room, &event);
}

static void take_watermarks(struct model_room_reader *reader, uint32_t partition,
                            const struct client_fetched *batch)
{
    struct history_event event = {.kind = HISTORY_WATERMARKS,
                                  .partition = partition,
                                  .offset = -1,
                                  .low = batch->log_start_offset,
                                  .stable = batch->last_stable_offset,
                                  .high = batch->high_watermark,
                                  .asked_ns = asked_ns(reader, partition)};

    model_room_tell(&reader->room, &event);
    if (batch_last_offset(&batch->header) >= batch->high_watermark)
        tell(reader, HISTORY_BEYOND, partition, batch->high_watermark,
             (uint64_t)batch_last_offset(&batch->header) + 1);
}

static void take_batch(struct model_room_reader *reader, const struct client_fetched *batch)
{
    uint32_t partition = number_of(reader, batch->topic, batch->partition);
    struct room_reader_partition *at = &reader->partitions[partition];
    int64_t last = batch_last_offset(&batch->header);
    struct client_fetched_record record;
    enum err err;

    take_watermarks(reader, partition, batch);
    if (batch->header.base_offset > at->position || last < at->position ||
        batch->from_offset != at->position)
        tell(reader, HISTORY_SKIPPED, partition, at->position,
             (uint64_t)batch->header.base_offset); /* MRR-1 */
    while ((err = client_fetcher_next_record(reader->fetcher, &record)) == OK)
        take_record(reader, partition, batch, &record);
    if (err != ERR_NOT_FOUND)
        tell(reader, HISTORY_GARBLED, partition, batch->header.base_offset, 0);
    at->position = last + 1;
    if (at->position > at->read_high)
        at->read_high = at->position;
    sim_mark(MARK_ROOM_READ);
}

static void on_ready(void *context)
{
    ((struct model_room_reader *)context)->is_ready = true;
}

static void on_trouble(void *context, struct client_topic *topic, int32_t partition,
                       enum client_fetcher_trouble trouble, int64_t offset, int16_t error_code)
{
    struct model_room_reader *reader = context;
    uint32_t number = number_of(reader, topic, partition);

    reader->partitions[number].position = offset;
    reader->partitions[number].is_lost = trouble == CLIENT_FETCHER_OUT_OF_RANGE;
    reader->partitions[number].has_stopped = !reader->partitions[number].is_lost;
    if (trouble == CLIENT_FETCHER_OUT_OF_RANGE || trouble == CLIENT_FETCHER_TRUNCATED) {
        sim_mark(MARK_ROOM_OUT_OF_RANGE);
        tell(reader, HISTORY_OUT_OF_RANGE, number, offset, 0);
    } else if (error_code == KAFKA_NONE) { /* not the broker: the bytes that it gave */
        tell(reader, HISTORY_GARBLED, number, offset, 0);
    }
}

/* ---- where a log begins, after a position was gone (MRR-2) */

static void on_listed(struct client_offsets_op *op, enum err err)
{
    struct model_room_reader *reader = container_of(op, struct model_room_reader, list);
    uint32_t partition = reader->listed_partition;
    const struct model_topic *topic = model_topics_of_partition(reader->topics, partition);
    struct history_event event = reader->floors;

    reader->is_listing = false;
    if (err != OK || reader->question.error_code != KAFKA_NONE ||
        !sim_node_is_running(reader->room.node))
        return;
    event.kind = HISTORY_EARLIEST;
    event.partition = partition;
    event.offset = reader->partitions[partition].position;
    event.low = reader->question.offset;
    model_room_tell(&reader->room, &event);
    assign(reader, (uint32_t)(topic - reader->topics->at), partition - topic->first_partition,
           reader->question.offset);
    reader->partitions[partition].read_high = reader->question.offset;
}

static void ask_start(struct model_room_reader *reader, uint32_t topic, uint32_t p)
{
    reader->listed_partition = reader->topics->at[topic].first_partition + p;
    reader->floors = (struct history_event){.asked_ns = model_room_now_ns(&reader->room)};
    oracle_floors(reader->oracle, reader->listed_partition, &reader->floors);
    reader->question = (struct client_offset_question){.topic = reader->handles[topic],
                                                       .partition = (int32_t)p,
                                                       .timestamp_ms = CLIENT_OFFSET_EARLIEST};
    reader->list = (struct client_offsets_op){
        .done = on_listed, .cluster = reader->room.cluster, .timeout_ms = LIST_MAX_MS};
    reader->is_listing = true;
    client_offsets_list(&reader->list, &reader->question, 1, false);
}

/* ---- what is asked */

static void look_after(struct model_room_reader *reader, uint32_t topic, uint32_t p)
{
    struct room_reader_partition *at =
        &reader->partitions[reader->topics->at[topic].first_partition + p];
    struct prng *prng = &reader->room.prng;

    if (at->position < 0)
        assign(reader, topic, p, 0);
    else if (at->is_lost && !reader->is_listing)
        ask_start(reader, topic, p);
    else if (at->has_stopped)
        assign(reader, topic, p, at->position);
    else if (!at->is_lost && at->read_high > 0 && !reader->stop &&
             prng_chance(prng, 1, REWIND_ODDS))
        assign(reader, topic, p, (int64_t)prng_below(prng, (uint64_t)at->read_high + 1));
}

static void pull(struct model_room_reader *reader)
{
    struct client_fetched batch;
    enum err err = OK;

    for (uint32_t i = 0; reader->is_ready && (i < reader->options.pull_max || reader->stop); i++) {
        err = client_fetcher_next_batch(reader->fetcher, &batch);
        reader->is_ready = err != ERR_AGAIN;
        if (err == OK)
            take_batch(reader, &batch);
    }
}

static void on_tick(struct timer *timer)
{
    struct model_room_reader *reader = container_of(timer, struct model_room_reader, tick);

    for (uint32_t t = 0; t < reader->topics->count; t++) {
        const struct model_topic *topic = &reader->topics->at[t];
        if (topic->mortal || topic->gone || uuid_is_zero(&topic->id))
            continue;
        if (reader->handles[t] == NULL)
            reader->handles[t] = client_cluster_topic(reader->room.cluster, topic->name);
        for (uint32_t p = 0; p < topic->partitions_count; p++)
            look_after(reader, t, p);
    }
    pull(reader);
    loop_set_timer_ms(
        &reader->room.loop, timer,
        model_room_draw_ms(&reader->room, reader->stop ? 2 : reader->options.pause_max_ms));
}

/* ---- life */

void model_room_reader_init(struct model_room_reader *reader, struct sim_node *node,
                            struct history *history, const struct model_room_options *room,
                            const struct model_room_reader_options *options,
                            const struct model_topics *topics, const struct oracle *oracle)
{
    static const struct client_fetcher_events events = {.ready = on_ready, .trouble = on_trouble};
    struct client_fetcher_options client = client_fetcher_options_default();

    *reader = (struct model_room_reader){.options = *options, .topics = topics, .oracle = oracle};
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++)
        reader->partitions[p].position = -1;
    model_room_init(&reader->room, node, history, room);
    client.uses_sessions = options->sessions;
    client.checks_crcs = true;
    client.max_bytes = options->bytes_max;
    client.partition_max_bytes = options->partition_bytes_max;
    client.max_wait_ms = options->max_wait_ms;
    check(client_fetcher_create(reader->room.cluster, &client, &events, reader, &reader->fetcher) ==
          OK);
    timer_init(&reader->tick, on_tick);
    loop_set_timer_ms(&reader->room.loop, &reader->tick, 1);
}

void model_room_reader_deinit(struct model_room_reader *reader)
{
    loop_cancel_timer(&reader->room.loop, &reader->tick);
    if (reader->is_listing)
        client_offsets_cancel(&reader->list);
    client_fetcher_destroy(reader->fetcher, model_room_note_gone, &reader->is_gone);
    model_room_deinit(&reader->room, &reader->is_gone);
}

bool model_room_reader_is_at_end(const struct model_room_reader *reader)
{
    for (uint32_t p = 0; p < reader->topics->partitions_count; p++)
        if (!model_topics_of_partition(reader->topics, p)->mortal &&
            !model_topics_of_partition(reader->topics, p)->rules.cache &&
            reader->partitions[p].position < reader->oracle->partitions[p].high)
            return false;
    return true;
}
