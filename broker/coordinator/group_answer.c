/* Answers to members.  Texts and bytes are copied: a group may change while an answer waits to be
 * encoded on another shard.  Who cannot be answered for want of memory loses its connection: it
 * comes back within its session and asks again. */
#include "broker/coordinator/group_answer.h"

#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_rebalance.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_sync_group.h"

#include <string.h>

/* Texts of a group may go while an answer waits to be encoded: each answer has its own.  False:
 * there is no memory. */
static bool own_text(struct request *request, const char *value, struct wire_string *out)
{
    return request_try_text(request, wire_string(value), out);
}

static bool own_bytes(struct request *request, struct group_bytes value, struct wire_bytes *out)
{
    uint8_t *copy = request_try_alloc(request, 1, (size_t)value.size_bytes + 1);

    if (copy != NULL && value.size_bytes > 0)
        memcpy(copy, value.bytes, (size_t)value.size_bytes);
    *out = (struct wire_bytes){copy, value.size_bytes};
    return copy != NULL;
}

/* One that waited has none (request_shed).  False: there is no memory. */
static bool has_response(struct request *request)
{
    return request->response != NULL || request_prepare_response(request);
}

static void answer_if(bool has_memory, struct request *request)
{
    if (has_memory)
        request_answer(request);
    else
        request_refuse_memory(request);
}

/* ---- answers */

void group_refuse_join(struct request *request, int16_t error_code, const char *member_id)
{
    const struct join_group_request *body = request->body;
    bool fits = has_response(request);
    struct join_group_response *response = request->response;

    if (!fits) {
        request_refuse_memory(request);
        return;
    }
    response->error_code = error_code;
    response->member_id = body == NULL ? wire_string("") : body->member_id;
    if (member_id != NULL)
        fits = own_text(request, member_id, &response->member_id);
    response->protocol_name = request->api_version >= 7 ? wire_string(NULL) : wire_string("");
    answer_if(fits, request);
}

void group_refuse_sync(struct request *request, int16_t error_code)
{
    struct sync_group_response *response;

    if (!has_response(request)) {
        request_refuse_memory(request);
        return;
    }
    response = request->response;
    response->error_code = error_code;
    request_answer(request);
}

void group_answer_sync(struct group_member *member)
{
    struct request *request = member->sync;
    struct sync_group_response *response;
    bool fits = has_response(request);

    response = request->response;
    fits = fits && own_text(request, member->group->protocol_type, &response->protocol_type) &&
           own_text(request, member->group->protocol, &response->protocol_name) &&
           own_bytes(request, member->assignment, &response->assignment);
    member->sync = NULL;
    group_touch(member);
    answer_if(fits, request);
}

bool group_is_leader(const struct group_member *member)
{
    return member->group->leader == member;
}

/* False: there is no memory. */
static bool fill_members(struct group *group, struct request *request,
                         struct join_group_response *response)
{
    response->members.items = request_try_array(request, &join_group_response_member_struct,
                                                (int32_t)group->member_count);
    if (response->members.items == NULL)
        return false;
    list_for_each(node, &group->members)
    {
        const struct group_member *member = container_of(node, struct group_member, node);
        struct join_group_response_member *out =
            &response->members.items[response->members.count++];
        if (!own_text(request, member->id, &out->member_id) ||
            !own_text(request, member->instance_id, &out->group_instance_id) ||
            !own_bytes(request, group_terms_metadata(&member->terms, group->protocol),
                       &out->metadata))
            return false;
    }
    return true;
}

void group_answer_join(struct group_member *member, struct request *request, const char *leader_id,
                       bool with_members, bool skip_assignment)
{
    struct group *group = member->group;
    const char *protocol = group->protocol == NULL ? "" : group->protocol;
    struct join_group_response *response;
    bool fits = has_response(request);

    response = request->response;
    fits = fits && own_text(request, group->protocol_type, &response->protocol_type) &&
           own_text(request, protocol, &response->protocol_name) &&
           own_text(request, leader_id == NULL ? "" : leader_id, &response->leader) &&
           own_text(request, member->id, &response->member_id) &&
           (!with_members || fill_members(group, request, response));
    if (fits) {
        response->generation_id = group->generation;
        response->skip_assignment = skip_assignment;
    }
    member->is_new = member->is_new && !fits;
    group_touch(member);
    answer_if(fits, request);
}
