/* Metadata (key 3): brokers, topics, leaders; creates topics that are asked for (KIP-4, 361, 430,
 * 516, 700).
 *
 * The walk: error_of_request → mark_repeated → find_missing: missing topics, when they may be
 * created: create_all on the controller's shard → on_all_created, back home → answer.  As Kafka
 * does, the first answer still says UNKNOWN_TOPIC_OR_PARTITION of a topic that was just made; the
 * client asks again, and so gets those above CREATIONS_MAX made, too. */
#include "base/hash_map.h"
#include "broker/authorized.h"
#include "broker/config.h"
#include "broker/endpoint.h"
#include "broker/handlers.h"
#include "broker/metadata/controller.h"
#include "broker/metadata/image.h"
#include "broker/partition_facts.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_metadata.h"
#include "storage/dir/log_names.h"

#include <string.h>

typedef struct metadata_request_topic asked_topic;
typedef struct metadata_response_topic answered_topic;

enum { CREATIONS_MAX = 100 }; /* topics that one request makes */

/* Of an entry of the request. */
enum mark { MARK_REPEATED = 1, MARK_CREATED = 2 };

struct creation {
    struct controller_auto_create create;
    struct metadata_lookup *all;
};

struct metadata_lookup {
    struct shard_call call; /* to the controller and back */
    struct request *request;
    uint8_t *marks; /* one for each entry of the request */
    struct creation *creations;
    uint32_t creation_count;
    uint32_t pending_count;
};

static bool may(const struct request *request, int8_t operation, struct wire_string topic)
{
    return request_may(request, operation, KAFKA_ACL_RESOURCE_TYPE_TOPIC, topic.text,
                       topic.text == NULL ? 0 : (size_t)topic.size_bytes);
}

/* ---- the answer: each filler says false when there is no memory */

static bool fill_partition(struct request *request, const struct image_partition *partition,
                           struct metadata_response_partition *out)
{
    const struct image *image = request->home->image;

    out->partition_index = partition->index;
    out->leader_epoch = partition->leader_epoch;
    out->leader_id = partition_facts_leader(image, partition);
    out->error_code = out->leader_id == -1 ? KAFKA_LEADER_NOT_AVAILABLE : KAFKA_NONE;
    return partition_facts_copy_ids(request, partition->replicas, partition->replica_count,
                                    &out->replica_nodes.items, &out->replica_nodes.count) &&
           partition_facts_copy_ids(request, partition->isr, partition->isr_count,
                                    &out->isr_nodes.items, &out->isr_nodes.count) &&
           partition_facts_copy_offline(request, partition, &out->offline_replicas.items,
                                        &out->offline_replicas.count);
}

static bool fill_topic(struct request *request, const struct image_topic *topic,
                       answered_topic *out)
{
    const struct metadata_request *body = request->body;

    out->error_code = KAFKA_NONE;
    out->name = wire_string(topic->name);
    out->topic_id = topic->id;
    out->is_internal = topic_is_internal(topic->name);
    out->partitions.items = request_try_array(request, &metadata_response_partition_struct,
                                              (int32_t)topic->partition_count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = (int32_t)topic->partition_count;
    for (uint32_t i = 0; i < topic->partition_count; i++)
        if (!fill_partition(request, &topic->partitions[i], &out->partitions.items[i]))
            return false;
    if (body->include_topic_authorized_operations)
        out->topic_authorized_operations = authorized_on_topic(request, topic->name);
    return true;
}

static bool fill_brokers(struct request *request, struct metadata_response *response)
{
    const struct image *image = request->home->image;
    int32_t node_id = config_node_id(request->home->config);
    char *host = request_try_alloc(request, 1, ENDPOINT_HOST_MAX);
    struct metadata_response_broker *out =
        request_try_array(request, &metadata_response_broker_struct, 1);
    const struct image_broker *self = image_broker_find(image, node_id);
    uint16_t port;

    if (host == NULL || out == NULL)
        return false;
    endpoint_for(request, host, &port);
    out->node_id = node_id;
    out->host = wire_string(host);
    out->port = port;
    out->rack = wire_string(self == NULL ? NULL : self->rack);
    response->brokers.items = out;
    response->brokers.count = 1;
    response->controller_id = node_id;
    response->cluster_id =
        wire_string(controller_cluster_id(shard_of_controller(request->home->shards)->controller));
    return true;
}

static int16_t error_of_missing(struct wire_string name)
{
    return name.text != NULL && log_names_topic_is_valid(name.text, (size_t)name.size_bytes)
               ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
               : KAFKA_INVALID_TOPIC_EXCEPTION;
}

static bool fill_all_topics(struct request *request, struct metadata_response *response)
{
    const struct image *image = request->home->image;
    const struct image_topic *topic;
    size_t cursor = 0;

    response->topics.items = request_try_array(request, &metadata_response_topic_struct,
                                               (int32_t)image_topic_count(image));
    if (response->topics.items == NULL)
        return false;
    while ((topic = image_topic_next(image, &cursor)) != NULL)
        if (may(request, KAFKA_ACL_OPERATION_DESCRIBE, wire_string(topic->name)) &&
            !fill_topic(request, topic, &response->topics.items[response->topics.count++]))
            return false;
    return true;
}

/* Does the request name topics by id?  Then entries without one are passed over, as in Kafka. */
static bool is_by_id(const struct metadata_request *body)
{
    for (int32_t i = 0; i < body->topics.count; i++)
        if (!uuid_is_zero(&body->topics.items[i].topic_id))
            return true;
    return false;
}

/* What an earlier entry names is answered there. */
static enum err mark_repeated(struct metadata_lookup *all)
{
    const struct metadata_request *body = all->request->body;
    bool by_id = is_by_id(body);
    struct hash_map seen;
    enum err err = OK;

    if (body->topics.count <= 0)
        return OK;
    all->marks = request_try_alloc(all->request, (size_t)body->topics.count, 1);
    if (all->marks == NULL)
        return ERR_NOMEM;
    hash_map_init(&seen, prng_u64(&all->request->home->prng));
    for (int32_t i = 0; i < body->topics.count && err == OK; i++) {
        asked_topic *asked = &body->topics.items[i];
        const void *key = by_id ? (const void *)&asked->topic_id : asked->name.text;
        size_t key_bytes = by_id ? sizeof(asked->topic_id) : (size_t)asked->name.size_bytes;
        err = hash_map_insert(&seen, key, key_bytes, asked);
        if (err == ERR_EXISTS) {
            all->marks[i] = MARK_REPEATED;
            err = OK;
        }
    }
    hash_map_deinit(&seen);
    return err;
}

static bool fill_named_topics(struct metadata_lookup *all, struct metadata_response *response)
{
    struct request *request = all->request;
    const struct metadata_request *body = request->body;
    const struct image *image = request->home->image;
    bool by_id = is_by_id(body);

    response->topics.items =
        request_try_array(request, &metadata_response_topic_struct, body->topics.count);
    if (response->topics.items == NULL)
        return false;
    for (int32_t i = 0; i < body->topics.count; i++) {
        const asked_topic *asked = &body->topics.items[i];
        const struct image_topic *topic;
        answered_topic *out = &response->topics.items[response->topics.count];
        int16_t error_code;
        if ((by_id && uuid_is_zero(&asked->topic_id)) || (all->marks[i] & MARK_REPEATED) != 0)
            continue;
        response->topics.count++;
        topic = topic_ref_find(image, by_id, asked->name, &asked->topic_id, &error_code);
        if ((all->marks[i] & MARK_CREATED) != 0)
            topic = NULL; /* just made: see above */
        if (topic != NULL && may(request, KAFKA_ACL_OPERATION_DESCRIBE, wire_string(topic->name))) {
            if (!fill_topic(request, topic, out))
                return false;
            continue;
        }
        out->topic_id = asked->topic_id;
        out->name = by_id ? (struct wire_string){0} : asked->name;
        out->error_code = by_id ? KAFKA_UNKNOWN_TOPIC_ID : error_of_missing(asked->name);
        if (topic != NULL && !by_id)
            out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    }
    return true;
}

static bool asks_for_all(const struct request *request)
{
    const struct metadata_request *body = request->body;

    return request->api_version == 0 ? body->topics.count == 0 : body->topics.count < 0;
}

static void answer(struct metadata_lookup *all)
{
    struct request *request = all->request;
    const struct metadata_request *body = request->body;
    struct metadata_response *response = request->response;

    if (!fill_brokers(request, response) ||
        !(asks_for_all(request) ? fill_all_topics(request, response)
                                : fill_named_topics(all, response))) {
        request_refuse_memory(request);
        return;
    }
    if (body->include_cluster_authorized_operations)
        response->cluster_authorized_operations = authorized_on_cluster(request);
    request_answer(request);
}

/* ---- creation */

static void on_all_created(struct shard_call *call)
{
    answer(container_of(call, struct metadata_lookup, call));
}

static void drop_one(struct metadata_lookup *all)
{
    if (--all->pending_count == 0)
        shard_call_finish(&all->call);
}

static void on_created(struct controller_call *call)
{
    struct controller_auto_create *create = container_of(call, struct controller_auto_create, call);

    /* an error is the next request's: it will find the topic missing again */
    drop_one(container_of(create, struct creation, create)->all);
}

static void create_all(struct shard_call *call)
{
    struct metadata_lookup *all = container_of(call, struct metadata_lookup, call);

    all->pending_count = 1; /* ours, until all are on their way */
    for (uint32_t i = 0; i < all->creation_count; i++) {
        struct creation *creation = &all->creations[i];
        creation->all = all;
        creation->create.call.done = on_created;
        all->pending_count++;
        controller_auto_create_topic(call->target->controller, &creation->create);
    }
    drop_one(all);
}

/* What is missing and may be made, into creations. */
static enum err find_missing(struct metadata_lookup *all)
{
    struct request *request = all->request;
    const struct metadata_request *body = request->body;
    const struct image *image = request->home->image;
    int32_t count = body->topics.count;

    if (asks_for_all(request) || is_by_id(body) || count == 0 ||
        (request->api_version >= 4 && !body->allow_auto_topic_creation) ||
        !shard_config(request->home)->auto_create_topics_enable)
        return OK;
    for (int32_t i = 0; i < count && all->creation_count < CREATIONS_MAX; i++) {
        struct wire_string name = body->topics.items[i].name;
        struct wire_string copy;
        if (error_of_missing(name) != KAFKA_UNKNOWN_TOPIC_OR_PARTITION ||
            image_topic_by_name(image, name.text, (size_t)name.size_bytes) != NULL ||
            (all->marks[i] & MARK_REPEATED) != 0 || !may(request, KAFKA_ACL_OPERATION_CREATE, name))
            continue;
        if (all->creations == NULL)
            all->creations =
                request_try_alloc(request, count < CREATIONS_MAX ? (size_t)count : CREATIONS_MAX,
                                  sizeof(*all->creations));
        if (all->creations == NULL || !request_try_text(request, name, &copy))
            return ERR_NOMEM;
        all->creations[all->creation_count++].create.name = copy.text;
        all->marks[i] |= MARK_CREATED;
    }
    return OK;
}

/* ---- requests that are wrong as a whole */

/* As Kafka's error answer: every topic with the same code, and nothing else. */
static void refuse(struct request *request, int16_t error_code)
{
    const struct metadata_request *body = request->body;
    struct metadata_response *response = request->response;

    response->topics.items =
        request_try_array(request, &metadata_response_topic_struct, body->topics.count);
    if (response->topics.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->topics.count = body->topics.count;
    for (int32_t i = 0; i < body->topics.count; i++) {
        answered_topic *out = &response->topics.items[i];
        out->error_code = error_code;
        out->topic_id = body->topics.items[i].topic_id;
        out->name = body->topics.items[i].name;
        if (out->name.text == NULL)
            out->name = wire_string("");
    }
    response->error_code = error_code;
    request_answer(request);
}

static int16_t error_of_request(const struct request *request)
{
    const struct metadata_request *body = request->body;

    for (int32_t i = 0; i < body->topics.count; i++) {
        const asked_topic *asked = &body->topics.items[i];
        bool has_id = !uuid_is_zero(&asked->topic_id);
        /* ids came with version 10 in the answers, with 12 in the requests (KIP-516) */
        if (request->api_version < 12 && (has_id || asked->name.text == NULL))
            return KAFKA_INVALID_REQUEST;
        if (!has_id && asked->name.text == NULL)
            return KAFKA_UNKNOWN_SERVER_ERROR; /* Kafka stumbles over it, and says so */
    }
    return KAFKA_NONE;
}

void handle_metadata(struct request *request)
{
    struct metadata_lookup *all = request_try_alloc(request, 1, sizeof(*all));
    int16_t error_code = error_of_request(request);

    if (error_code != KAFKA_NONE) {
        refuse(request, error_code);
        return;
    }
    if (all != NULL)
        all->request = request;
    if (all == NULL || mark_repeated(all) != OK || find_missing(all) != OK)
        request_refuse_memory(request);
    else if (all->creation_count == 0)
        answer(all);
    else
        shard_call_start(&all->call, request->home, shard_of_controller(request->home->shards),
                         create_all, on_all_created);
}
