#include "broker/coordinator/group_scatter.h"

#include "base/check.h"
#include "broker/coordinator/group_route.h"

enum {
    PIECE_BYTES_MAX = 64 << 20,
    SLICE_COST_MAX = 2000, /* then others have their turn */
};

static void release(void *context)
{
    struct group_scatter *all = context;

    for (uint32_t i = 0; i < all->request->home->shards->count; i++)
        arena_deinit(&all->pieces[i].arena);
    hash_map_deinit(&all->seen);
}

bool group_scatter_begin(struct group_scatter *all, struct request *request, int32_t count,
                         uint32_t (*ask)(struct group_scatter_piece *piece, uint32_t index),
                         void (*gathered)(struct group_scatter *all))
{
    const struct shards *shards = request->home->shards;

    all->request = request;
    all->ask = ask;
    all->gathered = gathered;
    all->pieces = request_try_alloc(request, shards->count, sizeof(*all->pieces));
    all->next = request_try_alloc(request, count < 0 ? 0 : (size_t)count, sizeof(*all->next));
    if (all->pieces == NULL || all->next == NULL)
        return false;
    hash_map_init(&all->seen, prng_u64(&request->home->prng));
    for (uint32_t i = 0; i < shards->count; i++) {
        all->pieces[i].all = all;
        all->pieces[i].at = shards->at[i];
        arena_init(&all->pieces[i].arena, PIECE_BYTES_MAX);
        all->pieces[i].arena.allocs_left = request->arena.allocs_left;
        arena_set_budget(&all->pieces[i].arena,
                         memory_budget(&request->home->memory, MEMORY_DECODED));
    }
    request_on_release(request, release, all);
    return true;
}

int16_t group_scatter_add(struct group_scatter *all, uint32_t index, struct wire_string group_id)
{
    struct group_scatter_piece *piece = &all->pieces[group_shard(all->request, group_id)->index];
    enum err err = hash_map_insert(&all->seen, group_id.text, (size_t)group_id.size_bytes, all);

    if (err != OK) /* GSC-1 */
        return err == ERR_EXISTS ? KAFKA_INVALID_REQUEST : KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    if (piece->last == 0)
        piece->first = index + 1;
    else
        all->next[piece->last - 1] = index + 1;
    piece->last = index + 1;
    return KAFKA_NONE;
}

static void walk(struct group_scatter_piece *piece)
{
    uint32_t cost = 0;

    while (piece->first != 0 && cost < SLICE_COST_MAX) {
        uint32_t index = piece->first - 1;
        piece->first = piece->all->next[index];
        cost += piece->all->ask(piece, index);
    }
    if (piece->first == 0)
        scatter_finish(&piece->piece);
    else
        loop_defer(&piece->at->loop, &piece->more);
}

static void on_more(struct task *task)
{
    walk(container_of(task, struct group_scatter_piece, more));
}

static void run(struct scatter_piece *scattered, struct shard *at)
{
    struct group_scatter_piece *piece = container_of(scattered, struct group_scatter_piece, piece);

    piece->more.run = on_more;
    walk(piece);
}

static void gathered(struct scatter *scatter)
{
    struct group_scatter *all = container_of(scatter, struct group_scatter, scatter);

    all->gathered(all);
}

void group_scatter_end(struct group_scatter *all)
{
    const struct shards *shards = all->request->home->shards;

    hash_map_deinit(&all->seen);
    hash_map_init(&all->seen, 0);
    scatter_begin(&all->scatter, all->request->home, gathered);
    for (uint32_t i = 0; i < shards->count; i++)
        if (all->pieces[i].first != 0)
            scatter_start(&all->scatter, &all->pieces[i].piece, shards->at[i], run);
    scatter_end(&all->scatter);
}

int16_t group_scatter_refusal(const struct group_scatter_piece *piece)
{
    return piece->arena.total_bytes < PIECE_BYTES_MAX / 2 ? KAFKA_COORDINATOR_LOAD_IN_PROGRESS
                                                          : KAFKA_UNKNOWN_SERVER_ERROR;
}
