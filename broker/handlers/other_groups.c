/* ShareGroupDescribe (key 77), StreamsGroupDescribe (key 89), AlterShareGroupOffsets (key 91) and
 * DeleteShareGroupOffsets (key 92; KIP-932, 1071): every group here is a classic one, so that there
 * is none of those kinds, and none can be made. */
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_route.h"
#include "broker/coordinator/group_scatter.h"
#include "broker/handlers.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_delete_share_group_offsets.h"
#include "net/protocol/msg_share_group_describe.h"
#include "net/protocol/msg_streams_group_describe.h"

/* What is said of one group. */
struct verdict {
    struct wire_string group_id;
    int16_t error_code;
    struct wire_string message;
};

struct looking {
    struct group_scatter all;
    const char *kind; /* "share" */
    struct verdict *verdicts;
    int32_t count;
    /* Puts the verdicts into the response; false: no memory. */
    bool (*fill)(struct request *request, const struct verdict *verdicts, int32_t count);
};

static uint32_t look(struct group_scatter_piece *piece, uint32_t index)
{
    const struct looking *all = container_of(piece->all, struct looking, all);
    struct verdict *verdict = &all->verdicts[index];
    const struct group *group = coordinator_find(piece->at->groups, verdict->group_id);
    int32_t partition_index;
    char *text;

    verdict->error_code = coordinator_check(piece->at->groups, verdict->group_id, &partition_index);
    if (verdict->error_code != KAFKA_NONE)
        return 1;
    verdict->error_code = KAFKA_GROUP_ID_NOT_FOUND;
    text = group == NULL || group->state == GROUP_DEAD
               ? arena_printf(&piece->arena, "Group %.*s not found.", verdict->group_id.size_bytes,
                              verdict->group_id.text)
               : arena_printf(&piece->arena, "Group %.*s is not a %s group.",
                              verdict->group_id.size_bytes, verdict->group_id.text, all->kind);
    verdict->message = wire_string(text);
    return 1;
}

static void all_looked_at(struct group_scatter *scattered)
{
    struct looking *all = container_of(scattered, struct looking, all);
    struct request *request = scattered->request;

    if (all->fill(request, all->verdicts, all->count))
        request_answer(request);
    else
        request_refuse_memory(request);
}

/* count groups, whose ids are told by id_at. */
static void look_at_all(struct request *request, const char *kind, int32_t count,
                        struct wire_string (*id_at)(const void *body, int32_t index),
                        bool (*fill)(struct request *request, const struct verdict *verdicts,
                                     int32_t count))
{
    struct looking *all = request_try_alloc(request, 1, sizeof(*all));
    struct verdict *verdicts =
        request_try_alloc(request, count < 0 ? 0 : (size_t)count, sizeof(*verdicts));

    if (all == NULL || verdicts == NULL) {
        request_refuse_memory(request);
        return;
    }
    all->kind = kind;
    all->verdicts = verdicts;
    all->count = count < 0 ? 0 : count;
    all->fill = fill;
    if (!group_scatter_begin(&all->all, request, all->count, look, all_looked_at)) {
        request_refuse_memory(request);
        return;
    }
    for (int32_t i = 0; i < all->count; i++) {
        struct verdict *verdict = &verdicts[i];
        verdict->group_id = id_at(request->body, i);
        verdict->error_code = group_may(request, verdict->group_id, KAFKA_ACL_OPERATION_DESCRIBE);
        if (verdict->error_code == KAFKA_NONE)
            verdict->error_code = group_scatter_add(&all->all, (uint32_t)i, verdict->group_id);
    }
    group_scatter_end(&all->all);
}

/* ---- share groups */

static struct wire_string share_id(const void *body, int32_t index)
{
    return ((const struct share_group_describe_request *)body)->group_ids.items[index];
}

static bool fill_share(struct request *request, const struct verdict *verdicts, int32_t count)
{
    struct share_group_describe_response *response = request->response;

    response->groups.items =
        request_try_array(request, &share_group_describe_response_described_group_struct, count);
    if (response->groups.items == NULL)
        return false;
    response->groups.count = count;
    for (int32_t i = 0; i < count; i++) {
        response->groups.items[i].group_id = verdicts[i].group_id;
        response->groups.items[i].error_code = verdicts[i].error_code;
        response->groups.items[i].error_message = verdicts[i].message;
    }
    return true;
}

void handle_share_group_describe(struct request *request)
{
    const struct share_group_describe_request *body = request->body;

    look_at_all(request, "share", body->group_ids.count, share_id, fill_share);
}

static struct wire_string deleted_id(const void *body, int32_t index)
{
    return ((const struct delete_share_group_offsets_request *)body)->group_id;
}

static bool fill_deleted(struct request *request, const struct verdict *verdicts, int32_t count)
{
    struct delete_share_group_offsets_response *response = request->response;

    response->error_code = verdicts[0].error_code;
    response->error_message = verdicts[0].message;
    return true;
}

void handle_delete_share_group_offsets(struct request *request)
{
    look_at_all(request, "share", 1, deleted_id, fill_deleted);
}

/* It would make a share group. */
void handle_alter_share_group_offsets(struct request *request)
{
    request_answer_error(request, KAFKA_UNSUPPORTED_VERSION, NULL);
}

/* ---- streams groups */

static struct wire_string streams_id(const void *body, int32_t index)
{
    return ((const struct streams_group_describe_request *)body)->group_ids.items[index];
}

static bool fill_streams(struct request *request, const struct verdict *verdicts, int32_t count)
{
    struct streams_group_describe_response *response = request->response;

    response->groups.items =
        request_try_array(request, &streams_group_describe_response_described_group_struct, count);
    if (response->groups.items == NULL)
        return false;
    response->groups.count = count;
    for (int32_t i = 0; i < count; i++) {
        response->groups.items[i].group_id = verdicts[i].group_id;
        response->groups.items[i].error_code = verdicts[i].error_code;
        response->groups.items[i].error_message = verdicts[i].message;
    }
    return true;
}

void handle_streams_group_describe(struct request *request)
{
    const struct streams_group_describe_request *body = request->body;

    look_at_all(request, "streams", body->group_ids.count, streams_id, fill_streams);
}
