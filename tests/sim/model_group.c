#include "tests/sim/model_group.h"

#include "base/check.h"
#include "net/protocol/codec.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_offset_commit.h"
#include "net/protocol/msg_offset_fetch.h"

#include <inttypes.h>
#include <stdio.h>

enum { OFFSET_FETCH_GROUPS = 8 /* the first version that asks for several groups */ };

static void tell(struct model_group *group, enum history_kind kind, uint32_t partition,
                 int64_t offset, int16_t error)
{
    struct history_event event = {.kind = kind, .partition = partition, .error = error};

    if (kind == HISTORY_COMMITTED) {
        event.offset = offset;
        event.floor_high = group->asked_floors[partition];
    } else {
        event.offset = -1;
        event.value = (uint64_t)offset;
    }
    model_client_tell(&group->client, &event);
}

/* ---- where the group lives */

static void on_found(struct model_call *call, enum err err, const void *answer)
{
    struct model_group *group = container_of(call, struct model_group, call);
    const struct find_coordinator_response *response = answer;

    group->busy = false;
    if (err != OK)
        return;
    if (call->version >= 4)
        group->coordinator_known = response->coordinators.count == 1 &&
                                   response->coordinators.items[0].error_code == KAFKA_NONE;
    else
        group->coordinator_known = response->error_code == KAFKA_NONE;
}

static void find_coordinator(struct model_group *group)
{
    struct find_coordinator_request request;
    struct wire_string key = wire_string(group->name);
    int16_t version = model_client_version(&group->client, API_FIND_COORDINATOR, 1, 6);

    codec_set_defaults(&find_coordinator_request_desc, &request);
    if (version >= 4) {
        request.coordinator_keys.items = &key;
        request.coordinator_keys.count = 1;
    } else {
        request.key = key;
    }
    group->busy = true;
    model_client_call(&group->client, &group->call, API_FIND_COORDINATOR, version, &request,
                      on_found);
}

/* Some partitions of one topic. */
static const struct model_topic *choose(struct model_group *group)
{
    const struct model_topic *topic =
        &group->topics->at[prng_below(&group->client.prng, group->topics->count)];

    if (topic->mortal) /* its offsets go with it */
        topic = &group->topics->at[0];
    group->asked_count = 0;
    for (uint32_t p = 0; p < topic->partitions_count; p++) {
        uint32_t partition = topic->first_partition + p;
        if (group->asked_count > 0 && prng_chance(&group->client.prng, 1, 2))
            continue;
        group->asked_partitions[group->asked_count++] = partition;
        group->asked_floors[partition] =
            oracle_committed(group->oracle, group->client.options.id, partition);
    }
    return topic;
}

/* ---- committing */

/* Nothing was written, and nothing will be. */
static bool is_refusal(int16_t error)
{
    return error == KAFKA_NOT_COORDINATOR || error == KAFKA_COORDINATOR_LOAD_IN_PROGRESS ||
           error == KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static void take_commit(struct model_group *group, uint32_t partition, int16_t error)
{
    enum history_kind kind = error == KAFKA_NONE ? HISTORY_COMMIT_OK
                             : is_refusal(error) ? HISTORY_COMMIT_FAIL
                                                 : HISTORY_COMMIT_INFO;

    if (error == KAFKA_NOT_COORDINATOR)
        group->coordinator_known = false;
    if (kind == HISTORY_COMMIT_OK) /* MGR-3 */
        group->asked_floors[partition] = group->asked_offset;
    tell(group, kind, partition, group->asked_offset, error);
}

static void on_committed(struct model_call *call, enum err err, const void *answer)
{
    struct model_group *group = container_of(call, struct model_group, call);
    const struct offset_commit_response *response = answer;
    bool answered = err == OK && response->topics.count == 1 &&
                    response->topics.items[0].partitions.count == (int32_t)group->asked_count;

    group->busy = false;
    if (err == OK && !answered) {
        struct history_event event = {.kind = HISTORY_WIRE, .offset = -1};
        model_client_tell(&group->client, &event);
    }
    for (uint32_t i = 0; i < group->asked_count; i++)
        take_commit(group, group->asked_partitions[i],
                    answered ? response->topics.items[0].partitions.items[i].error_code
                             : (int16_t)KAFKA_NETWORK_EXCEPTION);
}

/* The topic whose offsets it commits. */
static const struct model_topic *commit(struct model_group *group)
{
    struct offset_commit_request_partition partitions[HISTORY_PARTITIONS_MAX];
    struct offset_commit_request_topic topic;
    struct offset_commit_request request;
    const struct model_topic *chosen = choose(group);

    group->asked_offset = ++group->next_offset;
    codec_set_defaults(&offset_commit_request_desc, &request);
    codec_set_struct_defaults(&offset_commit_request_topic_struct, &topic);
    for (uint32_t i = 0; i < group->asked_count; i++) {
        codec_set_struct_defaults(&offset_commit_request_partition_struct, &partitions[i]);
        partitions[i].partition_index =
            (int32_t)(group->asked_partitions[i] - chosen->first_partition);
        partitions[i].committed_offset = group->asked_offset;
        partitions[i].committed_metadata = wire_string("");
        tell(group, HISTORY_COMMIT, group->asked_partitions[i], group->asked_offset, 0);
    }
    topic.name = wire_string(chosen->name);
    topic.partitions.items = partitions;
    topic.partitions.count = (int32_t)group->asked_count;
    request.group_id = wire_string(group->name);
    request.topics.items = &topic;
    request.topics.count = 1;
    group->busy = true;
    model_client_call(&group->client, &group->call, API_OFFSET_COMMIT,
                      model_client_version(&group->client, API_OFFSET_COMMIT, 2, 9), &request,
                      on_committed);
    return chosen;
}

/* ---- reading back */

static void take_offset(struct model_group *group, uint32_t i, int16_t error, int64_t offset)
{
    if (i >= group->asked_count || error != KAFKA_NONE)
        return;
    group->reads_count++;
    tell(group, HISTORY_COMMITTED, group->asked_partitions[i], offset, 0);
}

static void take_offsets(struct model_group *group, const struct model_call *call, enum err err,
                         const struct offset_fetch_response *response)
{
    if (err != OK)
        return;
    if (call->version < OFFSET_FETCH_GROUPS) {
        if (response->error_code != KAFKA_NONE || response->topics.count != 1)
            return;
        for (int32_t i = 0; i < response->topics.items[0].partitions.count; i++)
            take_offset(group, (uint32_t)i,
                        response->topics.items[0].partitions.items[i].error_code,
                        response->topics.items[0].partitions.items[i].committed_offset);
        return;
    }
    if (response->groups.count != 1 || response->groups.items[0].error_code != KAFKA_NONE ||
        response->groups.items[0].topics.count != 1)
        return;
    for (int32_t i = 0; i < response->groups.items[0].topics.items[0].partitions.count; i++)
        take_offset(group, (uint32_t)i,
                    response->groups.items[0].topics.items[0].partitions.items[i].error_code,
                    response->groups.items[0].topics.items[0].partitions.items[i].committed_offset);
}

static void on_fetched(struct model_call *call, enum err err, const void *answer)
{
    struct model_group *group = container_of(call, struct model_group, call);

    group->busy = false;
    take_offsets(group, call, err, answer);
}

static void on_fetched_behind(struct model_call *call, enum err err, const void *answer)
{
    struct model_group *group = container_of(call, struct model_group, behind);

    group->behind_busy = false;
    take_offsets(group, call, err, answer);
}

static void fetch(struct model_group *group, const struct model_topic *chosen,
                  struct model_call *call,
                  void (*done)(struct model_call *, enum err, const void *))
{
    int32_t indexes[HISTORY_PARTITIONS_MAX];
    struct offset_fetch_request_topic topic;
    struct offset_fetch_request_topics group_topic;
    struct offset_fetch_request_group asked;
    struct offset_fetch_request request;
    int16_t version = model_client_version(&group->client, API_OFFSET_FETCH, 1, 9);

    codec_set_defaults(&offset_fetch_request_desc, &request);
    for (uint32_t i = 0; i < group->asked_count; i++)
        indexes[i] = (int32_t)(group->asked_partitions[i] - chosen->first_partition);
    if (version < OFFSET_FETCH_GROUPS) {
        codec_set_struct_defaults(&offset_fetch_request_topic_struct, &topic);
        topic.name = wire_string(chosen->name);
        topic.partition_indexes.items = indexes;
        topic.partition_indexes.count = (int32_t)group->asked_count;
        request.group_id = wire_string(group->name);
        request.topics.items = &topic;
        request.topics.count = 1;
    } else {
        codec_set_struct_defaults(&offset_fetch_request_group_struct, &asked);
        codec_set_struct_defaults(&offset_fetch_request_topics_struct, &group_topic);
        group_topic.name = wire_string(chosen->name);
        group_topic.partition_indexes.items = indexes;
        group_topic.partition_indexes.count = (int32_t)group->asked_count;
        asked.group_id = wire_string(group->name);
        asked.topics.items = &group_topic;
        asked.topics.count = 1;
        request.groups.items = &asked;
        request.groups.count = 1;
    }
    model_client_call(&group->client, call, API_OFFSET_FETCH, version, &request, done);
}

static void ask(struct model_group *group)
{
    group->busy = true;
    fetch(group, choose(group), &group->call, on_fetched);
}

static void commit_and_ask(struct model_group *group)
{
    const struct model_topic *chosen = commit(group);

    if (!group->pipelines || prng_chance(&group->client.prng, 1, 2))
        return;
    group->behind_busy = true;
    fetch(group, chosen, &group->behind, on_fetched_behind);
}

/* ---- its life */

static void on_tick(struct timer *timer)
{
    struct model_group *group = container_of(timer, struct model_group, tick);

    if (!group->busy && !group->behind_busy && model_client_is_up(&group->client)) {
        if (!group->coordinator_known)
            find_coordinator(group);
        else if (!group->finishing && prng_chance(&group->client.prng, 1, 2))
            commit_and_ask(group);
        else
            ask(group);
    }
    loop_set_timer_ms(&group->client.loop, &group->tick,
                      model_client_draw_ms(&group->client, group->pause_max_ms));
}

void model_group_init(struct model_group *group, struct sim_node *node, struct history *history,
                      const struct model_client_options *client, uint32_t pause_max_ms,
                      const struct model_topics *topics, const struct oracle *oracle)
{
    *group = (struct model_group){.topics = topics, .oracle = oracle, .pause_max_ms = pause_max_ms};
    snprintf(group->name, sizeof(group->name), "group %" PRIu32, client->id);
    model_client_init(&group->client, node, history, client);
    timer_init(&group->tick, on_tick);
    loop_set_timer_ms(&group->client.loop, &group->tick, 1);
}

void model_group_deinit(struct model_group *group)
{
    loop_cancel_timer(&group->client.loop, &group->tick);
    model_client_deinit(&group->client);
}
