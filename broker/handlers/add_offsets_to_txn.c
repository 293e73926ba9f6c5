/* AddOffsetsToTxn (key 25; KIP-98): the partition of __consumer_offsets that a group's commits go
 * to is put into the transaction. */
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/group_route.h"
#include "broker/coordinator/transaction_call.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/handlers.h"
#include "broker/internal_topic_creation.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_add_offsets_to_txn.h"

#include <string.h>

static void answer(struct request *request, int16_t error)
{
    if (error == KAFKA_PRODUCER_FENCED && request->api_version < 2)
        error = KAFKA_INVALID_PRODUCER_EPOCH;
    if (error == KAFKA_NONE)
        request_answer(request);
    else
        request_answer_error(request, error, NULL);
}

static void on_done(void *context, const struct transaction_decision *decision, int16_t error)
{
    answer(context, error);
}

/* Where the topic is not known here yet, any will do: it is refused (transaction_step.c). */
static int32_t offsets_partition_of(struct shard *shard, struct wire_string group_id)
{
    const struct image_topic *topic =
        internal_topics_image(shard->image, KAFKA_COORDINATOR_KEY_TYPE_GROUP);
    int32_t count = topic != NULL ? (int32_t)topic->partition_count : 1;

    return group_partition_of(group_id.text, (size_t)group_id.size_bytes, count);
}

static void on_shard(struct request *request)
{
    const struct internal_topic *topic = internal_topics_of_keys(KAFKA_COORDINATOR_KEY_TYPE_GROUP);
    const struct add_offsets_to_txn_request *body = request->body;
    struct transaction_partitions adds = {0};
    struct transaction_event event = {
        .kind = TRANSACTION_ADD,
        .version = TRANSACTION_V0, /* as Kafka records it */
        .producer_id = body->producer_id,
        .epoch = body->producer_epoch,
    };
    enum err err;

    if (transaction_guard_is_late(request->at, request->client, body->transactional_id,
                                  body->producer_id, body->producer_epoch)) {
        transaction_guard_refuse(request, body->transactional_id);
        return;
    }
    err = transaction_partitions_add(&adds, topic->name, strlen(topic->name),
                                     offsets_partition_of(request->at, body->group_id));
    if (err == OK)
        transaction_call_start_for(request, body->transactional_id, &event, &adds, on_done);
    else
        answer(request, KAFKA_COORDINATOR_LOAD_IN_PROGRESS);
    transaction_partitions_deinit(&adds);
}

static void run(struct request *request)
{
    const struct add_offsets_to_txn_request *body = request->body;
    struct wire_string id = body->transactional_id;

    request_run_on(request, transaction_shard(request->home, id.text, (size_t)id.size_bytes),
                   on_shard);
}

struct offsets_topic {
    struct request *request;
    struct internal_topic_creation creation;
};

static void on_created(struct internal_topic_creation *creation, bool failed)
{
    struct request *request = container_of(creation, struct offsets_topic, creation)->request;

    if (failed)
        request_answer_error(request, KAFKA_COORDINATOR_NOT_AVAILABLE, NULL);
    else
        run(request);
}

/* A producer may ask for this before anybody has asked for a group's coordinator. */
static void create_topic(struct request *request)
{
    struct offsets_topic *wait = request_try_alloc(request, 1, sizeof(*wait));

    if (wait == NULL) {
        request_refuse_memory(request);
        return;
    }
    wait->request = request;
    wait->creation.topic = internal_topics_of_keys(KAFKA_COORDINATOR_KEY_TYPE_GROUP);
    wait->creation.done = on_created;
    internal_topic_creation_start(&wait->creation, request->home);
}

void handle_add_offsets_to_txn(struct request *request)
{
    const struct add_offsets_to_txn_request *body = request->body;
    struct wire_string id = body->transactional_id;
    int16_t error = transaction_may(request, id, KAFKA_ACL_OPERATION_WRITE);

    if (error == KAFKA_NONE)
        error = group_may(request, body->group_id, KAFKA_ACL_OPERATION_READ);
    if (error == KAFKA_NONE && id.size_bytes == 0)
        error = KAFKA_INVALID_REQUEST;
    if (error != KAFKA_NONE)
        request_answer_error(request, error, NULL);
    else if (internal_topics_image(request->home->image, KAFKA_COORDINATOR_KEY_TYPE_GROUP) == NULL)
        create_topic(request);
    else
        run(request);
}
