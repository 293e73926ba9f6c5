#include "tests/sim/model_producer.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/codec.h"
#include "net/protocol/msg_init_producer_id.h"
#include "net/protocol/msg_produce.h"
#include "tests/sim/sim_marks.h"

#include <string.h>

enum { PRODUCE_TIMEOUT_MS = 10000, NEW_SESSION_ODDS = 400 };

/* ---- batches */

static struct history_event record_event(const struct model_producer *producer,
                                         const struct producer_batch *batch, enum history_kind kind,
                                         int32_t i)
{
    uint64_t counter = batch->first_counter + (uint64_t)i;

    return (struct history_event){
        .kind = kind,
        .partition = batch->partition,
        .session = producer->session,
        .offset = -1,
        .value = history_value(producer->client.options.id, counter),
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .sequence = batch->base_sequence < 0 ? -1 : batch->base_sequence + i,
        .idempotent = producer->options.idempotent,
    };
}

/* append_time_ms: the broker's, -1: the records' own. */
static void tell_fate(struct model_producer *producer, const struct producer_batch *batch,
                      enum history_kind kind, int64_t base_offset, int64_t append_time_ms,
                      int16_t error)
{
    for (int32_t i = 0; i < batch->records_count; i++) {
        struct history_event event = record_event(producer, batch, kind, i);
        event.offset = base_offset < 0 ? -1 : base_offset + i;
        event.error = error;
        event.by_append_time = append_time_ms >= 0;
        event.asked_ns = batch->asked_ns;
        event.timestamp_ms = append_time_ms;
        model_client_tell(&producer->client, &event);
    }
}

/* What its records are like.  The caller frees it. */
static struct model_batch_record *draw_records(struct model_producer *producer,
                                               const struct producer_batch *batch)
{
    const struct model_producer_options *options = &producer->options;
    struct prng *prng = &producer->client.prng;
    struct prng *wide = &producer->wide_prng;
    struct model_batch_record *records =
        mem_alloc((size_t)batch->records_count * sizeof(struct model_batch_record));
    int64_t now_ms = clock_wall_ms(producer->client.loop.clock);

    for (int32_t i = 0; i < batch->records_count; i++) {
        struct model_batch_record *record = &records[i];
        record->timestamp_ms = now_ms;
        record->value_bytes =
            HISTORY_VALUE_BYTES_MIN +
            (int32_t)prng_below(prng, options->value_bytes_max - HISTORY_VALUE_BYTES_MIN + 1);
        if (producer->topics->plain)
            continue;
        if (prng_chance(wide, 1, 8)) /* null, empty or shorter than a name */
            record->value_bytes = (int32_t)prng_below(wide, HISTORY_VALUE_BYTES_MIN + 1) - 1;
        if (prng_chance(wide, 1, 4))
            record->timestamp_ms -= (int64_t)prng_below(wide, 10000);
        if (options->dated_max_ms > 0 && prng_chance(wide, 1, 4))
            record->timestamp_ms -= (int64_t)prng_below(wide, options->dated_max_ms);
    }
    return records;
}

/* One batch of any size: so many records that each has about as many bytes as fall to it. */
static struct model_batch_record *draw_mixed(struct model_producer *producer,
                                             struct producer_batch *batch)
{
    struct prng *wide = &producer->wide_prng;
    uint32_t log2 = (uint32_t)prng_below(wide, producer->options.mixed_bytes_log2 + 1);
    uint32_t batch_bytes = (1U << log2) + (uint32_t)prng_below(wide, 1U << log2);
    uint32_t most = 1U << producer->options.mixed_bytes_log2;
    int32_t value_bytes;
    struct model_batch_record *records;

    if (producer->mixed_bytes > producer->options.mixed_bytes_limit)
        batch_bytes %= 4096;
    if (batch_bytes > most)
        batch_bytes = most;
    producer->mixed_bytes += batch_bytes;
    batch->records_count =
        batch_bytes < 65536 ? 1 + (int32_t)prng_below(wide, producer->options.records_max) : 1;
    value_bytes = (int32_t)(batch_bytes / (uint32_t)batch->records_count);
    if (producer->topics->plain && value_bytes < HISTORY_VALUE_BYTES_MIN)
        value_bytes = HISTORY_VALUE_BYTES_MIN;
    records = draw_records(producer, batch);
    for (int32_t i = 0; i < batch->records_count; i++)
        records[i].value_bytes = value_bytes;
    return records;
}

static enum model_lie draw_lie(struct model_producer *producer)
{
    struct prng *wide = &producer->wide_prng;
    uint32_t dice = (uint32_t)prng_below(wide, 100);

    if (dice < producer->options.lie_odds)
        return MODEL_LIE_MAX_TIMESTAMP +
               (enum model_lie)prng_below(wide, MODEL_BAD_CRC - MODEL_LIE_MAX_TIMESTAMP);
    if (!producer->options.idempotent && dice >= 100 - producer->options.bad_odds)
        return MODEL_BAD_CRC + (enum model_lie)prng_below(wide, MODEL_LIE_COUNT - MODEL_BAD_CRC);
    return MODEL_HONEST;
}

static void fill_batch(struct model_producer *producer, struct producer_batch *batch,
                       const struct model_batch_record *records)
{
    struct model_batch_spec spec = {
        .first_value = history_value(producer->client.options.id, batch->first_counter),
        .records = records,
        .records_count = batch->records_count,
        .plain = producer->topics->plain,
        .codec = producer->options.codec,
        .producer_id = producer->producer_id,
        .producer_epoch = producer->producer_epoch,
        .base_sequence = batch->base_sequence,
        .lie = batch->lie,
    };

    model_batch_make(&spec, producer->compression, &producer->wide_prng, &batch->bytes,
                     &batch->size_bytes);
}

static void tell_send(struct model_producer *producer, const struct producer_batch *batch,
                      const struct model_batch_record *records)
{
    for (int32_t i = 0; i < batch->records_count; i++) {
        struct history_event event = record_event(producer, batch, HISTORY_SEND, i);
        event.timestamp_ms = records[i].timestamp_ms;
        event.value_bytes = records[i].value_bytes;
        event.forbidden = model_lie_is_bad(batch->lie);
        model_client_tell(&producer->client, &event);
    }
}

static struct producer_batch *new_batch(struct model_producer *producer, uint32_t partition_index)
{
    struct producer_partition *partition = &producer->partitions[partition_index];
    struct producer_batch *batch = mem_alloc(sizeof(*batch));
    struct model_batch_record *records;

    batch->partition = partition_index;
    batch->first_counter = producer->next_counter;
    batch->records_count =
        1 + (int32_t)prng_below(&producer->client.prng, producer->options.records_max);
    records = producer->options.mixed_bytes_log2 > 0 ? draw_mixed(producer, batch)
                                                     : draw_records(producer, batch);
    batch->base_sequence = producer->options.idempotent ? partition->next_sequence : -1;
    batch->lie = draw_lie(producer);
    if (!producer->options.idempotent)
        producer->session = producer->client.connections_count;
    producer->next_counter += (uint64_t)batch->records_count;
    partition->next_sequence += batch->records_count;
    fill_batch(producer, batch, records);
    list_push_back(&partition->open, &batch->node);
    partition->open_count++;
    tell_send(producer, batch, records);
    mem_free(records);
    return batch;
}

static void end_batch(struct model_producer *producer, struct producer_batch *batch,
                      enum history_kind kind, int64_t base_offset, int64_t append_time_ms,
                      int16_t error)
{
    tell_fate(producer, batch, kind, base_offset, append_time_ms, error);
    list_remove(&batch->node);
    producer->partitions[batch->partition].open_count--;
    mem_free(batch->bytes);
    mem_free(batch);
}

/* ---- answers */

/* Errors after which the records are certainly not in the log. */
static bool is_without_effect(int16_t error)
{
    switch (error) {
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_LEADER_NOT_AVAILABLE:
    case KAFKA_NOT_LEADER_OR_FOLLOWER:
    case KAFKA_NOT_ENOUGH_REPLICAS:
    case KAFKA_THROTTLING_QUOTA_EXCEEDED:
    case KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER:
    case KAFKA_UNKNOWN_PRODUCER_ID:
        return true;
    default:
        return false;
    }
}

/* Right for a batch behind one that failed; wrong for the oldest. */
static bool is_about_sequence(int16_t error)
{
    return error == KAFKA_OUT_OF_ORDER_SEQUENCE_NUMBER || error == KAFKA_UNKNOWN_PRODUCER_ID;
}

/* What a batch that must be refused is refused with. */
static bool is_refusal(int16_t error)
{
    return error == KAFKA_CORRUPT_MESSAGE || error == KAFKA_INVALID_RECORD ||
           error == KAFKA_UNSUPPORTED_COMPRESSION_TYPE || error == KAFKA_INVALID_TIMESTAMP;
}

static bool is_retriable(int16_t error)
{
    return is_without_effect(error) || error == KAFKA_REQUEST_TIMED_OUT ||
           error == KAFKA_KAFKA_STORAGE_ERROR || error == KAFKA_NETWORK_EXCEPTION ||
           error == KAFKA_NOT_ENOUGH_REPLICAS_AFTER_APPEND;
}

static void refuse(struct model_producer *producer, struct producer_batch *batch, int16_t error)
{
    struct history_event event = {
        .kind = HISTORY_REFUSED,
        .partition = batch->partition,
        .offset = -1,
        .value = history_value(producer->client.options.id, batch->first_counter),
        .error = error};

    model_client_tell(&producer->client, &event);
    if (model_topics_of_partition(producer->topics, batch->partition)->rules.cache) { /* MPR-5 */
        producer->partitions[batch->partition].broken = true;
        producer->new_session = true;
    } else {
        producer->finishing = true; /* the first complaint is enough */
    }
}

static bool is_gone(const struct model_producer *producer, const struct producer_batch *batch)
{
    return model_topics_of_partition(producer->topics, batch->partition)->gone;
}

static void mark_error(const struct producer_batch *batch, int16_t error)
{
    if (error == KAFKA_KAFKA_STORAGE_ERROR)
        sim_mark(MARK_STORAGE_REFUSED);
    if (model_lie_is_bad(batch->lie) && is_refusal(error))
        sim_mark(MARK_BAD_CRC + (enum sim_mark)(batch->lie - MODEL_BAD_CRC));
}

static void take_error(struct model_producer *producer, struct producer_batch *batch, int16_t error)
{
    bool is_oldest = producer->partitions[batch->partition].open.next == &batch->node;
    bool is_over = producer->partitions[batch->partition].broken || is_gone(producer, batch);

    mark_error(batch, error);
    if (is_gone(producer, batch))
        sim_mark(MARK_GONE_WITH_BATCHES);
    if (model_lie_is_bad(batch->lie) && is_refusal(error)) {
        end_batch(producer, batch, HISTORY_SEND_FAIL, -1, -1, error);
        return;
    }
    if (!is_without_effect(error))
        batch->ambiguous = true;
    if (!is_over && (!is_retriable(error) || (is_about_sequence(error) && is_oldest))) {
        refuse(producer, batch, error);
        end_batch(producer, batch, HISTORY_SEND_INFO, -1, -1, error);
        return;
    }
    if (!producer->options.idempotent || is_over)
        end_batch(producer, batch, batch->ambiguous ? HISTORY_SEND_INFO : HISTORY_SEND_FAIL, -1, -1,
                  error);
}

static void take_partition(struct model_producer *producer, struct producer_flight *flight,
                           uint32_t partition_index,
                           const struct produce_response_partition_produce_response *answer)
{
    struct producer_batch *batch;

    if (partition_index >= HISTORY_PARTITIONS_MAX || flight->batches[partition_index] == NULL) {
        struct history_event event = {.kind = HISTORY_WIRE, .offset = -1};
        model_client_tell(&producer->client, &event);
        return;
    }
    batch = flight->batches[partition_index];
    flight->batches[partition_index] = NULL;
    batch->in_flight = false;
    if (answer->error_code != KAFKA_NONE) {
        take_error(producer, batch, answer->error_code);
        return;
    }
    if (batch->lie >= MODEL_LIE_MAX_TIMESTAMP && batch->lie <= MODEL_LIE_EPOCH)
        sim_mark(MARK_LIE_MAX_TIMESTAMP + (enum sim_mark)(batch->lie - MODEL_LIE_MAX_TIMESTAMP));
    if (batch->ambiguous)
        sim_mark(MARK_DUPLICATE);
    producer->acknowledged_count++;
    producer->partitions[partition_index].begun = true;
    end_batch(producer, batch, HISTORY_SEND_OK, answer->base_offset, answer->log_append_time_ms, 0);
}

static const struct model_topic *answered_topic(
    const struct model_producer *producer, const struct model_call *call,
    const struct produce_response_topic_produce_response *topic)
{
    for (uint32_t i = 0; i < producer->topics->count; i++) {
        const struct model_topic *known = &producer->topics->at[i];
        if (call->version >= 13 ? uuid_equal(&known->id, &topic->topic_id)
                                : wire_string_is(topic->name, known->name))
            return known;
    }
    return NULL;
}

static void on_produced(struct model_call *call, enum err err, const void *answer)
{
    struct producer_flight *flight = container_of(call, struct producer_flight, call);
    struct model_producer *producer = flight->producer;
    const struct produce_response *response = answer;

    for (int32_t t = 0; err == OK && t < response->responses.count; t++) {
        const struct produce_response_topic_produce_response *topic = &response->responses.items[t];
        const struct model_topic *known = answered_topic(producer, call, topic);
        for (int32_t p = 0; p < topic->partition_responses.count; p++) {
            const struct produce_response_partition_produce_response *partition =
                &topic->partition_responses.items[p];
            take_partition(producer, flight,
                           known == NULL ? HISTORY_PARTITIONS_MAX
                                         : known->first_partition + (uint32_t)partition->index,
                           partition);
        }
    }
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++) {
        struct producer_batch *batch = flight->batches[p];
        if (batch == NULL)
            continue;
        flight->batches[p] = NULL;
        batch->in_flight = false;
        take_error(producer, batch, KAFKA_NETWORK_EXCEPTION);
    }
    flight->used = false;
}

/* Of a request without an answer nobody knows. */
static void on_handed_over(struct model_call *call, enum err err, const void *answer)
{
    struct producer_flight *flight = container_of(call, struct producer_flight, call);

    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++) {
        struct producer_batch *batch = flight->batches[p];
        if (batch == NULL)
            continue;
        flight->batches[p] = NULL;
        end_batch(flight->producer, batch, HISTORY_SEND_INFO, -1, -1, 0);
    }
    flight->used = false;
}

/* ---- requests */

/* Nobody will send them again. */
static void end_open(struct model_producer *producer, struct producer_partition *at)
{
    struct list *next;

    for (struct list *node = at->open.next; node != &at->open; node = next) {
        struct producer_batch *batch = container_of(node, struct producer_batch, node);
        next = node->next;
        if (batch->in_flight)
            continue;
        if (!at->broken)
            sim_mark(MARK_GONE_WITH_BATCHES);
        end_batch(producer, batch, HISTORY_SEND_INFO, -1, -1, 0);
    }
}

/* The next batch of the partition to be sent, or NULL. */
static struct producer_batch *choose_batch(struct model_producer *producer, uint32_t partition)
{
    struct producer_partition *at = &producer->partitions[partition];
    const struct model_topic *topic = model_topics_of_partition(producer->topics, partition);

    if (producer->options.version_min >= 13 && uuid_is_zero(&topic->id))
        return NULL;
    if (at->broken || topic->gone) {
        end_open(producer, at);
        return NULL;
    }
    for (struct list *node = at->open.next; node != &at->open; node = node->next) {
        struct producer_batch *batch = container_of(node, struct producer_batch, node);
        if (!batch->in_flight)
            return batch;
    }
    if (producer->options.idempotent && !at->begun && at->open_count > 0)
        return NULL; /* MPR-2 */
    if (producer->finishing || producer->new_session || at->open_count >= PRODUCER_OPEN_MAX ||
        producer->next_counter >= producer->options.records_limit)
        return NULL;
    return new_batch(producer, partition);
}

static void put_request(struct model_producer *producer, struct producer_flight *flight)
{
    struct produce_request_partition_produce_data data[HISTORY_PARTITIONS_MAX];
    struct wire_slice slices[HISTORY_PARTITIONS_MAX];
    struct produce_request_topic_produce_data topics[MODEL_TOPICS_MAX];
    struct produce_request request;
    int32_t topics_count = 0;
    int16_t version;
    bool ids_known = true;

    for (uint32_t t = 0; t < producer->topics->count; t++) {
        const struct model_topic *known = &producer->topics->at[t];
        struct produce_request_topic_produce_data *topic = &topics[topics_count];
        codec_set_struct_defaults(&produce_request_topic_produce_data_struct, topic);
        topic->name = wire_string(known->name);
        topic->topic_id = known->id;
        topic->partition_data.items = &data[known->first_partition];
        for (uint32_t p = 0; p < known->partitions_count; p++) {
            struct producer_batch *batch = flight->batches[known->first_partition + p];
            struct produce_request_partition_produce_data *partition =
                &topic->partition_data.items[topic->partition_data.count];
            struct wire_slice *slice = &slices[known->first_partition + p];
            if (batch == NULL)
                continue;
            codec_set_struct_defaults(&produce_request_partition_produce_data_struct, partition);
            *slice = (struct wire_slice){.bytes = batch->bytes, .size_bytes = batch->size_bytes};
            partition->index = (int32_t)p;
            partition->records = (struct wire_records){
                .slices = slice, .slice_count = 1, .size_bytes = batch->size_bytes};
            topic->partition_data.count++;
        }
        if (topic->partition_data.count == 0)
            continue;
        ids_known = ids_known && !uuid_is_zero(&known->id);
        topics_count++;
    }
    codec_set_defaults(&produce_request_desc, &request);
    request.acks = flight->acks;
    request.timeout_ms = PRODUCE_TIMEOUT_MS;
    request.topic_data.items = topics;
    request.topic_data.count = topics_count;
    version = model_client_version(&producer->client, API_PRODUCE,
                                   producer->options.codec == COMPRESSION_ZSTD ? 7 : 3, 13);
    if (version >= 13 && !ids_known)
        version = 12;
    if (version < producer->options.version_min)
        version = producer->options.version_min;
    if (flight->acks == 0)
        sim_mark(MARK_ACKS_ZERO);
    if (flight->acks == 0)
        model_client_send(&producer->client, &flight->call, API_PRODUCE, version, &request,
                          on_handed_over);
    else
        model_client_call(&producer->client, &flight->call, API_PRODUCE, version, &request,
                          on_produced);
}

static int16_t draw_acks(struct model_producer *producer)
{
    const struct model_producer_options *options = &producer->options;
    uint32_t dice = (uint32_t)prng_below(&producer->wide_prng, 100);

    if (!options->idempotent && dice < options->acks_zero_odds)
        return 0;
    return dice >= 100 - options->acks_one_odds ? 1 : -1;
}

/* Batches of up to request_batches_max partitions, from a random one on, or one of the first. */
static bool send_request(struct model_producer *producer, struct producer_flight *flight)
{
    uint32_t count = producer->topics->partitions_count;
    uint32_t first = (uint32_t)prng_below(&producer->client.prng, count);
    uint32_t seen = count;
    uint32_t wanted =
        1 + (uint32_t)prng_below(&producer->client.prng, producer->options.request_batches_max);
    uint32_t taken = 0;

    if (producer->options.one_partition) {
        first = 0;
        seen = 1;
    }
    for (uint32_t i = 0; i < seen && taken < wanted; i++) {
        uint32_t partition = (first + i) % count;
        struct producer_batch *batch = choose_batch(producer, partition);
        if (batch == NULL)
            continue;
        batch->in_flight = true;
        batch->asked_ns = sim_world_now_ns(producer->client.node->world);
        flight->batches[partition] = batch;
        taken++;
    }
    if (taken == 0)
        return false;
    flight->used = true;
    flight->acks = draw_acks(producer);
    put_request(producer, flight);
    return true;
}

static bool ask_id(struct model_producer *producer);

static void send_all(struct model_producer *producer)
{
    if (producer->options.idempotent && producer->producer_id < 0) {
        if (!producer->finishing)
            ask_id(producer);
        return;
    }
    for (uint32_t i = 0; i < producer->options.flights_max; i++) {
        struct producer_flight *flight = &producer->flights[i];
        if (!model_client_is_up(&producer->client))
            return;
        if (!flight->used && !send_request(producer, flight))
            return;
    }
}

/* ---- producer ids */

static void on_id(struct model_call *call, enum err err, const void *answer)
{
    struct model_producer *producer = container_of(call, struct model_producer, id_call);
    const struct init_producer_id_response *response = answer;
    struct history_event event = {.kind = HISTORY_PRODUCER_ID, .offset = -1};

    producer->asking_id = false;
    if (err != OK || response->error_code != KAFKA_NONE)
        return;
    producer->producer_id = response->producer_id;
    producer->producer_epoch = response->producer_epoch;
    producer->session++;
    sim_mark(MARK_NEW_SESSION);
    event.session = producer->session;
    event.producer_id = response->producer_id;
    event.producer_epoch = response->producer_epoch;
    model_client_tell(&producer->client, &event);
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++) {
        producer->partitions[p].next_sequence = 0;
        producer->partitions[p].begun = producer->partitions[p].broken = false;
    }
}

static bool ask_id(struct model_producer *producer)
{
    struct init_producer_id_request request;

    if (producer->asking_id || !model_client_is_up(&producer->client))
        return false;
    codec_set_defaults(&init_producer_id_request_desc, &request);
    request.transactional_id = (struct wire_string){0};
    request.transaction_timeout_ms = INT32_MAX;
    producer->asking_id = true;
    model_client_call(&producer->client, &producer->id_call, API_INIT_PRODUCER_ID,
                      model_client_version(&producer->client, API_INIT_PRODUCER_ID, 0, 5), &request,
                      on_id);
    return true;
}

/* ---- its life */

static void on_tick(struct timer *timer)
{
    struct model_producer *producer = container_of(timer, struct model_producer, tick);

    if (producer->options.idempotent && !producer->finishing &&
        prng_chance(&producer->client.prng, 1, NEW_SESSION_ODDS))
        producer->new_session = true;
    if (producer->new_session && model_producer_is_done(producer)) {
        producer->new_session = false;
        producer->producer_id = -1;
    }
    if (model_client_is_up(&producer->client))
        send_all(producer);
    loop_set_timer_ms(&producer->client.loop, &producer->tick,
                      model_client_draw_ms(&producer->client, producer->options.pause_max_ms));
}

void model_producer_init(struct model_producer *producer, struct sim_node *node,
                         struct history *history, const struct model_client_options *client,
                         const struct model_producer_options *options,
                         const struct model_topics *topics)
{
    *producer = (struct model_producer){
        .options = *options, .topics = topics, .producer_id = -1, .producer_epoch = -1};
    model_client_init(&producer->client, node, history, client);
    prng_fork(&node->prng, "wide world", &producer->wide_prng);
    producer->compression = compression_context_create();
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++)
        list_init(&producer->partitions[p].open);
    for (uint32_t i = 0; i < PRODUCER_FLIGHTS_MAX; i++)
        producer->flights[i].producer = producer;
    timer_init(&producer->tick, on_tick);
    loop_set_timer_ms(&producer->client.loop, &producer->tick, 1);
}

void model_producer_deinit(struct model_producer *producer)
{
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++) {
        struct list *open = &producer->partitions[p].open;
        while (!list_is_empty(open)) {
            struct producer_batch *batch = list_first(open, struct producer_batch, node);
            list_remove(&batch->node);
            mem_free(batch->bytes);
            mem_free(batch);
        }
    }
    loop_cancel_timer(&producer->client.loop, &producer->tick);
    model_client_deinit(&producer->client);
    compression_context_destroy(producer->compression);
}

void model_producer_finish(struct model_producer *producer)
{
    producer->finishing = true;
}

bool model_producer_is_done(const struct model_producer *producer)
{
    for (uint32_t p = 0; p < HISTORY_PARTITIONS_MAX; p++)
        if (producer->partitions[p].open_count > 0)
            return false;
    return true;
}
