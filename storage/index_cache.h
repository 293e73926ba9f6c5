/* index_cache: which indexes of closed segments are in memory: bounded, the longest unused go
 * first.
 *
 * Owned by a store; lives on its loop.  It knows what they cost and how long they were not used;
 * they themselves are their segments'.  Those of active segments and those that are not saved are
 * not handed in, and stay outside of the bound, as those do that are being used. */
#ifndef LEVEE_STORAGE_INDEX_CACHE_H
#define LEVEE_STORAGE_INDEX_CACHE_H

#include "base/list.h"

#include <stdbool.h>
#include <stdint.h>

/* Embedded in what has the indexes; zeroed. */
struct cached_indexes {
    struct list node; /* index_cache.unused; off it: not counted */
    uint64_t cost_bytes;
};

struct index_cache {
    struct list unused; /* of cached_indexes, longest unused first */
    uint64_t bytes;
    uint64_t max_bytes;
    /* They are to go from memory; index_cache_forget is a part of that.  Nothing: they are in use.
     */
    void (*unload)(struct cached_indexes *indexes);
};

void index_cache_init(struct index_cache *cache, uint64_t max_bytes,
                      void (*unload)(struct cached_indexes *indexes));

/* They were loaded, saved or looked at, and take cost_bytes; others may be unloaded for them. */
void index_cache_use(struct index_cache *cache, struct cached_indexes *indexes,
                     uint64_t cost_bytes);

/* They do not count any more; also of some that never did. */
void index_cache_forget(struct index_cache *cache, struct cached_indexes *indexes);

#endif
