#include "tools/partition_end.h"

#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_list_offsets.h"
#include "tools/patience.h"

static enum err ask(struct blocking_client *client, const char *topic_name, int32_t partition,
                    bool committed, int64_t *end_out, int16_t *error_out)
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
    request.isolation_level = committed;
    asked.partition_index = partition;
    asked.timestamp = KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST;
    topic.name = wire_string(topic_name);
    topic.partitions.items = &asked;
    topic.partitions.count = 1;
    request.topics.items = &topic;
    request.topics.count = 1;
    err = blocking_client_call(client, API_LIST_OFFSETS, &request, &arena, &answer);
    response = answer;
    if (err == OK &&
        (response->topics.count != 1 || response->topics.items[0].partitions.count != 1))
        err = ERR_MALFORMED;
    if (err == OK) {
        *end_out = response->topics.items[0].partitions.items[0].offset;
        *error_out = response->topics.items[0].partitions.items[0].error_code;
    }
    arena_deinit(&arena);
    return err;
}

int64_t partition_end(const struct cli *cli, struct blocking_client *client, const char *topic,
                      int32_t partition, bool committed)
{
    struct patience patience = patience_begin(cli->timeout_ms);
    int16_t error_code = KAFKA_NONE;
    int64_t end = -1;
    enum err err;

    do {
        err = ask(client, topic, partition, committed, &end, &error_code);
    } while (err == OK ? patience_with_kafka(&patience, error_code)
                       : patience_with(&patience, err));
    return err == OK && error_code == KAFKA_NONE ? end : -1;
}
