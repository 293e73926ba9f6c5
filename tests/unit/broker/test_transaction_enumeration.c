/* All that can happen to a few transactions, in every order: the real transaction_decide in a small
 * world (tests/support/transaction_world.h), explored breadth first.  The number of states is
 * printed. */
#include "base/mem.h"
#include "tests/support/transaction_world.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

TestSuite(transaction_enumeration, .timeout = 900);

enum { STATES_MAX = 6 << 20 };

/* The states that were seen, by a hash of 128 bits; those that are to be looked at, as a queue. */
struct exploration {
    XXH128_hash_t *seen;
    size_t slots;
    uint64_t count;
    struct world *queue;
    size_t head, tail, capacity;
};

static void begin(struct exploration *e)
{
    *e = (struct exploration){.slots = (size_t)1 << 23, .capacity = (size_t)1 << 16};
    e->seen = mem_alloc(e->slots * sizeof(*e->seen)); /* zeroed, and touched where it is used */
    e->queue = mem_alloc(e->capacity * sizeof(*e->queue));
}

static void end(struct exploration *e)
{
    mem_free(e->seen);
    mem_free(e->queue);
}

static bool is_new(struct exploration *e, const struct world *world)
{
    XXH128_hash_t hash = XXH3_128bits(world, sizeof(*world));
    size_t slot = hash.low64 & (e->slots - 1);

    hash.high64 |= 1; /* no hash is zero */
    while (e->seen[slot].high64 != 0) {
        if (e->seen[slot].low64 == hash.low64 && e->seen[slot].high64 == hash.high64)
            return false;
        slot = (slot + 1) & (e->slots - 1);
    }
    e->seen[slot] = hash;
    cr_assert(lt(u64, e->count, STATES_MAX), "more states than there is room for");
    e->count++;
    return true;
}

static void grow(struct exploration *e)
{
    size_t count = e->tail - e->head;
    struct world *queue;

    if (e->tail < e->capacity)
        return;
    if (count > e->capacity / 2)
        e->capacity *= 2;
    queue = mem_alloc(e->capacity * sizeof(*queue));
    memcpy(queue, e->queue + e->head, count * sizeof(*queue));
    mem_free(e->queue);
    e->queue = queue;
    e->head = 0;
    e->tail = count;
}

static void add(struct exploration *e, const struct world *world)
{
    if (!is_new(e, world))
        return;
    grow(e);
    memcpy(&e->queue[e->tail++], world, sizeof(*world));
}

/* The first rule that a reachable state breaks; NULL: none does. */
static const char *explore(const struct world_rules *rules, const char *name)
{
    struct exploration e;
    struct world world, next;
    const char *broken = NULL, *by_step;
    bool happened;

    begin(&e);
    world_init(&world, rules);
    add(&e, &world);
    while (e.head < e.tail && broken == NULL) {
        memcpy(&world, &e.queue[e.head++], sizeof(world));
        broken = world_check(&world, rules);
        if (broken == NULL)
            broken = world_check_drained(&world, rules);
        for (unsigned step = 0;
             broken == NULL && world_step(&world, rules, step, &happened, &next, &by_step);
             step++) {
            broken = by_step;
            if (happened && broken == NULL)
                add(&e, &next);
        }
    }
    printf("%s: %llu states%s%s\n", name, (unsigned long long)e.count,
           broken == NULL ? "" : ", broken: ", broken == NULL ? "" : broken);
    fflush(stdout);
    end(&e);
    return broken;
}

static void holds(const struct world_rules *rules, const char *name)
{
    const char *broken = explore(rules, name);

    cr_assert(eq(ptr, (void *)broken, NULL), "%s: %s", name, broken);
}

/* Two that claim one id; the second one is a zombie, or the first one is. */
static const struct world_rules v2 = {
    .versions = {TRANSACTION_V2, TRANSACTION_V2, TRANSACTION_V2},
    .ids = {0, 0, 1},
    .txns = {1, 1, 0},
    .partitions = {2, 2, 0},
    .server_version = TRANSACTION_V2,
    .first_epoch = TRANSACTION_NO_EPOCH,
    .crashes = 1,
    .delays = 1,
};

Test(transaction_enumeration, v2_with_a_zombie_a_crash_and_a_delayed_end)
{
    struct world_rules rules = v2;

    rules.aborts_nothing = true;
    holds(&rules, "v2");
}

Test(transaction_enumeration, v2_with_a_next_transaction)
{
    struct world_rules rules = v2;

    rules.txns[0] = 2;
    rules.partitions[1] = 1;
    holds(&rules, "v2, a next transaction");
}

Test(transaction_enumeration, a_next_epoch_is_asked_for_and_the_answer_is_lost)
{
    struct world_rules rules = v2;

    rules.delays = 0;
    rules.losses = 1;
    rules.txns[0] = 2;
    rules.partitions[0] = rules.partitions[1] = 1;
    rules.reinits = true;
    holds(&rules, "v2, the next epoch is asked for");
    rules.versions[0] = rules.versions[1] = TRANSACTION_V1;
    holds(&rules, "v1, the next epoch is asked for");
}

Test(transaction_enumeration, v2_with_three_clients)
{
    struct world_rules rules = v2;

    rules.txns[2] = 1;
    rules.partitions[1] = rules.partitions[2] = 1; /* it meets the others nowhere but in a crash */
    rules.crashes = 0;
    holds(&rules, "v2, three clients");
    rules.crashes = 1;
    rules.delays = 0;
    rules.partitions[0] = 1;
    holds(&rules, "v2, three clients, a crash");
}

Test(transaction_enumeration, v2_with_timeouts_and_lost_answers)
{
    struct world_rules rules = v2;

    rules.delays = 0;
    rules.timeouts = 1;
    rules.losses = 1;
    holds(&rules, "v2, a timeout, a lost answer");
}

Test(transaction_enumeration, v2_at_the_last_epoch)
{
    struct world_rules rules = v2;

    rules.first_epoch = TRANSACTION_EPOCH_LAST - 2;
    rules.txns[0] = 2;
    rules.partitions[1] = 1;
    holds(&rules, "v2, the epochs of an id end");
}

static struct world_rules v1(void)
{
    struct world_rules rules = v2;

    rules.versions[0] = rules.versions[1] = TRANSACTION_V1;
    return rules;
}

Test(transaction_enumeration, v1_with_a_zombie_a_crash_and_a_timeout)
{
    struct world_rules rules = v1();

    rules.delays = 0;
    rules.timeouts = 1;
    holds(&rules, "v1");
}

/* An id goes from one protocol to the other, and has a zombie of the other one. */
Test(transaction_enumeration, one_of_each_version)
{
    struct world_rules rules = v2;

    rules.versions[0] = TRANSACTION_V1;
    rules.aborts_nothing = true;
    rules.guards_lanes = true;
    rules.txns[1] = 2;
    rules.partitions[0] = rules.partitions[1] = 1;
    rules.losses = 1;
    rules.delays = 0;
    holds(&rules, "one of each version");
    rules.reinits = true;
    holds(&rules, "one of each version, the next epoch is asked for");
    rules.server_version = TRANSACTION_V1;
    rules.timeouts = 1;
    rules.crashes = 0;
    holds(&rules, "one of each version, the server at 1");
}

Test(transaction_enumeration, v1_with_a_delayed_end_needs_the_guard)
{
    struct world_rules rules = v1();

    rules.txns[0] = 2;
    rules.partitions[1] = 1;
    rules.crashes = 0;
    cr_assert(ne(ptr, (void *)explore(&rules, "v1, a delayed end, no guard"), NULL));
    rules.guards_lanes = true;
    holds(&rules, "v1, a delayed end, guarded");
}
