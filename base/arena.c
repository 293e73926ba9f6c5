#include "base/arena.h"

#include "base/budget.h"
#include "base/buffer_pool.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BLOCK_BYTES_MIN = 4096 - 64, ARENA_ALIGN = 16, ARENA_LARGE_BYTES = 64 << 10 };

struct arena_block {
    struct arena_block *next;
    size_t size_bytes;
    _Alignas(ARENA_ALIGN) uint8_t bytes[];
};

void arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes, .allocs_left = SIZE_MAX};
}

static uint64_t cost_of(const struct arena_block *block)
{
    return sizeof(*block) + block->size_bytes;
}

static void free_block(struct arena *arena, struct arena_block *block)
{
    uint64_t cost_bytes = cost_of(block);

    arena->total_bytes -= block->size_bytes;
    buffer_give(arena->pool, block, cost_bytes);
    if (arena->budget != NULL)
        budget_give(arena->budget, cost_bytes); /* last: after it the pool may end */
}

static size_t first_bytes(const struct arena *arena)
{
    return arena->pool != NULL ? BUFFER_PAGE_BYTES - sizeof(struct arena_block)
                               : ARENA_BLOCK_BYTES_MIN;
}

void arena_deinit(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *next = arena->blocks->next;
        free_block(arena, arena->blocks);
        arena->blocks = next;
    }
    arena->used_bytes = 0;
}

void arena_reset(struct arena *arena)
{
    /* the oldest block is the smallest: keep that one, so that one large request does not leave its
     * size behind */
    while (arena->blocks != NULL && arena->blocks->next != NULL) {
        struct arena_block *next = arena->blocks->next;
        free_block(arena, arena->blocks);
        arena->blocks = next;
    }
    if (arena->blocks != NULL && arena->blocks->size_bytes > first_bytes(arena)) {
        free_block(arena, arena->blocks);
        arena->blocks = NULL;
    }
    arena->used_bytes = 0;
}

void arena_set_pool(struct arena *arena, struct buffer_pool *pool)
{
    check(arena->blocks == NULL);
    arena->pool = pool;
}

uint64_t arena_cost_bytes(const struct arena *arena)
{
    uint64_t cost_bytes = 0;

    for (const struct arena_block *block = arena->blocks; block != NULL; block = block->next)
        cost_bytes += cost_of(block);
    return cost_bytes;
}

void arena_set_budget(struct arena *arena, struct budget *budget)
{
    uint64_t cost_bytes = arena_cost_bytes(arena);

    if (budget != NULL && cost_bytes > 0)
        budget_force(budget, cost_bytes);
    if (arena->budget != NULL && cost_bytes > 0)
        budget_give(arena->budget, cost_bytes);
    arena->budget = budget;
}

static uint64_t bytes_to_leave(const struct arena *arena, size_t size_bytes)
{
    bool is_large = arena->total_bytes + size_bytes > ARENA_LARGE_BYTES;

    return is_large ? arena->budget->max_bytes / 8 : 0;
}

static bool has_room(const struct arena *arena, size_t size_bytes)
{
    return arena->budget == NULL ||
           budget_room_bytes(arena->budget) >=
               bytes_to_leave(arena, size_bytes) + size_bytes + sizeof(struct arena_block);
}

static struct arena_block *alloc_block(const struct arena *arena, uint64_t cost_bytes)
{
    return arena->pool != NULL && cost_bytes % BUFFER_PAGE_BYTES == 0
               ? buffer_take(arena->pool, cost_bytes)
               : mem_try_alloc_aligned(ARENA_ALIGN, cost_bytes);
}

/* A block that the budget counts. */
static struct arena_block *new_block(struct arena *arena, size_t size_bytes)
{
    uint64_t cost_bytes = sizeof(struct arena_block) + size_bytes;
    struct arena_block *block;

    if (arena->budget != NULL &&
        !budget_take_more(arena->budget, cost_bytes, bytes_to_leave(arena, size_bytes)))
        return NULL;
    block = alloc_block(arena, cost_bytes);
    if (block != NULL)
        block->size_bytes = size_bytes;
    else if (arena->budget != NULL)
        budget_give(arena->budget, cost_bytes);
    return block;
}

static bool add_block(struct arena *arena, size_t need_bytes)
{
    size_t size_bytes = arena->blocks == NULL ? first_bytes(arena) : arena->total_bytes;
    struct arena_block *block;

    if (size_bytes < need_bytes)
        size_bytes = need_bytes;
    if (arena->pool != NULL)
        size_bytes = buffer_cost_bytes(sizeof(*block) + size_bytes) - sizeof(*block);
    if (arena->total_bytes + size_bytes > arena->max_bytes || !has_room(arena, size_bytes))
        size_bytes = need_bytes;
    if (arena->total_bytes + size_bytes > arena->max_bytes)
        return false;
    block = new_block(arena, size_bytes);
    if (block == NULL)
        return false;
    block->next = arena->blocks;
    arena->blocks = block;
    arena->total_bytes += size_bytes;
    arena->used_bytes = 0;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    size_t rounded;
    void *memory;

    if (size_bytes > SIZE_MAX / 2 || arena->allocs_left == 0)
        return NULL;
    if (arena->allocs_left != SIZE_MAX)
        arena->allocs_left--;
    rounded = (size_bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (arena->blocks == NULL || arena->blocks->size_bytes - arena->used_bytes < rounded) {
        if (rounded > arena->max_bytes || !add_block(arena, rounded))
            return NULL;
    }
    memory = arena->blocks->bytes + arena->used_bytes;
    arena->used_bytes += rounded;
    memset(memory, 0, rounded); /* of what was used before: a block may be larger than the need */
    return memory;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes)
{
    size_t total;

    if (__builtin_mul_overflow(count, size_bytes, &total))
        return NULL;
    return arena_alloc(arena, total);
}

char *arena_strndup(struct arena *arena, const char *text, size_t size_bytes)
{
    char *copy = arena_alloc(arena, size_bytes + 1);

    if (copy != NULL)
        memcpy(copy, text, size_bytes);
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_list again;
    int size;
    char *text;

    va_start(args, format);
    va_copy(again, args);
    size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    check(size >= 0);
    text = arena_alloc(arena, (size_t)size + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}
