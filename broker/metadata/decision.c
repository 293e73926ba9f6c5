#include "broker/metadata/decision.h"

#include "net/protocol/msg_partition_record.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct wire_string decision_text(struct decision *decision, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return wire_string(arena_strndup(decision->arena, text, strlen(text)));
}

struct wire_string decision_copy(struct decision *decision, struct wire_string text)
{
    if (text.text == NULL)
        return text;
    text.text = arena_strndup(decision->arena, text.text, (size_t)text.size_bytes);
    return text;
}

enum err decision_add_partition(struct decision *decision, const struct uuid *topic_id,
                                int32_t index, const int32_t *replicas, int32_t replica_count)
{
    int16_t level = image_metadata_level(decision->image);
    struct partition_record *record = metadata_records_add(
        decision->records, METADATA_PARTITION, features_record_version(METADATA_PARTITION, level));
    struct arena *arena = decision->records->arena;
    size_t count = (size_t)replica_count;
    int32_t *ids = arena_alloc_array(arena, count, sizeof(*ids));
    struct uuid *directories = arena_alloc_array(arena, count, sizeof(*directories));

    if (record == NULL || ids == NULL || directories == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < count; i++) {
        ids[i] = replicas[i];
        if (replicas[i] == decision->node_id)
            directories[i] = decision->directory_id;
    }
    record->topic_id = *topic_id;
    record->partition_id = index;
    record->replicas.items = ids;
    record->replicas.count = replica_count;
    record->isr.items = ids;
    record->isr.count = replica_count;
    if (level >= FEATURES_DIRECTORIES) {
        record->directories.items = directories;
        record->directories.count = replica_count;
    }
    record->leader = ids[0];
    record->leader_epoch = 0;
    record->partition_epoch = 0;
    return OK;
}

static bool is_live(const struct image_broker *broker)
{
    return !broker->fenced && !broker->in_controlled_shutdown;
}

/* Has it a directory that takes new replicas? (KIP-1066) */
static bool has_place(const struct image_broker *broker)
{
    uint32_t cordoned_count = 0;

    for (uint32_t i = 0; i < broker->log_dir_count; i++)
        for (uint32_t c = 0; c < broker->cordoned_count; c++)
            if (uuid_equal(&broker->log_dirs[i], &broker->cordoned[c])) {
                cordoned_count++;
                break;
            }
    return broker->log_dir_count == 0 || cordoned_count < broker->log_dir_count;
}

uint32_t decision_live_brokers(const struct decision *decision, int32_t *first_out)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < image_broker_count(decision->image); i++) {
        const struct image_broker *broker = image_broker_at(decision->image, i);
        if (is_live(broker) && has_place(broker) && count++ == 0)
            *first_out = broker->id;
    }
    return count;
}

struct wire_string decision_too_few_brokers(struct decision *decision, int64_t factor,
                                            uint32_t live)
{
    if (live == 0)
        return wire_string(
            "All brokers are currently fenced, or have all their log directories cordoned.");
    return decision_text(decision,
                         "The target replication factor of %lld cannot be reached because only %u "
                         "broker(s) are registered or some brokers have all their log directories "
                         "cordoned.",
                         (long long)factor, live);
}

/* The smallest of brokers that is above floor; false: none is. */
static bool next_above(const int32_t *brokers, int32_t count, int64_t floor, int32_t *out,
                       int32_t *times_out)
{
    bool found = false;

    for (int32_t i = 0; i < count; i++) {
        if (brokers[i] <= floor)
            continue;
        if (!found || brokers[i] < *out) {
            *out = brokers[i];
            *times_out = 1;
        } else if (brokers[i] == *out) {
            (*times_out)++;
        }
        found = true;
    }
    return found;
}

bool decision_check_assignment(struct decision *decision, int32_t partition, const int32_t *brokers,
                               int32_t count, int32_t factor, struct wire_string *message_out)
{
    int64_t floor = INT64_MIN;
    bool any_live = false;
    int32_t id = 0;
    int32_t times = 0;

    if (count <= 0) {
        *message_out =
            wire_string("The manual partition assignment includes an empty replica list.");
        return false;
    }
    for (; next_above(brokers, count, floor, &id, &times);
         floor = id) { /* by rising id, as Kafka */
        const struct image_broker *broker = image_broker_find(decision->image, id);
        if (broker == NULL) {
            *message_out = decision_text(decision,
                                         "The manual partition assignment includes broker %d, but "
                                         "no such broker is registered.",
                                         id);
            return false;
        }
        if (times > 1) {
            *message_out = decision_text(
                decision, "The manual partition assignment includes the broker %d more than once.",
                id);
            return false;
        }
        any_live = any_live || is_live(broker);
    }
    if (factor >= 0 && factor != count) {
        *message_out = decision_text(decision,
                                     "The manual partition assignment includes a partition with %d "
                                     "replica(s), but this is not consistent with previous "
                                     "partitions, which have %d replica(s).",
                                     count, factor);
        return false;
    }
    if (!any_live) {
        *message_out = decision_text(decision,
                                     "All brokers specified in the manual partition assignment for "
                                     "partition %d are fenced or in controlled shutdown.",
                                     partition);
        return false;
    }
    return true;
}
