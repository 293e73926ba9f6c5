#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { LOGS = 5, CALLS_MAX = 2000 };

static const struct fixture_options small = {.log_count = LOGS,
                                             .segment_bytes = 40000,
                                             .segment_write_bytes = 8192,
                                             .index_interval_bytes = 2000,
                                             .checkpoint_interval_ms = 60};

static void up_with(uint64_t seed, uint32_t shard_count)
{
    struct fixture_options options = small;

    options.seed = seed;
    options.shard_count = shard_count;
    fixture_up(&options);
    cr_assert(fixture_start());
}

TestSuite(store_shards, .fini = fixture_down, .timeout = 120);

static void work(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(eq(int, fixture_append_some(i % LOGS), OK));
        if (prng_chance(&fixture.chance, 1, 3))
            fixture_run_ms(2);
    }
    cr_assert(fixture_settle());
}

static void check_all(void)
{
    for (uint32_t i = 0; i < LOGS; i++)
        fixture_check_prefix(i);
}

static uint32_t others; /* files of shards that are no more */

static void see_other(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    uint32_t shard;

    if (sscanf(path, "data/marks-%" SCNu32, &shard) == 1 ||
        sscanf(path, "data/journal-%" SCNu32, &shard) == 1)
        others += shard >= fixture.shard_count;
}

static void end_by_chance(void)
{
    uint64_t way = prng_below(&fixture.chance, 3);

    if (way == 0)
        fixture_stop();
    else
        fixture_crash(way == 1 ? SIM_KILL : SIM_POWER_LOSS);
}

/* Only some logs change in a life, so that a shard may keep its marks from the start. */
Test(store_shards, another_number_of_shards_at_any_start_loses_nothing)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        if (seed > 1)
            fixture_down();
        up_with(seed, 1 + (uint32_t)(seed % 3));
        work(15);
        for (int life = 0; life < 6; life++) {
            end_by_chance();
            fixture.options.shard_count = 1 + (uint32_t)prng_below(&fixture.chance, 4);
            cr_assert(fixture_start());
            check_all();
            others = 0;
            sim_image_walk(&fixture.node->disk, SIM_CACHED, see_other, NULL);
            cr_assert(eq(u32, others, 0), "seed %" PRIu64, seed);
            for (uint64_t i = prng_below(&fixture.chance, 8); i > 0; i--)
                cr_assert(
                    eq(int, fixture_append_some((uint32_t)(seed + (uint64_t)life) % LOGS), OK));
            cr_assert(fixture_settle());
            fixture_run_ms(prng_below(&fixture.chance, 200));
        }
    }
}

/* The start with another number dies at any call and is repeated, perhaps with a third number. */
static void die_while_changing(uint32_t from, uint32_t to, uint32_t then, enum sim_crash kind)
{
    for (uint64_t call = 1; call < CALLS_MAX; call++) {
        bool died;
        if (call > 1)
            fixture_down();
        up_with(call, from);
        work(12);
        fixture_run_ms(prng_below(&fixture.chance, 100));
        work(12);
        fixture_crash(kind);
        fixture.options.shard_count = to;
        sim_node_crash_at_call(fixture.node, call, kind);
        died = !fixture_start();
        sim_node_crash_at_call(fixture.node, 0, kind);
        if (died) {
            fixture.options.shard_count = then;
            cr_assert(fixture_start());
        }
        check_all();
        work(5);
        fixture_crash(SIM_POWER_LOSS);
        cr_assert(fixture_start());
        check_all();
        if (!died)
            return;
    }
    cr_assert(false, "the start has more calls than were tried");
}

Test(store_shards, a_start_with_more_shards_may_die_anywhere)
{
    die_while_changing(1, 3, 3, SIM_KILL);
    fixture_down();
    die_while_changing(2, 3, 1, SIM_POWER_LOSS);
}

Test(store_shards, a_start_with_fewer_shards_may_die_anywhere)
{
    die_while_changing(3, 2, 2, SIM_KILL);
    fixture_down();
    die_while_changing(3, 1, 2, SIM_POWER_LOSS);
}
