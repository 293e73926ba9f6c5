#include "base/arena.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ARENA_BLOCK_BYTES_MIN = 4096 - 64, ARENA_ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size_bytes;
    _Alignas(ARENA_ALIGN) uint8_t bytes[];
};

void arena_init(struct arena *arena, size_t max_bytes)
{
    *arena = (struct arena){.max_bytes = max_bytes};
}

static void free_after(struct arena *arena, struct arena_block *last_kept)
{
    struct arena_block *block = last_kept != NULL ? last_kept->next : arena->blocks;

    while (block != NULL) {
        struct arena_block *next = block->next;
        arena->total_bytes -= block->size_bytes;
        mem_free(block);
        block = next;
    }
    if (last_kept != NULL)
        last_kept->next = NULL;
    else
        arena->blocks = NULL;
}

void arena_deinit(struct arena *arena)
{
    free_after(arena, NULL);
    arena->used_bytes = 0;
}

void arena_reset(struct arena *arena)
{
    if (arena->blocks != NULL) {
        /* the oldest block is the smallest: keep that one, so that one large request does not
         * leave its size behind */
        struct arena_block *oldest = arena->blocks;
        while (oldest->next != NULL)
            oldest = oldest->next;
        while (arena->blocks != oldest) {
            struct arena_block *next = arena->blocks->next;
            arena->total_bytes -= arena->blocks->size_bytes;
            mem_free(arena->blocks);
            arena->blocks = next;
        }
        memset(oldest->bytes, 0, oldest->size_bytes);
    }
    arena->used_bytes = 0;
}

static bool add_block(struct arena *arena, size_t need_bytes)
{
    size_t size_bytes = arena->blocks == NULL ? ARENA_BLOCK_BYTES_MIN : arena->total_bytes;
    struct arena_block *block;

    if (size_bytes < need_bytes)
        size_bytes = need_bytes;
    if (arena->total_bytes + size_bytes > arena->max_bytes)
        size_bytes = need_bytes;
    if (arena->total_bytes + size_bytes > arena->max_bytes)
        return false;
    block = mem_try_alloc(sizeof(*block) + size_bytes);
    if (block == NULL)
        return false;
    block->size_bytes = size_bytes;
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

    if (size_bytes > SIZE_MAX / 2)
        return NULL;
    rounded = (size_bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    if (arena->blocks == NULL || arena->blocks->size_bytes - arena->used_bytes < rounded) {
        if (rounded > arena->max_bytes || !add_block(arena, rounded))
            return NULL;
    }
    memory = arena->blocks->bytes + arena->used_bytes;
    arena->used_bytes += rounded;
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
