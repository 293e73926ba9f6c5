/* A coordinator that applies at the append; transactional writes and markers in both modes. */
#include "tests/unit/broker/runtime_rig.h"

static void set_up(void)
{
    set_up_of(&kind_at_append);
}

TestSuite(runtime_append, .init = set_up, .fini = tear_down, .timeout = 600);

static uint32_t appended_count; /* of all writes; each test is a process of its own */

static void on_appended(struct runtime_write *write)
{
    struct test_write *of = container_of(write, struct test_write, write);

    cr_assert(eq(u32, of->appended_place + of->place, 0));
    of->appended_place = ++appended_count;
    of->appended_at = fake->applied_count;
}

/* As start, and appended is told. */
static void start_told(struct test_write *write, int32_t first, int32_t count, bool is_sliced)
{
    begin(write);
    for (int32_t i = 0; i < count; i++)
        add(write, first + i, "");
    write->write.is_sliced = is_sliced;
    write->write.appended = on_appended;
    runtime_write_start(&write->write);
}

Test(runtime_append, a_write_is_applied_inside_its_append_and_done_when_it_is_durable)
{
    struct test_write write;

    start_told(&write, 0, 2, false);
    cr_assert(eq(u32, write.appended_place, 1));
    cr_assert(eq(u32, write.appended_at, 2));
    cr_assert(eq(u32, write.place, 0));
    check_in_order(fake, 2);
    rig_run_tasks();
    cr_assert(eq(u32, write.place, 0));
    disk_commit();
    cr_assert(eq(u32, write.place, 1));
    cr_assert(eq(int, write.err, OK));
    check_in_order(fake, 2); /* once */
}

/* RWR-1: who is appended later is applied later. */
Test(runtime_append, writes_keep_their_order_when_the_first_of_them_waits_for_room)
{
    struct test_write writes[3];

    disk.is_full = true;
    start_told(&writes[0], 0, 3, false);
    disk.is_full = false;
    start_told(&writes[1], 3, 1, false);
    start_told(&writes[2], 4, 0, false);
    cr_assert(eq(u32, fake->applied_count, 0));
    cr_assert(eq(u32, appended_count, 0));
    disk_give_room();
    while (log_offsets(partition->log).log_end < 4)
        disk_give_room();
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(eq(u32, writes[i].appended_place, i + 1));
    cr_assert(eq(u32, ended_count, 0));
    disk_commit();
    for (uint32_t i = 0; i < 3; i++)
        cr_assert(eq(u32, writes[i].place, i + 1));
    check_in_order(fake, 4);
}

/* RWR-1: a turn of a large one applies some of it; what is behind it waits, and what is before it
 * does not. */
Test(runtime_append, a_large_write_is_applied_in_turns_and_nothing_passes_it)
{
    struct test_write before;
    struct test_write large;
    struct test_write small;

    start_told(&before, 0, 1, false);
    start_told(&large, 1, 2500, true);
    start_told(&small, 2501, 1, false);
    cr_assert(eq(u32, fake->applied_count, 1001));
    cr_assert(eq(u32, large.appended_place + small.appended_place, 0));
    disk_commit();
    cr_assert(eq(u32, before.place, 1));
    cr_assert(eq(u32, fake->applied_count, 1001));
    cr_assert(eq(u32, large.place + small.place, 0)); /* durable, but not applied: RWR-2 */
    run_one_task();
    cr_assert(eq(u32, fake->applied_count, 2001));
    run_one_task();
    cr_assert(eq(u32, large.appended_at, 2501));
    cr_assert(eq(u32, small.appended_at, 2502));
    cr_assert(eq(u32, large.place, 2));
    cr_assert(eq(u32, small.place, 3));
    check_in_order(fake, 2502);
}

/* RWR-3: an answer that writes nothing tells of records that are not durable. */
Test(runtime_append, a_write_without_records_is_done_when_those_before_it_are_durable)
{
    struct test_write write;
    struct test_write empty;

    start_told(&empty, 0, 0, false);
    cr_assert(eq(u32, empty.place, 1)); /* there is nobody */
    start_told(&write, 0, 1, false);
    start_told(&empty, 0, 0, false);
    cr_assert(eq(u32, empty.appended_place, 3)); /* nothing is before it in the log */
    cr_assert(eq(u32, empty.place, 0));
    disk_commit();
    cr_assert(eq(u32, write.place, 2));
    cr_assert(eq(u32, empty.place, 3));
}

/* RWR-3: nor after they have failed: what was applied is not there behind the next start. */
Test(runtime_append, a_write_without_records_fails_behind_one_that_was_applied_and_failed)
{
    struct test_write write;
    struct test_write behind;
    struct test_write later;

    start_told(&write, 0, 1, false);
    start_told(&behind, 0, 0, false);
    partition_end_waits(partition, ERR_STORAGE);
    start_told(&later, 0, 0, false);
    cr_assert(eq(int, write.err, ERR_STORAGE));
    cr_assert(eq(int, behind.err, ERR_STORAGE));
    cr_assert(eq(int, later.err, ERR_STORAGE));
}

static struct test_write follower;

static void start_follower(struct runtime_write *write)
{
    on_appended(write);
    start_told(&follower, 1, 1, false);
    cr_assert(eq(i64, log_offsets(partition->log).log_end, 2)); /* behind it, before all others */
}

/* What depends on a record stands behind it before anybody else has his turn. */
Test(runtime_append, a_write_may_be_started_when_another_one_is_appended)
{
    struct test_write first;

    begin(&first);
    add(&first, 0, "");
    first.write.appended = start_follower;
    runtime_write_start(&first.write);
    cr_assert(eq(u32, first.appended_place, 1));
    cr_assert(eq(u32, follower.appended_place, 2));
    disk_commit();
    cr_assert(eq(u32, first.place, 1));
    cr_assert(eq(u32, follower.place, 2));
    check_in_order(fake, 2);
}

Test(runtime_append, a_write_that_is_refused_says_so_and_is_not_applied)
{
    struct test_write first;
    struct test_write refused;

    start_told(&first, 0, 1, false);
    disk.refuse_with = ERR_STORAGE;
    start_told(&refused, 100, 1, false);
    disk.refuse_with = OK;
    cr_assert(eq(int, refused.err, ERR_STORAGE));
    cr_assert(eq(u32, refused.appended_place, 0));
    disk_commit();
    cr_assert(eq(int, first.err, OK));
    check_in_order(fake, 1);
}

/* What was applied and is not durable: its callers hear that, and it is forgotten with the rest. */
Test(runtime_append, what_is_not_durable_when_a_partition_goes_ends_with_the_error)
{
    struct test_write writes[5];

    start_told(&writes[0], 0, 2500, true);
    disk_commit(); /* durable, and not applied to its end */
    start_told(&writes[1], 2500, 1, false);
    run_one_task();
    run_one_task();
    start_told(&writes[2], 2501, 1500, true);
    disk.is_full = true;
    start_told(&writes[3], 4001, 1, false);
    start_told(&writes[4], 4002, 0, false);
    cr_assert(eq(u32, writes[1].appended_place, 2));
    cr_assert(eq(u32, writes[2].appended_place, 0));
    runtime_unload(&fake->runtime, 0);
    for (uint32_t i = 0; i < 5; i++)
        cr_assert(eq(u32, writes[i].place, i + 1));
    cr_assert(eq(int, writes[0].err, OK));
    for (uint32_t i = 1; i < 5; i++)
        cr_assert(eq(int, writes[i].err, ERR_NOT_FOUND));
    cr_assert(eq(u32, fake->forgotten_at, 5));
    disk_give_room();
    cr_assert(eq(i64, log_offsets(partition->log).log_end, 4001)); /* not written any more */
}

Test(runtime_append, all_writes_end_with_the_runtime)
{
    struct test_write writes[2];

    start_told(&writes[0], 0, 1, false);
    start_told(&writes[1], 0, 0, false);
    runtime_deinit(&fake->runtime);
    cr_assert(eq(int, writes[0].err, ERR_CLOSED));
    cr_assert(eq(int, writes[1].err, ERR_CLOSED));
    cr_assert(eq(u32, writes[1].place, 2));
}

/* ---- transactions */

static const struct control_marker commit = {.commit = true, .coordinator_epoch = 3};

static void start_transaction(struct test_write *write, int32_t number, int64_t producer_id)
{
    begin(write);
    runtime_write_set_transaction(&write->write, producer_id, 5);
    add(write, number, "");
    runtime_write_start(&write->write);
}

static void start_marker(struct test_write *write, int64_t producer_id)
{
    begin(write);
    write->write.appended = on_appended;
    runtime_write_set_marker(&write->write, &commit, producer_id, 6, true);
    runtime_write_start(&write->write);
}

static void check_batch(uint32_t number, int16_t epoch, bool is_control)
{
    const struct batch_header *header = &partition->log->batches[number].header;

    cr_assert(eq(i64, header->producer_id, 77));
    cr_assert(eq(i16, header->producer_epoch, epoch));
    cr_assert(eq(i32, header->base_sequence, is_control ? -1 : 0));
    cr_assert(batch_is_transactional(header));
    cr_assert(eq(int, batch_is_control(header), is_control));
}

static void check_transaction(const struct fake *of, bool is_live)
{
    cr_assert(eq(u32, of->applied_count, 2));
    cr_assert(eq(i32, of->applied[0].number, 0));
    cr_assert(of->applied[0].is_transactional);
    cr_assert(eq(i32, of->applied[1].number, MARKER_NUMBER));
    cr_assert(of->applied[1].marker.commit);
    cr_assert(eq(i32, of->applied[1].marker.coordinator_epoch, 3));
    for (uint32_t i = 0; i < 2; i++) {
        cr_assert(eq(i64, of->applied[i].producer_id, 77));
        cr_assert(eq(i64, of->applied[i].offset, i));
        cr_assert(eq(int, of->applied[i].is_live, is_live));
    }
}

Test(runtime_append, transactional_records_and_markers_are_written_and_read_again)
{
    struct test_write records;
    struct test_write marker;
    struct fake *again = make_of(&kind);

    start_transaction(&records, 0, 77);
    start_marker(&marker, 77);
    cr_assert(eq(u32, marker.appended_place, 1));
    check_batch(0, 5, false);
    check_batch(1, 6, true);
    disk_commit();
    cr_assert(eq(int, records.err, OK));
    cr_assert(eq(int, marker.err, OK));
    check_transaction(fake, true);
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    cr_assert(eq(u32, again->loaded_count, 1));
    check_transaction(again, false);
    end(again);
}

/* What the rules of producers are told. */
Test(runtime_append, a_coordinators_batches_are_no_clients)
{
    struct test_write records;
    struct test_write marker;

    start_transaction(&records, 0, 77);
    start_marker(&marker, 77);
    cr_assert(eq(int, records.write.append.rules.origin, PRODUCER_COORDINATOR));
    cr_assert(not(records.write.append.urgent));
    cr_assert(eq(int, marker.write.append.rules.origin, PRODUCER_COORDINATOR));
    cr_assert(marker.write.append.rules.txn_v2);
    cr_assert(marker.write.append.urgent); /* PMK-1 */
    disk_commit();
}

/* With the group coordinator's mode. */
Test(runtime_append, markers_are_applied_when_they_are_durable)
{
    struct test_write records;
    struct test_write marker;

    end(fake);
    fake = make_of(&kind);
    cr_assert(eq(int, runtime_load(&fake->runtime, partition), OK));
    start_transaction(&records, 0, 77);
    start_marker(&marker, 77);
    cr_assert(eq(u32, fake->applied_count, 0));
    disk_commit();
    cr_assert(eq(u32, marker.applied_before, 2));
    check_transaction(fake, true);
}

/* RWR-4 */
Test(runtime_append, a_marker_that_is_there_is_done_when_it_is_durable_and_not_applied_again)
{
    struct test_write records;
    struct test_write marker;
    struct test_write again;

    start_transaction(&records, 0, 77);
    start_marker(&marker, 77);
    disk.is_there = true;
    start_marker(&again, 77);
    cr_assert(eq(u32, again.appended_place, 2));
    cr_assert(eq(u32, again.place, 0));
    check_transaction(fake, true);
    disk_commit();
    cr_assert(eq(int, again.err, OK));
    start_marker(&again, 77); /* durable already */
    cr_assert(eq(int, again.err, OK));
    cr_assert(eq(u32, again.appended_place, 3));
    check_transaction(fake, true);
}

/* Control batches of another type, and what compaction leaves of one, say nothing. */
Test(runtime_append, a_control_batch_without_a_marker_is_passed_over)
{
    struct batch_builder_options options = batch_builder_options_default();
    struct log_append append;
    struct log_append_result result;
    struct batch_builder builder;
    uint8_t key[CONTROL_KEY_BYTES];
    const uint8_t *bytes;
    uint32_t size_bytes;
    struct fake *again = make();

    options.transactional = options.control = true;
    options.producer_id = 77;
    options.producer_epoch = 6;
    for (int i = 0; i < 2; i++) {
        batch_builder_init(&builder, &options);
        if (i == 0) {
            control_put_key(key, CONTROL_LEADER_CHANGE);
            cr_assert(eq(int, batch_builder_add_pair(&builder, key, sizeof(key), "", 0, 1), OK));
        } else {
            batch_builder_set_last_offset_delta(&builder, 0);
        }
        cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
        append = (struct log_append){.bytes = bytes, .size_bytes = size_bytes};
        cr_assert(eq(int, log_append_leader(partition->log, &append, &result), OK));
        batch_builder_deinit(&builder);
    }
    disk_commit();
    cr_assert(eq(int, runtime_load(&again->runtime, partition), OK));
    cr_assert(eq(u32, again->loaded_count, 1));
    cr_assert(eq(u32, again->applied_count, 0));
    end(again);
}
