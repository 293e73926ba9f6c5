#include "tests/unit/broker/transaction_end_rig.h"

enum { SCAN_MS = 10000, TIMEOUT_MS = 60000 }; /* the defaults; rig_entry's */

static struct transaction_entry *entry;
static int32_t near; /* a partition of "a" on the coordinator's shard */

static void set_up(void)
{
    struct uuid id;

    rig_up();
    id = rig_topic("a", 64);
    for (near = 0; shard_of_partition(&rig.shards, &id, near) != rig_home(); near++)
        ;
    entry = rig_entry("prod-1");
    transaction_timeouts_start(&rig.coordinator.timeouts);
}

TestSuite(transaction_timeouts, .init = set_up, .fini = rig_down, .timeout = 120);

static const struct transaction_fields *fields(void)
{
    return &entry->transaction.fields;
}

/* Time in which everything becomes durable at once. */
static void pass_ms(uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 1000) {
        rig_pass_ms(1000);
        rig_commit_records(OK);
        rig_commit_markers(OK);
    }
}

/* DUR-T14 */
Test(transaction_timeouts, what_is_open_for_too_long_is_fenced_and_aborted_once)
{
    rig_add(entry, "a", near);
    pass_ms(TIMEOUT_MS - 1000);
    cr_assert(eq(int, fields()->state, TRANSACTION_ONGOING));
    pass_ms(SCAN_MS + 2000);
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
    cr_assert(eq(i16, fields()->epoch, 4));
    cr_assert(eq(u64, counter_read(&rig.coordinator.timeouts.timed_out), 1));
    cr_assert(eq(u32, rig.lines[3], 1));
    pass_ms(10 * TIMEOUT_MS);
    cr_assert(eq(i16, fields()->epoch, 4));
    cr_assert(eq(u32, rig.written_count, 3));
    cr_assert(not(rig.written[1].commit));
    cr_assert(eq(i16, rig.written[1].epoch, 4));
    cr_assert(rig.written[1].txn_v2);
}

Test(transaction_timeouts, the_finalized_level_says_by_which_rules)
{
    rig.version = TRANSACTION_V1;
    rig_add(entry, "a", near);
    pass_ms(TIMEOUT_MS + SCAN_MS + 1000);
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
    cr_assert(eq(int, fields()->client_version, TRANSACTION_V1));
    cr_assert(eq(i16, fields()->epoch, 4), "a fence has the next epoch");
    cr_assert(not(rig.written[1].txn_v2));
    cr_assert(eq(i16, entry->transaction.last_epoch, TRANSACTION_NO_EPOCH));
}

/* Two-phase commit: KIP-939. */
Test(transaction_timeouts, the_longest_timeout_never_comes)
{
    entry->transaction.fields.timeout_ms = TRANSACTION_TIMEOUT_NEVER;
    rig_add(entry, "a", near);
    rig_pass_ms((uint64_t)INT32_MAX + 100000);
    cr_assert(eq(int, fields()->state, TRANSACTION_ONGOING));
}

Test(transaction_timeouts, a_wall_clock_that_jumps_ends_nothing_and_delays_nothing)
{
    rig_add(entry, "a", near);
    rig.clock.wall_ms += 3600000;
    pass_ms(TIMEOUT_MS - 1000);
    cr_assert(eq(int, fields()->state, TRANSACTION_ONGOING));
    rig.clock.wall_ms -= 2 * 3600000;
    pass_ms(SCAN_MS + 2000);
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
}

/* As after a load: open since so many milliseconds by the wall clock. */
static void load_open(int64_t age_ms)
{
    rig_add(entry, "a", near);
    entry->transaction.fields.started_ms = rig.clock.wall_ms - age_ms;
    transaction_timeouts_note(&rig.coordinator.timeouts, entry, true);
}

Test(transaction_timeouts, after_a_start_what_is_left_of_it_is_left)
{
    load_open(TIMEOUT_MS - 25000);
    pass_ms(20000);
    cr_assert(eq(int, fields()->state, TRANSACTION_ONGOING));
    pass_ms(15000);
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
}

Test(transaction_timeouts, after_a_start_it_is_neither_longer_than_the_timeout_nor_negative)
{
    load_open(-3600000); /* the wall clock went back */
    pass_ms(TIMEOUT_MS - 1000);
    cr_assert(eq(int, fields()->state, TRANSACTION_ONGOING));
    pass_ms(SCAN_MS + 2000);
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
    pass_ms(1000);
    load_open(24 * 3600000);
    pass_ms(SCAN_MS + 1000);
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
}

/* What is loaded is not ended before all of it is loaded. */
Test(transaction_timeouts, nothing_ends_while_the_partition_is_loaded)
{
    load_open(24 * 3600000);
    rig.is_loading = true;
    pass_ms(30000);
    cr_assert(eq(int, fields()->state, TRANSACTION_ONGOING));
    rig.is_loading = false;
    pass_ms(SCAN_MS + 1000);
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
}

/* A second partition does not make it longer, and the next transaction has its own time. */
Test(transaction_timeouts, it_counts_from_the_begin_of_each_transaction)
{
    struct rig_end end;

    rig_add(entry, "a", near);
    pass_ms(40000);
    transaction_timeouts_note(&rig.coordinator.timeouts, entry, false); /* one more */
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_settle();
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_COMMIT));
    rig_add(entry, "a", near);
    pass_ms(50000);
    transaction_timeouts_note(&rig.coordinator.timeouts, entry, false);
    cr_assert(eq(int, fields()->state, TRANSACTION_ONGOING));
    pass_ms(10000 + SCAN_MS + 1000);
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
}

/* DUR-T14: at the last epoch a new producer id follows. */
Test(transaction_timeouts, an_exhausted_epoch_takes_a_new_producer_id)
{
    entry->transaction.fields.epoch = TRANSACTION_EPOCH_LAST;
    rig_add(entry, "a", near);
    pass_ms(TIMEOUT_MS + SCAN_MS + 1000);
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
    cr_assert(eq(u32, rig.draws, 1));
    cr_assert(eq(i64, fields()->producer_id, P_NEXT));
    cr_assert(eq(i64, fields()->previous_producer_id, P));
    cr_assert(eq(i16, fields()->epoch, 0));
    cr_assert(eq(i16, rig.written[1].epoch, INT16_MAX));
    cr_assert(eq(i64, rig.written[1].producer_id, P));
}

Test(transaction_timeouts, the_id_goes_while_a_producer_id_is_waited_for)
{
    entry->transaction.fields.epoch = TRANSACTION_EPOCH_LAST;
    rig.holds_draws = true;
    rig_add(entry, "a", near);
    pass_ms(TIMEOUT_MS + SCAN_MS + 1000);
    cr_assert_not_null(rig.draw);
    rig_forget(entry);
    rig.draw->done(rig.draw, OK, P_NEXT);
    rig_run();
    cr_assert(eq(u32, rig.coordinator.timeouts.own_count, 0));
}

Test(transaction_timeouts, all_ends_while_a_producer_id_is_waited_for)
{
    entry->transaction.fields.epoch = TRANSACTION_EPOCH_LAST;
    rig.holds_draws = true;
    rig_add(entry, "a", near);
    pass_ms(TIMEOUT_MS + SCAN_MS + 1000);
    cr_assert(eq(u32, rig.coordinator.timeouts.own_count, 1)); /* .fini: no memory is left */
}

/* DUR-T17: the next scan tries again, with the same epoch. */
Test(transaction_timeouts, an_abort_that_cannot_be_recorded_consumes_no_epoch)
{
    rig_add(entry, "a", near);
    rig.refuse_records = ERR_NOMEM;
    pass_ms(TIMEOUT_MS + 5 * SCAN_MS);
    cr_assert(eq(int, fields()->state, TRANSACTION_ONGOING));
    cr_assert(eq(i16, fields()->epoch, 3));
    cr_assert(eq(u64, counter_read(&rig.coordinator.timeouts.timed_out), 0));
    rig.refuse_records = OK;
    pass_ms(SCAN_MS + 1000);
    cr_assert(eq(i16, fields()->epoch, 4));
    cr_assert(eq(int, fields()->state, TRANSACTION_COMPLETE_ABORT));
}

/* TMO-3 */
Test(transaction_timeouts, many_are_ended_in_slices)
{
    char *names = mem_alloc(3000 * 16);
    uint32_t count;

    for (uint32_t i = 0; i < 3000; i++) {
        snprintf(&names[16 * i], 16, "id-%u", i);
        rig_add(rig_entry(&names[16 * i]), "a", near);
    }
    cr_assert(eq(i64, transaction_timeouts_oldest_ms(&rig.coordinator.timeouts, &count),
                 rig.clock.wall_ms));
    cr_assert(eq(u32, count, 3000));
    rig_pass_ms(TIMEOUT_MS + SCAN_MS);
    cr_assert(le(u32, rig.coordinator.timeouts.own_count, 256));
    for (int i = 0; i < 100; i++) {
        rig_commit_records(OK);
        rig_run();
        cr_assert(le(u32, rig.coordinator.timeouts.own_count, 256));
    }
    for (uint32_t i = 1; i < rig.entry_count; i++)
        cr_assert(eq(int, rig.entries[i].transaction.fields.state, TRANSACTION_COMPLETE_ABORT));
    cr_assert(eq(u64, counter_read(&rig.coordinator.timeouts.timed_out), 3000));
    cr_assert(eq(i64, transaction_timeouts_oldest_ms(&rig.coordinator.timeouts, &count),
                 TRANSACTION_NO_TIME));
    mem_free(names);
}

/* ---- transactional.id.expiration.ms: seven days, looked at hourly */

enum { HOUR_MS = 3600000, WEEK_MS = 7 * 24 * HOUR_MS };

Test(transaction_timeouts, an_id_that_nobody_uses_is_forgotten)
{
    struct transaction_entry *open = rig_entry("open");
    struct transaction_entry *young = rig_entry("young");
    struct transaction_entry *complete = rig_entry("complete");

    open->transaction.fields.timeout_ms = TRANSACTION_TIMEOUT_NEVER;
    rig_add(open, "a", near);
    complete->transaction.fields.state = TRANSACTION_COMPLETE_COMMIT;
    young->transaction.fields.updated_ms = rig.clock.wall_ms + 2 * HOUR_MS;
    rig_pass_ms(WEEK_MS - HOUR_MS);
    cr_assert(eq(u32, rig.written_count, 0));
    rig_pass_ms(HOUR_MS + 1000);
    cr_assert(eq(u32, rig.written_count, 2));
    cr_assert(eq(int, rig.written[0].state, TRANSACTION_DEAD));
    cr_assert(eq(ptr, (void *)rig.written[0].entry, entry));
    cr_assert(eq(ptr, (void *)rig.written[1].entry, complete));
    cr_assert(eq(u64, counter_read(&rig.coordinator.timeouts.expired), 0), "not durable");
    rig_commit_records(OK);
    cr_assert(eq(u64, counter_read(&rig.coordinator.timeouts.expired), 2));
    rig_pass_ms(3 * HOUR_MS);
    cr_assert(eq(u32, rig.written_count, 3));
    cr_assert(eq(ptr, (void *)rig.written[2].entry, young));
    rig_commit_records(OK);
    cr_assert(eq(int, open->transaction.fields.state, TRANSACTION_ONGOING));
}

/* clock_guard.h: a clock that was set makes nothing old. */
Test(transaction_timeouts, a_clock_that_jumps_forgets_no_id)
{
    rig.clock.wall_ms += 2 * (int64_t)WEEK_MS;
    rig_pass_ms(2 * HOUR_MS);
    cr_assert(eq(u32, rig.written_count, 0));
}

Test(transaction_timeouts, ids_are_forgotten_in_slices)
{
    char *names = mem_alloc(3000 * 16);

    for (uint32_t i = 0; i < 3000; i++) {
        snprintf(&names[16 * i], 16, "id-%u", i);
        (void)rig_entry(&names[16 * i]);
    }
    rig_pass_ms(WEEK_MS + 1000);
    cr_assert(le(u32, rig.coordinator.timeouts.own_count, 256));
    cr_assert(lt(u32, 0, rig.coordinator.timeouts.own_count));
    for (int i = 0; i < 100; i++) {
        rig_commit_records(OK);
        rig_run();
        cr_assert(le(u32, rig.coordinator.timeouts.own_count, 256));
    }
    cr_assert(eq(u64, counter_read(&rig.coordinator.timeouts.expired), 3001));
    mem_free(names);
}
