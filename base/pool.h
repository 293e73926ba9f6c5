/* pool: a fixed number of equal objects, taken and given back.
 *
 * All memory is taken at init.  Owned by one loop. */
#ifndef LEVEE_BASE_POOL_H
#define LEVEE_BASE_POOL_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct pool {
    uint8_t *objects;
    uint32_t *next;      /* per object: the next free one, or a mark that it is taken */
    size_t object_bytes; /* rounded up to 16 */
    uint32_t count;
    uint32_t free_count;
    uint32_t first_free;
};

/* count objects of at least object_bytes, aligned to 16.  ERR_NOMEM. */
must_use enum err pool_init(struct pool *pool, uint32_t count, size_t object_bytes);

/* All objects must be back.  A zeroed pool is accepted. */
void pool_deinit(struct pool *pool);

/* NULL when all are taken.  Zeroed at its first use, later with the content that was given back. */
must_use void *pool_take(struct pool *pool);

/* object came from pool_take and was not given back since: both are checked. */
void pool_give(struct pool *pool, void *object);

#endif
