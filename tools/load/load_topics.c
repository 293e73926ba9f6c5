#include "tools/load/load_topics.h"

#include "base/mem.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_delete_topics.h"
#include "net/protocol/msg_metadata.h"
#include "tools/blocking_client.h"

#include <stdio.h>
#include <string.h>

enum { ARENA_BYTES = 64 << 20, CONFIGS_MAX = 64, TOPICS_A_REQUEST = 100, NAME_BYTES = 249 };

/* A connection and the memory of its requests. */
struct session {
    struct blocking_client *client;
    struct arena arena;
    int32_t timeout_ms;
};

static enum err open_session(const struct load_workload *workload, uint64_t timeout_ms,
                             struct session *session, char *problem, size_t problem_max)
{
    enum err err;

    arena_init(&session->arena, ARENA_BYTES);
    session->timeout_ms = (int32_t)(timeout_ms < INT32_MAX ? timeout_ms : INT32_MAX);
    err = blocking_client_open(workload->brokers, session->timeout_ms, &session->client, problem,
                               problem_max);
    if (err != OK)
        arena_deinit(&session->arena);
    return err;
}

static void close_session(struct session *session)
{
    blocking_client_close(session->client);
    arena_deinit(&session->arena);
}

static enum err err_of(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_NONE:
        return OK;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
        return ERR_NOT_FOUND;
    case KAFKA_TOPIC_ALREADY_EXISTS:
        return ERR_EXISTS;
    case KAFKA_TOPIC_AUTHORIZATION_FAILED:
    case KAFKA_CLUSTER_AUTHORIZATION_FAILED:
        return ERR_PERMISSION;
    case KAFKA_REQUEST_TIMED_OUT:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}

/* ---- names */

static char *name_of(const struct load_shared *shared, uint32_t index, const char *tail)
{
    const struct load_workload *workload = shared->workload;
    char name[NAME_BYTES + 1];

    if (workload->topic[0] == '\0')
        snprintf(name, sizeof(name), "levee-bench-%08x-%u%s", (unsigned)shared->run,
                 (unsigned)index, tail);
    else if (workload->topics_count == 1)
        snprintf(name, sizeof(name), "%.200s%s", workload->topic, tail);
    else
        snprintf(name, sizeof(name), "%.200s-%u%s", workload->topic, (unsigned)index, tail);
    return mem_strdup(name);
}

static void name_all(struct load_shared *shared)
{
    uint32_t count = shared->workload->topics_count;

    shared->topics = mem_alloc(count * sizeof(*shared->topics));
    if (shared->workload->is_pipeline)
        shared->outputs = mem_alloc(count * sizeof(*shared->outputs));
    for (uint32_t i = 0; i < count; i++) {
        shared->topics[i] = name_of(shared, i, "");
        if (shared->outputs != NULL)
            shared->outputs[i] = name_of(shared, i, "-out");
    }
}

/* ---- making */

/* "a=b,c=d" as settings; the text is cut in place. */
static int32_t split_configs(char *text, struct create_topics_request_creatable_topic_config *out)
{
    int32_t count = 0;
    char *rest = NULL;

    for (char *pair = strtok_r(text, ",", &rest); pair != NULL && count < CONFIGS_MAX;
         pair = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(pair, '=');
        if (equals == NULL)
            return -1;
        *equals = '\0';
        out[count].name = wire_string(pair);
        out[count++].value = wire_string(equals + 1);
    }
    return count;
}

static enum err create(struct load_shared *shared, struct session *session, char *const *names,
                       uint32_t count, char *problem, size_t problem_max)
{
    const struct load_workload *workload = shared->workload;
    struct create_topics_request request;
    struct create_topics_request_creatable_topic topics[TOPICS_A_REQUEST];
    struct create_topics_request_creatable_topic_config configs[CONFIGS_MAX];
    const struct create_topics_response *response;
    const void *answer;
    char text[LOAD_LONG_MAX];
    int32_t configs_count;
    enum err err;

    snprintf(text, sizeof(text), "%s", workload->topic_configs);
    configs_count = split_configs(text, configs);
    if (configs_count < 0) {
        snprintf(problem, problem_max, "--topic-config takes KEY=VALUE,...");
        return ERR_INVALID;
    }
    codec_set_defaults(&create_topics_request_desc, &request);
    for (uint32_t i = 0; i < count; i++) {
        codec_set_struct_defaults(&create_topics_request_creatable_topic_struct, &topics[i]);
        topics[i].name = wire_string(names[i]);
        topics[i].num_partitions = (int32_t)workload->partitions_count;
        topics[i].replication_factor =
            workload->replicas_count == 0 ? -1 : (int16_t)workload->replicas_count;
        topics[i].configs.items = configs;
        topics[i].configs.count = configs_count;
    }
    request.topics.items = topics;
    request.topics.count = (int32_t)count;
    request.timeout_ms = session->timeout_ms;
    err = blocking_client_call(session->client, API_CREATE_TOPICS, &request, &session->arena,
                               &answer);
    if (err != OK) {
        snprintf(problem, problem_max, "CreateTopics: %s", err_text(err));
        return err;
    }
    response = answer;
    for (int32_t i = 0; i < response->topics.count; i++) {
        const struct create_topics_response_creatable_topic_result *topic =
            &response->topics.items[i];
        if (topic->error_code == KAFKA_NONE ||
            (topic->error_code == KAFKA_TOPIC_ALREADY_EXISTS && workload->topic[0] != '\0'))
            continue;
        snprintf(problem, problem_max, "topic %.*s cannot be made: %s%s%.*s",
                 (int)topic->name.size_bytes, topic->name.text, kafka_error_name(topic->error_code),
                 topic->error_message.text == NULL ? "" : ": ",
                 topic->error_message.text == NULL ? 0 : (int)topic->error_message.size_bytes,
                 topic->error_message.text == NULL ? "" : topic->error_message.text);
        return err_of(topic->error_code);
    }
    return OK;
}

static enum err create_all(struct load_shared *shared, struct session *session, char *const *names,
                           char *problem, size_t problem_max)
{
    uint32_t count = shared->workload->topics_count;
    enum err err = OK;

    for (uint32_t i = 0; i < count && err == OK; i += TOPICS_A_REQUEST)
        err = create(shared, session, names + i,
                     count - i < TOPICS_A_REQUEST ? count - i : TOPICS_A_REQUEST, problem,
                     problem_max);
    return err;
}

/* Topics that are only read are there, or the run has no sense. */
static enum err look(struct load_shared *shared, struct session *session, char *problem,
                     size_t problem_max)
{
    for (uint32_t i = 0; i < shared->workload->topics_count; i++) {
        struct metadata_request request;
        struct metadata_request_topic topic;
        const struct metadata_response *response;
        const void *answer;
        enum err err;
        codec_set_defaults(&metadata_request_desc, &request);
        codec_set_struct_defaults(&metadata_request_topic_struct, &topic);
        topic.name = wire_string(shared->topics[i]);
        request.topics.items = &topic;
        request.topics.count = 1;
        request.allow_auto_topic_creation = false;
        err =
            blocking_client_call(session->client, API_METADATA, &request, &session->arena, &answer);
        response = answer;
        if (err == OK && response->topics.count == 1)
            err = err_of(response->topics.items[0].error_code);
        if (err != OK) {
            snprintf(problem, problem_max, "topic %s: %s", shared->topics[i],
                     err == ERR_NOT_FOUND ? "is not there" : err_text(err));
            return err;
        }
    }
    return OK;
}

enum err load_topics_create(struct load_shared *shared, char *problem, size_t problem_max)
{
    const struct load_workload *workload = shared->workload;
    struct session session;
    enum err err =
        open_session(workload, workload->timeout_ns / 1000000, &session, problem, problem_max);

    if (err != OK)
        return err;
    name_all(shared);
    if (workload->producers_count == 0 && workload->topic[0] != '\0') {
        err = look(shared, &session, problem, problem_max);
    } else {
        err = create_all(shared, &session, shared->topics, problem, problem_max);
        if (err == OK && shared->outputs != NULL)
            err = create_all(shared, &session, shared->outputs, problem, problem_max);
    }
    shared->has_new_topics = err == OK && workload->topic[0] == '\0';
    close_session(&session);
    return err;
}

/* ---- deleting */

static enum err delete_some(struct session *session, char *const *names, uint32_t count)
{
    struct delete_topics_request request;
    struct delete_topics_request_delete_topic_state topics[TOPICS_A_REQUEST];
    struct wire_string by_name[TOPICS_A_REQUEST];
    const void *answer;

    codec_set_defaults(&delete_topics_request_desc, &request);
    for (uint32_t i = 0; i < count; i++) {
        codec_set_struct_defaults(&delete_topics_request_delete_topic_state_struct, &topics[i]);
        topics[i].name = wire_string(names[i]);
        by_name[i] = topics[i].name;
    }
    if (blocking_client_version(session->client, API_DELETE_TOPICS) >= 6) {
        request.topics.items = topics;
        request.topics.count = (int32_t)count;
    } else {
        request.topic_names.items = by_name;
        request.topic_names.count = (int32_t)count;
    }
    request.timeout_ms = session->timeout_ms;
    return blocking_client_call(session->client, API_DELETE_TOPICS, &request, &session->arena,
                                &answer);
}

void load_topics_delete(struct load_shared *shared, uint32_t timeout_ms)
{
    const struct load_workload *workload = shared->workload;
    struct session session;
    char problem[256];

    if (shared->topics == NULL || workload->topic[0] != '\0' || workload->keeps_topics)
        return;
    if (open_session(workload, timeout_ms, &session, problem, sizeof(problem)) != OK)
        return; /* the broker is gone: told already */
    for (uint32_t i = 0; i < workload->topics_count; i += TOPICS_A_REQUEST) {
        uint32_t left = workload->topics_count - i;
        uint32_t count = left < TOPICS_A_REQUEST ? left : TOPICS_A_REQUEST;
        if (delete_some(&session, shared->topics + i, count) != OK)
            break;
        if (shared->outputs != NULL && delete_some(&session, shared->outputs + i, count) != OK)
            break;
    }
    close_session(&session);
}
