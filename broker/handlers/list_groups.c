/* ListGroups (key 16; KIP-518, 848): every shard tells its own. */
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/handlers.h"
#include "broker/scatter.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_list_groups.h"

#include <string.h>

struct list_piece {
    struct scatter_piece piece;
    const struct list_groups_request *body;
    struct arena arena;
    struct list_groups_response_listed_group *items;
    int32_t count;
    bool lacks_memory;
};

struct listing {
    struct scatter scatter;
    struct request *request;
    struct list_piece *pieces;
    uint32_t count;
};

static bool is_wanted(const struct list_groups_request *body, const struct group *group)
{
    bool state_fits = body->states_filter.count <= 0;
    bool type_fits = body->types_filter.count <= 0;

    for (int32_t i = 0; i < body->states_filter.count; i++) {
        struct wire_string asked = body->states_filter.items[i];
        const char *name = group_state_name(group->state);
        state_fits = state_fits || ((size_t)asked.size_bytes == strlen(name) &&
                                    strncasecmp(asked.text, name, strlen(name)) == 0);
    }
    for (int32_t i = 0; i < body->types_filter.count; i++) {
        struct wire_string asked = body->types_filter.items[i];
        type_fits =
            type_fits || (asked.size_bytes == 7 && strncasecmp(asked.text, "classic", 7) == 0);
    }
    return state_fits && type_fits;
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

    piece->items = codec_new_array(&list_groups_response_listed_group_struct, &piece->arena,
                                   hash_map_count(&groups->groups));
    while (piece->items != NULL && (group = hash_map_next(&groups->groups, &cursor)) != NULL) {
        struct list_groups_response_listed_group *out = &piece->items[piece->count];
        if (group->state == GROUP_DEAD || !is_wanted(piece->body, group))
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
    int32_t total = 0;

    for (uint32_t i = 0; i < all->count; i++) {
        total += all->pieces[i].count;
        lacks_memory |= all->pieces[i].lacks_memory;
    }
    response->groups.items =
        request_try_array(all->request, &list_groups_response_listed_group_struct, total);
    if (response->groups.items == NULL || lacks_memory) {
        request_refuse_memory(all->request);
        return;
    }
    for (uint32_t i = 0; i < all->count; i++)
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

    if (all == NULL || pieces == NULL) {
        request_refuse_memory(request);
        return;
    }
    all->request = request;
    all->count = shards->count;
    all->pieces = pieces;
    for (uint32_t i = 0; i < shards->count; i++) {
        all->pieces[i].body = request->body;
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
