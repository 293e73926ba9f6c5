#include "storage/log/log_tail.h"

#include "base/check.h"
#include "base/mem.h"

enum { RING_MIN = 8 };

/* ---- the ring */

static struct tail_entry *ring_at(const struct tail_ring *ring, uint32_t index)
{
    return ring->entries[(ring->first + index) & (ring->capacity - 1)];
}

static uint32_t larger_capacity(const struct tail_ring *ring)
{
    return ring->capacity == 0 ? RING_MIN : ring->capacity * 2;
}

/* Into memory of larger_capacity. */
static void ring_move(struct tail_ring *ring, struct tail_entry **entries)
{
    for (uint32_t i = 0; i < ring->count; i++)
        entries[i] = ring_at(ring, i);
    mem_free(ring->entries);
    *ring = (struct tail_ring){entries, 0, ring->count, larger_capacity(ring)};
}

static bool ring_reserve(struct tail_ring *ring)
{
    struct tail_entry **entries;

    if (ring->count < ring->capacity)
        return true;
    entries = mem_try_alloc(larger_capacity(ring) * sizeof(struct tail_entry *));
    if (entries != NULL)
        ring_move(ring, entries);
    return entries != NULL;
}

static void ring_push(struct tail_ring *ring, struct tail_entry *entry)
{
    check(ring->count < ring->capacity); /* log_tail_reserve */
    ring->entries[(ring->first + ring->count++) & (ring->capacity - 1)] = entry;
}

static void ring_remove(struct tail_ring *ring, const struct tail_entry *entry)
{
    if (ring_at(ring, 0) == entry)
        ring->first = (ring->first + 1) & (ring->capacity - 1);
    else
        check(ring_at(ring, ring->count - 1) == entry);
    if (--ring->count > 0)
        return;
    mem_free(ring->entries);
    *ring = (struct tail_ring){0};
}

/* ---- the tail */

void log_tail_init(struct log_tail *tail, struct tail_cache *cache)
{
    *tail = (struct log_tail){.cache = cache};
    list_init(&tail->entries);
}

void log_tail_deinit(struct log_tail *tail)
{
    mem_free(tail->ring.entries); /* of an append that came to nothing */
    tail->ring = (struct tail_ring){0};
}

bool log_tail_is_empty(const struct log_tail *tail)
{
    return list_is_empty(&tail->entries);
}

bool log_tail_reserve(struct log_tail *tail)
{
    return ring_reserve(&tail->ring) && tail_cache_reserve(tail->cache);
}

void log_tail_add(struct log_tail *tail, struct segment *segment, int64_t base_offset,
                  int64_t end_offset, uint64_t pos, const uint8_t *bytes, uint32_t size_bytes,
                  struct buf *buf, uint64_t sequence)
{
    struct tail_entry *entry = tail_cache_take(tail->cache);

    *entry = (struct tail_entry){.tail = tail,
                                 .segment = segment,
                                 .base_offset = base_offset,
                                 .end_offset = end_offset,
                                 .pos = pos,
                                 .size_bytes = size_bytes,
                                 .bytes = bytes,
                                 .buf = buf_ref(buf),
                                 .sequence = sequence};
    list_push_back(&tail->entries, &entry->log_node);
    ring_push(&tail->ring, entry);
    tail_cache_add(tail->cache, entry);
    if (sequence <= tail->cache->committed)
        tail->ready_bytes += size_bytes; /* LTL-2 */
    if (tail->first_unwritten == NULL)
        tail->first_unwritten = entry;
}

struct tail_entry *log_tail_first(const struct log_tail *tail)
{
    return list_is_empty(&tail->entries) ? NULL
                                         : list_first(&tail->entries, struct tail_entry, log_node);
}

struct tail_entry *log_tail_next(const struct tail_entry *entry)
{
    struct list *next = entry->log_node.next;

    return next == &entry->tail->entries ? NULL : container_of(next, struct tail_entry, log_node);
}

void log_tail_committed(struct tail_entry *entry)
{
    entry->tail->ready_bytes += entry->size_bytes; /* LTL-2 */
}

void log_tail_written(struct tail_entry *entry)
{
    struct log_tail *tail = entry->tail;

    check(tail->first_unwritten == entry); /* LTL-1 */
    tail_cache_written(tail->cache, entry);
    tail->ready_bytes -= entry->size_bytes;
    tail->first_unwritten = log_tail_next(entry);
}

void log_tail_remove(struct tail_entry *entry)
{
    struct log_tail *tail = entry->tail;

    if (!entry->written) {
        if (entry->sequence <= tail->cache->committed)
            tail->ready_bytes -= entry->size_bytes;
        if (tail->first_unwritten == entry)
            tail->first_unwritten = log_tail_next(entry);
    }
    list_remove(&entry->log_node);
    ring_remove(&tail->ring, entry);
    tail_cache_give(tail->cache, entry);
}

void log_tail_drop_all(struct log_tail *tail)
{
    while (!list_is_empty(&tail->entries))
        log_tail_remove(list_first(&tail->entries, struct tail_entry, log_node));
}

void log_tail_cut(struct log_tail *tail, int64_t offset)
{
    while (!list_is_empty(&tail->entries)) {
        struct tail_entry *last = container_of(tail->entries.prev, struct tail_entry, log_node);
        if (last->end_offset <= offset)
            break;
        log_tail_remove(last);
    }
}

/* A log's batches are written in order, so its tail gets no holes. */
void log_tail_evict(struct tail_cache *cache)
{
    struct tail_entry *entry;

    while ((entry = tail_cache_surplus(cache)) != NULL) {
        check(log_tail_first(entry->tail) == entry); /* LTL-1 */
        log_tail_remove(entry);
    }
}

struct tail_entry *log_tail_find(const struct log_tail *tail, int64_t offset)
{
    const struct tail_ring *ring = &tail->ring;
    uint32_t low = 0; /* entries below it begin at or below offset */
    uint32_t high = ring->count;

    if (ring->count == 0 || ring_at(ring, 0)->base_offset > offset)
        return NULL;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ring_at(ring, middle)->base_offset <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (offset < ring_at(ring, low - 1)->end_offset)
        return ring_at(ring, low - 1);
    return low < ring->count ? ring_at(ring, low) : NULL;
}
