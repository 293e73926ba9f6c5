#include "base/mem.h"
#include "base/prng.h"
#include "storage/log/producer_state.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

#define NOW_MS 1700000000000

enum { STATES = 3, SEED = 42 };

static struct producer_shares all;
static struct producer_state states[STATES];
static struct producer_forgotten last_forgotten;
static uint32_t forgotten_count;

static void on_forgotten(void *context, const struct producer_forgotten *forgotten)
{
    last_forgotten = *forgotten;
    forgotten_count++;
}

/* Each state remembers state_max producers, all of them all_max. */
static void up(uint32_t state_max, uint32_t all_max)
{
    producer_shares_init(&all, SEED, all_max);
    for (int i = 0; i < STATES; i++) {
        producer_state_init(&states[i], SEED + (uint64_t)i, state_max);
        states[i].all = &all;
        states[i].forgotten = on_forgotten;
    }
    forgotten_count = 0;
}

static void down(void)
{
    for (int i = 0; i < STATES; i++)
        producer_state_deinit(&states[i]);
    producer_shares_deinit(&all);
    cr_assert(eq(u64, mem_used_count(), 0));
}

TestSuite(producer_shares, .fini = down);

/* One batch of one record, appended unless it is refused or a duplicate. */
static enum err send(int state, uint64_t owner, int64_t producer_id, int32_t sequence,
                     bool *duplicate)
{
    struct producer_state *ps = &states[state];
    struct producer_rules rules = {.owner = owner};
    struct batch_header header = {
        .magic = 2,
        .size_bytes = 100,
        .record_count = 1,
        .max_timestamp_ms = NOW_MS,
        .producer_id = producer_id,
        .base_sequence = sequence,
        .base_offset = ps->end_offset,
    };
    struct producer_check checked;
    enum err err = producer_state_check(ps, &header, NULL, &rules, &checked);

    if (duplicate != NULL)
        *duplicate = err == OK && checked.duplicate;
    if (err == OK && !checked.duplicate)
        producer_state_update(ps, &header, NULL, NOW_MS, NULL);
    return err;
}

static void bring(int state, uint64_t owner, int64_t first_id, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        cr_assert(eq(int, send(state, owner, first_id + i, 0, NULL), OK));
}

static bool is_known(int state, int64_t producer_id)
{
    return producer_state_find(&states[state], producer_id) != NULL;
}

/* A batch that was acknowledged comes again. */
static bool is_duplicate(int state, uint64_t owner, int64_t producer_id, int32_t sequence)
{
    bool duplicate;

    cr_assert(eq(int, send(state, owner, producer_id, sequence, &duplicate), OK));
    return duplicate;
}

static bool restart_from(int state)
{
    static struct producer_state copy;
    enum err err;

    producer_state_init(&copy, 1, 1000);
    err = producer_state_copy(&copy, &states[state]);
    if (err == OK)
        err = producer_state_copy(&states[state], &copy);
    producer_state_deinit(&copy);
    producer_state_settle(&states[state]);
    return err == OK;
}

Test(producer_shares, who_brings_many_displaces_his_own)
{
    up(100, 1000);
    bring(0, 1, 1000, 3);
    bring(0, 2, 2000, 1000);
    cr_assert(is_duplicate(0, 1, 1000, 0));
    cr_assert(is_duplicate(0, 1, 1002, 0));
    cr_assert(not(is_known(0, 2000)));
    cr_assert(is_known(0, 2999));
    cr_assert(eq(u32, producer_state_count(&states[0]), 100));
    cr_assert(eq(u64, last_forgotten.owner, 2));
    cr_assert(eq(u64, last_forgotten.for_owner, 2));
    cr_assert(eq(i64, last_forgotten.producer_id, 2902));
    cr_assert(not(last_forgotten.of_all));
    cr_assert(eq(u32, forgotten_count, 903));
}

/* PSH-3: from a half on each owner has his part. */
Test(producer_shares, nobody_keeps_others_from_their_transactions)
{
    static struct producer_share shares[14];

    memset(shares, 0, sizeof(shares));
    up(16, 16);
    for (uint64_t i = 0; i < 8; i++) {
        cr_assert(eq(int, producer_shares_reserve(&all, 1), OK));
        cr_assert(producer_shares_may_pin(&all, 1));
        producer_shares_add(&all, &shares[i], 1);
        producer_shares_pin(&all, &shares[i], true);
    }
    cr_assert(eq(int, producer_shares_reserve(&all, 2), OK));
    cr_assert(producer_shares_may_pin(&all, 2));
    cr_assert(not(producer_shares_may_pin(&all, 1)));
    producer_shares_pin(&all, &shares[0], false);
    cr_assert(producer_shares_may_pin(&all, 1));
    cr_assert(eq(ptr, producer_shares_victim(&all, 1, true), NULL));
    for (uint64_t i = 0; i < 8; i++)
        producer_shares_remove(&all, &shares[i]);
}

/* It is the coordinator's, and the producer stays his who brought it. */
Test(producer_shares, a_marker_takes_nobodys_producer)
{
    const struct control_marker marker = {.commit = true, .coordinator_epoch = 1};
    struct producer_rules rules = {.origin = PRODUCER_COORDINATOR};
    struct batch_header header = {
        .magic = 2, .size_bytes = 78, .record_count = 1, .producer_id = 1000, .base_sequence = -1};
    struct producer_check checked;

    up(100, 1000);
    bring(0, 1, 1000, 1);
    header.base_offset = states[0].end_offset;
    cr_assert(eq(int, producer_state_check(&states[0], &header, &marker, &rules, &checked), OK));
    producer_state_update(&states[0], &header, &marker, NOW_MS, NULL);
    bring(0, 2, 2000, 1000); /* who displaces his own, and nobody else's */
    cr_assert(is_known(0, 1000));
    cr_assert(eq(u64, producer_shares_owner(&producer_state_find(&states[0], 1000)->share), 1));
}

/* Room was reserved for somebody else, and nothing came of it; then an owner's only id gives way to
 * his own new one. */
Test(producer_shares, an_owner_stays_while_room_is_made_for_him)
{
    up(2, 2);
    bring(0, 1, 1000, 1);
    bring(1, 2, 2000, 1);
    cr_assert(eq(int, producer_shares_reserve(&states[0].shares, 3), OK));
    cr_assert(eq(int, producer_shares_reserve(&all, 3), OK));
    bring(0, 1, 1001, 1); /* of all, where his part is one */
    cr_assert(not(is_known(0, 1000)));
    cr_assert(is_known(0, 1001));
    cr_assert(is_known(1, 2000));
    cr_assert(eq(u64, last_forgotten.owner, 1));
    cr_assert(last_forgotten.of_all);
}

Test(producer_shares, a_newcomer_with_few_takes_from_who_holds_most)
{
    up(90, 1000);
    bring(0, 1, 1000, 60);
    bring(0, 2, 2000, 30);
    bring(0, 3, 3000, 30); /* an equal part */
    cr_assert(not(is_known(0, 1029)));
    cr_assert(is_known(0, 1030));
    cr_assert(is_known(0, 2000));
    bring(0, 3, 4000, 100); /* from now on his own go */
    cr_assert(is_known(0, 1030));
    cr_assert(is_known(0, 2000));
    cr_assert(not(is_known(0, 3000)));
    cr_assert(eq(u32, producer_state_count(&states[0]), 90));
}

Test(producer_shares, of_equal_ones_the_longest_idle_goes)
{
    up(4, 1000);
    for (uint64_t owner = 1; owner <= 4; owner++)
        bring(0, owner, (int64_t)owner, 1);
    cr_assert(eq(int, send(0, 1, 1, 1, NULL), OK));
    bring(0, 5, 5, 1);
    cr_assert(not(is_known(0, 2)));
    bring(0, 6, 6, 1);
    cr_assert(not(is_known(0, 3)));
    cr_assert(is_known(0, 1));
}

Test(producer_shares, an_id_belongs_to_who_wrote_with_it_last)
{
    up(10, 1000);
    bring(0, 1, 1000, 9);
    for (int64_t id = 1000; id < 1009; id++)
        cr_assert(eq(int, send(0, 2, id, 1, NULL), OK));
    bring(0, 1, 3000, 5); /* he holds fewer now */
    cr_assert(is_known(0, 3000));
    cr_assert(not(is_known(0, 1000)));
    cr_assert(eq(u64, producer_shares_owner(&producer_state_find(&states[0], 1008)->share), 2));
}

Test(producer_shares, recovered_ones_do_not_lose_to_newcomers)
{
    up(50, 1000);
    bring(0, 1, 1000, 1);
    bring(0, 2, 2000, 49);
    cr_assert(restart_from(0));
    bring(0, 2, 3000, 500);
    cr_assert(is_duplicate(0, 1, 1000, 0));
    cr_assert(is_known(0, 2000));
    cr_assert(eq(u32, producer_state_count(&states[0]), 100));
    cr_assert(eq(int, send(0, 1, 1000, 1, NULL), OK)); /* known again, and not alone */
    bring(0, 2, 4000, 500);
    cr_assert(is_duplicate(0, 1, 1000, 1));
    cr_assert(eq(u32, producer_state_count(&states[0]), 99));
}

/* Whoever takes over recovered ids has his part, as if he brought new ones. */
Test(producer_shares, recovered_ones_that_are_taken_over_count_among_the_known)
{
    up(4, 1000);
    bring(0, 1, 1000, 4);
    cr_assert(restart_from(0));
    bring(0, 2, 2000, 4);
    for (int64_t id = 1000; id < 1004; id++)
        cr_assert(eq(int, send(0, 3, id, 1, NULL), OK));
    cr_assert(eq(u32, states[0].shares.known_count, 4));
    cr_assert(eq(u32, producer_state_count(&states[0]), 4));
    cr_assert(is_known(0, 1003));
    cr_assert(is_known(0, 2003));
    cr_assert(not(is_known(0, 2000)));
}

Test(producer_shares, recovered_ones_are_bounded_too)
{
    up(50, 1000);
    bring(0, 1, 1000, 50);
    cr_assert(restart_from(0));
    bring(0, 2, 2000, 50);
    cr_assert(restart_from(0));
    bring(0, 3, 3000, 50);
    cr_assert(restart_from(0));
    cr_assert(eq(u32, producer_state_count(&states[0]), 150));
    cr_assert(is_known(0, 1000));
    bring(0, 4, 4000, 50); /* for the oldest beyond a hundred */
    cr_assert(eq(u32, producer_state_count(&states[0]), 150));
    cr_assert(not(is_known(0, 1049)));
    cr_assert(is_known(0, 2000));
    bring(0, 4, 5000, 50);
    cr_assert(is_known(0, 2000));
}

Test(producer_shares, what_a_start_replays_displaces_nothing_that_a_file_had)
{
    up(50, 1000);
    bring(0, 1, 1000, 50);
    cr_assert(restart_from(0));
    bring(0, PRODUCER_OWNER_NONE, 2000, 300); /* the journal */
    producer_state_settle(&states[0]);
    cr_assert(is_known(0, 1000));
    cr_assert(eq(u32, producer_state_count(&states[0]), 100));
}

Test(producer_shares, what_a_start_replayed_does_not_lose_to_newcomers)
{
    up(50, 1000);
    bring(0, PRODUCER_OWNER_NONE, 1000, 40);
    producer_state_settle(&states[0]);
    bring(0, 2, 2000, 300);
    cr_assert(is_known(0, 1000));
}

Test(producer_shares, all_partitions_have_a_bound_together)
{
    up(1000, 90);
    bring(0, 1, 1000, 10);
    bring(1, 1, 1000, 10);
    for (int round = 0; round < 50; round++)
        bring(round % STATES, 2, 2000 + round * 10, 10);
    cr_assert(eq(u32, all.known_count, 90));
    cr_assert(last_forgotten.of_all);
    cr_assert(eq(u64, last_forgotten.owner, 2));
    for (int64_t id = 1000; id < 1010; id++) {
        cr_assert(is_duplicate(0, 1, id, 0));
        cr_assert(is_duplicate(1, 1, id, 0));
    }
    cr_assert(eq(u32,
                 producer_state_count(&states[0]) + producer_state_count(&states[1]) +
                     producer_state_count(&states[2]),
                 90));
}

Test(producer_shares, what_goes_from_one_partition_leaves_room_in_the_others)
{
    up(1000, 90);
    bring(0, 1, 1000, 50);
    bring(1, 1, 2000, 40);
    producer_state_clear(&states[0], 0);
    cr_assert(eq(u32, all.known_count, 40));
    bring(1, 2, 3000, 50);
    cr_assert(is_known(1, 2000));
    cr_assert(eq(u32, forgotten_count, 0));
}

Test(producer_shares, without_memory_nothing_changes)
{
    bool duplicate;

    up(10, 10);
    bring(0, 1, 1000, 3);
    for (uint64_t n = 1; n < 20; n++) {
        enum err err;
        mem_fail_after(n);
        err = send(0, 2, 2000, 0, &duplicate);
        mem_fail_after(0);
        if (err == OK)
            break;
        cr_assert(eq(int, err, ERR_NOMEM));
        cr_assert(eq(u32, producer_state_count(&states[0]), 3));
        cr_assert(eq(u32, all.known_count, 3));
        cr_assert(lt(u64, n, 15));
    }
    cr_assert(is_known(0, 2000));
}

/* ---- beside a model: a plain list, searched from end to end */

enum { MODEL_IDS = 400, MODEL_OWNERS = 7, MODEL_MAX = 40 };

struct model_id {
    bool known;
    uint64_t owner;
    uint64_t used_at;
    int32_t sequence;
};

static struct model_id model[MODEL_IDS];

static int model_victim(uint64_t owner)
{
    uint32_t counts[MODEL_OWNERS + 1] = {0};
    uint64_t since[MODEL_OWNERS + 1];
    uint32_t total = 0;
    uint32_t owners = 0;
    uint64_t from = owner;
    int victim = -1;

    memset(since, 0xff, sizeof(since));
    for (int i = 0; i < MODEL_IDS; i++) {
        if (!model[i].known)
            continue;
        total++;
        counts[model[i].owner]++;
        if (model[i].used_at < since[model[i].owner])
            since[model[i].owner] = model[i].used_at;
    }
    if (total < MODEL_MAX)
        return -1;
    for (uint64_t o = 1; o <= MODEL_OWNERS; o++)
        owners += counts[o] > 0 || o == owner;
    if (counts[owner] * owners < MODEL_MAX) {
        from = 1;
        for (uint64_t o = 2; o <= MODEL_OWNERS; o++)
            if (counts[o] > counts[from] || (counts[o] == counts[from] && since[o] < since[from]))
                from = o;
    }
    for (int i = 0; i < MODEL_IDS; i++)
        if (model[i].known && model[i].owner == from &&
            (victim < 0 || model[i].used_at < model[victim].used_at))
            victim = i;
    return victim;
}

Test(producer_shares, agrees_with_a_list)
{
    const uint64_t seed = 4711;
    uint64_t uses = 0;
    struct prng prng;

    up(MODEL_MAX, 100000);
    prng_init(&prng, seed);
    for (int step = 0; step < 20000; step++) {
        int id = (int)prng_below(&prng, MODEL_IDS);
        uint64_t owner = prng_chance(&prng, 1, 2) ? 1 : 1 + prng_below(&prng, MODEL_OWNERS);

        if (!model[id].known) {
            int victim = model_victim(owner);
            if (victim >= 0)
                model[victim].known = false;
            model[id] = (struct model_id){.known = true, .sequence = -1};
        }
        model[id].owner = owner;
        model[id].used_at = ++uses;
        model[id].sequence++;
        cr_assert(eq(int, send(0, owner, id, model[id].sequence, NULL), OK), "seed %lu step %d",
                  seed, step);
        if (step % 100 != 0)
            continue;
        for (int i = 0; i < MODEL_IDS; i++)
            cr_assert(eq(int, is_known(0, i), model[i].known), "seed %lu step %d id %d", seed, step,
                      i);
    }
}
