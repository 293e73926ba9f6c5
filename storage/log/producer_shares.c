#include "storage/log/producer_shares.h"

#include "base/check.h"
#include "base/mem.h"

enum { HEAP_CAPACITY_MIN = 4 };

struct producer_owner {
    uint64_t number;
    struct list held;   /* of producer_share, longest idle first */
    struct list pinned; /* likewise */
    uint32_t count;     /* of both */
    uint32_t pinned_count;
    uint32_t heap_index;
};

void producer_shares_init(struct producer_shares *shares, uint64_t seed, uint32_t known_max)
{
    check(known_max > 0 && known_max <= UINT32_MAX / 4);
    *shares = (struct producer_shares){.known_max = known_max};
    list_init(&shares->recovered);
    list_init(&shares->recovered_pinned);
    hash_map_init(&shares->owners, seed);
}

/* ---- the heap of owners: the first one gives way before all others */

static uint32_t owner_count(const struct producer_shares *shares)
{
    return (uint32_t)hash_map_count(&shares->owners);
}

static uint64_t idle_since(const struct producer_owner *owner)
{
    return list_is_empty(&owner->held)
               ? UINT64_MAX
               : list_first(&owner->held, struct producer_share, node)->used_at;
}

static bool goes_before(const struct producer_owner *a, const struct producer_owner *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return idle_since(a) < idle_since(b);
}

static void put_at(struct producer_shares *shares, struct producer_owner *owner, uint32_t index)
{
    shares->heap[index] = owner;
    owner->heap_index = index;
}

/* owner has changed: to its place. */
static void fix_heap(struct producer_shares *shares, struct producer_owner *owner)
{
    uint32_t count = owner_count(shares);
    uint32_t index = owner->heap_index;

    while (index > 0 && goes_before(owner, shares->heap[(index - 1) / 2])) {
        put_at(shares, shares->heap[(index - 1) / 2], index);
        index = (index - 1) / 2;
    }
    for (;;) {
        uint32_t child = index * 2 + 1;
        if (child + 1 < count && goes_before(shares->heap[child + 1], shares->heap[child]))
            child++;
        if (child >= count || !goes_before(shares->heap[child], owner))
            break;
        put_at(shares, shares->heap[child], index);
        index = child;
    }
    put_at(shares, owner, index);
}

static enum err reserve_heap(struct producer_shares *shares)
{
    uint32_t count = owner_count(shares);
    uint32_t capacity = shares->heap_capacity == 0 ? HEAP_CAPACITY_MIN : shares->heap_capacity * 2;
    struct producer_owner **heap;

    if (count < shares->heap_capacity)
        return OK;
    heap = mem_try_alloc(capacity * sizeof(struct producer_owner *));
    if (heap == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < count; i++)
        heap[i] = shares->heap[i];
    mem_free(shares->heap);
    shares->heap = heap;
    shares->heap_capacity = capacity;
    return OK;
}

/* ---- owners */

static struct producer_owner *find_owner(const struct producer_shares *shares, uint64_t number)
{
    return hash_map_find(&shares->owners, &number, sizeof(number));
}

static void forget_owner(struct producer_shares *shares, struct producer_owner *owner)
{
    uint32_t index = owner->heap_index;
    struct producer_owner *last = shares->heap[owner_count(shares) - 1];

    hash_map_remove(&shares->owners, &owner->number, sizeof(owner->number));
    if (last != owner) {
        put_at(shares, last, index);
        fix_heap(shares, last);
    }
    if (shares->reserved == owner)
        shares->reserved = NULL;
    mem_free(owner);
}

static bool is_empty_handed(const struct producer_owner *owner)
{
    return owner != NULL && owner->count == 0;
}

/* Nothing came of what was reserved before. */
static void reserve_for(struct producer_shares *shares, struct producer_owner *owner)
{
    if (shares->reserved != owner && is_empty_handed(shares->reserved))
        forget_owner(shares, shares->reserved);
    shares->reserved = owner;
}

enum err producer_shares_reserve(struct producer_shares *shares, uint64_t number)
{
    struct producer_owner *owner = find_owner(shares, number);
    enum err err;

    if (owner != NULL) {
        reserve_for(shares, owner);
        return OK;
    }
    reserve_for(shares, NULL);
    err = reserve_heap(shares);
    if (err != OK)
        return err;
    owner = mem_try_alloc(sizeof(*owner));
    if (owner == NULL)
        return ERR_NOMEM;
    owner->number = number;
    list_init(&owner->held);
    list_init(&owner->pinned);
    err = hash_map_insert(&shares->owners, &owner->number, sizeof(owner->number), owner);
    if (err != OK) {
        mem_free(owner);
        return err;
    }
    put_at(shares, owner, owner_count(shares) - 1);
    fix_heap(shares, owner);
    shares->reserved = owner;
    return OK;
}

void producer_shares_deinit(struct producer_shares *shares)
{
    check(shares->known_count == 0 && shares->recovered_count == 0);
    reserve_for(shares, NULL);
    check(owner_count(shares) == 0); /* PSH-4 */
    hash_map_deinit(&shares->owners);
    mem_free(shares->heap);
    *shares = (struct producer_shares){0};
}

uint32_t producer_shares_short(uint64_t owner)
{
    uint32_t number = (uint32_t)(owner * 0x9e3779b97f4a7c15U >> 40);

    return owner == PRODUCER_OWNER_NONE || number != 0 ? number : 1;
}

/* ---- ids */

/* The newest of the list that it belongs to. */
static void push(struct producer_shares *shares, struct producer_share *share)
{
    struct producer_owner *owner = share->owner;

    if (owner == NULL)
        list_push_back(share->pinned ? &shares->recovered_pinned : &shares->recovered,
                       &share->node);
    else
        list_push_back(share->pinned ? &owner->pinned : &owner->held, &share->node);
}

static void count_pinned(struct producer_shares *shares, const struct producer_share *share, int by)
{
    if (!share->pinned)
        return;
    shares->pinned_count += (uint32_t)by;
    if (share->owner != NULL)
        share->owner->pinned_count += (uint32_t)by;
}

static void join(struct producer_shares *shares, struct producer_share *share,
                 struct producer_owner *owner)
{
    share->owner = owner;
    share->used_at = ++shares->uses_count;
    push(shares, share);
    count_pinned(shares, share, 1);
    if (owner == NULL) {
        shares->recovered_count++;
        return;
    }
    owner->count++;
    shares->known_count++;
    fix_heap(shares, owner);
}

static void leave(struct producer_shares *shares, struct producer_share *share)
{
    struct producer_owner *owner = share->owner;

    list_remove(&share->node);
    count_pinned(shares, share, -1);
    share->owner = NULL;
    if (owner == NULL) {
        shares->recovered_count--;
        return;
    }
    shares->known_count--;
    if (--owner->count == 0 && shares->reserved != owner)
        forget_owner(shares, owner);
    else
        fix_heap(shares, owner);
}

void producer_shares_add(struct producer_shares *shares, struct producer_share *share,
                         uint64_t number)
{
    struct producer_owner *owner = find_owner(shares, number);

    check(owner != NULL); /* reserved */
    join(shares, share, owner);
}

void producer_shares_add_recovered(struct producer_shares *shares, struct producer_share *share)
{
    join(shares, share, NULL);
}

void producer_shares_use(struct producer_shares *shares, struct producer_share *share,
                         uint64_t number)
{
    struct producer_owner *owner = share->owner;

    if (owner == NULL || owner->number != number) {
        owner = find_owner(shares, number);
        check(owner != NULL);
        leave(shares, share);
        join(shares, share, owner);
        return;
    }
    list_remove(&share->node);
    push(shares, share);
    share->used_at = ++shares->uses_count;
    fix_heap(shares, owner);
}

void producer_shares_pin(struct producer_shares *shares, struct producer_share *share, bool pinned)
{
    if (share->pinned == pinned)
        return;
    list_remove(&share->node);
    count_pinned(shares, share, -1);
    share->pinned = pinned;
    push(shares, share);
    count_pinned(shares, share, 1);
    if (share->owner != NULL)
        fix_heap(shares, share->owner);
}

bool producer_shares_may_pin(const struct producer_shares *shares, uint64_t number)
{
    const struct producer_owner *owner = find_owner(shares, number);
    uint32_t max = shares->known_max - shares->known_max / 8;

    if (shares->pinned_count >= max)
        return false;
    return shares->pinned_count < shares->known_max / 2 || owner == NULL ||
           (uint64_t)owner->pinned_count * owner_count(shares) < max;
}

void producer_shares_settle(struct producer_shares *shares, struct producer_share *share)
{
    if (share->owner == NULL)
        return;
    leave(shares, share);
    join(shares, share, NULL);
}

void producer_shares_remove(struct producer_shares *shares, struct producer_share *share)
{
    leave(shares, share);
}

uint64_t producer_shares_owner(const struct producer_share *share)
{
    return share->owner == NULL ? PRODUCER_OWNER_NONE : share->owner->number;
}

/* ---- who goes */

static struct producer_share *longest_idle(const struct list *held)
{
    return list_is_empty(held) ? NULL : list_first(held, struct producer_share, node);
}

/* PSH-1 */
static struct producer_share *victim_of_known(const struct producer_shares *shares, uint64_t number)
{
    const struct producer_owner *owner = find_owner(shares, number);
    const struct producer_owner *reserved = shares->reserved;
    uint32_t count = owner_count(shares);
    uint32_t parts = reserved != owner && is_empty_handed(reserved) ? count - 1 : count;
    struct producer_share *victim = NULL;

    check(owner != NULL);
    if ((uint64_t)owner->count * parts >= shares->known_max)
        victim = longest_idle(&owner->held);
    for (uint32_t i = 0; i < count && victim == NULL; i++) /* all of the first are pinned */
        victim = longest_idle(&shares->heap[i]->held);
    return victim;
}

struct producer_share *producer_shares_victim(const struct producer_shares *shares, uint64_t number,
                                              bool is_new)
{
    if (shares->known_count >= shares->known_max)
        return victim_of_known(shares, number);
    if (is_new && (uint64_t)shares->known_count + shares->recovered_count >=
                      (uint64_t)shares->known_max * PRODUCER_SHARES)
        return longest_idle(&shares->recovered); /* PSH-2 */
    return NULL;
}
