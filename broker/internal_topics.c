#include "broker/internal_topics.h"

#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

#include <string.h>

static const struct internal_topic rows[] = {
    {.name = "__consumer_offsets",
     .key_type = KAFKA_COORDINATOR_KEY_TYPE_GROUP,
     .partitions_key = CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS,
     .replication_key = CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR,
     .segment_bytes_key = CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES,
     .cleanup_policy = "compact",
     .compression_type = "producer"},
    {.name = "__transaction_state",
     .key_type = KAFKA_COORDINATOR_KEY_TYPE_TRANSACTION,
     .partitions_key = CONFIG_TRANSACTION_STATE_LOG_NUM_PARTITIONS,
     .replication_key = CONFIG_TRANSACTION_STATE_LOG_REPLICATION_FACTOR,
     .segment_bytes_key = CONFIG_TRANSACTION_STATE_LOG_SEGMENT_BYTES,
     .cleanup_policy = "compact",
     .compression_type = "uncompressed"},
    {.name = "__share_group_state",
     .key_type = -1,
     .partitions_key = CONFIG_SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS,
     .replication_key = CONFIG_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR,
     .segment_bytes_key = CONFIG_SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES},
};

enum { ROW_COUNT = sizeof(rows) / sizeof(rows[0]) };

const struct internal_topic *internal_topics_find(const char *name)
{
    for (int i = 0; i < ROW_COUNT; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    return NULL;
}

bool internal_topics_takes_transactions(const char *name)
{
    const struct internal_topic *topic = internal_topics_find(name);

    return topic == NULL || topic->key_type == KAFKA_COORDINATOR_KEY_TYPE_GROUP;
}

const struct internal_topic *internal_topics_of_keys(int8_t key_type)
{
    for (int i = 0; key_type >= 0 && i < ROW_COUNT; i++)
        if (rows[i].key_type == key_type)
            return &rows[i];
    return NULL;
}

const struct image_topic *internal_topics_image(const struct image *image, int8_t key_type)
{
    const struct internal_topic *topic = internal_topics_of_keys(key_type);

    return topic == NULL ? NULL : image_topic_by_name(image, topic->name, strlen(topic->name));
}
