/* Topics and partitions of the image: TopicRecord, PartitionRecord, PartitionChangeRecord,
 * RemoveTopicRecord. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/metadata/image_private.h"
#include "net/protocol/msg_partition_change_record.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_remove_topic_record.h"
#include "net/protocol/msg_topic_record.h"
#include "storage/dir/log_names.h"

#include <string.h>

enum { LEADER_UNCHANGED = -2, TOPIC_CONFIG = 2 };

/* NULL: no memory.  count < 0 counts as none. */
static int32_t *copy_ids(const int32_t *ids, int32_t count)
{
    size_t size_bytes = count < 0 ? 0 : (size_t)count * sizeof(*ids);
    int32_t *copy = mem_try_alloc(size_bytes);

    if (copy != NULL && size_bytes > 0)
        memcpy(copy, ids, size_bytes);
    return copy;
}

static void free_partition(struct image_partition *partition)
{
    mem_free(partition->replicas);
    mem_free(partition->isr);
    mem_free(partition->directories);
}

/* One that is half made, too. */
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

static struct topic_entry *new_topic(const struct topic_record *record)
{
    struct topic_entry *entry = mem_try_alloc(sizeof(*entry));

    if (entry == NULL)
        return NULL;
    entry->topic.id = record->topic_id;
    entry->topic.name = mem_try_strndup(record->name.text, (size_t)record->name.size_bytes);
    entry->name_bytes = (size_t)record->name.size_bytes;
    if (entry->topic.name != NULL)
        return entry;
    free_topic(entry);
    return NULL;
}

/* Room for one more among the sorted topics. */
static bool reserve_topic(struct image *image)
{
    uint32_t max = image->topic_max == 0 ? 16 : image->topic_max * 2;
    struct topic_entry **topics;

    if (image->topic_count < image->topic_max)
        return true;
    topics = mem_try_realloc(image->topics, max * sizeof(*topics));
    if (topics == NULL)
        return false;
    image->topics = topics;
    image->topic_max = max;
    return true;
}

/* Into both maps, or into none: ERR_NOMEM. */
static enum err insert_topic(struct image *image, struct topic_entry *entry)
{
    const struct image_topic *topic = &entry->topic;
    enum err err = hash_map_insert(&image->topics_by_id, &topic->id, sizeof(topic->id), entry);

    if (err != OK)
        return err;
    err = hash_map_insert(&image->topics_by_name, topic->name, entry->name_bytes, entry);
    if (err != OK)
        hash_map_remove(&image->topics_by_id, &topic->id, sizeof(topic->id));
    return err;
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
    err = delta_note_topic(delta, &record->topic_id, record->name.text,
                           (size_t)record->name.size_bytes, DELTA_TOPIC_CREATED, 0);
    if (err != OK)
        return err;
    entry = new_topic(record);
    if (entry == NULL || !reserve_topic(image))
        err = ERR_NOMEM;
    else
        err = insert_topic(image, entry);
    if (err != OK) {
        if (entry != NULL)
            free_topic(entry);
        return err;
    }
    place = place_of(image, entry->topic.name);
    memmove(&image->topics[place + 1], &image->topics[place],
            (image->topic_count - place) * sizeof(*image->topics));
    image->topics[place] = entry;
    image->topic_count++;
    return OK;
}

static enum err remove_topic(struct image *image, const struct remove_topic_record *record,
                             struct delta *delta)
{
    struct topic_entry *entry =
        hash_map_find(&image->topics_by_id, &record->topic_id, sizeof(record->topic_id));
    uint32_t place;
    enum err err;

    if (entry == NULL)
        return ERR_MALFORMED;
    err = delta_note_topic(delta, &entry->topic.id, entry->topic.name, entry->name_bytes,
                           DELTA_TOPIC_DELETED, entry->topic.partition_count);
    if (err != OK)
        return err;
    hash_map_remove(&image->topics_by_id, &entry->topic.id, sizeof(entry->topic.id));
    hash_map_remove(&image->topics_by_name, entry->topic.name, entry->name_bytes);
    place = place_of(image, entry->topic.name);
    check(image->topics[place] == entry);
    image->topic_count--;
    memmove(&image->topics[place], &image->topics[place + 1],
            (image->topic_count - place) * sizeof(*image->topics));
    image->partition_count -= entry->topic.partition_count;
    image_remove_configs(image, TOPIC_CONFIG, entry->topic.name);
    free_topic(entry);
    return OK;
}

/* One for each replica, or none (NULL).  ERR_NOMEM. */
static enum err copy_directories(const struct uuid *ids, int32_t count, uint32_t replica_count,
                                 struct uuid **out)
{
    *out = NULL;
    if (count <= 0 || (uint32_t)count != replica_count)
        return OK;
    *out = mem_try_alloc((size_t)count * sizeof(*ids));
    if (*out == NULL)
        return ERR_NOMEM;
    memcpy(*out, ids, (size_t)count * sizeof(*ids));
    return OK;
}

/* What the record says of one partition, in memory of its own. */
static enum err copy_partition(const struct partition_record *record, struct image_partition *out)
{
    enum err err;

    *out = (struct image_partition){
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
    err = copy_directories(record->directories.items, record->directories.count, out->replica_count,
                           &out->directories);
    if (err == OK && out->replicas != NULL && out->isr != NULL)
        return OK;
    free_partition(out);
    return ERR_NOMEM;
}

/* Room for one more.  Grown by doubling: the capacity is the next power of two. */
static bool reserve_partition(struct image_topic *topic)
{
    uint32_t count = topic->partition_count;
    struct image_partition *partitions;

    if ((count & (count - 1)) != 0)
        return true;
    partitions =
        mem_try_realloc(topic->partitions, (count == 0 ? 1 : count * 2) * sizeof(*partitions));
    if (partitions == NULL)
        return false;
    topic->partitions = partitions;
    return true;
}

/* A full state: creates the partition (in order of index) or replaces it. */
static enum err set_partition(struct image *image, const struct partition_record *record,
                              struct delta *delta)
{
    struct topic_entry *entry =
        hash_map_find(&image->topics_by_id, &record->topic_id, sizeof(record->topic_id));
    struct image_topic *topic;
    struct image_partition partition;
    bool is_new;
    enum err err;

    if (entry == NULL || record->partition_id < 0 ||
        (uint32_t)record->partition_id > entry->topic.partition_count)
        return ERR_MALFORMED;
    topic = &entry->topic;
    is_new = (uint32_t)record->partition_id == topic->partition_count;
    err = delta_note_topic(delta, &topic->id, topic->name, entry->name_bytes, DELTA_TOPIC_CHANGED,
                           topic->partition_count);
    if (err == OK && is_new && !reserve_partition(topic))
        err = ERR_NOMEM;
    if (err == OK)
        err = copy_partition(record, &partition);
    if (err != OK)
        return err;
    if (is_new) {
        topic->partition_count++;
        image->partition_count++;
    } else {
        free_partition(&topic->partitions[record->partition_id]);
    }
    topic->partitions[record->partition_id] = partition;
    return OK;
}

/* The sets that a change brings, in memory of its own; NULL: it brings none. */
struct changed_sets {
    int32_t *isr;
    int32_t *replicas;
    struct uuid *directories;
    bool has_directories; /* they are replaced, by none perhaps */
};

static void free_sets(struct changed_sets *sets)
{
    mem_free(sets->isr);
    mem_free(sets->replicas);
    mem_free(sets->directories);
}

static enum err copy_sets(const struct partition_change_record *record,
                          const struct image_partition *partition, struct changed_sets *sets)
{
    bool has_replicas = record->replicas.count >= 0;
    enum err err = OK;

    *sets =
        (struct changed_sets){.has_directories = has_replicas || record->directories.count >= 0};
    if (record->isr.count >= 0) {
        sets->isr = copy_ids(record->isr.items, record->isr.count);
        err = sets->isr == NULL ? ERR_NOMEM : OK;
    }
    if (has_replicas && err == OK) {
        sets->replicas = copy_ids(record->replicas.items, record->replicas.count);
        err = sets->replicas == NULL ? ERR_NOMEM : OK;
    }
    if (sets->has_directories && err == OK)
        err = copy_directories(record->directories.items, record->directories.count,
                               has_replicas ? (uint32_t)record->replicas.count
                                            : partition->replica_count,
                               &sets->directories);
    if (err != OK)
        free_sets(sets);
    return err;
}

/* The memory of sets is the partition's from now on. */
static void take_sets(struct image_partition *partition,
                      const struct partition_change_record *record, const struct changed_sets *sets)
{
    if (sets->isr != NULL) {
        mem_free(partition->isr);
        partition->isr = sets->isr;
        partition->isr_count = (uint32_t)record->isr.count;
    }
    if (sets->replicas != NULL) {
        mem_free(partition->replicas);
        partition->replicas = sets->replicas;
        partition->replica_count = (uint32_t)record->replicas.count;
    }
    if (sets->has_directories) {
        mem_free(partition->directories);
        partition->directories = sets->directories;
    }
}

/* The record carries no epochs: partition_epoch grows with every change, leader_epoch exactly when
 * the leader tag is present (Kafka's PartitionRegistration.merge). */
static enum err change_partition(struct image *image, const struct partition_change_record *record,
                                 struct delta *delta)
{
    struct topic_entry *entry =
        hash_map_find(&image->topics_by_id, &record->topic_id, sizeof(record->topic_id));
    struct image_partition *partition;
    struct changed_sets sets;
    enum err err;

    if (entry == NULL || record->partition_id < 0 ||
        (uint32_t)record->partition_id >= entry->topic.partition_count)
        return ERR_MALFORMED;
    partition = &entry->topic.partitions[record->partition_id];
    if (partition->leader_epoch == INT32_MAX || partition->partition_epoch == INT32_MAX)
        return ERR_MALFORMED; /* what follows has no number */
    err = delta_note_topic(delta, &entry->topic.id, entry->topic.name, entry->name_bytes,
                           DELTA_TOPIC_CHANGED, entry->topic.partition_count);
    if (err == OK)
        err = copy_sets(record, partition, &sets);
    if (err != OK)
        return err;
    take_sets(partition, record, &sets);
    if (record->leader != LEADER_UNCHANGED) {
        partition->leader = record->leader;
        partition->leader_epoch++;
    }
    if (record->leader_recovery_state >= 0)
        partition->recovery_state = record->leader_recovery_state;
    partition->partition_epoch++;
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
