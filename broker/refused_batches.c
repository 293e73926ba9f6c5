#include "broker/refused_batches.h"

#include "base/clock.h"
#include "base/mem.h"

void refused_batches_deinit(struct refused_batches *refused)
{
    mem_free(refused->items);
    *refused = (struct refused_batches){0};
}

/* What is remembered of a producer, or NULL; what is too old is forgotten. */
static struct refused_batch *find(struct refused_batches *refused, int64_t producer_id,
                                  uint64_t now_ns)
{
    for (uint32_t i = 0; refused->items != NULL && i < REFUSED_BATCHES_MAX; i++) {
        struct refused_batch *item = &refused->items[i];
        if (item->producer_id == producer_id && item->until_ns > now_ns)
            return item;
    }
    return NULL;
}

static bool make_items(struct refused_batches *refused)
{
    if (refused->items != NULL)
        return true;
    refused->items = mem_try_alloc(REFUSED_BATCHES_MAX * sizeof(*refused->items));
    for (uint32_t i = 0; refused->items != NULL && i < REFUSED_BATCHES_MAX; i++)
        refused->items[i].producer_id = -1;
    return refused->items != NULL;
}

/* How many sequences b comes after a; they begin anew behind 2^31 - 1. */
static int32_t distance(int32_t a, int32_t b)
{
    uint32_t forward = ((uint32_t)b - (uint32_t)a) & INT32_MAX;

    return forward < 1U << 30 ? (int32_t)forward : (int32_t)forward - INT32_MAX - 1;
}

void refused_batches_note(struct refused_batches *refused, const struct batch_header *header,
                          uint64_t now_ns)
{
    struct refused_batch *item = find(refused, header->producer_id, now_ns);
    bool is_later = item != NULL && item->epoch == header->producer_epoch &&
                    distance(item->sequence, header->base_sequence) > 0;

    if (is_later || !make_items(refused))
        return;
    if (item == NULL)
        item = &refused->items[refused->next++ % REFUSED_BATCHES_MAX]; /* RFB-1 */
    *item = (struct refused_batch){
        .producer_id = header->producer_id,
        .sequence = header->base_sequence,
        .epoch = header->producer_epoch,
        .until_ns = clock_deadline_ns(now_ns, REFUSED_BATCHES_MS),
    };
}

bool refused_batches_overtakes(struct refused_batches *refused, const struct batch_header *header,
                               uint64_t now_ns)
{
    struct refused_batch *item = find(refused, header->producer_id, now_ns);
    int32_t after;

    if (item == NULL)
        return false;
    after = distance(item->sequence, header->base_sequence);
    if (item->epoch == header->producer_epoch && after > 0)
        return true;
    if (item->epoch != header->producer_epoch || after == 0)
        item->producer_id = -1;
    return false;
}
