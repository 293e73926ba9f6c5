/* Topics and partitions of the image: TopicRecord, PartitionRecord, PartitionChangeRecord,
 * RemoveTopicRecord. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/metadata/image_private.h"
#include "net/protocol/msg_partition_change_record.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_remove_topic_record.h"
#include "net/protocol/msg_topic_record.h"
#include "storage/log_names.h"

#include <string.h>

enum { LEADER_UNCHANGED = -2, TOPIC_CONFIG = 2 };

static int32_t *copy_ids(const int32_t *ids, int32_t count)
{
    int32_t *copy = mem_alloc((size_t)count * sizeof(*copy));

    if (count > 0)
        memcpy(copy, ids, (size_t)count * sizeof(*copy));
    return copy;
}

static void free_partition(struct image_partition *partition)
{
    mem_free(partition->replicas);
    mem_free(partition->isr);
    mem_free(partition->directories);
}

static void free_topic(struct topic_entry *entry)
{
    for (uint32_t i = 0; i < entry->topic.partition_count; i++)
        free_partition(&entry->topic.partitions[i]);
    mem_free(entry->topic.partitions);
    mem_free(entry->topic.name);
    mem_free(entry);
}

void image_free_topics(struct image *image)
{
    for (uint32_t i = 0; i < image->topic_count; i++)
        free_topic(image->topics[i]);
    mem_free(image->topics);
    hash_map_deinit(&image->topics_by_id);
    hash_map_deinit(&image->topics_by_name);
}

/* The place of name among the sorted topics. */
static uint32_t place_of(const struct image *image, const char *name)
{
    uint32_t low = 0;
    uint32_t high = image->topic_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (strcmp(image->topics[middle]->topic.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum err add_topic(struct image *image, const struct topic_record *record,
                          struct delta *delta)
{
    struct topic_entry *entry;
    uint32_t place;
    enum err err;

    if (!log_names_topic_is_valid(record->name.text, (size_t)record->name.size_bytes) ||
        image_topic_by_name(image, record->name.text, (size_t)record->name.size_bytes) != NULL ||
        image_topic_by_id(image, &record->topic_id) != NULL)
        return ERR_MALFORMED;
    entry = mem_alloc(sizeof(*entry));
    entry->topic.id = record->topic_id;
    entry->topic.name = mem_strndup(record->name.text, (size_t)record->name.size_bytes);
    entry->name_bytes = (size_t)record->name.size_bytes;
    err = hash_map_insert(&image->topics_by_id, &entry->topic.id, sizeof(entry->topic.id), entry);
    check(err == OK);
    err = hash_map_insert(&image->topics_by_name, entry->topic.name, entry->name_bytes, entry);
    check(err == OK);
    if (image->topic_count == image->topic_max) {
        image->topic_max = image->topic_max == 0 ? 16 : image->topic_max * 2;
        image->topics = mem_realloc(image->topics, image->topic_max * sizeof(*image->topics));
    }
    place = place_of(image, entry->topic.name);
    memmove(&image->topics[place + 1], &image->topics[place],
            (image->topic_count - place) * sizeof(*image->topics));
    image->topics[place] = entry;
    image->topic_count++;
    delta_note_topic(delta, &entry->topic.id, entry->topic.name, DELTA_TOPIC_CREATED, 0);
    return OK;
}

static enum err remove_topic(struct image *image, const struct remove_topic_record *record,
                             struct delta *delta)
{
    struct topic_entry *entry =
        hash_map_remove(&image->topics_by_id, &record->topic_id, sizeof(record->topic_id));
    uint32_t place;

    if (entry == NULL)
        return ERR_MALFORMED;
    hash_map_remove(&image->topics_by_name, entry->topic.name, entry->name_bytes);
    place = place_of(image, entry->topic.name);
    check(image->topics[place] == entry);
    image->topic_count--;
    memmove(&image->topics[place], &image->topics[place + 1],
            (image->topic_count - place) * sizeof(*image->topics));
    image->partition_count -= entry->topic.partition_count;
    image_remove_configs(image, TOPIC_CONFIG, entry->topic.name);
    delta_note_topic(delta, &entry->topic.id, entry->topic.name, DELTA_TOPIC_DELETED,
                     entry->topic.partition_count);
    free_topic(entry);
    return OK;
}

/* One for each replica, or none. */
static void set_directories(struct image_partition *partition, const struct uuid *ids,
                            int32_t count)
{
    mem_free(partition->directories);
    partition->directories = NULL;
    if (count <= 0 || (uint32_t)count != partition->replica_count)
        return;
    partition->directories = mem_alloc((size_t)count * sizeof(*ids));
    memcpy(partition->directories, ids, (size_t)count * sizeof(*ids));
}

/* A full state: creates the partition (in order of index) or replaces it. */
static enum err set_partition(struct image *image, const struct partition_record *record,
                              struct delta *delta)
{
    struct topic_entry *entry =
        hash_map_find(&image->topics_by_id, &record->topic_id, sizeof(record->topic_id));
    struct image_topic *topic;
    struct image_partition *partition;

    if (entry == NULL || record->partition_id < 0 ||
        (uint32_t)record->partition_id > entry->topic.partition_count)
        return ERR_MALFORMED;
    topic = &entry->topic;
    delta_note_topic(delta, &topic->id, topic->name, DELTA_TOPIC_CHANGED, topic->partition_count);
    if ((uint32_t)record->partition_id == topic->partition_count) {
        /* grown by doubling: the capacity is the next power of two */
        if ((topic->partition_count & (topic->partition_count - 1)) == 0)
            topic->partitions = mem_realloc(
                topic->partitions, (topic->partition_count == 0 ? 1 : topic->partition_count * 2) *
                                       sizeof(*topic->partitions));
        topic->partitions[topic->partition_count] = (struct image_partition){0};
        topic->partition_count++;
        image->partition_count++;
    }
    partition = &topic->partitions[record->partition_id];
    free_partition(partition);
    *partition = (struct image_partition){
        .index = record->partition_id,
        .leader = record->leader,
        .leader_epoch = record->leader_epoch,
        .partition_epoch = record->partition_epoch,
        .recovery_state = record->leader_recovery_state,
        .replica_count = (uint32_t)record->replicas.count,
        .replicas = copy_ids(record->replicas.items, record->replicas.count),
        .isr_count = (uint32_t)record->isr.count,
        .isr = copy_ids(record->isr.items, record->isr.count),
    };
    set_directories(partition, record->directories.items, record->directories.count);
    return OK;
}

/* The record carries no epochs: partition_epoch grows with every change, leader_epoch exactly when
 * the leader tag is present (kraft.md section 2, rule 1). */
static enum err change_partition(struct image *image, const struct partition_change_record *record,
                                 struct delta *delta)
{
    struct topic_entry *entry =
        hash_map_find(&image->topics_by_id, &record->topic_id, sizeof(record->topic_id));
    struct image_partition *partition;

    if (entry == NULL || record->partition_id < 0 ||
        (uint32_t)record->partition_id >= entry->topic.partition_count)
        return ERR_MALFORMED;
    partition = &entry->topic.partitions[record->partition_id];
    if (partition->leader_epoch == INT32_MAX || partition->partition_epoch == INT32_MAX)
        return ERR_MALFORMED; /* what follows has no number */
    if (record->isr.count >= 0) {
        mem_free(partition->isr);
        partition->isr = copy_ids(record->isr.items, record->isr.count);
        partition->isr_count = (uint32_t)record->isr.count;
    }
    if (record->replicas.count >= 0) {
        mem_free(partition->replicas);
        partition->replicas = copy_ids(record->replicas.items, record->replicas.count);
        partition->replica_count = (uint32_t)record->replicas.count;
    }
    if (record->replicas.count >= 0 || record->directories.count >= 0)
        set_directories(partition, record->directories.items, record->directories.count);
    if (record->leader != LEADER_UNCHANGED) {
        partition->leader = record->leader;
        partition->leader_epoch++;
    }
    if (record->leader_recovery_state >= 0)
        partition->recovery_state = record->leader_recovery_state;
    partition->partition_epoch++;
    delta_note_topic(delta, &entry->topic.id, entry->topic.name, DELTA_TOPIC_CHANGED,
                     entry->topic.partition_count);
    return OK;
}

enum err image_apply_topic(struct image *image, const struct metadata_record *record,
                           struct delta *delta)
{
    switch (record->type) {
    case METADATA_TOPIC:
        return add_topic(image, record->body, delta);
    case METADATA_REMOVE_TOPIC:
        return remove_topic(image, record->body, delta);
    case METADATA_PARTITION:
        return set_partition(image, record->body, delta);
    default:
        check(record->type == METADATA_PARTITION_CHANGE);
        return change_partition(image, record->body, delta);
    }
}

const struct image_topic *image_topic_by_id(const struct image *image, const struct uuid *id)
{
    return hash_map_find(&image->topics_by_id, id, sizeof(*id)); /* topic is the first member */
}

const struct image_topic *image_topic_by_name(const struct image *image, const char *name,
                                              size_t name_bytes)
{
    return hash_map_find(&image->topics_by_name, name, name_bytes);
}

uint32_t image_topic_count(const struct image *image)
{
    return image->topic_count;
}

const struct image_topic *image_topic_next(const struct image *image, size_t *cursor)
{
    return *cursor < image->topic_count ? &image->topics[(*cursor)++]->topic : NULL;
}

const struct image_topic *image_topic_after(const struct image *image, const char *name)
{
    uint32_t place = place_of(image, name);

    if (place < image->topic_count && strcmp(image->topics[place]->topic.name, name) == 0)
        place++;
    return place < image->topic_count ? &image->topics[place]->topic : NULL;
}

uint64_t image_partition_count(const struct image *image)
{
    return image->partition_count;
}
