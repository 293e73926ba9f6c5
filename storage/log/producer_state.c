#include "storage/log/producer_state.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/sometimes.h"
#include "storage/log/producer_rules.h"

#include <string.h>

enum { FIRST_SLOT_COUNT = 16 };

void producer_state_init(struct producer_state *ps, uint64_t seed, uint32_t count_max)
{
    *ps = (struct producer_state){.seed = seed};
    list_init(&ps->entries);
    list_init(&ps->open);
    producer_shares_init(&ps->shares, seed, count_max);
}

static void leave_shares(struct producer_state *ps, struct producer_entry *entry)
{
    producer_shares_remove(&ps->shares, &entry->share);
    if (ps->all != NULL)
        producer_shares_remove(ps->all, &entry->share_all);
}

static void free_entries(struct producer_state *ps)
{
    if (!ps->entries.next)
        return; /* zeroed */
    list_for_each_safe(node, &ps->entries)
    {
        struct producer_entry *entry = container_of(node, struct producer_entry, node);

        leave_shares(ps, entry);
        mem_free(entry);
    }
    list_init(&ps->entries);
    list_init(&ps->open);
    ps->count = 0;
}

void producer_state_deinit(struct producer_state *ps)
{
    free_entries(ps);
    producer_shares_deinit(&ps->shares);
    mem_free(ps->spare);
    mem_free(ps->slots);
    *ps = (struct producer_state){0};
}

/* ---- the table: linear probing, removal moves later entries of the run back */

/* The finishing steps of splitmix64, seeded: ids come from clients. */
static uint64_t hash_id(const struct producer_state *ps, int64_t producer_id)
{
    uint64_t x = (uint64_t)producer_id ^ ps->seed;

    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    x ^= ps->seed << 1;
    x = (x ^ (x >> 31)) * 0xbf58476d1ce4e5b9ULL;
    return x ^ (x >> 32);
}

static uint32_t home_slot(const struct producer_state *ps, int64_t producer_id)
{
    return (uint32_t)hash_id(ps, producer_id) & (ps->slot_count - 1);
}

/* The slot of producer_id, or the free one where it belongs.  There is a table. */
static uint32_t find_slot(const struct producer_state *ps, int64_t producer_id)
{
    uint32_t slot = home_slot(ps, producer_id);

    while (ps->slots[slot] && ps->slots[slot]->producer_id != producer_id)
        slot = (slot + 1) & (ps->slot_count - 1);
    return slot;
}

static struct producer_entry *find_entry(const struct producer_state *ps, int64_t producer_id)
{
    return ps->slot_count > 0 ? ps->slots[find_slot(ps, producer_id)] : NULL;
}

/* Room for one entry more. */
static enum err reserve_slot(struct producer_state *ps)
{
    uint32_t slot_count = ps->slot_count > 0 ? ps->slot_count * 2 : FIRST_SLOT_COUNT;
    struct producer_entry **slots;

    if (ps->count < ps->slot_count / 2)
        return OK;
    slots = mem_try_alloc(slot_count * sizeof(struct producer_entry *));
    if (!slots)
        return ERR_NOMEM;
    mem_free(ps->slots);
    ps->slots = slots;
    ps->slot_count = slot_count;
    list_for_each(node, &ps->entries)
    {
        struct producer_entry *entry = container_of(node, struct producer_entry, node);

        ps->slots[find_slot(ps, entry->producer_id)] = entry;
    }
    return OK;
}

/* Everything that adding one producer needs, so that adding cannot fail. */
static enum err reserve_entry(struct producer_state *ps)
{
    enum err err = reserve_slot(ps);

    if (err)
        return err;
    if (!ps->spare)
        ps->spare = mem_try_alloc(sizeof(*ps->spare));
    return ps->spare ? OK : ERR_NOMEM;
}

static struct producer_entry *add_entry(struct producer_state *ps, int64_t producer_id)
{
    struct producer_entry *entry = ps->spare;

    check(entry && ps->count < ps->slot_count / 2); /* check before update */
    ps->spare = NULL;
    *entry = (struct producer_entry){
        .state = ps,
        .producer_id = producer_id,
        .epoch = BATCH_NO_PRODUCER_EPOCH,
        .coordinator_epoch = -1,
        .last_timestamp_ms = BATCH_NO_TIMESTAMP,
        .txn_first_offset = -1,
    };
    ps->slots[find_slot(ps, producer_id)] = entry;
    list_push_back(&ps->entries, &entry->node);
    ps->count++;
    return entry;
}

static void remove_entry(struct producer_state *ps, struct producer_entry *entry)
{
    uint32_t mask = ps->slot_count - 1;
    uint32_t hole = find_slot(ps, entry->producer_id);

    for (uint32_t slot = (hole + 1) & mask; ps->slots[slot]; slot = (slot + 1) & mask) {
        uint32_t home = home_slot(ps, ps->slots[slot]->producer_id);

        if (((slot - home) & mask) >= ((slot - hole) & mask)) {
            ps->slots[hole] = ps->slots[slot];
            hole = slot;
        }
    }
    ps->slots[hole] = NULL;
    list_remove(&entry->node);
    if (list_is_linked(&entry->open_node))
        list_remove(&entry->open_node);
    leave_shares(ps, entry);
    ps->count--;
    mem_free(entry);
}

/* ---- who brought them */

static enum err reserve_owner(struct producer_state *ps, uint64_t owner)
{
    enum err err = producer_shares_reserve(&ps->shares, owner);

    if (err == OK && ps->all != NULL)
        err = producer_shares_reserve(ps->all, owner);
    ps->owner = owner;
    return err;
}

/* Does the batch open a transaction here, and are there as many as may be (PSH-3)? */
static bool is_one_too_many(const struct producer_state *ps, const struct producer_entry *entry,
                            const struct batch_header *header, const struct control_marker *marker,
                            uint64_t owner)
{
    if (!batch_is_transactional(header) || marker != NULL ||
        (entry != NULL && entry->txn_first_offset >= 0))
        return false;
    return !producer_shares_may_pin(&ps->shares, owner) ||
           (ps->all != NULL && !producer_shares_may_pin(ps->all, owner));
}

/* Whose is the producer afterwards?  A marker is the coordinator's, and takes nobody's producer. */
static uint64_t owner_of(const struct producer_entry *entry, const struct control_marker *marker,
                         const struct producer_rules *rules)
{
    return marker != NULL && entry != NULL ? producer_shares_owner(&entry->share) : rules->owner;
}

static void set_open(struct producer_entry *entry, bool open)
{
    struct producer_state *ps = entry->state;

    producer_shares_pin(&ps->shares, &entry->share, open);
    if (ps->all != NULL)
        producer_shares_pin(ps->all, &entry->share_all, open);
}

static void forget(struct producer_entry *entry, uint64_t for_owner, bool of_all)
{
    struct producer_state *ps = entry->state;
    struct producer_forgotten forgotten = {
        .producer_id = entry->producer_id,
        .owner = producer_shares_owner(&entry->share),
        .for_owner = for_owner,
        .of_all = of_all,
    };

    SOMETIMES("producer_state: a producer was forgotten for others", true);
    remove_entry(ps, entry);
    if (ps->forgotten != NULL)
        ps->forgotten(ps->context, &forgotten);
}

/* Room within the bounds, for a new producer of the owner, or for one that he takes over. */
static void make_room(struct producer_state *ps, bool is_new)
{
    struct producer_share *victim;

    while ((victim = producer_shares_victim(&ps->shares, ps->owner, is_new)) != NULL)
        forget(container_of(victim, struct producer_entry, share), ps->owner, false);
    while (ps->all != NULL && (victim = producer_shares_victim(ps->all, ps->owner, is_new)) != NULL)
        forget(container_of(victim, struct producer_entry, share_all), ps->owner, true);
}

static struct producer_entry *add_owned(struct producer_state *ps, int64_t producer_id)
{
    struct producer_entry *entry;

    make_room(ps, true);
    entry = add_entry(ps, producer_id);
    producer_shares_add(&ps->shares, &entry->share, ps->owner);
    if (ps->all != NULL)
        producer_shares_add(ps->all, &entry->share_all, ps->owner);
    return entry;
}

static void use_entry(struct producer_state *ps, struct producer_entry *entry)
{
    if (entry->share.owner == NULL)
        make_room(ps, false);
    producer_shares_use(&ps->shares, &entry->share, ps->owner);
    if (ps->all != NULL)
        producer_shares_use(ps->all, &entry->share_all, ps->owner);
    list_remove(&entry->node);
    list_push_back(&ps->entries, &entry->node);
}

/* ---- what may be appended */

enum err producer_state_check(struct producer_state *ps, const struct batch_header *header,
                              const struct control_marker *marker,
                              const struct producer_rules *rules, struct producer_check *out)
{
    struct producer_check check = {.timestamp_ms = BATCH_NO_TIMESTAMP};
    const struct producer_entry *entry;
    enum err err = OK;

    if (batch_has_producer(header)) {
        entry = find_entry(ps, header->producer_id);
        err = producer_rules_check(ps, entry, header, marker, rules, &check);
        if (!err && !check.duplicate && entry == NULL)
            err = reserve_entry(ps);
        if (!err && !check.duplicate)
            err = reserve_owner(ps, owner_of(entry, marker, rules));
        if (!err && !check.duplicate &&
            (rules->origin == PRODUCER_CLIENT || rules->origin == PRODUCER_COORDINATOR) &&
            is_one_too_many(ps, entry, header, marker, rules->owner))
            err = ERR_NOMEM;
        if (err)
            return err;
    }
    *out = check;
    return OK;
}

/* ---- the changes */

static void add_batch(struct producer_entry *entry, const struct producer_batch *batch)
{
    if (entry->batch_count == PRODUCER_WINDOW) {
        memmove(entry->batches, entry->batches + 1,
                (PRODUCER_WINDOW - 1) * sizeof(entry->batches[0]));
        entry->batch_count--;
    }
    entry->batches[entry->batch_count++] = *batch;
}

static void set_epoch(struct producer_entry *entry, int16_t epoch)
{
    if (entry->epoch != epoch)
        entry->batch_count = 0;
    entry->epoch = epoch;
}

static void apply_data(struct producer_state *ps, struct producer_entry *entry,
                       const struct batch_header *header)
{
    struct producer_batch batch = {
        .first_sequence = header->base_sequence,
        .last_sequence = batch_last_sequence(header),
        .last_offset = batch_last_offset(header),
        .offset_delta = header->last_offset_delta,
        .timestamp_ms = header->max_timestamp_ms,
    };

    set_epoch(entry, header->producer_epoch);
    if (header->base_sequence >= 0)
        add_batch(entry, &batch);
    if (batch_is_transactional(header) && entry->txn_first_offset < 0) {
        entry->txn_first_offset = header->base_offset;
        list_push_back(&ps->open, &entry->open_node); /* PST-3: offsets grow */
    }
}

/* True when it ends a transaction that had records here. */
static bool apply_marker(struct producer_entry *entry, const struct batch_header *header,
                         const struct control_marker *marker,
                         struct producer_completed *completed_out)
{
    bool was_open = entry->txn_first_offset >= 0;

    if (was_open && completed_out) {
        *completed_out = (struct producer_completed){
            .producer_id = entry->producer_id,
            .first_offset = entry->txn_first_offset,
            .last_offset = batch_last_offset(header),
            .aborted = !marker->commit,
        };
    }
    if (was_open)
        list_remove(&entry->open_node);
    entry->txn_first_offset = -1;
    entry->coordinator_epoch = marker->coordinator_epoch;
    set_epoch(entry, header->producer_epoch);
    return was_open;
}

/* A compaction leaves of a marker without data its header: the epoch still fences (DUR-C6). */
static bool is_emptied(const struct batch_header *header)
{
    return batch_is_control(header) && header->record_count == 0;
}

static void apply_emptied_marker(struct producer_entry *entry, const struct batch_header *header)
{
    if (header->producer_epoch > entry->epoch)
        set_epoch(entry, header->producer_epoch);
}

bool producer_state_update(struct producer_state *ps, const struct batch_header *header,
                           const struct control_marker *marker, int64_t now_ms,
                           struct producer_completed *completed_out)
{
    struct producer_entry *entry;
    bool completed = false;

    if (batch_last_offset(header) < ps->end_offset)
        return false; /* PST-4 */
    ps->end_offset = batch_last_offset(header) + 1;
    if (!batch_has_producer(header) || (batch_is_control(header) && !marker && !is_emptied(header)))
        return false;
    entry = find_entry(ps, header->producer_id);
    if (entry)
        use_entry(ps, entry);
    else
        entry = add_owned(ps, header->producer_id);
    if (marker)
        completed = apply_marker(entry, header, marker, completed_out);
    else if (batch_is_control(header))
        apply_emptied_marker(entry, header);
    else
        apply_data(ps, entry, header);
    set_open(entry, entry->txn_first_offset >= 0);
    entry->last_timestamp_ms = header->max_timestamp_ms;
    entry->last_seen_ms = now_ms;
    return completed;
}

/* ---- questions and upkeep */

const struct producer_entry *producer_state_find(const struct producer_state *ps,
                                                 int64_t producer_id)
{
    return find_entry(ps, producer_id);
}

const struct producer_entry *producer_state_next(const struct producer_state *ps,
                                                 const struct producer_entry *entry)
{
    const struct list *node = entry ? entry->node.next : ps->entries.next;

    return node == &ps->entries ? NULL : container_of(node, struct producer_entry, node);
}

uint32_t producer_state_count(const struct producer_state *ps)
{
    return ps->count;
}

int64_t producer_state_first_open_offset(const struct producer_state *ps)
{
    if (list_is_empty(&ps->open))
        return -1;
    return list_first(&ps->open, struct producer_entry, open_node)->txn_first_offset;
}

uint32_t producer_state_expire(struct producer_state *ps, int64_t now_ms, int64_t idle_max_ms)
{
    uint32_t count = 0;

    list_for_each_safe(node, &ps->entries)
    {
        struct producer_entry *entry = container_of(node, struct producer_entry, node);

        if (entry->last_seen_ms > now_ms)
            entry->last_seen_ms = now_ms; /* the clock was set back */
        if (entry->txn_first_offset < 0 && now_ms - entry->last_seen_ms >= idle_max_ms) {
            SOMETIMES("producer_state: a producer was forgotten for its age", true);
            remove_entry(ps, entry);
            count++;
        }
    }
    return count;
}

bool producer_state_truncate(struct producer_state *ps, int64_t offset)
{
    return offset >= ps->end_offset;
}

void producer_state_raise_start(struct producer_state *ps, int64_t log_start_offset)
{
    if (ps->end_offset < log_start_offset)
        ps->end_offset = log_start_offset;
}

void producer_state_settle(struct producer_state *ps)
{
    list_for_each(node, &ps->entries)
    {
        struct producer_entry *entry = container_of(node, struct producer_entry, node);

        producer_shares_settle(&ps->shares, &entry->share);
        if (ps->all != NULL)
            producer_shares_settle(ps->all, &entry->share_all);
    }
}

void producer_state_clear(struct producer_state *ps, int64_t end_offset)
{
    free_entries(ps);
    if (ps->slots)
        memset(ps->slots, 0, ps->slot_count * sizeof(struct producer_entry *));
    ps->end_offset = end_offset;
}

/* ---- whole entries, for files and copies */

enum err producer_state_restore(struct producer_state *ps, const struct producer_entry *from)
{
    struct producer_entry *entry;
    enum err err;

    if (from->producer_id < 0 || find_entry(ps, from->producer_id))
        return ERR_MALFORMED;
    err = reserve_entry(ps);
    if (err)
        return err;
    entry = add_entry(ps, from->producer_id);
    entry->epoch = from->epoch;
    entry->batch_count = from->batch_count;
    entry->coordinator_epoch = from->coordinator_epoch;
    entry->last_timestamp_ms = from->last_timestamp_ms;
    entry->last_seen_ms = from->last_seen_ms;
    entry->txn_first_offset = from->txn_first_offset;
    memcpy(entry->batches, from->batches, sizeof(entry->batches));
    producer_shares_add_recovered(&ps->shares, &entry->share);
    if (ps->all != NULL)
        producer_shares_add_recovered(ps->all, &entry->share_all);
    set_open(entry, entry->txn_first_offset >= 0);
    if (entry->txn_first_offset >= 0) {
        struct list *after = ps->open.prev; /* PST-3; files are mostly in order */

        while (after != &ps->open &&
               container_of(after, struct producer_entry, open_node)->txn_first_offset >
                   entry->txn_first_offset)
            after = after->prev;
        list_insert_between(&entry->open_node, after, after->next);
    }
    return OK;
}

enum err producer_state_copy(struct producer_state *to, const struct producer_state *from)
{
    producer_state_clear(to, from->end_offset);
    list_for_each(node, &from->entries)
    {
        enum err err = producer_state_restore(to, container_of(node, struct producer_entry, node));

        if (err) {
            producer_state_clear(to, 0);
            return err;
        }
    }
    return OK;
}

static bool batch_equal(const struct producer_batch *a, const struct producer_batch *b)
{
    return a->first_sequence == b->first_sequence && a->last_sequence == b->last_sequence &&
           a->last_offset == b->last_offset && a->offset_delta == b->offset_delta &&
           a->timestamp_ms == b->timestamp_ms;
}

static bool entry_equal(const struct producer_entry *a, const struct producer_entry *b)
{
    if (a->producer_id != b->producer_id || a->epoch != b->epoch ||
        a->batch_count != b->batch_count || a->coordinator_epoch != b->coordinator_epoch ||
        a->last_timestamp_ms != b->last_timestamp_ms || a->txn_first_offset != b->txn_first_offset)
        return false;
    for (uint8_t i = 0; i < a->batch_count; i++) {
        if (!batch_equal(&a->batches[i], &b->batches[i]))
            return false;
    }
    return true;
}

bool producer_state_equal(const struct producer_state *a, const struct producer_state *b)
{
    if (a->count != b->count || a->end_offset != b->end_offset)
        return false;
    list_for_each(node, &a->entries)
    {
        const struct producer_entry *entry = container_of(node, struct producer_entry, node);
        const struct producer_entry *other = find_entry(b, entry->producer_id);

        if (!other || !entry_equal(entry, other))
            return false;
    }
    return true;
}
