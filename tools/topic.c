/* levee topic create | list | describe | delete | add-partitions | alter-config. */
#include "base/mem.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_create_partitions.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_describe_configs.h"
#include "net/protocol/msg_incremental_alter_configs.h"
#include "net/protocol/msg_metadata.h"
#include "tools/admin_call.h"
#include "tools/output.h"
#include "tools/patience.h"
#include "tools/topic_offsets.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 64 << 20 };

/* A connection and the memory of one command. */
struct session {
    struct blocking_client *client;
    struct arena arena;
};

static enum cli_exit open_session(const struct cli *cli, struct session *session)
{
    arena_init(&session->arena, ARENA_BYTES);
    return cli_connect(cli, &session->client);
}

static void close_session(struct session *session)
{
    blocking_client_close(session->client);
    arena_deinit(&session->arena);
}

/* "key=value" → both halves; value null when nothing follows the equals sign. */
static bool split_set(const char *set, struct wire_string *key, struct wire_string *value)
{
    const char *equals = strchr(set, '=');

    if (equals == NULL || equals == set)
        return false;
    *key = (struct wire_string){set, (int32_t)(equals - set)};
    *value = wire_string(equals[1] == '\0' ? NULL : equals + 1);
    return true;
}

/* An answer has as many items as were asked about, or it is none. */
#define COPY_OUTCOMES(items_, count_, name_)                                                   \
    do {                                                                                       \
        if ((count_) != count)                                                                 \
            return ERR_MALFORMED;                                                              \
        for (int32_t i_ = 0; i_ < count; i_++)                                                 \
            outcomes[i_] = (struct admin_outcome){(items_)[i_].name_, (items_)[i_].error_code, \
                                                  (items_)[i_].error_message};                 \
        *outcome_count = count;                                                                \
    } while (0)

static enum err ask_create(struct admin_call *call, const struct wire_string *names, int32_t count,
                           struct admin_outcome *outcomes, int32_t *outcome_count)
{
    const struct cli *cli = call->cli;
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topics[CLI_WORDS_MAX];
    struct create_topics_request_creatable_topic_config configs[CLI_SETS_MAX];
    const struct create_topics_response *response;
    const void *answer;
    enum err err;

    codec_set_defaults(&create_topics_request_desc, &request);
    for (int i = 0; i < cli->set_count; i++)
        split_set(cli->sets[i], &configs[i].name, &configs[i].value);
    for (int32_t i = 0; i < count; i++) {
        codec_set_struct_defaults(&create_topics_request_creatable_topic_struct, &topics[i]);
        topics[i].name = names[i];
        topics[i].num_partitions = cli->partitions;
        topics[i].replication_factor = (int16_t)cli->replicas;
        topics[i].configs.items = configs;
        topics[i].configs.count = cli->set_count;
    }
    request.topics.items = topics;
    request.topics.count = count;
    request.timeout_ms = cli->timeout_ms;
    err = blocking_client_call(call->client, API_CREATE_TOPICS, &request, &call->arena, &answer);
    if (err != OK)
        return err;
    response = answer;
    COPY_OUTCOMES(response->topics.items, response->topics.count, name);
    return OK;
}

enum cli_exit command_topic_create(struct cli *cli)
{
    struct admin_call call = {cli, "CreateTopics", "topic", "created", ask_create};
    struct wire_string key;
    struct wire_string value;

    if (cli->partitions == 0)
        return cli_fail(CLI_USAGE, "-p 0: a topic has at least one partition");
    for (int i = 0; i < cli->set_count; i++)
        if (!split_set(cli->sets[i], &key, &value))
            return cli_fail(CLI_USAGE, "-C %s: write key=value", cli->sets[i]);
    return admin_call_run(&call);
}

static enum err ask_delete(struct admin_call *call, const struct wire_string *names, int32_t count,
                           struct admin_outcome *outcomes, int32_t *outcome_count)
{
    struct delete_topics_request request;
    struct delete_topics_request_delete_topic_state topics[CLI_WORDS_MAX];
    struct wire_string by_name[CLI_WORDS_MAX];
    const struct delete_topics_response *response;
    const void *answer;
    enum err err;

    codec_set_defaults(&delete_topics_request_desc, &request);
    for (int32_t i = 0; i < count; i++) {
        codec_set_struct_defaults(&delete_topics_request_delete_topic_state_struct, &topics[i]);
        topics[i].name = names[i];
        by_name[i] = names[i];
    }
    if (blocking_client_version(call->client, API_DELETE_TOPICS) >= 6) {
        request.topics.items = topics;
        request.topics.count = count;
    } else {
        request.topic_names.items = by_name;
        request.topic_names.count = count;
    }
    request.timeout_ms = call->cli->timeout_ms;
    err = blocking_client_call(call->client, API_DELETE_TOPICS, &request, &call->arena, &answer);
    if (err != OK)
        return err;
    response = answer;
    COPY_OUTCOMES(response->responses.items, response->responses.count, name);
    return OK;
}

enum cli_exit command_topic_delete(struct cli *cli)
{
    struct admin_call call = {cli, "DeleteTopics", "topic", "deleted", ask_delete};

    return admin_call_run(&call);
}

static enum err ask_grow(struct admin_call *call, const struct wire_string *names, int32_t count,
                         struct admin_outcome *outcomes, int32_t *outcome_count)
{
    struct create_partitions_request request;
    struct create_partitions_request_create_partitions_topic topic;
    const struct create_partitions_response *response;
    const void *answer;
    enum err err;

    codec_set_defaults(&create_partitions_request_desc, &request);
    codec_set_struct_defaults(&create_partitions_request_create_partitions_topic_struct, &topic);
    topic.name = names[0];
    topic.count = call->cli->partitions;
    topic.assignments.count = -1;
    request.topics.items = &topic;
    request.topics.count = 1;
    request.timeout_ms = call->cli->timeout_ms;
    err =
        blocking_client_call(call->client, API_CREATE_PARTITIONS, &request, &call->arena, &answer);
    if (err != OK)
        return err;
    response = answer;
    COPY_OUTCOMES(response->results.items, response->results.count, name);
    return OK;
}

enum cli_exit command_topic_add_partitions(struct cli *cli)
{
    struct admin_call call = {cli, "CreatePartitions", "topic", "grown", ask_grow};

    if (cli->partitions < 1)
        return cli_fail(CLI_USAGE, "-p COUNT is needed: the new number of partitions");
    return admin_call_run(&call);
}

static enum err ask_alter(struct admin_call *call, const struct wire_string *names, int32_t count,
                          struct admin_outcome *outcomes, int32_t *outcome_count)
{
    const struct cli *cli = call->cli;
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_request_alter_configs_resource resource;
    struct incremental_alter_configs_request_alterable_config configs[CLI_SETS_MAX];
    const struct incremental_alter_configs_response *response;
    const void *answer;
    enum err err;

    for (int i = 0; i < cli->set_count; i++) {
        codec_set_struct_defaults(&incremental_alter_configs_request_alterable_config_struct,
                                  &configs[i]);
        split_set(cli->sets[i], &configs[i].name, &configs[i].value);
        configs[i].config_operation = configs[i].value.text == NULL ? KAFKA_ALTER_CONFIG_OP_DELETE
                                                                    : KAFKA_ALTER_CONFIG_OP_SET;
    }
    codec_set_defaults(&incremental_alter_configs_request_desc, &request);
    codec_set_struct_defaults(&incremental_alter_configs_request_alter_configs_resource_struct,
                              &resource);
    resource.resource_type = KAFKA_CONFIG_RESOURCE_TYPE_TOPIC;
    resource.resource_name = names[0];
    resource.configs.items = configs;
    resource.configs.count = cli->set_count;
    request.resources.items = &resource;
    request.resources.count = 1;
    err = blocking_client_call(call->client, API_INCREMENTAL_ALTER_CONFIGS, &request, &call->arena,
                               &answer);
    if (err != OK)
        return err;
    response = answer;
    COPY_OUTCOMES(response->responses.items, response->responses.count, resource_name);
    return OK;
}

enum cli_exit command_topic_alter_config(struct cli *cli)
{
    struct admin_call call = {cli, "IncrementalAlterConfigs", "topic", "changed", ask_alter};
    struct wire_string key;
    struct wire_string value;

    if (cli->set_count == 0)
        return cli_fail(CLI_USAGE, "-C key=value is needed");
    for (int i = 0; i < cli->set_count; i++)
        if (!split_set(cli->sets[i], &key, &value))
            return cli_fail(CLI_USAGE, "-C %s: write key=value, or key= to reset", cli->sets[i]);
    return admin_call_run(&call);
}

/* ---- list and describe */

/* Of the whole, or of the one topic that is asked for. */
static int16_t error_of(const struct metadata_response *response, const char *topic)
{
    if (response->error_code == KAFKA_NONE && topic != NULL && response->topics.count == 1)
        return response->topics.items[0].error_code;
    return response->error_code;
}

static enum cli_exit ask_metadata(const struct cli *cli, struct session *session, const char *topic,
                                  const struct metadata_response **out)
{
    struct patience patience = patience_begin(cli->timeout_ms);
    struct metadata_request request;
    struct metadata_request_topic one;
    const void *answer;
    enum err err;

    codec_set_defaults(&metadata_request_desc, &request);
    request.allow_auto_topic_creation = false;
    request.topics.count = -1;
    if (topic != NULL) {
        codec_set_struct_defaults(&metadata_request_topic_struct, &one);
        one.name = wire_string(topic);
        request.topics.items = &one;
        request.topics.count = 1;
    }
    do {
        arena_reset(&session->arena);
        err =
            blocking_client_call(session->client, API_METADATA, &request, &session->arena, &answer);
        *out = answer;
    } while (err == OK ? patience_with_kafka(&patience, error_of(*out, topic))
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("Metadata", err);
    if ((*out)->error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka((*out)->error_code), "Metadata: %s",
                        kafka_error_name((*out)->error_code));
    return CLI_OK;
}

enum cli_exit command_topic_list(struct cli *cli)
{
    struct session session = {0};
    const struct metadata_response *response = NULL;
    enum cli_exit result = open_session(cli, &session);

    if (result == CLI_OK)
        result = ask_metadata(cli, &session, NULL, &response);
    if (result == CLI_OK && !cli->json)
        output_line("%-40s %10s %8s", "NAME", "PARTITIONS", "REPLICAS");
    for (int32_t i = 0; result == CLI_OK && i < response->topics.count; i++) {
        const struct metadata_response_topic *topic = &response->topics.items[i];
        int32_t replicas =
            topic->partitions.count > 0 ? topic->partitions.items[0].replica_nodes.count : 0;
        if (cli->json) {
            struct output_object object;
            output_begin(&object);
            output_string(&object, "name", topic->name);
            output_number(&object, "partitions", topic->partitions.count);
            output_number(&object, "replicas", replicas);
            output_bool(&object, "internal", topic->is_internal);
            output_end(&object);
        } else {
            output_line("%-40.*s %10d %8d", CLI_TEXT(topic->name), topic->partitions.count,
                        replicas);
        }
    }
    close_session(&session);
    return result;
}

static enum cli_exit describe_configs(const struct cli *cli, struct session *session)
{
    struct describe_configs_request request;
    struct describe_configs_request_describe_configs_resource resource;
    struct patience patience = patience_begin(cli->timeout_ms);
    const struct describe_configs_response *response;
    const void *answer;
    enum err err;

    codec_set_defaults(&describe_configs_request_desc, &request);
    codec_set_struct_defaults(&describe_configs_request_describe_configs_resource_struct,
                              &resource);
    resource.resource_type = KAFKA_CONFIG_RESOURCE_TYPE_TOPIC;
    resource.resource_name = wire_string(cli->words[0]);
    resource.configuration_keys.count = -1;
    request.resources.items = &resource;
    request.resources.count = 1;
    do {
        arena_reset(&session->arena);
        err = blocking_client_call(session->client, API_DESCRIBE_CONFIGS, &request, &session->arena,
                                   &answer);
        response = answer;
        if (err == OK && response->results.count != 1)
            err = ERR_MALFORMED;
    } while (err == OK ? patience_with_kafka(&patience, response->results.items[0].error_code)
                       : patience_with(&patience, err));
    if (err != OK)
        return cli_call_failed("DescribeConfigs", err);
    if (response->results.items[0].error_code != KAFKA_NONE)
        return cli_fail(cli_exit_of_kafka(response->results.items[0].error_code), "%s: %s",
                        cli->words[0], kafka_error_name(response->results.items[0].error_code));
    if (!cli->json)
        puts("\nCONFIG (those that differ from the default)");
    for (int32_t i = 0; i < response->results.items[0].configs.count; i++) {
        const struct describe_configs_response_describe_configs_resource_result *config =
            &response->results.items[0].configs.items[i];
        if (cli->json) {
            struct output_object object;
            output_begin(&object);
            output_string(&object, "config", config->name);
            output_string(&object, "value", config->value);
            output_text(&object, "source", kafka_config_source_name(config->config_source));
            output_end(&object);
        } else if (config->config_source != KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG) {
            output_line("  %.*s=%.*s (%s)", CLI_TEXT(config->name), CLI_TEXT(config->value),
                        kafka_config_source_name(config->config_source));
        }
    }
    return CLI_OK;
}

static void print_partition_json(const char *id,
                                 const struct metadata_response_partition *partition,
                                 const struct topic_offsets *offsets)
{
    struct output_object object;

    output_begin(&object);
    output_text(&object, "topic_id", id);
    output_number(&object, "partition", partition->partition_index);
    output_number(&object, "leader", partition->leader_id);
    output_number(&object, "leader_epoch", partition->leader_epoch);
    output_number(&object, "log_start_offset", offsets->log_start);
    output_number(&object, "high_watermark", offsets->high_watermark);
    output_number(&object, "last_stable_offset", offsets->last_stable);
    output_number(&object, "open_transactions", offsets->open_transactions);
    output_end(&object);
}

/* "-": the broker does not say it. */
static void print_number(int64_t number, int width)
{
    if (number == TOPIC_OFFSET_UNKNOWN)
        printf(" %*s", width, "-");
    else
        printf(" %*lld", width, (long long)number);
}

static void print_partitions(const struct cli *cli, const struct metadata_response_topic *topic,
                             const struct topic_offsets *offsets)
{
    char id[UUID_TEXT_MAX];

    uuid_format(&topic->topic_id, id);
    if (!cli->json) {
        output_line("NAME %s", cli->words[0]);
        printf("ID %s\n\n%9s %6s %12s %16s %14s %18s %17s\n", id, "PARTITION", "LEADER",
               "LEADER-EPOCH", "LOG-START-OFFSET", "HIGH-WATERMARK", "LAST-STABLE-OFFSET",
               "OPEN-TRANSACTIONS");
    }
    for (int32_t i = 0; i < topic->partitions.count; i++) {
        const struct metadata_response_partition *partition = &topic->partitions.items[i];
        const struct topic_offsets unknown = {TOPIC_OFFSET_UNKNOWN, TOPIC_OFFSET_UNKNOWN,
                                              TOPIC_OFFSET_UNKNOWN, TOPIC_OFFSET_UNKNOWN};
        const struct topic_offsets *of =
            partition->partition_index >= 0 && partition->partition_index < topic->partitions.count
                ? &offsets[partition->partition_index]
                : &unknown;
        if (cli->json) {
            print_partition_json(id, partition, of);
            continue;
        }
        printf("%9d %6d %12d", partition->partition_index, partition->leader_id,
               partition->leader_epoch);
        print_number(of->log_start, 16);
        print_number(of->high_watermark, 14);
        print_number(of->last_stable, 18);
        print_number(of->open_transactions, 17);
        puts("");
    }
}

/* topic lies in the session's arena. */
static enum cli_exit describe_partitions(const struct cli *cli, struct session *session,
                                         const struct metadata_response_topic *topic)
{
    int32_t count = topic->partitions.count;
    struct topic_offsets *offsets = mem_alloc((size_t)count * sizeof(*offsets));
    enum cli_exit result =
        count == 0 ? CLI_OK
                   : topic_offsets_load(cli, session->client, cli->words[0], offsets, count);

    if (result == CLI_OK)
        print_partitions(cli, topic, offsets);
    mem_free(offsets);
    return result;
}

enum cli_exit command_topic_describe(struct cli *cli)
{
    struct session session = {0};
    const struct metadata_response *response = NULL;
    enum cli_exit result = open_session(cli, &session);

    if (result == CLI_OK)
        result = ask_metadata(cli, &session, cli->words[0], &response);
    if (result == CLI_OK && response->topics.count == 1 &&
        response->topics.items[0].error_code != KAFKA_NONE)
        result = cli_fail(cli_exit_of_kafka(response->topics.items[0].error_code), "%s: %s",
                          cli->words[0], kafka_error_name(response->topics.items[0].error_code));
    if (result != CLI_OK || response->topics.count != 1) {
        close_session(&session);
        return result;
    }
    result = describe_partitions(cli, &session, &response->topics.items[0]);
    if (result == CLI_OK)
        result = describe_configs(cli, &session);
    close_session(&session);
    return result;
}
