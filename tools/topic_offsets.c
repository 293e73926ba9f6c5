#include "tools/topic_offsets.h"

#include "base/mem.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_producers.h"
#include "net/protocol/msg_list_offsets.h"
#include "tools/patience.h"

#include <stddef.h>

enum { ARENA_BYTES = 64 << 20 };

/* What a partition does not say (it is quarantined, say) stays unknown. */

/* What is asked for, and into which member of struct topic_offsets. */
struct question {
    int64_t timestamp;
    int8_t isolation;
    size_t member;
};

static const struct question questions[] = {
    {KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST, KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
     offsetof(struct topic_offsets, log_start)},
    {KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST, KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED,
     offsetof(struct topic_offsets, high_watermark)},
    {KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST, KAFKA_ISOLATION_LEVEL_READ_COMMITTED,
     offsetof(struct topic_offsets, last_stable)},
};

static enum err take_offsets(const struct list_offsets_response *response, size_t member,
                             struct topic_offsets *out, int32_t partitions)
{
    if (response->topics.count != 1)
        return ERR_MALFORMED;
    for (int32_t p = 0; p < response->topics.items[0].partitions.count; p++) {
        const struct list_offsets_response_list_offsets_partition_response *part =
            &response->topics.items[0].partitions.items[p];
        if (part->partition_index < 0 || part->partition_index >= partitions)
            return ERR_MALFORMED;
        if (part->error_code == KAFKA_NONE)
            *(int64_t *)(void *)((char *)&out[part->partition_index] + member) = part->offset;
    }
    return OK;
}

static enum err ask_offsets(struct blocking_client *client, const char *topic,
                            const struct question *question, struct topic_offsets *out,
                            int32_t partitions)
{
    struct list_offsets_request request;
    struct list_offsets_request_list_offsets_topic asked;
    struct arena arena;
    const void *answer;
    enum err err;

    arena_init(&arena, ARENA_BYTES);
    codec_set_defaults(&list_offsets_request_desc, &request);
    codec_set_struct_defaults(&list_offsets_request_list_offsets_topic_struct, &asked);
    request.replica_id = -1;
    request.isolation_level = question->isolation;
    asked.name = wire_string(topic);
    asked.partitions.items = codec_new_array(&list_offsets_request_list_offsets_partition_struct,
                                             &arena, (size_t)partitions);
    asked.partitions.count = partitions;
    for (int32_t p = 0; p < partitions; p++) {
        asked.partitions.items[p].partition_index = p;
        asked.partitions.items[p].timestamp = question->timestamp;
    }
    request.topics.items = &asked;
    request.topics.count = 1;
    err = blocking_client_call(client, API_LIST_OFFSETS, &request, &arena, &answer);
    if (err == OK)
        err = take_offsets(answer, question->member, out, partitions);
    arena_deinit(&arena);
    return err;
}

static enum err take_producers(const struct describe_producers_response *response,
                               struct topic_offsets *out, int32_t partitions)
{
    if (response->topics.count != 1)
        return ERR_MALFORMED;
    for (int32_t p = 0; p < response->topics.items[0].partitions.count; p++) {
        const struct describe_producers_response_partition_response *part =
            &response->topics.items[0].partitions.items[p];
        int64_t count = 0;
        if (part->partition_index < 0 || part->partition_index >= partitions)
            return ERR_MALFORMED;
        for (int32_t i = 0; i < part->active_producers.count; i++)
            count += part->active_producers.items[i].current_txn_start_offset >= 0;
        if (part->error_code == KAFKA_NONE)
            out[part->partition_index].open_transactions = count;
    }
    return OK;
}

static enum err ask_producers(struct blocking_client *client, const char *topic,
                              struct topic_offsets *out, int32_t partitions)
{
    struct describe_producers_request request;
    struct describe_producers_request_topic_request asked;
    int32_t *indexes = mem_alloc((size_t)partitions * sizeof(*indexes));
    struct arena arena;
    const void *answer;
    enum err err;

    arena_init(&arena, ARENA_BYTES);
    codec_set_defaults(&describe_producers_request_desc, &request);
    codec_set_struct_defaults(&describe_producers_request_topic_request_struct, &asked);
    for (int32_t p = 0; p < partitions; p++)
        indexes[p] = p;
    asked.name = wire_string(topic);
    asked.partition_indexes.items = indexes;
    asked.partition_indexes.count = partitions;
    request.topics.items = &asked;
    request.topics.count = 1;
    err = blocking_client_call(client, API_DESCRIBE_PRODUCERS, &request, &arena, &answer);
    if (err == OK)
        err = take_producers(answer, out, partitions);
    arena_deinit(&arena);
    mem_free(indexes);
    return err == ERR_UNSUPPORTED ? OK : err; /* an older broker */
}

enum cli_exit topic_offsets_load(const struct cli *cli, struct blocking_client *client,
                                 const char *topic, struct topic_offsets *out, int32_t partitions)
{
    struct patience patience = patience_begin(cli->timeout_ms);
    enum err err = OK;

    for (int32_t p = 0; p < partitions; p++)
        out[p] = (struct topic_offsets){TOPIC_OFFSET_UNKNOWN, TOPIC_OFFSET_UNKNOWN,
                                        TOPIC_OFFSET_UNKNOWN, TOPIC_OFFSET_UNKNOWN};
    for (size_t i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        do {
            err = ask_offsets(client, topic, &questions[i], out, partitions);
        } while (patience_with(&patience, err));
        if (err != OK)
            return cli_call_failed("ListOffsets", err);
    }
    do {
        err = ask_producers(client, topic, out, partitions);
    } while (patience_with(&patience, err));
    return err == OK ? CLI_OK : cli_call_failed("DescribeProducers", err);
}
