#include "tests/sim/sim_process.h"
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

TestSuite(store_shards, .fini = fixture_down, .timeout = 300);

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

static void on_cut(void *context, enum err err)
{
    *(bool *)context = true;
}

static void cut_log(uint32_t index)
{
    struct fixture_log *at = &fixture.at[index];
    static bool done;
    int64_t offset;
    enum err err;

    if (at->batch_count == 0)
        return;
    offset = at->batches[prng_below(&fixture.chance, at->batch_count)].base_offset;
    done = false;
    while ((err = log_truncate(at->log, offset, on_cut, &done)) == ERR_FULL)
        fixture_run_ms(1);
    cr_assert(eq(int, err, OK));
    at->durable = 0;
    fixture_forget_from(index, offset);
    for (int ms = 0; ms < 1000 && !done; ms++)
        fixture_run_ms(1);
    cr_assert(done);
}

static void cut_and_append(uint32_t index)
{
    cut_log(index);
    for (int i = 0; i < 6; i++)
        cr_assert(eq(int, fixture_append_some(index), OK));
    cr_assert(fixture_settle());
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
    for (uint64_t seed = 1; seed <= 40; seed++) {
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

struct change {
    uint32_t from, to, then; /* numbers of shards */
    enum sim_crash kind;
    uint32_t first, step; /* of the calls at which it dies */
};

/* The start with another number dies at a call and is repeated, perhaps with a third number. */
static void die_while_changing(const struct change *change)
{
    for (uint64_t call = change->first; call < CALLS_MAX; call += change->step) {
        bool died;
        if (call > change->first)
            fixture_down();
        up_with(call, change->from);
        work(12);
        fixture_run_ms(prng_below(&fixture.chance, 100));
        work(12);
        if (call % 2 == 0)
            cut_and_append((uint32_t)prng_below(&fixture.chance, LOGS));
        fixture_crash(change->kind);
        fixture.options.shard_count = change->to;
        sim_node_crash_at_call(fixture.node, call, change->kind);
        died = !fixture_start();
        sim_node_crash_at_call(fixture.node, 0, change->kind);
        if (died) {
            fixture.options.shard_count = change->then;
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
    die_while_changing(&(struct change){1, 3, 3, SIM_KILL, 1, 3});
    fixture_down();
    die_while_changing(&(struct change){2, 3, 1, SIM_POWER_LOSS, 2, 3});
}

Test(store_shards, a_start_with_fewer_shards_may_die_anywhere)
{
    die_while_changing(&(struct change){3, 2, 2, SIM_KILL, 3, 3});
    fixture_down();
    die_while_changing(&(struct change){3, 1, 2, SIM_POWER_LOSS, 1, 3});
}

/* 20 MB in the journal of the last shard, one log of it cut at the beginning. */
static void fill_long_journal(uint64_t seed)
{
    struct fixture_options options = {.seed = seed, .log_count = 3, .shard_count = 3};

    fixture_up(&options);
    cr_assert(fixture_start());
    for (int i = 0; i < 220; i++) {
        struct fixture_append append = {.log_index = 2, .value_bytes = 90000};
        enum err err;
        while ((err = fixture_append(&append, NULL)) == ERR_FULL)
            fixture_run_ms(1);
        cr_assert(eq(int, err, OK));
        if (i == 10)
            cut_log(2);
    }
    cr_assert(fixture_settle());
    fixture_crash(SIM_KILL);
    fixture.options.shard_count = 1;
}

/* What is left of it has holes; nobody needs it any more. */
static void die_while_removing(uint64_t seed)
{
    enum { LAST_CALLS = 14 };
    uint64_t calls;

    fill_long_journal(seed);
    cr_assert(fixture_start());
    calls = fixture.node->process->disk_call_count;
    for (uint64_t i = 0; i < LAST_CALLS; i++) {
        fixture_down();
        fill_long_journal(seed);
        sim_node_crash_at_call(fixture.node, calls - i, SIM_POWER_LOSS);
        cr_assert(not(fixture_start()));
        cr_assert(fixture_start());
        fixture_check_prefix(2);
    }
}

Test(store_shards, a_long_journal_that_is_half_removed_does_no_harm)
{
    for (uint64_t seed = 1; seed <= 2; seed++) {
        if (seed > 1)
            fixture_down();
        die_while_removing(seed);
    }
}

/* ---- marks that are lost */

struct victims {
    const char *prefix;
    char paths[64][96];
    uint32_t count;
    uint64_t segment_bytes; /* of all segments */
};

static void on_file(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    struct victims *victims = context;
    size_t path_bytes = strlen(path);

    path += *path == '/';
    if (path_bytes > 4 && strcmp(path + strlen(path) - 4, ".log") == 0)
        victims->segment_bytes += size_bytes;
    if (!is_dir && strncmp(path, victims->prefix, strlen(victims->prefix)) == 0)
        snprintf(victims->paths[victims->count++], sizeof(victims->paths[0]), "%s", path);
}

static uint32_t remove_files(const char *format, uint32_t shard)
{
    char prefix[32];
    struct victims victims = {.prefix = prefix};

    snprintf(prefix, sizeof(prefix), format, shard);
    sim_image_walk(&fixture.node->disk, SIM_CACHED, on_file, &victims);
    for (uint32_t i = 0; i < victims.count; i++)
        cr_assert(eq(int, sim_disk_unlink(&fixture.node->disk, victims.paths[i]), 0));
    return victims.count;
}

static uint64_t segment_bytes(void)
{
    struct victims victims = {.prefix = "none"};

    sim_image_walk(&fixture.node->disk, SIM_CACHED, on_file, &victims);
    return victims.segment_bytes;
}

static void check_refused(void)
{
    uint64_t before = segment_bytes();

    cr_assert(lt(u64, 0, before));
    fixture_try_start();
    cr_assert(eq(int, fixture.start_err, ERR_CORRUPT), "seed %" PRIu64, fixture.options.seed);
    cr_assert(eq(u64, segment_bytes(), before));
    fixture_crash(SIM_KILL);
}

Test(store_shards, a_start_without_the_marks_of_a_shard_is_refused_and_touches_nothing)
{
    for (uint32_t shard = 0; shard < 3; shard++) {
        if (shard > 0)
            fixture_down();
        up_with(shard, 3);
        work(20);
        fixture_checkpoint();
        work(5);
        fixture_crash(SIM_KILL);
        cr_assert(eq(u32, remove_files("data/marks-%u-", shard), 2));
        check_refused();
        cr_assert(ge(u32, remove_files("data/journal-%u-", shard), 1));
        check_refused();
    }
}

Test(store_shards, the_only_marks_cannot_be_lost_unseen)
{
    up_with(1, 1);
    work(20);
    fixture_checkpoint();
    fixture_crash(SIM_KILL);
    cr_assert(eq(u32, remove_files("data/marks-0-", 0), 2));
    check_refused();
}

/* Whichever slot is gone and whenever: all is there, or it is said that something is not. */
Test(store_shards, a_lost_slot_loses_nothing_unseen)
{
    uint32_t whole = 0;

    for (uint64_t seed = 1; seed <= 60; seed++) {
        if (seed > 1)
            fixture_down();
        up_with(seed, 1);
        work(15);
        for (uint64_t i = prng_below(&fixture.chance, 3); i > 0; i--) {
            end_by_chance();
            cr_assert(fixture_start());
            work((uint32_t)prng_below(&fixture.chance, 10));
        }
        if (prng_chance(&fixture.chance, 1, 2))
            fixture_checkpoint();
        fixture_crash(SIM_KILL);
        cr_assert(eq(u32, remove_files("data/marks-0-%u", (uint32_t)(seed % 2)), 1));
        fixture_try_start();
        if (fixture.start_err == ERR_CORRUPT)
            continue;
        cr_assert(eq(int, fixture.start_err, OK));
        check_all();
        whole++;
    }
    cr_assert(lt(u32, 0, whole));
    cr_assert(lt(u32, whole, 60));
}

/* A directory of Kafka's whose segments contradict each other: no mark is ever written for that
 * log, and the second start may not take it for a new one. */
Test(store_shards, a_log_that_could_not_be_adopted_keeps_its_files_at_every_start)
{
    struct victims victims = {.prefix = "data/topic0-0/0000"};
    char path[96] = "";
    uint64_t before;

    up_with(1, 1);
    work(200);
    fixture_stop();
    remove_files("data/marks-%u-", 0);
    remove_files("data/journal-%u-", 0);
    sim_image_walk(&fixture.node->disk, SIM_CACHED, on_file, &victims);
    for (uint32_t i = 0; i < victims.count; i++)
        if (strstr(victims.paths[i], ".log") != NULL && strcmp(victims.paths[i], path) > 0)
            snprintf(path, sizeof(path), "%s", victims.paths[i]);
    cr_assert(eq(
        int, sim_disk_rename(&fixture.node->disk, path, "data/topic0-0/00000000000000000001.log"),
        0));
    before = segment_bytes();
    for (int i = 0; i < 3; i++) {
        cr_assert(fixture_start());
        cr_assert(log_is_quarantined(fixture.at[0].log));
        cr_assert(not(log_is_quarantined(fixture.at[1].log)));
        cr_assert(eq(u64, segment_bytes(), before));
        fixture_crash(SIM_KILL);
    }
}

/* Kafka has one such file for a directory, not one for each shard. */
Test(store_shards, kafkas_checkpoint_files_name_the_logs_of_all_shards)
{
    char text[400] = {0};

    up_with(6, 3);
    work(40);
    fixture_stop();
    cr_assert(
        lt(i64, 0,
           sim_image_peek(&fixture.node->disk, SIM_CACHED, "data/recovery-point-offset-checkpoint",
                          0, text, sizeof(text) - 1)));
    for (uint32_t i = 0; i < LOGS; i++) {
        char line[64];
        snprintf(line, sizeof(line), "topic%" PRIu32 " 0 %" PRIi64 "\n", i, fixture.at[i].durable);
        cr_assert(ne(ptr, strstr(text, line), NULL), "%s not in %s", line, text);
    }
}
