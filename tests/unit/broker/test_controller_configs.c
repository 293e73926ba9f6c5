/* Configs of groups, client metrics and cordoned directories, and the levels of features: decided,
 * recorded, and there again after a restart. */
#include "broker/metadata/decision.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/features.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_create_partitions.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_feature_level_record.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_register_broker_record.h"
#include "net/protocol/msg_update_features.h"
#include "tests/unit/broker/controller_rig.h"

enum { TOPIC = 2, BROKER = 4, METRICS = 16, GROUP = 32, SET = 0, DELETE = 1, APPEND = 2 };

struct asked {
    struct controller_call call;
    struct arena arena;
    bool done;
};

static void on_done(struct controller_call *call)
{
    container_of(call, struct asked, call)->done = true;
}

static void ask(struct asked *asked, const void *request, void *response,
                void (*start)(struct controller *controller, struct controller_call *call))
{
    *asked = (struct asked){.call = {.done = on_done, .request = request, .response = response}};
    arena_init(&asked->arena, (size_t)64 << 20);
    asked->call.arena = &asked->arena;
    start(rig.controller, &asked->call);
    rig_settle();
    cr_assert(asked->done);
    cr_assert(eq(int, asked->call.err, OK));
}

static void setup(void)
{
    const char *sets[] = {"log.dirs=data", NULL};

    rig_up(sets);
    rig_start(false);
}

TestSuite(controller_configs, .init = setup, .fini = rig_down, .timeout = 600);

struct change {
    const char *key;
    int8_t operation;
    const char *value;
};

/* message: what the answer says; NULL: nothing. */
static int16_t alter_all(int8_t type, const char *resource, const struct change *changes,
                         int32_t count, const char *message)
{
    struct incremental_alter_configs_request_alterable_config asked_changes[4];
    struct incremental_alter_configs_request_alter_configs_resource asked_resource = {
        .resource_type = type, .resource_name = wire_string(resource)};
    struct incremental_alter_configs_request request = {.resources = {&asked_resource, 1}};
    struct incremental_alter_configs_response response = {0};
    struct asked asked;
    int16_t error_code;

    for (int32_t i = 0; i < count; i++)
        asked_changes[i] = (struct incremental_alter_configs_request_alterable_config){
            .name = wire_string(changes[i].key),
            .config_operation = changes[i].operation,
            .value = wire_string(changes[i].value)};
    asked_resource.configs.items = asked_changes;
    asked_resource.configs.count = count;
    ask(&asked, &request, &response, controller_alter_configs);
    error_code = response.responses.items[0].error_code;
    if (message == NULL)
        cr_expect(eq(ptr, (void *)response.responses.items[0].error_message.text, NULL));
    else
        cr_expect(wire_string_is(response.responses.items[0].error_message, message), "%.*s",
                  response.responses.items[0].error_message.size_bytes,
                  response.responses.items[0].error_message.text);
    arena_deinit(&asked.arena);
    return error_code;
}

static int16_t alter(int8_t type, const char *resource, const char *key, int8_t operation,
                     const char *value, const char *message)
{
    return alter_all(type, resource, &(struct change){key, operation, value}, 1, message);
}

static void holds(int8_t type, const char *resource, const char *key, const char *value)
{
    for (uint32_t s = 0; s < RIG_SHARDS; s++) {
        const char *stored = image_config(rig.at[s].image, type, resource, key);
        if (value == NULL || stored == NULL)
            cr_expect(eq(ptr, (void *)stored, (void *)value), "%s", key);
        else
            cr_expect(eq(str, (char *)stored, (char *)value), "%s", key);
    }
}

static void restart(void)
{
    rig_stop();
    rig_start(false);
}

/* ---- groups */

Test(controller_configs, a_group_keeps_what_is_set_for_it_until_it_is_deleted)
{
    cr_assert(eq(i16, alter(GROUP, "g", "consumer.session.timeout.ms", SET, " 50000 ", NULL),
                 KAFKA_NONE));
    holds(GROUP, "g", "consumer.session.timeout.ms", "50000");
    cr_assert(eq(i16, alter(GROUP, "g", "share.auto.offset.reset", SET, "by_duration:PT1H", NULL),
                 KAFKA_NONE));
    restart();
    holds(GROUP, "g", "consumer.session.timeout.ms", "50000");
    holds(GROUP, "g", "share.auto.offset.reset", "by_duration:PT1H");
    cr_assert(eq(u32, image_config_resource_count(rig.at[1].image, GROUP), 1));
    cr_assert(
        eq(i16, alter(GROUP, "g", "share.auto.offset.reset", DELETE, NULL, NULL), KAFKA_NONE));
    cr_assert(eq(i16, alter(GROUP, "g", "no.such", DELETE, NULL, NULL), KAFKA_NONE));
    cr_assert(eq(u32, image_config_resource_count(rig.at[1].image, GROUP), 1));
    cr_assert(
        eq(i16, alter(GROUP, "g", "consumer.session.timeout.ms", DELETE, NULL, NULL), KAFKA_NONE));
    cr_assert(eq(u32, image_config_resource_count(rig.at[1].image, GROUP), 0));
}

Test(controller_configs, what_a_group_may_not_have_is_refused_in_the_words_of_kafka)
{
    static const char timeout[] = "consumer.session.timeout.ms";
    struct change both[] = {{"consumer.session.timeout.ms", SET, "1"},
                            {"consumer.heartbeat.interval.ms", SET, "1"}};
    struct change unknown[] = {{"consumer.session.timeout.ms", SET, "soon"}, {"no.such", SET, "1"}};

    cr_expect(eq(i16,
                 alter(GROUP, "g", timeout, SET, "44999",
                       "consumer.session.timeout.ms must be greater than or equal to "
                       "group.consumer.min.session.timeout.ms"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16, alter(GROUP, "g", timeout, SET, "45000", NULL), KAFKA_NONE));
    cr_expect(eq(i16, alter(GROUP, "g", timeout, SET, "60000", NULL), KAFKA_NONE));
    cr_expect(eq(i16,
                 alter(GROUP, "g", timeout, SET, "60001",
                       "consumer.session.timeout.ms must be less than or equal to "
                       "group.consumer.max.session.timeout.ms"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter(GROUP, "g", "streams.num.standby.replicas", SET, "3",
                       "streams.num.standby.replicas must be less than or equal to "
                       "group.streams.max.standby.replicas"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter(GROUP, "g", "share.record.lock.duration.ms", SET, "100",
                       "Invalid value 100 for configuration share.record.lock.duration.ms: Value "
                       "must be at least 1000"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter_all(GROUP, "g", both, 2,
                           "consumer.heartbeat.interval.ms must be greater than or equal to "
                           "group.consumer.min.heartbeat.interval.ms"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16, alter_all(GROUP, "g", unknown, 2, "Unknown group config name: no.such"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter(GROUP, "g", timeout, APPEND, "1",
                       "Can't APPEND to key consumer.session.timeout.ms because its type is not "
                       "LIST."),
                 KAFKA_INVALID_CONFIG));
    cr_expect(
        eq(i16, alter(GROUP, "", timeout, SET, "50000", "Default group resources are not allowed."),
           KAFKA_INVALID_REQUEST));
    holds(GROUP, "g", timeout, "60000");
}

Test(controller_configs, a_name_of_any_length_is_kept_and_one_that_is_too_long_refused)
{
    char *name = mem_alloc(INT16_MAX + 2);

    memset(name, 'n', INT16_MAX + 1);
    cr_expect(eq(i16,
                 alter(GROUP, name, "consumer.session.timeout.ms", SET, "50000",
                       "The name of a resource is too long or has a NUL."),
                 KAFKA_INVALID_REQUEST));
    name[INT16_MAX] = '\0';
    cr_expect(
        eq(i16, alter(GROUP, name, "consumer.session.timeout.ms", SET, "50000", NULL), KAFKA_NONE));
    restart();
    holds(GROUP, name, "consumer.session.timeout.ms", "50000");
    mem_free(name);
}

/* ---- client metrics */

Test(controller_configs, a_subscription_to_client_metrics_is_kept)
{
    struct change changes[] = {{"interval.ms", SET, "1000"},
                               {"match", SET, "client_id=a.*, client_source_port=[0-9]+"},
                               {"metrics", SET, "org.apache.kafka."}};

    cr_assert(eq(i16, alter_all(METRICS, "m", changes, 3, NULL), KAFKA_NONE));
    restart();
    holds(METRICS, "m", "interval.ms", "1000");
    holds(METRICS, "m", "match", "client_id=a.*, client_source_port=[0-9]+");
    holds(METRICS, "m", "metrics", "org.apache.kafka.");
}

Test(controller_configs, a_subscription_that_nobody_could_follow_is_refused_in_the_words_of_kafka)
{
    struct change both[] = {{"match", SET, "x=y"}, {"interval.ms", SET, "99"}};

    cr_expect(eq(i16,
                 alter_all(METRICS, "m", both, 2,
                           "Invalid value 99 for interval.ms, interval must be between 100 and "
                           "3600000 (1 hour)"),
                 KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16, alter(METRICS, "m", "interval.ms", SET, "100", NULL), KAFKA_NONE));
    cr_expect(eq(i16, alter(METRICS, "m", "interval.ms", SET, "3600000", NULL), KAFKA_NONE));
    cr_expect(eq(i16,
                 alter(METRICS, "m", "interval.ms", SET, "3600001",
                       "Invalid value 3600001 for interval.ms, interval must be between 100 and "
                       "3600000 (1 hour)"),
                 KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16,
                 alter(METRICS, "m", "match", SET, "x=y", "Illegal client matching pattern: x=y"),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter(METRICS, "m", "match", SET, "client_id=a,,",
                       "Configuration 'match' values must not be empty."),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(
        i16,
        alter(METRICS, "m", "no.such", SET, "1", "Unknown client metrics configuration: no.such"),
        KAFKA_INVALID_REQUEST));
    cr_expect(eq(i16,
                 alter(METRICS, "m", "metrics", APPEND, "a",
                       "Can't APPEND to key metrics because its type is not LIST."),
                 KAFKA_INVALID_CONFIG));
    cr_expect(eq(i16,
                 alter(METRICS, "", "interval.ms", SET, "1000", "Subscription name can't be empty"),
                 KAFKA_INVALID_REQUEST));
    holds(METRICS, "m", "match", NULL);
}

/* ---- cordoned directories */

static int16_t create(const char *name, const char *message)
{
    struct create_topics_request_creatable_topic topic = {
        .name = wire_string(name), .num_partitions = 1, .replication_factor = -1};
    struct create_topics_request request = {.topics = {&topic, 1}};
    struct create_topics_response response = {0};
    struct asked asked;
    int16_t error_code;

    ask(&asked, &request, &response, controller_create_topics);
    error_code = response.topics.items[0].error_code;
    if (message != NULL)
        cr_expect(wire_string_is(response.topics.items[0].error_message, message), "%.*s",
                  response.topics.items[0].error_message.size_bytes,
                  response.topics.items[0].error_message.text);
    arena_deinit(&asked.arena);
    return error_code;
}

static int16_t grow(const char *name, int32_t count, const char *message)
{
    struct create_partitions_request_create_partitions_topic topic = {
        .name = wire_string(name), .count = count, .assignments = {.count = -1}};
    struct create_partitions_request request = {.topics = {&topic, 1}};
    struct create_partitions_response response = {0};
    struct asked asked;
    int16_t error_code;

    ask(&asked, &request, &response, controller_create_partitions);
    error_code = response.results.items[0].error_code;
    if (message != NULL)
        cr_expect(wire_string_is(response.results.items[0].error_message, message));
    arena_deinit(&asked.arena);
    return error_code;
}

Test(controller_configs, a_cordoned_directory_takes_no_new_partitions)
{
    static const char none[] =
        "All brokers are currently fenced, or have all their log directories cordoned.";
    static const char no_time[] = "Unable to replicate the partition 1 time(s): All brokers are "
                                  "currently fenced, or have all their log directories cordoned.";
    char node[16];

    snprintf(node, sizeof(node), "%d", RIG_NODE);
    cr_assert(eq(i16, create("before", NULL), KAFKA_NONE));
    cr_assert(eq(i16,
                 alter(BROKER, node, "cordoned.log.dirs", SET, "data,/nowhere",
                       "requirement failed: All entries in cordoned.log.dirs must be present in "
                       "log.dirs or log.dir. Missing entries : /nowhere"),
                 KAFKA_INVALID_REQUEST));
    cr_assert(eq(i16,
                 alter(BROKER, "", "cordoned.log.dirs", SET, "*",
                       "Cannot update these configs at default cluster level, broker id must be "
                       "specified: [cordoned.log.dirs]"),
                 KAFKA_INVALID_REQUEST));
    cr_assert(eq(i16, create("between", NULL), KAFKA_NONE));
    cr_assert(eq(i16, alter(BROKER, node, "cordoned.log.dirs", SET, "data", NULL), KAFKA_NONE));
    cr_assert(eq(i16, create("t", no_time), KAFKA_INVALID_REPLICATION_FACTOR));
    cr_assert(eq(i16, grow("before", 2, none), KAFKA_INVALID_REPLICATION_FACTOR));
    restart();
    cr_assert(eq(u32, image_broker_at(rig.at[1].image, 0)->cordoned_count, 1));
    cr_assert(eq(i16, create("t", no_time), KAFKA_INVALID_REPLICATION_FACTOR));
    cr_assert(eq(i16, alter(BROKER, node, "cordoned.log.dirs", DELETE, NULL, NULL), KAFKA_NONE));
    cr_assert(eq(i16, create("t", NULL), KAFKA_NONE));
    cr_assert(eq(i16, grow("before", 2, NULL), KAFKA_NONE));
}

/* ---- features */

static int16_t update(const char *name, int16_t level, int8_t type, bool validate,
                      const char *problem)
{
    struct update_features_request_feature_update_key key = {
        .feature = wire_string(name), .max_version_level = level, .upgrade_type = type};
    struct update_features_request request = {.feature_updates = {&key, 1},
                                              .validate_only = validate};
    struct update_features_response response = {0};
    struct asked asked;
    char message[512];

    ask(&asked, &request, &response, controller_update_features);
    snprintf(message, sizeof(message),
             "The update failed for all features since the following feature had an error: %s",
             problem == NULL ? "" : problem);
    if (problem != NULL)
        cr_expect(wire_string_is(response.error_message, message), "%.*s",
                  response.error_message.size_bytes, response.error_message.text);
    else
        cr_expect(eq(i32, response.results.count, 1));
    arena_deinit(&asked.arena);
    return response.error_code;
}

static void set_level_everywhere(int16_t level)
{
    struct feature_level_record body = {.name = wire_string("metadata.version"),
                                        .feature_level = level};
    struct metadata_record record = {.type = METADATA_FEATURE_LEVEL, .body = &body};

    for (uint32_t s = 0; s < RIG_SHARDS; s++) {
        struct delta delta;
        delta_init(&delta);
        cr_assert(eq(int, image_apply(rig.at[s].image, &record, &delta), OK));
        delta_deinit(&delta);
    }
}

static int16_t transactions_on(uint32_t shard)
{
    return image_feature_level(rig.at[shard].image, "transaction.version");
}

/* KIP-1022: a directory that was made before the feature was has level 0 of it. */
Test(controller_configs, an_old_directory_has_transactions_of_level_0_until_somebody_raises_it)
{
    cr_assert(eq(i16, update("transaction.version", 0, 2, false, NULL), KAFKA_NONE));
    cr_assert(eq(i16, transactions_on(0), 0));
    restart();
    cr_assert(eq(i16, transactions_on(0), 0), "a start raises nothing");
    cr_assert(eq(i16, update("transaction.version", 1, 1, false, NULL), KAFKA_NONE));
    cr_assert(eq(i16, transactions_on(0), 1));
    cr_assert(eq(i16, update("transaction.version", 2, 1, true, NULL), KAFKA_NONE));
    cr_assert(eq(i16, transactions_on(0), 1), "it was to be validated only");
    cr_assert(eq(i16, update("transaction.version", 2, 1, false, NULL), KAFKA_NONE));
    restart();
    cr_assert(eq(i16, transactions_on(0), 2));
    cr_assert(eq(i16, transactions_on(1), 2));
    cr_expect(eq(i16,
                 update("transaction.version", 3, 1, false,
                        "Invalid update version 3 for feature transaction.version. Local "
                        "controller 1 only supports versions 0-2"),
                 KAFKA_INVALID_UPDATE_VERSION));
    cr_expect(eq(i16,
                 update("transaction.version", 1, 1, false,
                        "Invalid update version 1 for feature transaction.version. Can't downgrade "
                        "the version of this feature without setting the upgrade type to either "
                        "safe or unsafe downgrade."),
                 KAFKA_INVALID_UPDATE_VERSION));
}

Test(controller_configs, a_level_is_raised_and_stays)
{
    char node[16];

    snprintf(node, sizeof(node), "%d", RIG_NODE);
    cr_assert(eq(i16, image_metadata_level(rig.at[1].image), 30));
    set_level_everywhere(22); /* as in a directory of an older version */
    cr_assert(eq(i16, alter(BROKER, node, "cordoned.log.dirs", SET, "*", NULL), KAFKA_NONE));
    cr_assert(eq(i16, create("t", NULL), KAFKA_NONE), "no record says so at that level");
    cr_assert(eq(i16, update("metadata.version", 30, 1, true, NULL), KAFKA_NONE));
    cr_assert(eq(i16, image_metadata_level(rig.at[1].image), 22));
    cr_assert(eq(i16, update("metadata.version", 30, 1, false, NULL), KAFKA_NONE));
    cr_assert(eq(i16, image_metadata_level(rig.at[1].image), 30));
    cr_assert(eq(i16, create("u", NULL), KAFKA_INVALID_REPLICATION_FACTOR));
    restart();
    cr_assert(eq(i16, image_metadata_level(rig.at[1].image), 30));
}

Test(controller_configs, a_feature_that_is_named_twice_counts_as_it_is_named_last)
{
    struct update_features_request_feature_update_key keys[3] = {
        {.feature = wire_string("metadata.version"), .max_version_level = 31, .upgrade_type = 1},
        {.feature = wire_string("metadata.version"), .max_version_level = 25, .upgrade_type = 1},
        {.feature = wire_string("metadata.version"), .max_version_level = 28, .upgrade_type = 1}};
    struct update_features_request request = {.feature_updates = {keys, 3}};
    struct update_features_response response = {0};
    struct asked asked;

    set_level_everywhere(22);
    ask(&asked, &request, &response, controller_update_features);
    cr_assert(eq(i16, response.error_code, KAFKA_NONE));
    cr_assert(eq(i32, response.results.count, 3));
    cr_assert(eq(i16, image_metadata_level(rig.at[1].image), 28));
    arena_deinit(&asked.arena);
    restart(); /* one record of it: a log that says otherwise would not be read */
    cr_assert(eq(i16, image_metadata_level(rig.at[1].image), 28));
}

Test(controller_configs, levels_that_cannot_be_are_refused_in_the_words_of_kafka)
{
    cr_expect(eq(i16,
                 update("metadata.version", 31, 1, false,
                        "Invalid update version 31 for feature metadata.version. Local controller "
                        "1 only supports versions 7-30"),
                 KAFKA_INVALID_UPDATE_VERSION));
    cr_expect(eq(i16,
                 update("metadata.version", 29, 1, false,
                        "Invalid update version 29 for feature metadata.version. Can't downgrade "
                        "the version of this feature without setting the upgrade type to either "
                        "safe or unsafe downgrade."),
                 KAFKA_INVALID_UPDATE_VERSION));
    cr_expect(eq(i16,
                 update("metadata.version", 29, 2, false,
                        "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform "
                        "the requested downgrade because it might delete metadata information."),
                 KAFKA_INVALID_UPDATE_VERSION));
    cr_expect(eq(i16,
                 update("metadata.version", 29, 3, false,
                        "Unsupported metadata.version downgrade from 30 to 29. Unsafe metadata "
                        "downgrade is not supported in this version."),
                 KAFKA_INVALID_UPDATE_VERSION));
    cr_expect(eq(i16,
                 update("metadata.version", 30, 0, false,
                        "Invalid update version 30 for feature metadata.version. The controller "
                        "does not support the given upgrade type."),
                 KAFKA_INVALID_UPDATE_VERSION));
    cr_expect(eq(i16,
                 update("group.version", 1, 1, false,
                        "Invalid update version 1 for feature group.version. Local controller 1 "
                        "does not support this feature."),
                 KAFKA_INVALID_UPDATE_VERSION));
    cr_expect(eq(i16,
                 update("group.version", 0, 2, false,
                        "Invalid update version 0 for feature group.version. Feature "
                        "group.version not found."),
                 KAFKA_INVALID_UPDATE_VERSION));
    cr_expect(eq(i16, update("metadata.version", 30, 1, false, NULL), KAFKA_NONE));
    set_level_everywhere(29);
    cr_expect(eq(i16, update("metadata.version", 23, 2, false, NULL), KAFKA_NONE));
    cr_expect(eq(i16, image_metadata_level(rig.at[0].image), 23));
}

/* What a level's brokers cannot read is not written: of each type the version, and no field that it
 * lacks. */
struct versions {
    int16_t of[32];
};

static enum err note_version(void *context, const struct metadata_record *record)
{
    struct wire_writer writer;
    struct arena space;

    arena_init(&space, 1 << 20);
    wire_writer_init(&writer, &space);
    cr_expect(eq(int, metadata_record_encode(record, &writer), OK), "type %d version %d",
              record->type, record->version);
    ((struct versions *)context)->of[record->type] = record->version;
    arena_deinit(&space);
    return OK;
}

Test(controller_configs, records_are_written_as_their_level_has_them)
{
    static const struct {
        int16_t level, broker, change, partition;
    } rows[] = {{7, 1, 1, 0},  {8, 2, 1, 0},  {16, 2, 1, 0}, {17, 3, 2, 1},
                {22, 3, 2, 1}, {23, 3, 2, 2}, {29, 3, 2, 2}, {30, 4, 3, 2}};

    cr_assert(eq(i16, create("t", NULL), KAFKA_NONE));
    for (size_t i = 0; i < array_count(rows); i++) {
        int16_t level = rows[i].level;
        char name[16];
        struct versions versions = {0};
        set_level_everywhere(level);
        cr_expect(eq(i16, features_record_version(METADATA_BROKER_REGISTRATION_CHANGE, level),
                     rows[i].change));
        cr_expect(
            eq(i16, features_record_version(METADATA_PARTITION_CHANGE, level), rows[i].partition));
        cr_assert(eq(int, image_each_record(rig.at[0].image, note_version, &versions), OK));
        cr_expect(eq(i16, versions.of[METADATA_REGISTER_BROKER], rows[i].broker));
        cr_expect(eq(i16, versions.of[METADATA_PARTITION], rows[i].partition));
        snprintf(name, sizeof(name), "t%d", level);
        cr_expect(eq(i16, create(name, NULL), KAFKA_NONE), "level %d", level);
    }
}

/* ---- without room in the journal */

struct pending {
    struct incremental_alter_configs_request_alterable_config changes[4];
    struct incremental_alter_configs_request_alter_configs_resource resource;
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_response response;
    struct asked asked;
};

static bool alters_without_room(struct pending *pending, int8_t type, const char *resource,
                                const struct change *changes, int32_t count)
{
    *pending = (struct pending){.asked.call = {.done = on_done}};
    for (int32_t i = 0; i < count; i++)
        pending->changes[i] = (struct incremental_alter_configs_request_alterable_config){
            .name = wire_string(changes[i].key),
            .config_operation = changes[i].operation,
            .value = wire_string(changes[i].value)};
    pending->resource = (struct incremental_alter_configs_request_alter_configs_resource){
        .resource_type = type,
        .resource_name = wire_string(resource),
        .configs = {pending->changes, count}};
    pending->request.resources.items = &pending->resource;
    pending->request.resources.count = 1;
    pending->asked.call.request = &pending->request;
    pending->asked.call.response = &pending->response;
    arena_init(&pending->asked.arena, (size_t)64 << 20);
    pending->asked.call.arena = &pending->asked.arena;
    controller_alter_configs(rig.controller, &pending->asked.call);
    rig_settle();
    return pending->asked.done;
}

static void end_pending(struct pending *pending)
{
    if (!pending->asked.done)
        controller_abandon(rig.controller, &pending->asked.call);
    arena_deinit(&pending->asked.arena);
}

static bool alters_one(int8_t type, const char *resource, const char *key, const char *value)
{
    struct pending pending;
    bool is_done =
        alters_without_room(&pending, type, resource, &(struct change){key, SET, value}, 1);

    end_pending(&pending);
    return is_done;
}

Test(controller_configs, a_change_of_retention_is_small)
{
    struct incremental_alter_configs_request_alterable_config changes[6];
    struct incremental_alter_configs_request_alterable_config change = {
        .name = wire_string("cleanup.policy")};
    struct incremental_alter_configs_request_alter_configs_resource resources[2] = {
        {.resource_type = TOPIC, .configs = {&change, 1}},
        {.resource_type = TOPIC, .configs = {changes, 6}}};
    struct incremental_alter_configs_request request = {.resources = {resources, 1}};

    cr_assert(decide_alters_retention(rig.at[0].image, &request));
    for (int i = 0; i < 6; i++)
        changes[i] = change;
    request.resources.count = 2;
    cr_assert(decide_alters_retention(rig.at[0].image, &request));
    resources[0].configs = resources[1].configs; /* twelve together */
    cr_assert(not(decide_alters_retention(rig.at[0].image, &request)));
    request.resources.count = 1;
    resources[0].configs.items = &change;
    resources[0].configs.count = 1;
    change.value = wire_string("compact,delete");
    cr_assert(decide_alters_retention(rig.at[0].image, &request));
    change.value = wire_string("delete,delete,delete,delete,delete,delete");
    cr_assert(not(decide_alters_retention(rig.at[0].image, &request)));
    change.value = wire_string("10000");
    change.name = wire_string("segment.ms");
    cr_assert(not(decide_alters_retention(rig.at[0].image, &request)));
    resources[0].configs.count = 0;
    cr_assert(not(decide_alters_retention(rig.at[0].image, &request)));
}

/* AlterConfigs (key 33) is told to the controller as what is named, set, and the rest deleted. */
Test(controller_configs, without_room_what_stays_as_it_is_may_be_named_beside_retention)
{
    const struct change changes[] = {{"segment.bytes", SET, "2000000"},
                                     {"retention.ms", SET, "1000"},
                                     {"flush.ms", DELETE, NULL}};
    const struct change others[] = {{"segment.bytes", SET, "3000000"},
                                    {"retention.ms", SET, "900"}};
    const struct change dropped[] = {{"segment.bytes", DELETE, NULL}, {"retention.ms", SET, "900"}};
    struct pending pending;

    cr_assert(eq(i16, create("t", NULL), KAFKA_NONE));
    cr_assert(eq(i16, alter(TOPIC, "t", "segment.bytes", SET, "2000000", NULL), KAFKA_NONE));
    kept_log.is_full = true;
    cr_assert(alters_without_room(&pending, TOPIC, "t", changes, 3));
    end_pending(&pending);
    holds(TOPIC, "t", "retention.ms", "1000");
    cr_assert(not(alters_without_room(&pending, TOPIC, "t", others, 2)));
    end_pending(&pending);
    cr_assert(not(alters_without_room(&pending, TOPIC, "t", dropped, 2)));
    end_pending(&pending);
    holds(TOPIC, "t", "retention.ms", "1000");
}

Test(controller_configs, without_room_retention_is_shortened_a_few_times_and_nothing_else)
{
    cr_assert(eq(i16, alter(BROKER, "", "log.retention.ms", SET, "60000", NULL), KAFKA_NONE));
    kept_log.is_full = true;
    cr_assert(not(alters_one(BROKER, "", "log.segment.bytes", "10000000")));
    cr_assert(not(alters_one(GROUP, "g", "consumer.session.timeout.ms", "50000")));
    cr_assert(alters_one(BROKER, "", "log.retention.ms", "50000"));
    cr_assert(alters_one(BROKER, "1", "log.retention.bytes", "40000"));
    cr_assert(alters_one(BROKER, "", "log.retention.ms", "30000"));
    cr_assert(alters_one(BROKER, "", "log.retention.ms", "20000"));
    cr_assert(not(alters_one(BROKER, "", "log.retention.ms", "10000")));
    cr_assert(not(alters_one(BROKER, "", "log.retention.ms", "5000")));
    holds(BROKER, "", "log.retention.ms", "20000");
    kept_log.is_full = false;
    cr_assert(alters_one(BROKER, "", "log.retention.ms", "4000")); /* not urgent, and written */
    kept_log.is_full = true;
    cr_assert(alters_one(BROKER, "", "log.retention.ms", "3000"));
    holds(BROKER, "", "log.retention.ms", "3000");
}

/* Who waits for room behind those few lets through who deletes. */
Test(controller_configs, without_room_deletions_pass_retention_that_was_shortened_too_often)
{
    struct wire_string name = wire_string("nope");
    struct delete_topics_request request = {.topic_names = {&name, 1}};
    struct delete_topics_response response = {0};
    struct pending pending;
    struct asked deletion;

    kept_log.is_full = true;
    for (int i = 0; i < 4; i++)
        cr_assert(alters_one(BROKER, "", "log.retention.ms", i % 2 == 0 ? "50000" : "40000"));
    cr_assert(not(alters_without_room(&pending, BROKER, "",
                                      &(struct change){"log.retention.ms", SET, "1000"}, 1)));
    deletion = (struct asked){
        .call = {.version = 5, .done = on_done, .request = &request, .response = &response}};
    arena_init(&deletion.arena, (size_t)64 << 20);
    deletion.call.arena = &deletion.arena;
    controller_delete_topics(rig.controller, &deletion.call);
    rig_settle();
    cr_assert(deletion.done);
    cr_assert(not(pending.asked.done));
    kept_log.is_full = false;
    list_remove(&kept_log.waiter->node);
    (void)kept_log.waiter->room(kept_log.waiter);
    rig_settle();
    cr_assert(pending.asked.done);
    cr_assert(eq(i16, pending.response.responses.items[0].error_code, KAFKA_NONE));
    arena_deinit(&deletion.arena);
    end_pending(&pending);
}
