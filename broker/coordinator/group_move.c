/* start → next → (into its own partition, as often as there is something to say) → (tombstones into
 * the old one) → next. */
#include "broker/coordinator/group_move.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_offsets.h"
#include "broker/coordinator/group_records.h"
#include "broker/coordinator/group_write.h"
#include "broker/internal_topics.h"
#include "broker/java_hash.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

enum {
    MOVE_OFFSETS = 1000, /* of one write */
    AGAIN_MS = 1000,     /* when one could not be written */
};

/* One write of a move. */
struct group_move {
    struct group_write write;
    bool is_leaving; /* tombstones; else what is known, into its own partition */
    bool is_last;    /* of the tombstones */
    uint32_t count;
    struct group_offset
        *entries[MOVE_OFFSETS]; /* by index of the record; they stay (is_elsewhere) */
};

static void next_move(struct group_coordinator *groups);

static const struct image_topic *offsets_topic(const struct group *group)
{
    return internal_topics_image(group->coordinator->shard->image,
                                 KAFKA_COORDINATOR_KEY_TYPE_GROUP);
}

static int32_t old_partition_of(const char *id, size_t id_bytes, int32_t partition_count)
{
    return (java_hash(id, id_bytes) & INT32_MAX) % partition_count;
}

/* -1: there is none. */
static int32_t old_partition(const struct group *group)
{
    const struct image_topic *topic = offsets_topic(group);

    if (topic == NULL || topic->partition_count == 0)
        return -1;
    return old_partition_of(group->id, group->id_bytes, (int32_t)topic->partition_count);
}

/* ---- reading */

void group_move_note(struct group *group, int32_t partition_index)
{
    struct group_coordinator *groups = group->coordinator;
    struct shard *shard = groups->shard;

    if (partition_index == group->partition_index || partition_index != old_partition(group) ||
        list_is_linked(&group->elsewhere_node))
        return;
    if (shard_of_partition(shard->shards, &offsets_topic(group)->id, group->partition_index) !=
        shard) {
        group->partition_index = partition_index; /* GMV-3 */
        group->is_left_elsewhere = true;
        return;
    }
    list_push_back(&groups->elsewhere, &group->elsewhere_node);
}

bool group_move_is_foreign(const struct group *group, const struct runtime_record *record)
{
    return record->write == NULL && record->partition_index != group->partition_index &&
           record->partition_index == old_partition(group);
}

bool group_move_takes_state(struct group *group, const struct runtime_record *record)
{
    bool is_foreign = group_move_is_foreign(group, record);

    if (is_foreign)
        group->has_old_record = record->value_bytes >= 0;
    if (is_foreign && group->has_own_record)
        return false; /* GMV-2 */
    group->is_foreign = is_foreign;
    group->has_own_record = group->has_own_record || !is_foreign;
    return true;
}

void group_move_settle(struct group *group)
{
    if (list_is_linked(&group->elsewhere_node) && group->elsewhere_count == 0 &&
        !group->has_old_record)
        list_remove(&group->elsewhere_node);
}

void group_move_tell(struct group_coordinator *groups, int32_t index)
{
    uint64_t count = 0;

    list_for_each(node, &groups->all)
    {
        const struct group *group = container_of(node, struct group, node);
        count += group->is_left_elsewhere && group->partition_index == index;
    }
    if (count > 0)
        log_line(groups->shard->sink, LOG_WARN, "LVE-5009",
                 "groups were found in a partition that is not theirs, and stay there",
                 log_i64("partition", index), log_u64("groups", count));
}

/* ---- writing */

static void end_move(struct group_coordinator *groups)
{
    struct group *group = groups->move->write.group;

    group_write_end(&groups->move->write);
    mem_free(groups->move);
    groups->move = NULL;
    coordinator_drop_if_idle(group);
}

/* Its turn is behind the others, and not now. */
static void put_off(struct group_coordinator *groups, struct group *group)
{
    list_remove(&group->elsewhere_node);
    list_push_back(&groups->elsewhere, &group->elsewhere_node);
    if (!groups->stopping && !groups->closing)
        loop_set_timer_ms(&groups->shard->loop, &groups->move_again, AGAIN_MS);
}

static void forget_elsewhere(struct group_move *move)
{
    struct group *group = move->write.group;

    for (uint32_t i = 0; i < move->count; i++)
        group_forget_elsewhere(move->entries[i]);
    group->has_old_record = group->has_old_record && !move->is_last;
    group_move_settle(group);
}

static void on_moved(struct group_write *write, enum err err)
{
    struct group_move *move = container_of(write, struct group_move, write);
    struct group *group = write->group;
    struct group_coordinator *groups = group->coordinator;

    if (err != OK)
        put_off(groups, group);
    else if (move->is_leaving)
        forget_elsewhere(move);
    end_move(groups);
    if (err == OK)
        next_move(groups);
}

/* An offset's record stands in the own partition now, unless a commit was faster. */
static void on_restated(struct group_write *write, uint32_t index, int64_t record_offset)
{
    struct group_move *move = container_of(write, struct group_move, write);
    struct group_offset *entry = move->entries[index];

    if (move->is_leaving || !entry->is_recorded || !entry->value.is_foreign)
        return;
    entry->value.is_foreign = false;
    entry->value.record_offset = record_offset;
}

/* What only the old partition says.  False: that is nothing. */
static bool restate(struct group_move *move)
{
    struct group *group = move->write.group;
    struct group_offset *entry;
    size_t cursor = 0;

    while (move->count < MOVE_OFFSETS && (entry = group_next_offset(group, &cursor)) != NULL) {
        const struct group_offset_value *value = &entry->value;
        if (!value->is_foreign)
            continue;
        move->entries[move->count++] = entry;
        group_records_offset(
            &move->write, entry->topic, &value->topic_id, entry->partition, value->offset,
            value->leader_epoch,
            (struct wire_string){(const char *)value->metadata.bytes, value->metadata.size_bytes},
            value->commit_timestamp_ms, value->expire_timestamp_ms);
    }
    if (group->is_foreign)
        group_records_metadata(&move->write, NULL);
    return move->count > 0 || group->is_foreign;
}

static void delete_old(struct group_move *move)
{
    struct group *group = move->write.group;
    struct group_offset *entry = NULL;
    size_t cursor = 0;

    move->is_leaving = true;
    while (move->count < MOVE_OFFSETS && (entry = group_next_entry(group, &cursor)) != NULL) {
        if (!entry->is_elsewhere)
            continue;
        move->entries[move->count++] = entry;
        group_records_offset_tombstone(&move->write, entry->topic, entry->partition);
    }
    move->is_last = move->count < MOVE_OFFSETS;
    if (move->is_last)
        group_records_tombstone(&move->write);
}

static bool begin_in(struct group_move *move, struct group *group, int32_t partition_index)
{
    if (!group_write_begin_in(&move->write, group, partition_index, on_moved))
        return false;
    move->write.restated = on_restated;
    return true;
}

/* False: not now, and nothing has begun.  What is under way of the group might come before in its
 * log, and would be older; so would what a transaction has staged, and its marker would find a
 * newer commit (GOF-5): both have to end first. */
static bool begin_move(struct group_coordinator *groups, struct group *group)
{
    struct group_move *move;
    bool begun;

    if (group->writes > 0 || group->staged_count > 0 ||
        runtime_served(&groups->runtime, old_partition(group)) == NULL)
        return false;
    move = mem_try_alloc(sizeof(*move));
    if (move == NULL)
        return false;
    begun = begin_in(move, group, group->partition_index);
    if (begun && !restate(move)) {
        group_write_end(&move->write);
        begun = begin_in(move, group, old_partition(group));
        if (begun)
            delete_old(move);
    }
    if (!begun) {
        mem_free(move);
        return false;
    }
    groups->move = move;
    runtime_write_start(&move->write.records);
    return true;
}

static void next_move(struct group_coordinator *groups)
{
    struct group *group;

    if (groups->move != NULL || !groups->started || groups->stopping || groups->closing ||
        list_is_empty(&groups->elsewhere))
        return;
    if (runtime_is_loading(&groups->runtime)) { /* their turn comes when all was, or has failed */
        loop_set_timer_ms(&groups->shard->loop, &groups->move_again, AGAIN_MS);
        return;
    }
    group = list_first(&groups->elsewhere, struct group, elsewhere_node);
    if (!begin_move(groups, group))
        put_off(groups, group);
}

void group_move_cut(struct group_coordinator *groups, int32_t index)
{
    if (groups->move == NULL || groups->move->write.group->partition_index != index)
        return;
    runtime_write_cancel(&groups->move->write.records);
    end_move(groups);
}

static void on_again(struct timer *timer)
{
    next_move(container_of(timer, struct group_coordinator, move_again));
}

void group_move_init(struct group_coordinator *groups)
{
    list_init(&groups->elsewhere);
    timer_init(&groups->move_again, on_again);
}

void group_move_deinit(struct group_coordinator *groups)
{
    loop_cancel_timer(&groups->shard->loop, &groups->move_again);
}

/* ---- all was read */

static bool is_reading(const struct group_coordinator *groups, int32_t index)
{
    const struct runtime_partition *partition = runtime_find(&groups->runtime, index);

    return partition != NULL && partition->state == RUNTIME_LOADING;
}

int16_t group_move_check(const struct group_coordinator *groups, const char *id, size_t id_bytes,
                         const struct image_topic *offsets_topic)
{
    int32_t old = old_partition_of(id, id_bytes, (int32_t)offsets_topic->partition_count);
    struct shard *shard = groups->shard;
    int16_t error;

    if (old == group_partition_of(id, id_bytes, (int32_t)offsets_topic->partition_count) ||
        shard_of_partition(shard->shards, &offsets_topic->id, old) != shard) /* GMV-3 */
        return KAFKA_NONE;
    error = runtime_check(&groups->runtime, old);
    return error == KAFKA_NOT_COORDINATOR ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : error;
}

static void resolve(struct group *group)
{
    size_t cursor = 0;
    struct group_offset *entry;

    while ((entry = group_next_entry(group, &cursor)) != NULL)
        group_resolve_offset(entry);
}

void group_move_start(struct group_coordinator *groups)
{
    list_for_each(node, &groups->elsewhere)
    {
        struct group *group = container_of(node, struct group, elsewhere_node);
        if (!is_reading(groups, group->partition_index) &&
            !is_reading(groups, old_partition(group)))
            resolve(group);
    }
    next_move(groups);
}
