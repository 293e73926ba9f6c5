/* arena: memory that dies together, in practice with one request.
 *
 * Owned by one loop at a time.  Grows in blocks up to a limit set at init; reset keeps the first
 * block.  Nothing is freed singly. */
#ifndef LEVEE_BASE_ARENA_H
#define LEVEE_BASE_ARENA_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    size_t used_bytes;          /* in the newest block */
    size_t total_bytes;         /* of all blocks */
    size_t max_bytes;           /* total_bytes never passes it */
};

/* No memory is taken before the first alloc.  max_bytes: the limit of all blocks together. */
void arena_init(struct arena *arena, size_t max_bytes);

/* Frees all; a zeroed arena is accepted. */
void arena_deinit(struct arena *arena);

/* Forgets everything that was handed out and keeps one block for the next use. */
void arena_reset(struct arena *arena);

/* size_bytes, zeroed, aligned to 16.  NULL when the limit would be passed. */
must_use void *arena_alloc(struct arena *arena, size_t size_bytes);

/* count * size_bytes, zeroed, checked against overflow.  NULL when the limit would be passed. */
must_use void *arena_alloc_array(struct arena *arena, size_t count, size_t size_bytes);

/* A copy of size_bytes with a NUL behind it.  NULL when the limit would be passed. */
must_use char *arena_strndup(struct arena *arena, const char *text, size_t size_bytes);

/* As snprintf into fresh memory.  NULL when the limit would be passed. */
must_use char *arena_printf(struct arena *arena, const char *format, ...) printf_like(2, 3);

#endif
