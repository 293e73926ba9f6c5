#include "tests/unit/broker/transaction_end_rig.h"

enum { WIDE = 64 };

static struct uuid topic_a;
static struct transaction_entry *entry;
static struct rig_end end;

static void set_up(void)
{
    rig_up();
    topic_a = rig_topic("a", WIDE);
    rig_topic("b", WIDE);
    rig_topic("__consumer_offsets", 8);
    entry = rig_entry("prod-1");
}

TestSuite(transaction_completion, .init = set_up, .fini = rig_down, .timeout = 60);

/* A partition of the topic on that shard, from a number on. */
static int32_t on_shard(uint32_t shard, const char *name, int32_t from)
{
    const struct image_topic *topic = image_topic_by_name(rig_home()->image, name, strlen(name));

    while (shard_of_partition(&rig.shards, &topic->id, from)->index != shard)
        from++;
    cr_assert(lt(i32, from, (int32_t)topic->partition_count));
    return from;
}

static uint32_t count_markers(const char *topic, int32_t index)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < rig.written_count; i++)
        count += !rig.written[i].is_record && rig.written[i].index == index &&
                 strcmp(rig.written[i].topic, topic) == 0;
    return count;
}

static const struct rig_written *last(void)
{
    return &rig.written[rig.written_count - 1];
}

static enum transaction_state state(void)
{
    return entry->transaction.fields.state;
}

/* Section 7: prepare, markers and Complete* stand behind each other in one journal, so that one
 * flush makes all of them durable. */
Test(transaction_completion, on_one_shard_all_of_it_is_appended_in_one_turn)
{
    rig_add(entry, "a", on_shard(0, "a", 0));
    rig_add(entry, "b", on_shard(0, "b", 0));
    rig_end(&end, entry, true, TRANSACTION_V2);
    cr_assert(not(end.is_done));
    cr_assert(eq(u32, rig.written_count, 4));
    cr_assert(eq(int, rig.written[0].state, TRANSACTION_PREPARE_COMMIT));
    for (uint32_t i = 1; i < 3; i++) { /* TCM-2 */
        cr_assert(rig.written[i].commit);
        cr_assert(rig.written[i].txn_v2);
        cr_assert(eq(i64, rig.written[i].producer_id, P));
        cr_assert(eq(i16, rig.written[i].epoch, 4)); /* DUR-T8 */
        cr_assert(eq(i32, rig.written[i].coordinator_epoch, 7));
    }
    cr_assert(eq(int, rig.written[3].state, TRANSACTION_COMPLETE_COMMIT));
    cr_assert_null(entry->completion, "the next one may begin");
    rig_commit_records(OK);
    cr_assert(end.is_done);
}

Test(transaction_completion, under_the_first_version_the_marker_has_the_epoch_of_the_transaction)
{
    rig_add(entry, "a", on_shard(0, "a", 0));
    rig_end(&end, entry, false, TRANSACTION_V1);
    cr_assert(not(rig.written[1].commit));
    cr_assert(not(rig.written[1].txn_v2));
    cr_assert(eq(i16, rig.written[1].epoch, 3));
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_ABORT));
    rig_settle();
}

/* DUR-T2, TCM-1: another journal may have the marker durable before ours has the decision. */
Test(transaction_completion, a_marker_of_another_shard_waits_for_the_decision_to_be_durable)
{
    int32_t far = on_shard(1, "a", 0);

    rig_add(entry, "a", far);
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_run();
    cr_assert(eq(u32, count_markers("a", far), 0));
    rig_commit_records(OK);
    rig_run();
    cr_assert(eq(u32, count_markers("a", far), 1));
    cr_assert(eq(int, state(), TRANSACTION_PREPARE_COMMIT), "the marker is not durable there");
    rig_commit_markers(OK);
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    rig_settle();
}

/* Complete* is behind the last marker. */
Test(transaction_completion, it_is_complete_when_the_last_marker_is_written_and_not_before)
{
    int32_t near = on_shard(0, "a", 0);

    rig.holds_markers = true;
    rig_add(entry, "a", near);
    rig_add(entry, "a", on_shard(0, "a", near + 1));
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_commit_records(OK);
    rig_run();
    cr_assert(eq(int, state(), TRANSACTION_PREPARE_COMMIT));
    cr_assert(eq(u32, entry->transaction.partition_count, 2));
    rig_release_markers();
    cr_assert(eq(u32, rig.written_count, 4));
    cr_assert(eq(int, last()->state, TRANSACTION_COMPLETE_COMMIT));
    rig_settle();
}

/* DUR-G8 */
Test(transaction_completion, offsets_go_through_the_groups_who_say_when_they_are_done)
{
    rig_add(entry, "__consumer_offsets", 5);
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_commit_records(OK);
    rig_run();
    cr_assert(eq(u32, rig.written_count, 2));
    cr_assert(rig.written[1].is_offsets);
    cr_assert(eq(i32, rig.written[1].index, 5));
    cr_assert(eq(i16, rig.written[1].epoch, 4));
    cr_assert(rig.written[1].commit);
    cr_assert(eq(int, state(), TRANSACTION_PREPARE_COMMIT));
    rig_end_offsets(OK);
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    rig_settle();
}

/* TCM-3: each error but an epoch that is behind. */
Test(transaction_completion, a_marker_that_fails_is_written_again_as_long_as_the_partition_exists)
{
    static const enum err errors[] = {ERR_NOT_FOUND, ERR_NOMEM,   ERR_STORAGE,     ERR_TIMEOUT,
                                      ERR_REPLICAS,  ERR_NOSPACE, ERR_FENCED_EPOCH};
    int32_t near = on_shard(0, "a", 0);
    int32_t other = on_shard(0, "b", 0);

    for (size_t i = 0; i < array_count(errors); i++) {
        uint32_t before = count_markers("b", other);
        rig.refuse_with = errors[i];
        rig.refuse_topic = "a";
        rig_add(entry, "a", near);
        rig_add(entry, "b", other);
        entry->transaction.fields.epoch = 3;
        rig_end(&end, entry, false, TRANSACTION_V2);
        rig_commit_records(OK);
        rig_pass_ms(20000);
        cr_assert(eq(int, state(), TRANSACTION_PREPARE_ABORT), "%s", err_name(errors[i]));
        cr_assert(eq(u32, count_markers("b", other), before + 1), "it has one already");
        rig.refuse_with = OK;
        rig_pass_ms(5000); /* the back-off's end */
        cr_assert(eq(int, state(), TRANSACTION_COMPLETE_ABORT), "%s", err_name(errors[i]));
        cr_assert(eq(u32, count_markers("b", other), before + 1));
        cr_assert(eq(u32, count_markers("a", near), (uint32_t)i + 1));
        rig_commit_records(OK);
    }
    cr_assert(lt(u32, 0, rig.lines[0]));
}

Test(transaction_completion, a_quarantined_partition_keeps_its_transaction_until_it_is_deleted)
{
    rig_add(entry, "a", on_shard(0, "a", 0));
    rig.refuse_with = ERR_QUARANTINED;
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_commit_records(OK);
    rig_pass_ms(60000);
    cr_assert(eq(int, state(), TRANSACTION_PREPARE_COMMIT));
    cr_assert(lt(u32, 0, rig.lines[1]));
    rig_delete_topic(topic_a);
    rig_pass_ms(5000);
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    rig_settle();
}

/* Kafka forgets all markers then, and the id says CONCURRENT_TRANSACTIONS until it is loaded anew.
 */
Test(transaction_completion, a_partition_with_a_newer_epoch_gets_no_marker_and_the_others_do)
{
    rig.refuse_with = ERR_PRODUCER_EPOCH;
    rig.refuse_topic = "a";
    rig_add(entry, "a", on_shard(0, "a", 0));
    rig_add(entry, "b", on_shard(0, "b", 0));
    rig_end(&end, entry, true, TRANSACTION_V2);
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    cr_assert(eq(u32, rig.lines[2], 1));
    cr_assert(eq(u32, count_markers("b", on_shard(0, "b", 0)), 1));
    rig_settle();
}

/* DUR-T16 */
Test(transaction_completion, what_is_deleted_before_or_while_its_marker_is_under_way_is_dropped)
{
    int32_t far = on_shard(1, "a", 0);

    rig_add(entry, "a", far);
    rig_add(entry, "a", on_shard(0, "a", 0));
    rig_add(entry, "gone", 3);
    rig_add(entry, "b", WIDE + 1); /* there were more when it was registered */
    rig_add(entry, "b", on_shard(0, "b", 0));
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_commit_records(OK);
    rig_run();
    cr_assert(eq(u32, count_markers("a", far), 1));
    cr_assert(eq(u32, entry->transaction.partition_count, 1));
    rig_delete_topic(topic_a);
    rig_commit_markers(ERR_NOT_FOUND);
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    cr_assert(eq(u32, rig.lines[0], 0), "nothing is written again");
    rig_settle();
}

Test(transaction_completion, all_of_its_partitions_are_deleted)
{
    rig_add(entry, "gone", 3);
    rig_add(entry, "gone", 4);
    rig_add(entry, "lost", 4);
    rig_end(&end, entry, true, TRANSACTION_V2);
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    rig_settle();
}

/* KIP-890: an abort of nothing. */
Test(transaction_completion, without_partitions_it_goes_straight_to_its_end)
{
    rig_end(&end, entry, false, TRANSACTION_V2);
    cr_assert(eq(u32, rig.written_count, 2));
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_ABORT));
    rig_settle();
}

Test(transaction_completion, a_complete_record_that_finds_no_room_is_written_later)
{
    rig_add(entry, "a", on_shard(0, "a", 0));
    rig.holds_markers = true;
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_commit_records(OK);
    rig.refuse_records = ERR_NOMEM;
    rig_release_markers();
    cr_assert(eq(int, state(), TRANSACTION_PREPARE_COMMIT));
    rig.refuse_records = OK;
    rig_pass_ms(100);
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    cr_assert(eq(u32, count_markers("a", on_shard(0, "a", 0)), 1));
    rig_settle();
}

/* DUR-T15: as it is after a load. */
static void load(bool commit)
{
    entry->transaction.fields.state =
        commit ? TRANSACTION_PREPARE_COMMIT : TRANSACTION_PREPARE_ABORT;
    entry->transaction.fields.client_version = TRANSACTION_V2;
    entry->transaction.fields.started_ms = rig.clock.wall_ms;
    transaction_timeouts_note(&rig.coordinator.timeouts, entry, true);
}

Test(transaction_completion, what_was_decided_before_a_start_ends_as_it_was_decided)
{
    int32_t far = on_shard(1, "a", 0);

    for (int commit = 0; commit < 2; commit++) {
        rig_add(entry, "a", far);
        load(commit != 0);
        cr_assert(eq(int, transaction_completion_begin(entry), OK));
        transaction_completion_durable(entry);
        rig_run();
        cr_assert(eq(int, rig.written[rig.written_count - 1].commit, commit));
        rig_commit_markers(OK);
        cr_assert(
            eq(int, state(), commit ? TRANSACTION_COMPLETE_COMMIT : TRANSACTION_COMPLETE_ABORT));
        rig_settle();
    }
}

/* TCM-4: a large one lets others have their turn, and what is under way is bounded. */
Test(transaction_completion, many_markers_are_bounded_and_a_small_one_does_not_wait_for_a_large_one)
{
    struct transaction_entry *small = rig_entry("small");
    struct rig_end small_end;
    const char *names[8] = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"};
    uint32_t of_large = 0;

    for (uint32_t t = 0; t < array_count(names); t++) {
        rig_topic(names[t], 1000);
        for (int32_t i = 0; i < 1000; i++)
            rig_add(entry, names[t], i);
    }
    rig_add(small, "a", on_shard(0, "a", 0));
    rig_end(&end, entry, true, TRANSACTION_V2);
    cr_assert(le(u32, rig.written_count, TRANSACTION_MARKERS_TURN_MAX + 1));
    rig_commit_records(OK);
    rig_end(&small_end, small, true, TRANSACTION_V2);
    rig_commit_records(OK);
    while (small->transaction.fields.state != TRANSACTION_COMPLETE_COMMIT) {
        rig_run();
        cr_assert(le(u32, rig.coordinator.markers.under_way_count, TRANSACTION_MARKERS_MAX));
        rig_commit_markers(OK);
    }
    for (uint32_t i = 0; i < rig.written_count; i++) {
        if (!rig.written[i].is_record && strcmp(rig.written[i].topic, "a") == 0)
            break;
        of_large += !rig.written[i].is_record;
    }
    cr_assert(lt(u32, of_large, 2000));
    for (int i = 0; i < 100 && state() != TRANSACTION_COMPLETE_COMMIT; i++) {
        rig_run();
        cr_assert(le(u32, rig.coordinator.markers.under_way_count, TRANSACTION_MARKERS_MAX));
        rig_commit_markers(OK);
    }
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    cr_assert(eq(u32, rig.coordinator.markers.under_way_count, 0));
    for (uint32_t t = 0; t < array_count(names); t++)
        for (int32_t i = 0; i < 1000; i += 37)
            cr_assert(eq(u32, count_markers(names[t], i), 1), "%s-%d", names[t], i);
    rig_settle();
}

/* TCM-5: a marker that waits for room is not sent again, whatever the others do. */
Test(transaction_completion, a_round_begins_when_nothing_is_under_way)
{
    int32_t near = on_shard(0, "a", 0);

    rig_add(entry, "a", near);
    rig_add(entry, "b", on_shard(0, "b", 0));
    rig.holds_markers = true;
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_commit_records(OK);
    rig_pass_ms(20000);
    rig.refuse_with = ERR_STORAGE;
    rig.refuse_topic = "b";
    rig_release_markers();
    cr_assert(eq(u32, count_markers("a", near), 1));
    rig.refuse_with = OK;
    rig_pass_ms(5000);
    cr_assert(eq(u32, count_markers("a", near), 1));
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    rig_settle();
}

Test(transaction_completion, the_coordinator_resigns_while_markers_are_under_way)
{
    int32_t far = on_shard(1, "a", 0);

    rig_add(entry, "a", far);
    rig_add(entry, "b", on_shard(0, "b", 0));
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_commit_records(OK);
    rig.holds_markers = true;
    rig_run(); /* the far one is with its partition */
    rig_forget(entry);
    rig_release_markers();
    rig_commit_markers(OK);
    cr_assert(eq(u32, rig.coordinator.markers.under_way_count, 0));
}

Test(transaction_completion, all_ends_while_markers_are_under_way)
{
    rig_add(entry, "a", on_shard(0, "a", 0));
    rig_add(entry, "a", on_shard(1, "a", 0));
    rig_add(entry, "a", on_shard(1, "a", on_shard(1, "a", 0) + 1));
    rig.holds_markers = true;
    rig_end(&end, entry, true, TRANSACTION_V2);
    rig_commit_records(OK);
    rig_run();
    rig_forget(entry); /* .fini: nothing is left in a list, nor in memory */
}

Test(transaction_completion, memory_that_is_not_there_delays_it)
{
    struct rig_end step = {.step = {.entry = entry}};

    rig_add(entry, "a", on_shard(0, "a", 0));
    rig_add(entry, "a", on_shard(1, "a", 0));
    load(true);
    mem_fail_after(1);
    cr_assert(eq(int, transaction_completion_begin(entry), ERR_NOMEM));
    mem_fail_after(0);
    cr_assert_null(entry->completion);
    rig.is_loading = true;
    transaction_timeouts_start(&rig.coordinator.timeouts);
    rig_pass_ms(11000);
    cr_assert_null(entry->completion, "its partition is not served");
    rig.is_loading = false;
    rig_pass_ms(10000);
    cr_assert_not_null(entry->completion);
    cr_assert(eq(u32, rig.written_count, 1), "nobody knows yet whether the decision is durable");
    for (uint32_t i = 0; i < rig.pending_count; i++)
        rig.pending[i].step->done(rig.pending[i].step, OK);
    rig.pending_count = 0;
    rig_run();
    rig_commit_markers(OK);
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    rig_settle();
    (void)step;
}

Test(transaction_completion, a_marker_without_memory_is_sent_later)
{
    rig_add(entry, "a", on_shard(0, "a", 0));
    load(true);
    mem_fail_after(2); /* the completion has some, the marker none */
    cr_assert(eq(int, transaction_completion_begin(entry), OK));
    mem_fail_after(0);
    cr_assert(eq(u32, rig.written_count, 0));
    rig_pass_ms(100);
    cr_assert(eq(int, state(), TRANSACTION_COMPLETE_COMMIT));
    rig_settle();
}
