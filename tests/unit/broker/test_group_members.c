/* Members in the corners: new ones that wait long, new ids that fail, a broker that is late. */
#include "tests/unit/broker/group_asks.h"

static void setup(void)
{
    rig_up(NULL);
    rig_create_topic("t", 4);
}

TestSuite(group_members, .init = setup, .fini = rig_down, .timeout = 600);

/* ---- ids that were handed out */

Test(group_members, id_handed_out_is_nobody_elses_with_an_instance)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    a.instance = "i";
    become_stable(&a, "g");
    start_join(&b, "g", 9);
    cr_assert(eq(i16, end_join(&b), KAFKA_MEMBER_ID_REQUIRED));
    b.instance = "i"; /* the instance of another */
    start_join(&b, "g", 9);
    cr_assert(b.join.answered);
    cr_assert(eq(i16, end_join(&b), KAFKA_UNKNOWN_SERVER_ERROR));
    cr_assert(eq(u32, the_group("g")->member_count, 1));
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    b.instance = "other";
    start_join(&b, "g", 9);
    cr_assert(eq(i16, end_join(&b), KAFKA_UNKNOWN_SERVER_ERROR));
    b.instance = NULL; /* the id is as good as before */
    start_join(&b, "g", 9);
    cr_assert(not(b.join.answered));
    cr_assert(eq(u32, the_group("g")->member_count, 2));
    group_coordinator_stop(rig.shard.groups);
    end_join(&b);
}

Test(group_members, group_of_ids_handed_out_can_be_deleted)
{
    struct client_member a = a_client();

    start_join(&a, "g", 9);
    cr_assert(eq(i16, end_join(&a), KAFKA_MEMBER_ID_REQUIRED));
    cr_assert(eq(i16, delete_group("g"), KAFKA_NONE));
    cr_assert_null(the_group("g"));
    start_join(&a, "g", 9);
    cr_assert(eq(i16, end_join(&a), KAFKA_UNKNOWN_MEMBER_ID));
}

/* ---- waiting */

Test(group_members, new_member_waits_five_minutes_and_then_is_gone)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    a.rebalance_ms = 1800000;
    become_stable(&a, "g");
    start_joining(&b, "g");
    for (int i = 0; i < 99; i++) { /* alive, but it does not join */
        rig_pass_ms(3000);
        cr_assert(eq(i16, beat(&a, "g"), KAFKA_REBALANCE_IN_PROGRESS));
    }
    cr_assert(not(b.join.answered));
    rig_pass_ms(4000);
    cr_assert(b.join.answered);
    cr_assert(eq(i16, end_join(&b), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(u32, the_group("g")->member_count, 1));
}

Test(group_members, member_that_comes_back_waits_as_long_as_the_rebalance)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    struct client_member *all[] = {&a, &b};

    a.rebalance_ms = 1800000;
    b.rebalance_ms = 1800000;
    start_joining(&a, "g");
    start_joining(&b, "g");
    rig_pass_ms(7000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
    start_sync(&a, "g", all, 2);
    start_sync(&b, "g", NULL, 0);
    cr_assert(eq(i16, end_sync(&a, NULL), KAFKA_NONE));
    cr_assert(eq(i16, end_sync(&b, NULL), KAFKA_NONE));
    start_joining(&a, "g"); /* the leader: a rebalance */
    for (int i = 0; i < 200; i++) {
        rig_pass_ms(3000);
        beat(&b, "g");
    }
    cr_assert(not(a.join.answered)); /* ten minutes */
    start_joining(&b, "g");
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
}

/* ---- a loop that is late, turn by turn */

static void be_late_ms(uint64_t ms)
{
    for (uint64_t passed = 0; passed < ms; passed += 900)
        rig_freeze_ms(900);
}

Test(group_members, dead_member_is_out_also_while_the_loop_is_always_late)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    become_stable(&a, "g");
    start_join(&b, "h", 9); /* takes an id and does not use it */
    cr_assert(eq(i16, end_join(&b), KAFKA_MEMBER_ID_REQUIRED));
    be_late_ms(11000);
    cr_assert(eq(u32, the_group("g")->member_count, 1)); /* excused once */
    be_late_ms(11000);
    cr_assert(eq(u32, the_group("g")->member_count, 0));
    cr_assert_null(the_group("h"));
}

Test(group_members, member_that_is_heard_of_is_excused_again)
{
    struct client_member a = a_client();

    become_stable(&a, "g");
    for (int i = 0; i < 5; i++) {
        be_late_ms(11000);
        cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    }
}

Test(group_members, rebalance_ends_also_while_the_loop_is_always_late)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    a.session_ms = 1800000;
    become_stable(&a, "g");
    start_joining(&b, "g"); /* a does not come back */
    be_late_ms(21000);
    cr_assert(not(b.join.answered));
    be_late_ms(21000);
    cr_assert(b.join.answered);
    cr_assert(eq(i16, end_join(&b), KAFKA_NONE));
}

/* ---- new ids of static members (KIP-345) */

static void lose_what_is_not_durable(void)
{
    disk.logs[0].events = NULL; /* nobody hears of the disk any more */
    partition_end_waits(
        topic_table_find(rig.shard.topics,
                         &image_topic_by_name(rig.shard.image, "__consumer_offsets", 18)->id, 0),
        ERR_STORAGE);
}

static void check_is_as_before(const struct client_member *client)
{
    const struct group_member *member = group_find_instance(the_group("g"), wire_string("i"));

    cr_assert(eq(str, member->id, (char *)client->id));
    cr_assert(eq(i32, member->terms.session_timeout_ms, client->session_ms));
    cr_assert(eq(i32, member->terms.rebalance_timeout_ms, client->rebalance_ms));
    cr_assert(eq(u32, member->terms.protocol_count, 1));
    cr_assert(eq(ptr, the_group("g")->leader, (void *)(uintptr_t)member));
    cr_assert(eq(i16, beat(client, "g"), KAFKA_NONE));
}

/* The same instance, with other terms. */
static struct client_member another_start(const struct client_member *client)
{
    struct client_member again = *client;

    again.id[0] = '\0';
    again.session_ms = 60000;
    again.rebalance_ms = 70000;
    again.protocols = "range,sticky";
    return again;
}

Test(group_members, new_id_that_cannot_be_recorded_leaves_the_member_as_it_was)
{
    struct client_member a = a_client();
    struct client_member again;

    a.instance = "i";
    become_stable(&a, "g");
    again = another_start(&a);
    disk.refuse_with = ERR_STORAGE;
    start_join(&again, "g", 9);
    cr_assert(eq(i16, end_join(&again), KAFKA_COORDINATOR_NOT_AVAILABLE));
    disk.refuse_with = OK;
    check_is_as_before(&a);
}

Test(group_members, new_ids_that_fail_one_after_the_other_leave_the_member_as_it_was)
{
    struct client_member a = a_client();
    struct client_member second;
    struct client_member third;

    a.instance = "i";
    become_stable(&a, "g");
    second = another_start(&a);
    third = another_start(&a);
    rig.holds = true;
    start_join(&second, "g", 9);
    start_join(&third, "g", 9);
    cr_assert(eq(i16, end_join(&second), KAFKA_FENCED_INSTANCE_ID));
    lose_what_is_not_durable();
    cr_assert(eq(i16, end_join(&third), KAFKA_COORDINATOR_NOT_AVAILABLE));
    check_is_as_before(&a);
}
