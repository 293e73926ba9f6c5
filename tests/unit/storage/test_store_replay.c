/* What a start holds in memory of the journal, and what becomes of it. */
#include "base/mem.h"
#include "tests/sim/sim_image.h"
#include "tests/support/store_fixture.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>

enum { EXTENT_BYTES = 16 << 20, LOGS = 3 };

TestSuite(store_replay, .fini = fixture_down, .timeout = 600);

/* The scan may have one extent, and not two. */
static void up(void)
{
    fixture_up(&(struct fixture_options){.seed = 3,
                                         .log_count = LOGS,
                                         .segment_bytes = 5 << 20,
                                         .checkpoint_interval_ms = 1000000,
                                         .journal_max_bytes = 128 << 20,
                                         .tail_cache_max_bytes = 100 << 20,
                                         .scan_max_bytes = EXTENT_BYTES + (64 << 10)});
    cr_assert(fixture_start());
}

static void fill(uint32_t count, uint32_t value_bytes)
{
    for (uint32_t i = 0; i < count; i++) {
        struct fixture_append append = {.log_index = i % LOGS, .value_bytes = value_bytes};
        enum err err = fixture_append(&append, NULL);
        if (err == ERR_FULL) {
            fixture_run_ms(20);
            err = fixture_append(&append, NULL);
        }
        cr_assert(eq(int, err, OK));
        if (i % 20 == 19)
            cr_assert(fixture_settle());
    }
    cr_assert(fixture_settle());
}

static void check_all(void)
{
    for (uint32_t i = 0; i < LOGS; i++) {
        fixture_check_prefix(i);
        fixture_check_content(i, 1 << 20);
    }
}

Test(store_replay, a_start_holds_an_extent_of_a_journal_of_many)
{
    up();
    fill(900, 50000); /* 45 MB in extents of 4 and 16 MiB */
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    check_all();
    fixture_crash(SIM_POWER_LOSS); /* what was shown is there still */
    cr_assert(fixture_start());
    check_all();
    fill(30, 50000);
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    check_all();
}

Test(store_replay, so_it_does_when_it_dies_between_two_extents)
{
    up();
    fill(900, 50000);
    fixture_crash(SIM_KILL);
    for (uint64_t call = 200; call < 2400; call += 150) { /* amid what it writes */
        sim_node_crash_at_call(fixture.node, call, SIM_POWER_LOSS);
        if (fixture_start())
            fixture_crash(SIM_POWER_LOSS);
    }
    sim_node_crash_at_call(fixture.node, 0, SIM_POWER_LOSS);
    cr_assert(fixture_start());
    check_all();
}

/* ---- a checkpoint without memory */

static void on_checkpoint(void *context, enum err err)
{
    cr_assert(eq(int, err, OK));
    ++*(uint32_t *)context;
}

Test(store_replay, a_checkpoint_without_memory_for_its_producers_is_made_later)
{
    struct fixture_append append = {.has_producer = true, .producer_id = 7, .value_bytes = 100};
    struct log_append_result result;
    uint32_t count = 0;

    fixture_up(&(struct fixture_options){.seed = 4, .checkpoint_interval_ms = 1000000});
    cr_assert(fixture_start());
    cr_assert(eq(int, fixture_append(&append, NULL), OK));
    cr_assert(fixture_settle());
    mem_fail_after(1);
    store_checkpoint(fixture.store, on_checkpoint, &count);
    mem_fail_after(0);
    fixture_run_ms(500);
    cr_assert(eq(u32, count, 0));
    cr_assert(fixture_has_line("LVE-2108"));
    fixture_run_ms(2000);
    cr_assert(eq(u32, count, 1));
    fixture_crash(SIM_POWER_LOSS);
    cr_assert(fixture_start());
    cr_assert(eq(int, fixture_append(&append, &result), OK));
    cr_assert(result.duplicate);
    fixture_check_content(0, 1 << 20);
}

/* One of them finds no memory, behind one that had some: both are written by the next one. */
Test(store_replay, a_checkpoint_without_memory_forgets_no_producer)
{
    struct log_append_result result;

    for (uint64_t n = 1; n <= 3; n++) {
        struct fixture_append append = {.has_producer = true, .producer_id = 7, .value_bytes = 100};
        fixture_up(&(struct fixture_options){
            .seed = n, .log_count = 3, .checkpoint_interval_ms = 1000000});
        cr_assert(fixture_start());
        for (append.log_index = 0; append.log_index < 3; append.log_index++)
            cr_assert(eq(int, fixture_append(&append, NULL), OK));
        cr_assert(fixture_settle());
        mem_fail_after(n);
        store_checkpoint(fixture.store, NULL, NULL);
        mem_fail_after(0);
        cr_assert(fixture_has_line("LVE-2108"));
        fixture_run_ms(2000);
        fixture_crash(SIM_POWER_LOSS);
        cr_assert(fixture_start());
        for (append.log_index = 0; append.log_index < 3; append.log_index++) {
            cr_assert(eq(int, fixture_append(&append, &result), OK));
            cr_assert(result.duplicate);
        }
        fixture_down();
    }
}

static bool bring(uint32_t log_index, uint64_t owner, int64_t producer_id)
{
    struct fixture_append append = {.log_index = log_index,
                                    .value_bytes = 10,
                                    .has_producer = true,
                                    .producer_id = producer_id,
                                    .owner = owner};
    struct log_append_result result;

    cr_assert(eq(int, fixture_append(&append, &result), OK));
    return result.duplicate;
}

/* As in the life before: who brings many producer ids displaces his own. */
Test(store_replay, the_ids_of_one_owner_do_not_go_for_those_of_another)
{
    fixture_up(&(struct fixture_options){
        .seed = 3, .log_count = 2, .checkpoint_interval_ms = 1000000, .producers_max = 4});
    cr_assert(fixture_start());
    cr_assert(not(bring(0, 0x7f000002, 5)));
    for (int64_t id = 100; id < 120; id++)
        cr_assert(not(bring(1, 0x7f000001, id)));
    cr_assert(fixture_settle());
    cr_assert(bring(0, 0x7f000002, 5));
    fixture_crash(SIM_KILL);
    cr_assert(fixture_start());
    cr_assert(bring(0, 0x7f000002, 5));
    cr_assert(bring(1, 0x7f000001, 119));
    cr_assert(not(bring(1, 0x7f000001, 100)));
}
