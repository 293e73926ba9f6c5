/* JoinGroup: who may join, as whom, and what it sets in motion (KIP-345, 394, 559, 814). */
#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "net/protocol/msg_join_group.h"

#include <stdio.h>
#include <string.h>

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

void group_update_member(struct group_member *member, struct request *request)
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
    group_count_member(member);
}

enum { PRESSED_BYTES = 64 << 10 }; /* of a request that is not kept when others find no memory */

/* Whoever asked is gone.  One that was never told its id is out; another may come back within its
 * session, and the others wait for it as long.  (Kafka keeps it among those who joined, and so
 * forms a generation with somebody who is not there.) */
static void on_join_canceled(struct request *request, enum request_cancel why)
{
    struct group_member *member = request->cancel_context;
    struct group *group = member->group;
    bool is_pressed = why == REQUEST_PRESSED && request->wire.size_bytes > PRESSED_BYTES;
    int16_t error_code = is_pressed ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_UNKNOWN_MEMBER_ID;

    if (why <= REQUEST_STOPPING && !is_pressed)
        return; /* group_coordinator_stop answers; a small one holds too little */
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
    group_hold_session(member);
    if (old != NULL)
        group_refuse_join(old, KAFKA_REBALANCE_IN_PROGRESS, NULL);
}

enum {
    MEMBER_UUID_BYTES = 37, /* a dash and the UUID */
    PENDING_MAX = 10000,    /* ids handed out in one group and not used yet */
};

/* The client's own name, or the instance's, a dash and a random UUID; the caller frees it. */
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
    text = mem_alloc(prefix_bytes + MEMBER_UUID_BYTES + 1);
    for (size_t i = 0; i < prefix_bytes; i++)
        text[i] = prefix.text[i] == '\0' ? '_' : prefix.text[i]; /* our texts end at a NUL */
    snprintf(text + prefix_bytes, MEMBER_UUID_BYTES + 1,
             "-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id.bytes[0],
             id.bytes[1], id.bytes[2], id.bytes[3], id.bytes[4], id.bytes[5], id.bytes[6],
             id.bytes[7], id.bytes[8], id.bytes[9], id.bytes[10], id.bytes[11], id.bytes[12],
             id.bytes[13], id.bytes[14], id.bytes[15]);
    return text;
}

static void add_and_wait(struct group *group, struct request *request, const char *member_id)
{
    const struct join_group_request *body = request->body;
    struct group_member *member = group_add_member(group, member_id, body->group_instance_id);

    member->is_new = true;
    group_update_member(member, request);
    if (group->protocol_type == NULL || group->member_count == 1)
        group_set_text(&group->protocol_type, body->protocol_type.text,
                       (size_t)body->protocol_type.size_bytes);
    if (group->leader_id == NULL)
        group_set_text(&group->leader_id, member_id, strlen(member_id));
    group->joined_since_delay = true;
    group_wait_to_join(member, request);
    if (group->state == GROUP_PREPARING)
        group_try_complete(group);
    else
        group_prepare_rebalance(group);
}

static void join_new(struct group *group, struct request *request)
{
    const struct join_group_request *body = request->body;
    struct group_member *known = group_find_instance(group, body->group_instance_id);
    char *member_id = make_member_id(group, request);

    if (known != NULL) {
        group_replace_static(known, request, member_id);
    } else if (body->group_instance_id.text != NULL || request->api_version < 4) {
        add_and_wait(group, request, member_id);
    } else if (group->pending_count >= PENDING_MAX) {
        group_refuse_join(request, KAFKA_COORDINATOR_LOAD_IN_PROGRESS, NULL); /* later */
    } else {
        struct group_pending *pending = group_add_pending(group, member_id);
        pending->timeout_ms = (uint64_t)body->session_timeout_ms;
        pending->expiry.fire = group_on_pending_end;
        loop_set_timer_ms(group_loop(group), &pending->expiry, pending->timeout_ms);
        group_refuse_join(request, KAFKA_MEMBER_ID_REQUIRED, member_id);
    }
    mem_free(member_id);
}

static void join_pending(struct group *group, struct request *request,
                         struct group_pending *pending)
{
    char *id = mem_strdup(pending->id);

    loop_cancel_timer(group_loop(group), &pending->expiry);
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
        group_update_member(member, request);
        group->joined_since_delay = true;
        group_wait_to_join(member, request);
        group_try_complete(group);
        return;
    case GROUP_COMPLETING:
        if (same) { /* the answer was lost: once more */
            group_answer_join(member, request, group->leader_id, group_is_leader(member), false);
            return;
        }
        break;
    case GROUP_STABLE:
        if (same && !group_is_leader(member)) {
            group_answer_join(member, request, group->leader_id, false, false);
            return;
        }
        break;
    default:
        break;
    }
    group_update_member(member, request);
    group_wait_to_join(member, request);
    group_prepare_rebalance(group);
}

enum {
    MEMBERS_BYTES_MAX = 16 << 20, /* what the members of a group hold: more is never recorded */
    MEMBER_BYTES = 1024,          /* of a member or an id, but for what its client says */
};

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
    if (group->members_bytes + bytes - had_bytes > MEMBERS_BYTES_MAX)
        return KAFKA_GROUP_MAX_SIZE_REACHED;
    return coordinator_admit(group->coordinator, bytes - had_bytes)
               ? KAFKA_NONE
               : KAFKA_COORDINATOR_LOAD_IN_PROGRESS; /* it tries again */
}

static int16_t check_join(struct group_coordinator *groups, const struct join_group_request *body)
{
    if (body->session_timeout_ms < coordinator_i64(groups, "group.min.session.timeout.ms") ||
        body->session_timeout_ms > coordinator_i64(groups, "group.max.session.timeout.ms"))
        return KAFKA_INVALID_SESSION_TIMEOUT;
    return KAFKA_NONE;
}

static int16_t check_protocols(const struct group *group, struct request *request)
{
    const struct join_group_request *body = request->body;
    struct wire_string *names;

    if (body->protocol_type.size_bytes <= 0 || body->protocols.count <= 0 ||
        body->protocols.count > GROUP_PROTOCOLS_MAX)
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    if (group->member_count == 0)
        return KAFKA_NONE;
    if (group->protocol_type != NULL && !wire_string_is(body->protocol_type, group->protocol_type))
        return KAFKA_INCONSISTENT_GROUP_PROTOCOL;
    names = request_try_alloc(request, (size_t)body->protocols.count, sizeof(*names));
    if (names == NULL)
        return KAFKA_COORDINATOR_LOAD_IN_PROGRESS; /* it tries again */
    for (int32_t i = 0; i < body->protocols.count; i++)
        names[i] = body->protocols.items[i].name;
    return group_supports(group, names, body->protocols.count) ? KAFKA_NONE
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
        group_refuse_join(request, error_code, NULL);
        return;
    }
    if (group == NULL)
        group = coordinator_get(groups, body->group_id);
    if (body->member_id.size_bytes > 0) {
        pending = group_find_pending(group, body->member_id);
        if (pending != NULL && body->group_instance_id.text != NULL)
            error_code = KAFKA_UNKNOWN_SERVER_ERROR; /* such ids are never handed to an instance */
        else if (pending == NULL)
            error_code = group_identify(group, body->member_id, body->group_instance_id, &member);
    }
    if (error_code == KAFKA_NONE)
        error_code = check_protocols(group, request);
    if (error_code == KAFKA_NONE && member == NULL &&
        group_find_instance(group, body->group_instance_id) == NULL &&
        group->member_count >= (uint32_t)coordinator_i64(groups, "group.max.size"))
        error_code = KAFKA_GROUP_MAX_SIZE_REACHED;
    if (error_code == KAFKA_NONE)
        error_code = check_size(group, request, member);
    if (error_code != KAFKA_NONE)
        group_refuse_join(request, error_code, NULL);
    else if (pending != NULL)
        join_pending(group, request, pending);
    else if (member != NULL)
        join_known(group, request, member);
    else
        join_new(group, request);
    coordinator_drop_if_idle(group);
}
