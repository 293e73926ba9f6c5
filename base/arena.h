/* arena: memory that dies together, in practice with one request.
 *
 * Owned by one loop at a time.  Grows in blocks up to a limit set at init, and, where it has one,
 * within a budget, which may belong to another loop and of which a large arena leaves an eighth to
 * small ones; reset keeps a first block of the usual size.
 * Nothing is freed singly. */
#ifndef LEVEE_BASE_ARENA_H
#define LEVEE_BASE_ARENA_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena_block;
struct budget;
struct buffer_pool;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* in the newest block */
    size_t total_bytes;         /* of all blocks */
    size_t max_bytes;           /* total_bytes never passes it */
    size_t allocs_left;         /* then none succeeds; SIZE_MAX: no limit.  For tests */
    struct budget *budget;      /* counts the blocks, or NULL */
    struct buffer_pool *pool;   /* blocks that are whole pages come from there; NULL: none does */
};

/* No memory is taken before the first alloc.  max_bytes: the limit of all blocks together. */
void arena_init(struct arena *arena, size_t max_bytes);

/* Frees all; a zeroed arena is accepted. */
void arena_deinit(struct arena *arena);

/* Forgets everything that was handed out and keeps one block for the next use. */
void arena_reset(struct arena *arena);

/* Its blocks count there from now on, those that it has past the limit if need be; NULL: they do
 * not count.  What counted elsewhere goes back there. */
void arena_set_budget(struct arena *arena, struct budget *budget);

/* Blocks come from pool from now on, of whatever loop; it must outlive them.  By an arena that has
 * no blocks. */
void arena_set_pool(struct arena *arena, struct buffer_pool *pool);

/* What its blocks cost. */
uint64_t arena_cost_bytes(const struct arena *arena);

/* size_bytes, zeroed, aligned to 16.  NULL when the limit or the budget would be passed, or the
 * process has no more. */
must_use void *arena_alloc(struct arena *arena, size_t size_bytes);

/* count * size_bytes, zeroed, checked against overflow.  NULL when the limit would be passed. */
must_use void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes);

/* A copy of size_bytes with a NUL behind it.  NULL when the limit would be passed. */
must_use char *arena_strndup(struct arena *arena, const char *text, size_t size_bytes);

/* As snprintf into fresh memory.  NULL when the limit would be passed. */
must_use char *arena_printf(struct arena *arena, const char *format, ...) printf_like(2, 3);

#endif
