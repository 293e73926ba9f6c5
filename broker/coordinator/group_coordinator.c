/* The groups of one shard: what the runtime asks of them, looking up, going away. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_expiry.h"
#include "broker/coordinator/group_move.h"
#include "broker/coordinator/group_rebalance.h"
#include "broker/coordinator/group_records.h"
#include "broker/coordinator/group_txn_commit.h"
#include "broker/internal_topics.h"
#include "broker/java_hash.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

#include <string.h>

static const struct runtime_kind kind;

enum err group_coordinator_create(struct shard *shard, struct group_coordinator **out)
{
    struct group_coordinator *groups = mem_alloc(sizeof(*groups));

    groups->shard = shard;
    runtime_init(&groups->runtime, shard, &kind, groups,
                 memory_budget(&shard->memory, MEMORY_GROUPS));
    hash_map_init(&groups->groups, prng_u64(&shard->prng));
    hash_map_init(&groups->offset_topics, prng_u64(&shard->prng));
    hash_map_init(&groups->transactions, prng_u64(&shard->prng));
    list_init(&groups->registering);
    list_init(&groups->all);
    group_expiry_init(groups);
    group_move_init(groups);
    *out = groups;
    return OK;
}

static void remove_group(struct group *group)
{
    struct group_coordinator *groups = group->coordinator;

    hash_map_remove(&groups->groups, group->id, group->id_bytes);
    list_remove(&group->node);
    if (list_is_linked(&group->elsewhere_node))
        list_remove(&group->elsewhere_node);
    group_cancel_timers(group);
    group_destroy(group);
}

/* Of a partition, or -1: of all. */
static void cut_removals(struct group_coordinator *groups, int32_t partition_index, enum err err)
{
    size_t cursor = 0;
    struct group *group;

    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL)
        if (partition_index < 0 || group->partition_index == partition_index)
            group_removal_cut(group, err);
}

void group_coordinator_destroy(struct group_coordinator *groups)
{
    size_t cursor = 0;
    struct group *group;

    if (groups == NULL)
        return;
    groups->closing = true;
    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL) {
        group->state = GROUP_DEAD;
        list_for_each(node, &group->members)
        {
            struct group_member *member = container_of(node, struct group_member, node);
            member->join = NULL; /* answered when the loop ran; now nobody is left */
            member->sync = NULL;
        }
    }
    runtime_deinit(&groups->runtime); /* what is in flight, before the groups that it is of */
    cut_removals(groups, -1, ERR_CLOSED);
    cursor = 0;
    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL)
        remove_group(group);
    hash_map_deinit(&groups->groups);
    hash_map_deinit(&groups->offset_topics);
    hash_map_deinit(&groups->transactions);
    group_expiry_deinit(groups);
    group_move_deinit(groups);
    group_txn_commit_end_all(groups);
    mem_free(groups);
}

/* ---- partitions */

static enum err apply(void *coordinator, const struct runtime_record *record)
{
    return group_records_apply(coordinator, record);
}

/* That groups were read without their members, once for all of a partition. */
static void tell_lost_members(struct group_coordinator *groups, int32_t index)
{
    const struct budget *budget = memory_budget(&groups->shard->memory, MEMORY_GROUPS);
    uint64_t count = 0;
    size_t cursor = 0;
    struct group *group;

    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL) {
        count += group->partition_index == index && group->has_lost_members;
        group->has_lost_members = false;
    }
    if (count > 0)
        log_line(groups->shard->sink, LOG_WARN, "LVE-5006",
                 "groups were read without their members: the budget has no room for them",
                 log_i64("partition", index), log_u64("groups", count),
                 log_u64("used", budget_used_bytes(budget)), log_u64("max", budget->max_bytes));
}

static void start_sessions_of(struct group_coordinator *groups, int32_t index)
{
    size_t cursor = 0;
    struct group *group;

    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL)
        if (group->partition_index == index)
            group_start_sessions(group);
}

static void on_loaded(void *coordinator, int32_t index)
{
    struct group_coordinator *groups = coordinator;

    tell_lost_members(groups, index);
    group_move_tell(groups, index);
    if (!groups->started)
        return;
    start_sessions_of(groups, index);
    group_expiry_forget_orphans(groups);
    group_move_start(groups);
}

static void on_resigned(void *coordinator, int32_t index)
{
    struct group_coordinator *groups = coordinator;
    size_t cursor = 0;
    struct group *group;

    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL) {
        if (group->partition_index != index)
            continue;
        group_end_waits(group, KAFKA_NOT_COORDINATOR);
        group->state = GROUP_DEAD;
        group_cancel_timers(group);
    }
}

static void forget(void *coordinator, int32_t index)
{
    struct group_coordinator *groups = coordinator;
    size_t cursor = 0;
    struct group *group;

    cut_removals(groups, index, ERR_NOT_FOUND);
    group_move_cut(groups, index);
    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL)
        if (group->partition_index == index)
            remove_group(group);
}

static const struct runtime_kind kind = {.name = "group",
                                         .key_type = KAFKA_COORDINATOR_KEY_TYPE_GROUP,
                                         .family = RECORD_GROUP,
                                         .apply = apply,
                                         .loaded = on_loaded,
                                         .resigned = on_resigned,
                                         .forget = forget};

/* ---- ends of transactions */

static void on_end_appended(struct runtime_write *write)
{
    struct group_transaction_end *end = container_of(write, struct group_transaction_end, write);

    end->appended(end);
}

static void on_end_done(struct runtime_write *write, enum err err)
{
    struct group_transaction_end *end = container_of(write, struct group_transaction_end, write);

    runtime_write_deinit(write);
    end->done(end, err);
}

void group_coordinator_end_transaction(struct group_coordinator *groups, int32_t index,
                                       struct group_transaction_end *end)
{
    struct runtime_partition *partition = runtime_served(&groups->runtime, index);
    struct control_marker marker = {.commit = end->commit,
                                    .coordinator_epoch = end->coordinator_epoch};

    if (partition == NULL) {
        end->done(end, ERR_NOT_FOUND);
        return;
    }
    runtime_write_init(&end->write, partition, on_end_done);
    if (end->appended != NULL)
        end->write.appended = on_end_appended;
    runtime_write_set_marker(&end->write, &marker, end->producer_id, end->epoch, end->txn_v2);
    end->write.append.rules.ends_seen = end->ends_seen;
    end->write.append.rules.seen = end->seen;
    runtime_write_start(&end->write);
}

void group_coordinator_observe(struct group_coordinator *groups)
{
    runtime_observe(&groups->runtime, groups->shard->topics);
}

/* ---- groups */

int32_t group_partition_of(const char *group_id, size_t group_id_bytes, int32_t partition_count)
{
    return java_hash_partition(group_id, group_id_bytes, partition_count);
}

struct group *coordinator_find(struct group_coordinator *groups, struct wire_string id)
{
    return id.text == NULL ? NULL : hash_map_find(&groups->groups, id.text, (size_t)id.size_bytes);
}

static int32_t offsets_partition_count(const struct group_coordinator *groups)
{
    const struct image_topic *topic =
        internal_topics_image(groups->shard->image, KAFKA_COORDINATOR_KEY_TYPE_GROUP);

    return topic == NULL ? 0 : (int32_t)topic->partition_count;
}

struct group *coordinator_get(struct group_coordinator *groups, struct wire_string id)
{
    struct group *group = coordinator_find(groups, id);
    int32_t count = offsets_partition_count(groups);

    if (group != NULL)
        return group;
    group = group_create(groups, memory_budget(&groups->shard->memory, MEMORY_GROUPS), id.text,
                         (size_t)id.size_bytes,
                         group_partition_of(id.text, (size_t)id.size_bytes, count == 0 ? 1 : count),
                         prng_u64(&groups->shard->prng));
    if (group == NULL)
        return NULL;
    if (hash_map_insert(&groups->groups, group->id, group->id_bytes, group) != OK) {
        group_destroy(group);
        return NULL;
    }
    list_push_back(&groups->all, &group->node);
    return group;
}

int16_t coordinator_check(struct group_coordinator *groups, struct wire_string group_id,
                          int32_t *partition_index_out)
{
    const struct image_topic *topic =
        internal_topics_image(groups->shard->image, KAFKA_COORDINATOR_KEY_TYPE_GROUP);
    int16_t error;

    if (groups->stopping)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (topic == NULL || topic->partition_count == 0)
        return KAFKA_NOT_COORDINATOR;
    *partition_index_out = group_partition_of(group_id.text, (size_t)group_id.size_bytes,
                                              (int32_t)topic->partition_count);
    error = runtime_check(&groups->runtime, *partition_index_out); /* GCO-1 */
    return error != KAFKA_NONE
               ? error
               : group_move_check(groups, group_id.text, (size_t)group_id.size_bytes, topic);
}

/* kept_part: of the budget, which stays for others. */
static bool admit(struct group_coordinator *groups, uint64_t bytes, uint64_t kept_part)
{
    struct budget *budget = memory_budget(&groups->shard->memory, MEMORY_GROUPS);
    uint64_t kept_bytes = budget->max_bytes / kept_part;

    if (!budget_take(budget, bytes + kept_bytes)) /* counts the refusal, and tells */
        return false;
    budget_give(budget, bytes + kept_bytes);
    return true;
}

bool coordinator_admit(struct group_coordinator *groups, uint64_t bytes)
{
    return admit(groups, bytes, 8);
}

bool coordinator_admit_offsets(struct group_coordinator *groups, uint64_t bytes)
{
    return admit(groups, bytes, 4);
}

void coordinator_drop_if_idle(struct group *group)
{
    if (group->member_count > 0 || group->pending_count > 0 || group->writes > 0 ||
        group->offset_count > 0 || group->staged_count > 0 ||
        list_is_linked(&group->elsewhere_node))
        return;
    if (group->state != GROUP_EMPTY && group->state != GROUP_DEAD)
        return;
    if (group->state == GROUP_EMPTY && group->generation > 0)
        return; /* its generation is remembered until it expires (GRP-1) */
    remove_group(group);
}

int16_t coordinator_write_error(enum err err)
{
    switch (err) {
    case OK:
        return KAFKA_NONE;
    case ERR_NOT_FOUND:
        return KAFKA_NOT_COORDINATOR;
    case ERR_TOO_LARGE:
        return KAFKA_INVALID_COMMIT_OFFSET_SIZE;
    default:
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
}

int16_t coordinator_record_error(enum err err)
{
    return err == ERR_TOO_LARGE ? KAFKA_UNKNOWN_SERVER_ERROR : coordinator_write_error(err);
}

int16_t coordinator_begin_error(enum err err)
{
    return err == ERR_NOMEM || err == ERR_FULL ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS
                                               : coordinator_write_error(err);
}

const struct config_values *coordinator_config(const struct group_coordinator *groups)
{
    return shard_config(groups->shard);
}

/* ---- start and stop */

void group_coordinator_stop(struct group_coordinator *groups)
{
    size_t cursor = 0;
    struct group *group;

    if (groups == NULL)
        return;
    groups->stopping = true;
    loop_cancel_timer(&groups->shard->loop, &groups->expiry);
    runtime_stop(&groups->runtime);
    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL) {
        group_cancel_timers(group);
        group_end_waits(group, KAFKA_COORDINATOR_NOT_AVAILABLE);
        group_cancel_timers(group);
    }
}
