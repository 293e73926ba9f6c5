#include "base/mem.h"
#include "storage/log/log_private.h"
#include "storage/store_private.h"
#include "tests/sim/sim_io.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void up_with(const struct fixture_options *options)
{
    fixture_up(options);
    cr_assert(fixture_start());
}

static void up(void)
{
    up_with(&(struct fixture_options){.seed = 1, .log_count = 3, .segment_bytes = 100000});
}

TestSuite(store, .fini = fixture_down, .timeout = 600);

static void fill(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        cr_assert(eq(int, fixture_append_some(i % fixture.options.log_count), OK));
        fixture_run_ms(1);
    }
}

static void check_everything(void)
{
    for (uint32_t i = 0; i < fixture.options.log_count; i++)
        fixture_check_content(i, 20000);
}

/* ---- idle, stop */

Test(store, an_idle_store_makes_no_calls, .init = up)
{
    uint64_t calls;

    fill(10);
    cr_assert(fixture_settle());
    fixture_run_ms(20000);
    calls = fixture.node->process->disk_call_count;
    fixture_run_ms(3600 * 1000);
    cr_assert(eq(u64, fixture.node->process->disk_call_count, calls));
}

Test(store, a_stop_while_appends_are_on_their_way_keeps_them, .init = up)
{
    for (uint32_t i = 0; i < 30; i++)
        cr_assert(eq(int, fixture_append_some(i % 3), OK));
    fixture_stop();
    cr_assert(fixture_start());
    check_everything();
    fixture_stop();
    cr_assert(fixture_start());
    check_everything();
}

static uint32_t padded_count;

static void see_size(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    char last[4] = {0};
    size_t path_bytes = strlen(path);

    if (is_dir || path_bytes < 4 || strcmp(path + path_bytes - 4, ".log") != 0 || size_bytes < 4)
        return;
    sim_image_peek(&fixture.node->disk, SIM_CACHED, path, size_bytes - 4, last, 4);
    padded_count += memcmp(last, "\0\0\0\0", 4) == 0;
}

Test(store, after_a_stop_the_files_are_those_that_kafka_would_have, .init = up)
{
    static const char *const names[] = {"recovery-point-offset-checkpoint",
                                        "replication-offset-checkpoint",
                                        "log-start-offset-checkpoint"};
    char text[200];
    char expected[200];

    for (int32_t i = 0; i < 60; i++) {
        struct fixture_append append = {
            .has_producer = true, .producer_id = 9, .base_sequence = i, .value_bytes = 5000};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    }
    fixture_stop();
    padded_count = 0;
    sim_image_walk(&fixture.node->disk, SIM_CACHED, see_size, NULL);
    cr_assert(eq(u32, padded_count, 0));
    for (size_t i = 0; i < 3; i++) {
        char path[64];
        int64_t size;
        memset(text, 0, sizeof(text));
        snprintf(path, sizeof(path), "data/%s", names[i]);
        size = sim_image_peek(&fixture.node->disk, SIM_CACHED, path, 0, text, sizeof(text) - 1);
        cr_assert(lt(i64, 0, size), "%s", path);
        snprintf(expected, sizeof(expected), "topic0 0 %d\n", i < 2 ? 60 : 0);
        cr_assert(ne(ptr, strstr(text, expected), NULL), "%s", text);
    }
    cr_assert(lt(i64, 0,
                 sim_image_peek(&fixture.node->disk, SIM_CACHED,
                                fixture_path(0, "00000000000000000060.snapshot"), 0, text, 10)));
}

/* ---- full, and room again */

struct hungry {
    struct store_waiter waiter;
    uint32_t calls;
};

static bool on_room(struct store_waiter *waiter)
{
    container_of(waiter, struct hungry, waiter)->calls++;
    return true;
}

Test(store, a_full_store_says_so_and_calls_whoever_waits_when_there_is_room)
{
    struct hungry hungry = {.waiter.room = on_room};
    uint32_t refused = 0;
    uint32_t appended = 0;

    up_with(&(struct fixture_options){
        .seed = 2, .tail_cache_max_bytes = 300000, .segment_write_bytes = 16384});
    while (appended < 200) {
        enum err err = fixture_append(&(struct fixture_append){.value_bytes = 20000}, NULL);
        if (err == OK) {
            appended++;
            continue;
        }
        cr_assert(eq(int, err, ERR_FULL));
        refused++;
        hungry.calls = 0;
        store_wait_room(fixture.store, &hungry.waiter);
        for (int ms = 0; ms < 2000 && hungry.calls == 0; ms++)
            fixture_run_ms(1);
        cr_assert(eq(u32, hungry.calls, 1));
    }
    cr_assert(lt(u32, 0, refused));
    cr_assert(fixture_settle());
    fixture_check_content(0, 100000);
    hungry.calls = 0;
    store_wait_room(fixture.store, &hungry.waiter);
    store_cancel_wait(&hungry.waiter);
    fixture_run_ms(10000);
    cr_assert(eq(u32, hungry.calls, 0));
}

static bool on_room_never(struct store_waiter *waiter)
{
    container_of(waiter, struct hungry, waiter)->calls++;
    return false;
}

struct large {
    struct store_waiter waiter;
    enum err err;
};

static bool on_room_for_large(struct store_waiter *waiter)
{
    struct large *large = container_of(waiter, struct large, waiter);

    large->err =
        fixture_append(&(struct fixture_append){.log_index = 1, .value_bytes = 1000000}, NULL);
    return large->err != ERR_FULL;
}

Test(store, who_waits_for_the_journal_is_not_passed_by_what_would_fit)
{
    struct fixture_append small = {.log_index = 2, .value_bytes = 10};
    struct fixture_append reserved = {.log_index = 0, .value_bytes = 10};
    struct large large = {.waiter.room = on_room_for_large};

    up_with(&(struct fixture_options){.seed = 2, .log_count = 3, .reserved_space = true});
    sim_disk_hold(&fixture.node->disk, SIM_WRITE);
    while (on_room_for_large(&large.waiter))
        cr_assert(eq(int, large.err, OK));
    cr_assert(eq(int, fixture_append(&small, NULL), OK)); /* nobody waits yet */
    store_wait_room(fixture.store, &large.waiter);
    cr_assert(eq(int, fixture_append(&small, NULL), ERR_FULL));
    cr_assert(eq(int, fixture_append(&reserved, NULL), OK)); /* but for what is the broker's own */
    sim_disk_unhold(&fixture.node->disk, SIM_WRITE);
    for (int ms = 0; ms < 2000 && large.err == ERR_FULL; ms++)
        fixture_run_ms(1);
    cr_assert(eq(int, large.err, OK));
    cr_assert(eq(int, fixture_append(&small, NULL), OK));
    cr_assert(fixture_settle());
}

Test(store, small_batches_one_at_a_time_never_use_up_the_memory)
{
    up_with(&(struct fixture_options){.seed = 2, .tail_cache_max_bytes = 8 << 20});
    for (uint32_t i = 0; i < 60000; i++) { /* a group and a block of memory each */
        enum err err = ERR_FULL;
        for (int tries = 0; tries < 2000 && err == ERR_FULL; tries++) {
            err = fixture_append(&(struct fixture_append){.value_bytes = 10}, NULL);
            if (err == ERR_FULL)
                fixture_run_ms(5);
        }
        cr_assert(eq(int, err, OK), "batch %" PRIu32, i);
        cr_assert(fixture_settle());
    }
    fixture_check_content(0, 1 << 20);
}

Test(store, a_small_journal_is_reused_for_ever)
{
    up_with(&(struct fixture_options){.seed = 3, .journal_max_bytes = 8 << 20});
    for (uint32_t i = 0; i < 600; i++) {
        enum err err;
        while ((err = fixture_append(&(struct fixture_append){.value_bytes = 100000}, NULL)) ==
               ERR_FULL)
            fixture_run_ms(5);
        cr_assert(eq(int, err, OK));
    }
    cr_assert(fixture_settle());
    fixture_check_content(0, 1 << 20);
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    fixture_check_prefix(0);
}

/* What the journal holds is what the next start replays. */
Test(store, with_few_logs_a_quarter_of_the_journal_asks_for_a_checkpoint)
{
    up_with(&(struct fixture_options){
        .seed = 4, .journal_max_bytes = 32 << 20, .checkpoint_interval_ms = UINT32_MAX});
    for (int i = 0; i < 70; i++) {
        cr_assert(
            eq(int, fixture_append(&(struct fixture_append){.value_bytes = 100000}, NULL), OK));
        cr_assert(fixture_settle());
    }
    cr_assert(eq(u64, counter_read(&fixture.store->metrics.checkpoints), 0));
    for (int i = 0; i < 30; i++) {
        cr_assert(
            eq(int, fixture_append(&(struct fixture_append){.value_bytes = 100000}, NULL), OK));
        cr_assert(fixture_settle());
    }
    fixture_run_ms(1000);
    cr_assert(eq(u64, counter_read(&fixture.store->metrics.checkpoints), 1));
}

/* ---- failures of the device are final (STO-3, DUR-F4, DUR-F5) */

static void expect_failure(void)
{
    cr_assert(eq(int, store_state(fixture.store), STORE_FAILED));
    cr_assert(eq(u32, fixture.failed_count, 1));
    cr_assert(eq(int, fixture_append_some(0), ERR_STORAGE));
    cr_assert(eq(int, fixture_append_some(0), ERR_STORAGE));
    fixture_run_ms(20000);
    cr_assert(eq(u32, fixture.failed_count, 1));
    sim_disk_heal(&fixture.node->disk);
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < fixture.options.log_count; i++)
        fixture_check_prefix(i);
}

Test(store, a_failed_write_is_final_and_nothing_durable_is_lost)
{
    for (uint64_t skip = 0; skip < 12; skip++) {
        if (skip > 0)
            fixture_down();
        up();
        fill(20);
        sim_disk_fail_nth(&fixture.node->disk, SIM_WRITE, skip, EIO);
        for (uint32_t i = 0; i < 60 && store_state(fixture.store) == STORE_RUNNING; i++) {
            (void)!fixture_append_some(i % 3);
            fixture_run_ms(200);
        }
        expect_failure();
    }
}

Test(store, a_failed_syncfs_is_final_and_no_mark_follows_it, .init = up)
{
    int64_t durable;

    fill(20);
    sim_disk_fail_next(&fixture.node->disk, SIM_SYNCFS, EIO);
    fixture_run_ms(20000);
    durable = fixture.at[0].durable;
    expect_failure();
    cr_assert(ge(i64, log_offsets(fixture.at[0].log).log_end, durable));
}

/* The journal grows meanwhile; its sync reports what the device lost of any file. */
Test(store, a_failed_sync_of_the_journals_growth_is_final)
{
    uint64_t made;

    up_with(&(struct fixture_options){
        .seed = 7, .checkpoint_interval_ms = UINT32_MAX, .segment_write_bytes = 16384});
    sim_disk_hold(&fixture.node->disk, SIM_SYNCFS);
    for (int i = 0; i < 20; i++) {
        cr_assert(
            eq(int, fixture_append(&(struct fixture_append){.value_bytes = 40000}, NULL), OK));
        cr_assert(fixture_settle());
        fixture_run_ms(20);
    }
    fixture_run_ms(2000);
    made = journal_stats(fixture.store->env.journal)->extents_made;
    sim_disk_fail_next(&fixture.node->disk, SIM_SYNCFS, EIO);
    sim_disk_unhold(&fixture.node->disk, SIM_SYNCFS);
    fixture_run_ms(500);
    cr_assert(eq(u64, journal_stats(fixture.store->env.journal)->extents_made, made));
    expect_failure();
    fixture_check_prefix(0);
}

/* Bit rot of any of the groups that were acknowledged, the first of the only extent among them. */
Test(store, a_damaged_group_of_the_journal_ends_the_start_whichever_it_is)
{
    for (uint64_t group = 0; group < 18; group++) {
        if (group > 0)
            fixture_down();
        up_with(&(struct fixture_options){.seed = 8 + group, .checkpoint_interval_ms = UINT32_MAX});
        for (int i = 0; i < 20; i++) {
            cr_assert(
                eq(int, fixture_append(&(struct fixture_append){.value_bytes = 100}, NULL), OK));
            cr_assert(fixture_settle());
        }
        fixture_crash(SIM_KILL);
        cr_assert(
            eq(int,
               sim_image_flip(&fixture.node->disk, "data/journal-0-1.levee", group * 4096 + 200, 1),
               0));
        fixture_try_start();
        cr_assert(eq(int, fixture.start_err, ERR_CORRUPT), "group %" PRIu64, group);
    }
}

/* The file that held them is gone as a whole. */
Test(store, a_journal_extent_that_is_missing_ends_the_start)
{
    up_with(&(struct fixture_options){.seed = 8, .checkpoint_interval_ms = UINT32_MAX});
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 100}, NULL), OK));
    sim_disk_hold(&fixture.node->disk, SIM_SYNCFS);
    store_checkpoint(fixture.store, NULL, NULL);
    fixture_run_ms(50);
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 100}, NULL), OK));
    cr_assert(fixture_settle()); /* behind what the marks will hold */
    sim_disk_unhold(&fixture.node->disk, SIM_SYNCFS);
    fixture_run_ms(100);
    cr_assert(eq(int, fixture.store->checkpointer.step, CHECKPOINT_IDLE));
    fixture_crash(SIM_KILL);
    cr_assert(eq(int, sim_disk_unlink(&fixture.node->disk, "data/journal-0-1.levee"), 0));
    fixture_try_start();
    cr_assert(eq(int, fixture.start_err, ERR_CORRUPT));
}

/* What was appended, and committed, while a checkpoint ran. */
Test(store, what_came_during_a_checkpoint_reaches_its_segment_without_a_later_append)
{
    up_with(&(struct fixture_options){.seed = 6, .log_count = 2, .checkpoint_interval_ms = 1000});
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 100}, NULL), OK));
    cr_assert(fixture_settle());
    sim_disk_hold(&fixture.node->disk, SIM_SYNCFS);
    store_checkpoint(fixture.store, NULL, NULL);
    fixture_run_ms(100);
    cr_assert(eq(int, fixture.store->checkpointer.step, CHECKPOINT_SYNC));
    cr_assert(eq(int,
                 fixture_append(&(struct fixture_append){.log_index = 1, .value_bytes = 100}, NULL),
                 OK));
    cr_assert(fixture_settle());
    sim_disk_unhold(&fixture.node->disk, SIM_SYNCFS);
    fixture_run_ms(3000);
    cr_assert(eq(u64, fixture.store->tail_cache.dirty_bytes, 0));
    cr_assert(list_is_empty(&fixture.store->env.dirty_logs));
}

/* Descriptors come back: what finds none is done again, and nothing stops. */
Test(store, a_lack_of_descriptors_delays_and_ends_nothing)
{
    for (uint64_t skip = 0; skip < 12; skip++) {
        if (skip > 0)
            fixture_down();
        up();
        fill(20);
        sim_disk_fail_nth(&fixture.node->disk, SIM_OPEN, skip, EMFILE);
        for (uint32_t i = 0; i < 60; i++) {
            cr_assert(eq(int, fixture_append_some(i % 3), OK));
            fixture_run_ms(200);
        }
        fixture_run_ms(20000);
        cr_assert(eq(int, store_state(fixture.store), STORE_RUNNING), "skip %" PRIu64, skip);
        fixture_checkpoint();
        fixture_crash(SIM_POWER_LOSS);
        cr_assert(fixture_start());
        for (uint32_t i = 0; i < fixture.options.log_count; i++)
            fixture_check_prefix(i);
    }
}

static void count_end(void *context, enum err err)
{
    (*(uint32_t *)context)++;
}

Test(store, who_waits_for_a_stop_or_a_checkpoint_is_told_once_also_when_the_device_fails)
{
    for (uint64_t skip = 0; skip < 24; skip++) {
        uint32_t checkpoints = 0;
        uint32_t stops = 0;
        if (skip > 0)
            fixture_down();
        up();
        fill(20);
        for (uint32_t i = 0; i < 6; i++)
            cr_assert(eq(int, fixture_append_some(i % 3), OK));
        sim_disk_fail_nth(&fixture.node->disk, SIM_WRITE, skip, EIO);
        store_checkpoint(fixture.store, count_end, &checkpoints);
        if (skip % 2 == 0)
            fixture_run_ms(1);
        store_stop(fixture.store, count_end, &stops);
        fixture_run_ms(20000);
        cr_assert(eq(u32, checkpoints, 1), "write %" PRIu64, skip);
        cr_assert(eq(u32, stops, 1), "write %" PRIu64, skip);
        sim_disk_heal(&fixture.node->disk);
        fixture_crash(SIM_POWER_LOSS);
        cr_assert(fixture_start());
        for (uint32_t i = 0; i < 3; i++)
            fixture_check_prefix(i);
    }
}

static bool is_between_turns(void *context)
{
    return list_is_linked(&fixture.store->walk.task.node);
}

Test(store, it_may_be_closed_in_the_midst_of_a_stop)
{
    uint32_t stops = 0;

    up_with(&(struct fixture_options){.seed = 5, .log_count = FIXTURE_LOGS_MAX});
    fill(20);
    store_stop(fixture.store, count_end, &stops);
    cr_assert(sim_world_run_until(fixture.world, is_between_turns, NULL, 60 * SIM_SECOND));
    store_close(fixture.store);
    fixture.store = NULL;
    fixture.stores[0] = NULL;
    for (uint32_t i = 0; i < FIXTURE_LOGS_MAX; i++)
        fixture.at[i].log = NULL;
    cr_assert(list_is_empty(&fixture.loops[0].deferred));
    cr_assert(eq(u32, stops, 0));
}

/* ---- space (STO-5, DUR-F7) */

Test(store, without_space_client_appends_are_refused_and_it_heals_by_itself)
{
    uint64_t free_bytes;
    uint64_t inode;
    uint8_t block[4096] = {1};
    struct iovec vec = {block, sizeof(block)};

    up_with(&(struct fixture_options){.seed = 4,
                                      .log_count = 2,
                                      .capacity_bytes = 64 << 20,
                                      .reserve_bytes = 10 << 20,
                                      .reserved_space = true});
    fill(10);
    cr_assert(eq(int, sim_disk_open(&fixture.node->disk, "ballast", SIM_OPEN_CREATE, &inode), 0));
    free_bytes = sim_disk_free_bytes(&fixture.node->disk);
    for (uint64_t pos = 0; pos + (9 << 20) < free_bytes; pos += sizeof(block)) {
        struct sim_disk_write write = {.vec = &vec, .vec_count = 1, .pos = pos};
        cr_assert(lt(i32, 0, sim_disk_write(&fixture.node->disk, inode, &write)));
    }
    cr_assert(eq(int, fixture_append_some(1), OK));
    fixture_run_ms(3000);
    cr_assert(store_is_short_of_space(fixture.store));
    cr_assert(eq(u32, fixture.space_count, 1));
    cr_assert(eq(int, fixture_append_some(1), ERR_NOSPACE));
    cr_assert(eq(int, fixture_append_some(0), OK)); /* it may use the reserve */
    fixture_check_content(1, 10000);
    cr_assert(eq(int, sim_disk_truncate(&fixture.node->disk, inode, 0), 0));
    sim_disk_release(&fixture.node->disk, inode);
    fixture_run_ms(3000);
    cr_assert(not(store_is_short_of_space(fixture.store)));
    cr_assert(eq(u32, fixture.space_count, 2));
    cr_assert(eq(int, fixture_append_some(1), OK));
    cr_assert(fixture_settle());
    check_everything();
}

Test(store, a_segment_write_without_space_is_repeated_and_nothing_is_lost, .init = up)
{
    fill(20);
    for (uint64_t i = 0; i < 4; i++) {
        sim_disk_fail_nth(&fixture.node->disk, SIM_WRITE, 1 + i, ENOSPC);
        fixture_run_ms(8000);
        if (store_state(fixture.store) == STORE_FAILED)
            break; /* it met the journal */
        cr_assert(eq(int, fixture_append(&(struct fixture_append){.log_index = 1}, NULL), OK));
        if (!fixture_settle()) { /* or that one did */
            cr_assert(eq(int, (int)store_state(fixture.store), (int)STORE_FAILED));
            break;
        }
    }
    sim_disk_heal(&fixture.node->disk);
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < 3; i++)
        fixture_check_prefix(i);
}

/* A small file of a checkpoint, or a segment, finds no space; later the power goes. */
static uint32_t told;

static void lack_space_once(uint64_t skip)
{
    up_with(&(struct fixture_options){.seed = 20 + skip, .segment_bytes = 30000});
    for (int32_t i = 0; i < 12; i++) {
        struct fixture_append append = {
            .has_producer = true, .producer_id = 7, .base_sequence = i, .value_bytes = 4000};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
        cr_assert(fixture_settle());
        if (i == 3)
            fixture_checkpoint();
    }
    sim_disk_fail_nth(&fixture.node->disk, SIM_WRITE, skip, ENOSPC);
    fixture_run_ms(20000);                          /* a checkpoint, repeated in part */
    cr_assert(eq(u32, fixture.space_count % 2, 0)); /* each lack and its end are told */
    cr_assert(not(store_is_short_of_space(fixture.store)));
    told += fixture.space_count / 2;
    sim_disk_heal(&fixture.node->disk);
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    fixture_check_prefix(0);
    for (int32_t i = 7; i < 12; i++) {
        struct fixture_append append = {
            .has_producer = true, .producer_id = 7, .base_sequence = i, .value_bytes = 4000};
        struct log_append_result result;
        cr_assert(eq(int, fixture_append(&append, &result), OK));
        cr_assert(result.duplicate, "sequence %" PRId32 " (write %" PRIu64 ")", i, skip);
        cr_assert(eq(i64, result.base_offset, i));
    }
}

Test(store, a_checkpoint_that_lacked_space_once_forgets_no_producer)
{
    for (uint64_t skip = 0; skip < 14; skip++) {
        if (skip > 0)
            fixture_down();
        lack_space_once(skip);
    }
    cr_assert(ge(u32, told, 3));
}

/* ---- deletion */

static uint32_t seen_count;

static void see_deleted(void *context, const char *path, bool is_dir, uint64_t size_bytes)
{
    seen_count += strstr(path, "-delete") != NULL;
}

static uint32_t count_deleted(void)
{
    seen_count = 0;
    sim_image_walk(&fixture.node->disk, SIM_CACHED, see_deleted, NULL);
    return seen_count;
}

Test(store, a_deleted_log_is_renamed_at_once_and_removed_later_and_others_live_on, .init = up)
{
    fill(30);
    cr_assert(fixture_settle());
    log_delete(fixture.at[1].log);
    fixture.at[1].log = NULL;
    fixture_forget_from(1, INT64_MIN);
    cr_assert(lt(u32, 1, count_deleted()));
    for (uint32_t i = 0; i < 10; i++)
        cr_assert(eq(int, fixture_append_some(i % 2 * 2), OK));
    fixture_checkpoint();
    fixture_run_ms(30000);
    cr_assert(lt(u32, 1, count_deleted()));
    fixture_run_ms(60000);
    cr_assert(eq(u32, count_deleted(), 0));
    fixture_check_content(0, 20000);
    fixture_check_content(2, 20000);
}

/* Directories of a deleted topic are all due at once. */
Test(store, the_files_of_a_deleted_log_go_some_in_a_turn)
{
    struct fixture_append append = {.log_index = 1, .value_bytes = 2000};
    uint64_t turn = 0;
    uint32_t before = 0;
    uint32_t most = 0;

    fixture_up(&(struct fixture_options){.seed = 5, .log_count = 2, .segment_bytes = 3000});
    cr_assert(fixture_start());
    for (int i = 0; i < 60; i++)
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture.at[1].log->config.file_delete_delay_ms = 1000;
    log_delete(fixture.at[1].log);
    fixture.at[1].log = NULL;
    cr_assert(lt(u32, 100, count_deleted()));
    for (uint32_t left = count_deleted(); left > 0; left = count_deleted()) {
        if (fixture.loops[0].turn_count != turn) {
            turn = fixture.loops[0].turn_count;
            before = left;
        }
        cr_assert(sim_world_step(fixture.world, SIM_NEVER));
        if (before - count_deleted() > most)
            most = before - count_deleted();
    }
    cr_assert(ge(u32, 40, most));
}

static void delete_with_delay(uint32_t index, int64_t delay_ms)
{
    fixture.at[index].log->config.file_delete_delay_ms = delay_ms;
    log_delete(fixture.at[index].log);
    fixture.at[index].log = NULL;
}

Test(store, more_directories_than_a_turn_removes_go_in_the_next_ones)
{
    fixture_up(&(struct fixture_options){.seed = 6, .log_count = 3, .segment_bytes = 3000});
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < 90; i++) {
        struct fixture_append append = {.log_index = i % 3, .value_bytes = 2000};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    }
    cr_assert(fixture_settle());
    fixture_checkpoint();
    delete_with_delay(1, 1000);
    delete_with_delay(2, 1000);
    cr_assert(lt(u32, 100, count_deleted()));
    fixture_run_ms(1500);
    cr_assert(eq(u32, count_deleted(), 0));
}

Test(store, who_is_to_go_earlier_does_not_wait_for_the_others)
{
    uint32_t of_one;

    fixture_up(&(struct fixture_options){.seed = 7, .log_count = 3, .segment_bytes = 3000});
    cr_assert(fixture_start());
    for (uint32_t i = 0; i < 12; i++) {
        struct fixture_append append = {.log_index = i % 3, .value_bytes = 2000};
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    }
    cr_assert(fixture_settle());
    fixture_checkpoint();
    delete_with_delay(1, 60000);
    of_one = count_deleted();
    delete_with_delay(2, 1000);
    cr_assert(lt(u32, of_one, count_deleted()));
    fixture_run_ms(3000);
    cr_assert(eq(u32, count_deleted(), of_one));
    fixture_run_ms(60000);
    cr_assert(eq(u32, count_deleted(), 0));
}

Test(store, a_deleted_log_with_reads_and_writes_on_their_way_does_no_harm, .init = up)
{
    for (uint32_t round = 0; round < 20; round++) {
        struct log_read read = {.bound = 1, .max_bytes = 100, .at_least_one = true};
        if (round > 0) {
            fixture_down();
            up_with(&(struct fixture_options){.seed = 10 + round, .log_count = 3});
        }
        fill(20);
        store_checkpoint(fixture.store, NULL, NULL);
        fixture_run_ms(prng_below(&fixture.chance, 4));
        (void)!log_read(fixture.at[1].log, &read);
        log_read_release(&read);
        log_delete(fixture.at[1].log);
        fixture.at[1].log = NULL;
        fixture_forget_from(1, INT64_MIN);
        fixture_run_ms(100);
        cr_assert(eq(int, fixture_append_some(2), OK));
        cr_assert(fixture_settle());
        fixture_check_content(2, 20000);
    }
}

/* ---- memory */

Test(store, a_log_without_anything_in_memory_is_small)
{
    enum { MORE = 200 };
    static struct log *logs[MORE];
    static const struct log_events events = {.progress = NULL};
    uint64_t before;
    uint64_t each;

    up_with(&(struct fixture_options){.seed = 5});
    for (int32_t i = 0; i < MORE; i++) {
        struct log_id id = {.topic_id.bytes = {0xbb}, .partition = i};
        cr_assert(
            eq(int,
               log_open(fixture.store, &id, "idle", &fixture.at[0].config, &events, NULL, &logs[i]),
               OK));
    }
    before = mem_used_bytes(); /* the simulated disk has its memory from there, too */
    for (int32_t i = 0; i < MORE; i++)
        log_close(logs[i]);
    each = (before - mem_used_bytes()) / MORE;
    cr_assert(lt(u64, 0, each));
    cr_assert(lt(u64, each, 2048), "%" PRIu64 " bytes", each);
    cr_assert(eq(int, fixture_append_some(0), OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture_check_content(0, 1000);
}

/* What the kernel refuses is no lack of room, which somebody ends. */
Test(store, an_append_that_the_process_has_no_memory_for_is_refused_at_once)
{
    const struct fixture_batch *batch;
    struct log_append_result result;
    struct log_append append;
    uint32_t refused = 0;

    up_with(&(struct fixture_options){.seed = 5, .log_count = 3});
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 1100000}, NULL), OK));
    cr_assert(fixture_settle());
    batch = &fixture.at[0].batches[0];
    append = (struct log_append){.bytes = batch->bytes,
                                 .size_bytes = batch->size_bytes,
                                 .max_timestamp_ms = 1000,
                                 .now_ms = 1000};
    for (uint64_t n = 1; n <= 6; n++) { /* each of its allocations */
        enum err err;
        fixture_run_ms(2000); /* the journal grows */
        mem_fail_after(n);
        err = log_append_leader(fixture.at[1].log, &append, &result);
        mem_fail_after(0);
        cr_assert(err == OK || err == ERR_NOMEM, "%s", err_name(err));
        refused += err != OK;
    }
    cr_assert(ge(u32, refused, 3)); /* the ring of its tail, its entry, a buffer */
    mem_fail_after(3);
    cr_assert(eq(int, log_append_leader(fixture.at[2].log, &append, &result), ERR_NOMEM));
    mem_fail_after(0);
    cr_assert(eq(i64, log_offsets(fixture.at[1].log).log_end, 6 - (int64_t)refused));
    fixture_forget_from(1, 0);
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 1100000}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_check_content(0, 4 << 20);
}

/* ---- a full disk gives its space back while the store runs */

/* Fill the disk, then let retention look every so often, as the broker does. */
static void fill_the_disk_and_retain(uint64_t reserve_bytes)
{
    uint32_t refused = 0;
    enum err err = OK;

    up_with(&(struct fixture_options){.seed = 9,
                                      .segment_bytes = 1 << 20,
                                      .capacity_bytes = 24 << 20,
                                      .journal_max_bytes = 8 << 20,
                                      .tail_cache_max_bytes = 4 << 20,
                                      .checkpoint_interval_ms = 1000,
                                      .reserve_bytes = reserve_bytes});
    fixture.at[0].log->config.retention_bytes = 2 << 20;
    fixture.at[0].log->config.file_delete_delay_ms = 0;
    for (uint32_t i = 0; i < 4000 && refused < 50; i++) {
        err = fixture_append(&(struct fixture_append){.value_bytes = 100000}, NULL);
        refused += err == ERR_NOSPACE;
        fixture_run_ms(5);
    }
    cr_assert(eq(u32, refused, 50));
    fixture_run_ms(10000);
    for (int s = 0; s < 20; s++) {
        (void)log_apply_retention(fixture.at[0].log, clock_wall_ms(fixture.loops[0].clock));
        fixture_run_ms(1000);
    }
    cr_assert(ge(i64, log_offsets(fixture.at[0].log).log_start, 1));
    cr_assert(not(store_is_short_of_space(fixture.store)));
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 1000}, NULL), OK));
    cr_assert(fixture_settle());
    fixture_checkpoint();
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    cr_assert(not(log_is_quarantined(fixture.at[0].log)));
}

/* The disk is full, and so is the journal: the broker's own logs have used the reserve up. */
static void fill_disk_and_journal(void)
{
    uint32_t refused = 0;

    up_with(&(struct fixture_options){.seed = 9,
                                      .log_count = 2,
                                      .segment_bytes = 1 << 20,
                                      .capacity_bytes = 24 << 20,
                                      .journal_max_bytes = 8 << 20,
                                      .tail_cache_max_bytes = 16 << 20,
                                      .checkpoint_interval_ms = 1000,
                                      .reserved_space = true});
    fixture.at[1].log->config.file_delete_delay_ms = 0;
    for (uint32_t i = 0; i < 4000 && refused < 50; i++) {
        struct fixture_append append = {.log_index = 1, .value_bytes = 100000};
        refused += fixture_append(&append, NULL) == ERR_NOSPACE;
        fixture_run_ms(5);
    }
    cr_assert(eq(u32, refused, 50));
    for (uint32_t size = 100000; size > 0; size /= 10) {
        refused = 0;
        for (uint32_t i = 0; i < 4000 && refused < 20; i++) {
            enum err err = fixture_append(&(struct fixture_append){.value_bytes = size}, NULL);
            cr_assert(err == OK || err == ERR_FULL, "%s", err_name(err));
            refused += err == ERR_FULL;
            fixture_run_ms(5);
        }
        cr_assert(eq(u32, refused, 20));
    }
    fixture_run_ms(10000);
    cr_assert(eq(int, fixture_append(&(struct fixture_append){.value_bytes = 1}, NULL), ERR_FULL));
    cr_assert(store_is_short_of_space(fixture.store));
}

static void check_freed(void)
{
    fixture_run_ms(20000);
    cr_assert(ge(i64, log_offsets(fixture.at[1].log).log_start, 1));
    fixture.at[1].log_start = log_offsets(fixture.at[1].log).log_start;
    cr_assert(not(store_is_short_of_space(fixture.store)));
    for (uint32_t i = 0; i < 2; i++)
        cr_assert(
            eq(int,
               fixture_append(&(struct fixture_append){.log_index = i, .value_bytes = 1000}, NULL),
               OK));
    cr_assert(fixture_settle());
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    fixture_check_prefix(0);
    cr_assert(not(log_is_quarantined(fixture.at[1].log)));
}

static uint32_t trims_done;

static void on_trimmed(void *context, enum err err)
{
    cr_assert(eq(int, err, OK));
    trims_done++;
}

Test(store, a_full_journal_takes_a_new_log_start_and_is_emptied_by_it)
{
    struct log *log;

    fill_disk_and_journal();
    log = fixture.at[1].log;
    cr_assert(eq(int,
                 log_delete_records(log, segment_manifest_at(&log->segments, 8)->base_offset,
                                    on_trimmed, NULL),
                 OK));
    check_freed();
    cr_assert(eq(u32, trims_done, 1));
}

Test(store, a_full_journal_lets_retention_free_the_disk)
{
    fill_disk_and_journal();
    fixture.at[1].log->config.retention_bytes = 2 << 20;
    cr_assert(lt(u32, 0, log_apply_retention(fixture.at[1].log, -1)));
    check_freed();
}

Test(store, a_full_journal_takes_records_that_delete_topics_past_those_who_wait)
{
    struct hungry hungry = {.waiter.room = on_room_never};
    struct fixture_batch batch;
    struct log_append_result result;
    struct log_append append;
    enum err err;

    fill_disk_and_journal();
    store_wait_room(fixture.store, &hungry.waiter);
    batch = fixture.at[0].batches[fixture.at[0].batch_count - 1]; /* a small one */
    append = (struct log_append){.bytes = batch.bytes,
                                 .size_bytes = batch.size_bytes,
                                 .max_timestamp_ms = 1000,
                                 .now_ms = 1000};
    err = log_append_leader(fixture.at[0].log, &append, &result);
    cr_assert(eq(int, err, ERR_FULL));
    append.urgent = true;
    err = log_append_leader(fixture.at[0].log, &append, &result);
    cr_assert(eq(int, err, OK));
    fixture_run_ms(100);
    cr_assert(lt(i64, result.last_offset, log_offsets(fixture.at[0].log).durable));
    store_cancel_wait(&hungry.waiter);
    log_delete(fixture.at[1].log);
    fixture.at[1].log = NULL;
    fixture_forget_from(1, INT64_MIN);
    fixture_run_ms(20000);
    cr_assert(not(store_is_short_of_space(fixture.store)));
}

/* A file that leaves so many bytes of the disk. */
static uint64_t fill_disk(uint64_t left_bytes)
{
    uint8_t block[4096] = {1};
    struct iovec vec = {block, sizeof(block)};
    uint64_t inode;

    cr_assert(eq(int, sim_disk_open(&fixture.node->disk, "ballast", SIM_OPEN_CREATE, &inode), 0));
    for (uint64_t pos = 0; sim_disk_free_bytes(&fixture.node->disk) > left_bytes;
         pos += sizeof(block)) {
        struct sim_disk_write write = {.vec = &vec, .vec_count = 1, .pos = pos};
        cr_assert(lt(i32, 0, sim_disk_write(&fixture.node->disk, inode, &write)));
    }
    return inode;
}

/* What was taken and is in no segment yet needs as much of the disk as it will there. */
Test(store, what_was_taken_counts_as_written)
{
    enum { LOGS = 8, RESERVE = 8 << 20 };
    struct fixture_append append = {.value_bytes = 200000};
    uint64_t dirty_bytes;
    uint64_t inode;

    up_with(&(struct fixture_options){.seed = 9,
                                      .log_count = LOGS,
                                      .segment_write_bytes = 1 << 20,
                                      .capacity_bytes = 64 << 20,
                                      .journal_max_bytes = 8 << 20,
                                      .checkpoint_interval_ms = UINT32_MAX,
                                      .reserve_bytes = RESERVE});
    for (append.log_index = 0; append.log_index < LOGS; append.log_index++)
        cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
    fixture_run_ms(10000); /* the journal has its extents */
    dirty_bytes = fixture.store->tail_cache.dirty_bytes;
    cr_assert(lt(u64, 1 << 20, dirty_bytes));
    inode = fill_disk(RESERVE + dirty_bytes + (64 << 10));
    fixture_run_ms(3000);
    cr_assert(not(store_is_short_of_space(fixture.store)));
    sim_disk_release(&fixture.node->disk, inode);
    inode = fill_disk(RESERVE + dirty_bytes / 2);
    fixture_run_ms(3000);
    cr_assert(eq(u64, fixture.store->tail_cache.dirty_bytes, dirty_bytes));
    cr_assert(store_is_short_of_space(fixture.store));
    append.log_index = 0;
    cr_assert(eq(int, fixture_append(&append, NULL), ERR_NOSPACE));
    sim_disk_release(&fixture.node->disk, inode);
}

/* What was taken when it was seen has to have its place in segments, too. */
Test(store, what_clients_write_leaves_the_reserve)
{
    enum { RESERVE = 2 << 20 };
    struct fixture_append append = {.log_index = 1, .value_bytes = 100000};
    enum err err = OK;

    up_with(&(struct fixture_options){.seed = 9,
                                      .log_count = 2,
                                      .segment_bytes = 1 << 20,
                                      .capacity_bytes = 48 << 20,
                                      .journal_max_bytes = 8 << 20,
                                      .checkpoint_interval_ms = 1000,
                                      .reserve_bytes = RESERVE,
                                      .reserved_space = true});
    for (uint32_t i = 0; i < 4000 && err != ERR_NOSPACE; i++) {
        err = fixture_append(&append, NULL);
        fixture_run_ms(2);
    }
    cr_assert(eq(int, err, ERR_NOSPACE));
    fixture_run_ms(10000);
    cr_assert(le(u64, RESERVE / 4 * 3, sim_disk_free_bytes(&fixture.node->disk)));
    cr_assert(eq(int, fixture_append(&append, NULL), ERR_NOSPACE));
    for (uint32_t i = 0; i < 10; i++)
        cr_assert(
            eq(int, fixture_append(&(struct fixture_append){.value_bytes = 10000}, NULL), OK));
    cr_assert(fixture_settle());
}

Test(store, retention_frees_a_full_disk_while_a_checkpoint_waits_for_space)
{
    fill_the_disk_and_retain(0);
}

Test(store, retention_frees_a_disk_that_is_full_up_to_the_reserve)
{
    fill_the_disk_and_retain(4 << 20);
}

Test(store, the_journal_gives_its_space_back_when_the_marks_are_durable_and_not_before)
{
    uint64_t used;
    bool marking = false;

    up_with(&(struct fixture_options){.seed = 81, .log_count = 2});
    fill(40);
    cr_assert(fixture_settle());
    used = journal_used_bytes(fixture.store->env.journal);
    cr_assert(used > 0);
    store_checkpoint(fixture.store, NULL, NULL);
    while (fixture.store->checkpointer.step != CHECKPOINT_IDLE) {
        marking = marking || fixture.store->checkpointer.step == CHECKPOINT_MARK;
        cr_assert(eq(u64, journal_used_bytes(fixture.store->env.journal), used));
        sim_world_run_for(fixture.world, 5 * SIM_US);
    }
    cr_assert(marking);
    cr_assert(lt(u64, journal_used_bytes(fixture.store->env.journal), used));
}

Test(store, marks_without_space_wait_for_it, .init = up)
{
    fill(20);
    cr_assert(fixture_settle());
    sim_disk_hold(&fixture.node->disk, SIM_SYNCFS);
    store_checkpoint(fixture.store, NULL, NULL);
    fixture_run_ms(100);
    cr_assert(eq(int, fixture.store->checkpointer.step, CHECKPOINT_SYNC));
    sim_disk_fail_next(&fixture.node->disk, SIM_WRITE, ENOSPC);
    sim_disk_unhold(&fixture.node->disk, SIM_SYNCFS);
    fixture_run_ms(100);
    cr_assert(eq(int, fixture.store->checkpointer.step, CHECKPOINT_MARK));
    cr_assert(store_is_short_of_space(fixture.store));
    fixture_run_ms(3000);
    cr_assert(eq(int, fixture.store->checkpointer.step, CHECKPOINT_IDLE));
    cr_assert(eq(int, store_state(fixture.store), STORE_RUNNING));
    cr_assert(not(store_is_short_of_space(fixture.store)));
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    check_everything();
}
