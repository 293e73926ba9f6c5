#include "base/pool.h"

#include "base/check.h"
#include "base/mem.h"

enum {
    POOL_ALIGN = 16,
};
#define POOL_END UINT32_MAX
#define POOL_TAKEN (UINT32_MAX - 1)

enum err pool_init(struct pool *pool, uint32_t count, size_t object_bytes)
{
    uint8_t *objects;
    uint32_t *next;
    size_t total_bytes;

    check(count < POOL_TAKEN);
    check(object_bytes > 0);
    if (__builtin_add_overflow(object_bytes, POOL_ALIGN - 1, &object_bytes))
        return ERR_NOMEM;
    object_bytes &= ~(size_t)(POOL_ALIGN - 1);
    if (__builtin_mul_overflow(count, object_bytes, &total_bytes))
        return ERR_NOMEM;
    objects = mem_try_alloc(total_bytes);
    if (objects == NULL)
        return ERR_NOMEM;
    next = mem_try_alloc(count * sizeof(*next));
    if (next == NULL) {
        mem_free(objects);
        return ERR_NOMEM;
    }
    for (uint32_t i = 0; i < count; i++)
        next[i] = i + 1 < count ? i + 1 : POOL_END;
    *pool = (struct pool){
        .objects = objects,
        .next = next,
        .object_bytes = object_bytes,
        .count = count,
        .free_count = count,
        .first_free = count > 0 ? 0 : POOL_END,
    };
    return OK;
}

void pool_deinit(struct pool *pool)
{
    check(pool->free_count == pool->count);
    mem_free(pool->objects);
    mem_free(pool->next);
    *pool = (struct pool){0};
}

void *pool_take(struct pool *pool)
{
    uint32_t index = pool->first_free;

    if (pool->free_count == 0)
        return NULL;
    pool->first_free = pool->next[index];
    pool->next[index] = POOL_TAKEN;
    pool->free_count--;
    return pool->objects + index * pool->object_bytes;
}

void pool_give(struct pool *pool, void *object)
{
    size_t pos = (size_t)((uintptr_t)object - (uintptr_t)pool->objects);
    size_t index = pos / pool->object_bytes;

    check(index < pool->count);
    check(pos % pool->object_bytes == 0);
    check(pool->next[index] == POOL_TAKEN);
    pool->next[index] = pool->first_free;
    pool->first_free = (uint32_t)index;
    pool->free_count++;
}
