/* Who observes an internal topic is told which of its partitions are led here (TOB-1). */
#include "broker/internal_topics.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_partition_change_record.h"
#include "tests/unit/broker/group_asks.h"

enum { PARTITIONS = 2 };

struct watcher {
    struct topic_observer observer;
    bool is_led[PARTITIONS];
    uint32_t led_count;
    uint32_t resigned_count;
    enum err refuse_with;
};

static struct watcher watcher;

static enum err on_led(struct topic_observer *observer, struct partition *partition)
{
    struct watcher *told = container_of(observer, struct watcher, observer);

    if (told->refuse_with != OK)
        return told->refuse_with;
    cr_assert(not(told->is_led[partition->index]));
    cr_assert(in_sync_leads(&partition->in_sync));
    cr_assert_not_null(partition->log);
    told->is_led[partition->index] = true;
    told->led_count++;
    return OK;
}

static void on_resigned(struct topic_observer *observer, struct partition *partition)
{
    struct watcher *told = container_of(observer, struct watcher, observer);

    cr_assert(told->is_led[partition->index]);
    cr_assert_not_null(partition->log);
    told->is_led[partition->index] = false;
    told->resigned_count++;
}

static void watch(void)
{
    watcher = (struct watcher){.observer = {.topic = internal_topics_find("__transaction_state"),
                                            .led = on_led,
                                            .resigned = on_resigned}};
    topic_table_observe(rig.shard.topics, &watcher.observer);
}

static void set_up(void)
{
    rig_up(NULL);
    rig_close_parts(); /* whoever observes comes before the partitions */
    rig_make_parts();
    watch();
    rig_open_topics();
    group_coordinator_start(rig.shard.groups);
}

TestSuite(topic_observer, .init = set_up, .fini = rig_down, .timeout = 600);

static struct {
    struct uuid topic_id;
    int32_t index;
    int32_t leader;
} move;

static void fill_move(void *body)
{
    struct partition_change_record *change = body;

    change->topic_id = move.topic_id;
    change->partition_id = move.index;
    change->leader = move.leader;
}

static void lead(const struct uuid *topic_id, int32_t index, int32_t leader)
{
    struct delta delta;

    move.topic_id = *topic_id;
    move.index = index;
    move.leader = leader;
    delta_init(&delta);
    rig_apply(METADATA_PARTITION_CHANGE, 1, fill_move, &delta);
    rig_publish(&delta);
}

Test(topic_observer, partitions_are_told_as_they_come_and_go)
{
    struct uuid id;

    (void)rig_create_topic("t", 1);
    (void)rig_create_topic("__share_group_state", 1);
    cr_assert(eq(u32, watcher.led_count, 0)); /* others are not its business */
    id = rig_create_topic("__transaction_state", PARTITIONS);
    cr_assert(eq(u32, watcher.led_count, 2));
    rig_create_topic("u", 1); /* no news of it */
    cr_assert(eq(u32, watcher.led_count, 2));
    rig_delete_topic(&id, true);
    cr_assert(eq(u32, watcher.resigned_count, 2));
    cr_assert(eq(u32, watcher.led_count, 2));
    rig_create_topic("__transaction_state", PARTITIONS);
    cr_assert(eq(u32, watcher.led_count, 4));
}

Test(topic_observer, a_partition_that_another_broker_leads_is_resigned)
{
    struct uuid id = rig_create_topic("__transaction_state", PARTITIONS);

    lead(&id, 1, 2);
    cr_assert(watcher.is_led[0]);
    cr_assert(not(watcher.is_led[1]));
    lead(&id, 1, 2);
    cr_assert(eq(u32, watcher.resigned_count, 1));
    lead(&id, 1, 1);
    cr_assert(watcher.is_led[1]);
    cr_assert(eq(u32, watcher.led_count, 3));
    lead(&id, 1, 2);
    rig_delete_topic(&id, true); /* of a partition that is not led nothing more is told */
    cr_assert(eq(u32, watcher.resigned_count, 3));
}

Test(topic_observer, who_finds_no_memory_is_told_again)
{
    struct uuid id;

    watcher.refuse_with = ERR_NOMEM;
    id = rig_create_topic("__transaction_state", 1);
    cr_assert_null(topic_table_find(rig.shard.topics, &id, 0));
    watcher.refuse_with = OK;
    rig_pass_ms(2500);
    cr_assert_not_null(topic_table_find(rig.shard.topics, &id, 0));
    cr_assert(eq(u32, watcher.led_count, 1));
}

/* At a start the logs are opened first, and are led when the journal was replayed into them. */
Test(topic_observer, a_start_tells_when_the_logs_are_whole)
{
    (void)rig_create_topic("__transaction_state", PARTITIONS);
    rig_close_parts();
    rig_make_parts();
    watch();
    topic_table_open_all(rig.shard.topics);
    cr_assert(eq(u32, watcher.led_count, 0));
    cr_assert(eq(int, topic_table_follow_all(rig.shard.topics), OK));
    cr_assert(eq(u32, watcher.led_count, 2));
}

/* ---- the groups, which observe __consumer_offsets */

Test(topic_observer, groups_go_with_their_partition_and_come_back_with_it)
{
    const struct uuid *id =
        &internal_topics_image(rig.shard.image, KAFKA_COORDINATOR_KEY_TYPE_GROUP)->id;

    (void)rig_create_topic("t", 1);
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 7), KAFKA_NONE));
    lead(id, 0, 2);
    cr_assert_null(the_group("g"));
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 8), KAFKA_NOT_COORDINATOR));
    lead(id, 0, 1);
    cr_assert(eq(i64, fetch_offset("g", "t", 0), 7));
    cr_assert(eq(i16, commit(NULL, "g", "t", 0, 8), KAFKA_NONE));
}

/* RUN-2, RUN-4: more than a step reads. */
Test(topic_observer, groups_of_a_large_log_are_refused_until_all_of_it_was_read)
{
    static char text[4001];
    struct client_member a = a_client();
    struct client_member b = a_client();
    struct ask listing;
    int32_t index;

    (void)rig_create_topic("t", 1);
    become_stable(&a, "left"); /* with its first record in the first step, and its last one later */
    memset(text, 'x', sizeof(text) - 1);
    for (int64_t i = 0; i < 700; i++) {
        struct ask ask;
        make_commit(&ask, NULL, "h", "t", 0, i, -1);
        ((struct offset_commit_request *)ask.body)
            ->topics.items[0]
            .partitions.items[0]
            .committed_metadata = wire_string(text);
        ask_start(&ask, handle_offset_commit);
        cr_assert(eq(i16, end_commit(&ask), KAFKA_NONE));
    }
    cr_assert(eq(i16, leave(&a, "left"), KAFKA_NONE));
    become_stable(&b, "g");
    rig_close_parts();
    rig_make_parts();
    watch();
    rig_open_topics();
    group_coordinator_start(rig.shard.groups); /* sessions of what was read must not begin yet */
    cr_assert_not_null(the_group("h"));
    cr_assert(eq(int, the_group("left")->state, GROUP_STABLE));
    cr_assert(eq(i16, coordinator_check(rig.shard.groups, wire_string("h"), &index),
                 KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    listing = ask_new(API_LIST_GROUPS, 5);
    ask_begin(&listing, handle_list_groups);
    cr_assert(listing.answered);
    cr_assert(eq(i16, ((const struct list_groups_response *)listing.response)->error_code,
                 KAFKA_COORDINATOR_LOAD_IN_PROGRESS));
    cr_assert(eq(i32, ((const struct list_groups_response *)listing.response)->groups.count, 0));
    ask_end(&listing);
    rig_settle();
    cr_assert(eq(i32, listed_groups(), 3));
    cr_assert(eq(int, the_group("left")->state, GROUP_EMPTY));
    cr_assert(eq(i64, fetch_offset("h", "t", 0), 699));
    cr_assert(eq(i16, beat(&b, "g"), KAFKA_NONE));
    rig_pass_ms(60000); /* its session has begun, and ends */
    cr_assert(eq(i16, beat(&b, "g"), KAFKA_UNKNOWN_MEMBER_ID));
}
