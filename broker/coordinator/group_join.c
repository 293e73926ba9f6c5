/* JoinGroup: who may join, as whom, and what it sets in motion (KIP-345, 394, 559, 814). */
#include "broker/coordinator/group_join.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_answer.h"
#include "broker/coordinator/group_rebalance.h"
#include "broker/coordinator/group_rename.h"
#include "net/protocol/msg_join_group.h"

#include <stdio.h>
#include <string.h>

/* Whoever asked is gone, or has to ask again (REQUEST_PRESSED).  One that was never told its id is
 * out; another may come back within its session, and the others wait for it as long.  (Kafka keeps
 * it among those who joined, and so forms a generation with somebody who is not there.) */
static void on_join_canceled(struct request *request, enum request_cancel why)
{
    struct group_member *member = request->cancel_context;
    struct group *group = member->group;
    int16_t error_code =
        why == REQUEST_PRESSED ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_UNKNOWN_MEMBER_ID;

    if (why == REQUEST_STOPPING)
        return; /* group_coordinator_stop answers */
    check(member->join == request);
    if (member->is_new && member->instance_id == NULL) {
        group_forget(member, error_code);
        group_after_loss(group);
        return;
    }
    member->join = NULL;
    group_touch(member);
    group_refuse_join(request, error_code, NULL);
}

void group_wait_to_join(struct group_member *member, struct request *request)
{
    struct request *old = member->join;

    member->join = request;
    request_on_cancel(request, on_join_canceled, member);
    request_shed(request); /* the member has what it said */
    group_hold_session(member);
    if (old != NULL)
        group_refuse_join(old, KAFKA_REBALANCE_IN_PROGRESS, NULL);
}

enum {
    MEMBER_UUID_BYTES = 37, /* a dash and the UUID */
    PENDING_MAX = 10000,    /* ids handed out in one group and not used yet */
};

/* The client's own name, or the instance's, a dash and a random UUID; the caller frees it.  NULL:
 * there is no memory. */
static char *make_member_id(const struct group *group, const struct request *request)
{
    const struct join_group_request *body = request->body;
    struct wire_string prefix =
        body->group_instance_id.text != NULL ? body->group_instance_id : request->client_id;
    size_t prefix_bytes = prefix.text == NULL ? 0 : (size_t)prefix.size_bytes;
    struct uuid id;
    char *text;

    if (prefix_bytes > WIRE_STRING_BYTES_MAX - MEMBER_UUID_BYTES)
        prefix_bytes = WIRE_STRING_BYTES_MAX - MEMBER_UUID_BYTES;
    uuid_random(&group->coordinator->shard->prng, &id);
    text = mem_try_alloc(prefix_bytes + MEMBER_UUID_BYTES + 1);
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < prefix_bytes; i++)
        text[i] = prefix.text[i] == '\0' ? '_' : prefix.text[i]; /* our texts end at a NUL */
    snprintf(text + prefix_bytes, MEMBER_UUID_BYTES + 1,
             "-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id.bytes[0],
             id.bytes[1], id.bytes[2], id.bytes[3], id.bytes[4], id.bytes[5], id.bytes[6],
             id.bytes[7], id.bytes[8], id.bytes[9], id.bytes[10], id.bytes[11], id.bytes[12],
             id.bytes[13], id.bytes[14], id.bytes[15]);
    return text;
}

/* The group as it was: the client asks again. */
static void refuse_memory(struct request *request)
{
    group_refuse_join(request, KAFKA_COORDINATOR_LOAD_IN_PROGRESS, NULL);
}

/* With all that it and its group hold of it, or NULL and nothing (GRP-4). */
static struct group_member *add_member(struct group *group, const struct request *request,
                                       const char *member_id)
{
    const struct join_group_request *body = request->body;
    bool names_type = group->protocol_type == NULL || group->member_count == 0;
    struct group_member *member = NULL;
    struct group_terms terms;
    char *type = NULL;

    if (names_type) {
        type = mem_try_strndup(body->protocol_type.text, (size_t)body->protocol_type.size_bytes);
        if (type == NULL)
            return NULL;
    }
    if (group_terms_of(&group->protocol_names, request, &terms))
        member = group_add_member(group, wire_string(member_id), body->group_instance_id, &terms);
    group_terms_deinit(&terms);
    if (member != NULL && names_type)
        group_set_text(&group->protocol_type, type);
    else
        mem_free(type);
    return member;
}

/* pending: the id was handed out before, or NULL. */
static void add_and_wait(struct group *group, struct request *request, const char *member_id,
                         struct group_pending *pending)
{
    struct group_member *member = add_member(group, request, member_id);

    if (member == NULL) {
        refuse_memory(request);
        return;
    }
    if (pending != NULL) {
        loop_cancel_timer(group_loop(group), &pending->expiry);
        group_remove_pending(pending);
    }
    member->is_new = true;
    if (group->leader == NULL)
        group->leader = member;
    group->joined_since_delay = true;
    group_wait_to_join(member, request);
    if (group->state == GROUP_PREPARING)
        group_try_complete(group);
    else
        group_prepare_rebalance(group);
}

static void hand_out_id(struct group *group, struct request *request, const char *member_id)
{
    const struct join_group_request *body = request->body;
    struct group_pending *pending =
        group->pending_count < PENDING_MAX ? group_add_pending(group, member_id) : NULL;

    if (pending == NULL) {
        refuse_memory(request); /* or later, when there are fewer */
        return;
    }
    pending->timeout_ms = (uint64_t)body->session_timeout_ms;
    pending->expiry.fire = group_on_pending_end;
    loop_set_timer_ms(group_loop(group), &pending->expiry, pending->timeout_ms);
    group_refuse_join(request, KAFKA_MEMBER_ID_REQUIRED, member_id);
}

static void join_new(struct group *group, struct request *request)
{
    const struct join_group_request *body = request->body;
    struct group_member *known = group_find_instance(group, body->group_instance_id);
    char *member_id = make_member_id(group, request);

    if (member_id == NULL)
        refuse_memory(request);
    else if (known != NULL)
        group_replace_static(known, request, member_id);
    else if (body->group_instance_id.text != NULL || request->api_version < 4)
        add_and_wait(group, request, member_id, NULL);
    else
        hand_out_id(group, request, member_id);
    mem_free(member_id);
}

/* It waits for the generation with what it says now.  False: there is no memory for that, and the
 * request is answered. */
static bool wait_anew(struct group_member *member, struct request *request)
{
    struct group_terms terms;

    if (!group_terms_of(&member->group->protocol_names, request, &terms)) {
        refuse_memory(request);
        return false;
    }
    group_swap_terms(member, &terms);
    group_terms_deinit(&terms);
    group_wait_to_join(member, request);
    return true;
}

static void join_known(struct group *group, struct request *request, struct group_member *member)
{
    bool same = group_terms_have_protocols_of(&member->terms, request);

    switch (group->state) {
    case GROUP_PREPARING:
        if (wait_anew(member, request)) {
            group->joined_since_delay = true;
            group_try_complete(group);
        }
        return;
    case GROUP_COMPLETING:
        if (same) { /* the answer was lost: once more */
            group_answer_join(member, request, group_leader_id(group), group_is_leader(member),
                              false);
            return;
        }
        break;
    case GROUP_STABLE:
        if (same && !group_is_leader(member)) {
            group_answer_join(member, request, group_leader_id(group), false, false);
            return;
        }
        break;
    default:
        break;
    }
    if (wait_anew(member, request))
        group_prepare_rebalance(group);
}

enum { MEMBER_BYTES = 1024 }; /* of a member or an id, but for what its client says */

/* May the group take what the client says, in place of what its member holds? */
static int16_t check_size(const struct group *group, const struct request *request,
                          const struct group_member *member)
{
    const struct join_group_request *body = request->body;
    uint64_t had_bytes = member == NULL ? 0 : member->counted_bytes;
    uint64_t bytes = MEMBER_BYTES + (uint64_t)body->member_id.size_bytes +
                     (uint64_t)request->client_id.size_bytes +
                     (uint64_t)body->group_instance_id.size_bytes;

    for (int32_t i = 0; i < body->protocols.count; i++)
        bytes += sizeof(struct group_protocol) +
                 (uint64_t)body->protocols.items[i].name.size_bytes +
                 (uint64_t)body->protocols.items[i].metadata.size_bytes;
    if (bytes <= had_bytes)
        return KAFKA_NONE;
    if (group->members_bytes + bytes - had_bytes > GROUP_MEMBERS_BYTES_MAX)
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    return coordinator_admit(group->coordinator, bytes - had_bytes)
               ? KAFKA_NONE
               : KAFKA_COORDINATOR_LOAD_IN_PROGRESS; /* it tries again */
}

static int16_t check_join(struct group_coordinator *groups, const struct join_group_request *body)
{
    if (body->session_timeout_ms < coordinator_config(groups)->group_min_session_timeout_ms ||
        body->session_timeout_ms > coordinator_config(groups)->group_max_session_timeout_ms)
        return KAFKA_INVALID_SESSION_TIMEOUT;
    return KAFKA_NONE;
}

static int16_t check_protocols(const struct group *group, const struct join_group_request *body)
{
    if (body->protocol_type.size_bytes <= 0 || body->protocols.count <= 0 ||
        body->protocols.count > GROUP_PROTOCOLS_MAX)
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (group->member_count == 0)
        return KAFKA_NONE;
    if (group->protocol_type != NULL && !wire_string_is(body->protocol_type, group->protocol_type))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    for (int32_t i = 0; i < body->protocols.count; i++)
        if (group_all_have(group, body->protocols.items[i].name))
            return KAFKA_NONE;
    return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
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
    if (group != NULL && group->removal != NULL)
        error_code = KAFKA_COORDINATOR_LOAD_IN_PROGRESS; /* soon it will be another group */
    if (error_code == KAFKA_NONE && group == NULL && body->member_id.size_bytes > 0)
        error_code = KAFKA_UNKNOWN_MEMBER_ID;
    if (error_code != KAFKA_NONE) {
        group_refuse_join(request, error_code, NULL);
        return;
    }
    if (group == NULL)
        group = coordinator_get(groups, body->group_id);
    if (group == NULL) {
        refuse_memory(request);
        return;
    }
    if (body->member_id.size_bytes > 0) {
        pending = group_find_pending(group, body->member_id);
        if (pending != NULL && body->group_instance_id.text != NULL)
            error_code = KAFKA_UNKNOWN_SERVER_ERROR; /* such ids are never handed to an instance */
        else if (pending == NULL)
            error_code = group_identify(group, body->member_id, body->group_instance_id, &member);
    }
    if (error_code == KAFKA_NONE)
        error_code = check_protocols(group, body);
    if (error_code == KAFKA_NONE && member == NULL &&
        group_find_instance(group, body->group_instance_id) == NULL &&
        group->member_count >= (uint32_t)coordinator_config(groups)->group_max_size)
        error_code = KAFKA_GROUP_MAX_SIZE_REACHED;
    if (error_code == KAFKA_NONE)
        error_code = check_size(group, request, member);
    if (error_code != KAFKA_NONE)
        group_refuse_join(request, error_code, NULL);
    else if (pending != NULL)
        add_and_wait(group, request, pending->id, pending);
    else if (member != NULL)
        join_known(group, request, member);
    else
        join_new(group, request);
    coordinator_drop_if_idle(group);
}
