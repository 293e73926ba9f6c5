/* DeleteGroups (key 42; KIP-229). */
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_removal.h"
#include "broker/coordinator/group_route.h"
#include "broker/handlers.h"
#include "broker/scatter.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_delete_groups.h"

struct delete_piece {
    struct scatter_piece piece;
    struct delete_groups_response_deletable_group_result *answer;
    struct group_removal *removal; /* NULL: not begun, or done */
};

struct deleting {
    struct scatter scatter;
    struct request *request;
};

static void on_deleted(void *context, int16_t error_code)
{
    struct delete_piece *piece = context;

    piece->removal = NULL;
    piece->answer->error_code = error_code;
    scatter_finish(&piece->piece);
}

static void delete_one(struct scatter_piece *scattered, struct shard *at)
{
    struct delete_piece *piece = container_of(scattered, struct delete_piece, piece);
    struct group *group = coordinator_find(at->groups, piece->answer->group_id);
    int32_t index;
    int16_t error_code = coordinator_check(at->groups, piece->answer->group_id, &index);

    if (error_code == KAFKA_NONE && (group == NULL || group->state == GROUP_DEAD))
        error_code = KAFKA_GROUP_ID_NOT_FOUND;
    if (error_code == KAFKA_NONE && group->state != GROUP_EMPTY)
        error_code = KAFKA_NON_EMPTY_GROUP;
    if (error_code == KAFKA_NONE)
        error_code = coordinator_begin_error(group_removal_begin(group, &piece->removal));
    if (error_code != KAFKA_NONE)
        on_deleted(piece, error_code);
    else
        group_removal_start_all(piece->removal, on_deleted, piece);
}

/* Nobody takes the answer, or the broker waits no longer: the removal goes on without us. */
static void cancel_one(struct scatter_piece *scattered, int why)
{
    struct delete_piece *piece = container_of(scattered, struct delete_piece, piece);

    if (why == REQUEST_STOPPING)
        return;
    group_removal_forget(piece->removal);
    on_deleted(piece, KAFKA_COORDINATOR_NOT_AVAILABLE);
}

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct deleting *all = request->cancel_context;

    scatter_cancel(&all->scatter, (int)why);
}

static void all_answered(struct scatter *scatter)
{
    request_answer(container_of(scatter, struct deleting, scatter)->request);
}

void handle_delete_groups(struct request *request)
{
    const struct delete_groups_request *body = request->body;
    struct delete_groups_response *response = request->response;
    int32_t count = body->groups_names.count;
    struct deleting *all = request_try_alloc(request, 1, sizeof(*all));
    struct delete_piece *pieces =
        request_try_alloc(request, count < 0 ? 0 : (size_t)count, sizeof(*pieces));

    response->results.items =
        request_try_array(request, &delete_groups_response_deletable_group_result_struct, count);
    if (all == NULL || pieces == NULL || response->results.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    all->request = request;
    response->results.count = count;
    scatter_begin(&all->scatter, request->home, all_answered);
    for (int32_t i = 0; i < count; i++) {
        struct delete_piece *piece = &pieces[i];
        struct wire_string name = body->groups_names.items[i];
        piece->answer = &response->results.items[i];
        piece->answer->group_id = name;
        piece->piece.cancel = cancel_one;
        piece->answer->error_code = group_may(request, name, KAFKA_ACL_OPERATION_DELETE);
        if (piece->answer->error_code == KAFKA_NONE)
            scatter_start(&all->scatter, &piece->piece, group_shard(request, name), delete_one);
    }
    request_on_cancel(request, on_cancel, all);
    scatter_end(&all->scatter);
}
