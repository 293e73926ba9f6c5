/* on_check: what is open here → look, at each shard → on_looked → tell those that nobody knows. */
#include "broker/coordinator/transaction_orphans.h"

#include "base/mem.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/metadata/image.h"
#include "broker/topic_table.h"

#include <string.h>

enum { CHECK_MS = 1000, NONE = -1 };

/* One open transaction of one partition. */
struct transaction_orphan {
    struct uuid topic_id;
    int32_t index;
    int16_t epoch;
    bool is_known;
    int64_t producer_id;
    int64_t first_offset;
    int32_t next_of_producer; /* in items, or NONE; while a coordinator looks */
};

/* ---- what is open here */

static bool make_room(struct transaction_orphans *orphans)
{
    uint32_t capacity = orphans->capacity == 0 ? 64 : orphans->capacity * 2;
    struct transaction_orphan *items;

    if (orphans->count < orphans->capacity)
        return true;
    items = mem_try_realloc(orphans->items, capacity * sizeof(*items));
    if (items == NULL)
        return false;
    orphans->items = items;
    orphans->capacity = capacity;
    return true;
}

static void collect(void *context, struct partition *partition)
{
    struct transaction_orphans *orphans = context;
    const struct producer_state *producers = partition_producers(partition);
    const struct producer_entry *entry = NULL;

    if (partition_is_quarantined(partition))
        return; /* nobody writes there, and nobody reads */
    if (producer_state_first_open_offset(producers) < 0)
        return;
    while ((entry = producer_state_next(producers, entry)) != NULL) {
        if (entry->txn_first_offset < 0)
            continue;
        if (!make_room(orphans)) {
            orphans->is_to_be_repeated = true;
            return;
        }
        orphans->items[orphans->count++] =
            (struct transaction_orphan){.topic_id = partition->topic_id,
                                        .index = partition->index,
                                        .epoch = entry->epoch,
                                        .producer_id = entry->producer_id,
                                        .first_offset = entry->txn_first_offset};
    }
}

/* ---- on each shard: does its coordinator know them? */

static bool map_by_producer(struct transaction_orphans *orphans, struct hash_map *map)
{
    for (uint32_t i = 0; i < orphans->count; i++) {
        struct transaction_orphan *item = &orphans->items[i];
        struct transaction_orphan *first =
            hash_map_find(map, &item->producer_id, sizeof(item->producer_id));
        item->next_of_producer = NONE;
        if (first != NULL) {
            item->next_of_producer = first->next_of_producer;
            first->next_of_producer = (int32_t)i;
        } else if (hash_map_insert(map, &item->producer_id, sizeof(item->producer_id), item) !=
                   OK) {
            return false;
        }
    }
    return true;
}

static bool has(const struct transaction_entry *entry, const struct image *image,
                const struct transaction_orphan *item)
{
    const struct image_topic *topic = image_topic_by_id(image, &item->topic_id);

    return topic != NULL && transaction_partitions_has(&entry->partitions, topic->name,
                                                       strlen(topic->name), item->index);
}

static void look_in(struct transaction_orphans *orphans, const struct hash_map *map,
                    const struct transaction_entry *entry)
{
    const struct image *image = entry->coordinator->shard->image;
    int64_t producer_id = entry->transaction.fields.producer_id;
    struct transaction_orphan *item;

    if (entry->partitions.count == 0)
        return;
    item = hash_map_find(map, &producer_id, sizeof(producer_id));
    while (item != NULL) {
        item->is_known = item->is_known || has(entry, image, item);
        item = item->next_of_producer == NONE ? NULL : &orphans->items[item->next_of_producer];
    }
}

static void look(struct shard_call *hop)
{
    struct transaction_orphans *orphans = container_of(hop, struct transaction_orphans, hop);
    struct transaction_coordinator *coordinator = hop->target->transactions;
    struct transaction_entry *entry = NULL;
    struct hash_map map;

    hash_map_init(&map, prng_u64(&hop->target->prng));
    if (runtime_is_loading(&coordinator->runtime) || !map_by_producer(orphans, &map))
        orphans->is_to_be_repeated = true;
    else
        while ((entry = transaction_coordinator_next(coordinator, entry)) != NULL)
            look_in(orphans, &map, entry);
    hash_map_deinit(&map);
    shard_call_finish(hop);
}

/* ---- what nobody knows */

static bool is_open(struct shard *shard, const struct transaction_orphan *item,
                    const struct partition **partition_out)
{
    const struct partition *partition =
        topic_table_find(shard->topics, &item->topic_id, item->index);
    const struct producer_entry *entry =
        partition == NULL ? NULL
                          : producer_state_find(partition_producers(partition), item->producer_id);

    *partition_out = partition;
    return entry != NULL && entry->txn_first_offset == item->first_offset;
}

static void tell(struct transaction_orphans *orphans)
{
    struct shard *shard = orphans->coordinator->shard;
    int64_t found = 0;

    for (uint32_t i = 0; i < orphans->count; i++) {
        const struct transaction_orphan *item = &orphans->items[i];
        const struct partition *partition;
        if (item->is_known || !is_open(shard, item, &partition)) /* TOR-1 */
            continue;
        found++;
        log_line(shard->sink, LOG_ERROR, "LVE-5032",
                 "a partition has an open transaction that no coordinator knows",
                 log_str("topic", partition->topic_name), log_i64("partition", partition->index),
                 log_i64("producer_id", item->producer_id), log_i64("epoch", item->epoch),
                 log_i64("first_offset", item->first_offset));
    }
    gauge_set(&orphans->found, found);
}

static void forget(struct transaction_orphans *orphans)
{
    mem_free(orphans->items);
    orphans->items = NULL;
    orphans->count = 0;
    orphans->capacity = 0;
}

static void go_on(struct transaction_orphans *orphans);

static void on_looked(struct shard_call *hop)
{
    struct transaction_orphans *orphans = container_of(hop, struct transaction_orphans, hop);

    orphans->next_shard++;
    go_on(orphans);
}

/* To the next shard; after the last one it is known. */
static void go_on(struct transaction_orphans *orphans)
{
    struct shard *shard = orphans->coordinator->shard;

    if (!orphans->is_to_be_repeated && orphans->count > 0 &&
        orphans->next_shard < shard->shards->count) {
        shard_call_start(&orphans->hop, shard, shard->shards->at[orphans->next_shard], look,
                         on_looked);
        return;
    }
    if (orphans->is_to_be_repeated)
        transaction_orphans_start(orphans);
    else
        tell(orphans);
    forget(orphans);
}

static void on_check(struct timer *timer)
{
    struct transaction_orphans *orphans = container_of(timer, struct transaction_orphans, check);

    orphans->is_to_be_repeated = false;
    orphans->next_shard = 0;
    topic_table_each(orphans->coordinator->shard->topics, collect, orphans);
    go_on(orphans);
}

/* ---- life */

void transaction_orphans_init(struct transaction_orphans *orphans,
                              struct transaction_coordinator *coordinator)
{
    *orphans = (struct transaction_orphans){.coordinator = coordinator};
    timer_init(&orphans->check, on_check);
}

void transaction_orphans_start(struct transaction_orphans *orphans)
{
    if (!orphans->coordinator->stopping)
        loop_set_timer_ms(&orphans->coordinator->shard->loop, &orphans->check, CHECK_MS);
}

void transaction_orphans_stop(struct transaction_orphans *orphans)
{
    loop_cancel_timer(&orphans->coordinator->shard->loop, &orphans->check);
}

void transaction_orphans_deinit(struct transaction_orphans *orphans)
{
    forget(orphans);
}
