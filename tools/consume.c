/* levee consume: print the records of a topic, partition after partition, without a group. */
#include "base/mem.h"
#include "base/text.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_fetch.h"
#include "net/protocol/msg_list_offsets.h"
#include "storage/batch_reader.h"
#include "tools/topic_view.h"

#include <stdio.h>
#include <string.h>

enum { WAIT_MS = 500, FETCH_BYTES = 4 << 20, ARENA_BYTES = 64 << 20 };

struct consumer {
    const struct cli *cli;
    struct client *client;
    struct topic_view topic;
    int64_t *offsets; /* next one of each partition */
    bool *wanted;
    struct batch_reader reader;
    struct compression_context *context;
    int64_t left; /* records to print; -1: without end */
};

/* ---- printing */

static void print_text(const uint8_t *bytes, int32_t size_bytes)
{
    if (size_bytes > 0)
        fwrite(bytes, 1, (size_t)size_bytes, stdout);
}

static void print_formatted(const struct consumer *consumer, const struct record *record,
                            int32_t partition, int64_t offset, int64_t timestamp_ms)
{
    for (const char *c = consumer->cli->record_format; *c != '\0'; c++) {
        if (*c == '\\' && c[1] != '\0') {
            c++;
            putchar(*c == 'n' ? '\n' : *c == 't' ? '\t' : *c);
        } else if (*c == '%' && c[1] != '\0') {
            c++;
            switch (*c) {
            case 'k':
                print_text(record->key, record->key_bytes);
                break;
            case 'v':
                print_text(record->value, record->value_bytes);
                break;
            case 'p':
                printf("%d", partition);
                break;
            case 'o':
                printf("%lld", (long long)offset);
                break;
            case 't':
                fputs(consumer->cli->words[0], stdout);
                break;
            case 'd':
                printf("%lld", (long long)timestamp_ms);
                break;
            default:
                putchar(*c);
            }
        } else {
            putchar(*c);
        }
    }
}

static void print_json_bytes(const char *name, const uint8_t *bytes, int32_t size_bytes)
{
    printf(",\"%s\":", name);
    if (size_bytes < 0)
        fputs("null", stdout);
    else
        cli_print_json_string((const char *)bytes, (size_t)size_bytes);
}

static void print_record(const struct consumer *consumer, const struct record *record,
                         int32_t partition, int64_t offset, int64_t timestamp_ms)
{
    if (!consumer->cli->json) {
        print_formatted(consumer, record, partition, offset, timestamp_ms);
        return;
    }
    printf("{\"topic\":\"%s\",\"partition\":%d,\"offset\":%lld,\"timestamp\":%lld",
           consumer->cli->words[0], partition, (long long)offset, (long long)timestamp_ms);
    print_json_bytes("key", record->key, record->key_bytes);
    print_json_bytes("value", record->value, record->value_bytes);
    puts("}");
}

/* ---- fetching */

static enum cli_exit print_batches(struct consumer *consumer, int32_t partition,
                                   const struct wire_slice *slice)
{
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;

    batch_walk_init(&walk, slice->bytes, slice->size_bytes);
    while (consumer->left != 0 && batch_next(&walk, &header, &bytes) == OK) {
        struct record record;
        int64_t offset;
        int64_t timestamp_ms;
        enum err err = batch_reader_open(&consumer->reader, bytes, header.size_bytes);
        while (err == OK && consumer->left != 0 &&
               (err = batch_reader_next(&consumer->reader, &record, &offset, &timestamp_ms)) ==
                   OK) {
            if (offset < consumer->offsets[partition] || batch_is_control(&header))
                continue;
            print_record(consumer, &record, partition, offset, timestamp_ms);
            consumer->left -= consumer->left > 0;
        }
        if (err != OK && err != ERR_NOT_FOUND)
            return cli_fail(CLI_FAILED, "partition %d, offset %lld: the batch cannot be read: %s",
                            partition, (long long)header.base_offset, err_text(err));
        consumer->offsets[partition] = batch_last_offset(&header) + 1;
    }
    return CLI_OK;
}

static enum cli_exit take(struct consumer *consumer, const struct fetch_response *response)
{
    if (response->error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(response->error_code), "Fetch: %s",
                        kafka_error_name(response->error_code));
    for (int32_t t = 0; t < response->responses.count; t++)
        for (int32_t p = 0; p < response->responses.items[t].partitions.count; p++) {
            const struct fetch_response_partition_data *data =
                &response->responses.items[t].partitions.items[p];
            enum cli_exit result = CLI_OK;
            if (data->error_code != KAFKA_NONE)
                return cli_fail(cli_exit_of_kafka(data->error_code), "partition %d: %s",
                                data->partition_index, kafka_error_name(data->error_code));
            if (data->records.slice_count > 0 && data->partition_index >= 0 &&
                data->partition_index < consumer->topic.partition_count)
                result = print_batches(consumer, data->partition_index, data->records.slices);
            if (result != CLI_OK)
                return result;
        }
    return CLI_OK;
}

static enum cli_exit fetch_once(struct consumer *consumer)
{
    struct fetch_request request;
    struct fetch_request_fetch_topic topic;
    struct arena arena;
    const void *answer;
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
    request.max_wait_ms = WAIT_MS;
    request.min_bytes = 1;
    request.max_bytes = FETCH_BYTES * 8;
    request.topics.items = &topic;
    request.topics.count = 1;
    err = client_call(consumer->client, API_FETCH, &request, &arena, &answer);
    result = err == OK ? take(consumer, answer) : cli_call_failed("Fetch", err);
    arena_deinit(&arena);
    return result;
}

/* ---- where to begin */

static enum cli_exit list_offset(struct consumer *consumer, int32_t partition, int64_t timestamp,
                                 int64_t *out)
{
    struct list_offsets_request request;
    struct list_offsets_request_list_offsets_topic topic;
    struct list_offsets_request_list_offsets_partition asked;
    const struct list_offsets_response *response;
    const void *answer;
    struct arena arena;
    int16_t error_code = KAFKA_NONE;
    enum err err;

    arena_init(&arena, 1 << 20);
    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_topic_struct, &topic);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_partition_struct, &asked);
    request.replica_id = -1;
    asked.partition_index = partition;
    asked.timestamp = timestamp;
    topic.name = wire_string(consumer->cli->words[0]);
    topic.partitions.items = &asked;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    err = client_call(consumer->client, API_LIST_OFFSETS, &request, &arena, &answer);
    response = answer;
    if (err == OK &&
        (response->topics.count != 1 || response->topics.items[0].partitions.count != 1))
        err = ERR_MALFORMED;
    if (err == OK) {
        error_code = response->topics.items[0].partitions.items[0].error_code;
        *out = response->topics.items[0].partitions.items[0].offset;
    }
    arena_deinit(&arena);
    if (err != OK)
        return cli_call_failed("ListOffsets", err);
    if (error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(error_code), "partition %d: %s", partition,
                        kafka_error_name(error_code));
    return CLI_OK;
}

static enum cli_exit find_start(struct consumer *consumer, int32_t partition)
{
    const char *text = consumer->cli->offset;
    int64_t *offset = &consumer->offsets[partition];
    int64_t start;
    int64_t number;
    enum cli_exit result;

    if (strcmp(text, "end") == 0)
        return list_offset(consumer, partition, KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST, offset);
    result = list_offset(consumer, partition, KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST, &start);
    if (result != CLI_OK)
        return result;
    *offset = start;
    if (strcmp(text, "start") == 0)
        return CLI_OK;
    if (text_parse_i64(text, strlen(text), INT64_MIN + 1, INT64_MAX, &number) != OK)
        return cli_fail(CLI_USAGE, "-o is start, end, an offset or -COUNT, not \"%s\"", text);
    if (text[0] == '-') {
        result = list_offset(consumer, partition, KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST, offset);
        *offset += number;
    } else {
        *offset = number;
    }
    if (*offset < start)
        *offset = start;
    return result;
}

enum cli_exit command_consume(struct cli *cli)
{
    struct consumer consumer = {.cli = cli, .left = cli->count};
    enum cli_exit result = cli_connect(cli, &consumer.client);

    if (result != CLI_OK)
        return result;
    result = topic_view_load(cli, consumer.client, cli->words[0], false, &consumer.topic);
    if (result == CLI_OK && cli->partitions >= consumer.topic.partition_count)
        result = cli_fail(CLI_NOT_FOUND, "%s has %d partitions", cli->words[0],
                          consumer.topic.partition_count);
    if (result == CLI_OK) {
        size_t count = (size_t)consumer.topic.partition_count;
        consumer.offsets = mem_alloc(count * sizeof(*consumer.offsets));
        consumer.wanted = mem_alloc(count * sizeof(*consumer.wanted));
        consumer.context = compression_context_create();
        batch_reader_init(&consumer.reader, consumer.context, 1U << 30);
        for (int32_t p = 0; p < (int32_t)count && result == CLI_OK; p++) {
            consumer.wanted[p] = cli->partitions < 0 || cli->partitions == p;
            if (consumer.wanted[p])
                result = find_start(&consumer, p);
        }
        while (result == CLI_OK && consumer.left != 0) {
            result = fetch_once(&consumer);
            fflush(stdout);
        }
        batch_reader_deinit(&consumer.reader);
        compression_context_destroy(consumer.context);
        mem_free(consumer.offsets);
        mem_free(consumer.wanted);
    }
    client_close(consumer.client);
    return result;
}
