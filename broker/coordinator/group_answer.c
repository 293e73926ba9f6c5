/* Answers to members.  Texts and bytes are copied: a group may change while an answer waits to be
 * encoded on another shard. */
#include "broker/coordinator/coordinator_private.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_sync_group.h"

#include <string.h>

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

void group_refuse_join(struct request *request, int16_t error_code, const char *member_id)
{
    const struct join_group_request *body = request->body;
    struct join_group_response *response = request->response;

    response->error_code = error_code;
    response->member_id = member_id != NULL ? own_text(request, member_id) : body->member_id;
    response->protocol_name = request->api_version >= 7 ? wire_string(NULL) : wire_string("");
    request_answer(request);
}

void group_refuse_sync(struct request *request, int16_t error_code)
{
    struct sync_group_response *response = request->response;

    response->error_code = error_code;
    request_answer(request);
}

void group_answer_sync(struct group_member *member)
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

bool group_is_leader(const struct group_member *member)
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

void group_answer_join(struct group_member *member, struct request *request, const char *leader_id,
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
    member->is_new = false;
    group_touch(member);
    request_answer(request);
}
