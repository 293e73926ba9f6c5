/* Decisions about in-sync sets: AlterPartition (KIP-497, 841, 903).
 *
 * The checks come in the order of Kafka's ReplicationControlManager, since a leader reads from the
 * error whether its change may still be made. */
#include "base/hash_map.h"
#include "broker/metadata/decision.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_partition_change_record.h"

#include <string.h>

typedef struct alter_partition_request_topic_data asked_topic;
typedef struct alter_partition_request_partition_data asked_partition;
typedef struct alter_partition_response_topic_data answered_topic;
typedef struct alter_partition_response_partition_data answered_partition;

enum { RECOVERED = 0, RECOVERING = 1, NEW_ISR_WITH_EPOCHS_VERSION = 3, ANY_BROKER_EPOCH = -1 };

/* One call, as its partitions are gone through. */
struct altering {
    struct decision *decision;
    int16_t version;
    int32_t broker_id;
    struct hash_map changed; /* partitions with a record already, by struct changed_key */
};

struct changed_key {
    struct uuid topic_id;
    int32_t index;
};

static int32_t isr_count(const struct altering *altering, const asked_partition *asked)
{
    int32_t count = altering->version < NEW_ISR_WITH_EPOCHS_VERSION
                        ? asked->new_isr.count
                        : asked->new_isr_with_epochs.count;

    return count < 0 ? 0 : count;
}

static struct alter_partition_request_broker_state isr_at(const struct altering *altering,
                                                          const asked_partition *asked, int32_t i)
{
    struct alter_partition_request_broker_state state = {.broker_epoch = ANY_BROKER_EPOCH};

    if (altering->version >= NEW_ISR_WITH_EPOCHS_VERSION)
        return asked->new_isr_with_epochs.items[i];
    state.broker_id = asked->new_isr.items[i];
    return state;
}

static bool contains(const int32_t *ids, uint32_t count, int32_t id)
{
    for (uint32_t i = 0; i < count; i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* ---- checks, each Kafka's error or KAFKA_NONE */

/* Is the asker the leader of this epoch, and does it know the newest state? */
static int16_t check_epochs(const struct altering *altering,
                            const struct image_partition *partition, const asked_partition *asked)
{
    if (asked->leader_epoch > partition->leader_epoch ||
        asked->partition_epoch > partition->partition_epoch)
        return KAFKA_NOT_CONTROLLER; /* it has seen what we have not: another one decides */
    if (asked->leader_epoch < partition->leader_epoch)
        return KAFKA_FENCED_LEADER_EPOCH;
    if (altering->broker_id != partition->leader)
        return KAFKA_INVALID_REQUEST;
    if (asked->partition_epoch < partition->partition_epoch)
        return KAFKA_INVALID_UPDATE_VERSION;
    return KAFKA_NONE;
}

/* A set of the replicas, none twice, with the leader.  No longer than the replicas, so that the
 * walk is short. */
static int16_t check_members(const struct altering *altering,
                             const struct image_partition *partition, const asked_partition *asked)
{
    int32_t count = isr_count(altering, asked);
    bool has_leader = false;

    if ((uint32_t)count > partition->replica_count)
        return KAFKA_INVALID_REQUEST;
    for (int32_t i = 0; i < count; i++) {
        int32_t id = isr_at(altering, asked, i).broker_id;
        if (!contains(partition->replicas, partition->replica_count, id))
            return KAFKA_INVALID_REQUEST;
        for (int32_t before = 0; before < i; before++)
            if (isr_at(altering, asked, before).broker_id == id)
                return KAFKA_INVALID_REQUEST;
        has_leader = has_leader || id == partition->leader;
    }
    return has_leader ? KAFKA_NONE : KAFKA_INVALID_REQUEST;
}

/* After an unclean election the leader is alone until it has recovered (KIP-704). */
static int16_t check_recovery(const struct altering *altering,
                              const struct image_partition *partition, const asked_partition *asked)
{
    bool is_recovering = asked->leader_recovery_state == RECOVERING;

    if (!is_recovering && asked->leader_recovery_state != RECOVERED)
        return KAFKA_INVALID_REQUEST;
    if (is_recovering && (isr_count(altering, asked) > 1 || partition->recovery_state == RECOVERED))
        return KAFKA_INVALID_REQUEST;
    return KAFKA_NONE;
}

/* Who is in the set would be elected: it must be up, and the incarnation that the leader means. */
static int16_t check_eligible(const struct altering *altering, const asked_partition *asked)
{
    for (int32_t i = 0; i < isr_count(altering, asked); i++) {
        struct alter_partition_request_broker_state member = isr_at(altering, asked, i);
        const struct image_broker *broker =
            image_broker_find(altering->decision->image, member.broker_id);
        if (broker == NULL || broker->fenced || broker->in_controlled_shutdown)
            return KAFKA_INELIGIBLE_REPLICA;
        if (member.broker_epoch != ANY_BROKER_EPOCH && member.broker_epoch != broker->epoch)
            return KAFKA_INELIGIBLE_REPLICA;
    }
    return KAFKA_NONE;
}

/* A change that image_apply cannot number is not written. */
static int16_t check_numbers(const struct image_partition *partition)
{
    return partition->leader_epoch == INT32_MAX || partition->partition_epoch == INT32_MAX
               ? KAFKA_OPERATION_NOT_ATTEMPTED
               : KAFKA_NONE;
}

static int16_t check_partition(const struct altering *altering,
                               const struct image_partition *partition,
                               const asked_partition *asked)
{
    int16_t error_code = check_epochs(altering, partition, asked);

    if (error_code == KAFKA_NONE)
        error_code = check_members(altering, partition, asked);
    if (error_code == KAFKA_NONE)
        error_code = check_recovery(altering, partition, asked);
    if (error_code == KAFKA_NONE)
        error_code = check_eligible(altering, asked);
    if (error_code == KAFKA_NONE)
        error_code = check_numbers(partition);
    return error_code;
}

/* The same partition again in one request: the epoch that it names is gone with the first. */
static int16_t check_first(struct altering *altering, const struct uuid *topic_id, int32_t index)
{
    struct changed_key key;

    memset(&key, 0, sizeof(key)); /* it is hashed as bytes */
    key.topic_id = *topic_id;
    key.index = index;
    return hash_map_find(&altering->changed, &key, sizeof(key)) == NULL
               ? KAFKA_NONE
               : KAFKA_INVALID_UPDATE_VERSION;
}

/* ---- records and answers */

static enum err note_changed(struct altering *altering, const struct uuid *topic_id, int32_t index)
{
    struct changed_key *key =
        arena_alloc_array(altering->decision->records->arena, 1, sizeof(*key)); /* zeroed */

    if (key == NULL)
        return ERR_NOMEM;
    key->topic_id = *topic_id;
    key->index = index;
    return hash_map_insert(&altering->changed, key, sizeof(*key), key);
}

static bool is_same_isr(const struct image_partition *partition, const int32_t *isr, int32_t count)
{
    return (uint32_t)count == partition->isr_count &&
           memcmp(isr, partition->isr, (size_t)count * sizeof(*isr)) == 0;
}

/* The record, when there is anything new, and the state after it. */
static enum err change_partition(struct altering *altering, const struct uuid *topic_id,
                                 const struct image_partition *partition,
                                 const asked_partition *asked, answered_partition *answer)
{
    struct metadata_records *records = altering->decision->records;
    int32_t count = isr_count(altering, asked);
    bool is_recovered = asked->leader_recovery_state != partition->recovery_state;
    bool is_new_isr;
    struct partition_change_record *change;

    answer->isr.items =
        arena_alloc_array(altering->decision->arena, (size_t)count, sizeof(*answer->isr.items));
    if (answer->isr.items == NULL)
        return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++)
        answer->isr.items[i] = isr_at(altering, asked, i).broker_id;
    answer->isr.count = count;
    answer->leader_id = partition->leader;
    answer->leader_epoch = partition->leader_epoch;
    answer->leader_recovery_state = asked->leader_recovery_state;
    answer->partition_epoch = partition->partition_epoch;
    is_new_isr = !is_same_isr(partition, answer->isr.items, count);
    if (!is_new_isr && !is_recovered)
        return OK;
    change = metadata_records_add(
        records, METADATA_PARTITION_CHANGE,
        features_record_version(METADATA_PARTITION_CHANGE,
                                image_metadata_level(altering->decision->image)));
    if (change == NULL)
        return ERR_NOMEM;
    change->topic_id = *topic_id;
    change->partition_id = partition->index;
    if (is_new_isr) {
        change->isr.items = arena_alloc_array(records->arena, (size_t)count, sizeof(int32_t));
        if (change->isr.items == NULL)
            return ERR_NOMEM;
        memcpy(change->isr.items, answer->isr.items, (size_t)count * sizeof(int32_t));
        change->isr.count = count;
    }
    if (is_recovered)
        change->leader_recovery_state = asked->leader_recovery_state;
    answer->partition_epoch = partition->partition_epoch + 1; /* as image_apply counts it */
    return note_changed(altering, topic_id, partition->index);
}

static enum err alter_one(struct altering *altering, const struct image_topic *topic,
                          const asked_partition *asked, answered_partition *answer)
{
    const struct image_partition *partition = NULL;

    answer->partition_index = asked->partition_index;
    if (topic == NULL) {
        answer->error_code = KAFKA_UNKNOWN_TOPIC_ID;
        return OK;
    }
    if (asked->partition_index >= 0 && (uint32_t)asked->partition_index < topic->partition_count)
        partition = &topic->partitions[asked->partition_index];
    if (partition == NULL) {
        answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return OK;
    }
    answer->error_code = check_first(altering, &topic->id, partition->index);
    if (answer->error_code == KAFKA_NONE)
        answer->error_code = check_partition(altering, partition, asked);
    if (answer->error_code != KAFKA_NONE)
        return OK;
    return change_partition(altering, &topic->id, partition, asked, answer);
}

static enum err alter_topic(struct altering *altering, const asked_topic *asked,
                            answered_topic *answer)
{
    const struct image_topic *topic =
        image_topic_by_id(altering->decision->image, &asked->topic_id);
    int32_t count = asked->partitions.count < 0 ? 0 : asked->partitions.count;
    enum err err = OK;

    answer->topic_id = asked->topic_id;
    answer->partitions.items = codec_new_array(&alter_partition_response_partition_data_struct,
                                               altering->decision->arena, (size_t)count);
    if (answer->partitions.items == NULL)
        return ERR_NOMEM;
    answer->partitions.count = count;
    for (int32_t i = 0; i < count && err == OK; i++)
        err = alter_one(altering, topic, &asked->partitions.items[i], &answer->partitions.items[i]);
    return err;
}

enum err decide_alter_partition(struct decision *decision, int16_t version,
                                const struct alter_partition_request *request,
                                struct alter_partition_response *response)
{
    const struct image_broker *asker = image_broker_find(decision->image, request->broker_id);
    int32_t count = request->topics.count < 0 ? 0 : request->topics.count;
    struct altering altering = {
        .decision = decision, .version = version, .broker_id = request->broker_id};
    enum err err = OK;

    if (asker == NULL || asker->epoch != request->broker_epoch) {
        response->error_code = KAFKA_STALE_BROKER_EPOCH;
        return OK;
    }
    response->topics.items = codec_new_array(&alter_partition_response_topic_data_struct,
                                             decision->arena, (size_t)count);
    if (response->topics.items == NULL)
        return ERR_NOMEM;
    response->topics.count = count;
    hash_map_init(&altering.changed, prng_u64(decision->prng));
    for (int32_t i = 0; i < count && err == OK; i++)
        err = alter_topic(&altering, &request->topics.items[i], &response->topics.items[i]);
    hash_map_deinit(&altering.changed);
    return err;
}
