#include "broker/metadata/delta.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_alter_partition.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_register_broker_record.h"
#include "net/protocol/msg_topic_record.h"
#include "tests/unit/broker/controller_rig.h"

/* Topic "t": partition 0 has the replicas 1 (leader, us), 2 and 3, all up, with 1 and 2 in sync, at
 * leader epoch 4 and partition epoch 6.  Both shards' images get that past the log. */

static const struct uuid topic_id = {.bytes = {0x70}};

enum { OTHER_EPOCH = 100 }; /* brokers 2 and 3 are registered with OTHER_EPOCH + id */

static struct arena arena;

static void apply(enum metadata_type type, int16_t version, const void *body)
{
    struct metadata_record record = {.type = type, .version = version, .body = body};

    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        struct delta delta;
        delta_init(&delta);
        cr_assert(eq(int, image_apply(rig.at[i].image, &record, &delta), OK));
        delta_deinit(&delta);
    }
}

static void register_broker(int32_t id)
{
    struct register_broker_record body = {
        .broker_id = id, .broker_epoch = OTHER_EPOCH + id, .fenced = true};

    apply(METADATA_REGISTER_BROKER, 3, &body);
}

/* 1 sets, -1 clears, 0 leaves. */
static void change_broker(int32_t id, int8_t fenced, int8_t shutdown)
{
    struct broker_registration_change_record body = {.broker_id = id,
                                                     .broker_epoch = OTHER_EPOCH + id,
                                                     .fenced = fenced,
                                                     .in_controlled_shutdown = shutdown};

    apply(METADATA_BROKER_REGISTRATION_CHANGE, 1, &body);
}

static void set_partition(int32_t index, int32_t partition_epoch, int8_t recovery_state)
{
    static int32_t replicas[] = {1, 2, 3};
    struct partition_record body = {.partition_id = index,
                                    .topic_id = topic_id,
                                    .replicas = {replicas, 3},
                                    .isr = {replicas, 2},
                                    .leader = RIG_NODE,
                                    .leader_recovery_state = recovery_state,
                                    .leader_epoch = 4,
                                    .partition_epoch = partition_epoch};

    apply(METADATA_PARTITION, 1, &body);
}

static void setup(void)
{
    struct topic_record topic = {.name = wire_string("t"), .topic_id = topic_id};

    rig_up((const char *[]){"log.dirs=data", NULL});
    rig_start(false);
    arena_init(&arena, (size_t)16 << 20);
    register_broker(2);
    register_broker(3);
    change_broker(2, -1, 0);
    change_broker(3, -1, 0);
    apply(METADATA_TOPIC, 0, &topic);
    set_partition(0, 6, 0);
}

static void teardown(void)
{
    arena_deinit(&arena);
    rig_down();
}

TestSuite(controller_isr, .init = setup, .fini = teardown, .timeout = 600);

static const struct image_partition *partition_on(uint32_t shard, int32_t index)
{
    return &image_topic_by_id(rig.at[shard].image, &topic_id)->partitions[index];
}

/* ---- asking */

typedef struct alter_partition_request_broker_state member;
typedef struct alter_partition_request_partition_data asked_partition;
typedef struct alter_partition_response_partition_data answered_partition;

static struct controller_call call;
static bool done;

static void on_done(struct controller_call *ended)
{
    done = true;
}

static void start(const struct alter_partition_request *request,
                  struct alter_partition_response *response, int16_t version)
{
    *response = (struct alter_partition_response){0};
    call = (struct controller_call){.arena = &arena,
                                    .version = version,
                                    .done = on_done,
                                    .request = request,
                                    .response = response};
    done = false;
    controller_alter_partition(rig.controller, &call);
}

/* What is asked when nothing is wrong with it: 1 2 3. */
static member all_three[3];

static asked_partition good(void)
{
    for (int32_t i = 0; i < 3; i++)
        all_three[i] =
            (member){i + 1, i == 0 ? controller_broker_epoch(rig.controller) : OTHER_EPOCH + i + 1};
    return (asked_partition){
        .leader_epoch = 4, .partition_epoch = 6, .new_isr_with_epochs = {all_three, 3}};
}

/* Several partitions of one topic. */
static struct alter_partition_response alter_many(const struct uuid *id, asked_partition *asked,
                                                  int32_t count)
{
    struct alter_partition_request_topic_data topic = {.topic_id = *id,
                                                       .partitions = {asked, count}};
    struct alter_partition_request request = {.broker_id = RIG_NODE,
                                              .broker_epoch =
                                                  controller_broker_epoch(rig.controller),
                                              .topics = {&topic, 1}};
    struct alter_partition_response response;

    start(&request, &response, 3);
    rig_settle();
    cr_assert(done);
    cr_assert(eq(int, call.err, OK));
    cr_assert(eq(i16, response.error_code, KAFKA_NONE));
    cr_assert(eq(i32, response.topics.count, 1));
    cr_assert(eq(i32, response.topics.items[0].partitions.count, count));
    return response;
}

static answered_partition alter(asked_partition asked)
{
    return alter_many(&topic_id, &asked, 1).topics.items[0].partitions.items[0];
}

/* Refused, and nothing is written. */
static void refused(asked_partition asked, int16_t error_code)
{
    int64_t end = kept_log.offsets.log_end;

    cr_assert(eq(i16, alter(asked).error_code, error_code));
    cr_assert(eq(i64, kept_log.offsets.log_end, end));
    cr_assert(eq(u32, partition_on(0, 0)->isr_count, 2));
}

static void refused_members(int16_t error_code, const int32_t *ids, int32_t count)
{
    asked_partition asked = good();
    member members[8];

    for (int32_t i = 0; i < count; i++)
        members[i] = (member){ids[i], -1};
    asked.new_isr_with_epochs.items = members;
    asked.new_isr_with_epochs.count = count;
    refused(asked, error_code);
}

#define IDS(...) (const int32_t[]){__VA_ARGS__}, sizeof((int32_t[]){__VA_ARGS__}) / 4

Test(controller_isr, a_change_is_answered_with_its_epoch_when_it_is_committed_everywhere)
{
    asked_partition asked = good();
    struct alter_partition_request_topic_data topic = {.topic_id = topic_id,
                                                       .partitions = {&asked, 1}};
    struct alter_partition_request request = {.broker_id = RIG_NODE,
                                              .broker_epoch =
                                                  controller_broker_epoch(rig.controller),
                                              .topics = {&topic, 1}};
    struct alter_partition_response response;
    const answered_partition *answer;

    start(&request, &response, 3);
    sim_world_run_until_idle(rig.world, SIM_SECOND);
    cr_assert(not(done)); /* not durable */
    cr_assert(eq(i32, partition_on(0, 0)->partition_epoch, 6));
    kept_log_commit();
    cr_assert(not(done)); /* not on the other shard */
    sim_world_run_until_idle(rig.world, SIM_SECOND);
    cr_assert(done);
    cr_assert(eq(int, call.err, OK));
    cr_assert(uuid_equal(&response.topics.items[0].topic_id, &topic_id));
    answer = &response.topics.items[0].partitions.items[0];
    cr_assert(eq(i16, answer->error_code, KAFKA_NONE));
    cr_assert(eq(i32, answer->leader_id, RIG_NODE));
    cr_assert(eq(i32, answer->leader_epoch, 4));
    cr_assert(eq(i32, answer->partition_epoch, 7));
    cr_assert(eq(i32, answer->isr.count, 3));
    for (uint32_t s = 0; s < RIG_SHARDS; s++) {
        const struct image_partition *partition = partition_on(s, 0);
        cr_assert(eq(i32, partition->partition_epoch, 7));
        cr_assert(eq(i32, partition->leader_epoch, 4)); /* an in-sync set makes no leader */
        cr_assert(eq(u32, partition->isr_count, 3));
        cr_assert(eq(i32, partition->isr[2], 3));
        cr_assert(eq(u32, partition->replica_count, 3));
    }
}

Test(controller_isr, a_set_may_shrink_to_the_leader_and_the_old_epoch_is_gone)
{
    asked_partition asked = good();
    answered_partition answer;

    asked.new_isr_with_epochs.count = 1;
    answer = alter(asked);
    cr_assert(eq(i16, answer.error_code, KAFKA_NONE));
    cr_assert(eq(i32, answer.partition_epoch, 7));
    cr_assert(eq(u32, partition_on(1, 0)->isr_count, 1));
    cr_assert(eq(i16, alter(asked).error_code, KAFKA_INVALID_UPDATE_VERSION));
    asked.partition_epoch = 7;
    answer = alter(asked); /* as it is: nothing to write */
    cr_assert(eq(i16, answer.error_code, KAFKA_NONE));
    cr_assert(eq(i32, answer.partition_epoch, 7));
    cr_assert(eq(i32, partition_on(1, 0)->partition_epoch, 7));
}

Test(controller_isr, version_2_has_no_broker_epochs)
{
    int32_t ids[] = {1, 3};
    asked_partition asked = {.leader_epoch = 4, .partition_epoch = 6, .new_isr = {ids, 2}};
    struct alter_partition_request_topic_data topic = {.topic_id = topic_id,
                                                       .partitions = {&asked, 1}};
    struct alter_partition_request request = {.broker_id = RIG_NODE,
                                              .broker_epoch =
                                                  controller_broker_epoch(rig.controller),
                                              .topics = {&topic, 1}};
    struct alter_partition_response response;

    start(&request, &response, 2);
    rig_settle();
    cr_assert(eq(i16, response.topics.items[0].partitions.items[0].error_code, KAFKA_NONE));
    cr_assert(eq(u32, partition_on(1, 0)->isr_count, 2));
    cr_assert(eq(i32, partition_on(1, 0)->isr[1], 3));
}

Test(controller_isr, an_asker_of_another_epoch_learns_nothing_else)
{
    asked_partition asked = good();
    struct alter_partition_request_topic_data topic = {.topic_id = topic_id,
                                                       .partitions = {&asked, 1}};
    struct alter_partition_request request = {.topics = {&topic, 1}};
    struct alter_partition_response response;
    int64_t own_epoch = controller_broker_epoch(rig.controller);
    struct {
        int32_t id;
        int64_t epoch;
    } askers[] = {{RIG_NODE, own_epoch - 1}, {RIG_NODE, -1}, {9, own_epoch}};

    for (int i = 0; i < 3; i++) {
        request.broker_id = askers[i].id;
        request.broker_epoch = askers[i].epoch;
        start(&request, &response, 3);
        rig_settle();
        cr_assert(done);
        cr_assert(eq(int, call.err, OK));
        cr_assert(eq(i16, response.error_code, KAFKA_STALE_BROKER_EPOCH), "%d", i);
        cr_assert(eq(i32, response.topics.count, 0));
    }
    request.broker_id = 2; /* alive, but not the leader */
    request.broker_epoch = OTHER_EPOCH + 2;
    start(&request, &response, 3);
    rig_settle();
    cr_assert(
        eq(i16, response.topics.items[0].partitions.items[0].error_code, KAFKA_INVALID_REQUEST));
    cr_assert(eq(i32, partition_on(0, 0)->partition_epoch, 6));
}

Test(controller_isr, what_is_not_there_is_refused)
{
    static const struct uuid unknown = {.bytes = {1}};
    asked_partition asked = good();

    cr_assert(eq(i16,
                 alter_many(&unknown, &asked, 1).topics.items[0].partitions.items[0].error_code,
                 KAFKA_UNKNOWN_TOPIC_ID));
    asked.partition_index = 1;
    refused(asked, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    asked.partition_index = -1;
    refused(asked, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
}

Test(controller_isr, an_epoch_that_does_not_match_says_who_is_behind)
{
    asked_partition asked = good();

    asked.leader_epoch = 5;
    refused(asked, KAFKA_NOT_CONTROLLER);
    asked.leader_epoch = 3;
    refused(asked, KAFKA_FENCED_LEADER_EPOCH);
    asked.partition_epoch = 7; /* old in one, new in the other: it knows more */
    refused(asked, KAFKA_NOT_CONTROLLER);
    asked.leader_epoch = 4;
    refused(asked, KAFKA_NOT_CONTROLLER);
    asked.partition_epoch = 5;
    refused(asked, KAFKA_INVALID_UPDATE_VERSION);
}

Test(controller_isr, a_set_is_of_replicas_each_once_with_the_leader)
{
    refused_members(KAFKA_INVALID_REQUEST, IDS(1, 4));
    refused_members(KAFKA_INVALID_REQUEST, IDS(1, 2, 2));
    refused_members(KAFKA_INVALID_REQUEST, IDS(2, 3));
    refused_members(KAFKA_INVALID_REQUEST, IDS(1, 2, 3, 1));
    refused_members(KAFKA_INVALID_REQUEST, IDS(1, -1));
    refused_members(KAFKA_INVALID_REQUEST, NULL, 0);
}

Test(controller_isr, a_member_must_be_up_and_the_incarnation_that_is_meant)
{
    asked_partition asked = good();

    all_three[2].broker_epoch++;
    refused(asked, KAFKA_INELIGIBLE_REPLICA);
    all_three[2].broker_epoch--;
    change_broker(3, 1, 0);
    refused(asked, KAFKA_INELIGIBLE_REPLICA);
    change_broker(3, -1, 1);
    refused(asked, KAFKA_INELIGIBLE_REPLICA);
    register_broker(3); /* anew: it begins fenced */
    refused(asked, KAFKA_INELIGIBLE_REPLICA);
    change_broker(3, -1, 0);
    cr_assert(eq(i16, alter(asked).error_code, KAFKA_NONE));
}

Test(controller_isr, a_recovering_leader_is_alone_until_it_has_recovered)
{
    asked_partition asked = good();

    asked.leader_recovery_state = 1; /* it has recovered already */
    asked.new_isr_with_epochs.count = 1;
    refused(asked, KAFKA_INVALID_REQUEST);
    asked.leader_recovery_state = 2;
    refused(asked, KAFKA_INVALID_REQUEST);
    set_partition(0, 6, 1);
    asked.leader_recovery_state = 1;
    asked.new_isr_with_epochs.count = 2;
    refused(asked, KAFKA_INVALID_REQUEST);
    asked.leader_recovery_state = 0;
    cr_assert(eq(i16, alter(asked).error_code, KAFKA_NONE)); /* the same set, but recovered */
    cr_assert(eq(i32, partition_on(1, 0)->recovery_state, 0));
    cr_assert(eq(i32, partition_on(1, 0)->partition_epoch, 7));
    cr_assert(eq(u32, partition_on(1, 0)->isr_count, 2));
}

Test(controller_isr, each_partition_has_its_own_answer_and_twice_counts_once)
{
    asked_partition asked[4];
    struct alter_partition_response response;
    const answered_partition *answers;

    set_partition(1, 20, 0);
    for (int i = 0; i < 4; i++)
        asked[i] = good();
    asked[1].partition_index = 1; /* partition epoch 20: ours is old */
    asked[2].new_isr_with_epochs.count = 1;
    asked[3].partition_index = 1;
    asked[3].partition_epoch = 20;
    response = alter_many(&topic_id, asked, 4);
    answers = response.topics.items[0].partitions.items;
    cr_assert(eq(i16, answers[0].error_code, KAFKA_NONE));
    cr_assert(eq(i16, answers[1].error_code, KAFKA_INVALID_UPDATE_VERSION));
    cr_assert(eq(i16, answers[2].error_code, KAFKA_INVALID_UPDATE_VERSION));
    cr_assert(eq(i16, answers[3].error_code, KAFKA_NONE));
    cr_assert(eq(i32, answers[3].partition_index, 1));
    cr_assert(eq(i32, answers[3].partition_epoch, 21));
    cr_assert(eq(i32, partition_on(1, 0)->partition_epoch, 7));
    cr_assert(eq(u32, partition_on(1, 0)->isr_count, 3));
    cr_assert(eq(i32, partition_on(1, 1)->partition_epoch, 21));
}

Test(controller_isr, an_epoch_without_a_next_one_stays)
{
    asked_partition asked = good();

    set_partition(0, INT32_MAX, 0);
    asked.partition_epoch = INT32_MAX;
    refused(asked, KAFKA_OPERATION_NOT_ATTEMPTED);
}

Test(controller_isr, a_dead_disk_leaves_the_change_undecided)
{
    asked_partition asked = good();
    struct alter_partition_request_topic_data topic = {.topic_id = topic_id,
                                                       .partitions = {&asked, 1}};
    struct alter_partition_request request = {.broker_id = RIG_NODE,
                                              .broker_epoch =
                                                  controller_broker_epoch(rig.controller),
                                              .topics = {&topic, 1}};
    struct alter_partition_response response;

    start(&request, &response, 3);
    controller_fail(rig.controller, ERR_STORAGE);
    cr_assert(done);
    cr_assert(eq(int, call.err, ERR_STORAGE));
    cr_assert(eq(i32, partition_on(0, 0)->partition_epoch, 6));
}
