/* levee consume: print the records of a topic, partition after partition, without a group. */
#include "base/mem.h"
#include "net/client/client_aborted.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_list_offsets.h"
#include "record/batch_reader.h"
#include "tools/output.h"
#include "tools/patience.h"
#include "tools/record_format.h"
#include "tools/start_offset.h"
#include "tools/topic_view.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MS = 500, FETCH_BYTES = 4 << 20, ARENA_BYTES = 64 << 20 };

struct consumer {
    const struct cli *cli;
    struct blocking_client *client;
    struct topic_view topic;
    struct start_offset where;
    int64_t *offsets; /* next one of each partition */
    int64_t *ends;    /* where to stop; INT64_MAX: nowhere */
    bool *wanted;     /* still */
    struct batch_reader reader;
    struct compression_context *context;
    struct patience patience; /* since the last good answer */
    int64_t left;             /* records to print; -1: without end */
};

/* ---- printing */

static void print_record(const struct consumer *consumer, const struct record *record,
                         const struct record_format_place *place)
{
    struct output_object object;

    if (!consumer->cli->json) {
        record_format_print(stdout, consumer->cli->record_format, record, place);
        return;
    }
    output_begin(&object);
    output_text(&object, "topic", place->topic);
    output_number(&object, "partition", place->partition);
    output_number(&object, "offset", place->offset);
    output_number(&object, "timestamp", place->timestamp_ms);
    output_bytes(&object, "key", record->key, record->key_bytes);
    output_bytes(&object, "value", record->value, record->value_bytes);
    output_end(&object);
}

/* Has whoever read our pipe gone?  Asked even when there is nothing to print, as tail -f does. */
static bool reader_is_gone(void)
{
    struct pollfd poller = {.fd = STDOUT_FILENO};

    return poll(&poller, 1, 0) == 1 && (poller.revents & (POLLERR | POLLNVAL)) != 0;
}

/* ---- fetching */

static int8_t isolation_of(const struct consumer *consumer)
{
    return consumer->cli->is_committed ? KAFKA_ISOLATION_LEVEL_READ_COMMITTED
                                       : KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED;
}

static enum cli_exit print_batches(struct consumer *consumer, int32_t partition,
                                   const struct wire_slice *slice, struct client_aborted *aborted)
{
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;

    batch_walk_init(&walk, slice->bytes, slice->size_bytes);
    while (consumer->left != 0 && batch_next(&walk, &header, &bytes) == OK) {
        struct record record;
        struct record_format_place place = {.topic = consumer->cli->words[0],
                                            .partition = partition,
                                            .leader_epoch = header.leader_epoch};
        bool drops = client_aborted_drops(aborted, &header, bytes);
        enum err err =
            drops ? ERR_NOT_FOUND : batch_reader_open(&consumer->reader, bytes, header.size_bytes);
        while (err == OK && consumer->left != 0 &&
               (err = batch_reader_next(&consumer->reader, &record, &place.offset,
                                        &place.timestamp_ms)) == OK) {
            if (place.offset < consumer->offsets[partition] ||
                place.offset >= consumer->ends[partition] || batch_is_control(&header))
                continue;
            print_record(consumer, &record, &place);
            consumer->left -= consumer->left > 0;
        }
        if (err != OK && err != ERR_NOT_FOUND)
            return cli_fail(CLI_FAILED, "partition %d, offset %lld: the batch cannot be read: %s",
                            partition, (long long)header.base_offset, err_text(err));
        consumer->offsets[partition] = batch_last_offset(&header) + 1;
    }
    consumer->wanted[partition] = consumer->offsets[partition] < consumer->ends[partition];
    return CLI_OK;
}

static enum cli_exit print_partition(struct consumer *consumer,
                                     const struct fetch_response_partition_data *data)
{
    struct client_aborted aborted;
    enum cli_exit result;

    if (client_aborted_init(&aborted, data) != OK)
        return cli_call_failed("Fetch", ERR_NOMEM);
    result = print_batches(consumer, data->partition_index, data->records.slices, &aborted);
    client_aborted_deinit(&aborted);
    return result;
}

/* *passing: an error that may pass by itself, of the whole or of a partition. */
static enum cli_exit take(struct consumer *consumer, const struct fetch_response *response,
                          int16_t *passing)
{
    *passing = response->error_code;
    for (int32_t t = 0; t < response->responses.count; t++)
        for (int32_t p = 0; p < response->responses.items[t].partitions.count; p++) {
            const struct fetch_response_partition_data *data =
                &response->responses.items[t].partitions.items[p];
            int32_t index = data->partition_index;
            enum cli_exit result = CLI_OK;
            if (index < 0 || index >= consumer->topic.partition_count)
                return cli_call_failed("Fetch", ERR_MALFORMED);
            if (kafka_error_is_retriable(data->error_code))
                *passing = data->error_code;
            else if (data->error_code != KAFKA_NONE)
                return cli_fail(
                    cli_exit_of_kafka(data->error_code), "partition %d, offset %lld: %s", index,
                    (long long)consumer->offsets[index], kafka_error_name(data->error_code));
            else if (data->records.slice_count > 0)
                result = print_partition(consumer, data);
            if (result != CLI_OK)
                return result;
        }
    return CLI_OK;
}

static enum cli_exit fetch_again(struct consumer *consumer, enum err err, int16_t passing)
{
    if (err == OK && passing == KAFKA_NONE) {
        consumer->patience = patience_begin(consumer->cli->timeout_ms);
        return CLI_OK;
    }
    if (err == OK ? patience_with_kafka(&consumer->patience, passing)
                  : patience_with(&consumer->patience, err))
        return CLI_OK;
    if (err != OK)
        return cli_call_failed("Fetch", err);
    return cli_fail(cli_exit_of_kafka(passing), "Fetch: %s", kafka_error_name(passing));
}

static enum cli_exit fetch_once(struct consumer *consumer)
{
    struct fetch_request request;
    struct fetch_request_fetch_topic topic;
    struct arena arena;
    const void *answer;
    int16_t passing = KAFKA_NONE;
    enum cli_exit result;
    enum err err;

    arena_init(&arena, ARENA_BYTES);
    codec_set_defaults(&fetch_request_desc, &request);
    codec_set_struct_defaults(&fetch_request_fetch_topic_struct, &topic);
    topic.topic = wire_string(consumer->cli->words[0]);
    topic.topic_id = consumer->topic.id;
    topic.partitions.items = codec_new_array(&fetch_request_fetch_partition_struct, &arena,
                                             (size_t)consumer->topic.partition_count);
    for (int32_t p = 0; p < consumer->topic.partition_count; p++) {
        struct fetch_request_fetch_partition *partition;
        if (!consumer->wanted[p])
            continue;
        partition = &topic.partitions.items[topic.partitions.count++];
        partition->partition = p;
        partition->fetch_offset = consumer->offsets[p];
        partition->partition_max_bytes = FETCH_BYTES;
    }
    request.isolation_level = isolation_of(consumer);
    request.max_wait_ms = WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES * 8;
    request.topics.items = &topic;
    request.topics.count = 1;
    err = blocking_client_call(consumer->client, API_FETCH, &request, &arena, &answer);
    result = err == OK ? take(consumer, answer, &passing) : CLI_OK;
    arena_deinit(&arena);
    return result == CLI_OK ? fetch_again(consumer, err, passing) : result;
}

static bool is_done(const struct consumer *consumer)
{
    if (consumer->left == 0)
        return true;
    for (int32_t p = 0; p < consumer->topic.partition_count; p++)
        if (consumer->wanted[p])
            return false;
    return true;
}

/* ---- where to begin */

static enum err ask_offset(struct consumer *consumer, int32_t partition, int64_t timestamp,
                           int64_t *out, int16_t *error_code)
{
    struct list_offsets_request request;
    struct list_offsets_request_list_offsets_topic topic;
    struct list_offsets_request_list_offsets_partition asked;
    const struct list_offsets_response *response;
    const void *answer;
    struct arena arena;
    enum err err;

    arena_init(&arena, 1 << 20);
    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_topic_struct, &topic);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &asked);
    request.replica_id = -1;
    request.isolation_level = isolation_of(consumer);
    asked.partition_index = partition;
    asked.timestamp = timestamp;
    topic.name = wire_string(consumer->cli->words[0]);
    topic.partitions.items = &asked;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    err = blocking_client_call(consumer->client, API_LIST_OFFSETS, &request, &arena, &answer);
    response = answer;
    if (err == OK &&
        (response->topics.count != 1 || response->topics.items[0].partitions.count != 1))
        err = ERR_MALFORMED;
    if (err == OK) {
        *error_code = response->topics.items[0].partitions.items[0].error_code;
        *out = response->topics.items[0].partitions.items[0].offset;
    }
    arena_deinit(&arena);
    return err;
}

static enum cli_exit list_offset(struct consumer *consumer, int32_t partition, int64_t timestamp,
                                 int64_t *out)
{
    struct patience patience = patience_begin(consumer->cli->timeout_ms);
    int16_t error_code = KAFKA_NONE;
    enum err err;

    do {
        err = ask_offset(consumer, partition, timestamp, out, &error_code);
    } while (err == OK ? patience_with_kafka(&patience, error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("ListOffsets", err);
    if (error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(error_code), "partition %d: %s", partition,
                        kafka_error_name(error_code));
    return CLI_OK;
}

static enum cli_exit find_start(struct consumer *consumer, int32_t partition)
{
    const struct start_offset *where = &consumer->where;
    int64_t start = 0;
    int64_t end = 0;
    int64_t timed = -1;
    enum cli_exit result =
        list_offset(consumer, partition, KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST, &start);

    if (result == CLI_OK)
        result = list_offset(consumer, partition, KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST, &end);
    if (result == CLI_OK && where->from == START_OFFSET_TIME)
        result = list_offset(consumer, partition, where->number, &timed);
    if (result != CLI_OK)
        return result;
    consumer->offsets[partition] = start_offset_resolve(where, start, end, timed);
    consumer->ends[partition] = where->stop_at_end ? end : INT64_MAX;
    consumer->wanted[partition] = consumer->offsets[partition] < consumer->ends[partition];
    return CLI_OK;
}

static enum cli_exit consume_all(struct consumer *consumer)
{
    enum cli_exit result = CLI_OK;

    for (int32_t p = 0; p < consumer->topic.partition_count && result == CLI_OK; p++)
        if (consumer->cli->partitions < 0 || consumer->cli->partitions == p)
            result = find_start(consumer, p);
    consumer->patience = patience_begin(consumer->cli->timeout_ms);
    while (result == CLI_OK && !is_done(consumer)) {
        result = fetch_once(consumer);
        if (output_flush() != OK)
            return CLI_FAILED;
        if (result == CLI_OK && reader_is_gone())
            return cli_fail(CLI_FAILED, "standard output is closed");
    }
    return result;
}

enum cli_exit command_consume(struct cli *cli)
{
    struct consumer consumer = {.cli = cli, .left = cli->count};
    enum cli_exit result;

    if (!start_offset_parse(cli->offset, &consumer.where))
        return cli_fail(CLI_USAGE, "%s", START_OFFSET_HELP);
    result = cli_connect(cli, &consumer.client);
    if (result != CLI_OK)
        return result;
    result = topic_view_load(cli, consumer.client, cli->words[0], false, &consumer.topic);
    if (result == CLI_OK && cli->partitions >= consumer.topic.partition_count)
        result = cli_fail(CLI_NOT_FOUND, "%s has %d partitions", cli->words[0],
                          consumer.topic.partition_count);
    if (result == CLI_OK) {
        size_t count = (size_t)consumer.topic.partition_count;
        consumer.offsets = mem_alloc(count * sizeof(*consumer.offsets));
        consumer.ends = mem_alloc(count * sizeof(*consumer.ends));
        consumer.wanted = mem_alloc(count * sizeof(*consumer.wanted));
        consumer.context = compression_context_create();
        batch_reader_init(&consumer.reader, consumer.context, 1U << 30);
        result = consume_all(&consumer);
        batch_reader_deinit(&consumer.reader);
        compression_context_destroy(consumer.context);
        mem_free(consumer.offsets);
        mem_free(consumer.ends);
        mem_free(consumer.wanted);
    }
    blocking_client_close(consumer.client);
    return result;
}
