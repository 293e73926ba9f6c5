/* What goes away by itself or with its topic: offsets (G7, KIP-211), empty groups; as tombstones,
 * applied when they are durable. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_subscription.h"
#include "broker/metadata/image.h"
#include "net/protocol/msg_offset_delete.h"

#include <string.h>

struct removal {
    struct state_write write;
    struct group *group;
    struct removed_offset {
        struct removed_offset *next;
        int32_t partition;
        char topic[];
    } * offsets;
    bool whole;         /* the group too, */
    int32_t generation; /* unless it has moved on from this one */
    void (*done)(void *context, int16_t error_code);
    void *context;
};

static void on_recorded(struct state_write *write, enum err err)
{
    struct removal *removal = container_of(write, struct removal, write);
    struct group *group = removal->group;
    bool is_heard = removal->done != NULL && !group->coordinator->closing;

    group->writes--;
    while (removal->offsets != NULL) {
        struct removed_offset *offset = removal->offsets;
        removal->offsets = offset->next;
        if (err == OK)
            group_remove_offset(group, offset->topic, offset->partition);
        mem_free(offset);
    }
    if (err == OK && removal->whole && group->state == GROUP_EMPTY &&
        group->generation == removal->generation) {
        group_reset(group); /* as a start applies it */
        group_end_pending(group);
    }
    coordinator_drop_if_idle(group);
    if (is_heard)
        removal->done(removal->context, coordinator_write_error(err));
    state_write_deinit(write);
    mem_free(removal);
}

static struct removal *removal_create(struct group *group)
{
    struct removal *removal = mem_alloc(sizeof(*removal));

    removal->group = group;
    removal->generation = group->generation;
    if (!coordinator_write_init(group, &removal->write, on_recorded)) {
        mem_free(removal);
        return NULL;
    }
    group->writes++;
    return removal;
}

static void remove_one(struct removal *removal, const struct group_offset *offset)
{
    size_t topic_bytes = strlen(offset->topic) + 1;
    struct removed_offset *entry = mem_alloc(sizeof(*entry) + topic_bytes);

    memcpy(entry->topic, offset->topic, topic_bytes);
    entry->partition = offset->partition;
    entry->next = removal->offsets;
    removal->offsets = entry;
    group_write_offset_tombstone(removal->group, &removal->write, offset->topic, offset->partition);
}

void group_delete(struct group *group, void (*done)(void *context, int16_t error_code),
                  void *context)
{
    struct removal *removal = removal_create(group);
    size_t cursor = 0;
    const struct group_offset *offset;

    if (removal == NULL) {
        done(context, KAFKA_NOT_COORDINATOR);
        return;
    }
    removal->whole = true;
    removal->done = done;
    removal->context = context;
    while ((offset = hash_map_next(&group->offsets, &cursor)) != NULL)
        remove_one(removal, offset);
    group_write_tombstone(group, &removal->write);
    state_write_start(&removal->write);
}

/* ---- asked for (KIP-496) */

static int16_t check_deletion(struct group_coordinator *groups,
                              const struct offset_delete_request *body, struct group **group_out)
{
    int32_t index;
    int16_t error_code = coordinator_check(groups, body->group_id, &index);
    struct group *group = coordinator_find(groups, body->group_id);

    *group_out = group;
    if (error_code != KAFKA_NONE)
        return error_code;
    if (group == NULL || group->state == GROUP_DEAD)
        return KAFKA_GROUP_ID_NOT_FOUND;
    if (group->state != GROUP_EMPTY && !group_is_of_consumers(group))
        return KAFKA_NON_EMPTY_GROUP; /* nobody knows what it reads */
    return KAFKA_NONE;
}

static void delete_offsets(struct removal *removal, const struct offset_delete_request *body,
                           struct offset_delete_response *response)
{
    struct group *group = removal->group;
    struct group_subscription subscription;

    group_subscription_init(&subscription, group, prng_u64(&group->coordinator->shard->prng));
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct offset_delete_request_topic *asked = &body->topics.items[t];
        struct offset_delete_response_topic *out = &response->topics.items[t];
        char name[256] = "";
        if (asked->name.size_bytes < (int32_t)sizeof(name))
            memcpy(name, asked->name.text, (size_t)asked->name.size_bytes);
        for (int32_t p = 0; p < asked->partitions.count; p++) {
            const struct group_offset *offset =
                group_find_offset(group, name, asked->partitions.items[p].partition_index);
            if (out->partitions.items[p].error_code != KAFKA_NONE)
                continue;
            if (group_subscription_has(&subscription, name))
                out->partitions.items[p].error_code = KAFKA_GROUP_SUBSCRIBED_TO_TOPIC;
            else if (offset != NULL)
                remove_one(removal, offset);
        }
    }
    group_subscription_deinit(&subscription);
}

static void on_offsets_deleted(void *context, int16_t error_code)
{
    struct request *request = context;
    struct offset_delete_response *response = request->response;

    response->error_code = error_code;
    request_answer(request);
}

void group_offset_delete(struct group_coordinator *groups, struct request *request)
{
    struct offset_delete_response *response = request->response;
    struct removal *removal = NULL;
    struct group *group;

    response->error_code = check_deletion(groups, request->body, &group);
    if (response->error_code == KAFKA_NONE) {
        removal = removal_create(group);
        if (removal == NULL)
            response->error_code = KAFKA_NOT_COORDINATOR;
    }
    if (removal == NULL) {
        response->topics.count = 0;
        request_answer(request);
        return;
    }
    delete_offsets(removal, request->body, response);
    removal->done = on_offsets_deleted;
    removal->context = request;
    state_write_start(&removal->write);
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

static void expire_group(struct group *group, int64_t now_ms, int64_t retention_ms)
{
    struct group_subscription subscription;
    struct removal *removal = NULL;
    size_t cursor = 0;
    size_t left = hash_map_count(&group->offsets);
    const struct group_offset *offset;

    if (group->writes > 0 || group->pending_count > 0)
        return;
    if (group->state != GROUP_EMPTY && group->state != GROUP_STABLE)
        return;
    group_subscription_init(&subscription, group, prng_u64(&group->coordinator->shard->prng));
    if (group->state == GROUP_EMPTY || subscription.is_known)
        removal = removal_create(group);
    while (removal != NULL && (offset = hash_map_next(&group->offsets, &cursor)) != NULL)
        if (is_expired(group, offset, now_ms, retention_ms) &&
            !group_subscription_has(&subscription, offset->topic)) {
            remove_one(removal, offset);
            left--;
        }
    group_subscription_deinit(&subscription);
    if (removal == NULL)
        return;
    if (left == 0 && group->state == GROUP_EMPTY &&
        is_past(group->state_timestamp_ms, now_ms, retention_ms)) {
        removal->whole = true;
        group_write_tombstone(group, &removal->write);
    }
    state_write_start(&removal->write);
}

static void on_expiry(struct timer *timer)
{
    struct group_coordinator *groups = container_of(timer, struct group_coordinator, expiry);
    int64_t retention_ms = coordinator_i64(groups, "offsets.retention.minutes") * 60000;
    int64_t now_ms = clock_wall_ms(groups->shard->clock);
    bool is_safe = clock_guard_allows(groups->shard);
    size_t cursor = 0;
    struct group *group;

    while (is_safe && (group = hash_map_next(&groups->groups, &cursor)) != NULL)
        expire_group(group, now_ms, retention_ms);
    loop_set_timer_ms(&groups->shard->loop, &groups->expiry,
                      (uint64_t)coordinator_i64(groups, "offsets.retention.check.interval.ms"));
}

/* ---- with its topic */

static void forget_offsets(struct group *group,
                           bool (*goes)(const struct group_offset *offset, const void *context),
                           const void *context)
{
    struct removal *removal = NULL;
    size_t cursor = 0;
    const struct group_offset *offset;

    while ((offset = hash_map_next(&group->offsets, &cursor)) != NULL) {
        if (!goes(offset, context))
            continue;
        if (removal == NULL)
            removal = removal_create(group);
        if (removal == NULL)
            return; /* the partition is not served */
        remove_one(removal, offset);
    }
    if (removal != NULL)
        state_write_start(&removal->write);
}

static bool is_of_topic(const struct group_offset *offset, const void *context)
{
    return strcmp(offset->topic, context) == 0;
}

void group_forget_topic(struct group *group, const char *topic)
{
    forget_offsets(group, is_of_topic, topic);
}

void group_coordinator_topic_deleted(struct group_coordinator *groups, const char *topic)
{
    size_t cursor = 0;
    struct group *group;

    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL)
        group_forget_topic(group, topic);
}

/* The topic with this id was deleted, and a crash came before its offsets' tombstones: ids are
 * never used again.  Without an id nothing is known, and the offset stays. */
static bool is_orphan(const struct group_offset *offset, const void *context)
{
    const struct shard *shard = context;

    return !uuid_is_zero(&offset->topic_id) &&
           image_topic_by_id(shard->image, &offset->topic_id) == NULL;
}

static void forget_orphans(struct group_coordinator *groups)
{
    size_t cursor = 0;
    struct group *group;

    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL)
        forget_offsets(group, is_orphan, groups->shard);
}

/* ---- starting */

void group_coordinator_start(struct group_coordinator *groups)
{
    size_t cursor = 0;
    struct group *group;

    groups->started = true;
    while ((group = hash_map_next(&groups->groups, &cursor)) != NULL)
        group_start_sessions(group); /* each member has a whole session from now on (G10) */
    forget_orphans(groups);
    groups->expiry.fire = on_expiry;
    loop_set_timer_ms(&groups->shard->loop, &groups->expiry,
                      (uint64_t)coordinator_i64(groups, "offsets.retention.check.interval.ms"));
}
