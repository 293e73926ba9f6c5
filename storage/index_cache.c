#include "storage/index_cache.h"

#include "base/sometimes.h"

void index_cache_init(struct index_cache *cache, uint64_t max_bytes,
                      void (*unload)(struct cached_indexes *indexes))
{
    *cache = (struct index_cache){.max_bytes = max_bytes, .unload = unload};
    list_init(&cache->unused);
}

void index_cache_forget(struct index_cache *cache, struct cached_indexes *indexes)
{
    if (!list_is_linked(&indexes->node))
        return;
    list_remove(&indexes->node);
    cache->bytes -= indexes->cost_bytes;
}

void index_cache_use(struct index_cache *cache, struct cached_indexes *indexes, uint64_t cost_bytes)
{
    index_cache_forget(cache, indexes);
    indexes->cost_bytes = cost_bytes;
    cache->bytes += cost_bytes;
    list_push_back(&cache->unused, &indexes->node);
    list_for_each_safe(node, &cache->unused)
    {
        struct cached_indexes *longest = container_of(node, struct cached_indexes, node);
        if (cache->bytes <= cache->max_bytes && !BUGGIFY("index cache: an index goes early"))
            return;
        if (longest != indexes)
            cache->unload(longest);
    }
}
