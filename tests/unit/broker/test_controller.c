#include "broker/metadata/delta.h"
#include "broker/producer_ids.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_clear_elr_record.h"
#include "net/protocol/msg_create_partitions.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "net/protocol/msg_partition_change_record.h"
#include "tests/unit/broker/controller_rig.h"

struct asked {
    struct controller_call call;
    struct arena arena;
    bool done;
};

static void on_done(struct controller_call *call)
{
    container_of(call, struct asked, call)->done = true;
}

static void ask_begin(struct asked *asked, const void *request, void *response, int16_t version)
{
    *asked = (struct asked){
        .call = {.version = version, .done = on_done, .request = request, .response = response}};
    arena_init(&asked->arena, (size_t)64 << 20);
    asked->call.arena = &asked->arena;
}

static void setup(void)
{
    const char *sets[] = {"log.dirs=data", "metadata.log.max.record.bytes.between.snapshots=4096",
                          NULL};

    rig_up(sets);
    rig_start(false);
}

TestSuite(controller, .init = setup, .fini = rig_down, .timeout = 600);

/* One topic; the answer lies in asked, whose arena the caller gives back. */
static struct create_topics_response_creatable_topic_result create(struct asked *asked,
                                                                   const char *name,
                                                                   int32_t partitions,
                                                                   int16_t factor, bool validate)
{
    struct create_topics_request_creatable_topic topic = {
        .name = wire_string(name), .num_partitions = partitions, .replication_factor = factor};
    struct create_topics_request request = {.topics = {&topic, 1}, .validate_only = validate};
    struct create_topics_response response = {0};

    ask_begin(asked, &request, &response, 7);
    controller_create_topics(rig.controller, &asked->call);
    rig_settle();
    cr_assert(asked->done);
    cr_assert(eq(int, asked->call.err, OK));
    cr_assert(eq(i32, response.topics.count, 1));
    return response.topics.items[0];
}

static const struct image_topic *topic_on(uint32_t shard, const char *name)
{
    return image_topic_by_name(rig.at[shard].image, name, strlen(name));
}

static void make(const char *name, int32_t partitions)
{
    struct asked asked;

    cr_assert(eq(i16, create(&asked, name, partitions, 1, false).error_code, KAFKA_NONE));
    arena_deinit(&asked.arena);
}

Test(controller, a_new_cluster_has_a_level_and_a_live_broker_on_every_shard)
{
    for (uint32_t i = 0; i < RIG_SHARDS; i++) {
        const struct image *image = rig.at[i].image;
        const struct image_broker *broker = image_broker_find(image, RIG_NODE);
        cr_assert(eq(i16, image_metadata_level(image), 30));
        cr_assert(eq(i16, image_feature_level(image, "transaction.version"), 2));
        cr_assert(ne(ptr, (void *)broker, NULL));
        cr_assert(not(broker->fenced));
        cr_assert(eq(i64, broker->epoch, controller_broker_epoch(rig.controller)));
        cr_assert(eq(i64, broker->epoch, 4)); /* begin, levels, end, then the registration */
        cr_assert(eq(i64, image_offset(image), 5));
    }
}

Test(controller, a_topic_is_answered_when_it_is_durable_and_on_every_shard)
{
    struct create_topics_request_creatable_topic topic = {
        .name = wire_string("t"), .num_partitions = 3, .replication_factor = 1};
    struct create_topics_request request = {.topics = {&topic, 1}};
    struct create_topics_response response = {0};
    struct asked asked;

    ask_begin(&asked, &request, &response, 7);
    controller_create_topics(rig.controller, &asked.call);
    sim_world_run_until_idle(rig.world, SIM_SECOND);
    cr_assert(not(asked.done));
    cr_assert(eq(ptr, (void *)topic_on(0, "t"), NULL)); /* not durable: nobody knows it */
    kept_log_commit();
    cr_assert(not(asked.done)); /* the other shard has not applied it yet */
    sim_world_run_until_idle(rig.world, SIM_SECOND);
    cr_assert(asked.done);
    cr_assert(uuid_equal(&topic_on(0, "t")->id, &topic_on(1, "t")->id));
    cr_assert(uuid_equal(&topic_on(0, "t")->id, &response.topics.items[0].topic_id));
    cr_assert(eq(u32, topic_on(1, "t")->partition_count, 3));
    cr_assert(eq(i32, topic_on(1, "t")->partitions[2].leader, RIG_NODE));
    cr_assert(eq(i32, topic_on(1, "t")->partitions[2].leader_epoch, 0));
    cr_assert(lt(i32, 20, response.topics.items[0].configs.count));
    arena_deinit(&asked.arena);
}

static void refused(const char *name, int32_t partitions, int16_t factor, int16_t error_code,
                    const char *message)
{
    struct asked asked;
    struct create_topics_response_creatable_topic_result result =
        create(&asked, name, partitions, factor, false);

    cr_expect(eq(i16, result.error_code, error_code), "%s", name);
    cr_expect(wire_string_is(result.error_message, message), "%s: %.*s", name,
              result.error_message.size_bytes, result.error_message.text);
    cr_expect(eq(i32, result.num_partitions, -1));
    cr_expect(uuid_is_zero(&result.topic_id));
    arena_deinit(&asked.arena);
}

Test(controller, a_bad_topic_is_refused_in_the_words_of_kafka)
{
    make("a.b", 1);
    refused("", 1, 1, KAFKA_INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: the empty string is not allowed");
    refused("..", 1, 1, KAFKA_INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: '..' is not allowed");
    refused("a b", 1, 1, KAFKA_INVALID_TOPIC_EXCEPTION,
            "Topic name is invalid: 'a b' contains one or more characters other than ASCII "
            "alphanumerics, '.', '_' and '-'");
    refused("a_b", 1, 1, KAFKA_INVALID_TOPIC_EXCEPTION,
            "Topic 'a_b' collides with existing topic: a.b");
    refused("a.b", 0, 7, KAFKA_TOPIC_ALREADY_EXISTS, "Topic 'a.b' already exists.");
    refused("t", 0, 1, KAFKA_INVALID_PARTITIONS,
            "Number of partitions was set to an invalid non-positive value.");
    refused("t", 1, 0, KAFKA_INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.");
    refused("t", 1, 2, KAFKA_INVALID_REPLICATION_FACTOR,
            "Unable to replicate the partition 2 time(s): The target replication factor of 2 "
            "cannot be reached because only 1 broker(s) are registered or some brokers have all "
            "their log directories cordoned.");
    refused("t", 10001, 1, KAFKA_POLICY_VIOLATION,
            "Excessively large number of partitions per request.");
    cr_assert(eq(u32, image_topic_count(rig.at[0].image), 1));
}

Test(controller, validate_only_answers_and_writes_nothing)
{
    struct asked asked;
    int64_t end = kept_log.offsets.log_end;
    struct create_topics_response_creatable_topic_result result =
        create(&asked, "dry", 4, -1, true);

    cr_assert(eq(i16, result.error_code, KAFKA_NONE));
    cr_assert(eq(i32, result.num_partitions, 4));
    cr_assert(eq(i64, kept_log.offsets.log_end, end));
    arena_deinit(&asked.arena);
}

Test(controller, the_same_name_twice_is_one_refusal)
{
    struct create_topics_request_creatable_topic topics[] = {
        {.name = wire_string("twice"), .num_partitions = 1, .replication_factor = 1},
        {.name = wire_string("once"), .num_partitions = 1, .replication_factor = 1},
        {.name = wire_string("twice"), .num_partitions = 2, .replication_factor = 1}};
    struct create_topics_request request = {.topics = {topics, 3}};
    struct create_topics_response response = {0};
    struct asked asked;

    ask_begin(&asked, &request, &response, 7);
    controller_create_topics(rig.controller, &asked.call);
    rig_settle();
    cr_assert(eq(i32, response.topics.count, 2));
    cr_assert(eq(i16, response.topics.items[0].error_code, KAFKA_INVALID_REQUEST));
    cr_assert(wire_string_is(response.topics.items[0].error_message, "Duplicate topic name."));
    cr_assert(eq(i16, response.topics.items[1].error_code, KAFKA_NONE));
    cr_assert(eq(ptr, (void *)topic_on(0, "twice"), NULL));
    arena_deinit(&asked.arena);
}

static int16_t delete_by(struct wire_string name, const struct uuid *id)
{
    struct delete_topics_request_delete_topic_state state = {.name = name};
    struct delete_topics_request request = {.topics = {&state, 1}};
    struct delete_topics_response response = {0};
    struct asked asked;
    int16_t error_code;

    if (id != NULL)
        state.topic_id = *id;
    ask_begin(&asked, &request, &response, 6);
    controller_delete_topics(rig.controller, &asked.call);
    rig_settle();
    cr_assert(asked.done);
    cr_assert(eq(i32, response.responses.count, 1));
    error_code = response.responses.items[0].error_code;
    arena_deinit(&asked.arena);
    return error_code;
}

Test(controller, a_topic_made_again_under_its_name_is_another_one)
{
    struct uuid first;

    make("t", 2);
    first = topic_on(0, "t")->id;
    cr_assert(eq(i16, delete_by(wire_string("t"), NULL), KAFKA_NONE));
    cr_assert(eq(ptr, (void *)topic_on(1, "t"), NULL));
    cr_assert(eq(i16, delete_by(wire_string("t"), NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    make("t", 1);
    cr_assert(not(uuid_equal(&topic_on(0, "t")->id, &first)));
    cr_assert(eq(i16, delete_by((struct wire_string){0}, &first), KAFKA_UNKNOWN_TOPIC_ID));
    first = topic_on(0, "t")->id;
    cr_assert(eq(i16, delete_by(wire_string("t"), &first), KAFKA_INVALID_REQUEST));
    cr_assert(eq(i16, delete_by((struct wire_string){0}, &first), KAFKA_NONE));
}

static int16_t grow(const char *name, int32_t count, const char *message)
{
    struct create_partitions_request_create_partitions_topic topic = {
        .name = wire_string(name), .count = count, .assignments = {NULL, -1}};
    struct create_partitions_request request = {.topics = {&topic, 1}};
    struct create_partitions_response response = {0};
    struct asked asked;
    int16_t error_code;

    ask_begin(&asked, &request, &response, 3);
    controller_create_partitions(rig.controller, &asked.call);
    rig_settle();
    error_code = response.results.items[0].error_code;
    if (message != NULL)
        cr_expect(wire_string_is(response.results.items[0].error_message, message));
    arena_deinit(&asked.arena);
    return error_code;
}

Test(controller, partitions_only_become_more)
{
    make("t", 2);
    cr_assert(eq(i16, grow("t", 2, "Topic already has 2 partition(s)."), KAFKA_INVALID_PARTITIONS));
    cr_assert(eq(
        i16, grow("t", 1, "The topic t currently has 2 partition(s); 1 would not be an increase."),
        KAFKA_INVALID_PARTITIONS));
    cr_assert(eq(i16, grow("t", 5, NULL), KAFKA_NONE));
    cr_assert(eq(u32, topic_on(1, "t")->partition_count, 5));
    cr_assert(eq(i16, grow("nothing", 5, NULL), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
}

Test(controller, where_coordinators_keep_what_follows_from_the_number_of_partitions_it_stays)
{
    make("__transaction_state", 2);
    make("__consumer_offsets", 2);
    cr_expect(eq(i16, grow("__transaction_state", 3, NULL), KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16, grow("__consumer_offsets", 3, NULL), KAFKA_INVALID_REQUEST));
    cr_expect(eq(u32, topic_on(1, "__transaction_state")->partition_count, 2));
    cr_expect(eq(u32, topic_on(1, "__consumer_offsets")->partition_count, 2));
}

static int16_t alter(int8_t type, const char *resource, const char *key, int8_t operation,
                     const char *value, const char *message)
{
    struct incremental_alter_configs_request_alterable_config change = {
        .name = wire_string(key), .config_operation = operation, .value = wire_string(value)};
    struct incremental_alter_configs_request_alter_configs_resource asked_resource = {
        .resource_type = type, .resource_name = wire_string(resource), .configs = {&change, 1}};
    struct incremental_alter_configs_request request = {.resources = {&asked_resource, 1}};
    struct incremental_alter_configs_response response = {0};
    struct asked asked;
    int16_t error_code;

    ask_begin(&asked, &request, &response, 1);
    controller_alter_configs(rig.controller, &asked.call);
    rig_settle();
    cr_assert(asked.done);
    error_code = response.responses.items[0].error_code;
    if (message != NULL)
        cr_expect(wire_string_is(response.responses.items[0].error_message, message), "%.*s",
                  response.responses.items[0].error_message.size_bytes,
                  response.responses.items[0].error_message.text);
    arena_deinit(&asked.arena);
    return error_code;
}

static void holds(const char *key, const char *value)
{
    const char *stored = image_config(rig.at[1].image, 2, "t", key);

    cr_expect(ne(ptr, (void *)stored, NULL), "%s", key);
    if (stored != NULL)
        cr_expect(eq(str, (char *)stored, (char *)value));
}

Test(controller, configs_of_a_topic_are_set_appended_subtracted_and_deleted)
{
    make("t", 1);
    cr_assert(eq(i16, alter(2, "t", "retention.ms", 0, " 5000 ", NULL), KAFKA_NONE));
    holds("retention.ms", "5000"); /* trimmed: readers do not */
    cr_assert(eq(i16, alter(2, "t", "cleanup.policy", 2, "compact", NULL), KAFKA_NONE));
    holds("cleanup.policy", "delete,compact");
    cr_assert(eq(i16, alter(2, "t", "cleanup.policy", 3, "delete", NULL), KAFKA_NONE));
    holds("cleanup.policy", "compact");
    cr_assert(eq(i16, alter(2, "t", "cleanup.policy", 3, "compact", NULL), KAFKA_NONE));
    holds("cleanup.policy", "");
    cr_assert(eq(i16, alter(2, "t", "retention.ms", 1, NULL, NULL), KAFKA_NONE));
    cr_assert(eq(ptr, (void *)image_config(rig.at[1].image, 2, "t", "retention.ms"), NULL));
    cr_assert(eq(i16, delete_by(wire_string("t"), NULL), KAFKA_NONE));
    cr_assert(eq(ptr, (void *)image_config(rig.at[0].image, 2, "t", "cleanup.policy"), NULL));
}

Test(controller, bad_configs_are_refused_in_the_words_of_kafka)
{
    make("t", 1);
    cr_expect(eq(i16,
                 alter(2, "t", "retention.ms", 0, "soon",
                       "Invalid value soon for configuration retention.ms: Not a number of type "
                       "LONG"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter(2, "t", "segment.bytes", 0, "99999999999",
                       "Invalid value 99999999999 for configuration segment.bytes: Not a number "
                       "of type INT"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter(2, "t", "min.cleanable.dirty.ratio", 0, "2",
                       "Invalid value 2.0 for configuration min.cleanable.dirty.ratio: Value must "
                       "be no more than 1"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter(2, "t", "cleanup.policy", 2, "destroy",
                       "Invalid value destroy for configuration cleanup.policy: String must be one "
                       "of: compact, delete"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter(2, "t", "leader.replication.throttled.replicas", 0, "x",
                       "Invalid value [x] for configuration "
                       "leader.replication.throttled.replicas: "
                       "leader.replication.throttled.replicas must be the literal '*' or a list of "
                       "replicas in the following format: "
                       "[partitionId]:[brokerId],[partitionId]:[brokerId],..."),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16, alter(2, "t", "leader.replication.throttled.replicas", 0, "0:1,12:3", NULL),
                 KAFKA_NONE));
    cr_expect(eq(i16,
                 alter(2, "t", "retention.ms", 2, "7",
                       "Can't APPEND to key retention.ms because its type is not LIST."),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(
        i16, alter(2, "t", "retention.ms", 0, NULL, "Null value not supported for : retention.ms"),
        KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16, alter(2, "t", "no.such", 0, "1", "Unknown topic config name: no.such"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16, alter(2, "t", "no.such", 1, NULL, NULL), KAFKA_NONE));
    cr_expect(eq(i16, alter(2, "x", "retention.ms", 0, "1", "The topic 'x' does not exist."),
                 KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_expect(eq(
        i16,
        alter(4, "1", "log.dirs", 0, "/x", "Cannot update these configs dynamically: [log.dirs]"),
        KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16,
                 alter(4, "1", "ssl.keystore.location", 0, "/x",
                       "These security configs can be dynamically updated only per-listener using "
                       "the listener prefix: [ssl.keystore.location]"),
                 KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16,
                 alter(4, "", "ssl.key.password", 0, "x",
                       "These security configs can be dynamically updated only per-listener using "
                       "the listener prefix: [ssl.key.password]"),
                 KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16,
                 alter(4, "1001", "log.retention.ms", 0, "1",
                       "Unexpected broker id, expected 1, but received 1001"),
                 KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16, alter(77, "x", "retention.ms", 0, "1", "Unknown resource type 77"),
                 KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16, alter(2, "t", "retention.ms", 9, "1", NULL), KAFKA_UNKNOWN_SERVER_ERROR));
}

static int64_t taken_id;
static enum err taken_err;

static void on_id(struct producer_id_wait *wait, enum err err, int64_t producer_id)
{
    taken_err = err;
    taken_id = producer_id;
}

static int64_t take_id(void)
{
    struct producer_id_wait wait = {.done = on_id};

    taken_id = -2;
    producer_ids_take(controller_producer_ids(rig.controller), &wait);
    rig_settle();
    cr_assert(eq(int, taken_err, OK));
    return taken_id;
}

Test(controller, producer_ids_are_reserved_before_they_are_used_and_never_twice)
{
    cr_assert(eq(i64, take_id(), 0));
    cr_assert(eq(i64, image_next_producer_id(rig.at[1].image), 1000));
    for (int64_t i = 1; i < 1000; i++)
        cr_assert(eq(i64, take_id(), i));
    cr_assert(eq(i64, take_id(), 1000));
    rig_stop();
    rig_start(false);
    cr_assert(eq(i64, take_id(), 2000)); /* the rest of the block is lost */
}

Test(controller, a_clean_stop_fences_and_keeps_epochs_and_an_unclean_one_raises_them)
{
    int32_t first_epoch = controller_epoch(rig.controller);
    int64_t first_broker_epoch = controller_broker_epoch(rig.controller);

    make("t", 3);
    make("u", 1);
    rig_stop();
    cr_assert(eq(int, rig_open(), OK));
    cr_assert(image_broker_find(rig.at[0].image, RIG_NODE)->fenced);
    cr_assert(image_broker_find(rig.at[0].image, RIG_NODE)->in_controlled_shutdown);
    rig_close();
    rig_start(false);
    cr_assert(eq(i32, controller_epoch(rig.controller), first_epoch + 1));
    cr_assert(lt(i64, first_broker_epoch, controller_broker_epoch(rig.controller)));
    cr_assert(eq(i32, topic_on(0, "t")->partitions[1].leader_epoch, 0));
    rig_close(); /* killed */
    rig_start(true);
    for (uint32_t s = 0; s < RIG_SHARDS; s++) {
        for (uint32_t p = 0; p < 3; p++) {
            cr_assert(eq(i32, topic_on(s, "t")->partitions[p].leader_epoch, 1));
            cr_assert(eq(i32, topic_on(s, "t")->partitions[p].partition_epoch, 1));
        }
        cr_assert(eq(i32, topic_on(s, "u")->partitions[0].leader_epoch, 1));
        cr_assert(not(image_broker_find(rig.at[s].image, RIG_NODE)->in_controlled_shutdown));
    }
}

Test(controller, many_partitions_are_raised_in_several_batches)
{
    make("big", 2500);
    make("small", 1);
    rig_close();
    rig_start(true);
    for (uint32_t p = 0; p < 2500; p++)
        cr_assert(eq(i32, topic_on(1, "big")->partitions[p].leader_epoch, 1));
    cr_assert(eq(i32, topic_on(1, "small")->partitions[0].leader_epoch, 1));
}

Test(controller, what_was_never_durable_is_not_there_after_a_power_loss)
{
    struct create_topics_request_creatable_topic topic = {
        .name = wire_string("lost"), .num_partitions = 1, .replication_factor = 1};
    struct create_topics_request request = {.topics = {&topic, 1}};
    struct create_topics_response response = {0};
    struct asked asked;

    ask_begin(&asked, &request, &response, 7);
    controller_create_topics(rig.controller, &asked.call);
    cr_assert(not(asked.done));
    kept_log_lose_tail();
    rig_close();
    rig_start(true);
    cr_assert(eq(ptr, (void *)topic_on(0, "lost"), NULL));
    arena_deinit(&asked.arena);
}

Test(controller, calls_queue_and_a_full_journal_only_costs_time)
{
    struct create_topics_request_creatable_topic topics[3] = {
        {.name = wire_string("a"), .num_partitions = 1, .replication_factor = 1},
        {.name = wire_string("a"), .num_partitions = 1, .replication_factor = 1},
        {.name = wire_string("b"), .num_partitions = 1, .replication_factor = 1}};
    struct create_topics_request requests[3];
    struct create_topics_response responses[3] = {0};
    struct asked asked[3];
    struct store_waiter *waiter;
    bool had_room;

    kept_log.is_full = true;
    for (int i = 0; i < 3; i++) {
        requests[i] = (struct create_topics_request){.topics = {&topics[i], 1}};
        ask_begin(&asked[i], &requests[i], &responses[i], 7);
        controller_create_topics(rig.controller, &asked[i].call);
    }
    rig_settle();
    cr_assert(not(asked[0].done));
    kept_log.is_full = false;
    waiter = kept_log.waiter;
    list_remove(&waiter->node);
    had_room = waiter->room(waiter);
    cr_assert(had_room);
    rig_settle();
    cr_assert(eq(i16, responses[0].topics.items[0].error_code, KAFKA_NONE));
    cr_assert(eq(i16, responses[1].topics.items[0].error_code, KAFKA_TOPIC_ALREADY_EXISTS));
    cr_assert(eq(i16, responses[2].topics.items[0].error_code, KAFKA_NONE));
    for (int i = 0; i < 3; i++)
        arena_deinit(&asked[i].arena);
}

Test(controller, a_call_that_lets_space_go_passes_one_that_has_no_room)
{
    struct create_topics_request_creatable_topic topics[2] = {
        {.name = wire_string("a"), .num_partitions = 1, .replication_factor = 1},
        {.name = wire_string("b"), .num_partitions = 1, .replication_factor = 1}};
    struct create_topics_request creates[2] = {{.topics = {&topics[0], 1}},
                                               {.topics = {&topics[1], 1}}};
    struct create_topics_response created[2] = {0};
    struct wire_string name = wire_string("a");
    struct delete_topics_request request = {.topic_names = {&name, 1}};
    struct delete_topics_response deleted[2] = {0};
    struct asked asked[2];
    struct asked deletion[2];
    bool had_room;

    ask_begin(&asked[0], &creates[0], &created[0], 7);
    controller_create_topics(rig.controller, &asked[0].call);
    rig_settle();
    cr_assert(asked[0].done);
    kept_log.is_full = true;
    ask_begin(&asked[1], &creates[1], &created[1], 7);
    controller_create_topics(rig.controller, &asked[1].call);
    for (int i = 0; i < 2; i++) { /* both: the second one finds that there is nothing left */
        ask_begin(&deletion[i], &request, &deleted[i], 5);
        controller_delete_topics(rig.controller, &deletion[i].call);
    }
    rig_settle();
    cr_assert(not(asked[1].done));
    cr_assert(deletion[0].done && deletion[1].done);
    cr_assert(eq(i16, deleted[0].responses.items[0].error_code, KAFKA_NONE));
    cr_assert(eq(i16, deleted[1].responses.items[0].error_code, KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_assert_null(topic_on(0, "a"));
    kept_log.is_full = false;
    list_remove(&kept_log.waiter->node);
    had_room = kept_log.waiter->room(kept_log.waiter);
    cr_assert(had_room);
    rig_settle();
    cr_assert(asked[1].done);
    cr_assert(eq(i16, created[1].topics.items[0].error_code, KAFKA_NONE));
    cr_assert_not_null(topic_on(0, "b"));
    for (int i = 0; i < 2; i++) {
        arena_deinit(&asked[i].arena);
        arena_deinit(&deletion[i].arena);
    }
}

/* ... and comes before those that came after it. */
Test(controller, a_call_that_gave_way_keeps_its_turn)
{
    struct create_topics_request_creatable_topic topics[3] = {
        {.name = wire_string("a"), .num_partitions = 1, .replication_factor = 1},
        {.name = wire_string("b"), .num_partitions = 1, .replication_factor = 1},
        {.name = wire_string("b"), .num_partitions = 2, .replication_factor = 1}};
    struct create_topics_request creates[3];
    struct create_topics_response created[3] = {0};
    struct wire_string name = wire_string("a");
    struct delete_topics_request request = {.topic_names = {&name, 1}};
    struct delete_topics_response deleted = {0};
    struct asked asked[3];
    struct asked deletion;
    bool had_room;

    for (int i = 0; i < 3; i++) {
        creates[i] = (struct create_topics_request){.topics = {&topics[i], 1}};
        ask_begin(&asked[i], &creates[i], &created[i], 7);
        controller_create_topics(rig.controller, &asked[i].call);
        if (i == 0)
            rig_settle();
        kept_log.is_full = true;
    }
    ask_begin(&deletion, &request, &deleted, 5);
    controller_delete_topics(rig.controller, &deletion.call);
    rig_settle();
    cr_assert(asked[0].done && deletion.done && !asked[1].done && !asked[2].done);
    kept_log.is_full = false;
    list_remove(&kept_log.waiter->node);
    had_room = kept_log.waiter->room(kept_log.waiter);
    cr_assert(had_room);
    rig_settle();
    cr_assert(eq(i16, created[1].topics.items[0].error_code, KAFKA_NONE));
    cr_assert(eq(i16, created[2].topics.items[0].error_code, KAFKA_TOPIC_ALREADY_EXISTS));
    cr_assert(eq(u32, topic_on(0, "b")->partition_count, 1));
    for (int i = 0; i < 3; i++)
        arena_deinit(&asked[i].arena);
    arena_deinit(&deletion.arena);
}

/* A call whose time is over, in each of its stages: what is not written is never written. */
Test(controller, a_call_that_is_abandoned_ends_at_once)
{
    struct create_topics_request_creatable_topic topics[3] = {
        {.name = wire_string("a"), .num_partitions = 1, .replication_factor = 1},
        {.name = wire_string("b"), .num_partitions = 1, .replication_factor = 1},
        {.name = wire_string("c"), .num_partitions = 1, .replication_factor = 1}};
    struct create_topics_request requests[3];
    struct create_topics_response responses[3] = {0};
    struct asked asked[3];

    kept_log.is_full = true;
    for (int i = 0; i < 2; i++) {
        requests[i] = (struct create_topics_request){.topics = {&topics[i], 1}};
        ask_begin(&asked[i], &requests[i], &responses[i], 7);
        controller_create_topics(rig.controller, &asked[i].call);
    }
    controller_abandon(rig.controller, &asked[1].call); /* waits for its turn */
    cr_assert(asked[1].done && asked[1].call.err == ERR_TIMEOUT);
    cr_assert(not(asked[0].done));
    controller_abandon(rig.controller, &asked[0].call); /* waits for room */
    cr_assert(asked[0].done && asked[0].call.err == ERR_TIMEOUT);
    kept_log.is_full = false;
    requests[2] = (struct create_topics_request){.topics = {&topics[2], 1}};
    ask_begin(&asked[2], &requests[2], &responses[2], 7);
    controller_create_topics(rig.controller, &asked[2].call);
    cr_assert(not(asked[2].done));
    controller_abandon(rig.controller, &asked[2].call); /* is written, and not durable yet */
    cr_assert(asked[2].done && asked[2].call.err == ERR_TIMEOUT);
    arena_deinit(&asked[2].arena); /* nobody looks at it any more */
    rig_settle();
    cr_assert_null(topic_on(0, "a"));
    cr_assert_null(topic_on(0, "b"));
    cr_assert_not_null(topic_on(0, "c"));
    for (int i = 0; i < 2; i++)
        arena_deinit(&asked[i].arena);
}

Test(controller, a_dead_disk_ends_every_call)
{
    struct create_topics_request_creatable_topic topic = {
        .name = wire_string("t"), .num_partitions = 1, .replication_factor = 1};
    struct create_topics_request request = {.topics = {&topic, 1}};
    struct create_topics_response responses[3] = {0};
    struct asked asked[3];

    for (int i = 0; i < 3; i++) {
        ask_begin(&asked[i], &request, &responses[i], 7);
        if (i == 2)
            controller_fail(rig.controller, ERR_STORAGE);
        controller_create_topics(rig.controller, &asked[i].call);
    }
    for (int i = 0; i < 3; i++) {
        cr_assert(asked[i].done);
        cr_assert(eq(int, asked[i].call.err, ERR_STORAGE));
        arena_deinit(&asked[i].arena);
    }
    rig_settle(); /* its batch may become durable even so: nobody is told twice */
}

static void on_auto(struct controller_call *call)
{
    cr_assert(eq(int, call->err, OK));
}

Test(controller, the_offsets_topic_has_settings_of_its_own)
{
    struct controller_auto_create make_offsets = {.call = {.done = on_auto},
                                                  .name = "__consumer_offsets"};

    for (int i = 0; i < 2; i++) { /* the second time it exists, which is fine */
        controller_auto_create_topic(rig.controller, &make_offsets);
        rig_settle();
        cr_assert(eq(i16, make_offsets.error_code, KAFKA_NONE));
    }
    cr_assert(eq(u32, topic_on(1, "__consumer_offsets")->partition_count, 50));
    cr_assert(eq(str,
                 (char *)image_config(rig.at[1].image, 2, "__consumer_offsets", "cleanup.policy"),
                 "compact"));
    cr_assert(eq(str,
                 (char *)image_config(rig.at[1].image, 2, "__consumer_offsets", "segment.bytes"),
                 "104857600"));
}

/* Kafka allows from 1, and then cannot make the topic: segment.bytes has another least value. */
Test(controller, the_offsets_topic_is_made_however_small_its_segments_are_asked_for)
{
    const char *sets[] = {"log.dirs=data", "offsets.topic.segment.bytes=1", NULL};
    struct controller_auto_create make_offsets = {.call = {.done = on_auto},
                                                  .name = "__consumer_offsets"};

    rig_down();
    rig_up(sets);
    rig_start(false);
    controller_auto_create_topic(rig.controller, &make_offsets);
    rig_settle();
    cr_assert(eq(i16, make_offsets.error_code, KAFKA_NONE));
    cr_assert(eq(str,
                 (char *)image_config(rig.at[1].image, 2, "__consumer_offsets", "segment.bytes"),
                 "1048576"));
}

Test(controller, an_internal_topic_is_not_made_relaxed)
{
    static const char why[] = "Invalid value cache for configuration levee.durability: "
                              "an internal topic is always sync";
    struct controller_auto_create make_offsets = {.call = {.done = on_auto},
                                                  .name = "__consumer_offsets"};

    controller_auto_create_topic(rig.controller, &make_offsets);
    rig_settle();
    make("t", 1);
    cr_expect(eq(i16, alter(2, "t", "levee.durability", 0, "cache", NULL), KAFKA_NONE));
    cr_expect(eq(i16, alter(2, "__consumer_offsets", "levee.durability", 0, "cache", why),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(ptr,
                 (void *)image_config(rig.at[1].image, 2, "__consumer_offsets", "levee.durability"),
                 NULL));
    cr_expect(
        eq(i16, alter(2, "__consumer_offsets", "levee.durability", 0, "sync", NULL), KAFKA_NONE));
}

/* ---- what Kafka leaves */

static void apply_everywhere(enum metadata_type type, int16_t version, const void *body)
{
    struct metadata_record record = {.type = type, .version = version, .body = body};

    for (uint32_t s = 0; s < RIG_SHARDS; s++) {
        struct delta delta;
        delta_init(&delta);
        cr_assert(eq(int, image_apply(rig.at[s].image, &record, &delta), OK));
        delta_deinit(&delta);
    }
}

/* The leader stops in order; isr_count -1: the in-sync set stays. */
static void take_leader(int32_t partition, int32_t *replicas, int32_t replica_count, int32_t *isr,
                        int32_t isr_count)
{
    struct partition_change_record body;

    codec_set_defaults(&partition_change_record_desc, &body);
    body.topic_id = topic_on(0, "t")->id;
    body.partition_id = partition;
    body.leader = -1;
    body.replicas.items = replicas;
    body.replicas.count = replica_count;
    body.isr.items = isr;
    body.isr.count = isr_count;
    apply_everywhere(METADATA_PARTITION_CHANGE, 1, &body);
}

Test(controller, partitions_that_kafka_left_without_a_leader_get_one)
{
    static int32_t both[] = {RIG_NODE, RIG_NODE + 1};
    struct clear_elr_record clear = {.topic_name = wire_string("t")};
    const struct image_partition *partition;

    make("t", 5);
    rig_stop();
    cr_assert(eq(int, rig_open(), OK));
    take_leader(0, NULL, -1, NULL, -1);              /* the last of the in-sync set stays in it, */
    take_leader(1, NULL, -1, NULL, 0);               /* or is an eligible replica (KIP-966) */
    take_leader(2, both, 2, &both[1], 1);            /* another broker has more of this one */
    take_leader(3, both, 2, NULL, 0);                /* and perhaps of this one */
    apply_everywhere(METADATA_CLEAR_ELR, 0, &clear); /* Kafka writes it when a minimum changes */
    rig_begin(false);
    rig_settle();
    cr_assert(rig.started && rig.start_err == OK);
    for (uint32_t s = 0; s < RIG_SHARDS; s++) {
        for (uint32_t p = 0; p < 2; p++) {
            partition = &topic_on(s, "t")->partitions[p];
            cr_expect(eq(i32, partition->leader, RIG_NODE));
            cr_expect(eq(i32, partition->leader_epoch, 2));
            cr_expect(eq(u32, partition->isr_count, 1));
            cr_expect(eq(i32, partition->isr[0], RIG_NODE));
        }
        cr_expect(eq(i32, topic_on(s, "t")->partitions[2].leader, -1));
        cr_expect(eq(i32, topic_on(s, "t")->partitions[3].leader, -1));
        cr_expect(eq(i32, topic_on(s, "t")->partitions[4].leader_epoch, 0)); /* led all the time */
    }
}
