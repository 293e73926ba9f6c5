#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_configs.h"
#include "net/protocol/msg_metadata.h"
#include "tools/blocking_client.h"
#include "tools/load/load_identity.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ARENA_BYTES = 16 << 20, TRIES = 5, PAUSE_MS = 200 };

/* The same file as ours: then its version is. */
static bool is_our_program(int32_t pid)
{
    char path[64];
    struct stat its, ours;

    snprintf(path, sizeof(path), "/proc/%" PRId32 "/exe", pid);
    return stat(path, &its) == 0 && stat("/proc/self/exe", &ours) == 0 &&
           its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;
}

/* A JVM keeps the libraries open that it runs from. */
static void name_by_libraries(int32_t pid, char *out, size_t out_max)
{
    char path[64];
    char target[4096];
    DIR *directory;
    struct dirent *entry;
    bool is_named = false;

    snprintf(path, sizeof(path), "/proc/%" PRId32 "/fd", pid);
    directory = opendir(path);
    while (directory != NULL && !is_named && (entry = readdir(directory)) != NULL) {
        ssize_t length;
        snprintf(path, sizeof(path), "/proc/%" PRId32 "/fd/%.20s", pid, entry->d_name);
        length = readlink(path, target, sizeof(target));
        if (length > 0)
            is_named = load_identity_of_path(target, (size_t)length, out, out_max);
    }
    if (directory != NULL)
        closedir(directory);
}

static void name_driver(struct load_result *result, const struct load_identity *identity,
                        int32_t pid)
{
    const char *name = identity->is_levee         ? "levee"
                       : identity->has_kafka_keys ? "Apache Kafka"
                                                  : "a Kafka-compatible broker";

    snprintf(result->driver, sizeof(result->driver), "%s", name);
    if (pid <= 0)
        return;
    if (!identity->is_levee)
        name_by_libraries(pid, result->driver, sizeof(result->driver));
    else if (is_our_program(pid))
        snprintf(result->driver, sizeof(result->driver), "levee " LEVEE_VERSION);
}

/* ---- what the broker says */

struct asking {
    struct blocking_client *client;
    struct arena arena;
    struct load_identity identity;
    struct load_result *result;
};

static void take_config(
    struct asking *asking, bool is_topic,
    const struct describe_configs_response_describe_configs_resource_result *config)
{
    char name[64];
    char value[LOAD_TEXT_MAX];
    char key[80];

    snprintf(name, sizeof(name), "%.*s", (int)config->name.size_bytes,
             config->name.text == NULL ? "" : config->name.text);
    snprintf(value, sizeof(value), "%.*s",
             config->value.text == NULL ? 0 : (int)config->value.size_bytes,
             config->value.text == NULL ? "" : config->value.text);
    load_identity_take(&asking->identity, is_topic, name, value);
    if (config->is_sensitive || config->config_source == KAFKA_CONFIG_SOURCE_DEFAULT_CONFIG ||
        config->value.text == NULL)
        return;
    snprintf(key, sizeof(key), "%s %s", is_topic ? "topic" : "broker", name);
    load_result_environment(asking->result, key, "%s", value);
}

/* False: it is not known there (yet). */
static bool take_configs(struct asking *asking, bool is_topic,
                         const struct describe_configs_response *response)
{
    const struct describe_configs_response_describe_configs_result *result;

    if (response->results.count != 1)
        return false;
    result = &response->results.items[0];
    if (result->error_code != KAFKA_NONE)
        return false;
    for (int32_t i = 0; i < result->configs.count; i++)
        take_config(asking, is_topic, &result->configs.items[i]);
    return true;
}

static bool ask_configs(struct asking *asking, bool is_topic, const char *name)
{
    struct describe_configs_request request;
    struct describe_configs_request_describe_configs_resource resource;
    const struct timespec pause = {0, PAUSE_MS * 1000000L};
    const void *answer;
    enum err err;

    codec_set_defaults(&describe_configs_request_desc, &request);
    codec_set_struct_defaults(&describe_configs_request_describe_configs_resource_struct,
                              &resource);
    resource.resource_type =
        is_topic ? KAFKA_CONFIG_RESOURCE_TYPE_TOPIC : KAFKA_CONFIG_RESOURCE_TYPE_BROKER;
    resource.resource_name = wire_string(name);
    resource.configuration_keys.count = -1; /* all */
    request.resources.items = &resource;
    request.resources.count = 1;
    for (int i = 0; i < TRIES; i++) {
        arena_reset(&asking->arena);
        err = blocking_client_call(asking->client, API_DESCRIBE_CONFIGS, &request, &asking->arena,
                                   &answer);
        if (err == ERR_UNSUPPORTED || err == ERR_REFUSED)
            return false;
        if (err == OK && take_configs(asking, is_topic, answer))
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* The number of a broker; -1: none is known. */
static int32_t ask_node(struct asking *asking)
{
    struct metadata_request request;
    const struct metadata_response *response;
    const void *answer;

    codec_set_defaults(&metadata_request_desc, &request);
    if (blocking_client_call(asking->client, API_METADATA, &request, &asking->arena, &answer) != OK)
        return -1;
    response = answer;
    return response->brokers.count > 0 ? response->brokers.items[0].node_id : -1;
}

void load_identity_ask(struct load_result *result, const char *brokers, const char *topic,
                       int32_t timeout_ms, int32_t pid)
{
    struct asking asking = {.result = result};
    char problem[256];
    char text[16];

    if (blocking_client_open(brokers, timeout_ms, &asking.client, problem, sizeof(problem)) != OK)
        return;
    arena_init(&asking.arena, ARENA_BYTES);
    snprintf(text, sizeof(text), "%" PRId32, ask_node(&asking));
    if (ask_configs(&asking, false, text)) {
        name_driver(result, &asking.identity, pid);
        if (ask_configs(&asking, true, topic))
            snprintf(result->durability, sizeof(result->durability), "%s",
                     load_identity_durability(&asking.identity));
    }
    blocking_client_close(asking.client);
    arena_deinit(&asking.arena);
}
