#include "tools/record_sender.h"

#include "base/mem.h"
#include "net/client/client_partitioner.h"
#include "net/protocol/msg_init_producer_id.h"
#include "net/protocol/msg_produce.h"
#include "tools/output.h"
#include "tools/patience.h"

#include <limits.h>
#include <string.h>
#include <time.h>

enum { GATHER_BYTES = 512 << 10, RECORD_BYTES_MAX = 64 << 20, ARENA_BYTES = 64 << 20 };

static int32_t choose_partition(const struct record_sender *sender, const char *key,
                                int32_t key_bytes)
{
    if (sender->cli->partitions >= 0)
        return sender->cli->partitions;
    if (key_bytes >= 0)
        return client_partitioner_of_key(key, (size_t)key_bytes, sender->topic.partition_count);
    return sender->next_partition;
}

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void begin_batch(struct record_sender *sender, int32_t partition)
{
    struct batch_builder_options options = batch_builder_options_default();

    options.codec = sender->codec;
    options.max_bytes = RECORD_BYTES_MAX + GATHER_BYTES;
    options.producer_id = sender->producer_id;
    if (sender->producer_id >= 0) {
        options.producer_epoch = sender->producer_epoch;
        options.base_sequence = sender->sequences[partition];
    }
    batch_builder_reset(&sender->batches[partition], &options);
}

/* Without one (not served, not allowed) records are sent as they were before KIP-98. */
static enum cli_exit ask_producer_id(struct record_sender *sender)
{
    struct patience patience = patience_begin(sender->cli->timeout_ms);
    int16_t error_code = KAFKA_NONE;
    enum err err;

    sender->producer_id = -1;
    if (sender->cli->acks != -1 ||
        blocking_client_version(sender->client, API_INIT_PRODUCER_ID) < 0)
        return CLI_OK;
    do {
        struct init_producer_id_request request;
        const struct init_producer_id_response *response;
        const void *answer;
        struct arena arena;
        arena_init(&arena, 1 << 20);
        codec_set_defaults(&init_producer_id_request_desc, &request);
        request.transactional_id = wire_string(NULL);
        request.transaction_timeout_ms = INT_MAX;
        err = blocking_client_call(sender->client, API_INIT_PRODUCER_ID, &request, &arena, &answer);
        if (err == OK) {
            response = answer;
            error_code = response->error_code;
            if (error_code == KAFKA_NONE) {
                sender->producer_id = response->producer_id;
                sender->producer_epoch = response->producer_epoch;
            }
        }
        arena_deinit(&arena);
    } while (err == OK ? patience_with_kafka(&patience, error_code)
                       : patience_with(&patience, err));
    return err == OK ? CLI_OK : cli_call_failed("InitProducerId", err);
}

enum cli_exit record_sender_init(struct record_sender *sender, const struct cli *cli,
                                 enum compression codec)
{
    enum cli_exit result;
    size_t count;

    *sender = (struct record_sender){.cli = cli, .codec = codec};
    result = cli_connect(cli, &sender->client);
    if (result == CLI_OK)
        result = topic_view_load(cli, sender->client, cli->words[0], true, &sender->topic);
    if (result == CLI_OK && cli->partitions >= sender->topic.partition_count)
        result = cli_fail(CLI_NOT_FOUND, "%s has %d partitions", cli->words[0],
                          sender->topic.partition_count);
    if (result == CLI_OK)
        result = ask_producer_id(sender);
    if (result != CLI_OK)
        return result;
    count = (size_t)sender->topic.partition_count;
    sender->context = compression_context_create();
    sender->batches = mem_alloc(count * sizeof(*sender->batches));
    sender->sequences = mem_alloc(count * sizeof(*sender->sequences));
    for (int32_t p = 0; p < sender->topic.partition_count; p++)
        begin_batch(sender, p);
    return CLI_OK;
}

void record_sender_deinit(struct record_sender *sender)
{
    for (int32_t p = 0; sender->batches != NULL && p < sender->topic.partition_count; p++)
        batch_builder_deinit(&sender->batches[p]);
    mem_free(sender->batches);
    mem_free(sender->sequences);
    compression_context_destroy(sender->context);
    blocking_client_close(sender->client);
}

bool record_sender_is_empty(const struct record_sender *sender)
{
    return sender->gathered_bytes == 0;
}

/* ---- sending */

static enum cli_exit fill_request(struct record_sender *sender, struct arena *arena,
                                  struct produce_request_topic_produce_data *topic)
{
    int32_t count = sender->topic.partition_count;
    struct wire_slice *slices = arena_alloc_array(arena, (size_t)count, sizeof(*slices));

    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, topic);
    topic->name = wire_string(sender->cli->words[0]);
    topic->topic_id = sender->topic.id;
    topic->partition_data.items =
        codec_new_array(&produce_request_partition_produce_data_struct, arena, (size_t)count);
    if (slices == NULL || topic->partition_data.items == NULL)
        return cli_fail(CLI_FAILED, "more partitions than fit");
    for (int32_t p = 0; p < count; p++) {
        struct produce_request_partition_produce_data *data;
        enum err err;
        if (batch_builder_record_count(&sender->batches[p]) == 0)
            continue;
        err = batch_builder_finish(&sender->batches[p], sender->context, &slices[p].bytes,
                                   &slices[p].size_bytes);
        if (err != OK)
            return cli_fail(CLI_FAILED, "the batch could not be made: %s", err_text(err));
        data = &topic->partition_data.items[topic->partition_data.count++];
        data->index = p;
        data->records = (struct wire_records){&slices[p], 1, slices[p].size_bytes, false};
    }
    return CLI_OK;
}

static void note_stored(struct record_sender *sender, int32_t partition, int64_t base_offset)
{
    int32_t count = batch_builder_record_count(&sender->batches[partition]);

    sender->stored_count += (uint64_t)count;
    /* Kafka's DefaultRecordBatch.incrementSequence: after INT_MAX comes 0 */
    sender->sequences[partition] =
        (int32_t)(((int64_t)sender->sequences[partition] + count) % ((int64_t)INT_MAX + 1));
    if (sender->cli->json) {
        struct output_object object;
        output_begin(&object);
        output_text(&object, "topic", sender->cli->words[0]);
        output_number(&object, "partition", partition);
        output_number(&object, "base_offset", base_offset);
        output_number(&object, "records", count);
        output_end(&object);
    }
    begin_batch(sender, partition);
}

/* What became of each batch; *retriable: the error of one that is worth another try. */
static enum cli_exit take_answer(struct record_sender *sender,
                                 const struct produce_response *response, int16_t *retriable)
{
    enum cli_exit result = CLI_OK;

    *retriable = KAFKA_NONE;
    for (int32_t t = 0; t < response->responses.count; t++)
        for (int32_t i = 0; i < response->responses.items[t].partition_responses.count; i++) {
            const struct produce_response_partition_produce_response *told =
                &response->responses.items[t].partition_responses.items[i];
            bool stored =
                told->error_code == KAFKA_NONE ||
                (told->error_code == KAFKA_DUPLICATE_SEQUENCE_NUMBER && sender->producer_id >= 0);
            if (told->index < 0 || told->index >= sender->topic.partition_count)
                return cli_call_failed("Produce", ERR_MALFORMED);
            if (stored)
                note_stored(sender, told->index, told->base_offset);
            else if (kafka_error_is_retriable(told->error_code))
                *retriable = told->error_code;
            else
                result = cli_fail(cli_exit_of_kafka(told->error_code), "partition %d: %s%s%.*s",
                                  told->index, kafka_error_name(told->error_code),
                                  told->error_message.size_bytes > 0 ? ": " : "",
                                  CLI_TEXT(told->error_message));
        }
    return result;
}

/* One request with every batch that has records. */
static enum cli_exit send_once(struct record_sender *sender, enum err *err_out, int16_t *retriable)
{
    struct produce_request request;
    struct produce_request_topic_produce_data topic;
    const void *answer;
    struct arena arena;
    enum cli_exit result;

    arena_init(&arena, ARENA_BYTES);
    codec_set_defaults(&produce_request_desc, &request);
    /* acks=0 gets no answer to wait for: ask for the leader's then */
    request.acks = sender->cli->acks == 0 ? 1 : (int16_t)sender->cli->acks;
    request.timeout_ms = sender->cli->timeout_ms;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    *err_out = OK;
    result = fill_request(sender, &arena, &topic);
    if (result == CLI_OK) {
        *err_out = blocking_client_call(sender->client, API_PRODUCE, &request, &arena, &answer);
        if (*err_out == OK)
            result = take_answer(sender, answer, retriable);
    }
    arena_deinit(&arena);
    return result;
}

static bool has_batches(const struct record_sender *sender)
{
    for (int32_t p = 0; p < sender->topic.partition_count; p++)
        if (batch_builder_record_count(&sender->batches[p]) > 0)
            return true;
    return false;
}

enum cli_exit record_sender_send(struct record_sender *sender)
{
    struct patience patience = patience_begin(sender->cli->timeout_ms);

    while (has_batches(sender)) {
        int16_t retriable = KAFKA_NONE;
        enum err err;
        enum cli_exit result = send_once(sender, &err, &retriable);
        if (result != CLI_OK)
            return result;
        if (err != OK && !patience_with(&patience, err))
            return cli_call_failed("Produce", err);
        if (err == OK && has_batches(sender) && !patience_with_kafka(&patience, retriable))
            return cli_fail(cli_exit_of_kafka(retriable), "Produce: %s",
                            retriable == KAFKA_NONE ? "an answer without some of the partitions"
                                                    : kafka_error_name(retriable));
    }
    sender->gathered_bytes = 0;
    sender->next_partition = (sender->next_partition + 1) % sender->topic.partition_count;
    return CLI_OK;
}

enum cli_exit record_sender_add(struct record_sender *sender, const char *key, int32_t key_bytes,
                                const char *value, int32_t value_bytes)
{
    uint64_t size_bytes = (uint64_t)(key_bytes < 0 ? 0 : key_bytes) + (uint64_t)value_bytes;
    struct batch_builder *builder;
    uint64_t before;
    enum err err;

    sender->gathered_count++;
    if (sender->gathered_bytes > 0 && sender->gathered_bytes + size_bytes > GATHER_BYTES) {
        enum cli_exit result = record_sender_send(sender);
        if (result != CLI_OK)
            return result;
    }
    builder = &sender->batches[choose_partition(sender, key, key_bytes)];
    before = batch_builder_record_count(builder) == 0 ? 0 : batch_builder_size_bytes(builder);
    err = batch_builder_add_pair(builder, key, key_bytes, value, value_bytes, wall_ms());
    if (err != OK)
        return cli_fail(CLI_FAILED, "a line cannot be a record: %s", err_text(err));
    sender->gathered_bytes += batch_builder_size_bytes(builder) - before; /* RSN-1 */
    return sender->gathered_bytes >= GATHER_BYTES ? record_sender_send(sender) : CLI_OK;
}
