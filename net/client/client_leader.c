/* _begin reads the subscriptions -> wait_topics, for one topic after the other -> assign -> done.
 */
#include "net/client/client_leader.h"

#include "net/client/client_subscription.h"
#include "net/protocol/kafka_errors.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA_BYTES_MAX = 256 << 20, TOPIC_WAIT_MS = 5000 };

void client_leader_init(struct client_leader *leader, struct client_cluster *cluster,
                        enum client_assignor assignor,
                        void (*done)(struct client_leader *leader, enum err err))
{
    *leader = (struct client_leader){.cluster = cluster, .assignor = assignor, .done = done};
    arena_init(&leader->arena, ARENA_BYTES_MAX);
}

void client_leader_forget(struct client_leader *leader)
{
    leader->topics_count = 0;
    leader->members_count = 0;
    leader->assignments_count = 0;
    arena_reset(&leader->arena);
}

void client_leader_deinit(struct client_leader *leader)
{
    loop_undefer(&leader->task);
    client_leader_forget(leader);
    arena_deinit(&leader->arena);
}

/* ---- the topics that anybody reads, by name */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct client_leader_topic *)a)->topic->name,
                  ((const struct client_leader_topic *)b)->topic->name);
}

static enum err take_topics(struct client_leader *leader,
                            const struct consumer_protocol_subscription *subscriptions)
{
    size_t total = 0;
    uint32_t count = 0;

    for (uint32_t m = 0; m < leader->members_count; m++)
        total += (size_t)subscriptions[m].topics.count;
    leader->topics = arena_alloc_array(&leader->arena, total, sizeof(*leader->topics));
    if (leader->topics == NULL)
        return ERR_NOMEM;
    for (uint32_t m = 0; m < leader->members_count; m++)
        for (int32_t t = 0; t < subscriptions[m].topics.count; t++) {
            const struct wire_string *name = &subscriptions[m].topics.items[t];
            char *text = arena_strndup(&leader->arena, name->text, (size_t)name->size_bytes);
            leader->topics[count].topic =
                text == NULL ? NULL : client_cluster_topic(leader->cluster, text);
            if (leader->topics[count++].topic == NULL)
                return ERR_NOMEM;
        }
    qsort(leader->topics, count, sizeof(*leader->topics), by_name);
    for (uint32_t i = 0; i < count; i++)
        if (i == 0 || leader->topics[i].topic != leader->topics[i - 1].topic)
            leader->topics[leader->topics_count++] = leader->topics[i];
    return OK;
}

/* Its place in topics; -1: nobody reads it. */
static int64_t find_topic(const struct client_leader *leader, struct wire_string name)
{
    uint32_t low = 0;
    uint32_t high = leader->topics_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const char *other = leader->topics[middle].topic->name;
        size_t other_bytes = strlen(other);
        size_t size_bytes = (size_t)name.size_bytes;
        int order = memcmp(name.text, other, size_bytes < other_bytes ? size_bytes : other_bytes);
        if (order == 0)
            order = (size_bytes > other_bytes) - (size_bytes < other_bytes);
        if (order == 0)
            return middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

/* ---- the members */

static enum err take_owned(struct client_leader *leader, struct client_assignor_member *member,
                           const struct consumer_protocol_subscription *subscription)
{
    size_t total = 0;

    for (int32_t t = 0; t < subscription->owned_partitions.count; t++)
        total += (size_t)subscription->owned_partitions.items[t].partitions.count;
    member->owned = arena_alloc_array(&leader->arena, total, sizeof(*member->owned));
    if (member->owned == NULL)
        return ERR_NOMEM;
    for (int32_t t = 0; t < subscription->owned_partitions.count; t++) {
        const struct consumer_protocol_subscription_topic_partition *of =
            &subscription->owned_partitions.items[t];
        int64_t topic = find_topic(leader, of->topic);
        for (int32_t p = 0; topic >= 0 && p < of->partitions.count; p++)
            member->owned[member->owned_count++] = (struct client_assignor_place){
                .topic = (uint32_t)topic, .partition = of->partitions.items[p]};
    }
    return OK;
}

static bool keep_text(struct client_leader *leader, struct wire_string *out,
                      const struct wire_string *from)
{
    *out = *from;
    if (from->text == NULL)
        return true;
    out->text = arena_strndup(&leader->arena, from->text, (size_t)from->size_bytes);
    return out->text != NULL;
}

static enum err take_member(struct client_leader *leader, struct client_assignor_member *member,
                            const struct join_group_response_member *from,
                            const struct consumer_protocol_subscription *subscription)
{
    if (!keep_text(leader, &member->id, &from->member_id) ||
        !keep_text(leader, &member->instance_id, &from->group_instance_id))
        return ERR_NOMEM;
    member->generation = subscription->generation_id;
    member->subscribes =
        arena_alloc_array(&leader->arena, leader->topics_count, sizeof(*member->subscribes));
    if (member->subscribes == NULL)
        return ERR_NOMEM;
    for (int32_t t = 0; t < subscription->topics.count; t++) {
        int64_t topic = find_topic(leader, subscription->topics.items[t]);
        if (topic >= 0) /* a name with a zero in it is none */
            member->subscribes[topic] = true;
    }
    return take_owned(leader, member, subscription);
}

static enum err take_members(struct client_leader *leader,
                             const struct join_group_response *response)
{
    bool is_cooperative = client_assignor_is_cooperative(leader->assignor);
    struct consumer_protocol_subscription *subscriptions;
    enum err err = OK;

    leader->members_count = (uint32_t)response->members.count;
    leader->members =
        arena_alloc_array(&leader->arena, leader->members_count, sizeof(*leader->members));
    subscriptions =
        arena_alloc_array(&leader->arena, leader->members_count, sizeof(*subscriptions));
    if (leader->members == NULL || subscriptions == NULL)
        return ERR_NOMEM;
    for (uint32_t m = 0; err == OK && m < leader->members_count; m++)
        err = client_subscription_decode(response->members.items[m].metadata, is_cooperative,
                                         &leader->arena, &subscriptions[m]);
    if (err == OK)
        err = take_topics(leader, subscriptions);
    for (uint32_t m = 0; err == OK && m < leader->members_count; m++)
        err = take_member(leader, &leader->members[m], &response->members.items[m],
                          &subscriptions[m]);
    return err;
}

/* ---- the assignment */

static enum err write_one(struct client_leader *leader, uint32_t member, const int32_t *owners,
                          struct wire_bytes *out)
{
    struct consumer_protocol_assignment assignment;
    int32_t *partitions;
    uint32_t total = 0;
    uint32_t at = 0;

    for (uint32_t t = 0; t < leader->topics_count; t++)
        for (int32_t p = 0; p < leader->topics[t].partitions_count; p++)
            total += owners[at++] == (int32_t)member;
    codec_set_defaults(&consumer_protocol_assignment_desc, &assignment);
    assignment.assigned_partitions.items = codec_new_array(
        &consumer_protocol_assignment_topic_partition_struct, &leader->arena, leader->topics_count);
    partitions = arena_alloc_array(&leader->arena, total, sizeof(*partitions));
    if (assignment.assigned_partitions.items == NULL || partitions == NULL)
        return ERR_NOMEM;
    at = 0;
    for (uint32_t t = 0; t < leader->topics_count; t++) {
        struct consumer_protocol_assignment_topic_partition *topic =
            &assignment.assigned_partitions.items[assignment.assigned_partitions.count];
        topic->topic = wire_string(leader->topics[t].topic->name);
        topic->partitions.items = partitions;
        for (int32_t p = 0; p < leader->topics[t].partitions_count; p++)
            if (owners[at++] == (int32_t)member)
                partitions[topic->partitions.count++] = p;
        partitions += topic->partitions.count;
        assignment.assigned_partitions.count += topic->partitions.count > 0;
    }
    return client_subscription_encode_assignment(&assignment, &leader->arena, out);
}

/* Of a topic that is not there the last count is kept for others (client_topic). */
static int32_t count_of(const struct client_topic *topic)
{
    switch (topic->error_code) {
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_INVALID_TOPIC_EXCEPTION:
    case KAFKA_TOPIC_AUTHORIZATION_FAILED:
        return 0;
    default:
        return topic->partitions_count;
    }
}

static enum err assign(struct client_leader *leader)
{
    struct client_assignor_topic *topics =
        arena_alloc_array(&leader->arena, leader->topics_count, sizeof(*topics));
    struct client_assignor_group group = {.topics = topics,
                                          .topics_count = leader->topics_count,
                                          .members = leader->members,
                                          .members_count = leader->members_count};
    const int32_t *owners;
    enum err err;

    leader->assignments = codec_new_array(&sync_group_request_assignment_struct, &leader->arena,
                                          leader->members_count);
    if (topics == NULL || leader->assignments == NULL)
        return ERR_NOMEM;
    for (uint32_t t = 0; t < leader->topics_count; t++) {
        leader->topics[t].partitions_count = count_of(leader->topics[t].topic);
        topics[t] = (struct client_assignor_topic){
            .name = leader->topics[t].topic->name,
            .partitions_count = leader->topics[t].partitions_count,
        };
    }
    err = client_assignor_run(leader->assignor, &group, &leader->arena, &owners);
    for (uint32_t m = 0; err == OK && m < leader->members_count; m++) {
        leader->assignments[m].member_id = leader->members[m].id;
        err = write_one(leader, m, owners, &leader->assignments[m].assignment);
    }
    leader->assignments_count = (int32_t)leader->members_count;
    return err;
}

/* ---- steps */

static void end(struct client_leader *leader, enum err err)
{
    leader->err = err;
    loop_defer(client_cluster_env(leader->cluster)->loop, &leader->task);
}

static void on_task(struct task *task)
{
    struct client_leader *leader = container_of(task, struct client_leader, task);

    leader->done(leader, leader->err);
}

static void wait_topics(struct client_leader *leader);

static void on_topic(struct client_wait *wait, enum err err)
{
    struct client_leader *leader = container_of(wait, struct client_leader, wait);

    leader->is_waiting = false;
    leader->waiting++; /* it is known now, or counts as empty (CLD-2) */
    if (err == ERR_CANCELED)
        end(leader, err);
    else
        wait_topics(leader);
}

static void wait_topics(struct client_leader *leader)
{
    while (leader->waiting < leader->topics_count &&
           leader->topics[leader->waiting].topic->is_known)
        leader->waiting++;
    if (leader->waiting == leader->topics_count) {
        end(leader, assign(leader));
        return;
    }
    leader->is_waiting = true;
    leader->wait = (struct client_wait){.done = on_topic};
    client_cluster_wait_topic(leader->cluster, &leader->wait, leader->topics[leader->waiting].topic,
                              TOPIC_WAIT_MS);
}

void client_leader_begin(struct client_leader *leader, const struct join_group_response *response)
{
    enum err err;

    client_leader_forget(leader);
    leader->task = (struct task){.run = on_task};
    leader->waiting = 0;
    err = take_members(leader, response);
    if (err == OK)
        wait_topics(leader);
    else
        end(leader, err);
}

void client_leader_cancel(struct client_leader *leader)
{
    if (leader->is_waiting)
        client_cluster_cancel(&leader->wait);
    else if (list_is_linked(&leader->task.node))
        leader->err = ERR_CANCELED;
}

bool client_leader_is_outdated(const struct client_leader *leader)
{
    for (uint32_t t = 0; t < leader->topics_count; t++)
        if (leader->topics[t].partitions_count != count_of(leader->topics[t].topic))
            return true;
    return false;
}
