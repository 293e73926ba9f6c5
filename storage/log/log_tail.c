/* The tail of a log: its newest batches, whose bytes are still in memory.
 *
 * Entries come at the end, and go from the front (eviction, written ones only) or from the end (a
 * cut).  Beside the list stands a ring of pointers, in the same order, for the search by offset. */
#include "base/check.h"
#include "base/mem.h"
#include "storage/log/log_private.h"

#include <string.h>

enum {
    SPARES_MAX = 4096,
    RING_MIN = 8,
};

/* ---- entries that were used before */

static struct tail_entry *take_entry(struct store *store)
{
    struct list *node = list_pop_front(&store->spare_entries);

    check(node != NULL); /* log_tail_reserve */
    store->spare_count--;
    return container_of(node, struct tail_entry, log_node);
}

static void give_entry(struct store *store, struct tail_entry *entry)
{
    if (store->spare_count == SPARES_MAX) {
        mem_free(entry);
        return;
    }
    store->spare_count++;
    list_push_front(&store->spare_entries, &entry->log_node);
}

void log_tail_free_spares(struct store *store)
{
    struct list *node;

    while ((node = list_pop_front(&store->spare_entries)) != NULL)
        mem_free(container_of(node, struct tail_entry, log_node));
    store->spare_count = 0;
}

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

bool log_tail_reserve(struct log *log)
{
    struct store *store = log->store;
    struct tail_entry *entry;

    if (!ring_reserve(&log->tail_ring))
        return false;
    if (!list_is_empty(&store->spare_entries))
        return true;
    entry = mem_try_alloc(sizeof(*entry));
    if (entry != NULL)
        give_entry(store, entry);
    return entry != NULL;
}

void log_tail_add(struct log *log, struct segment *segment, int64_t base_offset, int64_t end_offset,
                  uint64_t pos, const uint8_t *bytes, uint32_t size_bytes, struct buf *buf,
                  uint64_t sequence)
{
    struct tail_entry *entry = take_entry(log->store);

    *entry = (struct tail_entry){.log = log,
                                 .segment = segment,
                                 .base_offset = base_offset,
                                 .end_offset = end_offset,
                                 .pos = pos,
                                 .size_bytes = size_bytes,
                                 .bytes = bytes,
                                 .buf = buf_ref(buf),
                                 .sequence = sequence};
    list_push_back(&log->tail, &entry->log_node);
    ring_push(&log->tail_ring, entry);
    list_push_back(&log->store->cache, &entry->cache_node);
    log->store->cache_bytes += size_bytes;
    log->store->dirty_bytes += size_bytes;
    log->unwritten_bytes += size_bytes;
    if (sequence <= log->store->committed)
        log->ready_bytes += size_bytes;
    if (log->first_unwritten == NULL)
        log->first_unwritten = entry;
}

struct tail_entry *log_tail_next(const struct tail_entry *entry)
{
    struct list *next = entry->log_node.next;

    return next == &entry->log->tail ? NULL : container_of(next, struct tail_entry, log_node);
}

void log_tail_committed(struct tail_entry *entry)
{
    entry->log->ready_bytes += entry->size_bytes;
}

void log_tail_written(struct tail_entry *entry)
{
    struct log *log = entry->log;

    check(log->first_unwritten == entry);
    entry->written = true;
    list_remove(&entry->cache_node);
    list_push_back(&log->store->evictable, &entry->cache_node);
    log->store->dirty_bytes -= entry->size_bytes;
    log->unwritten_bytes -= entry->size_bytes;
    log->ready_bytes -= entry->size_bytes;
    log->first_unwritten = log_tail_next(entry);
}

void log_tail_remove(struct tail_entry *entry)
{
    struct log *log = entry->log;
    struct store *store = log->store;

    if (!entry->written) {
        store->dirty_bytes -= entry->size_bytes;
        log->unwritten_bytes -= entry->size_bytes;
        if (entry->sequence <= store->committed)
            log->ready_bytes -= entry->size_bytes;
        if (log->first_unwritten == entry)
            log->first_unwritten = log_tail_next(entry);
        if (store->step == CHECKPOINT_DRAIN) /* it may have waited for this one */
            loop_defer(store->loop, &store->drained_task);
    }
    store->cache_bytes -= entry->size_bytes;
    list_remove(&entry->log_node);
    list_remove(&entry->cache_node);
    ring_remove(&log->tail_ring, entry);
    buf_unref(entry->buf);
    give_entry(store, entry);
}

void log_tail_drop_all(struct log *log)
{
    while (!list_is_empty(&log->tail))
        log_tail_remove(list_first(&log->tail, struct tail_entry, log_node));
}

struct tail_entry *log_tail_find(const struct log *log, int64_t offset)
{
    const struct tail_ring *ring = &log->tail_ring;
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

bool log_count_new_bytes(const struct log *log, int64_t *offset, int64_t bound, uint32_t max_bytes,
                         uint32_t *bytes_out)
{
    const struct tail_entry *entry;

    *bytes_out = 0;
    if (*offset >= bound)
        return true;
    entry = log_tail_find(log, *offset);
    if (entry == NULL)
        return false;
    for (; entry != NULL && entry->end_offset <= bound; entry = log_tail_next(entry)) {
        if (*bytes_out + (uint64_t)entry->size_bytes > max_bytes) {
            *bytes_out = max_bytes; /* full: what follows counts no more */
            *offset = bound;
            return true;
        }
        *bytes_out += entry->size_bytes;
        *offset = entry->end_offset;
    }
    return true;
}

/* Everything of the last block is in the head block, or in entries that are not written. */
enum err log_block_prefix(struct log *log, uint8_t *bytes, uint32_t *size_out)
{
    struct segment *active = log_active(log);
    uint64_t start = active->size_bytes & ~(uint64_t)(STORE_BLOCK - 1);
    uint64_t written_start = active->written_pos & ~(uint64_t)(STORE_BLOCK - 1);
    enum err err;

    *size_out = (uint32_t)(active->size_bytes - start);
    if (*size_out == 0)
        return OK;
    if (written_start == start && active->written_pos > start) {
        err = segment_need_head(active);
        if (err != OK)
            return err;
        memcpy(bytes, active->head_block, active->written_pos - start);
    }
    for (struct tail_entry *entry = log->first_unwritten; entry != NULL;
         entry = log_tail_next(entry)) {
        uint64_t from = entry->pos > start ? entry->pos : start;
        uint64_t end = entry->pos + entry->size_bytes;
        if (entry->segment == active && end > from)
            memcpy(bytes + (from - start), entry->bytes + (from - entry->pos), end - from);
    }
    return OK;
}
