/* What clients see of configs of loggers, groups and client metrics, and of calls whose feature is
 * not there: true answers, in Kafka's words. */
#include "net/protocol/msg_add_raft_voter.h"
#include "net/protocol/msg_alter_configs.h"
#include "net/protocol/msg_alter_replica_log_dirs.h"
#include "net/protocol/msg_alter_share_group_offsets.h"
#include "net/protocol/msg_api_versions.h"
#include "net/protocol/msg_create_delegation_token.h"
#include "net/protocol/msg_describe_configs.h"
#include "net/protocol/msg_describe_share_group_offsets.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "net/protocol/msg_list_config_resources.h"
#include "net/protocol/msg_list_transactions.h"
#include "net/protocol/msg_share_group_describe.h"
#include "net/protocol/msg_streams_group_describe.h"
#include "net/protocol/msg_update_features.h"
#include "tests/unit/broker/live_rig.h"

enum { LOGGER = 8, METRICS = 16, GROUP = 32, SET = 0, DELETE = 1, APPEND = 2 };

struct seen {
    int16_t code;
    int32_t count;
    int64_t number;
    char text[256];
};

static struct seen ask_for(int16_t key, int16_t version, const void *request,
                           void (*look)(struct live_ask *ask, const void *response))
{
    struct seen seen = {0};
    struct live_ask ask = {.look = look, .context = &seen};

    live_ask(&ask, live_client(0), key, version, request);
    return seen;
}

static void keep_text(struct seen *seen, struct wire_string text)
{
    snprintf(seen->text, sizeof(seen->text), "%.*s", text.size_bytes,
             text.text == NULL ? "" : text.text);
}

static const char *own_id(void)
{
    static char id[16];

    snprintf(id, sizeof(id), "%d",
             image_broker_at(broker_shard(live.broker.broker, 0)->image, 0)->id);
    return id;
}

/* ---- describing */

static void look_described(struct live_ask *ask, const void *response)
{
    const struct describe_configs_response *answer = response;
    const struct describe_configs_response_describe_configs_result *result = answer->results.items;
    struct seen *seen = ask->context;

    seen->code = result->error_code;
    seen->count = result->configs.count;
    keep_text(seen, result->error_message);
    if (seen->count == 0)
        return;
    seen->number = result->configs.items[0].config_source;
    keep_text(seen, result->configs.items[0].value);
}

static struct seen describe(int8_t type, const char *name, const char *key)
{
    struct wire_string keys = wire_string(key);
    struct describe_configs_request_describe_configs_resource resource = {
        .resource_type = type, .resource_name = wire_string(name)};
    struct describe_configs_request request;

    codec_set_defaults(&describe_configs_request_desc, &request);
    resource.configuration_keys.items = &keys;
    resource.configuration_keys.count = key == NULL ? -1 : 1;
    request.resources.items = &resource;
    request.resources.count = 1;
    request.include_synonyms = true;
    return ask_for(API_DESCRIBE_CONFIGS, 4, &request, look_described);
}

static void look_altered(struct live_ask *ask, const void *response)
{
    const struct incremental_alter_configs_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->responses.items[0].error_code;
    keep_text(seen, answer->responses.items[0].error_message);
}

static struct seen alter(int8_t type, const char *name, const char *key, int8_t operation,
                         const char *value, bool validate)
{
    struct incremental_alter_configs_request_alterable_config change = {
        .name = wire_string(key), .config_operation = operation, .value = wire_string(value)};
    struct incremental_alter_configs_request_alter_configs_resource resource = {
        .resource_type = type, .resource_name = wire_string(name), .configs = {&change, 1}};
    struct incremental_alter_configs_request request;

    codec_set_defaults(&incremental_alter_configs_request_desc, &request);
    request.resources.items = &resource;
    request.resources.count = 1;
    request.validate_only = validate;
    return ask_for(API_INCREMENTAL_ALTER_CONFIGS, 1, &request, look_altered);
}

/* ---- loggers */

static void levels_are(enum log_level level)
{
    for (uint32_t i = 0; i < live.broker.shards_count; i++)
        cr_expect(eq(int, (int)broker_shard(live.broker.broker, i)->sink->min_level, (int)level),
                  "shard %u", i);
}

Test(admin_configs, a_log_level_is_told_and_set_on_every_shard)
{
    enum log_level before;
    struct seen seen;

    live_start(3, NULL);
    before = broker_shard(live.broker.broker, 0)->sink->min_level;
    cr_assert(eq(i16, alter(LOGGER, own_id(), "root", SET, "ERROR", true).code, KAFKA_NONE));
    levels_are(before);
    cr_assert(eq(i16, alter(LOGGER, own_id(), "root", SET, "ERROR", false).code, KAFKA_NONE));
    levels_are(LOG_ERROR);
    seen = describe(LOGGER, own_id(), NULL);
    cr_assert(eq(i32, seen.count, 1));
    cr_assert(eq(str, seen.text, "ERROR"));
    cr_assert(eq(i64, seen.number, KAFKA_CONFIG_SOURCE_DYNAMIC_BROKER_LOGGER_CONFIG));
    cr_assert(eq(i32, describe(LOGGER, own_id(), "kafka").count, 0));
    cr_assert(eq(str, describe(LOGGER, "", NULL).text, "Broker id must not be empty"));
    cr_assert(
        eq(str, describe(LOGGER, "a", NULL).text, "Broker id must be an integer, but it is: a"));
}

Test(admin_configs, a_log_level_that_cannot_be_is_refused_in_the_words_of_kafka)
{
    struct seen seen;

    live_start(1, NULL);
    seen = alter(LOGGER, own_id(), "root", SET, "loud", false);
    cr_expect(eq(i16, seen.code, KAFKA_INVALID_CONFIG));
    cr_expect(
        eq(str, seen.text,
           "Cannot set the log level of root to loud as it is not a supported log level. Valid "
           "log levels are DEBUG, ERROR, INFO, TRACE, WARN"));
    seen = alter(LOGGER, own_id(), "kafka", SET, "INFO", false);
    cr_expect(eq(str, seen.text, "Logger kafka does not exist!"));
    seen = alter(LOGGER, own_id(), "root", DELETE, NULL, false);
    cr_expect(eq(i16, seen.code, KAFKA_INVALID_REQUEST));
    cr_expect(eq(str, seen.text, "Removing the log level of the root logger is not allowed"));
    seen = alter(LOGGER, own_id(), "root", APPEND, "INFO", false);
    cr_expect(eq(str, seen.text, "APPEND operation is not allowed for the BROKER_LOGGER resource"));
    seen = alter(LOGGER, "", "root", SET, "INFO", false);
    cr_expect(eq(str, seen.text, "Node id must be an integer, but it is: "));
    seen = alter(LOGGER, "77", "root", SET, "INFO", false);
    cr_expect(eq(i16, seen.code, KAFKA_INVALID_REQUEST));
}

static void look_old_altered(struct live_ask *ask, const void *response)
{
    const struct alter_configs_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->responses.items[0].error_code;
    keep_text(seen, answer->responses.items[0].error_message);
}

static struct seen alter_whole(int8_t type, const char *name, const char *key, const char *value)
{
    struct alter_configs_request_alterable_config config = {.name = wire_string(key),
                                                            .value = wire_string(value)};
    struct alter_configs_request_alter_configs_resource resource = {
        .resource_type = type, .resource_name = wire_string(name), .configs = {&config, 1}};
    struct alter_configs_request request;

    codec_set_defaults(&alter_configs_request_desc, &request);
    request.resources.items = &resource;
    request.resources.count = 1;
    return ask_for(API_ALTER_CONFIGS, 1, &request, look_old_altered);
}

Test(admin_configs, the_older_call_alters_groups_and_no_logger)
{
    struct seen seen;

    live_start(1, NULL);
    seen = alter_whole(LOGGER, own_id(), "root", "ERROR");
    cr_assert(eq(i16, seen.code, KAFKA_INVALID_REQUEST));
    cr_assert(eq(str, seen.text, "Unknown resource type 8"));
    cr_assert(eq(i16, alter(GROUP, "g", "share.isolation.level", SET, "read_committed", false).code,
                 KAFKA_NONE));
    cr_assert(
        eq(i16, alter_whole(GROUP, "g", "consumer.session.timeout.ms", "47000").code, KAFKA_NONE));
    cr_assert(eq(str, describe(GROUP, "g", "consumer.session.timeout.ms").text, "47000"));
    cr_assert(eq(str, describe(GROUP, "g", "share.isolation.level").text, "read_uncommitted"));
}

/* ---- groups and client metrics */

static void look_resources(struct live_ask *ask, const void *response)
{
    const struct list_config_resources_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->error_code;
    seen->count = answer->config_resources.count;
    if (seen->count > 0)
        keep_text(seen, answer->config_resources.items[0].resource_name);
}

static struct seen list_resources(int16_t version, int8_t type)
{
    struct list_config_resources_request request;

    codec_set_defaults(&list_config_resources_request_desc, &request);
    request.resource_types.items = &type;
    request.resource_types.count = version > 0;
    return ask_for(API_LIST_CONFIG_RESOURCES, version, &request, look_resources);
}

Test(admin_configs, groups_and_client_metrics_are_told_and_listed_while_something_is_set)
{
    struct seen seen;

    live_start(2, NULL);
    seen = describe(GROUP, "g", NULL);
    cr_assert(eq(i32, seen.count, 17));
    cr_assert(eq(i64, seen.number, KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG));
    cr_assert(eq(i32, list_resources(1, GROUP).count, 0));
    cr_assert(
        eq(i16, alter(GROUP, "g", "consumer.session.timeout.ms", SET, "50000", false).code, 0));
    cr_assert(eq(i16, alter(METRICS, "m", "interval.ms", SET, "1000", false).code, 0));
    seen = describe(GROUP, "g", "consumer.session.timeout.ms");
    cr_assert(eq(str, seen.text, "50000"));
    cr_assert(eq(i64, seen.number, KAFKA_CONFIG_SOURCE_GROUP_CONFIG));
    seen = describe(METRICS, "m", "interval.ms");
    cr_assert(eq(str, seen.text, "1000"));
    cr_assert(eq(i64, seen.number, KAFKA_CONFIG_SOURCE_CLIENT_METRICS_CONFIG));
    cr_assert(eq(i32, describe(METRICS, "other", NULL).count, 3));
    seen = list_resources(1, GROUP);
    cr_assert(eq(i32, seen.count, 1));
    cr_assert(eq(str, seen.text, "g"));
    seen = list_resources(0, 0); /* ListClientMetricsResources */
    cr_assert(eq(i32, seen.count, 1));
    cr_assert(eq(str, seen.text, "m"));
    cr_assert(eq(i16, alter(METRICS, "m", "interval.ms", DELETE, NULL, false).code, 0));
    cr_assert(eq(i32, list_resources(0, 0).count, 0));
    cr_assert(eq(str, describe(GROUP, "", NULL).text, "Group name must not be empty"));
    cr_assert(eq(str, describe(METRICS, "", NULL).text,
                 "Client metrics subscription name must not be empty"));
}

/* ---- what is not there */

static void look_share_groups(struct live_ask *ask, const void *response)
{
    const struct share_group_describe_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->groups.items[0].error_code;
}

static void look_streams_groups(struct live_ask *ask, const void *response)
{
    const struct streams_group_describe_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->groups.items[0].error_code;
}

static void look_share_offsets(struct live_ask *ask, const void *response)
{
    const struct describe_share_group_offsets_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->groups.items[0].error_code;
    seen->count = answer->groups.items[0].topics.count;
    seen->number = answer->groups.items[0].topics.items[0].partitions.items[1].start_offset;
}

static void look_altered_offsets(struct live_ask *ask, const void *response)
{
    const struct alter_share_group_offsets_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->error_code;
}

Test(admin_configs, there_are_no_share_groups_and_no_streams_groups)
{
    struct wire_string group = wire_string("g");
    int32_t indexes[] = {0, 77};
    struct share_group_describe_request share;
    struct streams_group_describe_request streams;
    struct describe_share_group_offsets_request offsets;
    struct describe_share_group_offsets_request_group asked = {.group_id = group};
    struct describe_share_group_offsets_request_topic topic = {.topic_name = wire_string("a")};
    struct alter_share_group_offsets_request altered;
    struct seen seen;

    live_start(2, NULL);
    live_topic(live_client(0), "a", 1);
    codec_set_defaults(&share_group_describe_request_desc, &share);
    share.group_ids.items = &group;
    share.group_ids.count = 1;
    seen = ask_for(API_SHARE_GROUP_DESCRIBE, 1, &share, look_share_groups);
    cr_expect(ne(i16, seen.code, KAFKA_NONE));
    codec_set_defaults(&streams_group_describe_request_desc, &streams);
    streams.group_ids.items = &group;
    streams.group_ids.count = 1;
    seen = ask_for(API_STREAMS_GROUP_DESCRIBE, 0, &streams, look_streams_groups);
    cr_expect(ne(i16, seen.code, KAFKA_NONE));
    codec_set_defaults(&describe_share_group_offsets_request_desc, &offsets);
    topic.partitions.items = indexes;
    topic.partitions.count = 2;
    asked.topics.items = &topic;
    asked.topics.count = 1;
    offsets.groups.items = &asked;
    offsets.groups.count = 1;
    seen = ask_for(API_DESCRIBE_SHARE_GROUP_OFFSETS, 1, &offsets, look_share_offsets);
    cr_expect(eq(i16, seen.code, KAFKA_NONE));
    cr_expect(eq(i64, seen.number, -1));
    codec_set_defaults(&alter_share_group_offsets_request_desc, &altered);
    altered.group_id = group;
    seen = ask_for(API_ALTER_SHARE_GROUP_OFFSETS, 0, &altered, look_altered_offsets);
    cr_expect(eq(i16, seen.code, KAFKA_UNSUPPORTED_VERSION));
}

static void look_token(struct live_ask *ask, const void *response)
{
    const struct create_delegation_token_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->error_code;
    seen->number = answer->max_timestamp_ms;
}

static void look_voter(struct live_ask *ask, const void *response)
{
    const struct add_raft_voter_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->error_code;
    keep_text(seen, answer->error_message);
}

static void look_transactions(struct live_ask *ask, const void *response)
{
    const struct list_transactions_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->error_code;
    seen->count = answer->unknown_state_filters.count;
    seen->number = answer->transaction_states.count;
}

Test(admin_configs, tokens_voters_and_transactions_are_answered_as_not_there)
{
    struct wire_string states[] = {wire_string("Ongoing"), wire_string("Dreaming")};
    struct create_delegation_token_request token;
    struct add_raft_voter_request voter;
    struct list_transactions_request transactions;
    struct seen seen;

    live_start(1, NULL);
    codec_set_defaults(&create_delegation_token_request_desc, &token);
    seen = ask_for(API_CREATE_DELEGATION_TOKEN, 3, &token, look_token);
    cr_expect(eq(i16, seen.code, KAFKA_DELEGATION_TOKEN_REQUEST_NOT_ALLOWED));
    cr_expect(eq(i64, seen.number, -1));
    codec_set_defaults(&add_raft_voter_request_desc, &voter);
    seen = ask_for(API_ADD_RAFT_VOTER, 1, &voter, look_voter);
    cr_expect(eq(i16, seen.code, KAFKA_UNSUPPORTED_VERSION));
    cr_expect(eq(str, seen.text,
                 "Cluster doesn't support adding voter because the kraft.version feature is 0"));
    codec_set_defaults(&list_transactions_request_desc, &transactions);
    transactions.state_filters.items = states;
    transactions.state_filters.count = 2;
    seen = ask_for(API_LIST_TRANSACTIONS, 2, &transactions, look_transactions);
    cr_expect(eq(i16, seen.code, KAFKA_NONE));
    cr_expect(eq(i32, seen.count, 1));
    cr_expect(eq(i64, seen.number, 0));
}

static void look_moved(struct live_ask *ask, const void *response)
{
    const struct alter_replica_log_dirs_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->results.items[0].partitions.items[0].error_code;
}

static int16_t move(const char *path, int32_t index)
{
    struct alter_replica_log_dirs_request_alter_replica_log_dir_topic topic = {
        .name = wire_string("a"), .partitions = {&index, 1}};
    struct alter_replica_log_dirs_request_alter_replica_log_dir dir = {.path = wire_string(path),
                                                                       .topics = {&topic, 1}};
    struct alter_replica_log_dirs_request request;

    codec_set_defaults(&alter_replica_log_dirs_request_desc, &request);
    request.dirs.items = &dir;
    request.dirs.count = 1;
    return ask_for(API_ALTER_REPLICA_LOG_DIRS, 2, &request, look_moved).code;
}

Test(admin_configs, a_replica_stays_in_the_only_directory)
{
    live_start(1, NULL);
    live_topic(live_client(0), "a", 1);
    cr_expect(eq(i16, move("data", 0), KAFKA_NONE));
    cr_expect(eq(i16, move("data", 1), KAFKA_UNKNOWN_TOPIC_OR_PARTITION));
    cr_expect(eq(i16, move("/elsewhere", 0), KAFKA_LOG_DIR_NOT_FOUND));
}

static void look_updated(struct live_ask *ask, const void *response)
{
    const struct update_features_response *answer = response;
    struct seen *seen = ask->context;

    seen->code = answer->error_code;
    seen->count = answer->results.count;
    cr_expect(eq(int, answer->error_message.text == NULL, answer->error_code == KAFKA_NONE));
}

Test(admin_configs, features_are_updated_in_every_version_of_the_call)
{
    struct update_features_request_feature_update_key key = {
        .feature = wire_string("metadata.version"), .max_version_level = 30, .upgrade_type = 1};
    struct update_features_request request;

    live_start(2, NULL);
    codec_set_defaults(&update_features_request_desc, &request);
    request.feature_updates.items = &key;
    request.feature_updates.count = 1;
    for (int16_t version = 0; version <= 2; version++) {
        struct seen seen;
        key.max_version_level = 30;
        seen = ask_for(API_UPDATE_FEATURES, version, &request, look_updated);
        cr_expect(eq(i16, seen.code, KAFKA_NONE));
        cr_expect(eq(i32, seen.count, version < 2));
        key.max_version_level = 31;
        seen = ask_for(API_UPDATE_FEATURES, version, &request, look_updated);
        cr_expect(eq(i16, seen.code, KAFKA_INVALID_UPDATE_VERSION));
    }
}

/* ---- ApiVersions */

struct told_feature {
    bool is_supported;
    int16_t min, max;
    int16_t level; /* finalized; 0: not */
};

static void look_features(struct live_ask *ask, const void *response)
{
    const struct api_versions_response *answer = response;
    struct told_feature *told = ask->context;

    *told = (struct told_feature){0};
    for (int32_t i = 0; i < answer->supported_features.count; i++) {
        const struct api_versions_response_supported_feature_key *key =
            &answer->supported_features.items[i];
        if (!wire_string_is(key->name, "transaction.version"))
            continue;
        *told = (struct told_feature){true, key->min_version, key->max_version, 0};
    }
    for (int32_t i = 0; i < answer->finalized_features.count; i++)
        if (wire_string_is(answer->finalized_features.items[i].name, "transaction.version"))
            told->level = answer->finalized_features.items[i].max_version_level;
}

/* KAFKA-17492: a client of version 3 cannot read a feature whose lowest level is 0. */
Test(admin_configs, transactions_of_version_2_are_announced)
{
    struct api_versions_request request;
    struct told_feature told;
    struct live_ask ask = {.look = look_features, .context = &told};

    live_start(1, NULL);
    codec_set_defaults(&api_versions_request_desc, &request);
    request.client_software_name = wire_string("test");
    request.client_software_version = wire_string("1");
    live_ask(&ask, live_client(0), API_API_VERSIONS, 4, &request);
    cr_assert(told.is_supported);
    cr_assert(eq(i16, told.min, 0));
    cr_assert(eq(i16, told.max, 2));
    cr_assert(eq(i16, told.level, 2));
    live_ask(&ask, live_client(0), API_API_VERSIONS, 3, &request);
    cr_assert(not(told.is_supported));
    cr_assert(eq(i16, told.level, 2));
}
