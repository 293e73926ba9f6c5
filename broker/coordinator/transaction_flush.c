/* start → (to each other shard that has some of it) wait → on_wake, of each partition → (back)
 * on_back → done. */
#include "broker/coordinator/transaction_flush.h"

#include "base/mem.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/metadata/image.h"
#include "broker/topic_table.h"

#include <string.h>

struct flush_piece;

/* One partition, on its shard. */
struct flush_wait {
    struct partition_waiter waiter;
    struct flush_piece *piece;
    struct uuid topic_id;
    int32_t index;
};

/* Those of one shard. */
struct flush_piece {
    struct shard_call hop;
    struct transaction_flush *flush;
    struct flush_wait *waits;
    uint32_t count;
    uint32_t pending_count; /* on its shard */
    enum err err;
};

struct transaction_flush {
    struct list node; /* of the coordinator's */
    transaction_flush_fn *done;
    void *context;
    uint32_t pending_count; /* of pieces */
    enum err err;
    struct flush_piece pieces[SHARD_COUNT_MAX]; /* by the number of the shard */
    struct flush_wait waits[];
};

/* ---- on a partition's shard */

static void end_one(struct flush_piece *piece)
{
    if (--piece->pending_count == 0)
        shard_call_finish(&piece->hop);
}

static void on_wake(struct partition_waiter *waiter, enum err err)
{
    struct flush_piece *piece = container_of(waiter, struct flush_wait, waiter)->piece;

    if (err != OK && err != ERR_NOT_FOUND)
        piece->err = err;
    end_one(piece);
}

static void wait(struct shard_call *hop)
{
    struct flush_piece *piece = container_of(hop, struct flush_piece, hop);

    piece->pending_count = piece->count + 1; /* and this call */
    for (uint32_t i = 0; i < piece->count; i++) {
        struct flush_wait *of = &piece->waits[i];
        struct partition *partition =
            topic_table_find(hop->target->topics, &of->topic_id, of->index);
        if (partition == NULL) {
            end_one(piece);
            continue;
        }
        of->piece = piece;
        of->waiter = (struct partition_waiter){.offset = partition_offsets(partition).log_end,
                                               .wake = on_wake};
        partition_wait_durable(partition, &of->waiter);
    }
    end_one(piece);
}

/* ---- on the coordinator's */

static void on_back(struct shard_call *hop)
{
    struct flush_piece *piece = container_of(hop, struct flush_piece, hop);
    struct transaction_flush *flush = piece->flush;

    if (piece->err != OK)
        flush->err = piece->err;
    if (--flush->pending_count > 0)
        return;
    list_remove(&flush->node);
    flush->done(flush->context, flush->err);
    mem_free(flush);
}

/* The shard that has it; NULL: this one, or nobody. */
static const struct shard *other_shard_of(const struct shard *here, const struct image_topic *topic,
                                          int32_t index)
{
    const struct shard *shard;

    if (topic == NULL || (uint32_t)index >= topic->partition_count)
        return NULL;
    shard = shard_of_partition(here->shards, &topic->id, index);
    return shard == here ? NULL : shard;
}

static const struct image_topic *image_of(const struct shard *here,
                                          const struct transaction_topic *topic)
{
    return image_topic_by_name(here->image, topic->name, strlen(topic->name));
}

/* How many each shard has; returns of how many in all. */
static uint32_t count_by_shard(const struct shard *here, const struct transaction_partitions *set,
                               uint32_t counts[SHARD_COUNT_MAX])
{
    uint32_t total = 0;

    for (uint32_t i = 0; i < set->topic_count; i++) {
        const struct image_topic *image = image_of(here, &set->topics[i]);
        for (uint32_t j = 0; j < set->topics[i].count; j++) {
            const struct shard *shard = other_shard_of(here, image, set->topics[i].indexes[j]);
            if (shard == NULL)
                continue;
            counts[shard->index]++;
            total++;
        }
    }
    return total;
}

static void deal_out(struct transaction_flush *flush, const struct shard *here,
                     const struct transaction_partitions *set)
{
    for (uint32_t i = 0; i < set->topic_count; i++) {
        const struct image_topic *image = image_of(here, &set->topics[i]);
        for (uint32_t j = 0; j < set->topics[i].count; j++) {
            const struct shard *shard = other_shard_of(here, image, set->topics[i].indexes[j]);
            struct flush_piece *piece;
            if (shard == NULL)
                continue;
            piece = &flush->pieces[shard->index];
            piece->waits[piece->count].topic_id = image->id;
            piece->waits[piece->count].index = set->topics[i].indexes[j];
            piece->count++;
        }
    }
}

enum err transaction_flush_start(struct transaction_coordinator *coordinator,
                                 const struct transaction_partitions *set,
                                 transaction_flush_fn *done, void *context,
                                 struct transaction_flush **out)
{
    struct shard *here = coordinator->shard;
    uint32_t counts[SHARD_COUNT_MAX] = {0};
    uint32_t total = here->shards->count == 1 ? 0 : count_by_shard(here, set, counts);
    struct transaction_flush *flush;
    struct flush_wait *next;

    *out = NULL;
    if (total == 0)
        return OK;
    flush = mem_try_alloc(sizeof(*flush) + total * sizeof(flush->waits[0]));
    if (flush == NULL)
        return ERR_NOMEM;
    flush->done = done;
    flush->context = context;
    next = flush->waits;
    for (uint32_t i = 0; i < here->shards->count; i++) {
        flush->pieces[i].flush = flush;
        flush->pieces[i].waits = next;
        flush->pending_count += counts[i] > 0;
        next += counts[i];
    }
    deal_out(flush, here, set);
    list_push_back(&coordinator->flushes, &flush->node);
    for (uint32_t i = 0; i < here->shards->count; i++)
        if (counts[i] > 0) /* others: it comes back by mail */
            shard_call_start(&flush->pieces[i].hop, here, here->shards->at[i], wait, on_back);
    *out = flush;
    return OK;
}

void transaction_flush_end_all(struct list *flushes)
{
    struct list *node;

    while ((node = list_pop_front(flushes)) != NULL) {
        struct transaction_flush *flush = container_of(node, struct transaction_flush, node);
        for (uint32_t i = 0; i < SHARD_COUNT_MAX; i++)
            for (uint32_t j = 0; j < flush->pieces[i].count; j++)
                partition_cancel_wait(&flush->pieces[i].waits[j].waiter);
        mem_free(flush);
    }
}
