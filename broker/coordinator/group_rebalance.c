/* How a group moves: join, sync, heartbeat, leave, and time (Kafka's ClassicGroup; KIP-62, 134,
 * 345, 394, 559, 814).
 *
 * The walk of a rebalance: prepare → each member joins, or is gone when the timer ends → form a
 * generation, choose protocol and leader, answer all joins → the leader's sync brings the
 * assignment → recorded → stable, all syncs answered. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "net/protocol/msg_heartbeat.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_leave_group.h"
#include "net/protocol/msg_sync_group.h"

#include <stdio.h>
#include <string.h>

static void try_complete_join(struct group *group);
static void prepare_rebalance(struct group *group);

static struct loop *loop_of(const struct group *group)
{
    return &group->coordinator->shard->loop;
}

/* Texts of a group may go while an answer waits to be encoded: each answer has its own. */
static struct wire_string own_text(struct request *request, const char *value)
{
    return wire_string(value == NULL ? NULL : request_text(request, wire_string(value)));
}

static struct wire_bytes own_bytes(struct request *request, struct group_bytes value)
{
    uint8_t *copy = request_alloc(request, 1, (size_t)value.size_bytes + 1);

    if (value.size_bytes > 0)
        memcpy(copy, value.bytes, (size_t)value.size_bytes);
    return (struct wire_bytes){copy, value.size_bytes};
}

/* ---- answers */

static void answer_join_error(struct request *request, int16_t error_code, const char *member_id)
{
    const struct join_group_request *body = request->body;
    struct join_group_response *response = request->response;

    response->error_code = error_code;
    response->member_id = member_id != NULL ? own_text(request, member_id) : body->member_id;
    response->protocol_name = request->api_version >= 7 ? wire_string(NULL) : wire_string("");
    request_answer(request);
}

static void answer_sync_error(struct request *request, int16_t error_code)
{
    struct sync_group_response *response = request->response;

    response->error_code = error_code;
    request_answer(request);
}

static void answer_sync(struct group_member *member)
{
    struct request *request = member->sync;
    struct sync_group_response *response = request->response;

    member->sync = NULL;
    response->protocol_type = own_text(request, member->group->protocol_type);
    response->protocol_name = own_text(request, member->group->protocol);
    response->assignment = own_bytes(request, member->assignment);
    group_touch(member);
    request_answer(request);
}

static bool is_leader(const struct group_member *member)
{
    return member->group->leader_id != NULL && strcmp(member->group->leader_id, member->id) == 0;
}

static void fill_members(struct group *group, struct request *request,
                         struct join_group_response *response)
{
    response->members.items = request_new_array(request, &join_group_response_member_struct,
                                                (int32_t)group->member_count);
    list_for_each(node, &group->members)
    {
        const struct group_member *member = container_of(node, struct group_member, node);
        struct join_group_response_member *out =
            &response->members.items[response->members.count++];
        out->member_id = own_text(request, member->id);
        out->group_instance_id = own_text(request, member->instance_id);
        out->metadata = own_bytes(request, group_member_metadata(member, group->protocol));
    }
}

static void answer_join(struct group_member *member, struct request *request, const char *leader_id,
                        bool with_members, bool skip_assignment)
{
    struct group *group = member->group;
    struct join_group_response *response = request->response;

    response->generation_id = group->generation;
    response->protocol_type = own_text(request, group->protocol_type);
    response->protocol_name = own_text(request, group->protocol == NULL ? "" : group->protocol);
    response->leader = own_text(request, leader_id == NULL ? "" : leader_id);
    response->member_id = own_text(request, member->id);
    response->skip_assignment = skip_assignment;
    if (with_members)
        fill_members(group, request, response);
    group_touch(member);
    request_answer(request);
}

/* ---- time */

static void forget_member(struct group_member *member, int16_t error_code)
{
    struct request *join = member->join;
    struct request *sync = member->sync;

    loop_cancel_timer(loop_of(member->group), &member->session);
    member->join = NULL;
    member->sync = NULL;
    if (join != NULL)
        answer_join_error(join, error_code, member->id);
    if (sync != NULL)
        answer_sync_error(sync, error_code);
    group_remove_member(member);
}

/* A member is gone: the rest rebalances. */
static void after_loss(struct group *group)
{
    if (group->state == GROUP_STABLE || group->state == GROUP_COMPLETING)
        prepare_rebalance(group);
    else if (group->state == GROUP_PREPARING)
        try_complete_join(group);
}

static void on_session_end(struct timer *timer)
{
    struct group_member *member = container_of(timer, struct group_member, session);
    struct group *group = member->group;

    log_line(group->coordinator->shard->sink, LOG_INFO, "LVE-5003",
             "a member was not heard of for its session timeout and is out of its group",
             log_text("group", group->id, group->id_bytes), log_str("member", member->id),
             log_i64("session_timeout_ms", member->session_timeout_ms));
    forget_member(member, KAFKA_UNKNOWN_MEMBER_ID);
    after_loss(group);
}

void group_touch(struct group_member *member)
{
    member->session.fire = on_session_end;
    loop_set_timer_ms(loop_of(member->group), &member->session,
                      (uint64_t)member->session_timeout_ms);
}

/* While a member's request waits here, it is the broker that is late. */
static void hold_session(struct group_member *member)
{
    loop_cancel_timer(loop_of(member->group), &member->session);
}

static void on_pending_end(struct timer *timer)
{
    struct group_pending *pending = container_of(timer, struct group_pending, expiry);
    struct group *group = pending->group;

    group_remove_pending(pending);
    if (group->state == GROUP_PREPARING)
        try_complete_join(group);
    coordinator_drop_if_idle(group);
}

void group_start_sessions(struct group *group)
{
    list_for_each(node, &group->members)
    {
        group_touch(container_of(node, struct group_member, node));
    }
}

void group_cancel_timers(struct group *group)
{
    loop_cancel_timer(loop_of(group), &group->rebalance);
    list_for_each(node, &group->members)
    {
        loop_cancel_timer(loop_of(group), &container_of(node, struct group_member, node)->session);
    }
    list_for_each(node, &group->pending)
    {
        loop_cancel_timer(loop_of(group), &container_of(node, struct group_pending, node)->expiry);
    }
}

void group_end_waits(struct group *group, int16_t error_code)
{
    list_for_each(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        struct request *join = member->join;
        struct request *sync = member->sync;
        member->join = NULL;
        member->sync = NULL;
        if (join != NULL)
            answer_join_error(join, error_code, NULL);
        if (sync != NULL)
            answer_sync_error(sync, error_code);
    }
}

/* ---- recording that nobody is left */

struct empty_write {
    struct state_write write;
    struct group *group;
};

static void on_empty_recorded(struct state_write *write, enum err err)
{
    struct empty_write *empty = container_of(write, struct empty_write, write);

    empty->group->writes--;
    coordinator_drop_if_idle(empty->group);
    state_write_deinit(write);
    mem_free(empty);
}

static void record_empty(struct group *group)
{
    struct empty_write *empty = mem_alloc(sizeof(*empty));

    empty->group = group;
    if (!coordinator_write_init(group, &empty->write, on_empty_recorded)) {
        mem_free(empty);
        return;
    }
    group->writes++;
    group_write_metadata(group, &empty->write, NULL);
    state_write_start(&empty->write);
}

/* ---- a generation is formed */

static bool all_joined(const struct group *group)
{
    list_for_each(node, &group->members)
    {
        if (container_of(node, struct group_member, node)->join == NULL)
            return false;
    }
    return group->pending_count == 0;
}

/* Those who did not come are out, but for static members, whose place is kept (KIP-345). */
static void drop_absent(struct group *group)
{
    list_for_each_safe(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        if (member->join == NULL && member->instance_id == NULL)
            forget_member(member, KAFKA_UNKNOWN_MEMBER_ID);
    }
}

static void choose_leader(struct group *group)
{
    struct group_member *leader =
        group->leader_id == NULL ? NULL : group_find(group, wire_string(group->leader_id));

    if (leader != NULL && leader->join != NULL)
        return;
    list_for_each(node, &group->members)
    {
        leader = container_of(node, struct group_member, node);
        if (leader->join != NULL) {
            group_set_text(&group->leader_id, leader->id, strlen(leader->id));
            return;
        }
    }
}

static uint64_t rebalance_timeout_of(const struct group *group)
{
    int32_t longest = 0;

    list_for_each(node, &group->members)
    {
        int32_t timeout = container_of(node, struct group_member, node)->rebalance_timeout_ms;
        if (timeout > longest)
            longest = timeout;
    }
    return (uint64_t)longest;
}

static bool anybody_joined(const struct group *group)
{
    list_for_each(node, &group->members)
    {
        if (container_of(node, struct group_member, node)->join != NULL)
            return true;
    }
    return false;
}

static void complete_join(struct group *group)
{
    loop_cancel_timer(loop_of(group), &group->rebalance);
    drop_absent(group);
    if (group->member_count > 0 && !anybody_joined(group)) {
        /* static members only, none of them back: wait on for them */
        loop_set_timer_ms(loop_of(group), &group->rebalance, rebalance_timeout_of(group));
        return;
    }
    group->generation++;
    group->state_timestamp_ms = clock_wall_ms(group->coordinator->shard->clock);
    if (group->member_count == 0) {
        group->state = GROUP_EMPTY;
        group_set_text(&group->protocol, NULL, 0);
        record_empty(group);
        return;
    }
    {
        const char *chosen = group_vote(group);
        group_set_text(&group->protocol, chosen == NULL ? "" : chosen,
                       chosen == NULL ? 0 : strlen(chosen));
    }
    choose_leader(group);
    group->state = GROUP_COMPLETING;
    list_for_each(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        struct request *request = member->join;
        member->join = NULL;
        if (request != NULL)
            answer_join(member, request, group->leader_id, is_leader(member), false);
        else
            group_touch(member); /* an absent static member */
    }
}

static void on_rebalance_timer(struct timer *timer)
{
    struct group *group = container_of(timer, struct group, rebalance);

    if (group->initial_delay && group->joined_since_delay && group->delay_left_ms > 0) {
        uint64_t step =
            (uint64_t)coordinator_i64(group->coordinator, "group.initial.rebalance.delay.ms");
        if (step > group->delay_left_ms)
            step = group->delay_left_ms;
        group->delay_left_ms -= step;
        group->joined_since_delay = false;
        loop_set_timer_ms(loop_of(group), &group->rebalance, step);
        return;
    }
    group->initial_delay = false;
    while (!list_is_empty(&group->pending)) {
        struct group_pending *pending = list_first(&group->pending, struct group_pending, node);
        loop_cancel_timer(loop_of(group), &pending->expiry);
        group_remove_pending(pending);
    }
    complete_join(group);
}

static void try_complete_join(struct group *group)
{
    if (group->state == GROUP_PREPARING && !group->initial_delay && all_joined(group))
        complete_join(group);
}

static void prepare_rebalance(struct group *group)
{
    uint64_t timeout_ms = rebalance_timeout_of(group);

    list_for_each(node, &group->members)
    {
        struct group_member *member = container_of(node, struct group_member, node);
        struct request *sync = member->sync;
        member->sync = NULL;
        if (sync != NULL) {
            group_touch(member);
            answer_sync_error(sync, KAFKA_REBALANCE_IN_PROGRESS);
        }
    }
    group->initial_delay = group->state == GROUP_EMPTY;
    group->state = GROUP_PREPARING;
    group->rebalance.fire = on_rebalance_timer;
    if (group->initial_delay) {
        uint64_t delay_ms =
            (uint64_t)coordinator_i64(group->coordinator, "group.initial.rebalance.delay.ms");
        if (delay_ms > timeout_ms)
            delay_ms = timeout_ms;
        group->delay_left_ms = timeout_ms - delay_ms;
        group->joined_since_delay = false;
        if (delay_ms > 0) {
            loop_set_timer_ms(loop_of(group), &group->rebalance, delay_ms);
            return;
        }
        group->initial_delay = false;
    }
    loop_set_timer_ms(loop_of(group), &group->rebalance, timeout_ms);
    try_complete_join(group);
}

/* ---- join */

static void take_protocols(struct group_member *member, const struct join_group_request *body)
{
    group_clear_protocols(member);
    member->protocols = mem_alloc((size_t)body->protocols.count * sizeof(*member->protocols));
    member->protocol_count = (uint32_t)body->protocols.count;
    for (int32_t i = 0; i < body->protocols.count; i++) {
        const struct join_group_request_protocol *protocol = &body->protocols.items[i];
        member->protocols[i].name =
            mem_strndup(protocol->name.text, (size_t)protocol->name.size_bytes);
        group_set_bytes(&member->protocols[i].metadata, protocol->metadata.bytes,
                        protocol->metadata.size_bytes);
    }
}

static bool same_protocols(const struct group_member *member, const struct join_group_request *body)
{
    if (member->protocol_count != (uint32_t)body->protocols.count)
        return false;
    for (int32_t i = 0; i < body->protocols.count; i++) {
        const struct join_group_request_protocol *protocol = &body->protocols.items[i];
        const struct group_protocol *own = &member->protocols[i];
        if (!wire_string_is(protocol->name, own->name) ||
            protocol->metadata.size_bytes != own->metadata.size_bytes ||
            (own->metadata.size_bytes > 0 && memcmp(protocol->metadata.bytes, own->metadata.bytes,
                                                    (size_t)own->metadata.size_bytes) != 0))
            return false;
    }
    return true;
}

static void update_member(struct group_member *member, struct request *request)
{
    const struct join_group_request *body = request->body;
    char host[IO_ADDRESS_TEXT_MAX];
    char text[IO_ADDRESS_TEXT_MAX + 1];

    io_address_format_host(&request->wire.conn->peer, host);
    snprintf(text, sizeof(text), "/%s", host);
    group_set_text(&member->client_id,
                   request->client_id.text == NULL ? "" : request->client_id.text,
                   request->client_id.text == NULL ? 0 : (size_t)request->client_id.size_bytes);
    group_set_text(&member->client_host, text, strlen(text));
    member->session_timeout_ms = body->session_timeout_ms;
    member->rebalance_timeout_ms =
        body->rebalance_timeout_ms < 0 ? body->session_timeout_ms : body->rebalance_timeout_ms;
    take_protocols(member, body);
}

/* Wait for the generation; a join that waited before is replaced. */
static void wait_to_join(struct group_member *member, struct request *request)
{
    struct request *old = member->join;

    member->join = request;
    hold_session(member);
    if (old != NULL)
        answer_join_error(old, KAFKA_UNKNOWN_MEMBER_ID, NULL);
}

static void make_member_id(struct group *group, struct request *request, char *out, size_t max)
{
    const struct join_group_request *body = request->body;
    struct wire_string prefix =
        body->group_instance_id.text != NULL ? body->group_instance_id : request->client_id;
    struct uuid id;
    char text[37];

    uuid_random(&group->coordinator->shard->prng, &id);
    snprintf(text, sizeof(text),
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id.bytes[0],
             id.bytes[1], id.bytes[2], id.bytes[3], id.bytes[4], id.bytes[5], id.bytes[6],
             id.bytes[7], id.bytes[8], id.bytes[9], id.bytes[10], id.bytes[11], id.bytes[12],
             id.bytes[13], id.bytes[14], id.bytes[15]);
    snprintf(out, max, "%.*s-%s", prefix.size_bytes, prefix.text == NULL ? "" : prefix.text, text);
}

static void add_and_wait(struct group *group, struct request *request, const char *member_id)
{
    const struct join_group_request *body = request->body;
    struct group_member *member = group_add_member(group, member_id, body->group_instance_id);

    update_member(member, request);
    if (group->protocol_type == NULL || group->member_count == 1)
        group_set_text(&group->protocol_type, body->protocol_type.text,
                       (size_t)body->protocol_type.size_bytes);
    if (group->leader_id == NULL)
        group_set_text(&group->leader_id, member_id, strlen(member_id));
    group->joined_since_delay = true;
    wait_to_join(member, request);
    if (group->state == GROUP_PREPARING)
        try_complete_join(group);
    else
        prepare_rebalance(group);
}

/* A known instance comes back under a new id (KIP-345, KIP-814). */
static void replace_static(struct group_member *member, struct request *request,
                           const char *member_id)
{
    const struct join_group_request *body = request->body;
    struct group *group = member->group;
    bool was_leader = is_leader(member);

    if (member->join != NULL || member->sync != NULL) {
        struct request *join = member->join;
        struct request *sync = member->sync;
        member->join = NULL;
        member->sync = NULL;
        if (join != NULL)
            answer_join_error(join, KAFKA_FENCED_INSTANCE_ID, NULL);
        if (sync != NULL)
            answer_sync_error(sync, KAFKA_FENCED_INSTANCE_ID);
    }
    group_set_text(&member->id, member_id, strlen(member_id));
    if (was_leader)
        group_set_text(&group->leader_id, member_id, strlen(member_id));
    update_member(member, request);
    if (group->state == GROUP_STABLE && group_vote(group) != NULL &&
        strcmp(group_vote(group), group->protocol) == 0) {
        bool skips = body->group_instance_id.text != NULL && request->api_version >= 9;
        record_empty(group); /* the new id is recorded with the rest as it is */
        answer_join(member, request, was_leader && !skips ? "" : group->leader_id,
                    was_leader && skips, was_leader && skips);
        return;
    }
    wait_to_join(member, request);
    if (group->state == GROUP_PREPARING)
        try_complete_join(group);
    else
        prepare_rebalance(group);
}

static void join_new(struct group *group, struct request *request)
{
    const struct join_group_request *body = request->body;
    struct group_member *known = group_find_instance(group, body->group_instance_id);
    char member_id[512];

    make_member_id(group, request, member_id, sizeof(member_id));
    if (known != NULL) {
        replace_static(known, request, member_id);
        return;
    }
    if (body->group_instance_id.text == NULL && request->api_version >= 4) {
        struct group_pending *pending = group_add_pending(group, member_id);
        pending->expiry.fire = on_pending_end;
        loop_set_timer_ms(loop_of(group), &pending->expiry, (uint64_t)body->session_timeout_ms);
        answer_join_error(request, KAFKA_MEMBER_ID_REQUIRED, member_id);
        return;
    }
    add_and_wait(group, request, member_id);
}

static void join_pending(struct group *group, struct request *request,
                         struct group_pending *pending)
{
    char *id = mem_strdup(pending->id);

    loop_cancel_timer(loop_of(group), &pending->expiry);
    group_remove_pending(pending);
    add_and_wait(group, request, id);
    mem_free(id);
}

static void join_known(struct group *group, struct request *request, struct group_member *member)
{
    const struct join_group_request *body = request->body;
    bool same = same_protocols(member, body);

    switch (group->state) {
    case GROUP_PREPARING:
        update_member(member, request);
        group->joined_since_delay = true;
        wait_to_join(member, request);
        try_complete_join(group);
        return;
    case GROUP_COMPLETING:
        if (same) { /* the answer was lost: once more */
            answer_join(member, request, group->leader_id, is_leader(member), false);
            return;
        }
        break;
    case GROUP_STABLE:
        if (same && !is_leader(member)) {
            answer_join(member, request, group->leader_id, false, false);
            return;
        }
        break;
    default:
        break;
    }
    update_member(member, request);
    wait_to_join(member, request);
    prepare_rebalance(group);
}

static int16_t check_join(struct group_coordinator *groups, const struct join_group_request *body)
{
    if (body->session_timeout_ms < coordinator_i64(groups, "group.min.session.timeout.ms") ||
        body->session_timeout_ms > coordinator_i64(groups, "group.max.session.timeout.ms"))
        return KAFKA_INVALID_SESSION_TIMEOUT;
    return KAFKA_NONE;
}

static int16_t check_protocols(const struct group *group, struct request *request,
                               const struct group_member *member)
{
    const struct join_group_request *body = request->body;
    struct wire_string *names;

    if (body->protocol_type.size_bytes <= 0 || body->protocols.count <= 0)
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    names = request_alloc(request, (size_t)body->protocols.count, sizeof(*names));
    for (int32_t i = 0; i < body->protocols.count; i++)
        names[i] = body->protocols.items[i].name;
    if (group->member_count == 0 || (group->member_count == 1 && member != NULL))
        return KAFKA_NONE;
    if (group->protocol_type != NULL && !wire_string_is(body->protocol_type, group->protocol_type))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    return group_supports(group, member, names, body->protocols.count)
               ? KAFKA_NONE
               : KAFKA_INCONSISTENT_GROUP_PROTOCOL;
}

int16_t group_identify(struct group *group, struct wire_string member_id,
                       struct wire_string instance_id, struct group_member **out)
{
    *out = group_find(group, member_id);
    if (instance_id.text != NULL) {
        struct group_member *instance = group_find_instance(group, instance_id);
        if (instance == NULL)
            return KAFKA_UNKNOWN_MEMBER_ID;
        if (instance != *out)
            return KAFKA_FENCED_INSTANCE_ID;
    }
    return *out == NULL ? KAFKA_UNKNOWN_MEMBER_ID : KAFKA_NONE;
}

void group_join(struct group_coordinator *groups, struct request *request)
{
    const struct join_group_request *body = request->body;
    struct group_member *member = NULL;
    struct group_pending *pending = NULL;
    struct group *group;
    int32_t index;
    int16_t error_code = coordinator_check(groups, body->group_id, &index);

    if (error_code == KAFKA_NONE)
        error_code = check_join(groups, body);
    group = error_code == KAFKA_NONE ? coordinator_find(groups, body->group_id) : NULL;
    if (error_code == KAFKA_NONE && group == NULL && body->member_id.size_bytes > 0)
        error_code = KAFKA_UNKNOWN_MEMBER_ID;
    if (error_code != KAFKA_NONE) {
        answer_join_error(request, error_code, NULL);
        return;
    }
    if (group == NULL)
        group = coordinator_get(groups, body->group_id);
    if (body->member_id.size_bytes > 0) {
        pending = group_find_pending(group, body->member_id);
        if (pending == NULL)
            error_code = group_identify(group, body->member_id, body->group_instance_id, &member);
    }
    if (error_code == KAFKA_NONE)
        error_code = check_protocols(
            group, request,
            member != NULL ? member : group_find_instance(group, body->group_instance_id));
    if (error_code == KAFKA_NONE && member == NULL &&
        group_find_instance(group, body->group_instance_id) == NULL &&
        group->member_count >= (uint32_t)coordinator_i64(groups, "group.max.size"))
        error_code = KAFKA_GROUP_MAX_SIZE_REACHED;
    if (error_code != KAFKA_NONE)
        answer_join_error(request, error_code, NULL);
    else if (pending != NULL)
        join_pending(group, request, pending);
    else if (member != NULL)
        join_known(group, request, member);
    else
        join_new(group, request);
    coordinator_drop_if_idle(group);
}

/* ---- sync */

struct assignment_write {
    struct state_write write;
    struct group *group;
    int32_t generation;
    struct group_bytes *assignments; /* in the order of members, with their ids */
    char **member_ids;
    uint32_t count;
};

static void free_assignment(struct assignment_write *assigned)
{
    for (uint32_t i = 0; i < assigned->count; i++) {
        mem_free(assigned->assignments[i].bytes);
        mem_free(assigned->member_ids[i]);
    }
    mem_free(assigned->assignments);
    mem_free(assigned->member_ids);
    state_write_deinit(&assigned->write);
    mem_free(assigned);
}

/* Recorded: now it counts, unless the group has moved on meanwhile. */
static void on_assignment_recorded(struct state_write *write, enum err err)
{
    struct assignment_write *assigned = container_of(write, struct assignment_write, write);
    struct group *group = assigned->group;
    bool is_current = group->state == GROUP_COMPLETING && group->generation == assigned->generation;

    group->writes--;
    group->writing_assignment = false;
    if (is_current && err != OK) {
        group_end_waits(group, coordinator_write_error(err));
        prepare_rebalance(group);
    } else if (is_current) {
        group->state = GROUP_STABLE;
        for (uint32_t i = 0; i < assigned->count; i++) {
            struct group_member *member = group_find(group, wire_string(assigned->member_ids[i]));
            if (member != NULL)
                group_set_bytes(&member->assignment, assigned->assignments[i].bytes,
                                assigned->assignments[i].size_bytes);
        }
        list_for_each(node, &group->members)
        {
            struct group_member *member = container_of(node, struct group_member, node);
            if (member->sync != NULL)
                answer_sync(member);
        }
    }
    free_assignment(assigned);
    coordinator_drop_if_idle(group);
}

static void record_assignment(struct group *group, const struct sync_group_request *body)
{
    struct assignment_write *assigned = mem_alloc(sizeof(*assigned));

    assigned->group = group;
    assigned->generation = group->generation;
    assigned->count = group->member_count;
    assigned->assignments = mem_alloc(group->member_count * sizeof(*assigned->assignments));
    assigned->member_ids = mem_alloc(group->member_count * sizeof(char *));
    if (!coordinator_write_init(group, &assigned->write, on_assignment_recorded)) {
        assigned->count = 0;
        free_assignment(assigned);
        group_end_waits(group, KAFKA_NOT_COORDINATOR);
        return;
    }
    {
        uint32_t i = 0;
        list_for_each(node, &group->members)
        {
            const struct group_member *member = container_of(node, struct group_member, node);
            assigned->member_ids[i] = mem_strdup(member->id);
            for (int32_t a = 0; a < body->assignments.count; a++)
                if (wire_string_is(body->assignments.items[a].member_id, member->id))
                    group_set_bytes(&assigned->assignments[i],
                                    body->assignments.items[a].assignment.bytes,
                                    body->assignments.items[a].assignment.size_bytes);
            i++;
        }
    }
    group->writes++;
    group->writing_assignment = true;
    group_write_metadata(group, &assigned->write, assigned->assignments);
    state_write_start(&assigned->write);
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

void group_sync(struct group_coordinator *groups, struct request *request)
{
    const struct sync_group_request *body = request->body;
    struct group_member *member = NULL;
    struct group *group;
    int32_t index;
    int16_t error_code = coordinator_check(groups, body->group_id, &index);

    group = coordinator_find(groups, body->group_id);
    if (error_code == KAFKA_NONE)
        error_code = group == NULL ? KAFKA_UNKNOWN_MEMBER_ID : check_sync(group, request, &member);
    if (error_code != KAFKA_NONE) {
        answer_sync_error(request, error_code);
        return;
    }
    if (member->sync != NULL) {
        struct request *old = member->sync;
        member->sync = NULL;
        answer_sync_error(old, KAFKA_UNKNOWN_MEMBER_ID);
    }
    member->sync = request;
    if (group->state == GROUP_STABLE) {
        answer_sync(member);
        return;
    }
    hold_session(member);
    if (is_leader(member) && !group->writing_assignment)
        record_assignment(group, body);
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
        loop_cancel_timer(loop_of(group), &pending->expiry);
        group_remove_pending(pending);
        if (group->state == GROUP_PREPARING)
            try_complete_join(group);
        return KAFKA_NONE;
    }
    if (member_id.size_bytes <= 0 && instance_id.text != NULL) {
        member = group_find_instance(group, instance_id);
        error_code = member == NULL ? KAFKA_UNKNOWN_MEMBER_ID : KAFKA_NONE;
    } else {
        error_code = group_identify(group, member_id, instance_id, &member);
    }
    if (error_code == KAFKA_NONE)
        forget_member(member, KAFKA_UNKNOWN_MEMBER_ID);
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
        response->members.items = request_new_array(
            request, &leave_group_response_member_response_struct, body->members.count);
        response->members.count = body->members.count;
        for (int32_t i = 0; i < body->members.count; i++) {
            response->members.items[i].member_id = body->members.items[i].member_id;
            response->members.items[i].group_instance_id = body->members.items[i].group_instance_id;
            response->members.items[i].error_code = leave_one(
                group, body->members.items[i].member_id, body->members.items[i].group_instance_id);
        }
    }
    if (group != NULL && group->member_count < before)
        after_loss(group);
    if (group != NULL)
        coordinator_drop_if_idle(group);
    request_answer(request);
}
