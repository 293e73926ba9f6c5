/* Decisions about brokers and what they lead: Kafka's ClusterControlManager,
 * ReplicationControlManager. */
#include "broker/metadata/decide_broker.h"

#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_partition_change_record.h"
#include "net/protocol/msg_register_broker_record.h"

enum { LEADER_RECORDS_MAX = 1000, FENCE = 1, UNFENCE = -1, BEGIN_SHUTDOWN = 1 };

/* A record at the version of the level; NULL: no memory. */
static void *add_record(struct decision *decision, enum metadata_type type)
{
    int16_t level = image_metadata_level(decision->image);

    return metadata_records_add(decision->records, type, features_record_version(type, level));
}

static enum err fill_endpoints(struct decision *decision,
                               const struct broker_registration *registration,
                               struct register_broker_record *record)
{
    uint32_t count = registration->endpoint_count;

    record->end_points.items = codec_new_array(&register_broker_record_broker_endpoint_struct,
                                               decision->records->arena, count);
    if (record->end_points.items == NULL)
        return ERR_NOMEM;
    record->end_points.count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        const struct broker_endpoint *endpoint = &registration->endpoints[i];
        record->end_points.items[i] = (struct register_broker_record_broker_endpoint){
            .name = wire_string(endpoint->name),
            .host = wire_string(endpoint->host),
            .port = endpoint->port,
            .security_protocol = endpoint->security_protocol,
        };
    }
    return OK;
}

static enum err fill_features(struct decision *decision, struct register_broker_record *record)
{
    record->features.items = codec_new_array(&register_broker_record_broker_feature_struct,
                                             decision->records->arena, FEATURES_COUNT);
    if (record->features.items == NULL)
        return ERR_NOMEM;
    record->features.count = FEATURES_COUNT;
    for (uint32_t i = 0; i < FEATURES_COUNT; i++)
        record->features.items[i] = (struct register_broker_record_broker_feature){
            .name = wire_string(feature_at(i)->name),
            .min_supported_version = feature_at(i)->min_level,
            .max_supported_version = feature_at(i)->max_level,
        };
    return OK;
}

static enum err fill_directory(struct decision *decision,
                               const struct broker_registration *registration,
                               struct register_broker_record *record)
{
    int16_t level = image_metadata_level(decision->image);

    record->log_dirs.items =
        arena_alloc_array(decision->records->arena, 1, sizeof(registration->directory_id));
    if (record->log_dirs.items == NULL)
        return ERR_NOMEM;
    record->log_dirs.items[0] = registration->directory_id;
    if (level < FEATURES_DIRECTORIES)
        return OK;
    record->log_dirs.count = 1;
    if (level < FEATURES_CORDONED)
        return OK;
    record->cordoned_log_dirs.items = record->log_dirs.items;
    record->cordoned_log_dirs.count = registration->is_cordoned;
    return OK;
}

enum err decide_broker_registration(struct decision *decision,
                                    const struct broker_registration *registration,
                                    int64_t broker_epoch)
{
    struct register_broker_record *record = add_record(decision, METADATA_REGISTER_BROKER);
    enum err err;

    if (record == NULL)
        return ERR_NOMEM;
    record->broker_id = registration->broker_id;
    record->incarnation_id = registration->incarnation_id;
    record->broker_epoch = broker_epoch;
    record->rack = wire_string(registration->rack);
    record->fenced = true;
    err = fill_endpoints(decision, registration, record);
    if (err == OK)
        err = fill_features(decision, record);
    return err == OK ? fill_directory(decision, registration, record) : err;
}

enum err decide_broker_heartbeat(struct decision *decision,
                                 const struct broker_heartbeat *heartbeat)
{
    const struct image_broker *broker = image_broker_find(decision->image, heartbeat->broker_id);
    bool is_fenced = heartbeat->want_fence || heartbeat->want_shut_down;
    struct broker_registration_change_record *change;

    if (broker == NULL)
        return ERR_NOT_FOUND;
    if (broker->epoch != heartbeat->broker_epoch)
        return ERR_FENCED_EPOCH;
    if (broker->fenced == is_fenced && !heartbeat->want_shut_down)
        return OK;
    change = add_record(decision, METADATA_BROKER_REGISTRATION_CHANGE);
    if (change == NULL)
        return ERR_NOMEM;
    change->broker_id = heartbeat->broker_id;
    change->broker_epoch = heartbeat->broker_epoch;
    if (broker->fenced != is_fenced)
        change->fenced = is_fenced ? FENCE : UNFENCE;
    change->in_controlled_shutdown = heartbeat->want_shut_down ? BEGIN_SHUTDOWN : 0;
    return OK;
}

/* Is it without a leader, and are we one that has all of it?  Kafka's controller takes the leader
 * from a broker that stops in order, and with it, where eligible.leader.replicas.version is 1, the
 * last member of the in-sync set; of one that has no other replica nobody knows more. */
static bool is_for_us(const struct image_partition *partition, int32_t node_id)
{
    if (partition->leader >= 0)
        return false;
    for (uint32_t i = 0; i < partition->isr_count; i++)
        if (partition->isr[i] == node_id)
            return true;
    return partition->isr_count == 0 && partition->replica_count == 1 &&
           partition->replicas[0] == node_id;
}

static bool needs_leader_record(const struct image_partition *partition, int32_t node_id,
                                bool raises_all)
{
    if (partition->leader_epoch == INT32_MAX || partition->partition_epoch == INT32_MAX)
        return false; /* what follows has no number */
    return (raises_all && partition->leader == node_id) || is_for_us(partition, node_id);
}

/* A leader tag raises the leader epoch, also with the same leader (Kafka's
 * PartitionRegistration.merge). */
enum err decide_broker_leaders(struct decision *decision, bool raises_all,
                               struct leader_cursor *cursor)
{
    const struct image_topic *topic;
    size_t at = cursor->topics;
    int32_t *isr;

    while ((topic = image_topic_next(decision->image, &at)) != NULL) {
        for (; cursor->partition < topic->partition_count; cursor->partition++) {
            const struct image_partition *partition = &topic->partitions[cursor->partition];
            struct partition_change_record *change;
            if (!needs_leader_record(partition, decision->node_id, raises_all))
                continue;
            if (decision->records->count == LEADER_RECORDS_MAX)
                return OK; /* this topic goes on with the next batch */
            change = add_record(decision, METADATA_PARTITION_CHANGE);
            isr = arena_alloc(decision->records->arena, sizeof(*isr));
            if (change == NULL || isr == NULL)
                return ERR_NOMEM;
            change->topic_id = topic->id;
            change->partition_id = partition->index;
            change->leader = decision->node_id;
            *isr = decision->node_id;
            if (partition->isr_count == 0) {
                change->isr.items = isr;
                change->isr.count = 1;
            }
        }
        cursor->topics = at;
        cursor->partition = 0;
    }
    return OK;
}
