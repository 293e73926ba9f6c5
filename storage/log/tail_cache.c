#include "storage/log/tail_cache.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"

enum {
    SPARES_MAX = 4096,
    SLACK_BYTES = 64 << 20, /* at most, of group buffers beyond the payload in them */
};

void tail_cache_init(struct tail_cache *cache, const struct slab *groups, uint64_t max_bytes,
                     void (*dropped)(void *context), void *context)
{
    *cache = (struct tail_cache){
        .max_bytes = max_bytes, .groups = groups, .dropped = dropped, .context = context};
    list_init(&cache->unwritten);
    list_init(&cache->evictable);
    list_init(&cache->spares);
}

void tail_cache_deinit(struct tail_cache *cache)
{
    struct list *node;

    check(list_is_empty(&cache->unwritten) && list_is_empty(&cache->evictable)); /* TLC-1 */
    while ((node = list_pop_front(&cache->spares)) != NULL)
        mem_free(container_of(node, struct tail_entry, log_node));
    cache->spare_count = 0;
}

/* ---- entries that were used before */

static void spare(struct tail_cache *cache, struct tail_entry *entry)
{
    if (cache->spare_count == SPARES_MAX) {
        mem_free(entry);
        return;
    }
    cache->spare_count++;
    list_push_front(&cache->spares, &entry->log_node);
}

bool tail_cache_reserve(struct tail_cache *cache)
{
    struct tail_entry *entry;

    if (!list_is_empty(&cache->spares))
        return true;
    entry = mem_try_alloc(sizeof(*entry));
    if (entry != NULL)
        spare(cache, entry);
    return entry != NULL;
}

struct tail_entry *tail_cache_take(struct tail_cache *cache)
{
    struct list *node = list_pop_front(&cache->spares);

    check(node != NULL); /* tail_cache_reserve */
    cache->spare_count--;
    return container_of(node, struct tail_entry, log_node);
}

/* ---- what is true between two changes */

#ifndef LEVEE_RELEASE

enum { CHECKED_MAX = 128 }; /* a longer list is not walked through */

/* False: it is too long. */
static bool sum_of(const struct list *list, bool written, uint64_t *bytes_out)
{
    uint32_t count = 0;

    *bytes_out = 0;
    list_for_each(node, list)
    {
        const struct tail_entry *entry = container_of(node, struct tail_entry, cache_node);
        if (++count > CHECKED_MAX)
            return false;
        check(entry->written == written); /* TLC-1 */
        *bytes_out += entry->size_bytes;
    }
    return true;
}

void tail_cache_check_invariants(const struct tail_cache *cache)
{
    uint64_t unwritten_bytes;
    uint64_t evictable_bytes;

    check(cache->dirty_bytes <= cache->bytes);
    if (!sum_of(&cache->unwritten, false, &unwritten_bytes))
        return;
    check(unwritten_bytes == cache->dirty_bytes);
    if (sum_of(&cache->evictable, true, &evictable_bytes))
        check(unwritten_bytes + evictable_bytes == cache->bytes);
}

#endif

/* ---- the life of an entry */

void tail_cache_add(struct tail_cache *cache, struct tail_entry *entry)
{
    list_push_back(&cache->unwritten, &entry->cache_node);
    cache->bytes += entry->size_bytes;
    cache->dirty_bytes += entry->size_bytes;
    tail_cache_check_invariants(cache);
}

void tail_cache_written(struct tail_cache *cache, struct tail_entry *entry)
{
    entry->written = true;
    list_remove(&entry->cache_node);
    list_push_back(&cache->evictable, &entry->cache_node);
    cache->dirty_bytes -= entry->size_bytes;
    tail_cache_check_invariants(cache);
}

void tail_cache_give(struct tail_cache *cache, struct tail_entry *entry)
{
    bool was_written = entry->written;

    if (!was_written)
        cache->dirty_bytes -= entry->size_bytes;
    cache->bytes -= entry->size_bytes;
    list_remove(&entry->cache_node);
    buf_unref(entry->buf);
    spare(cache, entry);
    tail_cache_check_invariants(cache);
    if (!was_written)
        cache->dropped(cache->context);
}

/* ---- how much there is */

bool tail_cache_is_full(const struct tail_cache *cache)
{
    return cache->dirty_bytes >= cache->max_bytes;
}

bool tail_cache_is_crowded(const struct tail_cache *cache)
{
    return cache->dirty_bytes > cache->max_bytes / 4 * 3;
}

/* Small batches stand in groups of their own, a block each: their buffers count, too. */
static bool is_over_budget(const struct tail_cache *cache)
{
    uint64_t groups_max_bytes = cache->groups->budget.max_bytes;
    uint64_t slack_bytes =
        groups_max_bytes > cache->max_bytes ? (groups_max_bytes - cache->max_bytes) / 2 : 0;

    if (slack_bytes > SLACK_BYTES)
        slack_bytes = SLACK_BYTES;
    return cache->bytes > cache->max_bytes ||
           slab_used_bytes(cache->groups) > cache->max_bytes + slack_bytes;
}

struct tail_entry *tail_cache_surplus(const struct tail_cache *cache)
{
    struct tail_entry *entry;

    if (list_is_empty(&cache->evictable) ||
        (!is_over_budget(cache) && !BUGGIFY("tail cache: a batch goes early")))
        return NULL;
    entry = list_first(&cache->evictable, struct tail_entry, cache_node);
    check(entry->written); /* TLC-2 */
    return entry;
}
