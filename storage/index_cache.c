/* The indexes of closed segments that are in memory: bounded, the longest unused go first.
 *
 * Those of active segments, of segments that are being read and those that are not saved stay
 * outside of the bound. */
#include "base/check.h"
#include "base/sometimes.h"
#include "storage/log/log_private.h"

static uint64_t cost_of(const struct segment *segment)
{
    return offset_index_size_bytes(&segment->index) + time_index_size_bytes(&segment->times);
}

void index_cache_forget(struct segment *segment)
{
    if (!list_is_linked(&segment->index_lru))
        return;
    list_remove(&segment->index_lru);
    segment->log->store->index_bytes -= segment->index_cost_bytes;
}

void index_cache_unload(struct segment *segment)
{
    check(!segment->indexes_dirty);
    index_cache_forget(segment);
    offset_index_clear(&segment->index);
    time_index_clear(&segment->times);
    segment->indexes_loaded = false;
}

static void keep_bounded(struct store *store, const struct segment *used)
{
    list_for_each_safe(node, &store->index_lru)
    {
        struct segment *segment = container_of(node, struct segment, index_lru);
        if (store->index_bytes <= store->options.index_cache_max_bytes &&
            !BUGGIFY("index cache: an index goes early"))
            return;
        if (segment != used && segment != log_active(segment->log) && segment->io_count == 0 &&
            !segment->indexes_dirty)
            index_cache_unload(segment);
    }
}

void index_cache_use(struct segment *segment)
{
    struct store *store = segment->log->store;

    if (!segment->indexes_loaded || segment->indexes_dirty || segment == log_active(segment->log))
        return;
    index_cache_forget(segment);
    segment->index_cost_bytes = cost_of(segment);
    store->index_bytes += segment->index_cost_bytes;
    list_push_back(&store->index_lru, &segment->index_lru);
    keep_bounded(store, segment);
}
