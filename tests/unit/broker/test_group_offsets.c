/* Committed offsets: who may commit, what is read back, what expires. */
#include "tests/unit/broker/group_asks.h"

static struct uuid topic_id;

static void setup(void)
{
    const char *sets[] = {"offsets.retention.minutes=60", "offset.metadata.max.bytes=10", NULL};

    rig_up(sets);
    topic_id = rig_create_topic("t", 4);
}

TestSuite(group_offsets, .init = setup, .fini = rig_down, .timeout = 600);

enum { MINUTE_MS = 60 * 1000 };

Test(group_offsets, what_was_never_committed_is_minus_one)
{
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 0), KAFKA_NONE));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 0));
    cr_assert(eq(i64, fetch_offset("g", "t", 1), -1));
    cr_assert(eq(i64, fetch_offset("g", "nothing", 0), -1));
}

Test(group_offsets, commit_is_answered_when_it_is_durable_and_seen_not_before)
{
    struct ask ask;

    rig.holds = true;
    start_commit(&ask, NULL, "g", "t", 0, 7, -1);
    cr_assert(not(ask.answered));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    rig.holds = false;
    rig_settle();
    cr_assert(eq(i16, end_commit(&ask), KAFKA_NONE));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 7));
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 7));
}

Test(group_offsets, commit_that_is_lost_with_the_power_was_not_answered)
{
    struct ask ask;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    rig.holds = true;
    start_commit(&ask, NULL, "g", "t", 0, 7, -1);
    cr_assert(not(ask.answered));
    disk.logs[0].events = NULL; /* nobody hears of the disk any more */
    disk_lose_tails();
    partition_end_waits(
        topic_table_find(rig.shard.topics,
                         &image_topic_by_name(rig.shard.image, "__consumer_offsets", 18)->id, 0),
        ERR_STORAGE);
    cr_assert(eq(i16, end_commit(&ask), KAFKA_COORDINATOR_NOT_AVAILABLE));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    rig.holds = false;
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
}

Test(group_offsets, slow_disk_is_told_after_the_commit_timeout_and_the_commit_still_counts)
{
    struct ask ask;

    rig.holds = true;
    start_commit(&ask, NULL, "g", "t", 0, 7, -1);
    rig_pass_ms(4900);
    cr_assert(not(ask.answered));
    rig_pass_ms(200);
    cr_assert(eq(i16, end_commit(&ask), KAFKA_COORDINATOR_NOT_AVAILABLE));
    rig.holds = false;
    rig_settle();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 7));
}

Test(group_offsets, commits_keep_their_order_when_the_journal_is_full)
{
    struct ask first;
    struct ask second;

    disk.is_full = true;
    start_commit(&first, NULL, "g", "t", 0, 1, -1);
    disk.is_full = false; /* room for the second, before the first was told */
    start_commit(&second, NULL, "g", "t", 0, 2, -1);
    cr_assert(not(second.answered));
    disk_give_room();
    rig_settle();
    cr_assert(eq(i16, end_commit(&first), KAFKA_NONE));
    cr_assert(eq(i16, end_commit(&second), KAFKA_NONE));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 2));
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 2));
}

Test(group_offsets, only_members_commit_while_there_are_members)
{
    struct client_member a = a_client();
    struct client_member stranger = a_client();

    become_stable(&a, "g");
    snprintf(stranger.id, sizeof(stranger.id), "stranger");
    stranger.generation = a.generation;
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 1), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(i16, commit(&stranger, "g", "t", 0, 1), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 2), KAFKA_NONE));
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE));
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 3), KAFKA_UNKNOWN_MEMBER_ID));
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 4), KAFKA_NONE));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 4));
}

Test(group_offsets, commit_between_join_and_sync_waits_for_the_assignment)
{
    struct client_member a = a_client();

    start_joining(&a, "g");
    rig_pass_ms(4000);
    cr_assert(eq(i16, end_join(&a), KAFKA_NONE));
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 2), KAFKA_REBALANCE_IN_PROGRESS));
}

Test(group_offsets, member_may_commit_what_it_did_before_it_rejoins)
{
    struct client_member a = a_client();
    struct client_member b = a_client();

    become_stable(&a, "g");
    start_joining(&b, "g");
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 9), KAFKA_NONE));
    group_coordinator_stop(rig.shard.groups);
    end_join(&b);
}

Test(group_offsets, unknown_partitions_and_long_metadata_are_refused_one_by_one)
{
    struct ask ask = ask_new(API_OFFSET_COMMIT, 9);
    struct offset_commit_request *body = ask.body;
    const struct offset_commit_response *response = ask.response;
    struct offset_commit_request_partition partitions[] = {
        {.partition_index = 0, .committed_offset = 1, .committed_metadata = wire_string("")},
        {.partition_index = 4, .committed_offset = 2, .committed_metadata = wire_string("")},
        {.partition_index = 1,
         .committed_offset = 3,
         .committed_metadata = wire_string("more than ten")},
        {.partition_index = 2, .committed_offset = 4, .committed_metadata = wire_string(NULL)}};
    struct offset_commit_request_topic topics[] = {
        {.name = wire_string("t"), .partitions = {partitions, 4}},
        {.name = wire_string("nothing"), .partitions = {partitions, 1}}};
    const int16_t expected[] = {KAFKA_NONE, KAFKA_UNKNOWN_TOPIC_OR_PARTITION,
                                KAFKA_OFFSET_METADATA_TOO_LARGE, KAFKA_NONE};

    body->group_id = wire_string("g");
    body->topics.items = topics;
    body->topics.count = 2;
    ask_start(&ask, handle_offset_commit);
    for (int i = 0; i < 4; i++)
        cr_assert(eq(i16, response->topics.items[0].partitions.items[i].error_code, expected[i]));
    cr_assert(eq(i16, response->topics.items[1].partitions.items[0].error_code,
                 KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    ask_end(&ask);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 1));
    cr_assert(eq(i64, fetch_offset("g", "t", 1), -1));
    cr_assert(eq(i64, fetch_offset("g", "t", 2), 4));
}

Test(group_offsets, refused_commit_leaves_no_group_behind)
{
    cr_assert(eq(i16, commit(NULL, "g", "nothing", 0, 1), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert(eq(i32, listed_groups(), 0));
}

/* Everything of a group; the number of topics, offsets added up. */
static int32_t fetch_all(const char *group, int64_t *sum_out)
{
    struct ask ask = ask_new(API_OFFSET_FETCH, 9);
    struct offset_fetch_request *body = ask.body;
    const struct offset_fetch_response *response = ask.response;
    int32_t count;

    body->groups.items = rig_array(ask.request, &offset_fetch_request_group_struct, 1);
    body->groups.count = 1;
    body->groups.items[0].group_id = wire_string(group);
    body->groups.items[0].topics.count = -1;
    ask_start(&ask, handle_offset_fetch);
    cr_assert(eq(i16, response->groups.items[0].error_code, KAFKA_NONE));
    count = response->groups.items[0].topics.count;
    *sum_out = 0;
    for (int32_t t = 0; t < count; t++)
        for (int32_t p = 0; p < response->groups.items[0].topics.items[t].partitions.count; p++)
            *sum_out +=
                response->groups.items[0].topics.items[t].partitions.items[p].committed_offset;
    ask_end(&ask);
    return count;
}

Test(group_offsets, all_offsets_of_a_group_with_many_topics_are_told)
{
    enum { TOPICS = 6000 }; /* the square of it would not fit */
    struct group *group = coordinator_get(rig.shard.groups, wire_string("g"));
    int64_t sum;

    for (int32_t i = 0; i < TOPICS; i++) {
        char topic[20];
        snprintf(topic, sizeof(topic), "topic%d", i / 2);
        put_offset(group, topic, &topic_id, i, 1, -1, wire_string("note"), 1, -1);
    }
    cr_assert(eq(i32, fetch_all("g", &sum), TOPICS / 2));
    cr_assert(eq(i64, sum, TOPICS));
}

Test(group_offsets, metadata_keeps_bytes_that_end_texts_elsewhere)
{
    struct group *group = coordinator_get(rig.shard.groups, wire_string("g"));
    const struct group_offset *offset;

    put_offset(group, "t", &topic_id, 0, 1, -1, (struct wire_string){"a\0b", 3}, 1, -1);
    offset = group_find_offset(group, "t", 0);
    cr_assert(eq(i32, offset->value.metadata.size_bytes, 3));
    cr_assert(eq(int, memcmp(offset->value.metadata.bytes, "a\0b", 3), 0));
}

/* ---- expiry (KIP-211) */

Test(group_offsets, offsets_of_nobody_expire_after_the_retention_and_not_before)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    rig_pass_ms(59 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    rig_pass_ms(12 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    cr_assert(eq(i32, listed_groups(), 0));
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    cr_assert(eq(i32, listed_groups(), 0));
}

Test(group_offsets, offsets_of_a_living_group_never_expire)
{
    struct client_member a = a_client();

    a.session_ms = 1800000;
    become_stable(&a, "g");
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 5), KAFKA_NONE));
    for (int i = 0; i < 10; i++) {
        rig_pass_ms(20 * MINUTE_MS);
        cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    }
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE)); /* the retention begins now */
    rig_pass_ms(59 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    rig_pass_ms(12 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    cr_assert(eq(i32, listed_groups(), 0));
}

Test(group_offsets, retention_that_the_client_asked_for_counts)
{
    struct ask ask;

    start_commit(&ask, NULL, "g", "t", 0, 5, 5 * MINUTE_MS);
    cr_assert(eq(i16, end_commit(&ask), KAFKA_NONE));
    cr_assert(eq(i16, commit(NULL, "g", "t", 1, 6), KAFKA_NONE));
    rig_restart();
    rig_pass_ms(11 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    cr_assert(eq(i64, fetch_offset("g", "t", 1), 6));
}

Test(group_offsets, retention_beyond_the_end_of_time_is_for_ever)
{
    struct ask ask;

    start_commit(&ask, NULL, "g", "t", 0, 5, INT64_MAX);
    cr_assert(eq(i16, end_commit(&ask), KAFKA_NONE));
    rig_pass_ms(120 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
}

Test(group_offsets, commits_from_before_the_beginning_of_time_expire)
{
    put_offset(coordinator_get(rig.shard.groups, wire_string("g")), "t", &topic_id, 0, 5, -1,
               wire_string(""), INT64_MIN, -1);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    rig_pass_ms(11 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
}

/* ConsumerProtocolSubscription version 0 without user data. */
static const uint8_t reads_t[] = {0, 0, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff, 0xff, 0xff};

Test(group_offsets, topic_that_a_living_group_does_not_read_any_more_expires)
{
    struct client_member a = a_client();

    rig_create_topic("u", 1);
    cr_assert(eq(i16, commit(NULL, "g", "u", 0, 4), KAFKA_NONE)); /* before it had members */
    a.session_ms = 1800000;
    a.metadata = (struct wire_bytes){reads_t, sizeof(reads_t)};
    become_stable(&a, "g");
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 5), KAFKA_NONE));
    rig_pass_ms(20 * MINUTE_MS);
    cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    cr_assert(eq(i64, fetch_offset("g", "u", 0), 4));
    for (int i = 0; i < 5; i++) {
        rig_pass_ms(20 * MINUTE_MS);
        cr_assert(eq(i16, beat(&a, "g"), KAFKA_NONE));
    }
    cr_assert(eq(i64, fetch_offset("g", "u", 0), -1));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "u", 0), -1));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
}

Test(group_offsets, wall_clock_that_jumps_expires_nothing)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    rig.clock.wall_ms += INT64_C(86400000) * 365;
    rig_pass_ms(40 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    rig.clock.wall_ms -= INT64_C(86400000) * 365;
    rig_pass_ms(40 * MINUTE_MS);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1)); /* an hour has passed by both clocks */
}

/* ---- deleting offsets (KIP-496) */

/* The answer for one partition; *group_error: for the whole. */
static int16_t delete_offset(const char *group, const char *topic, int32_t partition,
                             int16_t *group_error)
{
    struct ask ask = ask_new(API_OFFSET_DELETE, 0);
    struct offset_delete_request *body = ask.body;
    const struct offset_delete_response *response = ask.response;
    struct offset_delete_request_partition asked = {.partition_index = partition};
    struct offset_delete_request_topic asked_topic = {.name = asked_text(&ask, topic),
                                                      .partitions = {.items = &asked, .count = 1}};
    int16_t error_code = -1;

    body->group_id = asked_text(&ask, group);
    body->topics.items = &asked_topic;
    body->topics.count = 1;
    ask_start(&ask, handle_offset_delete);
    *group_error = response->error_code;
    if (response->topics.count > 0) {
        cr_assert(wire_string_is(response->topics.items[0].name, topic));
        cr_assert(
            eq(i32, response->topics.items[0].partitions.items[0].partition_index, partition));
        error_code = response->topics.items[0].partitions.items[0].error_code;
    }
    ask_end(&ask);
    return error_code;
}

Test(group_offsets, deleted_offset_is_gone_and_the_others_stay)
{
    int16_t group_error;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    cr_assert(eq(i16, commit(NULL, "g", "t", 1, 6), KAFKA_NONE));
    cr_assert(eq(i16, delete_offset("g", "t", 0, &group_error), KAFKA_NONE));
    cr_assert(eq(i16, group_error, KAFKA_NONE));
    cr_assert(eq(i16, delete_offset("g", "t", 3, &group_error), KAFKA_NONE)); /* there was none */
    cr_assert(eq(i16, group_error, KAFKA_NONE));
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
        cr_assert(eq(i64, fetch_offset("g", "t", 1), 6));
        rig_restart();
    }
}

Test(group_offsets, deletions_that_may_not_be_are_refused)
{
    int16_t group_error;

    cr_assert(eq(i16, delete_offset("nobody", "t", 0, &group_error), -1));
    cr_assert(eq(i16, group_error, KAFKA_GROUP_ID_NOT_FOUND));
    cr_assert(eq(i16, delete_offset("", "t", 0, &group_error), -1));
    cr_assert(eq(i16, group_error, KAFKA_INVALID_GROUP_ID));
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    cr_assert(
        eq(i16, delete_offset("g", "nothing", 0, &group_error), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert(eq(i16, delete_offset("g", "t", 4, &group_error), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert(eq(i16, group_error, KAFKA_NONE));
    disk.refuse_with = ERR_STORAGE;
    delete_offset("g", "t", 0, &group_error);
    cr_assert(eq(i16, group_error, KAFKA_COORDINATOR_NOT_AVAILABLE));
    disk.refuse_with = OK;
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
}

Test(group_offsets, offset_of_a_topic_that_members_read_is_not_deleted)
{
    struct client_member a = a_client();
    int16_t group_error;

    rig_create_topic("u", 1);
    a.metadata = (struct wire_bytes){reads_t, sizeof(reads_t)};
    become_stable(&a, "g");
    cr_assert(eq(i16, commit(&a, "g", "t", 0, 5), KAFKA_NONE));
    cr_assert(eq(i16, commit(&a, "g", "u", 0, 6), KAFKA_NONE));
    cr_assert(eq(i16, delete_offset("g", "t", 0, &group_error), KAFKA_GROUP_SUBSCRIBED_TO_TOPIC));
    cr_assert(eq(i16, group_error, KAFKA_NONE));
    cr_assert(eq(i16, delete_offset("g", "u", 0, &group_error), KAFKA_NONE));
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 5));
    cr_assert(eq(i64, fetch_offset("g", "u", 0), -1));
    group_set_text(&the_group("g")->protocol_type, mem_strdup("connect"));
    cr_assert(eq(i16, delete_offset("g", "u", 0, &group_error), -1));
    cr_assert(eq(i16, group_error, KAFKA_NON_EMPTY_GROUP));
}

/* Kafka's ClassicGroup.isSubscribedToTopic says true where it cannot tell. */
Test(group_offsets, a_member_whose_topics_are_not_known_holds_every_offset)
{
    static uint8_t cut_off[] = {0, 1, 0, 0, 0, 2, 0, 1, 'u'}; /* two topics, and only one follows */
    const struct wire_bytes unknown[] = {{0}, {cut_off, sizeof(cut_off)}};

    for (size_t i = 0; i < array_count(unknown); i++) {
        const char *group = i == 0 ? "g" : "h";
        struct client_member a = a_client();
        int16_t group_error;
        a.metadata = unknown[i];
        become_stable(&a, group);
        cr_assert(eq(i16, commit(&a, group, "t", 0, 5), KAFKA_NONE));
        cr_assert(
            eq(i16, delete_offset(group, "t", 0, &group_error), KAFKA_GROUP_SUBSCRIBED_TO_TOPIC));
        cr_assert(eq(i16, group_error, KAFKA_NONE));
        cr_assert(eq(i64, fetch_offset(group, "t", 0), 5));
    }
}

/* ---- topics that go */

Test(group_offsets, offsets_of_a_deleted_topic_go_with_it)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    rig_delete_topic(&topic_id, true);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    rig_create_topic("t", 4);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
}

Test(group_offsets, commit_under_way_when_its_topic_goes_goes_too)
{
    struct ask ask;

    rig.holds = true;
    start_commit(&ask, NULL, "g", "t", 0, 5, -1);
    rig_delete_topic(&topic_id, true);
    rig_create_topic("t", 4);
    rig.holds = false;
    rig_settle();
    end_commit(&ask);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
}

Test(group_offsets, crash_between_deletion_and_tombstones_is_made_up_for)
{
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    rig_delete_topic(&topic_id, false);
    rig_create_topic("t", 4); /* another topic of that name */
    rig_restart();
    cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
}

/* ---- deleting a group meanwhile */

Test(group_offsets, commit_that_follows_a_deletion_counts)
{
    struct ask deletion;
    struct ask ask;

    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 5), KAFKA_NONE));
    rig.holds = true;
    start_delete(&deletion, "g");
    start_commit(&ask, NULL, "g", "t", 1, 6, -1);
    rig.holds = false;
    rig_settle();
    cr_assert(eq(i16, end_delete(&deletion), KAFKA_NONE));
    cr_assert(eq(i16, end_commit(&ask), KAFKA_NONE));
    for (int i = 0; i < 2; i++) {
        cr_assert(eq(i64, fetch_offset("g", "t", 0), -1));
        cr_assert(eq(i64, fetch_offset("g", "t", 1), 6));
        cr_assert(eq(i16, commit(NULL, "g", "t", 2, 7), KAFKA_NONE));
        rig_restart();
    }
}

Test(group_offsets, group_that_lives_again_while_its_deletion_is_written_keeps_its_generation)
{
    struct client_member a = a_client();
    struct client_member b = a_client();
    struct ask deletion;
    int32_t generation;

    become_stable(&a, "g");
    cr_assert(eq(i16, leave(&a, "g"), KAFKA_NONE));
    rig.holds = true;
    start_delete(&deletion, "g");
    start_joining(&b, "g");
    rig_pass_ms(4000);
    cr_assert(not(b.join.answered)); /* its generation is recorded behind the deletion */
    cr_assert(eq(i16, leave(&b, "g"), KAFKA_NONE));
    cr_assert(eq(i16, end_join(&b), KAFKA_UNKNOWN_MEMBER_ID));
    generation = the_group("g")->generation;
    cr_assert(lt(i32, a.generation + 1, generation));
    rig.holds = false;
    rig_settle();
    end_delete(&deletion);
    cr_assert(eq(i32, the_group("g")->generation, generation));
    rig_restart();
    cr_assert(eq(i32, the_group("g")->generation, generation));
}
