/* AddOffsetsToTxn (key 25; KIP-98): the partition of __consumer_offsets that a group's commits go
 * to is put into the transaction. */
#include "broker/config.h"
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/group_route.h"
#include "broker/coordinator/transaction_call.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/handlers.h"
#include "broker/internal_topics.h"
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

/* Also before the first commit of all, which makes the topic. */
static int32_t offsets_partition_of(struct shard *shard, struct wire_string group_id)
{
    const struct image_topic *topic =
        internal_topics_image(shard->image, KAFKA_COORDINATOR_KEY_TYPE_GROUP);
    int32_t count = topic != NULL ? (int32_t)topic->partition_count
                                  : shard_config(shard)->offsets_topic_num_partitions;

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
    else
        request_run_on(request, transaction_shard(request->home, id.text, (size_t)id.size_bytes),
                       on_shard);
}
