/* begin → apply: staged → end: the group's, or dropped; → drop. */
#include "broker/coordinator/group_pending_offsets.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_expiry.h"

enum {
    ENTRY_BYTES = 64, /* of the table and the allocator's rounding, roughly */
    END_SLICE = 1000, /* offsets that end in one turn */
};

static uint64_t bytes_of(const struct pending_offset *pending)
{
    return sizeof(*pending) + (uint64_t)pending->value.metadata.size_bytes + ENTRY_BYTES;
}

/* ---- transactions */

static struct pending_transaction *find_transaction(const struct group_coordinator *groups,
                                                    int32_t partition_index, int64_t producer_id)
{
    struct pending_transaction_key key = {producer_id, partition_index};

    return hash_map_find(&groups->transactions, &key, sizeof(key));
}

static uint64_t bytes_of_transaction(void)
{
    return sizeof(struct pending_transaction) + ENTRY_BYTES;
}

static struct budget *budget_of(const struct group_coordinator *groups)
{
    return memory_budget(&groups->shard->memory, MEMORY_GROUPS);
}

/* NULL: there is no memory. */
static struct pending_transaction *get_transaction(struct group_coordinator *groups,
                                                   int32_t partition_index, int64_t producer_id)
{
    struct pending_transaction *transaction =
        find_transaction(groups, partition_index, producer_id);

    if (transaction != NULL)
        return transaction;
    transaction = mem_try_alloc(sizeof(*transaction));
    if (transaction == NULL)
        return NULL;
    transaction->key = (struct pending_transaction_key){producer_id, partition_index};
    transaction->coordinator = groups;
    list_init(&transaction->offsets);
    if (hash_map_insert(&groups->transactions, &transaction->key, sizeof(transaction->key),
                        transaction) != OK) {
        mem_free(transaction);
        return NULL;
    }
    budget_force(budget_of(groups), bytes_of_transaction());
    return transaction;
}

/* GPO-5 */
static void drop_if_unused(struct pending_transaction *transaction)
{
    struct group_coordinator *groups = transaction->coordinator;

    if (!list_is_empty(&transaction->offsets) || transaction->begun_count > 0)
        return;
    hash_map_remove(&groups->transactions, &transaction->key, sizeof(transaction->key));
    budget_give(budget_of(groups), bytes_of_transaction());
    mem_free(transaction);
}

/* ---- on their way */

struct pending_offset *group_pending_offset_begin(struct group_offset *entry,
                                                  int32_t partition_index, int64_t producer_id)
{
    struct pending_offset *pending = mem_try_alloc(sizeof(*pending));

    if (pending == NULL)
        return NULL;
    pending->entry = entry;
    pending->transaction = get_transaction(entry->group->coordinator, partition_index, producer_id);
    if (pending->transaction == NULL) {
        mem_free(pending);
        return NULL;
    }
    pending->transaction->begun_count++;
    entry->staging_count++;
    return pending;
}

static void end_begun(struct pending_offset *pending)
{
    check(pending->transaction->begun_count > 0 && pending->entry->staging_count > 0);
    pending->transaction->begun_count--;
    pending->entry->staging_count--;
}

void group_pending_offset_cancel(struct pending_offset *pending)
{
    end_begun(pending);
    drop_if_unused(pending->transaction);
    mem_free(pending);
}

/* ---- staged */

/* Both lists at once: what it takes is bounded by the shorter one, and many may stage one key, or
 * one many.  transaction may be NULL. */
static struct pending_offset *find_staged(const struct group_offset *entry,
                                          const struct pending_transaction *transaction)
{
    const struct list *of_entry = entry->staged.next;
    const struct list *of_transaction = transaction == NULL ? NULL : transaction->offsets.next;

    while (transaction != NULL && of_entry != &entry->staged &&
           of_transaction != &transaction->offsets) {
        struct pending_offset *staged = container_of(of_entry, struct pending_offset, of_entry);
        if (staged->transaction == transaction)
            return staged;
        staged = container_of(of_transaction, struct pending_offset, of_transaction);
        if (staged->entry == entry)
            return staged;
        of_entry = of_entry->next;
        of_transaction = of_transaction->next;
    }
    return NULL;
}

const struct pending_offset *group_pending_offset_find(const struct group_offset *entry,
                                                       int32_t partition_index, int64_t producer_id)
{
    return find_staged(entry,
                       find_transaction(entry->group->coordinator, partition_index, producer_id));
}

/* Its transaction and its entry stay. */
static void unstage(struct pending_offset *staged)
{
    struct group *group = staged->entry->group;

    list_remove(&staged->of_transaction);
    list_remove(&staged->of_entry);
    group->staged_count--;
    budget_give(group->budget, bytes_of(staged));
}

static void free_staged(struct pending_offset *staged)
{
    mem_free(staged->value.metadata.bytes);
    mem_free(staged);
}

void group_pending_offset_apply(struct pending_offset *pending, struct group_offset_value *value)
{
    struct group_offset *entry = pending->entry;
    struct pending_offset *before = find_staged(entry, pending->transaction);

    end_begun(pending);
    if (before != NULL) {
        unstage(before);
        free_staged(before);
    }
    pending->value = *value;
    value->metadata = (struct group_bytes){0};
    list_push_back(&pending->transaction->offsets, &pending->of_transaction);
    list_push_back(&entry->staged, &pending->of_entry);
    entry->group->staged_count++;
    budget_force(entry->group->budget, bytes_of(pending));
}

enum err group_pending_offsets_stage(struct group *group, const char *topic, int32_t partition,
                                     int32_t partition_index, int64_t producer_id,
                                     const struct group_offset_value *value)
{
    struct group_offset_value copy = *value;
    struct pending_offset *pending = NULL;
    struct group_offset *entry;

    if (!group_bytes_copy(value->metadata.bytes, value->metadata.size_bytes, &copy.metadata))
        return ERR_NOMEM;
    entry = group_begin_offset(group, topic, partition);
    if (entry != NULL) {
        pending = group_pending_offset_begin(entry, partition_index, producer_id);
        if (pending != NULL)
            group_pending_offset_apply(pending, &copy);
        group_end_offset(entry);
    }
    mem_free(copy.metadata.bytes);
    return pending == NULL ? ERR_NOMEM : OK;
}

/* It becomes the group's, unless what is there was committed later in the log. */
static void commit_staged(struct pending_offset *staged)
{
    struct group_offset *entry = staged->entry;

    if (!entry->is_recorded || entry->value.is_foreign ||
        staged->value.record_offset > entry->value.record_offset) /* GOF-5 */
        group_apply_offset(entry, &staged->value);
}

static void end_staged(struct pending_offset *staged, bool commit)
{
    struct group_offset *entry = staged->entry;
    struct group *group = entry->group;
    bool is_there;

    group_hold_offset(entry);
    unstage(staged);
    if (commit)
        commit_staged(staged);
    free_staged(staged);
    is_there = group_offset_is_there(entry);
    group_end_offset(entry);
    if (is_there)
        group_expiry_look_again(entry);
    coordinator_drop_if_idle(group);
}

bool group_pending_offsets_end(struct group_coordinator *groups, int32_t partition_index,
                               int64_t producer_id, bool commit)
{
    struct pending_transaction *transaction =
        find_transaction(groups, partition_index, producer_id);
    struct pending_offset *staged;
    bool is_all;

    if (transaction == NULL)
        return true;
    transaction->begun_count++; /* it stays */
    for (uint32_t i = 0; i < END_SLICE && !list_is_empty(&transaction->offsets); i++) {
        staged = list_first(&transaction->offsets, struct pending_offset, of_transaction);
        end_staged(staged, commit);
    }
    is_all = list_is_empty(&transaction->offsets);
    transaction->begun_count--;
    drop_if_unused(transaction);
    return is_all;
}

void group_pending_offsets_drop(struct group_offset *entry)
{
    while (!list_is_empty(&entry->staged)) {
        struct pending_offset *staged = list_first(&entry->staged, struct pending_offset, of_entry);
        unstage(staged);
        drop_if_unused(staged->transaction);
        free_staged(staged);
    }
}
