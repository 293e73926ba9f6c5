/* DescribeGroups (key 15; KIP-1043: version 6 tells an unknown group apart). */
#include "base/mem.h"
#include "broker/authorized.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_route.h"
#include "broker/handlers.h"
#include "broker/scatter.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_groups.h"

#include <string.h>

typedef struct describe_groups_response_described_group described_group;
typedef struct describe_groups_response_described_group_member described_member;

struct describe_piece {
    struct scatter_piece piece;
    struct arena arena;
    int16_t version;
    int32_t authorized_operations; /* told with every answer that is no error */
    described_group answer;
};

struct describing {
    struct scatter scatter;
    struct request *request;
    struct describe_piece *pieces;
    int32_t count;
};

static struct wire_string keep(struct arena *arena, const char *text)
{
    char *copy = text == NULL ? NULL : arena_strndup(arena, text, strlen(text));

    return wire_string(copy);
}

static struct wire_bytes keep_bytes(struct arena *arena, struct group_bytes bytes)
{
    uint8_t *copy = arena_alloc(arena, (size_t)bytes.size_bytes + 1);

    check(copy != NULL);
    if (bytes.size_bytes > 0)
        memcpy(copy, bytes.bytes, (size_t)bytes.size_bytes);
    return (struct wire_bytes){copy, bytes.size_bytes};
}

static void fill_members(struct describe_piece *piece, const struct group *group)
{
    bool stable = group->state == GROUP_STABLE;

    piece->answer.members.items =
        codec_new_array(&describe_groups_response_described_group_member_struct, &piece->arena,
                        group->member_count);
    check(piece->answer.members.items != NULL);
    piece->answer.members.count = 0;
    list_for_each(node, &group->members)
    {
        const struct group_member *member = container_of(node, struct group_member, node);
        described_member *out = &piece->answer.members.items[piece->answer.members.count++];
        out->member_id = keep(&piece->arena, member->id);
        out->group_instance_id = keep(&piece->arena, member->instance_id);
        out->client_id = keep(&piece->arena, member->client_id);
        out->client_host = keep(&piece->arena, member->client_host);
        out->member_metadata =
            keep_bytes(&piece->arena, stable ? group_member_metadata(member, group->protocol)
                                             : (struct group_bytes){0});
        out->member_assignment = keep_bytes(&piece->arena, member->assignment);
    }
}

static void describe(struct scatter_piece *scattered, struct shard *at)
{
    struct describe_piece *piece = container_of(scattered, struct describe_piece, piece);
    const struct group *group = coordinator_find(at->groups, piece->answer.group_id);
    int32_t index;

    piece->answer.error_code = coordinator_check(at->groups, piece->answer.group_id, &index);
    if (piece->answer.error_code == KAFKA_NONE && (group == NULL || group->state == GROUP_DEAD)) {
        piece->answer.group_state = wire_string(group_state_name(GROUP_DEAD));
        if (piece->version < 6) {
            piece->answer.authorized_operations = piece->authorized_operations;
        } else {
            piece->answer.error_code = KAFKA_GROUP_ID_NOT_FOUND;
            piece->answer.error_message = wire_string(
                arena_printf(&piece->arena, "Group %.*s not found.",
                             piece->answer.group_id.size_bytes, piece->answer.group_id.text));
        }
    } else if (piece->answer.error_code == KAFKA_NONE) {
        piece->answer.group_state = wire_string(group_state_name(group->state));
        piece->answer.authorized_operations = piece->authorized_operations;
        piece->answer.protocol_type =
            keep(&piece->arena, group->protocol_type == NULL ? "" : group->protocol_type);
        piece->answer.protocol_data =
            keep(&piece->arena, group->state == GROUP_STABLE ? group->protocol : "");
        fill_members(piece, group);
    }
    scatter_finish(scattered);
}

static void all_answered(struct scatter *scatter)
{
    struct describing *all = container_of(scatter, struct describing, scatter);
    struct describe_groups_response *response = all->request->response;

    response->groups.items = request_new_array(
        all->request, &describe_groups_response_described_group_struct, all->count);
    response->groups.count = all->count;
    for (int32_t i = 0; i < all->count; i++)
        response->groups.items[i] = all->pieces[i].answer;
    request_answer(all->request);
}

static void free_pieces(void *context)
{
    struct describing *all = context;

    for (int32_t i = 0; i < all->count; i++)
        arena_deinit(&all->pieces[i].arena);
}

void handle_describe_groups(struct request *request)
{
    const struct describe_groups_request *body = request->body;
    struct describing *all = request_alloc(request, 1, sizeof(*all));

    all->request = request;
    all->count = body->groups.count;
    all->pieces = request_alloc(request, (size_t)all->count, sizeof(*all->pieces));
    for (int32_t i = 0; i < all->count; i++)
        arena_init(&all->pieces[i].arena, (size_t)1 << 30);
    request_on_release(request, free_pieces, all);
    scatter_begin(&all->scatter, request->home, all_answered);
    for (int32_t i = 0; i < all->count; i++) {
        struct describe_piece *piece = &all->pieces[i];
        piece->version = request->api_version;
        piece->authorized_operations = INT32_MIN; /* not asked for */
        codec_set_struct_defaults(&describe_groups_response_described_group_struct, &piece->answer);
        piece->answer.group_id = body->groups.items[i];
        piece->answer.error_code =
            group_may(request, body->groups.items[i], KAFKA_ACL_OPERATION_DESCRIBE);
        if (body->include_authorized_operations)
            piece->authorized_operations =
                authorized_on_group(request, request_text(request, body->groups.items[i]));
        if (piece->answer.error_code == KAFKA_NONE)
            scatter_start(&all->scatter, &piece->piece, group_shard(request, body->groups.items[i]),
                          describe);
    }
    scatter_end(&all->scatter);
}
