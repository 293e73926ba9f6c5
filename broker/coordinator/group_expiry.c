/* What goes away by itself: offsets (G7, KIP-211) and empty groups by time, offsets with their
 * topic.
 *
 * Both are sweeps in slices: a turn looks at LOOKS_MAX things and goes on in the next one, and
 * while TOMBSTONES_MAX are on their way into the log it waits for them.  What a sweep has looked at
 * it puts at the end of its list, with its number: the sweep is over when it meets the number. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_removal.h"
#include "broker/coordinator/group_subscription.h"
#include "broker/metadata/image.h"

#include <string.h>

enum {
    LOOKS_MAX = 1024,         /* a turn: offsets, groups */
    TOMBSTONE_LOOKS = 8,      /* one of them costs as much */
    OF_GROUP_MAX = 1000,      /* tombstones of one group at a time */
    TOMBSTONES_MAX = 1 << 14, /* on their way */
};

/* A topic whose offsets are to go. */
struct forgotten_topic {
    struct list node;
    uint64_t round;
    bool deleted; /* just now: what does not say its id goes, too */
    char name[];
};

static void sweep_later(struct group_coordinator *groups)
{
    if (groups->started && !groups->stopping)
        loop_defer(&groups->shard->loop, &groups->sweep);
}

static void on_swept(void *context, int16_t error_code)
{
    sweep_later(context);
}

static void start_removal(struct group_coordinator *groups, struct group_removal *removal)
{
    group_removal_count_in(removal, &groups->tombstones);
    group_removal_start(removal, on_swept, groups);
}

/* ---- with its topic */

/* R1: a commit that is being recorded looks for itself whether its topic has gone (group_commit.c).
 */
static bool goes(const struct group_offset *offset, const struct shard *shard, bool deleted)
{
    return offset->is_recorded && !offset->is_leaving && offset->pending_count == 0 &&
           (group_offset_is_orphan(offset, shard->image) ||
            (deleted && uuid_is_zero(&offset->topic_id)));
}

/* Some that stand together and are of one group.  False: the topic has been gone through. */
static bool forget_some(struct group_coordinator *groups, struct forgotten_topic *forgotten,
                        uint32_t *looks)
{
    struct offset_topic *topic = offset_topic_find(groups, forgotten->name);
    struct group_removal *removal = NULL;
    struct group *group = NULL;
    uint32_t count = 0;
    bool is_over = topic == NULL;

    while (!is_over && *looks < LOOKS_MAX && count < OF_GROUP_MAX) {
        struct group_offset *offset = list_first(&topic->offsets, struct group_offset, node);
        is_over = offset->round == forgotten->round;
        if (is_over || (removal != NULL && offset->group != group))
            break;
        list_remove(&offset->node);
        list_push_back(&topic->offsets, &offset->node);
        offset->round = forgotten->round;
        *looks += 1;
        if (!goes(offset, groups->shard, forgotten->deleted))
            continue;
        group = offset->group;
        if (removal == NULL)
            removal = group_removal_begin(group);
        if (removal == NULL)
            continue; /* its partition is not served */
        group_removal_add(removal, offset);
        *looks += TOMBSTONE_LOOKS;
        count++;
    }
    if (removal != NULL)
        start_removal(groups, removal);
    return !is_over;
}

static void forget_topics(struct group_coordinator *groups, uint32_t *looks)
{
    while (!list_is_empty(&groups->forgotten) && *looks < LOOKS_MAX &&
           groups->tombstones < TOMBSTONES_MAX) {
        struct forgotten_topic *forgotten =
            list_first(&groups->forgotten, struct forgotten_topic, node);
        *looks += 1;
        if (forget_some(groups, forgotten, looks))
            continue;
        list_remove(&forgotten->node);
        mem_free(forgotten);
    }
}

static void forget_topic(struct group_coordinator *groups, const char *name, bool deleted)
{
    size_t name_bytes = strlen(name) + 1;
    struct forgotten_topic *forgotten;

    if (offset_topic_find(groups, name) == NULL)
        return;
    forgotten = mem_alloc(sizeof(*forgotten) + name_bytes);
    forgotten->round = ++groups->round;
    forgotten->deleted = deleted;
    memcpy(forgotten->name, name, name_bytes);
    list_push_back(&groups->forgotten, &forgotten->node);
    sweep_later(groups);
}

void group_coordinator_topic_deleted(struct group_coordinator *groups, const char *topic)
{
    forget_topic(groups, topic, true);
}

void group_forget_vanished(struct group *group, const char *topic, int32_t partition,
                           struct group_removal **removal)
{
    struct group_offset *offset = group_find_offset(group, topic, partition);

    if (offset == NULL || !goes(offset, group->coordinator->shard, false))
        return;
    if (*removal == NULL)
        *removal = group_removal_begin(group);
    if (*removal != NULL)
        group_removal_add(*removal, offset);
}

/* Topics that were deleted, and a crash came before their offsets' tombstones. */
static void forget_orphans(struct group_coordinator *groups)
{
    size_t cursor = 0;
    const struct offset_topic *topic;

    while ((topic = hash_map_next(&groups->offset_topics, &cursor)) != NULL)
        forget_topic(groups, topic->name, false);
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
    int64_t since = offset->commit_timestamp_ms;

    if (offset->expire_timestamp_ms >= 0)
        return now_ms >= offset->expire_timestamp_ms;
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
    int64_t retention_ms = coordinator_i64(groups, "offsets.retention.minutes") * 60000;
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
    if (group->state == GROUP_EMPTY || subscription.is_known)
        removal = group_removal_begin(group);
    while (removal != NULL && count < OF_GROUP_MAX &&
           (offset = group_next_offset(group, &cursor)) != NULL) {
        looks++;
        if (offset->is_leaving || offset->pending_count > 0 || /* R1 */
            !is_expired(group, offset, now_ms, retention_ms) ||
            group_subscription_has(&subscription, offset->topic))
            continue;
        group_removal_add(removal, offset);
        looks += TOMBSTONE_LOOKS;
        count++;
    }
    group_subscription_deinit(&subscription);
    if (removal == NULL)
        return looks;
    if (count == group->offset_count && group->state == GROUP_EMPTY)
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
                      (uint64_t)coordinator_i64(groups, "offsets.retention.check.interval.ms"));
}

/* ---- sweeping */

static void on_sweep(struct task *task)
{
    struct group_coordinator *groups = container_of(task, struct group_coordinator, sweep);
    uint32_t looks = 0;

    if (groups->stopping)
        return;
    forget_topics(groups, &looks);
    expire_groups(groups, &looks);
    if ((!list_is_empty(&groups->forgotten) || groups->expiry_round != 0) &&
        groups->tombstones < TOMBSTONES_MAX)
        sweep_later(groups);
}

void group_expiry_init(struct group_coordinator *groups)
{
    list_init(&groups->forgotten);
    groups->sweep.run = on_sweep;
    groups->expiry.fire = on_expiry;
}

void group_expiry_deinit(struct group_coordinator *groups)
{
    struct list *node;

    while ((node = list_pop_front(&groups->forgotten)) != NULL)
        mem_free(container_of(node, struct forgotten_topic, node));
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
        group_start_sessions(group); /* each member has a whole session from now on (G10) */
    forget_orphans(groups);
    loop_set_timer_ms(&groups->shard->loop, &groups->expiry,
                      (uint64_t)coordinator_i64(groups, "offsets.retention.check.interval.ms"));
}
