/* ListGroups (key 16; KIP-518, 848): every shard tells its own; while one still reads some the
 * client is to ask again, as in Kafka. */
#include "base/text.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/scatter.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_list_groups.h"

#include <string.h>

/* What the request's filters let through, looked at once: a group is then a look at a bit, however
 * many filters there are. */
struct filter {
    uint32_t states; /* a bit for each enum group_state */
    bool types;      /* groups of our only type */
};

struct list_piece {
    struct scatter_piece piece;
    struct filter filter;
    struct arena arena;
    struct list_groups_response_listed_group *items;
    int32_t count;
    bool lacks_memory;
    bool is_loading;
};

struct listing {
    struct scatter scatter;
    struct request *request;
    struct list_piece *pieces;
    uint32_t count;
};

static struct filter filter_of(const struct list_groups_request *body)
{
    struct filter filter = {.states = body->states_filter.count <= 0 ? UINT32_MAX : 0,
                            .types = body->types_filter.count <= 0};

    for (int32_t i = 0; i < body->states_filter.count; i++) {
        struct wire_string asked = body->states_filter.items[i];
        for (enum group_state state = GROUP_EMPTY; state <= GROUP_DEAD; state++)
            if (text_equal_nocase(asked.text, (size_t)asked.size_bytes, group_state_name(state)))
                filter.states |= 1U << state;
    }
    for (int32_t i = 0; i < body->types_filter.count; i++) {
        struct wire_string asked = body->types_filter.items[i];
        filter.types |= text_equal_nocase(asked.text, (size_t)asked.size_bytes, "classic");
    }
    return filter;
}

static bool is_wanted(const struct filter *filter, const struct group *group)
{
    return group->state != GROUP_DEAD && filter->types &&
           (filter->states & 1U << group->state) != 0;
}

static struct wire_string keep(struct arena *arena, const char *text)
{
    return wire_string(
        arena_strndup(arena, text == NULL ? "" : text, text == NULL ? 0 : strlen(text)));
}

static void list_shard(struct scatter_piece *scattered, struct shard *at)
{
    struct list_piece *piece = container_of(scattered, struct list_piece, piece);
    struct group_coordinator *groups = at->groups;
    const struct group *group = NULL;
    size_t cursor = 0;

    piece->is_loading = runtime_is_loading(&groups->runtime);
    piece->items = codec_new_array(&list_groups_response_listed_group_struct, &piece->arena,
                                   hash_map_count(&groups->groups));
    while (piece->items != NULL && (group = hash_map_next(&groups->groups, &cursor)) != NULL) {
        struct list_groups_response_listed_group *out = &piece->items[piece->count];
        if (!is_wanted(&piece->filter, group))
            continue;
        out->group_id = keep(&piece->arena, group->id);
        out->protocol_type = keep(&piece->arena, group->protocol_type);
        out->group_state = wire_string(group_state_name(group->state));
        out->group_type = wire_string("classic");
        if (out->group_id.text == NULL || out->protocol_type.text == NULL)
            break;
        piece->count++;
    }
    piece->lacks_memory = piece->items == NULL || group != NULL;
    scatter_finish(scattered);
}

static void all_answered(struct scatter *scatter)
{
    struct listing *all = container_of(scatter, struct listing, scatter);
    struct list_groups_response *response = all->request->response;
    bool lacks_memory = false;
    bool is_loading = false;
    int32_t total = 0;

    for (uint32_t i = 0; i < all->count; i++) {
        total += all->pieces[i].count;
        lacks_memory |= all->pieces[i].lacks_memory;
        is_loading |= all->pieces[i].is_loading;
    }
    response->groups.items =
        request_try_array(all->request, &list_groups_response_listed_group_struct, total);
    if (response->groups.items == NULL || lacks_memory) {
        request_refuse_memory(all->request);
        return;
    }
    if (is_loading)
        response->error_code = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    for (uint32_t i = 0; i < all->count && !is_loading; i++)
        for (int32_t g = 0; g < all->pieces[i].count; g++)
            response->groups.items[response->groups.count++] = all->pieces[i].items[g];
    request_answer(all->request);
}

static void free_pieces(void *context)
{
    struct listing *all = context;

    for (uint32_t i = 0; i < all->count; i++)
        arena_deinit(&all->pieces[i].arena);
}

void handle_list_groups(struct request *request)
{
    const struct shards *shards = request->home->shards;
    struct listing *all = request_try_alloc(request, 1, sizeof(*all));
    struct list_piece *pieces = request_try_alloc(request, shards->count, sizeof(*pieces));
    struct filter filter;

    if (all == NULL || pieces == NULL) {
        request_refuse_memory(request);
        return;
    }
    all->request = request;
    all->count = shards->count;
    all->pieces = pieces;
    filter = filter_of(request->body);
    for (uint32_t i = 0; i < shards->count; i++) {
        all->pieces[i].filter = filter;
        arena_init(&all->pieces[i].arena, (size_t)1 << 30);
        all->pieces[i].arena.allocs_left = request->arena.allocs_left;
        arena_set_budget(&all->pieces[i].arena,
                         memory_budget(&request->home->memory, MEMORY_DECODED));
    }
    request_on_release(request, free_pieces, all);
    scatter_begin(&all->scatter, request->home, all_answered);
    for (uint32_t i = 0; i < shards->count; i++)
        scatter_start(&all->scatter, &all->pieces[i].piece, shards->at[i], list_shard);
    scatter_end(&all->scatter);
}
