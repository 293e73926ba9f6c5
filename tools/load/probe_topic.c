/* probe_topic_make -> Metadata: is the topic there, how many brokers are there -> find the
 * controller -> CreateTopics or CreatePartitions -> done. */
#include "tools/load/probe_topic.h"

#include "base/check.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/kafka_tables.h"

#include <inttypes.h>
#include <stdio.h>

#define RETENTION_MS "3600000"

static void end(struct probe_topic *topic, enum err err, const char *what)
{
    if (err != OK && topic->error_code != KAFKA_NONE)
        snprintf(topic->problem, sizeof(topic->problem), "%s: %s", what,
                 kafka_error_name(topic->error_code));
    else if (err != OK)
        snprintf(topic->problem, sizeof(topic->problem), "%s: %s", what, err_text(err));
    topic->done(topic, err);
}

static enum err err_of_kafka(int16_t error_code)
{
    switch (error_code) {
    case KAFKA_TOPIC_AUTHORIZATION_FAILED:
    case KAFKA_CLUSTER_AUTHORIZATION_FAILED:
        return ERR_PERMISSION;
    case KAFKA_REQUEST_TIMED_OUT:
        return ERR_TIMEOUT;
    default:
        return ERR_INVALID;
    }
}

static void call(struct probe_topic *topic, struct client_broker *broker, int16_t key,
                 int16_t max_version, void (*done)(struct client_call *, enum err, const void *),
                 const char *what)
{
    enum err err;

    topic->call = (struct client_call){.key = key,
                                       .max_version = max_version,
                                       .fails_with_connection = true,
                                       .timeout_ms = topic->timeout_ms,
                                       .request = &topic->request,
                                       .done = done};
    err = client_broker_call(broker, &topic->call);
    if (err != OK)
        end(topic, err, what);
}

/* ---- CreateTopics, CreatePartitions */

static void on_created(struct client_call *client_call, enum err err, const void *answer)
{
    struct probe_topic *topic = container_of(client_call, struct probe_topic, call);
    const struct create_topics_response *response = answer;

    if (err == OK && response->topics.count != 1)
        err = ERR_MALFORMED;
    if (err == OK && response->topics.items[0].error_code != KAFKA_NONE &&
        response->topics.items[0].error_code != KAFKA_TOPIC_ALREADY_EXISTS) {
        topic->error_code = response->topics.items[0].error_code;
        err = err_of_kafka(topic->error_code);
    }
    end(topic, err, "CreateTopics");
}

static void create(struct probe_topic *topic, struct client_broker *controller)
{
    struct create_topics_request *request = &topic->request.create;
    struct create_topics_request_creatable_topic *item = &topic->item.create;

    codec_set_defaults(&create_topics_request_desc, request);
    codec_set_struct_defaults(&create_topics_request_creatable_topic_struct, item);
    item->name = wire_string(topic->name);
    item->num_partitions = topic->brokers_count;
    item->replication_factor = (int16_t)(topic->brokers_count < 3 ? topic->brokers_count : 3);
    topic->configs[0].name = wire_string("cleanup.policy");
    topic->configs[0].value = wire_string("delete");
    topic->configs[1].name = wire_string("retention.ms");
    topic->configs[1].value = wire_string(RETENTION_MS);
    item->configs.items = topic->configs;
    item->configs.count = PROBE_TOPIC_CONFIGS;
    request->topics.items = item;
    request->topics.count = 1;
    request->timeout_ms = (int32_t)topic->timeout_ms;
    call(topic, controller, API_CREATE_TOPICS, INT16_MAX, on_created, "CreateTopics");
}

static void on_grown(struct client_call *client_call, enum err err, const void *answer)
{
    struct probe_topic *topic = container_of(client_call, struct probe_topic, call);
    const struct create_partitions_response *response = answer;

    if (err == OK && response->results.count != 1)
        err = ERR_MALFORMED;
    if (err == OK && response->results.items[0].error_code != KAFKA_NONE) {
        topic->error_code = response->results.items[0].error_code;
        err = err_of_kafka(topic->error_code);
    }
    end(topic, err, "CreatePartitions");
}

static void grow(struct probe_topic *topic, struct client_broker *controller)
{
    struct create_partitions_request *request = &topic->request.grow;
    struct create_partitions_request_create_partitions_topic *item = &topic->item.grow;

    codec_set_defaults(&create_partitions_request_desc, request);
    codec_set_struct_defaults(&create_partitions_request_create_partitions_topic_struct, item);
    item->name = wire_string(topic->name);
    item->count = topic->brokers_count;
    item->assignments.items = NULL;
    item->assignments.count = -1;
    request->topics.items = item;
    request->topics.count = 1;
    request->timeout_ms = (int32_t)topic->timeout_ms;
    call(topic, controller, API_CREATE_PARTITIONS, INT16_MAX, on_grown, "CreatePartitions");
}

static void on_controller(struct client_wait *wait, enum err err)
{
    struct probe_topic *topic = container_of(wait, struct probe_topic, wait);
    struct client_broker *controller = err == OK ? client_cluster_controller(topic->cluster) : NULL;

    if (err == OK && controller == NULL)
        err = ERR_NOT_FOUND;
    if (err != OK)
        end(topic, err, "the controller");
    else if (topic->is_missing)
        create(topic, controller);
    else
        grow(topic, controller);
}

/* ---- Metadata */

static void on_metadata(struct client_call *client_call, enum err err, const void *answer)
{
    struct probe_topic *topic = container_of(client_call, struct probe_topic, call);
    const struct metadata_response *response = answer;
    const struct metadata_response_topic *told;

    if (err == OK && (response->topics.count != 1 || response->brokers.count < 1))
        err = ERR_MALFORMED;
    if (err != OK) {
        end(topic, err, "Metadata");
        return;
    }
    told = &response->topics.items[0];
    topic->brokers_count = response->brokers.count;
    topic->partitions_count = told->partitions.count;
    topic->is_missing = told->error_code == KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (told->error_code != KAFKA_NONE && !topic->is_missing &&
        !kafka_error_is_retriable(told->error_code)) {
        topic->error_code = told->error_code;
        end(topic, err_of_kafka(told->error_code), "Metadata");
        return;
    }
    if (!topic->is_missing && topic->partitions_count >= topic->brokers_count) {
        end(topic, OK, "");
        return;
    }
    topic->wait = (struct client_wait){.done = on_controller};
    client_cluster_find_controller(topic->cluster, &topic->wait, topic->timeout_ms);
}

void probe_topic_make(struct probe_topic *topic)
{
    struct metadata_request *request = &topic->request.metadata;

    topic->error_code = KAFKA_NONE;
    topic->problem[0] = '\0';
    codec_set_defaults(&metadata_request_desc, request);
    codec_set_struct_defaults(&metadata_request_topic_struct, &topic->item.metadata);
    topic->item.metadata.name = wire_string(topic->name);
    request->topics.items = &topic->item.metadata;
    request->topics.count = 1;
    request->allow_auto_topic_creation = false;
    call(topic, client_cluster_any(topic->cluster), API_METADATA, INT16_MAX, on_metadata,
         "Metadata");
}
