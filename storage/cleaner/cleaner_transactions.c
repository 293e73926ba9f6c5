#include "storage/cleaner/cleaner_transactions.h"

#include "base/check.h"
#include "base/mem.h"

#include <stdlib.h>

enum { FIRST_RANGES = 16 };

struct open_transaction {
    int64_t producer_id;
    int64_t first_offset;
};

void cleaner_transactions_init(struct cleaner_transactions *transactions, uint64_t seed,
                               uint32_t ranges_max)
{
    *transactions =
        (struct cleaner_transactions){.ranges_max = ranges_max, .first_undecided = INT64_MAX};
    hash_map_init(&transactions->open, seed);
}

static void forget_open(struct cleaner_transactions *transactions)
{
    struct open_transaction *open;
    size_t cursor = 0;

    while ((open = hash_map_next(&transactions->open, &cursor)) != NULL) {
        hash_map_remove(&transactions->open, &open->producer_id, sizeof(open->producer_id));
        mem_free(open);
    }
}

void cleaner_transactions_deinit(struct cleaner_transactions *transactions)
{
    forget_open(transactions);
    hash_map_deinit(&transactions->open);
    mem_free(transactions->ranges);
    *transactions = (struct cleaner_transactions){0};
}

static enum err add_range(struct cleaner_transactions *transactions, int64_t producer_id,
                          int64_t first_offset, int64_t last_offset)
{
    uint32_t capacity =
        transactions->range_capacity == 0 ? FIRST_RANGES : transactions->range_capacity * 2;
    struct cleaner_range *larger;

    if (transactions->range_count == transactions->range_capacity) {
        larger = mem_try_realloc(transactions->ranges, capacity * sizeof(*larger));
        if (larger == NULL)
            return ERR_NOMEM;
        transactions->ranges = larger;
        transactions->range_capacity = capacity;
    }
    transactions->ranges[transactions->range_count++] =
        (struct cleaner_range){producer_id, first_offset, last_offset};
    return OK;
}

static enum err add_open(struct cleaner_transactions *transactions, int64_t producer_id,
                         int64_t first_offset)
{
    struct open_transaction *open = mem_try_alloc(sizeof(*open));
    enum err err;

    if (open == NULL)
        return ERR_NOMEM;
    *open = (struct open_transaction){producer_id, first_offset};
    err = hash_map_insert(&transactions->open, &open->producer_id, sizeof(open->producer_id), open);
    if (err != OK)
        mem_free(open);
    return err;
}

enum err cleaner_transactions_note(struct cleaner_transactions *transactions,
                                   const struct batch_header *header,
                                   const struct control_marker *marker)
{
    struct open_transaction *open;
    enum err err = OK;

    check(!transactions->is_sealed);
    if (!batch_has_producer(header) || (marker == NULL && !batch_is_transactional(header)))
        return OK;
    open = hash_map_find(&transactions->open, &header->producer_id, sizeof(header->producer_id));
    if (batch_is_control(header)) {
        if (open == NULL || marker == NULL)
            return OK; /* an emptied marker ends nothing, in a replay either */
        if (!marker->commit) {
            if (transactions->range_count >= transactions->ranges_max)
                return ERR_FULL; /* CLT-3 */
            err = add_range(transactions, header->producer_id, open->first_offset,
                            header->base_offset);
        }
        if (err != OK)
            return err;
        hash_map_remove(&transactions->open, &open->producer_id, sizeof(open->producer_id));
        mem_free(open);
        return OK;
    }
    if (open != NULL)
        return OK;
    if (hash_map_count(&transactions->open) >= transactions->ranges_max)
        return ERR_FULL; /* CLT-3 */
    return add_open(transactions, header->producer_id, header->base_offset);
}

static int compare_ranges(const void *a, const void *b)
{
    const struct cleaner_range *left = a;
    const struct cleaner_range *right = b;

    if (left->producer_id != right->producer_id)
        return left->producer_id < right->producer_id ? -1 : 1;
    return left->last_offset < right->last_offset ? -1 : left->last_offset > right->last_offset;
}

enum err cleaner_transactions_seal(struct cleaner_transactions *transactions)
{
    struct open_transaction *open;
    size_t cursor = 0;
    enum err err = OK;

    while (err == OK && (open = hash_map_next(&transactions->open, &cursor)) != NULL) {
        err = add_range(transactions, open->producer_id, open->first_offset, INT64_MAX); /* CLT-1 */
        if (open->first_offset < transactions->first_undecided)
            transactions->first_undecided = open->first_offset;
    }
    if (err != OK)
        return err;
    forget_open(transactions);
    if (transactions->range_count > 1)
        qsort(transactions->ranges, transactions->range_count, sizeof(*transactions->ranges),
              compare_ranges);
    transactions->is_sealed = true;
    return OK;
}

enum cleaner_fate cleaner_transactions_fate(const struct cleaner_transactions *transactions,
                                            int64_t producer_id, int64_t offset)
{
    const struct cleaner_range *ranges = transactions->ranges;
    uint32_t low = 0; /* the first range of the producer that does not end below offset */
    uint32_t high = transactions->range_count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (ranges[middle].producer_id < producer_id ||
            (ranges[middle].producer_id == producer_id && ranges[middle].last_offset < offset))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == transactions->range_count || ranges[low].producer_id != producer_id ||
        ranges[low].first_offset > offset)
        return CLEANER_COMMITTED;
    return ranges[low].last_offset == INT64_MAX ? CLEANER_UNDECIDED : CLEANER_ABORTED;
}

enum err cleaner_transactions_stays(struct cleaner_transactions *transactions, int64_t producer_id)
{
    if (hash_map_find(&transactions->open, &producer_id, sizeof(producer_id)) != NULL)
        return OK;
    return add_open(transactions, producer_id, 0);
}

bool cleaner_transactions_end(struct cleaner_transactions *transactions, int64_t producer_id)
{
    struct open_transaction *open =
        hash_map_remove(&transactions->open, &producer_id, sizeof(producer_id));

    mem_free(open);
    return open != NULL;
}
