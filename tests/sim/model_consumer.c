#include "tests/sim/model_consumer.h"

#include "base/check.h"
#include "net/protocol/codec.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_list_offsets.h"
#include "record/batch_reader.h"
#include "tests/sim/model_record.h"
#include "tests/sim/sim_marks.h"

enum {
    REWIND_ODDS = 20,
    NEW_SESSION_ODDS = 30,
    UNCOMPRESSED_BYTES_MAX = 64 << 20,
    EARLIEST = -2,
};

static void tell(struct model_consumer *consumer, enum history_kind kind, uint32_t partition,
                 int64_t offset, uint64_t value)
{
    struct history_event event = {
        .kind = kind, .partition = partition, .offset = offset, .value = value, .sequence = -1};

    model_client_tell(&consumer->client, &event);
}

/* ---- what an answer holds */

static void take_record(struct model_consumer *consumer, uint32_t partition,
                        const struct batch_header *header, const struct record *record,
                        int64_t offset, int64_t timestamp_ms)
{
    struct history_event event = {.kind = consumer->auditing ? HISTORY_AUDIT_READ : HISTORY_READ,
                                  .partition = partition,
                                  .offset = offset,
                                  .producer_id = header->producer_id,
                                  .producer_epoch = header->producer_epoch,
                                  .sequence = -1,
                                  .timestamp_ms = timestamp_ms,
                                  .asked_ns = consumer->asked_ns,
                                  .value_bytes = record->value_bytes,
                                  .by_append_time = batch_is_log_append_time(header)};

    if (header->base_sequence >= 0)
        event.sequence =
            batch_sequence_add(header->base_sequence, (int32_t)(offset - header->base_offset));
    if (!model_record_read(record, consumer->topics->plain, &event.value)) {
        tell(consumer, HISTORY_GARBLED, partition, offset, 0);
        return;
    }
    model_client_tell(&consumer->client, &event);
}

/* False: the batch cannot be read (told). */
static bool take_batch(struct model_consumer *consumer, uint32_t partition, const uint8_t *bytes,
                       const struct batch_header *header)
{
    struct consumer_partition *at = &consumer->partitions[partition];
    struct batch_reader reader;
    struct record record;
    int64_t offset;
    int64_t timestamp_ms;
    int64_t latest_ms = INT64_MIN;
    enum err err;

    if (header->base_offset > at->position || batch_last_offset(header) < at->position)
        tell(consumer, HISTORY_SKIPPED, partition, at->position, (uint64_t)header->base_offset);
    if (!batch_crc_is_good(bytes, header)) {
        tell(consumer, HISTORY_GARBLED, partition, header->base_offset, 0);
        return false;
    }
    batch_reader_init(&reader, consumer->compression, UNCOMPRESSED_BYTES_MAX);
    err = batch_reader_open(&reader, bytes, header->size_bytes);
    while (err == OK) {
        err = batch_reader_next(&reader, &record, &offset, &timestamp_ms);
        if (err == OK && (!consumer->auditing || offset >= at->position))
            take_record(consumer, partition, header, &record, offset, timestamp_ms);
        if (err == OK && timestamp_ms > latest_ms)
            latest_ms = timestamp_ms;
    }
    batch_reader_deinit(&reader);
    if (err != ERR_NOT_FOUND || latest_ms != header->max_timestamp_ms) {
        tell(consumer, HISTORY_GARBLED, partition, header->base_offset, 0);
        return false;
    }
    at->position = batch_last_offset(header) + 1;
    if (at->position > at->read_high)
        at->read_high = at->position;
    return true;
}

static void take_records(struct model_consumer *consumer, uint32_t partition,
                         const struct wire_records *records)
{
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;
    enum err err = OK;

    if (records->slice_count == 0)
        return;
    batch_walk_init(&walk, records->slices[0].bytes, records->size_bytes);
    while (err == OK) {
        err = batch_next(&walk, &header, &bytes);
        if (err == OK && !take_batch(consumer, partition, bytes, &header))
            return;
    }
    if (err != ERR_NOT_FOUND && err != ERR_TRUNCATED)
        tell(consumer, HISTORY_GARBLED, partition, consumer->partitions[partition].position, 0);
}

static void finish_audit_of(struct model_consumer *consumer, uint32_t partition, int64_t high)
{
    struct history_event event = {
        .kind = HISTORY_AUDIT_END, .partition = partition, .offset = -1, .high = high};

    if (consumer->partitions[partition].audited || consumer->partitions[partition].position < high)
        return;
    consumer->partitions[partition].audited = true;
    model_client_tell(&consumer->client, &event);
}

static void take_watermarks(struct model_consumer *consumer, uint32_t partition,
                            const struct fetch_response_partition_data *data)
{
    struct history_event event = consumer->partitions[partition].floors;

    event.kind = HISTORY_WATERMARKS;
    event.partition = partition;
    event.offset = -1;
    event.low = data->log_start_offset;
    event.stable = data->last_stable_offset;
    event.high = data->high_watermark;
    event.asked_ns = consumer->asked_ns;
    model_client_tell(&consumer->client, &event);
}

static void take_partition(struct model_consumer *consumer, uint32_t partition,
                           const struct fetch_response_partition_data *data)
{
    struct consumer_partition *at = &consumer->partitions[partition];

    if (!at->asked) {
        tell(consumer, HISTORY_WIRE, partition, -1, 0);
        return;
    }
    at->asked = false;
    if (data->error_code == KAFKA_OFFSET_OUT_OF_RANGE) {
        tell(consumer, HISTORY_OUT_OF_RANGE, partition, at->asked_offset, 0);
        consumer->lost_partition = partition;
        consumer->has_lost = true;
    }
    if (data->error_code != KAFKA_NONE)
        return;
    take_watermarks(consumer, partition, data);
    take_records(consumer, partition, &data->records);
    if (at->position > data->high_watermark)
        tell(consumer, HISTORY_BEYOND, partition, data->high_watermark, (uint64_t)at->position);
    if (consumer->auditing)
        finish_audit_of(consumer, partition, data->high_watermark);
}

/* A session that the broker has lost, or that went with its connection, begins anew. */
static void take_session(struct model_consumer *consumer, enum err err,
                         const struct fetch_response *response)
{
    struct consumer_session *session = &consumer->session;

    if (err == ERR_NOT_FOUND && response->error_code == KAFKA_FETCH_SESSION_ID_NOT_FOUND)
        sim_mark(MARK_SESSION_LOST);
    if (err != OK) {
        session->id = 0;
        return;
    }
    if (session->id != 0)
        sim_mark(MARK_SESSION_GOES_ON);
    session->id = consumer->options.sessions ? response->session_id : 0;
    session->next_epoch++;
}

static void on_fetched(struct model_call *call, enum err err, const void *answer)
{
    struct model_consumer *consumer = container_of(call, struct model_consumer, call);
    const struct fetch_response *response = answer;

    consumer->busy = false;
    if (err == OK && response->error_code != KAFKA_NONE)
        err = ERR_NOT_FOUND;
    take_session(consumer, err, response);
    for (int32_t t = 0; err == OK && t < response->responses.count; t++) {
        const struct fetch_response_fetchable_topic_response *topic = &response->responses.items[t];
        for (uint32_t i = 0; i < consumer->topics->count; i++) {
            const struct model_topic *known = &consumer->topics->at[i];
            if (call->version >= 13 ? !uuid_equal(&known->id, &topic->topic_id)
                                    : !wire_string_is(topic->topic, known->name))
                continue;
            for (int32_t p = 0; p < topic->partitions.count; p++)
                if ((uint32_t)topic->partitions.items[p].partition_index < known->partitions_count)
                    take_partition(consumer,
                                   known->first_partition +
                                       (uint32_t)topic->partitions.items[p].partition_index,
                                   &topic->partitions.items[p]);
        }
    }
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++)
        consumer->partitions[p].asked = false;
}

/* ---- where a log starts, after a position was out of range */

static void take_start(struct model_consumer *consumer, int64_t start)
{
    uint32_t partition = consumer->lost_partition;
    struct consumer_partition *at = &consumer->partitions[partition];
    struct history_event event = at->floors;

    event.kind = HISTORY_EARLIEST;
    event.partition = partition;
    event.offset = at->asked_offset;
    event.low = start;
    event.asked_ns = consumer->asked_ns;
    model_client_tell(&consumer->client, &event);
    consumer->has_lost = false;
    at->position = start;
    at->read_high = start;
    if (consumer->auditing)
        tell(consumer, HISTORY_AUDIT, partition, start, 0);
}

static void on_listed(struct model_call *call, enum err err, const void *answer)
{
    struct model_consumer *consumer = container_of(call, struct model_consumer, call);
    const struct list_offsets_response *response = answer;

    consumer->busy = false;
    if (err == OK && response->topics.count == 1 &&
        response->topics.items[0].partitions.count == 1 &&
        response->topics.items[0].partitions.items[0].error_code == KAFKA_NONE)
        take_start(consumer, response->topics.items[0].partitions.items[0].offset);
}

static void ask_start(struct model_consumer *consumer)
{
    const struct model_topic *known =
        model_topics_of_partition(consumer->topics, consumer->lost_partition);
    struct list_offsets_request_list_offsets_partition partition;
    struct list_offsets_request_list_offsets_topic topic;
    struct list_offsets_request request;

    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_topic_struct, &topic);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &partition);
    partition.partition_index = (int32_t)(consumer->lost_partition - known->first_partition);
    partition.timestamp = EARLIEST;
    topic.name = wire_string(known->name);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    consumer->busy = true;
    consumer->asked_ns = sim_world_now_ns(consumer->client.node->world);
    oracle_floors(consumer->oracle, consumer->lost_partition,
                  &consumer->partitions[consumer->lost_partition].floors);
    model_client_call(&consumer->client, &consumer->call, API_LIST_OFFSETS,
                      model_client_version(&consumer->client, API_LIST_OFFSETS, 1, 10), &request,
                      on_listed);
}

/* ---- what is asked */

static bool wants(struct model_consumer *consumer, uint32_t partition)
{
    struct consumer_partition *at = &consumer->partitions[partition];

    if (consumer->auditing)
        return !at->audited;
    if (prng_chance(&consumer->client.prng, 1, 4))
        return false;
    if (at->read_high > 0 && prng_chance(&consumer->client.prng, 1, REWIND_ODDS))
        at->position = (int64_t)prng_below(&consumer->client.prng, (uint64_t)at->read_high + 1);
    return true;
}

static void note_asked(struct model_consumer *consumer, uint32_t partition)
{
    struct consumer_partition *at = &consumer->partitions[partition];

    at->asked = true;
    at->asked_offset = at->position;
    oracle_floors(consumer->oracle, partition, &at->floors);
}

static void put_partition(struct model_consumer *consumer, uint32_t partition, int32_t index,
                          struct fetch_request_fetch_partition *out)
{
    struct consumer_partition *at = &consumer->partitions[partition];

    codec_set_struct_defaults(&fetch_request_fetch_partition_struct, out);
    out->partition = index;
    out->fetch_offset = at->position;
    out->partition_max_bytes = (int32_t)consumer->options.partition_bytes_max;
    at->session_offset = at->position;
    at->in_session = consumer->options.sessions;
    note_asked(consumer, partition);
}

/* Of a request: what it lists, and what the session is to forget. */
struct wishes {
    struct fetch_request_fetch_partition partitions[HISTORY_PARTITIONS_MAX];
    struct fetch_request_fetch_topic topics[MODEL_TOPICS_MAX];
    int32_t forgotten_numbers[HISTORY_PARTITIONS_MAX];
    struct fetch_request_forgotten_topic forgotten[MODEL_TOPICS_MAX];
};

/* What the session knows stays as it is, is said anew because it has moved, or is to go. */
static bool is_forgotten(struct model_consumer *consumer, const struct model_topic *known,
                         uint32_t partition)
{
    struct consumer_partition *at = &consumer->partitions[partition];

    if (!at->in_session)
        return false;
    if (!known->gone && (wants(consumer, partition) || prng_chance(&consumer->client.prng, 3, 4)))
        return false;
    at->in_session = false;
    return true;
}

static void put_topic(struct model_consumer *consumer, const struct model_topic *known,
                      struct wishes *wishes, struct fetch_request *request)
{
    struct fetch_request_fetch_topic *topic = &wishes->topics[request->topics.count];
    struct fetch_request_forgotten_topic *forgotten =
        &wishes->forgotten[request->forgotten_topics_data.count];

    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, topic);
    codec_set_struct_defaults(&fetch_request_forgotten_topic_struct, forgotten);
    topic->topic = forgotten->topic = wire_string(known->name);
    topic->topic_id = forgotten->topic_id = known->id;
    topic->partitions.items = &wishes->partitions[known->first_partition];
    forgotten->partitions.items = &wishes->forgotten_numbers[known->first_partition];
    for (uint32_t p = 0; p < known->partitions_count; p++) {
        uint32_t partition = known->first_partition + p;
        struct consumer_partition *at = &consumer->partitions[partition];
        if (is_forgotten(consumer, known, partition))
            forgotten->partitions.items[forgotten->partitions.count++] = (int32_t)p;
        else if (at->in_session ? at->position != at->session_offset
                                : !known->gone && wants(consumer, partition))
            put_partition(consumer, partition, (int32_t)p,
                          &topic->partitions.items[topic->partitions.count++]);
        else if (at->in_session)
            note_asked(consumer, partition);
    }
    request->topics.count += topic->partitions.count > 0;
    request->forgotten_topics_data.count += forgotten->partitions.count > 0;
}

/* Goes on with the session that there is, or asks for one. */
static void choose_session(struct model_consumer *consumer)
{
    struct consumer_session *session = &consumer->session;

    if (session->id != 0 && !prng_chance(&consumer->client.prng, 1, NEW_SESSION_ODDS))
        return;
    *session = (struct consumer_session){
        .next_epoch = consumer->options.sessions ? 0 : -1,
        .version = model_client_version(&consumer->client, API_FETCH, 10, 18)};
    if (session->version < consumer->options.version_min)
        session->version = consumer->options.version_min;
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++)
        consumer->partitions[p].in_session = false;
}

static void fetch(struct model_consumer *consumer)
{
    struct wishes wishes;
    struct fetch_request request;

    choose_session(consumer);
    codec_set_defaults(&fetch_request_desc, &request);
    request.session_id = consumer->session.id;
    request.session_epoch = consumer->session.next_epoch;
    request.topics.items = wishes.topics;
    request.forgotten_topics_data.items = wishes.forgotten;
    for (uint32_t t = 0; t < consumer->topics->count; t++)
        if (!uuid_is_zero(&consumer->topics->at[t].id))
            put_topic(consumer, &consumer->topics->at[t], &wishes, &request);
    if (request.topics.count == 0 && consumer->session.id == 0)
        return;
    request.max_wait_ms = consumer->auditing ? 100 : (int32_t)consumer->options.max_wait_ms;
    request.min_bytes = 1;
    request.max_bytes = (int32_t)consumer->options.bytes_max;
    consumer->asked_ns = sim_world_now_ns(consumer->client.node->world);
    consumer->busy = true;
    model_client_call(&consumer->client, &consumer->call, API_FETCH, consumer->session.version,
                      &request, on_fetched);
}

static void on_tick(struct timer *timer)
{
    struct model_consumer *consumer = container_of(timer, struct model_consumer, tick);

    if (!consumer->busy && !consumer->stop && model_client_is_up(&consumer->client) &&
        (consumer->auditing || !consumer->options.auditor)) {
        if (consumer->has_lost &&
            !model_topics_of_partition(consumer->topics, consumer->lost_partition)->gone)
            ask_start(consumer);
        else
            fetch(consumer);
    }
    loop_set_timer_ms(
        &consumer->client.loop, &consumer->tick,
        model_client_draw_ms(&consumer->client,
                             consumer->auditing ? 2 : consumer->options.pause_max_ms));
}

void model_consumer_init(struct model_consumer *consumer, struct sim_node *node,
                         struct history *history, const struct model_client_options *client,
                         const struct model_consumer_options *options,
                         const struct model_topics *topics, const struct oracle *oracle)
{
    *consumer = (struct model_consumer){.options = *options, .topics = topics, .oracle = oracle};
    model_client_init(&consumer->client, node, history, client);
    consumer->compression = compression_context_create();
    timer_init(&consumer->tick, on_tick);
    loop_set_timer_ms(&consumer->client.loop, &consumer->tick, 1);
}

void model_consumer_deinit(struct model_consumer *consumer)
{
    loop_cancel_timer(&consumer->client.loop, &consumer->tick);
    model_client_deinit(&consumer->client);
    compression_context_destroy(consumer->compression);
}

void model_consumer_audit(struct model_consumer *consumer)
{
    consumer->auditing = true;
    for (uint32_t p = 0; p < consumer->topics->partitions_count; p++) {
        consumer->partitions[p] = (struct consumer_partition){0};
        tell(consumer, HISTORY_AUDIT, p, -1, 0);
    }
}

bool model_consumer_audit_is_done(const struct model_consumer *consumer)
{
    for (uint32_t p = 0; p < consumer->topics->partitions_count; p++)
        if (!consumer->partitions[p].audited &&
            !model_topics_of_partition(consumer->topics, p)->gone)
            return false;
    return true;
}
