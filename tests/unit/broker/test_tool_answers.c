/* What tools and user interfaces ask a broker about itself: its directory, topics in pieces,
 * producers, resources with configurations. */
#include "net/protocol/msg_describe_log_dirs.h"
#include "net/protocol/msg_describe_producers.h"
#include "net/protocol/msg_describe_topic_partitions.h"
#include "net/protocol/msg_list_config_resources.h"
#include "tests/unit/broker/live_rig.h"

enum { SHARDS = 3 };

static void copy_name(struct wire_string name, char out[32])
{
    snprintf(out, 32, "%.*s", name.size_bytes, name.text);
}

/* ---- DescribeLogDirs */

struct seen_dirs {
    int32_t topic_count;
    int32_t partition_count;
    int64_t usable_bytes;
    char last_topic[32];
    int32_t last_partition;
};

static void look_dirs(struct live_ask *ask, const void *response)
{
    const struct describe_log_dirs_response *answer = response;
    const struct describe_log_dirs_response_describe_log_dirs_result *dir = answer->results.items;
    struct seen_dirs *seen = ask->context;

    *seen = (struct seen_dirs){0};
    cr_assert(eq(i16, answer->error_code, KAFKA_NONE));
    cr_assert(eq(i32, answer->results.count, 1));
    cr_assert(wire_string_is(dir->log_dir, "data"));
    seen->usable_bytes = dir->usable_bytes;
    seen->topic_count = dir->topics.count;
    for (int32_t t = 0; t < dir->topics.count; t++) {
        seen->partition_count += dir->topics.items[t].partitions.count;
        copy_name(dir->topics.items[t].name, seen->last_topic);
        seen->last_partition = dir->topics.items[t].partitions.items[0].partition_index;
        cr_assert(eq(i64, dir->topics.items[t].partitions.items[0].partition_size, 0));
    }
}

Test(tool_answers, log_dirs_tell_of_every_shards_partitions)
{
    int32_t numbers[] = {5, 9, -1, 5};
    struct describe_log_dirs_request_describable_log_dir_topic topics[2];
    struct describe_log_dirs_request request;
    struct seen_dirs seen;
    struct live_ask ask = {.look = look_dirs, .context = &seen};

    live_start(SHARDS, NULL);
    live_topic(live_client(0), "a", 8);
    live_topic(live_client(0), "b", 1);
    codec_set_defaults(&describe_log_dirs_request_desc, &request);
    request.topics.count = -1;
    live_ask(&ask, live_client(0), API_DESCRIBE_LOG_DIRS, 4, &request);
    cr_assert(eq(i32, seen.topic_count, 2));
    cr_assert(eq(i32, seen.partition_count, 9));
    cr_assert(lt(i64, 0, seen.usable_bytes));
    for (int i = 0; i < 2; i++) {
        codec_set_struct_defaults(&describe_log_dirs_request_describable_log_dir_topic_struct,
                                  &topics[i]);
        topics[i].topic = wire_string(i == 0 ? "a" : "nothing");
        topics[i].partitions.items = numbers;
        topics[i].partitions.count = 4;
    }
    request.topics.items = topics;
    request.topics.count = 2;
    live_ask(&ask, live_client(0), API_DESCRIBE_LOG_DIRS, 4, &request);
    cr_assert(eq(i32, seen.topic_count, 1));
    cr_assert(eq(i32, seen.partition_count, 1));
    cr_assert(eq(i32, seen.last_partition, 5));
}

/* ---- DescribeTopicPartitions */

struct seen_page {
    int32_t partition_count;
    int16_t error_code; /* of the first topic */
    char first_topic[32];
    bool has_next;
    char next_topic[32];
    int32_t next_partition;
};

static void look_page(struct live_ask *ask, const void *response)
{
    const struct describe_topic_partitions_response *answer = response;
    struct seen_page *seen = ask->context;

    *seen = (struct seen_page){.has_next = answer->next_cursor != NULL};
    for (int32_t t = 0; t < answer->topics.count; t++)
        seen->partition_count += answer->topics.items[t].partitions.count;
    if (answer->topics.count > 0) {
        seen->error_code = answer->topics.items[0].error_code;
        copy_name(answer->topics.items[0].name, seen->first_topic);
    }
    if (seen->has_next) {
        copy_name(answer->next_cursor->topic_name, seen->next_topic);
        seen->next_partition = answer->next_cursor->partition_index;
    }
}

static void ask_page(const char *const *names, int32_t count, int32_t limit,
                     const struct describe_topic_partitions_request_cursor *cursor,
                     struct seen_page *seen)
{
    struct describe_topic_partitions_request_topic_request topics[4];
    struct describe_topic_partitions_request request;
    struct live_ask ask = {.look = look_page, .context = seen};

    codec_set_defaults(&describe_topic_partitions_request_desc, &request);
    for (int32_t i = 0; i < count; i++)
        topics[i].name = wire_string(names[i]);
    request.topics.items = topics;
    request.topics.count = count;
    request.response_partition_limit = limit;
    request.cursor = cursor;
    live_ask(&ask, live_client(0), API_DESCRIBE_TOPIC_PARTITIONS, 0, &request);
}

Test(tool_answers, topic_partitions_come_in_pieces)
{
    static const char *const names[] = {"b", "a", "a"};
    struct describe_topic_partitions_request_cursor cursor;
    struct seen_page seen;

    live_start(1, NULL);
    live_topic(live_client(0), "b", 2);
    live_topic(live_client(0), "a", 3);
    ask_page(NULL, 0, 2000, NULL, &seen);
    cr_assert(eq(i32, seen.partition_count, 5));
    cr_assert(not(seen.has_next));
    ask_page(names, 3, 2, NULL, &seen);
    cr_assert(eq(str, seen.first_topic, "a"));
    cr_assert(eq(i32, seen.partition_count, 2));
    cr_assert(eq(str, seen.next_topic, "a"));
    cr_assert(eq(i32, seen.next_partition, 2));
    cursor = (struct describe_topic_partitions_request_cursor){wire_string("a"), 2};
    ask_page(names, 3, 2, &cursor, &seen);
    cr_assert(eq(i32, seen.partition_count, 2));
    cr_assert(eq(str, seen.next_topic, "b"));
    cr_assert(eq(i32, seen.next_partition, 1));
    cursor = (struct describe_topic_partitions_request_cursor){wire_string("aa"), 0};
    ask_page(NULL, 0, 0, &cursor, &seen);
    cr_assert(eq(str, seen.first_topic, "b"));
    cr_assert(eq(i32, seen.partition_count, 1));
    ask_page(names, 3, 2, &cursor, &seen);
    cr_assert(eq(i16, seen.error_code, KAFKA_INVALID_REQUEST));
}

/* ---- DescribeProducers */

static void look_producers(struct live_ask *ask, const void *response)
{
    const struct describe_producers_response *answer = response;
    int16_t *errors = ask->context;

    for (int32_t p = 0; p < answer->topics.items[0].partitions.count; p++) {
        errors[p] = answer->topics.items[0].partitions.items[p].error_code;
        cr_assert(eq(i32, answer->topics.items[0].partitions.items[p].active_producers.count, 0));
    }
}

Test(tool_answers, producers_of_a_partition_are_told_once)
{
    int32_t numbers[] = {0, 1, 7, 0};
    int16_t errors[4];
    struct describe_producers_request_topic_request topic;
    struct describe_producers_request request;
    struct live_ask ask = {.look = look_producers, .context = errors};

    live_start(SHARDS, NULL);
    live_topic(live_client(0), "a", 2);
    codec_set_defaults(&describe_producers_request_desc, &request);
    topic.name = wire_string("a");
    topic.partition_indexes.items = numbers;
    topic.partition_indexes.count = 4;
    request.topics.items = &topic;
    request.topics.count = 1;
    live_ask(&ask, live_client(0), API_DESCRIBE_PRODUCERS, 0, &request);
    cr_assert(eq(i16, errors[0], KAFKA_NONE));
    cr_assert(eq(i16, errors[1], KAFKA_NONE));
    cr_assert(eq(i16, errors[2], KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert(eq(i16, errors[3], KAFKA_INVALID_REQUEST));
}

/* ---- ListConfigResources */

static void look_resources(struct live_ask *ask, const void *response)
{
    const struct list_config_resources_response *answer = response;

    *(int32_t *)ask->context =
        answer->error_code != KAFKA_NONE ? -answer->error_code : answer->config_resources.count;
}

static int32_t ask_resources(int16_t version, int8_t type)
{
    struct list_config_resources_request request;
    int32_t count = 0;
    struct live_ask ask = {.look = look_resources, .context = &count};

    codec_set_defaults(&list_config_resources_request_desc, &request);
    request.resource_types.items = &type;
    request.resource_types.count = type != 0;
    live_ask(&ask, live_client(0), API_LIST_CONFIG_RESOURCES, version, &request);
    return count;
}

Test(tool_answers, config_resources_are_topics_brokers_and_loggers)
{
    live_start(1, NULL);
    live_topic(live_client(0), "a", 2);
    live_topic(live_client(0), "b", 2);
    cr_assert(eq(i32, ask_resources(0, 0), 0));
    cr_assert(eq(i32, ask_resources(1, 0), 4));
    cr_assert(eq(i32, ask_resources(1, KAFKA_CONFIG_RESOURCE_TYPE_TOPIC), 2));
    cr_assert(eq(i32, ask_resources(1, KAFKA_CONFIG_RESOURCE_TYPE_GROUP), 0));
    cr_assert(eq(i32, ask_resources(1, 77), -KAFKA_UNSUPPORTED_VERSION));
}
