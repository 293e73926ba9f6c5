/* The partitions of a coordinator: loaded, written to, let go. */
#include "broker/coordinator/runtime_barrier.h"
#include "tests/unit/broker/runtime_rig.h"

static void set_up(void)
{
    set_up_of(&kind);
}

TestSuite(runtime, .init = set_up, .fini = tear_down, .timeout = 600);

/* ---- writes */

Test(runtime, a_write_is_applied_and_done_when_it_is_durable_and_not_before)
{
    struct test_write write;

    start(&write, 0, 2, false);
    rig_run_tasks();
    cr_assert(eq(i64, log_offsets(partition->log).log_end, 2));
    cr_assert(eq(u32, fake->applied_count, 0));
    cr_assert(eq(u32, write.place, 0));
    disk_commit();
    cr_assert(eq(u32, write.place, 1));
    cr_assert(eq(int, write.err, OK));
    cr_assert(eq(u32, write.applied_before, 2));
    check_in_order(fake, 2);
    cr_assert(fake->applied[0].is_live);
}

Test(runtime, writes_keep_their_order_when_the_first_of_them_waits_for_room)
{
    struct test_write writes[3];

    disk.is_full = true;
    start(&writes[0], 0, 3, false);
    disk.is_full = false; /* the store has not told those who wait yet */
    start(&writes[1], 3, 1, false);
    start(&writes[2], 4, 2, false);
    cr_assert(eq(i64, log_offsets(partition->log).log_end, 0));
    disk_give_room();
    while (log_offsets(partition->log).log_end < 6)
        disk_give_room();
    disk_commit();
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(eq(u32, writes[i].place, i + 1));
    check_in_order(fake, 6);
}

/* RWR-1: what is behind a write that takes turns to be applied is applied behind it. */
Test(runtime, a_large_write_is_applied_in_turns_and_nothing_passes_it)
{
    struct test_write large;
    struct test_write small;
    struct test_write later;

    start(&large, 0, 2500, true);
    start(&small, 2500, 1, false);
    disk_commit();
    cr_assert(eq(u32, fake->applied_count, 1000));
    cr_assert(eq(u32, large.place + small.place, 0));
    start(&later, 2501, 1, false);
    disk_commit(); /* it wakes nobody before his turn */
    cr_assert(eq(u32, fake->applied_count, 1000));
    run_one_task();
    cr_assert(eq(u32, fake->applied_count, 2000));
    cr_assert(eq(u32, large.place, 0));
    run_one_task();
    cr_assert(eq(u32, large.place, 1));
    cr_assert(eq(u32, large.applied_before, 2500));
    cr_assert(eq(u32, small.place, 2));
    cr_assert(eq(u32, later.place, 3));
    check_in_order(fake, 2502);
}

/* RWR-3 */
Test(runtime, a_write_without_records_is_done_behind_those_before_it)
{
    struct test_write write;
    struct test_write empty;
    struct test_write behind;

    start(&empty, 0, 0, false);
    cr_assert(eq(u32, empty.place, 1)); /* there is nobody */
    start(&write, 0, 1, false);
    start(&empty, 0, 0, false);
    cr_assert(eq(u32, empty.place, 0));
    start(&behind, 1, 1, false);
    disk_commit();
    cr_assert(eq(u32, write.place, 2));
    cr_assert(eq(u32, empty.place, 3));
    cr_assert(eq(u32, behind.place, 4));
    cr_assert(eq(int, empty.err, OK));
}

static uint32_t barrier_count;
static enum err barrier_err;

static void on_barrier(void *context, enum err err)
{
    barrier_count++;
    barrier_err = err;
}

/* RBR-1 */
Test(runtime, a_barrier_is_passed_when_all_that_was_written_is_durable)
{
    struct test_write write;
    struct runtime_barrier *barrier;

    cr_assert(eq(int, runtime_barrier_start(&fake->runtime, on_barrier, NULL, &barrier), OK));
    cr_assert(eq(u32, barrier_count, 1), "there is nothing to wait for");
    cr_assert_null(barrier);
    start(&write, 0, 1, false);
    cr_assert(eq(int, runtime_barrier_start(&fake->runtime, on_barrier, NULL, &barrier), OK));
    rig_run_tasks();
    cr_assert(eq(u32, barrier_count, 1));
    disk_commit();
    cr_assert(eq(u32, barrier_count, 2));
    cr_assert(eq(int, barrier_err, OK));
    start(&write, 1, 1, false);
    cr_assert(eq(int, runtime_barrier_start(&fake->runtime, on_barrier, NULL, &barrier), OK));
    runtime_barrier_forget(barrier);
    disk_commit();
    cr_assert(eq(u32, barrier_count, 2), "nobody waits any more");
    start(&write, 2, 1, false);
    cr_assert(eq(int, runtime_barrier_start(&fake->runtime, on_barrier, NULL, &barrier), OK));
    runtime_unload(&fake->runtime, 0);
    cr_assert(eq(u32, barrier_count, 3));
    cr_assert(eq(int, barrier_err, ERR_NOT_FOUND));
    mem_fail_after(1);
    cr_assert(
        eq(int, runtime_barrier_start(&fake->runtime, on_barrier, NULL, &barrier), ERR_NOMEM));
    mem_fail_after(0);
}

Test(runtime, a_write_that_is_refused_says_so_at_once_and_is_not_applied)
{
    struct test_write first;
    struct test_write refused;
    struct test_write empty;

    start(&first, 0, 1, false);
    disk.refuse_with = ERR_STORAGE;
    start(&refused, 100, 1, false);
    disk.refuse_with = OK;
    cr_assert(eq(u32, refused.place, 1));
    cr_assert(eq(int, refused.err, ERR_STORAGE));
    disk_commit();
    cr_assert(eq(u32, first.place, 2));
    check_in_order(fake, 1);

    disk.is_full = true; /* refused later, with one behind it that has nothing to write */
    start(&refused, 100, 1, false);
    start(&empty, 0, 0, false);
    disk.refuse_with = ERR_STORAGE;
    disk_give_room();
    disk.refuse_with = OK;
    cr_assert(eq(int, refused.err, ERR_STORAGE));
    cr_assert(eq(u32, empty.place, 4));
    check_in_order(fake, 1);
}

Test(runtime, one_record_that_cannot_be_added_fails_the_whole_write)
{
    struct test_write write = {0};

    runtime_write_init(&write.write, runtime_served(&fake->runtime, 0), on_done);
    add(&write, 0, "");
    runtime_write_fail(&write.write, ERR_NOMEM);
    add(&write, 1, "");
    runtime_write_start(&write.write);
    cr_assert(eq(int, write.err, ERR_NOMEM));
    cr_assert(eq(i64, log_offsets(partition->log).log_end, 0));
}

/* ---- loading */

enum { STEP_WRITES = 36 /* so many of them are no less than a step reads */ };

/* Large enough that a log of them is read in steps. */
static void write_large_to(struct fake *of, int32_t index, int32_t count)
{
    static char text[30000];
    struct test_write write;

    memset(text, 'x', sizeof(text) - 1);
    for (int32_t i = 0; i < count; i++) {
        write = (struct test_write){0};
        runtime_write_init(&write.write, runtime_served(&of->runtime, index), on_done);
        add(&write, i, text);
        runtime_write_start(&write.write);
        disk_commit();
        cr_assert(eq(int, write.err, OK));
    }
}

static void write_large(int32_t count)
{
    write_large_to(fake, 0, count);
}

Test(runtime, a_log_is_read_in_steps_and_served_when_all_of_it_was)
{
    struct fake *again = make();
    uint32_t steps = 1;

    write_large(100);
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    while (again->loaded_count == 0) {
        cr_assert(lt(u32, again->applied_count, 100));
        cr_assert(le(u32, again->applied_count, steps * STEP_WRITES)); /* RUN-4 */
        cr_assert(eq(i16, runtime_check(&again->runtime, 0), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
        cr_assert_null(runtime_served(&again->runtime, 0));
        run_one_task();
        steps++;
    }
    cr_assert(le(u32, 3, steps));
    cr_assert(eq(i16, runtime_check(&again->runtime, 0), KAFKA_NONE));
    cr_assert(eq(i16, runtime_check(&again->runtime, 1), KAFKA_NOT_COORDINATOR));
    check_in_order(again, 100);
    check_in_order(fake, 100); /* RUN-1: live and read are the same */
    cr_assert(not(again->applied[0].is_live));
    cr_assert(eq(u32, again->forgotten_count, 0));
    end(again);
}

/* RUN-4: however many there are. */
Test(runtime, a_turn_reads_a_step_of_one_log)
{
    struct uuid id = rig_create_topic("u", 2);
    struct fake *writer = make();
    struct fake *again = make();
    uint32_t before;

    for (int32_t p = 0; p < 2; p++) {
        cr_assert(eq(
            int, runtime_load(&writer->runtime, topic_table_find(rig.shard.topics, &id, p)), OK));
        write_large_to(writer, p, 100);
        cr_assert(
            eq(int, runtime_load(&again->runtime, topic_table_find(rig.shard.topics, &id, p)), OK));
    }
    while (again->loaded_count < 2) {
        cr_assert(runtime_is_loading(&again->runtime));
        before = again->applied_count;
        run_one_task();
        cr_assert(le(u32, again->applied_count, before + STEP_WRITES));
    }
    cr_assert(not(runtime_is_loading(&again->runtime)));
    cr_assert(eq(u32, again->applied_count, 200));
    cr_assert(list_is_empty(&rig.shard.loop.deferred));
    end(again);
    end(writer);
}

/* RUN-2: nobody is told what a power loss may take away. */
Test(runtime, a_log_is_served_when_all_of_it_is_durable)
{
    struct fake *again = make();
    struct test_write write;

    start(&write, 0, 2, false);
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    cr_assert(eq(u32, again->loaded_count, 0));
    cr_assert(eq(i16, runtime_check(&again->runtime, 0), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    runtime_unload(&again->runtime, 0); /* it may go then, too */
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    cr_assert(eq(u32, again->loaded_count, 0));
    disk_commit();
    cr_assert(eq(u32, again->loaded_count, 1));
    check_in_order(again, 2);
    end(again);
}

/* A start makes it durable before anybody is served, and tells nobody. */
Test(runtime, at_a_start_nobody_waits_for_that)
{
    struct fake *again = make();
    struct test_write write;

    start(&write, 0, 2, false);
    disk.is_opening = true;
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    disk.is_opening = false;
    cr_assert(eq(u32, again->loaded_count, 1));
    check_in_order(again, 2);
    end(again);
    disk_commit(); /* write is over */
}

Test(runtime, a_load_that_finds_no_memory_is_tried_again)
{
    struct fake *again = make();

    write_large(3);
    again->fail_with = ERR_NOMEM;
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    cr_assert(eq(u32, again->forgotten_count, 1));
    cr_assert(eq(i16, runtime_check(&again->runtime, 0), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    rig_pass_ms(1500);
    cr_assert(eq(u32, again->forgotten_count, 2));
    again->fail_with = OK;
    rig_pass_ms(1500);
    cr_assert(eq(i16, runtime_check(&again->runtime, 0), KAFKA_NONE));
    cr_assert(eq(u32, again->loaded_count, 1));
    check_in_order(again, 3);
    cr_assert(eq(u32, rig.error_lines, 1)); /* told once */
    end(again);
}

Test(runtime, records_that_cannot_be_understood_are_not_served)
{
    struct fake *again = make();

    write_large(1);
    again->fail_with = ERR_CORRUPT;
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    again->fail_with = OK;
    rig_pass_ms(5000);
    cr_assert(eq(u32, again->forgotten_count, 1));
    cr_assert(eq(u32, again->loaded_count, 0));
    cr_assert(eq(i16, runtime_check(&again->runtime, 0), KAFKA_COORDINATOR_NOT_AVAILABLE));
    cr_assert_null(runtime_served(&again->runtime, 0)); /* RUN-3 */
    cr_assert(eq(u32, rig.error_lines, 1));
    end(again);
}

Test(runtime, a_partition_may_go_while_it_is_loaded)
{
    struct fake *again = make();

    write_large(100);
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    run_one_task();
    cr_assert(lt(u32, 0, again->applied_count));
    runtime_unload(&again->runtime, 0);
    rig_run_tasks(); /* it is not read any more */
    cr_assert(eq(u32, again->applied_count, 0));
    cr_assert(eq(i16, runtime_check(&again->runtime, 0), KAFKA_NOT_COORDINATOR));
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK)); /* it is back */
    rig_run_tasks();
    check_in_order(again, 100);
    end(again);
}

Test(runtime, nothing_is_loaded_after_a_stop_and_writes_go_on)
{
    struct fake *again = make();
    struct test_write write;

    write_large(100);
    again->fail_with = ERR_NOMEM;
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    runtime_stop(&again->runtime);
    again->fail_with = OK;
    rig_pass_ms(3000);
    cr_assert(eq(u32, again->loaded_count, 0));
    start(&write, 100, 2500, true);
    disk_commit();
    runtime_stop(&fake->runtime); /* in the middle of applying it */
    rig_run_tasks();
    cr_assert(eq(int, write.err, OK));
    check_in_order(fake, 2600);
    end(again);
}

/* ---- going away */

Test(runtime, what_waits_when_a_partition_goes_ends_in_its_order)
{
    struct test_write writes[4];

    start(&writes[0], 0, 2500, true);
    disk_commit();
    start(&writes[1], 2500, 1, false);
    disk.is_full = true;
    start(&writes[2], 2501, 1, false);
    start(&writes[3], 0, 0, false);
    cr_assert(eq(u32, fake->applied_count, 1000));
    runtime_unload(&fake->runtime, 0);
    for (uint32_t i = 0; i < 4; i++)
        cr_assert(eq(u32, writes[i].place, i + 1));
    cr_assert(eq(int, writes[0].err, OK)); /* durable: what was begun is ended */
    cr_assert(eq(u32, writes[0].applied_before, 2500));
    for (uint32_t i = 1; i < 4; i++)
        cr_assert(eq(int, writes[i].err, ERR_NOT_FOUND));
    cr_assert(eq(u32, fake->resigned_count, 1));
    cr_assert(eq(u32, fake->forgotten_count, 1));
    cr_assert(eq(u32, fake->forgotten_at, 4)); /* only then nothing of it is needed */
    disk_give_room();
    cr_assert(eq(i64, log_offsets(partition->log).log_end, 2501)); /* not written any more */
}

Test(runtime, all_writes_end_with_the_runtime)
{
    struct test_write write;

    start(&write, 0, 1, false);
    runtime_deinit(&fake->runtime);
    cr_assert(eq(u32, write.place, 1));
    cr_assert(eq(int, write.err, ERR_CLOSED));
    cr_assert(eq(u32, fake->applied_count, 0));
}
