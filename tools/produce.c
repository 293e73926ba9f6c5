/* levee produce: each line of standard input becomes a record. */
#include "base/mem.h"
#include "net/protocol/msg_produce.h"
#include "storage/batch_builder.h"
#include "tools/topic_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BATCH_BYTES = 512 << 10, PARTITIONS_MAX = 100000, ARENA_BYTES = 8 << 20 };

struct producer {
    const struct cli *cli;
    struct client *client;
    struct topic_view topic;
    struct batch_builder *batches; /* one for each partition */
    struct compression_context *context;
    enum compression codec;
    int32_t next_partition; /* of records without key */
    uint64_t record_count;
};

/* Kafka's default partitioner: murmur2 of the key (org.apache.kafka.common.utils.Utils). */
static uint32_t murmur2(const uint8_t *bytes, size_t size_bytes)
{
    const uint32_t m = 0x5bd1e995;
    uint32_t h = 0x9747b28cU ^ (uint32_t)size_bytes;
    size_t whole = size_bytes & ~(size_t)3;

    for (size_t i = 0; i < whole; i += 4) {
        uint32_t k = (uint32_t)bytes[i] | (uint32_t)bytes[i + 1] << 8 |
                     (uint32_t)bytes[i + 2] << 16 | (uint32_t)bytes[i + 3] << 24;
        k *= m;
        k ^= k >> 24;
        k *= m;
        h = h * m ^ k;
    }
    for (size_t i = size_bytes; i > whole; i--)
        h ^= (uint32_t)bytes[i - 1] << 8 * (i - 1 - whole);
    if (whole < size_bytes)
        h *= m;
    h ^= h >> 13;
    h *= m;
    return h ^ h >> 15;
}

static int32_t choose_partition(struct producer *producer, const char *key, int32_t key_bytes)
{
    if (producer->cli->partitions >= 0)
        return producer->cli->partitions;
    if (key_bytes >= 0)
        return (int32_t)(murmur2((const uint8_t *)key, (size_t)key_bytes) & 0x7fffffffU) %
               producer->topic.partition_count;
    return producer->next_partition;
}

static int64_t wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void reset(struct producer *producer, struct batch_builder *builder)
{
    struct batch_builder_options options = batch_builder_options_default();

    options.codec = producer->codec;
    options.max_bytes = 64 << 20;
    batch_builder_reset(builder, &options);
}

static enum cli_exit send_batch(struct producer *producer, int32_t partition)
{
    struct batch_builder *builder = &producer->batches[partition];
    struct produce_request request;
    struct produce_request_topic_produce_data topic;
    struct produce_request_partition_produce_data data;
    const struct produce_response *response;
    const struct produce_response_partition_produce_response *told;
    struct wire_slice slice = {0};
    const void *answer;
    struct arena arena;
    enum cli_exit result = CLI_OK;
    enum err err =
        batch_builder_finish(builder, producer->context, &slice.bytes, &slice.size_bytes);

    if (err != OK)
        return cli_fail(CLI_FAILED, "the batch could not be made: %s", err_text(err));
    arena_init(&arena, ARENA_BYTES);
    codec_set_defaults(&produce_request_desc, &request);
    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, &topic);
    codec_set_struct_defaults(&produce_request_partition_produce_data_struct, &data);
    data.index = partition;
    data.records = (struct wire_records){&slice, 1, slice.size_bytes, false};
    topic.name = wire_string(producer->cli->words[0]);
    topic.topic_id = producer->topic.id;
    topic.partition_data.items = &data;
    topic.partition_data.count = 1;
    /* acks=0 gets no answer to wait for: ask for the leader's then */
    request.acks = producer->cli->acks == 0 ? 1 : (int16_t)producer->cli->acks;
    request.timeout_ms = producer->cli->timeout_ms;
    request.topic_data.items = &topic;
    request.topic_data.count = 1;
    err = client_call(producer->client, API_PRODUCE, &request, &arena, &answer);
    response = answer;
    if (err == OK && (response->responses.count != 1 ||
                      response->responses.items[0].partition_responses.count != 1))
        err = ERR_MALFORMED;
    if (err != OK) {
        result = cli_call_failed("Produce", err);
    } else {
        told = &response->responses.items[0].partition_responses.items[0];
        if (told->error_code != KAFKA_NONE)
            result = cli_fail(cli_exit_of_kafka(told->error_code), "partition %d: %s%s%.*s",
                              partition, kafka_error_name(told->error_code),
                              told->error_message.size_bytes > 0 ? ": " : "",
                              CLI_TEXT(told->error_message));
        producer->record_count += (uint64_t)batch_builder_record_count(builder);
    }
    arena_deinit(&arena);
    reset(producer, builder);
    producer->next_partition = (partition + 1) % producer->topic.partition_count;
    return result;
}

static enum cli_exit send_all(struct producer *producer)
{
    for (int32_t p = 0; p < producer->topic.partition_count; p++) {
        enum cli_exit result = batch_builder_record_count(&producer->batches[p]) == 0
                                   ? CLI_OK
                                   : send_batch(producer, p);
        if (result != CLI_OK)
            return result;
    }
    return CLI_OK;
}

static enum cli_exit add_line(struct producer *producer, const char *line, size_t size_bytes)
{
    const struct cli *cli = producer->cli;
    const char *key = cli->key;
    int32_t key_bytes = key == NULL ? -1 : (int32_t)strlen(key);
    int32_t partition;
    enum err err;

    if (cli->key_delimiter != NULL) {
        const char *end = memmem(line, size_bytes, cli->key_delimiter, strlen(cli->key_delimiter));
        if (end != NULL) {
            key = line;
            key_bytes = (int32_t)(end - line);
            size_bytes -= (size_t)key_bytes + strlen(cli->key_delimiter);
            line = end + strlen(cli->key_delimiter);
        }
    }
    partition = choose_partition(producer, key, key_bytes);
    err = batch_builder_add_pair(&producer->batches[partition], key, key_bytes, line,
                                 (int32_t)size_bytes, wall_ms());
    if (err != OK)
        return cli_fail(CLI_FAILED, "a line cannot be a record: %s", err_text(err));
    if (batch_builder_size_bytes(&producer->batches[partition]) >= BATCH_BYTES)
        return send_batch(producer, partition);
    return CLI_OK;
}

static enum cli_exit read_lines(struct producer *producer)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t got;
    enum cli_exit result = CLI_OK;
    bool by_hand = isatty(STDIN_FILENO);

    while (result == CLI_OK && (got = getline(&line, &capacity, stdin)) >= 0) {
        if (got > 0 && line[got - 1] == '\n')
            got--;
        result = add_line(producer, line, (size_t)got);
        if (result == CLI_OK && by_hand)
            result = send_all(producer);
    }
    free(line);
    return result == CLI_OK ? send_all(producer) : result;
}

static bool parse_codec(const char *text, enum compression *out)
{
    for (int codec = 0; codec <= COMPRESSION_ZSTD; codec++)
        if (text == NULL || strcmp(text, compression_name((enum compression)codec)) == 0) {
            *out = (enum compression)codec;
            return true;
        }
    return false;
}

enum cli_exit command_produce(struct cli *cli)
{
    struct producer producer = {.cli = cli};
    enum cli_exit result;

    if (!parse_codec(cli->codec, &producer.codec))
        return cli_fail(CLI_USAGE, "-z is none, gzip, snappy, lz4 or zstd, not \"%s\"", cli->codec);
    result = cli_connect(cli, &producer.client);
    if (result != CLI_OK)
        return result;
    result = topic_view_load(cli, producer.client, cli->words[0], true, &producer.topic);
    if (result == CLI_OK && cli->partitions >= producer.topic.partition_count)
        result = cli_fail(CLI_NOT_FOUND, "%s has %d partitions", cli->words[0],
                          producer.topic.partition_count);
    if (result == CLI_OK) {
        int32_t count = producer.topic.partition_count;
        producer.context = compression_context_create();
        producer.batches = mem_alloc((size_t)count * sizeof(*producer.batches));
        for (int32_t p = 0; p < count; p++)
            reset(&producer, &producer.batches[p]);
        result = read_lines(&producer);
        for (int32_t p = 0; p < count; p++)
            batch_builder_deinit(&producer.batches[p]);
        mem_free(producer.batches);
        compression_context_destroy(producer.context);
        fprintf(stderr, "%llu records written\n", (unsigned long long)producer.record_count);
    }
    client_close(producer.client);
    return result;
}
