/* The records of a transaction, and the partitions they go to. */
#include "base/check.h"
#include "base/mem.h"
#include "net/protocol/codec.h"
#include "net/protocol/msg_add_partitions_to_txn.h"
#include "net/protocol/msg_produce.h"
#include "record/batch_builder.h"
#include "tests/sim/model_transactor_private.h"

#include <string.h>

enum { PRODUCE_TIMEOUT_MS = 5000, AMOUNT_MAX = 1000 };

static void make_batch(struct model_transactor *transactor, uint32_t partition, uint32_t count,
                       bool is_last)
{
    struct transactor_partition *at = &transactor->partitions[partition];
    struct batch_builder_options options = batch_builder_options_default();
    struct batch_builder builder;
    const uint8_t *bytes;

    options.transactional = true;
    options.producer_id = transactor->producer_id;
    options.producer_epoch = transactor->producer_epoch;
    options.base_sequence = at->next_sequence;
    batch_builder_init(&builder, &options);
    for (uint32_t i = 0; i < count; i++) {
        struct oracle_txn_record record = {
            .transaction = (uint32_t)transactor->transaction,
            .topic_partition = partition,
            .producer_id = transactor->producer_id,
            .producer_epoch = transactor->producer_epoch,
            .sequence = at->next_sequence++,
            .amount =
                is_last && i + 1 == count
                    ? -transactor->balance
                    : (int64_t)prng_below(&transactor->client.prng, AMOUNT_MAX) - AMOUNT_MAX / 2};
        uint8_t value[ORACLE_TXN_VALUE_BYTES];
        uint32_t number = oracle_txn_send(transactor->txn, &record);
        if (i == 0)
            at->batch.first_record = number;
        transactor->balance += record.amount;
        oracle_txn_value_put(transactor->txn, number, value);
        check(batch_builder_add_pair(&builder, NULL, -1, value, sizeof(value),
                                     clock_wall_ms(transactor->client.loop.clock)) == OK);
    }
    check(batch_builder_finish(&builder, NULL, &bytes, &at->batch.size_bytes) == OK);
    at->batch.bytes = mem_alloc(at->batch.size_bytes);
    memcpy(at->batch.bytes, bytes, at->batch.size_bytes);
    at->batch.records_count = count;
    batch_builder_deinit(&builder);
}

/* A batch for some partitions; the last one of a transaction evens it out. */
void model_transactor_records_make_round(struct model_transactor *transactor)
{
    uint32_t partitions = transactor->topics->partitions_count;
    uint32_t first = (uint32_t)prng_below(&transactor->client.prng, partitions);
    uint32_t count = 1 + (uint32_t)prng_below(&transactor->client.prng, partitions);

    if (transactor->transaction == ORACLE_TXN_NONE)
        transactor->transaction = oracle_txn_begin(transactor->txn, transactor->session);
    transactor->rounds_left--;
    for (uint32_t i = 0; i < count; i++)
        make_batch(
            transactor, (first + i) % partitions,
            1 + (uint32_t)prng_below(&transactor->client.prng, transactor->options.records_max),
            transactor->rounds_left == 0 && i + 1 == count);
}

bool model_transactor_records_has_batches(const struct model_transactor *transactor)
{
    for (uint32_t p = 0; p < ORACLE_TXN_PARTITIONS_MAX; p++)
        if (transactor->partitions[p].batch.bytes != NULL)
            return true;
    return false;
}

/* Does the coordinator know of the transaction? */
bool model_transactor_records_is_begun(const struct model_transactor *transactor)
{
    for (uint32_t p = 0; p < ORACLE_TXN_PARTITIONS_MAX; p++)
        if (transactor->partitions[p].is_added)
            return true;
    return transactor->options.is_tv2;
}

/* ---- partitions of the first protocol */

bool model_transactor_records_wants_added(const struct model_transactor *transactor,
                                          uint32_t partition)
{
    const struct transactor_partition *at = &transactor->partitions[partition];

    return !transactor->options.is_tv2 && at->batch.bytes != NULL && !at->is_added;
}

static void on_added(struct model_call *call, enum err err, const void *answer)
{
    struct model_transactor *transactor = model_transactor_answered(call);
    const struct add_partitions_to_txn_response *response = answer;

    for (int32_t t = 0; err == OK && t < response->results_by_topic_v3_and_below.count; t++) {
        const struct add_partitions_to_txn_response_add_partitions_to_txn_topic_result *topic =
            &response->results_by_topic_v3_and_below.items[t];
        for (int32_t i = 0; i < topic->results_by_partition.count; i++) {
            int32_t partition = topic->results_by_partition.items[i].partition_index;
            if (transactor->state != TRANSACTOR_SENDING ||
                (uint32_t)partition >= transactor->topics->partitions_count)
                return;
            if (model_transactor_take_error(
                    transactor, topic->results_by_partition.items[i].partition_error_code, false))
                transactor->partitions[partition].is_added = true;
        }
    }
}

void model_transactor_records_add(struct model_transactor *transactor)
{
    struct add_partitions_to_txn_request_add_partitions_to_txn_topic topic;
    struct add_partitions_to_txn_request request;
    int32_t partitions[ORACLE_TXN_PARTITIONS_MAX];

    codec_set_defaults(&add_partitions_to_txn_request_desc, &request);
    codec_set_struct_defaults(&add_partitions_to_txn_request_add_partitions_to_txn_topic_struct,
                              &topic);
    topic.name = wire_string(transactor->topics->at[0].name);
    topic.partitions.items = partitions;
    for (uint32_t p = 0; p < transactor->topics->partitions_count; p++)
        if (model_transactor_records_wants_added(transactor, p))
            partitions[topic.partitions.count++] = (int32_t)p;
    request.v3_and_below_transactional_id = wire_string(transactor->name);
    request.v3_and_below_producer_id = transactor->producer_id;
    request.v3_and_below_producer_epoch = transactor->producer_epoch;
    request.v3_and_below_topics.items = &topic;
    request.v3_and_below_topics.count = 1;
    oracle_txn_begun(transactor->txn, model_transactor_now_ns(transactor), transactor->session);
    model_transactor_call(transactor, API_ADD_PARTITIONS_TO_TXN, 0, 3, &request, on_added);
}

/* ---- Produce */

static void take_batch(struct model_transactor *transactor, uint32_t partition,
                       const struct produce_response_partition_produce_response *response)
{
    struct transactor_batch *batch = &transactor->partitions[partition].batch;

    if (batch->bytes == NULL ||
        !model_transactor_take_error(transactor, response->error_code, true))
        return;
    oracle_txn_acknowledged(transactor->txn, model_transactor_now_ns(transactor),
                            transactor->asked_ns, batch->first_record, batch->records_count,
                            response->base_offset);
    mem_free(batch->bytes);
    *batch = (struct transactor_batch){0};
}

static void on_produced(struct model_call *call, enum err err, const void *answer)
{
    struct model_transactor *transactor = model_transactor_answered(call);
    const struct produce_response *response = answer;

    for (int32_t t = 0; err == OK && t < response->responses.count; t++) {
        const struct produce_response_topic_produce_response *topic = &response->responses.items[t];
        for (int32_t i = 0; i < topic->partition_responses.count; i++)
            if ((uint32_t)topic->partition_responses.items[i].index <
                transactor->topics->partitions_count)
                take_batch(transactor, (uint32_t)topic->partition_responses.items[i].index,
                           &topic->partition_responses.items[i]);
    }
}

void model_transactor_records_produce(struct model_transactor *transactor)
{
    struct produce_request_partition_produce_data data[ORACLE_TXN_PARTITIONS_MAX];
    struct wire_slice slices[ORACLE_TXN_PARTITIONS_MAX];
    struct produce_request_topic_produce_data topic;
    struct produce_request request;
    bool is_tv2 = transactor->options.is_tv2;

    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    topic.name = wire_string(transactor->topics->at[0].name);
    topic.topic_id = transactor->topics->at[0].id;
    topic.partition_data.items = data;
    for (uint32_t p = 0; p < transactor->topics->partitions_count; p++) {
        const struct transactor_batch *batch = &transactor->partitions[p].batch;
        struct produce_request_partition_produce_data *partition =
            &data[topic.partition_data.count];
        if (batch->bytes == NULL)
            continue;
        codec_set_struct_defaults(&produce_request_partition_produce_data_struct, partition);
        slices[p] = (struct wire_slice){.bytes = batch->bytes, .size_bytes = batch->size_bytes};
        partition->index = (int32_t)p;
        partition->records = (struct wire_records){
            .slices = &slices[p], .slice_count = 1, .size_bytes = batch->size_bytes};
        topic.partition_data.count++;
    }
    request.transactional_id = wire_string(transactor->name);
    request.acks = -1;
    request.timeout_ms = PRODUCE_TIMEOUT_MS;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    oracle_txn_begun(transactor->txn, model_transactor_now_ns(transactor), transactor->session);
    model_transactor_call(transactor, API_PRODUCE, is_tv2 ? 12 : 3, is_tv2 ? 13 : 11, &request,
                          on_produced);
}
