#include "tests/sim/model_member.h"

#include "base/check.h"
#include "net/protocol/codec.h"
#include "net/protocol/msg_find_coordinator.h"
#include "net/protocol/msg_heartbeat.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_leave_group.h"
#include "net/protocol/msg_offset_commit.h"
#include "net/protocol/msg_sync_group.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    UUID_TEXT_BYTES = 37, /* of an id that the broker makes: a dash and the UUID */
    ASSIGNMENT_BYTES_MAX = 200,
    METADATA_BYTES_MAX = 40,
    FAR_AHEAD = 1000000,
};

static const char nobody[] = "model-nobody";
static const char instance_prefix[] = "static ";

/* ---- texts as the history tells them */

static uint64_t hash_of(const char *text, size_t size_bytes)
{
    uint64_t hash = 0xcbf29ce484222325ULL;

    for (size_t i = 0; i < size_bytes; i++)
        hash = (hash ^ (uint8_t)text[i]) * 0x100000001b3ULL;
    return hash == 0 ? 1 : hash;
}

/* All ids of an instance are one. */
static uint64_t identity_of(const char *id)
{
    size_t size_bytes = strlen(id);

    if (strncmp(id, instance_prefix, strlen(instance_prefix)) == 0 && size_bytes > UUID_TEXT_BYTES)
        size_bytes -= UUID_TEXT_BYTES;
    return hash_of(id, size_bytes);
}

static struct history_event event_of(const struct model_member *member, enum history_kind kind,
                                     const char *id, int32_t generation)
{
    bool is_given = id[0] != '\0' && strcmp(id, nobody) != 0;

    return (struct history_event){.kind = kind,
                                  .offset = -1,
                                  .group = member->options.group,
                                  .generation = generation,
                                  .member = is_given ? hash_of(id, strlen(id)) : 0,
                                  .identity = is_given ? identity_of(id) : 0,
                                  .patience_ms =
                                      member->options.session_ms < member->options.rebalance_ms
                                          ? member->options.session_ms
                                          : member->options.rebalance_ms};
}

static void copy_text(char *out, size_t out_bytes, struct wire_string text)
{
    snprintf(out, out_bytes, "%.*s", text.text == NULL ? 0 : (int)text.size_bytes,
             text.text == NULL ? "" : text.text);
}

static void tell_wire(struct model_member *member, int32_t error)
{
    struct history_event event = {.kind = HISTORY_WIRE, .offset = -1, .error = error};

    model_client_tell(&member->client, &event);
}

static bool odds(struct model_member *member, uint64_t numerator, uint64_t denominator)
{
    return prng_chance(&member->client.prng, numerator, denominator);
}

static struct wire_string instance_of(const struct model_member *member)
{
    return wire_string(member->options.is_static ? member->instance : NULL);
}

/* ---- asking, and what every answer says */

static void ask(struct model_member *member, int16_t key, const char *id, int32_t generation)
{
    struct history_event event = event_of(member, HISTORY_ASK, id, generation);

    event.value = (uint64_t)key;
    model_client_tell(&member->client, &event);
    snprintf(member->asked_id, sizeof(member->asked_id), "%s", id);
    member->asked_generation = generation;
    member->busy = true;
}

static void forget_id(struct model_member *member)
{
    if (member->id[0] != '\0')
        memcpy(member->old_id, member->id, sizeof(member->old_id));
    member->id[0] = '\0';
    member->state = MEMBER_OUT;
}

/* Told to the history; then the member does what a client does about it. */
static void take_error(struct model_member *member, int16_t key, int16_t error)
{
    struct history_event event =
        event_of(member, error == KAFKA_NONE ? HISTORY_MEMBER_OK : HISTORY_MEMBER_REFUSED,
                 member->asked_id, member->asked_generation);

    event.value = (uint64_t)key;
    event.error = error;
    model_client_tell(&member->client, &event);
    if (error == KAFKA_NOT_COORDINATOR)
        member->coordinator_known = false;
    if (!member->asked_is_real)
        return;
    if (key == API_HEARTBEAT && error == KAFKA_NONE && member->finishing)
        member->beats_count++;
    else if (error != KAFKA_NONE)
        member->beats_count = 0;
    switch (error) {
    case KAFKA_UNKNOWN_MEMBER_ID:
    case KAFKA_FENCED_INSTANCE_ID:
        forget_id(member);
        break;
    case KAFKA_ILLEGAL_GENERATION:
    case KAFKA_REBALANCE_IN_PROGRESS:
        member->state = MEMBER_OUT;
        break;
    default:
        break;
    }
}

/* ---- where the group lives */

static void on_found(struct model_call *call, enum err err, const void *answer)
{
    struct model_member *member = container_of(call, struct model_member, call);
    const struct find_coordinator_response *response = answer;

    member->busy = false;
    if (err != OK)
        return;
    if (call->version >= 4)
        member->coordinator_known = response->coordinators.count == 1 &&
                                    response->coordinators.items[0].error_code == KAFKA_NONE;
    else
        member->coordinator_known = response->error_code == KAFKA_NONE;
}

static void find_coordinator(struct model_member *member)
{
    struct find_coordinator_request request;
    struct wire_string key = wire_string(member->group);
    int16_t version = model_client_version(&member->client, API_FIND_COORDINATOR, 1, 6);

    codec_set_defaults(&find_coordinator_request_desc, &request);
    if (version >= 4) {
        request.coordinator_keys.items = &key;
        request.coordinator_keys.count = 1;
    } else {
        request.key = key;
    }
    member->busy = true;
    model_client_call(&member->client, &member->call, API_FIND_COORDINATOR, version, &request,
                      on_found);
}

/* ---- joining */

/* What the leader is told: the set goes into the history, whatever its order. */
static void take_members(struct model_member *member, const struct join_group_response *response)
{
    struct history_event event = event_of(member, HISTORY_MEMBERS, member->id, member->generation);
    bool is_new = member->assigned_generation != member->generation;

    if (response->members.count > MODEL_MEMBERS_MAX) {
        tell_wire(member, response->members.count);
        return;
    }
    event.value = (uint64_t)response->members.count;
    event.high = response->members.count;
    for (int32_t i = 0; i < response->members.count; i++) {
        char id[MODEL_MEMBER_ID_BYTES];
        copy_text(id, sizeof(id), response->members.items[i].member_id);
        event.value += identity_of(id) * 0x9e3779b97f4a7c15ULL;
        if (!is_new || response->skip_assignment)
            continue;
        memcpy(member->assigned[i].member_id, id, sizeof(id));
        member->assigned[i].value =
            odds(member, 1, 8) ? 0
                               : history_value(member->client.options.id, ++member->values_count);
    }
    model_client_tell(&member->client, &event);
    member->may_assign = !response->skip_assignment;
    if (is_new && !response->skip_assignment) {
        member->assigned_count = (uint32_t)response->members.count;
        member->assigned_generation = member->generation;
    }
}

static void take_generation(struct model_member *member, const struct join_group_response *response)
{
    struct history_event event;
    char leader[MODEL_MEMBER_ID_BYTES];

    copy_text(member->id, sizeof(member->id), response->member_id);
    copy_text(leader, sizeof(leader), response->leader);
    copy_text(member->protocol, sizeof(member->protocol), response->protocol_name);
    member->generation = response->generation_id;
    member->state = MEMBER_JOINED;
    member->is_leader = strcmp(leader, member->id) == 0;
    member->may_assign = false;
    event = event_of(member, HISTORY_JOINED, member->id, member->generation);
    event.leader = identity_of(leader);
    event.value = hash_of(member->protocol, strlen(member->protocol));
    model_client_tell(&member->client, &event);
    if (member->is_leader)
        take_members(member, response);
}

static void on_joined(struct model_call *call, enum err err, const void *answer)
{
    struct model_member *member = container_of(call, struct model_member, call);
    const struct join_group_response *response = answer;

    member->busy = false;
    if (err != OK)
        return;
    if (response->error_code == KAFKA_MEMBER_ID_REQUIRED) {
        if (member->options.is_static || member->asked_id[0] != '\0')
            tell_wire(member, response->error_code);
        if (member->finishing || !odds(member, 1, 20)) /* else it stays one that never comes */
            copy_text(member->id, sizeof(member->id), response->member_id);
        take_error(member, API_JOIN_GROUP, response->error_code);
    } else if (response->error_code == KAFKA_NONE) {
        take_generation(member, response);
    } else {
        take_error(member, API_JOIN_GROUP, response->error_code);
    }
}

static void join(struct model_member *member)
{
    struct join_group_request_protocol protocols[MODEL_PROTOCOLS_MAX];
    struct join_group_request request;
    uint8_t metadata[METADATA_BYTES_MAX];
    int16_t version =
        model_client_version(&member->client, API_JOIN_GROUP, member->options.is_static ? 5 : 2, 9);

    memset(metadata, (int)member->metadata_bytes, sizeof(metadata));
    codec_set_defaults(&join_group_request_desc, &request);
    for (uint32_t i = 0; i < MODEL_PROTOCOLS_MAX; i++) {
        codec_set_struct_defaults(&join_group_request_protocol_struct, &protocols[i]);
        protocols[i].name = wire_string(member->protocols[i]);
        protocols[i].metadata = (struct wire_bytes){metadata, (int32_t)member->metadata_bytes};
    }
    request.group_id = wire_string(member->group);
    request.session_timeout_ms = (int32_t)member->options.session_ms;
    request.rebalance_timeout_ms = (int32_t)member->options.rebalance_ms;
    request.member_id = wire_string(member->id);
    request.group_instance_id = instance_of(member);
    request.protocol_type = wire_string("consumer");
    request.protocols.items = protocols;
    request.protocols.count = MODEL_PROTOCOLS_MAX;
    member->state = MEMBER_OUT;
    member->asked_is_real = true;
    ask(member, API_JOIN_GROUP, member->id, member->generation);
    model_client_call(&member->client, &member->call, API_JOIN_GROUP, version, &request, on_joined);
}

/* ---- the assignment */

static uint32_t assignment_size(uint64_t value)
{
    return HISTORY_VALUE_BYTES_MIN +
           (uint32_t)(value % (ASSIGNMENT_BYTES_MAX - HISTORY_VALUE_BYTES_MIN));
}

static void on_synced(struct model_call *call, enum err err, const void *answer)
{
    struct model_member *member = container_of(call, struct model_member, call);
    const struct sync_group_response *response = answer;
    struct history_event event;

    member->busy = false;
    if (err != OK) {
        if (odds(member, 1, 2))
            member->state = MEMBER_OUT; /* joins anew; or else asks again */
        return;
    }
    if (response->error_code != KAFKA_NONE) {
        take_error(member, API_SYNC_GROUP, response->error_code);
        return;
    }
    event = event_of(member, HISTORY_SYNCED, member->asked_id, member->asked_generation);
    if (response->assignment.size_bytes > 0 &&
        (!history_value_get(response->assignment.bytes, (uint32_t)response->assignment.size_bytes,
                            &event.value) ||
         response->assignment.size_bytes != (int32_t)assignment_size(event.value))) {
        tell_wire(member, response->assignment.size_bytes);
        return;
    }
    if (member->asked_is_real)
        member->state = MEMBER_STABLE;
    model_client_tell(&member->client, &event);
}

static int32_t assign(struct model_member *member, struct sync_group_request_assignment *out,
                      uint8_t (*bytes)[ASSIGNMENT_BYTES_MAX])
{
    int32_t count = 0;

    for (uint32_t i = 0; i < member->assigned_count; i++) {
        const struct model_assigned *assigned = &member->assigned[i];
        struct history_event event =
            event_of(member, HISTORY_ASSIGN, assigned->member_id, member->generation);
        event.value = assigned->value;
        model_client_tell(&member->client, &event);
        if (assigned->value == 0)
            continue;
        codec_set_struct_defaults(&sync_group_request_assignment_struct, &out[count]);
        history_value_put(assigned->value, bytes[i], assignment_size(assigned->value));
        out[count].member_id = wire_string(assigned->member_id);
        out[count].assignment =
            (struct wire_bytes){bytes[i], (int32_t)assignment_size(assigned->value)};
        count++;
    }
    return count;
}

/* is_real: for its generation; else for the one before. */
static void sync_group(struct model_member *member, bool is_real)
{
    struct sync_group_request_assignment assignments[MODEL_MEMBERS_MAX];
    uint8_t bytes[MODEL_MEMBERS_MAX][ASSIGNMENT_BYTES_MAX];
    struct sync_group_request request;
    int16_t version =
        model_client_version(&member->client, API_SYNC_GROUP, member->options.is_static ? 3 : 0, 5);

    codec_set_defaults(&sync_group_request_desc, &request);
    request.group_id = wire_string(member->group);
    request.generation_id = is_real ? member->generation : member->generation - 1;
    request.member_id = wire_string(member->id);
    request.group_instance_id = instance_of(member);
    request.protocol_type = wire_string("consumer");
    request.protocol_name = wire_string(member->protocol);
    if (is_real && member->may_assign) {
        request.assignments.items = assignments;
        request.assignments.count = assign(member, assignments, bytes);
    }
    member->asked_is_real = is_real;
    ask(member, API_SYNC_GROUP, member->id, request.generation_id);
    model_client_call(&member->client, &member->call, API_SYNC_GROUP, version, &request, on_synced);
}

/* ---- beating, leaving */

static void on_beaten(struct model_call *call, enum err err, const void *answer)
{
    struct model_member *member = container_of(call, struct model_member, call);
    const struct heartbeat_response *response = answer;

    member->busy = false;
    if (err == OK)
        take_error(member, API_HEARTBEAT, response->error_code);
}

static void beat(struct model_member *member, const char *id, int32_t generation, bool is_real)
{
    struct heartbeat_request request;
    int16_t version =
        model_client_version(&member->client, API_HEARTBEAT, member->options.is_static ? 3 : 0, 4);

    codec_set_defaults(&heartbeat_request_desc, &request);
    request.group_id = wire_string(member->group);
    request.generation_id = generation;
    request.member_id = wire_string(id);
    request.group_instance_id = instance_of(member);
    member->asked_is_real = is_real;
    ask(member, API_HEARTBEAT, id, generation);
    model_client_call(&member->client, &member->call, API_HEARTBEAT, version, &request, on_beaten);
}

static void on_left(struct model_call *call, enum err err, const void *answer)
{
    struct model_member *member = container_of(call, struct model_member, call);
    const struct leave_group_response *response = answer;
    int16_t error;

    member->busy = false;
    if (err != OK)
        return;
    error = response->error_code;
    if (call->version >= 3 && error == KAFKA_NONE) {
        if (response->members.count != 1) {
            tell_wire(member, response->members.count);
            return;
        }
        error = response->members.items[0].error_code;
    }
    take_error(member, API_LEAVE_GROUP, error);
    if (error == KAFKA_NONE)
        forget_id(member);
}

static void leave(struct model_member *member)
{
    struct leave_group_request_member_identity identity;
    struct leave_group_request request;
    int16_t version = model_client_version(&member->client, API_LEAVE_GROUP,
                                           member->options.is_static ? 3 : 0, 5);

    codec_set_defaults(&leave_group_request_desc, &request);
    codec_set_struct_defaults(&leave_group_request_member_identity_struct, &identity);
    request.group_id = wire_string(member->group);
    if (version < 3) {
        request.member_id = wire_string(member->id);
    } else {
        bool by_name = member->options.is_static && odds(member, 1, 2);
        identity.member_id = wire_string(by_name ? "" : member->id);
        identity.group_instance_id = instance_of(member);
        request.members.items = &identity;
        request.members.count = 1;
    }
    member->state = MEMBER_OUT;
    member->asked_is_real = true;
    ask(member, API_LEAVE_GROUP, member->id, member->generation);
    model_client_call(&member->client, &member->call, API_LEAVE_GROUP, version, &request, on_left);
}

/* ---- committing */

static void on_committed(struct model_call *call, enum err err, const void *answer)
{
    struct model_member *member = container_of(call, struct model_member, call);
    const struct offset_commit_response *response = answer;

    member->busy = false;
    if (err != OK)
        return;
    if (response->topics.count != 1 || response->topics.items[0].partitions.count != 1) {
        tell_wire(member, response->topics.count);
        return;
    }
    take_error(member, API_OFFSET_COMMIT, response->topics.items[0].partitions.items[0].error_code);
}

static void commit(struct model_member *member, const char *id, int32_t generation, bool is_real)
{
    struct offset_commit_request_partition partition;
    struct offset_commit_request_topic topic;
    struct offset_commit_request request;
    int16_t version = model_client_version(&member->client, API_OFFSET_COMMIT,
                                           member->options.is_static ? 7 : 2, 9);

    codec_set_defaults(&offset_commit_request_desc, &request);
    codec_set_struct_defaults(&offset_commit_request_topic_struct, &topic);
    codec_set_struct_defaults(&offset_commit_request_partition_struct, &partition);
    partition.committed_offset = (int64_t)member->client.calls_count;
    partition.committed_metadata = wire_string("");
    topic.name = wire_string(member->topics->at[0].name);
    topic.partitions.items = &partition;
    topic.partitions.count = 1;
    request.group_id = wire_string(member->group);
    request.generation_id_or_member_epoch = generation;
    request.member_id = wire_string(id);
    request.group_instance_id = instance_of(member);
    request.topics.items = &topic;
    request.topics.count = 1;
    member->asked_is_real = is_real;
    ask(member, API_OFFSET_COMMIT, id, generation);
    model_client_call(&member->client, &member->call, API_OFFSET_COMMIT, version, &request,
                      on_committed);
}

/* ---- its life */

/* As the member that it was, which may have left. */
static void say_old(struct model_member *member)
{
    if (odds(member, 1, 2))
        beat(member, member->old_id, member->generation, false);
    else
        commit(member, member->old_id, member->generation, false);
}

/* What nobody may take, or only for as long as the broker has not heard the truth. */
static void say_wrong(struct model_member *member)
{
    bool beats = odds(member, 1, 4);
    const char *id = member->id;
    int32_t generation = member->generation;

    switch (prng_below(&member->client.prng, 4)) {
    case 0:
        generation -= 1 + (int32_t)prng_below(&member->client.prng, 2);
        break;
    case 1:
        generation += FAR_AHEAD;
        break;
    case 2:
        id = nobody;
        break;
    default:
        if (member->old_id[0] != '\0')
            id = member->old_id;
        break;
    }
    if (generation < 0 || (id == member->id && generation == member->generation))
        sync_group(member, false);
    else if (beats)
        beat(member, id, generation, false);
    else
        commit(member, id, generation, false);
}

/* All have all, in an order of their own: of the members that a start finds in the log it knows
 * only the protocol that was chosen, and who has not that one stays out (as with Kafka). */
static void draw_protocols(struct model_member *member)
{
    static const char *const names[MODEL_PROTOCOLS_MAX] = {"range", "sticky", "mixed"};
    uint64_t first = prng_below(&member->client.prng, MODEL_PROTOCOLS_MAX);

    for (uint64_t i = 0; i < MODEL_PROTOCOLS_MAX; i++)
        snprintf(member->protocols[i], sizeof(member->protocols[i]), "%s",
                 names[(first + i) % MODEL_PROTOCOLS_MAX]);
    member->metadata_bytes = (uint32_t)prng_below(&member->client.prng, METADATA_BYTES_MAX);
}

static void be_member(struct model_member *member)
{
    uint64_t chance = prng_below(&member->client.prng, 100);

    if (chance < 10) {
        sync_group(member, true);
    } else if (chance < 25) {
        commit(member, member->id, member->generation, true);
    } else if (chance < 35) {
        say_wrong(member);
    } else if (chance < 42 && !member->finishing) {
        switch (prng_below(&member->client.prng, 6)) {
        case 0:
            leave(member);
            return;
        case 1: /* as a process that starts again */
            forget_id(member);
            return;
        case 2:
            member->silent_until_ns =
                sim_world_now_ns(member->client.node->world) +
                prng_below(&member->client.prng, 2 * member->options.session_ms) * SIM_MS;
            return;
        case 3:
            draw_protocols(member);
            break;
        default:
            break;
        }
        join(member);
    } else {
        beat(member, member->id, member->generation, true);
    }
}

static void act(struct model_member *member)
{
    if (!member->coordinator_known)
        find_coordinator(member);
    else if (member->state == MEMBER_OUT && member->old_id[0] != '\0' && odds(member, 1, 6))
        say_old(member);
    else if (member->state == MEMBER_OUT)
        join(member);
    else if (member->state == MEMBER_JOINED)
        sync_group(member, true);
    else
        be_member(member);
}

static void on_tick(struct timer *timer)
{
    struct model_member *member = container_of(timer, struct model_member, tick);

    if (!member->busy && model_client_is_up(&member->client) &&
        (member->finishing ||
         sim_world_now_ns(member->client.node->world) >= member->silent_until_ns))
        act(member);
    loop_set_timer_ms(&member->client.loop, &member->tick,
                      model_client_draw_ms(&member->client, member->options.pause_max_ms));
}

void model_member_init(struct model_member *member, struct sim_node *node, struct history *history,
                       const struct model_client_options *client,
                       const struct model_member_options *options,
                       const struct model_topics *topics)
{
    *member = (struct model_member){.options = *options, .topics = topics};
    snprintf(member->group, sizeof(member->group), "members %" PRIu32, options->group);
    snprintf(member->instance, sizeof(member->instance), "%s%" PRIu32, instance_prefix, client->id);
    model_client_init(&member->client, node, history, client);
    draw_protocols(member);
    timer_init(&member->tick, on_tick);
    loop_set_timer_ms(&member->client.loop, &member->tick, 1);
}

void model_member_finish(struct model_member *member)
{
    member->finishing = true;
    member->beats_count = 0;
}

void model_member_deinit(struct model_member *member)
{
    loop_cancel_timer(&member->client.loop, &member->tick);
    model_client_deinit(&member->client);
}
