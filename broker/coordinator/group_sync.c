/* SyncGroup, Heartbeat and LeaveGroup: the assignment of a generation, and staying in it. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_answer.h"
#include "broker/coordinator/group_join.h"
#include "broker/coordinator/group_rebalance.h"
#include "broker/coordinator/group_records.h"
#include "net/protocol/msg_heartbeat.h"
#include "net/protocol/msg_leave_group.h"
#include "net/protocol/msg_sync_group.h"

#include <string.h>

/* ---- sync */

struct assignment_write {
    struct group_write write;
    int32_t generation;
    bool is_current;                 /* it was, when it was applied */
    struct group_bytes *assignments; /* in the order of members, with their ids */
    char **member_ids;
    uint32_t count;
    uint64_t counted_bytes; /* of the groups' budget, until it is recorded */
};

static void free_assignment(struct assignment_write *assigned)
{
    for (uint32_t i = 0; i < assigned->count; i++) {
        mem_free(assigned->assignments[i].bytes);
        mem_free(assigned->member_ids[i]);
    }
    mem_free(assigned->assignments);
    mem_free(assigned->member_ids);
    budget_give(assigned->write.group->budget, assigned->counted_bytes);
    group_write_end(&assigned->write);
    mem_free(assigned);
}

static bool is_awaited(const struct assignment_write *assigned)
{
    const struct group *group = assigned->write.group;

    return group->state == GROUP_COMPLETING && group->generation == assigned->generation;
}

/* Now it counts, unless the group has moved on meanwhile. */
static void assignment_recorded(struct group_write *write)
{
    struct assignment_write *assigned = container_of(write, struct assignment_write, write);
    struct group *group = write->group;

    assigned->is_current = is_awaited(assigned);
    if (!assigned->is_current)
        return;
    group->state = GROUP_STABLE;
    for (uint32_t i = 0; i < assigned->count; i++) {
        struct group_member *member = group_find(group, wire_string(assigned->member_ids[i]));
        if (member == NULL)
            continue;
        group_bytes_move(&assigned->assignments[i], &member->assignment);
        group_count_member(member);
    }
}

static void on_assignment_recorded(struct group_write *write, enum err err)
{
    struct assignment_write *assigned = container_of(write, struct assignment_write, write);
    struct group *group = write->group;

    if (group->recording_generation == assigned->generation)
        group->recording_generation = -1;
    if (err != OK && is_awaited(assigned)) {
        group_end_waits(group, coordinator_record_error(err));
        group_prepare_rebalance(group);
    } else if (err == OK && assigned->is_current) {
        list_for_each(node, &group->members)
        {
            struct group_member *member = container_of(node, struct group_member, node);
            if (member->sync != NULL)
                group_answer_sync(member);
        }
    }
    free_assignment(assigned);
    coordinator_drop_if_idle(group);
}

/* The ids of the members, in their order, and what the leader gives each.  False: there is no
 * memory. */
static bool fill_assignment(struct assignment_write *assigned,
                            const struct sync_group_request *body)
{
    struct group *group = assigned->write.group;
    uint32_t count = group->member_count;

    assigned->assignments = mem_try_alloc(count * sizeof(*assigned->assignments));
    assigned->member_ids = mem_try_alloc(count * sizeof(char *));
    if (assigned->assignments == NULL || assigned->member_ids == NULL)
        return false;
    list_for_each(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        char *id = mem_try_strdup(member->id);
        if (id == NULL)
            return false;
        member->place = assigned->count;
        assigned->member_ids[assigned->count++] = id;
    }
    for (int32_t a = 0; a < body->assignments.count; a++) {
        const struct sync_group_request_assignment *given = &body->assignments.items[a];
        const struct group_member *member = group_find(group, given->member_id);
        struct group_bytes copy;
        if (member == NULL)
            continue;
        if (!group_bytes_copy(given->assignment.bytes, given->assignment.size_bytes, &copy))
            return false;
        group_bytes_move(&copy, &assigned->assignments[member->place]);
    }
    return true;
}

/* What the leader gives to members, and what they hold now. */
static uint64_t given_bytes(const struct group *group, const struct sync_group_request *body,
                            uint64_t *had_out)
{
    uint64_t bytes = 0;

    *had_out = 0;
    list_for_each(node, &group->members)
    {
        const struct group_member *member = container_of(node, struct group_member, node);
        *had_out += (uint64_t)member->assignment.size_bytes;
    }
    for (int32_t i = 0; i < body->assignments.count; i++)
        if (group_find(group, body->assignments.items[i].member_id) != NULL)
            bytes += (uint64_t)body->assignments.items[i].assignment.size_bytes;
    return bytes;
}

/* May the group hold what its leader gives?  What JoinGroup asks for its members (group_join.c). */
static int16_t check_assignment(const struct group *group, const struct sync_group_request *body,
                                uint64_t *bytes_out)
{
    uint64_t had_bytes;
    uint64_t bytes = given_bytes(group, body, &had_bytes);

    *bytes_out = bytes;
    if (bytes <= had_bytes)
        return KAFKA_NONE;
    if (group->members_bytes + bytes - had_bytes > GROUP_MEMBERS_BYTES_MAX)
        return KAFKA_UNKNOWN_SERVER_ERROR; /* as of a record that is too large: it never fits */
    return coordinator_admit(group->coordinator, bytes - had_bytes)
               ? KAFKA_NONE
               : KAFKA_COORDINATOR_NOT_AVAILABLE; /* it joins again */
}

/* KAFKA_NONE and what is to be recorded, or the error; nothing has changed (GRP-4). */
static int16_t make_assignment(struct group *group, const struct sync_group_request *body,
                               struct assignment_write **out)
{
    struct assignment_write *assigned;
    uint64_t bytes;
    int16_t error_code = check_assignment(group, body, &bytes);

    if (error_code != KAFKA_NONE)
        return error_code;
    assigned = mem_try_alloc(sizeof(*assigned));
    if (assigned == NULL)
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    if (!group_write_begin(&assigned->write, group, on_assignment_recorded)) {
        mem_free(assigned);
        return KAFKA_NOT_COORDINATOR;
    }
    assigned->write.recorded = assignment_recorded;
    assigned->counted_bytes = bytes;
    budget_force(group->budget, bytes);
    assigned->generation = group->generation;
    if (!fill_assignment(assigned, body)) {
        free_assignment(assigned);
        return KAFKA_COORDINATOR_NOT_AVAILABLE;
    }
    *out = assigned;
    return KAFKA_NONE;
}

static void record_assignment(struct assignment_write *assigned)
{
    struct group *group = assigned->write.group;

    group->recording_generation = group->generation;
    group_records_metadata(&assigned->write, assigned->assignments);
    runtime_write_start(&assigned->write.records);
}

static int16_t check_sync(struct group *group, const struct request *request,
                          struct group_member **member_out)
{
    const struct sync_group_request *body = request->body;
    int16_t error_code =
        group_identify(group, body->member_id, body->group_instance_id, member_out);

    if (error_code != KAFKA_NONE)
        return error_code;
    if (body->generation_id != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if (request->api_version >= 5 && /* KIP-559: both are to be said */
        (body->protocol_type.text == NULL || body->protocol_name.text == NULL))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if ((body->protocol_type.text != NULL &&
         !wire_string_is(body->protocol_type, group->protocol_type)) ||
        (body->protocol_name.text != NULL && group->protocol != NULL &&
         !wire_string_is(body->protocol_name, group->protocol)))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (group->state == GROUP_EMPTY || group->state == GROUP_DEAD)
        return KAFKA_UNKNOWN_MEMBER_ID;
    return group->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

static bool all_synced(const struct group *group)
{
    list_for_each(node, &group->members)
    {
        if (!container_of(node, struct group_member, node)->synced)
            return false;
    }
    return true;
}

/* Whoever asked is gone: its session runs, in which it may ask again.  Or it is to ask again, and
 * to join for that (REQUEST_PRESSED): so says Kafka's coordinator when it has lost a rebalance, as
 * clients do not expect COORDINATOR_LOAD_IN_PROGRESS here. */
static void on_sync_canceled(struct request *request, enum request_cancel why)
{
    struct group_member *member = request->cancel_context;

    if (why == REQUEST_STOPPING)
        return; /* group_coordinator_stop answers */
    check(member->sync == request);
    member->sync = NULL;
    group_touch(member);
    group_refuse_sync(request, why == REQUEST_PRESSED ? KAFKA_REBALANCE_IN_PROGRESS
                                                      : KAFKA_UNKNOWN_MEMBER_ID);
}

void group_sync(struct group_coordinator *groups, struct request *request)
{
    const struct sync_group_request *body = request->body;
    struct assignment_write *assigned = NULL;
    struct group_member *member = NULL;
    struct group *group;
    int32_t index;
    int16_t error_code = coordinator_check(groups, body->group_id, &index);

    group = coordinator_find(groups, body->group_id);
    if (error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS)
        error_code = KAFKA_REBALANCE_IN_PROGRESS; /* as on_sync_canceled says */
    if (error_code == KAFKA_NONE)
        error_code = group == NULL ? KAFKA_UNKNOWN_MEMBER_ID : check_sync(group, request, &member);
    if (error_code == KAFKA_NONE && group->state == GROUP_COMPLETING && group_is_leader(member) &&
        group->recording_generation != group->generation)
        error_code = make_assignment(group, body, &assigned);
    if (error_code != KAFKA_NONE) {
        group_refuse_sync(request, error_code);
        return;
    }
    if (member->sync != NULL) {
        struct request *old = member->sync;
        member->sync = NULL;
        group_refuse_sync(old, KAFKA_REBALANCE_IN_PROGRESS);
    }
    member->sync = request;
    request_on_cancel(request, on_sync_canceled, member);
    member->synced = true;
    if (all_synced(group))
        loop_cancel_timer(group_loop(group), &group->rebalance);
    if (group->state == GROUP_STABLE) {
        group_answer_sync(member);
        return;
    }
    request_shed(request);
    group_hold_session(member);
    if (assigned != NULL)
        record_assignment(assigned);
}

/* ---- heartbeat and leave */

static int16_t beat(struct group *group, const struct heartbeat_request *body)
{
    struct group_member *member;
    int16_t error_code = group_identify(group, body->member_id, body->group_instance_id, &member);

    if (error_code != KAFKA_NONE)
        return error_code;
    if (body->generation_id != group->generation)
        return KAFKA_ILLEGAL_GENERATION;
    if (group->state == GROUP_EMPTY || group->state == GROUP_DEAD)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (member->join == NULL && member->sync == NULL)
        group_touch(member);
    return group->state == GROUP_PREPARING ? KAFKA_REBALANCE_IN_PROGRESS : KAFKA_NONE;
}

void group_heartbeat(struct group_coordinator *groups, struct request *request)
{
    const struct heartbeat_request *body = request->body;
    struct heartbeat_response *response = request->response;
    struct group *group = coordinator_find(groups, body->group_id);
    int32_t index;

    response->error_code = coordinator_check(groups, body->group_id, &index);
    if (response->error_code == KAFKA_NONE)
        response->error_code = group == NULL ? KAFKA_UNKNOWN_MEMBER_ID : beat(group, body);
    else if (response->error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS)
        response->error_code = KAFKA_NONE; /* as Kafka, blindly: clients do not expect the error */
    request_answer(request);
}

static int16_t leave_one(struct group *group, struct wire_string member_id,
                         struct wire_string instance_id)
{
    struct group_pending *pending = group == NULL ? NULL : group_find_pending(group, member_id);
    struct group_member *member = NULL;
    int16_t error_code;

    if (group == NULL)
        return KAFKA_UNKNOWN_MEMBER_ID;
    if (pending != NULL && instance_id.text == NULL) {
        loop_cancel_timer(group_loop(group), &pending->expiry);
        group_remove_pending(pending);
        if (group->state == GROUP_PREPARING)
            group_try_complete(group);
        return KAFKA_NONE;
    }
    if (member_id.size_bytes <= 0 && instance_id.text != NULL) {
        member = group_find_instance(group, instance_id);
        error_code = member == NULL ? KAFKA_UNKNOWN_MEMBER_ID : KAFKA_NONE;
    } else {
        error_code = group_identify(group, member_id, instance_id, &member);
    }
    if (error_code == KAFKA_NONE)
        group_forget(member, KAFKA_UNKNOWN_MEMBER_ID);
    return error_code;
}

void group_leave(struct group_coordinator *groups, struct request *request)
{
    const struct leave_group_request *body = request->body;
    struct leave_group_response *response = request->response;
    struct group *group = coordinator_find(groups, body->group_id);
    uint32_t before = group == NULL ? 0 : group->member_count;
    int32_t index;

    response->error_code = coordinator_check(groups, body->group_id, &index);
    if (response->error_code != KAFKA_NONE) {
        request_answer(request);
        return;
    }
    if (request->api_version < 3) {
        response->error_code = leave_one(group, body->member_id, wire_string(NULL));
    } else {
        response->members.items = request_try_array(
            request, &leave_group_response_member_response_struct, body->members.count);
        if (response->members.items == NULL) {
            request_refuse_memory(request);
            return;
        }
        response->members.count = body->members.count;
        for (int32_t i = 0; i < body->members.count; i++) {
            response->members.items[i].member_id = body->members.items[i].member_id;
            response->members.items[i].group_instance_id = body->members.items[i].group_instance_id;
            response->members.items[i].error_code = leave_one(
                group, body->members.items[i].member_id, body->members.items[i].group_instance_id);
        }
    }
    if (group != NULL && group->member_count < before)
        group_after_loss(group);
    if (group != NULL)
        coordinator_drop_if_idle(group);
    request_answer(request);
}
