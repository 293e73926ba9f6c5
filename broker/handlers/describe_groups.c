/* DescribeGroups (key 15; KIP-1043: version 6 tells an unknown group apart). */
#include "broker/authorized.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_route.h"
#include "broker/coordinator/group_scatter.h"
#include "broker/handlers.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_groups.h"

#include <string.h>

typedef struct describe_groups_response_described_group described_group;
typedef struct describe_groups_response_described_group_member described_member;

struct describing {
    struct group_scatter all;
    described_group *answers;
    struct wire_string *names; /* with a NUL behind each; only for authorized operations */
};

/* Copies in the piece's memory; *fits_io becomes false when there is none left. */
static struct wire_string keep(struct arena *arena, const char *text, bool *fits_io)
{
    char *copy = text == NULL ? NULL : arena_strndup(arena, text, strlen(text));

    *fits_io = *fits_io && (text == NULL || copy != NULL);
    return wire_string(copy);
}

static struct wire_bytes keep_bytes(struct arena *arena, struct group_bytes bytes, bool *fits_io)
{
    uint8_t *copy = arena_alloc(arena, (size_t)bytes.size_bytes + 1);

    *fits_io = *fits_io && copy != NULL;
    if (copy == NULL)
        return (struct wire_bytes){0};
    if (bytes.size_bytes > 0)
        memcpy(copy, bytes.bytes, (size_t)bytes.size_bytes);
    return (struct wire_bytes){copy, bytes.size_bytes};
}

/* False: there is no memory for it. */
static bool fill_members(struct arena *arena, const struct group *group, described_group *answer)
{
    bool stable = group->state == GROUP_STABLE;
    bool fits = true;

    answer->members.items = codec_new_array(&describe_groups_response_described_group_member_struct,
                                            arena, group->member_count);
    if (answer->members.items == NULL)
        return false;
    list_for_each(node, &group->members)
    {
        const struct group_member *member = container_of(node, struct group_member, node);
        described_member *out = &answer->members.items[answer->members.count++];
        out->member_id = keep(arena, member->id, &fits);
        out->group_instance_id = keep(arena, member->instance_id, &fits);
        out->client_id = keep(arena, member->terms.client_id, &fits);
        out->client_host = keep(arena, member->terms.client_host, &fits);
        out->member_metadata =
            keep_bytes(arena,
                       stable ? group_terms_metadata(&member->terms, group->protocol)
                              : (struct group_bytes){0},
                       &fits);
        out->member_assignment = keep_bytes(arena, member->assignment, &fits);
    }
    return fits;
}

/* Of a group that is there; false: there is no memory for it. */
static bool fill(struct arena *arena, const struct group *group, described_group *answer)
{
    const char *protocol = group->state == GROUP_STABLE ? group->protocol : "";
    bool fits = true;

    answer->group_state = wire_string(group_state_name(group->state));
    answer->protocol_type =
        keep(arena, group->protocol_type == NULL ? "" : group->protocol_type, &fits);
    answer->protocol_data = keep(arena, protocol, &fits);
    return fits && fill_members(arena, group, answer);
}

static uint32_t describe(struct group_scatter_piece *piece, uint32_t index)
{
    const struct describing *all = container_of(piece->all, struct describing, all);
    described_group *answer = &all->answers[index];
    const struct group *group = coordinator_find(piece->at->groups, answer->group_id);
    int16_t version = piece->all->request->api_version;
    bool fits = true;
    int32_t partition_index;

    answer->error_code = coordinator_check(piece->at->groups, answer->group_id, &partition_index);
    if (answer->error_code != KAFKA_NONE)
        return 1;
    if (group == NULL || group->state == GROUP_DEAD) {
        answer->group_state = wire_string(group_state_name(GROUP_DEAD));
        if (version >= 6) {
            answer->error_code = KAFKA_GROUP_ID_NOT_FOUND;
            answer->error_message =
                wire_string(arena_printf(&piece->arena, "Group %.*s not found.",
                                         answer->group_id.size_bytes, answer->group_id.text));
        }
        return 1;
    }
    fits = fill(&piece->arena, group, answer);
    if (!fits) {
        struct wire_string id = answer->group_id;
        codec_set_struct_defaults(&describe_groups_response_described_group_struct, answer);
        answer->group_id = id;
        answer->error_code = group_scatter_refusal(piece);
    }
    return 1 + group->member_count;
}

static void all_answered(struct group_scatter *scattered)
{
    struct describing *all = container_of(scattered, struct describing, all);
    struct request *request = scattered->request;
    const struct describe_groups_request *body = request->body;
    struct describe_groups_response *response = request->response;

    response->groups.items = all->answers;
    response->groups.count = body->groups.count;
    for (int32_t i = 0; i < body->groups.count && body->include_authorized_operations; i++)
        if (all->answers[i].error_code == KAFKA_NONE)
            all->answers[i].authorized_operations =
                authorized_on_group(request, all->names[i].text);
    request_answer(request);
}

/* False: there is no memory. */
static bool prepare(struct describing *all, struct request *request)
{
    const struct describe_groups_request *body = request->body;
    int32_t count = body->groups.count;

    all->answers =
        request_try_array(request, &describe_groups_response_described_group_struct, count);
    if (all->answers == NULL)
        return false;
    if (body->include_authorized_operations) {
        all->names = request_try_alloc(request, count < 0 ? 0 : (size_t)count, sizeof(*all->names));
        if (all->names == NULL)
            return false;
        for (int32_t i = 0; i < count; i++)
            if (!request_try_text(request, body->groups.items[i], &all->names[i]))
                return false;
    }
    return group_scatter_begin(&all->all, request, count, describe, all_answered);
}

void handle_describe_groups(struct request *request)
{
    const struct describe_groups_request *body = request->body;
    struct describing *all = request_try_alloc(request, 1, sizeof(*all));

    if (all == NULL || !prepare(all, request)) {
        request_refuse_memory(request);
        return;
    }
    for (int32_t i = 0; i < body->groups.count; i++) {
        struct wire_string id = body->groups.items[i];
        described_group *answer = &all->answers[i];
        answer->group_id = id;
        answer->error_code = group_may(request, id, KAFKA_ACL_OPERATION_DESCRIBE);
        if (answer->error_code == KAFKA_NONE)
            answer->error_code = group_scatter_add(&all->all, (uint32_t)i, id);
    }
    group_scatter_end(&all->all);
}
