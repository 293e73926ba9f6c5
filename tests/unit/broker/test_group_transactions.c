/* Offsets that are committed in transactions: staged, told when they are stable, gone. */
#include "broker/coordinator/group_txn_commit.h"
#include "tests/unit/broker/txn_asks.h"

static struct uuid topic_id;

static void setup(void)
{
    static const char *const sets[] = {"offsets.retention.minutes=60", NULL};

    rig_up(sets);
    topic_id = rig_create_topic("t", 4);
    memset(&registry, 0, sizeof(registry));
}

static void finish(void)
{
    group_coordinator_stop(rig.shard.groups);
    rig_settle();
    rig_down();
}

TestSuite(group_transactions, .init = setup, .fini = finish, .timeout = 600);

enum { MINUTE_MS = 60 * 1000 };

static size_t open_count(void)
{
    return hash_map_count(&rig.shard.groups->transactions);
}

/* ---- staged, and then */

Test(group_transactions, staged_offset_is_told_to_nobody_before_the_marker)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 3), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 0, 7), KAFKA_NONE));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 3));
    cr_assert(eq(i64, fetch_stable("g", 0), UNSTABLE));
    cr_assert(eq(i64, fetch_stable("g", 1), -1));
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 3));
    cr_assert(eq(i64, fetch_stable("g", 0), UNSTABLE));
    end_txn(P, true);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 7));
    cr_assert(eq(i64, fetch_stable("g", 0), 7));
    cr_assert(eq(sz, open_count(), 0));
    rig_restart();
    cr_assert(eq(i64, fetch_stable("g", 0), 7));
}

Test(group_transactions, abort_drops_what_is_staged)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 3), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 0, 7), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "h", 1, 8), KAFKA_NONE)); /* a group of nothing else */
    end_txn(P, false);
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(i64, fetch_stable("g", 0), 3));
        cr_assert(eq(i64, fetch_stable("h", 1), -1));
        cr_assert(eq(sz, open_count(), 0));
        cr_assert_null(the_group("h"));
        rig_restart();
    }
}

Test(group_transactions, marker_ends_its_own_producers_offsets_and_no_others)
{
    cr_assert(eq(i16, txn_commit(P, "g", 0, 7), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(Q, "g", 0, 8), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(Q, "g", 1, 9), KAFKA_NONE));
    end_txn(P, true);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 7));
    cr_assert(eq(i64, fetch_stable("g", 0), UNSTABLE));
    cr_assert(eq(i64, fetch_stable("g", 1), UNSTABLE));
    end_txn(P, true); /* nothing is staged any more */
    end_txn(Q, true);
    cr_assert(eq(i64, fetch_stable("g", 0), 8));
    cr_assert(eq(i64, fetch_stable("g", 1), 9));
}

Test(group_transactions, last_commit_of_a_transaction_counts)
{
    cr_assert(eq(i16, txn_commit(P, "g", 0, 7), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 0, 9), KAFKA_NONE));
    cr_assert(eq(u32, the_group("g")->staged_count, 1));
    end_txn(P, true);
    cr_assert(eq(i64, fetch_stable("g", 0), 9));
}

/* DUR-G6: whichever marker comes when. */
Test(group_transactions, later_in_the_log_is_later)
{
    cr_assert(eq(i16, txn_commit(P, "g", 0, 1), KAFKA_NONE));
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 2), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(Q, "g", 1, 3), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 1, 4), KAFKA_NONE));
    end_txn(P, true);
    end_txn(Q, true);
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(i64, fetch_stable("g", 0), 2));
        cr_assert(eq(i64, fetch_stable("g", 1), 4));
        rig_restart();
    }
}

/* DUR-G5: it was allowed, and the group may be another one when it is durable. */
Test(group_transactions, offset_on_its_way_is_not_stable)
{
    struct ask ask;
    struct test_end end;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 3), KAFKA_NONE));
    rig.holds = true;
    start_txn_commit(&ask, TXN_VERSION, P, NULL, "g", 0, 7);
    cr_assert(not(ask.answered));
    cr_assert(eq(i64, fetch_stable("g", 0), UNSTABLE));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 3));
    disk_commit();
    cr_assert(eq(i16, end_txn_commit(&ask), KAFKA_NONE));
    start_end(&end, P, true);
    cr_assert(eq(u32, end.appended_count, 1)); /* in the log; DUR-G8 waits: */
    cr_assert(not(end.is_done));
    cr_assert(eq(i64, fetch_stable("g", 0), UNSTABLE));
    disk_commit();
    cr_assert(end.is_done);
    cr_assert(eq(i64, fetch_stable("g", 0), 7));
    rig.holds = false;
}

/* ---- markers */

Test(group_transactions, marker_for_a_partition_that_is_not_served_comes_again_later)
{
    struct runtime_partition *partition;
    struct test_end end;

    cr_assert(eq(i16, txn_commit(P, "g", 0, 7), KAFKA_NONE));
    partition = runtime_find(&rig.shard.groups->runtime, 0);
    partition->state = RUNTIME_LOADING;
    start_end(&end, P, true);
    cr_assert(eq(int, end.err, ERR_NOT_FOUND));
    cr_assert(eq(u32, end.appended_count, 0));
    partition->state = RUNTIME_SERVED;
    end_txn(P, true);
    cr_assert(eq(i64, fetch_stable("g", 0), 7));
}

Test(group_transactions, marker_that_is_there_is_done)
{
    cr_assert(eq(i16, txn_commit(P, "g", 0, 7), KAFKA_NONE));
    end_txn(P, true);
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 8), KAFKA_NONE));
    disk.is_there = true;
    end_txn(P, true);
    disk.is_there = false;
    cr_assert(eq(i64, fetch_stable("g", 0), 8));
}

Test(group_transactions, marker_that_the_log_refuses_changes_nothing)
{
    struct test_end end;

    cr_assert(eq(i16, txn_commit(P, "g", 0, 7), KAFKA_NONE));
    disk.refuse_with = ERR_FENCED_EPOCH;
    start_end(&end, P, true);
    disk.refuse_with = OK;
    cr_assert(eq(int, end.err, ERR_FENCED_EPOCH));
    cr_assert(eq(i64, fetch_stable("g", 0), UNSTABLE));
}

/* ---- what goes */

static void delete_offset(const char *group, int32_t partition)
{
    struct ask ask = ask_new(API_OFFSET_DELETE, 0);
    struct offset_delete_request *body = ask.body;
    const struct offset_delete_response *response = ask.response;
    struct offset_delete_request_partition asked = {.partition_index = partition};
    struct offset_delete_request_topic asked_topic = {.name = asked_text(&ask, "t"),
                                                      .partitions = {.items = &asked, .count = 1}};

    body->group_id = asked_text(&ask, group);
    body->topics.items = &asked_topic;
    body->topics.count = 1;
    ask_start(&ask, handle_offset_delete);
    cr_assert(eq(i16, response->error_code, KAFKA_NONE));
    ask_end(&ask);
}

Test(group_transactions, tombstone_takes_what_is_staged)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 1), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 0, 2), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 1, 3), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(Q, "g", 1, 4), KAFKA_NONE));
    delete_offset("g", 0);
    delete_offset("g", 1);
    cr_assert(eq(sz, open_count(), 0));
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(i64, fetch_stable("g", 0), -1));
        cr_assert(eq(i64, fetch_stable("g", 1), -1));
        rig_restart();
    }
    cr_assert(eq(i16, txn_commit(P, "g", 1, 5), KAFKA_NONE)); /* behind it */
    end_txn(P, true);
    end_txn(Q, true);
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(i64, fetch_stable("g", 0), -1));
        cr_assert(eq(i64, fetch_stable("g", 1), 5));
        rig_restart();
    }
}

/* As Kafka: what an open transaction has staged goes with the group. */
Test(group_transactions, deleted_group_takes_what_is_staged)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 1), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 0, 2), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 1, 3), KAFKA_NONE));
    cr_assert(eq(i16, delete_group("g"), KAFKA_NONE));
    cr_assert_null(the_group("g"));
    end_txn(P, true);
    cr_assert_null(the_group("g"));
    rig_restart();
    cr_assert_null(the_group("g"));
}

/* DUR-G7 */
Test(group_transactions, what_is_staged_keeps_its_offset_and_its_group)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 1), KAFKA_NONE));
    cr_assert(eq(i16, commit(NULL, "g", "t", 1, 2), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 0, 3), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "h", 0, 4), KAFKA_NONE));
    rig_pass_ms(3 * 60 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 1));
    cr_assert(eq(i64, fetch_offset("g", "t", 1), -1));
    cr_assert_not_null(the_group("h"));
    end_txn(P, false);
    cr_assert_null(the_group("h"));
    rig_pass_ms(60 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    cr_assert_null(the_group("g"));
}

Test(group_transactions, staged_offsets_go_with_their_topic)
{
    cr_assert(eq(i16, txn_commit(P, "g", 0, 2), KAFKA_NONE));
    rig_delete_topic(&topic_id, true);
    rig_settle();
    cr_assert(eq(sz, open_count(), 0));
    cr_assert_null(the_group("g"));
    end_txn(P, true);
    cr_assert_null(the_group("g"));
    rig_restart();
    cr_assert_null(the_group("g"));
}

/* A tombstone of the one would take the other. */
Test(group_transactions, staged_offset_of_a_topic_made_again_stays_beside_the_old_ones)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 1), KAFKA_NONE));
    rig_delete_topic(&topic_id, false);
    topic_id = rig_create_topic("t", 4);
    cr_assert(eq(i16, txn_commit(P, "g", 0, 2), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(Q, "g", 1, 3), KAFKA_NONE));
    group_coordinator_topic_deleted(rig.shard.groups, "t");
    rig_settle();
    cr_assert(eq(u32, the_group("g")->staged_count, 2));
    end_txn(P, false); /* only now the old one may go */
    rig_settle();
    cr_assert_null(group_find_offset(the_group("g"), "t", 0));
    end_txn(Q, true);
    cr_assert(eq(i64, fetch_stable("g", 1), 3));
}

/* ---- who may */

Test(group_transactions, unknown_group_is_said_by_version)
{
    struct client_member client = a_client();

    client.generation = 1;
    cr_assert(eq(i16, txn_commit_as(3, &client, "g", 0, 1), KAFKA_ILLEGAL_GENERATION));
    cr_assert(eq(i16, txn_commit_as(5, &client, "g", 0, 1), KAFKA_ILLEGAL_GENERATION));
    cr_assert(eq(i16, txn_commit_as(6, &client, "g", 0, 1), KAFKA_GROUP_ID_NOT_FOUND));
    cr_assert_null(the_group("g"));
    cr_assert(eq(i16, txn_commit_as(6, NULL, "g", 0, 1), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit_as(0, NULL, "g", 0, 1), KAFKA_NONE));
}

Test(group_transactions, members_and_who_cannot_say_that_they_are_commit)
{
    struct client_member a = a_client();
    struct client_member other;

    become_stable(&a, "g");
    other = a;
    other.generation--;
    cr_assert(eq(i16, txn_commit_as(3, &other, "g", 0, 1), KAFKA_ILLEGAL_GENERATION));
    other = a;
    snprintf(other.id, sizeof(other.id), "stranger");
    cr_assert(eq(i16, txn_commit_as(5, &other, "g", 0, 1), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(i16, txn_commit_as(2, NULL, "g", 0, 1), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit_as(5, &a, "g", 0, 2), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit_as(6, &a, "g", 0, 3), KAFKA_NONE));
    end_txn(P, true);
    cr_assert(eq(i64, fetch_stable("g", 0), 3));
}

Test(group_transactions, static_member_that_was_replaced_is_fenced)
{
    struct client_member a = a_client();
    struct client_member old;

    a.instance = "i";
    become_stable(&a, "g");
    old = a;
    snprintf(old.id, sizeof(old.id), "i-of-before");
    cr_assert(eq(i16, txn_commit_as(5, &old, "g", 0, 1), KAFKA_FENCED_INSTANCE_ID));
    cr_assert(eq(i16, txn_commit_as(5, &a, "g", 0, 1), KAFKA_NONE));
}

/* The state of the group does not matter to a transaction, its generation does. */
Test(group_transactions, member_commits_between_join_and_sync)
{
    struct client_member a = a_client();

    start_joining(&a, "g");
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 2), KAFKA_REBALANCE_IN_PROGRESS));
    cr_assert(eq(i16, txn_commit_as(5, &a, "g", 0, 2), KAFKA_NONE));
}

Test(group_transactions, partitions_and_ids_that_do_not_exist_are_refused)
{
    struct ask ask;

    cr_assert(eq(i16, txn_commit(P, "g", 9, 1), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert(eq(u32, registry.count, 0)); /* nothing is left to register for */
    make_txn(&ask, 6, P, NULL, "g", 0, 1);
    ((struct txn_offset_commit_request *)ask.body)->topics.items[0].topic_id.bytes[5] ^= 1;
    ask_start(&ask, handle_txn_offset_commit);
    cr_assert(eq(i16, end_txn_commit(&ask), KAFKA_UNKNOWN_TOPIC_ID));
    make_txn(&ask, 5, P, NULL, "", 0, 1);
    ask_start(&ask, handle_txn_offset_commit);
    cr_assert(eq(i16, end_txn_commit(&ask), KAFKA_INVALID_GROUP_ID));
    make_txn(&ask, 5, P, NULL, "g", 0, 1);
    ((struct txn_offset_commit_request *)ask.body)->transactional_id = wire_string("");
    ask_start(&ask, handle_txn_offset_commit);
    cr_assert(eq(i16, end_txn_commit(&ask), KAFKA_INVALID_REQUEST));
}

/* ---- the transaction's coordinator */

Test(group_transactions, partition_is_put_into_the_transaction_from_version_5_on)
{
    for (int16_t version = 0; version <= 6; version++) {
        cr_assert(eq(i16, txn_commit_as(version, NULL, "g", 0, version), KAFKA_NONE));
        cr_assert(eq(int, registry.last.version, version >= 5 ? TRANSACTION_V2 : TRANSACTION_V1));
    }
    cr_assert(eq(u32, registry.count, 7));
    cr_assert(eq(str, (char *)(uintptr_t)registry.last.topic, "__consumer_offsets"));
    cr_assert(eq(i32, registry.last.partition, 0));
    cr_assert(eq(i64, registry.last.producer_id, P));
    cr_assert(eq(i16, registry.last.epoch, EPOCH));
    cr_assert(eq(sz, registry.last.id_bytes, 2));
}

Test(group_transactions, what_the_transactions_coordinator_refuses_is_said_by_version)
{
    static const struct {
        int16_t error, version, heard;
    } cases[] = {
        {KAFKA_TRANSACTION_ABORTABLE, 3, KAFKA_INVALID_TXN_STATE},
        {KAFKA_TRANSACTION_ABORTABLE, 4, KAFKA_TRANSACTION_ABORTABLE},
        {KAFKA_TRANSACTION_ABORTABLE, 5, KAFKA_TRANSACTION_ABORTABLE},
        {KAFKA_INVALID_TXN_STATE, 5, KAFKA_INVALID_TXN_STATE},
        {KAFKA_PRODUCER_FENCED, 3, KAFKA_INVALID_PRODUCER_EPOCH},
        {KAFKA_PRODUCER_FENCED, 5, KAFKA_INVALID_PRODUCER_EPOCH},
        {KAFKA_CONCURRENT_TRANSACTIONS, 5, KAFKA_CONCURRENT_TRANSACTIONS},
        {KAFKA_INVALID_PRODUCER_ID_MAPPING, 5, KAFKA_INVALID_PRODUCER_ID_MAPPING},
        {KAFKA_COORDINATOR_LOAD_IN_PROGRESS, 1, KAFKA_COORDINATOR_NOT_AVAILABLE},
        {KAFKA_COORDINATOR_LOAD_IN_PROGRESS, 2, KAFKA_COORDINATOR_LOAD_IN_PROGRESS},
        {KAFKA_NOT_COORDINATOR, 5, KAFKA_NOT_COORDINATOR},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        registry.error = cases[i].error;
        cr_assert(eq(i16, txn_commit_as(cases[i].version, NULL, "g", 0, 1), cases[i].heard));
        cr_assert_null(the_group("g"));
    }
}

/* DUR-G2: what the group is when the records are appended, not when they were asked for. */
Test(group_transactions, generation_is_judged_after_the_registration)
{
    struct client_member a = a_client();
    struct ask ask;
    int64_t log_end;

    become_stable(&a, "g");
    registry.holds = true;
    start_txn_commit(&ask, TXN_VERSION, P, &a, "g", 0, 1);
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE));
    log_end = disk.logs[0].offsets.log_end;
    registry_answer(KAFKA_NONE);
    cr_assert(eq(i16, end_txn_commit(&ask), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(i64, disk.logs[0].offsets.log_end, log_end));
}

/* TXR-1: no marker comes between. */
Test(group_transactions, records_have_their_place_inside_the_registration)
{
    struct transaction_registration *waiting;
    struct ask ask;
    int64_t log_end = disk.logs[0].offsets.log_end;

    registry.holds = true;
    start_txn_commit(&ask, TXN_VERSION, P, NULL, "g", 0, 1);
    cr_assert(eq(i64, disk.logs[0].offsets.log_end, log_end));
    waiting = registry.waiting;
    registry.waiting = NULL;
    waiting->done(waiting, KAFKA_NONE);
    cr_assert(eq(i64, disk.logs[0].offsets.log_end, log_end + 1));
    rig_settle();
    cr_assert(eq(i16, end_txn_commit(&ask), KAFKA_NONE));
}

/* In OffsetCommit's structs, as the handler makes them. */
static struct group_txn_commit late_commit;
static uint32_t late_count;

static void on_late(struct group_txn_commit *commit)
{
    cr_assert(commit == &late_commit);
    late_count++;
    request_answer(commit->ask.request); /* the handler closes the connection */
}

static void handle_late(struct request *request)
{
    late_commit = (struct group_txn_commit){.ask = {.request = request,
                                                    .body = request->body,
                                                    .response = request->response,
                                                    .is_transactional = true,
                                                    .producer_epoch = EPOCH,
                                                    .producer_id = P},
                                            .transactional_id = wire_string("id"),
                                            .late = on_late};
    group_txn_commit_start(rig.shard.groups, &late_commit);
}

/* The effect that was asked for of the coordinator goes on; the commit has not begun. */
Test(group_transactions, a_stop_does_not_wait_for_the_registration)
{
    struct ask ask;

    registry.holds = true;
    start_txn_commit(&ask, TXN_VERSION, P, NULL, "g", 0, 7);
    rig_settle();
    request_cancel(ask.request, REQUEST_STOPPING);
    request_cancel(ask.request, REQUEST_PEER_GONE);
    rig_settle();
    cr_assert(not(ask.answered));
    request_cancel(ask.request, REQUEST_CUT);
    rig_settle();
    cr_assert(ask.answered);
    cr_assert(eq(i16, end_txn_commit(&ask), KAFKA_COORDINATOR_NOT_AVAILABLE));
    registry_answer(KAFKA_NONE);
    cr_assert(eq(i64, fetch_stable("g", 0), -1));
    cr_assert_null(the_group("g"));
}

Test(group_transactions, all_may_end_while_a_partition_is_registered)
{
    struct ask ask;

    registry.holds = true;
    start_txn_commit(&ask, TXN_VERSION, P, NULL, "g", 0, 7);
    request_cancel(ask.request, REQUEST_CUT);
    rig_settle();
    cr_assert(eq(i16, end_txn_commit(&ask), KAFKA_COORDINATOR_NOT_AVAILABLE));
}

/* ---- many at once */

enum { MANY = 3500, SLICE_MAX = 1000 };

static uint32_t staged_count(void)
{
    struct pending_transaction_key key = {P, 0};
    const struct pending_transaction *transaction =
        hash_map_find(&rig.shard.groups->transactions, &key, sizeof(key));
    uint32_t count = 0;

    if (transaction != NULL)
        list_for_each(node, &transaction->offsets)
        {
            count++;
        }
    return count;
}

/* The task that is next, and what it does. */
static uint32_t staged_after_one(uint32_t before)
{
    struct list *node = list_pop_front(&rig.shard.loop.deferred);
    uint32_t now;

    if (node != NULL)
        container_of(node, struct task, node)->run(container_of(node, struct task, node));
    now = staged_count();
    cr_assert(before <= now + SLICE_MAX);
    return now;
}

/* Others have their turns between. */
Test(group_transactions, marker_of_many_offsets_is_applied_in_turns)
{
    struct test_end end;
    char group[16];
    uint32_t staged;

    for (int i = 0; i < MANY; i++) {
        snprintf(group, sizeof(group), "g%d", i);
        cr_assert(eq(i16, txn_commit(P, group, 0, i), KAFKA_NONE));
    }
    rig.holds = true;
    start_end(&end, P, true);
    cr_assert(eq(u32, staged_count(), MANY));
    disk_commit();
    cr_assert(eq(u32, staged_count(), MANY - SLICE_MAX));
    for (staged = MANY - SLICE_MAX; staged > 0; staged = staged_after_one(staged))
        cr_assert(not(end.is_done)); /* DUR-G8 */
    rig.holds = false;
    rig_settle();
    cr_assert(end.is_done);
    for (int round = 0; round < 2; round++) {
        cr_assert(eq(sz, open_count(), 0));
        cr_assert(eq(i64, fetch_stable("g0", 0), 0));
        cr_assert(eq(i64, fetch_stable("g3499", 0), MANY - 1));
        rig_restart();
    }
}

/* As above, at a start: a marker stands behind all of them. */
Test(group_transactions, marker_of_many_offsets_is_loaded_in_turns)
{
    char group[16];
    uint32_t most = 0;

    for (int i = 0; i < MANY; i++) {
        snprintf(group, sizeof(group), "g%d", i);
        cr_assert(eq(i16, txn_commit(P, group, 0, i), KAFKA_NONE));
    }
    end_txn(P, true);
    rig_close_parts();
    rig_open_parts();
    for (uint32_t staged = staged_count(); !list_is_empty(&rig.shard.loop.deferred);) {
        uint32_t now = staged_after_one(staged);
        if (now < staged && staged - now > most)
            most = staged - now;
        staged = now;
    }
    cr_assert(eq(u32, most, SLICE_MAX));
    group_coordinator_start(rig.shard.groups);
    rig_settle();
    cr_assert(eq(sz, open_count(), 0));
    cr_assert(eq(i64, fetch_stable("g3499", 0), MANY - 1));
}

/* The partition goes while it is applied: all of it is done before it is told so. */
Test(group_transactions, all_may_end_while_a_marker_is_applied)
{
    struct test_end end;
    char group[16];

    for (int i = 0; i < MANY; i++) {
        snprintf(group, sizeof(group), "g%d", i);
        cr_assert(eq(i16, txn_commit(P, group, 0, i), KAFKA_NONE));
    }
    rig.holds = true;
    start_end(&end, P, true);
    disk_commit();
    rig.holds = false;
    rig_restart();
    cr_assert(end.is_done);
    cr_assert(eq(i64, fetch_stable("g3499", 0), MANY - 1));
}

/* TGD-3: it would be staged in the next transaction. */
Test(group_transactions, commit_that_is_late_is_not_executed)
{
    struct ask ask;

    registry.is_late = true;
    make_commit(&ask, NULL, "g", "t", 0, 7, -1);
    ask_start(&ask, handle_late);
    cr_assert(eq(u32, late_count, 1));
    ask_end(&ask);
    cr_assert_null(the_group("g"));
    cr_assert(eq(sz, open_count(), 0));
}

Test(group_transactions, commits_below_version_5_say_which_connection_they_came_on)
{
    rig.client.accept_number = 9;
    cr_assert(eq(i16, txn_commit_as(4, NULL, "g", 0, 1), KAFKA_NONE));
    cr_assert(eq(u64, registry.last.accept_number, 9));
    cr_assert(eq(i16, txn_commit_as(5, NULL, "g", 0, 1), KAFKA_NONE));
    cr_assert(eq(u64, registry.last.accept_number, 0));
}

Test(group_transactions, what_the_log_refuses_is_not_staged)
{
    disk.refuse_with = ERR_PRODUCER_EPOCH;
    cr_assert(eq(i16, txn_commit(P, "g", 0, 1), KAFKA_INVALID_PRODUCER_EPOCH));
    disk.refuse_with = ERR_TXN_STATE;
    cr_assert(eq(i16, txn_commit(P, "g", 0, 1), KAFKA_INVALID_TXN_STATE));
    disk.refuse_with = OK;
    cr_assert_null(the_group("g"));
    cr_assert(eq(sz, open_count(), 0));
}

/* ---- memory */

static uint64_t used(void)
{
    return budget_used_bytes(memory_budget(&rig.shard.memory, MEMORY_GROUPS));
}

Test(group_transactions, staged_offsets_are_counted)
{
    uint64_t before = used();
    struct budget *budget = memory_budget(&rig.shard.memory, MEMORY_GROUPS);

    cr_assert(eq(i16, txn_commit(P, "g", 0, 1), KAFKA_NONE));
    cr_assert(eq(i16, txn_commit(P, "g", 0, 2), KAFKA_NONE));
    cr_assert(lt(u64, before, used()));
    end_txn(P, false);
    cr_assert(eq(u64, used(), before));
    budget->max_bytes = before + 300;
    cr_assert(eq(i16, txn_commit(P, "g", 0, 1), KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(eq(u64, used(), before));
}

/* Each allocation of the request fails once. */
Test(group_transactions, commit_that_finds_no_memory_leaves_nothing)
{
    uint64_t before = used();
    uint32_t refused_count = 0;
    struct ask ask;
    int16_t error_code = -1;

    for (uint64_t fails = 1; error_code != KAFKA_NONE; fails++) {
        cr_assert(lt(u64, fails, 100));
        make_txn(&ask, TXN_VERSION, P, NULL, "g", 0, 1);
        rig.fail_after = fails;
        ask_start(&ask, handle_txn_offset_commit);
        cr_assert(ask.answered);
        if (((const struct txn_offset_commit_response *)ask.response)->topics.count == 0) {
            refused_count++; /* the connection hears of it */
            ask_end(&ask);
            continue;
        }
        error_code = end_txn_commit(&ask);
        if (error_code == KAFKA_NONE)
            break;
        refused_count++;
        cr_assert(eq(i16, error_code, KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
        cr_assert_null(the_group("g"));
        cr_assert(eq(sz, open_count(), 0));
        cr_assert(eq(u64, used(), before));
    }
    cr_assert(lt(u32, 4, refused_count));
    end_txn(P, true);
    cr_assert(eq(i64, fetch_stable("g", 0), 1));
}
