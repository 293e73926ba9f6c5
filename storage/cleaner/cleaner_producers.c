#include "storage/cleaner/cleaner_producers.h"

#include "base/mem.h"

#include <stdlib.h>

static int compare_ids(const void *a, const void *b)
{
    int64_t left = ((const struct cleaner_producer *)a)->producer_id;
    int64_t right = ((const struct cleaner_producer *)b)->producer_id;

    return left < right ? -1 : left > right;
}

enum err cleaner_producers_take(struct cleaner_producers *producers,
                                const struct producer_state *state)
{
    uint32_t count = producer_state_count(state);
    struct cleaner_producer *items = mem_try_alloc(count * sizeof(*items));
    const struct producer_entry *entry = NULL;
    uint32_t at = 0;

    if (items == NULL)
        return ERR_NOMEM;
    while (at < count && (entry = producer_state_next(state, entry)) != NULL) {
        struct cleaner_producer *item = &items[at++];
        item->producer_id = entry->producer_id;
        item->epoch = entry->epoch;
        item->batch_count = entry->batch_count;
        for (uint8_t i = 0; i < entry->batch_count; i++)
            item->last_offsets[i] = entry->batches[i].last_offset;
    }
    if (at > 1)
        qsort(items, at, sizeof(*items), compare_ids);
    *producers = (struct cleaner_producers){.items = items, .count = at};
    return OK;
}

void cleaner_producers_deinit(struct cleaner_producers *producers)
{
    mem_free(producers->items);
    *producers = (struct cleaner_producers){0};
}

bool cleaner_producers_need(const struct cleaner_producers *producers,
                            const struct batch_header *header)
{
    struct cleaner_producer key = {.producer_id = header->producer_id};
    const struct cleaner_producer *item;

    if (!batch_has_producer(header) || producers->count == 0)
        return false;
    item = bsearch(&key, producers->items, producers->count, sizeof(key), compare_ids);
    if (item == NULL)
        return false;
    if (item->batch_count == 0)
        return batch_is_control(header) && header->producer_epoch == item->epoch;
    for (uint8_t i = 0; i < item->batch_count; i++)
        if (item->last_offsets[i] == batch_last_offset(header))
            return true;
    return false;
}
