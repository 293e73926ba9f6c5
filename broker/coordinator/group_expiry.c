/* What goes away by itself: offsets (DUR-G7, KIP-211) and empty groups by time, offsets with their
 * topic.
 *
 * Both are sweeps in slices: a turn looks at LOOKS_MAX things and goes on in the next one, and
 * while TOMBSTONES_MAX are on their way into the log it waits for them.  What a sweep has looked at
 * it puts at the end of its list, with its number: the sweep is over when it meets the number. */
#include "broker/coordinator/group_expiry.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_move.h"
#include "broker/coordinator/group_pending_offsets.h"
#include "broker/coordinator/group_rebalance.h"
#include "broker/coordinator/group_subscription.h"
#include "broker/metadata/image.h"

#include <string.h>

enum {
    LOOKS_MAX = 1024,         /* a turn: offsets, groups */
    TOMBSTONE_LOOKS = 8,      /* one of them costs as much */
    OF_GROUP_MAX = 1000,      /* tombstones of one group at a time */
    TOMBSTONES_MAX = 1 << 14, /* on their way */
    RETRY_MS = 1000,          /* when one could not be written */
};

static void sweep_later(struct group_coordinator *groups)
{
    if (groups->started && !groups->stopping)
        loop_defer(&groups->shard->loop, &groups->sweep);
}

static void sweep_much_later(struct group_coordinator *groups)
{
    if (groups->started && !groups->stopping)
        loop_set_timer_ms(&groups->shard->loop, &groups->retry, RETRY_MS);
}

static void on_swept(void *context, int16_t error_code)
{
    if (error_code == KAFKA_NONE)
        sweep_later(context);
    else
        sweep_much_later(context);
}

static void start_removal(struct group_coordinator *groups, struct group_removal *removal)
{
    group_removal_count_in(removal, &groups->tombstones);
    group_removal_start(removal, on_swept, groups);
}

/* ---- with its topic */

static bool is_gone(const struct group_offset_value *value, const struct shard *shard, bool deleted)
{
    return group_offset_is_orphan(value, shard->image) ||
           (deleted && uuid_is_zero(&value->topic_id));
}

/* A tombstone takes all that there is of it, so none of that may be of another topic that has the
 * name now.  GRM-1: a commit that is being recorded looks for itself whether its topic has gone
 * (group_commit.c). */
static bool goes(const struct group_offset *offset, const struct shard *shard, bool deleted)
{
    if (!group_offset_is_there(offset) || offset->leaving_count > 0 || offset->pending_count > 0)
        return false;
    if (offset->is_recorded && !is_gone(&offset->value, shard, deleted))
        return false;
    list_for_each(node, &offset->staged)
    {
        if (!is_gone(&container_of(node, struct pending_offset, of_entry)->value, shard, deleted))
            return false;
    }
    return true;
}

/* Into *removal, which is begun when there is none.  ERR_NOMEM: later; what does not begin for
 * another reason ends by itself. */
static enum err remove_one(struct group_offset *offset, struct group_removal **removal)
{
    enum err err = *removal != NULL ? OK : group_removal_begin(offset->group, removal);

    return err == OK ? group_removal_add(*removal, offset) : err;
}

static void look_at(struct group_offset *offset, uint64_t round)
{
    list_remove(&offset->node);
    list_push_back(&offset->of->offsets, &offset->node);
    offset->round = round;
}

/* Some that stand together and are of one group.  OK: there may be more; ERR_NOT_FOUND: the topic
 * has been gone through, and is off the list; ERR_NOMEM: not now. */
static enum err forget_some(struct group_coordinator *groups, struct offset_topic *topic,
                            uint32_t *looks)
{
    struct group_removal *removal = NULL;
    struct group *group = NULL;
    uint32_t count = 0;
    enum err err = OK;

    while (err == OK && *looks < LOOKS_MAX && count < OF_GROUP_MAX) {
        struct group_offset *offset = list_first(&topic->offsets, struct group_offset, node);
        if (offset->round == topic->forget_round)
            err = ERR_NOT_FOUND;
        if (err != OK || (removal != NULL && offset->group != group))
            break;
        *looks += 1;
        if (goes(offset, groups->shard, topic->is_deleted)) {
            err = remove_one(offset, &removal);
            if (err == ERR_NOMEM)
                break;
            group = offset->group;
            *looks += TOMBSTONE_LOOKS;
            count += err == OK;
            err = OK;
        }
        look_at(offset, topic->forget_round);
    }
    if (err == ERR_NOT_FOUND)
        list_remove(&topic->forgotten); /* before what may put it back */
    if (count > 0)
        start_removal(groups, removal);
    else if (removal != NULL)
        group_removal_drop(removal);
    return err;
}

/* False: there is no memory for the next one. */
static bool forget_topics(struct group_coordinator *groups, uint32_t *looks)
{
    while (!list_is_empty(&groups->forgotten) && *looks < LOOKS_MAX &&
           groups->tombstones < TOMBSTONES_MAX && !timer_is_set(&groups->retry)) {
        struct offset_topic *topic = list_first(&groups->forgotten, struct offset_topic, forgotten);
        *looks += 1;
        if (forget_some(groups, topic, looks) == ERR_NOMEM)
            return false;
    }
    return true;
}

/* It is met first when the topic has its next turn. */
void group_sweep_again(struct group_offset *offset)
{
    struct group_coordinator *groups = offset->group->coordinator;
    struct offset_topic *topic = offset->of;

    if (!goes(offset, groups->shard, topic->is_deleted))
        return;
    list_remove(&offset->node);
    list_push_front(&topic->offsets, &offset->node);
    offset->round = 0;
    if (!list_is_linked(&topic->forgotten))
        list_push_back(&groups->forgotten, &topic->forgotten);
}

static void forget_topic(struct group_coordinator *groups, struct offset_topic *topic, bool deleted)
{
    bool is_waiting = list_is_linked(&topic->forgotten);

    topic->forget_round = ++groups->round;
    topic->is_deleted = deleted || (is_waiting && topic->is_deleted);
    if (!is_waiting)
        list_push_back(&groups->forgotten, &topic->forgotten);
    sweep_later(groups);
}

void group_coordinator_topic_deleted(struct group_coordinator *groups, const char *name)
{
    struct offset_topic *topic = offset_topic_find(groups, name);

    if (topic != NULL)
        forget_topic(groups, topic, true);
}

void group_forget_vanished(struct group_offset *offset, struct group_removal **removal)
{
    struct group_coordinator *groups = offset->group->coordinator;

    if (!goes(offset, groups->shard, false))
        return;
    if (remove_one(offset, removal) == ERR_NOMEM)
        forget_topic(groups, offset->of, false);
}

void group_expiry_look_again(struct group_offset *offset)
{
    struct group_coordinator *groups = offset->group->coordinator;

    if (goes(offset, groups->shard, false))
        forget_topic(groups, offset->of, false);
}

/* Topics that were deleted, and a crash came before their offsets' tombstones. */
void group_expiry_forget_orphans(struct group_coordinator *groups)
{
    size_t cursor = 0;
    struct offset_topic *topic;

    while ((topic = hash_map_next(&groups->offset_topics, &cursor)) != NULL)
        forget_topic(groups, topic, false);
}

/* ---- by time */

/* Times of records may be any. */
static bool is_past(int64_t since_ms, int64_t now_ms, int64_t retention_ms)
{
    int64_t age_ms;

    if (__builtin_sub_overflow(now_ms, since_ms, &age_ms))
        return since_ms < 0;
    return age_ms >= retention_ms;
}

/* Those of an empty group count from the later of the commit and the moment when the group became
 * empty; those of a living one, whose topic nobody reads any more, from the commit. */
static bool is_expired(const struct group *group, const struct group_offset *offset, int64_t now_ms,
                       int64_t retention_ms)
{
    int64_t since = offset->value.commit_timestamp_ms;

    if (offset->value.expire_timestamp_ms >= 0)
        return now_ms >= offset->value.expire_timestamp_ms;
    if (group->state == GROUP_EMPTY && group->protocol_type != NULL &&
        group->state_timestamp_ms > since)
        since = group->state_timestamp_ms;
    return is_past(since, now_ms, retention_ms);
}

/* What has expired of the group, and the group when it is empty and nothing is left, however short
 * that has been so (Kafka's GroupMetadataManager.maybeDeleteGroup).  The number of looks. */
static uint32_t expire_group(struct group *group)
{
    struct group_coordinator *groups = group->coordinator;
    int64_t retention_ms = (int64_t)coordinator_config(groups)->offsets_retention_minutes * 60000;
    int64_t now_ms = clock_wall_ms(groups->shard->clock);
    struct group_subscription subscription;
    struct group_removal *removal = NULL;
    uint32_t looks = 1;
    uint32_t count = 0;
    size_t cursor = 0;
    struct group_offset *offset;

    if ((group->writes > 0 && !group->is_expiring) || group->pending_count > 0)
        return looks;
    if (group->state != GROUP_EMPTY && group->state != GROUP_STABLE)
        return looks;
    group_subscription_init(&subscription, group, prng_u64(&groups->shard->prng));
    if ((group->state == GROUP_EMPTY || subscription.is_known) &&
        group_removal_begin(group, &removal) != OK)
        removal = NULL; /* at the next time */
    while (removal != NULL && count < OF_GROUP_MAX &&
           (offset = group_next_offset(group, &cursor)) != NULL) {
        looks++;
        if (offset->leaving_count > 0 || offset->pending_count > 0 || /* GRM-1 */
            group_offset_is_unstable(offset) ||                       /* DUR-G7 */
            !is_expired(group, offset, now_ms, retention_ms) ||
            group_subscription_has(&subscription, offset->topic))
            continue;
        if (group_removal_add(removal, offset) != OK)
            break; /* as well */
        looks += TOMBSTONE_LOOKS;
        count++;
    }
    group_subscription_deinit(&subscription);
    if (removal == NULL)
        return looks;
    if (count == group->offset_count && group->staged_count == 0 && group->state == GROUP_EMPTY)
        group_removal_add_group(removal);
    group->is_expiring = count == OF_GROUP_MAX; /* there may be more: it has another turn */
    if (group->is_expiring)
        group->round = 0;
    start_removal(groups, removal);
    return looks;
}

static void expire_groups(struct group_coordinator *groups, uint32_t *looks)
{
    while (groups->expiry_round != 0 && *looks < LOOKS_MAX && groups->tombstones < TOMBSTONES_MAX) {
        struct group *group = list_first(&groups->all, struct group, node);
        if (list_is_empty(&groups->all) || group->round == groups->expiry_round ||
            !clock_guard_allows(groups->shard)) {
            groups->expiry_round = 0;
            return;
        }
        list_remove(&group->node);
        list_push_back(&groups->all, &group->node);
        group->round = groups->expiry_round;
        *looks += expire_group(group);
    }
}

static void on_expiry(struct timer *timer)
{
    struct group_coordinator *groups = container_of(timer, struct group_coordinator, expiry);

    groups->expiry_round = ++groups->round;
    sweep_later(groups);
    loop_set_timer_ms(&groups->shard->loop, &groups->expiry,
                      (uint64_t)coordinator_config(groups)->offsets_retention_check_interval_ms);
}

/* ---- sweeping */

static void on_sweep(struct task *task)
{
    struct group_coordinator *groups = container_of(task, struct group_coordinator, sweep);
    uint32_t looks = 0;

    if (groups->stopping || timer_is_set(&groups->retry))
        return;
    if (!forget_topics(groups, &looks)) {
        sweep_much_later(groups);
        return;
    }
    expire_groups(groups, &looks);
    if (timer_is_set(&groups->retry))
        return;
    if ((!list_is_empty(&groups->forgotten) || groups->expiry_round != 0) &&
        groups->tombstones < TOMBSTONES_MAX)
        sweep_later(groups);
}

static void on_retry(struct timer *timer)
{
    sweep_later(container_of(timer, struct group_coordinator, retry));
}

void group_expiry_init(struct group_coordinator *groups)
{
    timer_init(&groups->retry, on_retry);
    list_init(&groups->forgotten);
    groups->sweep.run = on_sweep;
    groups->expiry.fire = on_expiry;
}

void group_expiry_deinit(struct group_coordinator *groups)
{
    loop_cancel_timer(&groups->shard->loop, &groups->retry);
    loop_cancel_timer(&groups->shard->loop, &groups->expiry);
    if (list_is_linked(&groups->sweep.node))
        list_remove(&groups->sweep.node);
}

void group_coordinator_start(struct group_coordinator *groups)
{
    size_t cursor = 0;
    struct group *group;

    groups->started = true;
    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL)
        if (runtime_served(&groups->runtime, group->partition_index) != NULL) /* or when it is */
            group_start_sessions(group); /* each member has a whole session from now on (DUR-G10) */
    group_expiry_forget_orphans(groups);
    group_move_start(groups);
    loop_set_timer_ms(&groups->shard->loop, &groups->expiry,
                      (uint64_t)coordinator_config(groups)->offsets_retention_check_interval_ms);
}
