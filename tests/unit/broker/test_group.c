/* Groups as their members see them: joining, leaving, time, and what a restart remembers. */
#include "broker/coordinator/group_rebalance.h"
#include "record/batch_builder.h"
#include "tests/unit/broker/group_asks.h"

static void setup(void)
{
    rig_up(NULL);
    rig_create_topic("t", 4);
}

TestSuite(group, .init = setup, .fini = rig_down, .timeout = 600);

/* Two members in one generation; the first is the leader. */
static void two_stable(struct client_member *a, struct client_member *b)
{
    struct client_member *all[] = {a, b};
    bool assigned;

    start_joining(a, "g");
    start_joining(b, "g");
    rig_pass_ms(7000);
    cr_assert(eq(i16, end_join(a), KAFKA_NONE));
    cr_assert(eq(i16, end_join(b), KAFKA_NONE));
    cr_assert(eq(i32, a->generation, b->generation));
    start_sync(b, "g", NULL, 0);
    cr_assert(not(b->sync.answered)); /* the leader has the assignment */
    start_sync(a, "g", all, 2);
    cr_assert(eq(i16, end_sync(a, &assigned), KAFKA_NONE));
    cr_assert(assigned);
    cr_assert(eq(i16, end_sync(b, &assigned), KAFKA_NONE));
    cr_assert(assigned);
}

Test(group, first_rebalance_waits_for_more_members)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    start_joining(&a, "g");
    rig_pass_ms(2900);
    start_joining(&b, "g");
    rig_pass_ms(2000); /* the delay began anew for the second one */
    cr_assert(not(a.join.answered));
    rig_pass_ms(1200);
    cr_assert(a.join.answered);
    cr_assert(b.join.answered);
    cr_assert(is_told_leader(&a));
    cr_assert_not(is_told_leader(&b));
    cr_assert(eq(i32, ((const struct join_group_response *)a.join.response)->members.count, 2));
    cr_assert(eq(i32, ((const struct join_group_response *)b.join.response)->members.count, 0));
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    cr_assert(eq(i32, a.generation, 1));
}

Test(group, assignment_reaches_each_member_once_it_is_durable)
{
    struct client_member a = a_client();
    struct client_member *all[] = {&a};
    bool assigned;

    start_joining(&a, "g");
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    rig.holds = true;
    start_sync(&a, "g", all, 1);
    cr_assert(not(a.sync.answered));
    cr_assert(eq(int, the_group("g")->state, GROUP_COMPLETING));
    rig.holds = false;
    rig_settle();
    cr_assert(eq(i16, end_sync(&a, &assigned), KAFKA_NONE));
    cr_assert(assigned);
    cr_assert(eq(int, the_group("g")->state, GROUP_STABLE));
}

Test(group, assignment_that_cannot_be_written_is_not_given_out)
{
    struct client_member a = a_client();
    struct client_member *all[] = {&a};

    start_joining(&a, "g");
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    disk.refuse_with = ERR_STORAGE;
    start_sync(&a, "g", all, 1);
    cr_assert(eq(i16, end_sync(&a, NULL), KAFKA_COORDINATOR_NOT_AVAILABLE));
    cr_assert(eq(int, the_group("g")->state, GROUP_PREPARING));
    disk.refuse_with = OK;
}

Test(group, second_member_brings_the_first_one_back)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    struct client_member *all[] = {&a, &b};
    bool assigned;

    become_stable(&a, "g");
    start_joining(&b, "g");
    cr_assert(not(b.join.answered));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_REBALANCE_IN_PROGRESS));
    start_joining(&a, "g");
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    cr_assert(eq(i32, a.generation, 2));
    start_sync(&a, "g", all, 2);
    cr_assert(eq(i16, end_sync(&a, &assigned), KAFKA_NONE));
    cr_assert(assigned);
    start_sync(&b, "g", NULL, 0);
    cr_assert(eq(i16, end_sync(&b, &assigned), KAFKA_NONE));
    cr_assert(assigned);
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
}

Test(group, member_that_does_not_come_back_is_out_after_the_rebalance_timeout)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    a.session_ms = 100000; /* it is not its silence */
    become_stable(&a, "g");
    start_joining(&b, "g");
    rig_pass_ms(19000);
    cr_assert(not(b.join.answered));
    rig_pass_ms(2000);
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    cr_assert(eq(u32, the_group("g")->member_count, 1));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_UNKNOWN_MEMBER_ID));
}

Test(group, member_that_is_silent_is_out_and_one_that_beats_stays)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    two_stable(&a, &b);
    for (int i = 0; i < 5; i++) {
        rig_pass_ms(3000);
        beat(&a, "g");
    }
    cr_assert(eq(i16, beat(&b, "g"), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_REBALANCE_IN_PROGRESS));
}

Test(group, leader_that_never_syncs_holds_nobody_up_for_long)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    start_joining(&a, "g");
    start_joining(&b, "g");
    rig_pass_ms(7000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    start_sync(&b, "g", NULL, 0);
    for (int i = 0; i < 7; i++) {
        rig_pass_ms(3000);
        beat(&a, "g"); /* alive, but it does not assign */
    }
    cr_assert(b.sync.answered);
    cr_assert(eq(i16, end_sync(&b, NULL), KAFKA_REBALANCE_IN_PROGRESS));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_UNKNOWN_MEMBER_ID));
}

Test(group, process_that_stood_still_expires_nobody_at_once)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    two_stable(&a, &b);
    rig_freeze_ms(600000);
    cr_assert(eq(u32, the_group("g")->member_count, 2));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    cr_assert(eq(i16, beat(&b, "g"), KAFKA_NONE));
    rig_pass_ms(11000); /* from then on silence counts */
    cr_assert(eq(u32, the_group("g")->member_count, 0));
}

Test(group, leaving_starts_a_rebalance_and_the_last_one_leaves_an_empty_group)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    two_stable(&a, &b);
    cr_assert(eq(i16, leave(&b, "g"), KAFKA_NONE));
    cr_assert(eq(i16, leave(&b, "g"), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_REBALANCE_IN_PROGRESS));
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE));
    cr_assert(eq(int, the_group("g")->state, GROUP_EMPTY));
    cr_assert(eq(i32, the_group("g")->generation, 2));
}

Test(group, generation_of_the_past_is_refused)
{
    struct client_member a = a_client();
    struct client_member old;

    become_stable(&a, "g");
    old = a;
    old.generation = a.generation - 1;
    cr_assert(eq(i16, beat(&old, "g"), KAFKA_ILLEGAL_GENERATION));
    cr_assert(eq(i16, commit(&old, "g", "t", 0, 5), KAFKA_ILLEGAL_GENERATION));
    start_sync(&old, "g", NULL, 0);
    cr_assert(eq(i16, end_sync(&old, NULL), KAFKA_ILLEGAL_GENERATION));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
}

Test(group, each_generation_records_its_own_assignment_also_while_an_older_one_is_written)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    struct client_member *one[] = {&a};
    struct client_member *both[] = {&a, &b};
    bool assigned;

    start_joining(&a, "g");
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    rig.holds = true;
    start_sync(&a, "g", one, 1); /* on its way to the disk */
    start_joining(&b, "g");
    cr_assert(eq(i16, end_sync(&a, NULL), KAFKA_REBALANCE_IN_PROGRESS));
    start_joining(&a, "g");
    cr_assert(not(a.join.answered)); /* nobody is told a number that is not recorded */
    rig.holds = false;
    rig_settle();
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    start_sync(&a, "g", both, 2);
    start_sync(&b, "g", NULL, 0);
    cr_assert(eq(i16, end_sync(&a, &assigned), KAFKA_NONE));
    cr_assert(assigned);
    cr_assert(eq(i16, end_sync(&b, &assigned), KAFKA_NONE));
    cr_assert(assigned);
}

Test(group, leader_that_rejoins_starts_a_rebalance_and_a_follower_does_not)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    two_stable(&a, &b);
    start_joining(&b, "g");
    cr_assert(b.join.answered);
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    cr_assert(eq(i32, b.generation, 1));
    start_joining(&a, "g");
    cr_assert(not(a.join.answered));
    cr_assert(eq(i16, beat(&b, "g"), KAFKA_REBALANCE_IN_PROGRESS));
    start_joining(&b, "g");
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    cr_assert(eq(i32, a.generation, 2));
}

Test(group, protocol_is_the_one_that_most_prefer_among_those_that_all_have)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    struct client_member c = a_client();

    a.protocols = "only,range,sticky";
    b.protocols = "sticky,range";
    c.protocols = "sticky,range";
    start_joining(&a, "g");
    start_joining(&b, "g");
    start_joining(&c, "g");
    rig_pass_ms(7000);
    cr_assert(eq(str, the_group("g")->protocol, "sticky"));
    end_join(&a);
    end_join(&b);
    end_join(&c);
}

Test(group, member_without_a_common_protocol_is_refused)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    become_stable(&a, "g");
    b.protocols = "other";
    start_join(&b, "g", 9);
    cr_assert(eq(i16, end_join(&b), KAFKA_INCONSISTENT_GROUP_PROTOCOL));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
}

Test(group, member_ids_differ_also_for_the_longest_of_names)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    static char name[2000];
    const struct join_group_response *first = NULL;
    const struct join_group_response *second = NULL;

    memset(name, 'n', sizeof(name) - 1);
    a.join = ask_new(API_JOIN_GROUP, 9);
    b.join = ask_new(API_JOIN_GROUP, 9);
    for (int i = 0; i < 2; i++) {
        struct ask *ask = i == 0 ? &a.join : &b.join;
        struct join_group_request *body = ask->body;
        static struct join_group_request_protocol protocol;
        protocol =
            (struct join_group_request_protocol){wire_string("range"), {(const uint8_t *)"", 0}};
        ask->request->client_id = wire_string(name);
        body->group_id = wire_string("g");
        body->session_timeout_ms = 10000;
        body->protocol_type = wire_string("consumer");
        body->protocols.items = &protocol;
        body->protocols.count = 1;
        ask_start(ask, handle_join_group);
    }
    first = a.join.response;
    second = b.join.response;
    cr_assert(eq(i16, first->error_code, KAFKA_MEMBER_ID_REQUIRED));
    cr_assert(eq(i32, first->member_id.size_bytes, (int32_t)sizeof(name) - 1 + 37));
    cr_assert_not(wire_string_equal(first->member_id, second->member_id));
    ask_end(&a.join);
    ask_end(&b.join);
}

Test(group, id_that_was_handed_out_and_not_used_expires)
{
    struct client_member a = a_client();

    start_join(&a, "g", 9);
    cr_assert(eq(i16, end_join(&a), KAFKA_MEMBER_ID_REQUIRED));
    rig_pass_ms(11000);
    start_join(&a, "g", 9);
    cr_assert(eq(i16, end_join(&a), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert_null(the_group("g"));
}

Test(group, session_timeouts_outside_the_limits_are_refused)
{
    struct client_member a = a_client();

    a.session_ms = 5999;
    start_join(&a, "g", 9);
    cr_assert(eq(i16, end_join(&a), KAFKA_INVALID_SESSION_TIMEOUT));
    a.session_ms = 1800001;
    start_join(&a, "g", 9);
    cr_assert(eq(i16, end_join(&a), KAFKA_INVALID_SESSION_TIMEOUT));
}

/* ---- static members (KIP-345) */

static bool skips_assignment(const struct client_member *client)
{
    return ((const struct join_group_response *)client->join.response)->skip_assignment;
}

Test(group, static_member_comes_back_to_its_assignment_without_a_rebalance)
{
    struct client_member a = a_client();
    struct client_member old;
    bool assigned;

    a.instance = "i";
    become_stable(&a, "g");
    old = a;
    a.id[0] = '\0';
    rig.holds = true;
    start_join(&a, "g", 9);
    cr_assert(not(a.join.answered)); /* the new id is not durable */
    rig.holds = false;
    rig_settle();
    cr_assert(skips_assignment(&a));
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(ne(str, a.id, old.id));
    cr_assert(eq(i32, a.generation, old.generation));
    start_sync(&a, "g", NULL, 0);
    cr_assert(eq(i16, end_sync(&a, &assigned), KAFKA_NONE));
    cr_assert(not(assigned)); /* it is the assignment made for the old id */
    cr_assert(eq(i16, beat(&old, "g"), KAFKA_FENCED_INSTANCE_ID));
    cr_assert(eq(i16, commit(&old, "g", "t", 0, 1), KAFKA_FENCED_INSTANCE_ID));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    rig_restart();
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    cr_assert(eq(i16, beat(&old, "g"), KAFKA_FENCED_INSTANCE_ID));
}

Test(group, new_id_that_cannot_be_recorded_never_was)
{
    struct client_member a = a_client();
    struct client_member again;

    a.instance = "i";
    become_stable(&a, "g");
    again = a;
    again.id[0] = '\0';
    disk.refuse_with = ERR_STORAGE;
    start_join(&again, "g", 9);
    cr_assert(eq(i16, end_join(&again), KAFKA_COORDINATOR_NOT_AVAILABLE));
    disk.refuse_with = OK;
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
}

Test(group, rebalance_answers_a_static_member_whose_new_id_is_being_recorded)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    a.instance = "i";
    become_stable(&a, "g");
    a.id[0] = '\0';
    rig.holds = true;
    start_join(&a, "g", 9);
    start_joining(&b, "g"); /* all are there now */
    rig.holds = false;
    rig_settle();
    cr_assert(a.join.answered);
    cr_assert(b.join.answered);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    cr_assert(eq(i32, a.generation, 2));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
}

Test(group, absent_static_member_keeps_its_place_for_its_session)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    a.instance = "i";
    a.session_ms = 60000;
    become_stable(&a, "g");
    start_joining(&b, "g");
    rig_pass_ms(21000); /* the rebalance goes on without it */
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    cr_assert(eq(u32, the_group("g")->member_count, 2));
}

/* ---- restarts */

Test(group, members_and_generation_outlive_a_restart_and_get_a_whole_session)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    two_stable(&a, &b);
    rig_pass_ms(9000);
    rig.clock.wall_ms +=
        INT64_C(86400000) * 365; /* the wall clock jumps meanwhile (DUR-G10, DUR-F12) */
    rig_restart();
    rig_pass_ms(9000);
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    cr_assert(eq(i16, beat(&b, "g"), KAFKA_NONE));
    rig_pass_ms(11000);
    cr_assert(eq(u32, the_group("g")->member_count, 0));
    cr_assert(eq(i32, the_group("g")->generation, 2));
    rig_restart();
    cr_assert(eq(i32, the_group("g")->generation, 2));
}

Test(group, generation_that_was_told_is_not_formed_again_after_a_restart)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    struct client_member old;

    two_stable(&a, &b);
    cr_assert(eq(i16, leave(&b, "g"), KAFKA_NONE));
    start_joining(&a, "g");
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i32, a.generation, 2));
    rig_restart(); /* before anybody assigns in it */
    cr_assert(eq(i32, the_group("g")->generation, 2));
    old = a;
    start_sync(&a, "g", NULL, 0);
    cr_assert(eq(i16, end_sync(&a, NULL), KAFKA_REBALANCE_IN_PROGRESS));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_REBALANCE_IN_PROGRESS));
    start_joining(&a, "g");
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE)); /* still a member, and the only one */
    cr_assert(eq(str, a.id, old.id));
    cr_assert(eq(i32, a.generation, 3));
}

Test(group, rebalance_that_nobody_resumes_after_a_restart_ends_with_the_sessions)
{
    struct client_member a = a_client();

    start_joining(&a, "g");
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    rig_restart();
    cr_assert(eq(int, the_group("g")->state, GROUP_PREPARING));
    rig_pass_ms(9000);
    cr_assert(eq(u32, the_group("g")->member_count, 1));
    rig_pass_ms(2000);
    cr_assert(eq(u32, the_group("g")->member_count, 0));
    cr_assert(eq(int, the_group("g")->state, GROUP_EMPTY));
    cr_assert(lt(i32, 1, the_group("g")->generation));
}

Test(group, generation_that_cannot_be_recorded_is_told_to_nobody)
{
    struct client_member a = a_client();

    start_joining(&a, "g");
    disk.refuse_with = ERR_STORAGE;
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_COORDINATOR_NOT_AVAILABLE));
    cr_assert(eq(i32, the_group("g")->generation, 0));
    disk.refuse_with = OK;
    start_joining(&a, "g");
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i32, a.generation, 1));
}

Test(group, deleted_group_stays_deleted_after_a_restart)
{
    struct client_member a = a_client();

    become_stable(&a, "g");
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 5), KAFKA_NONE));
    cr_assert(eq(i16, delete_group("g"), KAFKA_NON_EMPTY_GROUP));
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE));
    cr_assert(eq(i16, delete_group("g"), KAFKA_NONE));
    cr_assert(eq(i16, delete_group("g"), KAFKA_GROUP_ID_NOT_FOUND));
    cr_assert(eq(i32, listed_groups(), 0));
    rig_restart();
    cr_assert(eq(i32, listed_groups(), 0));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
}

Test(group, group_whose_partition_is_damaged_is_not_served)
{
    static const uint8_t key[] = {0, 2, 0, 9, 'g'}; /* a group id that ends early */
    struct batch_builder builder;
    struct batch_builder_options options = batch_builder_options_default();
    struct client_member a = a_client();
    struct log_append_result result;
    struct log_append append;
    struct batch_header header;
    const uint8_t *bytes;
    uint32_t size_bytes;
    uint32_t lines = rig.error_lines;

    cr_assert(eq(i16, commit(NULL, "whole", "t", 0, 1), KAFKA_NONE));
    batch_builder_init(&builder, &options);
    cr_assert(eq(int, batch_builder_add_pair(&builder, key, sizeof(key), "", 0, 1), OK));
    cr_assert(eq(int, batch_builder_finish(&builder, NULL, &bytes, &size_bytes), OK));
    cr_assert(eq(int, batch_parse(bytes, size_bytes, &header), OK));
    append = (struct log_append){.bytes = bytes, .size_bytes = size_bytes, .max_timestamp_ms = 1};
    cr_assert(eq(int, log_append_leader(&disk.logs[0], &append, &result), OK));
    batch_builder_deinit(&builder);
    rig_settle();
    rig_restart();
    cr_assert(lt(u32, lines, rig.error_lines));
    cr_assert(eq(i32, listed_groups(), 0));
    start_join(&a, "g", 9);
    cr_assert(eq(i16, end_join(&a), KAFKA_COORDINATOR_NOT_AVAILABLE));
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 1), KAFKA_COORDINATOR_NOT_AVAILABLE));
}

Test(group, stop_answers_those_who_wait)
{
    struct client_member a = a_client();

    start_joining(&a, "g");
    group_coordinator_stop(rig.shard.groups);
    cr_assert(a.join.answered);
    cr_assert(eq(i16, end_join(&a), KAFKA_COORDINATOR_NOT_AVAILABLE));
}

Test(group, deleting_the_offsets_topic_answers_those_who_wait)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    const struct image_topic *topic =
        image_topic_by_name(rig.shard.image, "__consumer_offsets", 18);
    struct uuid id = topic->id;
    struct ask ask;

    become_stable(&a, "h");
    start_joining(&b, "g");
    rig.holds = true;
    disk.is_full = true;
    start_commit(&ask, &a, "h", "t", 0, 1, -1); /* waits for room */
    rig_delete_topic(&id, true);
    cr_assert(b.join.answered);
    cr_assert(eq(i16, end_join(&b), KAFKA_NOT_COORDINATOR));
    cr_assert(ask.answered);
    cr_assert(eq(i16, end_commit(&ask), KAFKA_NOT_COORDINATOR));
    disk_give_room();
}

/* rig_down counts the memory. */
Test(group, destroying_the_coordinator_ends_writes_that_are_in_flight)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    struct client_member c = a_client();
    struct ask appended;
    struct ask waiting;

    become_stable(&a, "g");
    become_stable(&b, "h");
    start_joining(&c, "k");
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&c), KAFKA_NONE));
    rig.holds = true;
    start_commit(&appended, &a, "g", "t", 0, 1, -1);
    cr_assert(eq(i16, leave(&b, "h"), KAFKA_NONE));
    start_sync(&c, "k", (struct client_member *[]){&c}, 1);
    disk.is_full = true;
    start_commit(&waiting, &a, "g", "t", 1, 1, -1);
    rig_pass_ms(6000); /* both commits are answered: nobody knows */
    cr_assert(eq(i16, end_commit(&appended), KAFKA_COORDINATOR_NOT_AVAILABLE));
    cr_assert(eq(i16, end_commit(&waiting), KAFKA_COORDINATOR_NOT_AVAILABLE));
    group_coordinator_stop(rig.shard.groups);
    cr_assert(eq(i16, end_sync(&c, NULL), KAFKA_COORDINATOR_NOT_AVAILABLE));
    cr_assert(lt(u32, 1, coordinator_find(rig.shard.groups, wire_string("g"))->writes));
    cr_assert(lt(u32, 0, coordinator_find(rig.shard.groups, wire_string("h"))->writes));
    cr_assert(lt(u32, 0, coordinator_find(rig.shard.groups, wire_string("k"))->writes));
}

Test(group, group_with_offsets_and_a_write_in_flight_goes_with_its_partition)
{
    struct client_member a = a_client();
    struct uuid id = image_topic_by_name(rig.shard.image, "__consumer_offsets", 18)->id;
    struct ask ask;

    become_stable(&a, "g");
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 1), KAFKA_NONE));
    rig.holds = true;
    start_commit(&ask, &a, "g", "t", 0, 2, -1);
    rig_delete_topic(&id, true);
    cr_assert(eq(i16, end_commit(&ask), KAFKA_NOT_COORDINATOR));
    cr_assert(coordinator_find(rig.shard.groups, wire_string("g")) == NULL);
}

Test(group, generation_starts_again_at_one_behind_the_last_and_a_start_agrees)
{
    struct client_member a = a_client();
    struct group *group;

    become_stable(&a, "g");
    group = coordinator_find(rig.shard.groups, wire_string("g"));
    group->generation = INT32_MAX;
    group_record(group);
    rig_settle();
    rig_restart();
    group = coordinator_find(rig.shard.groups, wire_string("g"));
    cr_assert(eq(i32, group->generation, INT32_MAX));
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE));
    rig_settle();
    group = coordinator_find(rig.shard.groups, wire_string("g"));
    cr_assert(eq(i32, group->generation, 1));
    rig_restart();
    group = coordinator_find(rig.shard.groups, wire_string("g"));
    cr_assert(eq(i32, group->generation, 1));
    a = a_client();
    become_stable(&a, "g");
    cr_assert(eq(i32, a.generation, 2));
}

Test(group, partition_of_a_group_is_javas_hash)
{
    cr_assert(eq(i32, group_partition_of("", 0, 50), 0));
    cr_assert(eq(i32, group_partition_of("a", 1, 50), 97 % 50));
    cr_assert(eq(i32, group_partition_of("hello", 5, 50), 99162322 % 50));
    cr_assert(eq(i32, group_partition_of("\xc3\xa9", 2, 50), 0xe9 % 50));
    /* U+1F600 is two units, d83d and de00 */
    cr_assert(eq(i32, group_partition_of("\xf0\x9f\x98\x80", 4, 50), (0xd83d * 31 + 0xde00) % 50));
    /* "polygenelubricants" has the hash -2147483648 */
    cr_assert(eq(i32, group_partition_of("polygenelubricants", 18, 50), 0));
}
