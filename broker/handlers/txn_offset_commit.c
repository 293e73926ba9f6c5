/* TxnOffsetCommit (key 28; KIP-98, 447, 890, 1319): as an OffsetCommit that is of a transaction. */
#include "broker/coordinator/coordinator_private.h"
#include "broker/coordinator/group_route.h"
#include "broker/coordinator/group_txn_commit.h"
#include "broker/coordinator/transaction_guard.h"
#include "broker/handlers.h"
#include "broker/request.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_txn_offset_commit.h"

enum {
    VERSION_HEARS_LOADING = 2, /* clients before it crash (KAFKA-7296) */
    VERSION_HEARS_ABORTED = 4,
    VERSION_ADDS_PARTITION = 5,
    VERSION_HEARS_NO_GROUP = 6,
    VERSION_BY_ID = 6,
};

/* The same in OffsetCommit's structs.  NULL: there is no memory. */
static struct offset_commit_request *as_offset_commit(struct request *request)
{
    const struct txn_offset_commit_request *body = request->body;
    struct offset_commit_request *out = request_try_alloc(request, 1, sizeof(*out));
    struct offset_commit_request_topic *topics =
        request_try_array(request, &offset_commit_request_topic_struct, body->topics.count);

    if (out == NULL || topics == NULL)
        return NULL;
    codec_set_defaults(&offset_commit_request_desc, out);
    out->group_id = body->group_id;
    out->generation_id_or_member_epoch = body->generation_id_or_member_epoch;
    out->member_id = body->member_id;
    out->group_instance_id = body->group_instance_id;
    out->topics.items = topics;
    out->topics.count = body->topics.count;
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct txn_offset_commit_request_topic *from = &body->topics.items[t];
        struct offset_commit_request_topic *to = &topics[t];
        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partitions.items = request_try_array(request, &offset_commit_request_partition_struct,
                                                 from->partitions.count);
        if (to->partitions.items == NULL)
            return NULL;
        to->partitions.count = from->partitions.count;
        for (int32_t p = 0; p < from->partitions.count; p++)
            to->partitions.items[p] = (struct offset_commit_request_partition){
                .partition_index = from->partitions.items[p].partition_index,
                .committed_offset = from->partitions.items[p].committed_offset,
                .committed_leader_epoch = from->partitions.items[p].committed_leader_epoch,
                .committed_metadata = from->partitions.items[p].committed_metadata};
    }
    return out;
}

/* READ on each topic that is known; another one gets its own error.  NULL: there is no memory. */
static const int16_t *judge_topics(struct request *request, const struct group_commit_ask *ask)
{
    int32_t count = ask->body->topics.count;
    int16_t *errors = request_try_alloc(request, count < 0 ? 0 : (size_t)count, sizeof(*errors));

    for (int32_t t = 0; errors != NULL && t < count; t++) {
        const struct offset_commit_request_topic *asked = &ask->body->topics.items[t];
        int16_t unknown;
        const struct image_topic *topic =
            topic_ref_find(request->at->image, ask->by_id, asked->name, &asked->topic_id, &unknown);
        struct wire_string name = topic == NULL ? asked->name : wire_string(topic->name);
        bool is_allowed =
            (ask->by_id && topic == NULL) ||
            request_may(request, KAFKA_ACL_OPERATION_READ, KAFKA_ACL_RESOURCE_TYPE_TOPIC, name.text,
                        (size_t)name.size_bytes);
        errors[t] = is_allowed ? KAFKA_NONE : KAFKA_TOPIC_AUTHORIZATION_FAILED;
    }
    return errors;
}

/* False: there is no memory. */
static bool fill_response(const struct group_commit_ask *ask)
{
    struct request *request = ask->request;
    struct txn_offset_commit_response *response = request->response;
    const struct offset_commit_response *answered = ask->response;

    response->topics.items = request_try_array(request, &txn_offset_commit_response_topic_struct,
                                               answered->topics.count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = answered->topics.count;
    for (int32_t t = 0; t < answered->topics.count; t++) {
        const struct offset_commit_response_topic *from = &answered->topics.items[t];
        struct txn_offset_commit_response_topic *to = &response->topics.items[t];
        to->name = from->name;
        to->topic_id = from->topic_id;
        to->partitions.items = request_try_array(
            request, &txn_offset_commit_response_partition_struct, from->partitions.count);
        if (to->partitions.items == NULL)
            return false;
        to->partitions.count = from->partitions.count;
        for (int32_t p = 0; p < from->partitions.count; p++) {
            int16_t error_code = from->partitions.items[p].error_code;
            if (error_code == KAFKA_COORDINATOR_LOAD_IN_PROGRESS &&
                request->api_version < VERSION_HEARS_LOADING)
                error_code = KAFKA_COORDINATOR_NOT_AVAILABLE;
            to->partitions.items[p].partition_index = from->partitions.items[p].partition_index;
            to->partitions.items[p].error_code = error_code;
        }
    }
    return true;
}

static void answer(struct group_commit_ask *ask)
{
    if (fill_response(ask))
        request_answer(ask->request);
    else
        request_refuse_memory(ask->request);
}

static int16_t may(const struct request *request)
{
    const struct txn_offset_commit_request *body = request->body;

    if (!request_may(request, KAFKA_ACL_OPERATION_WRITE, KAFKA_ACL_RESOURCE_TYPE_TRANSACTIONAL_ID,
                     body->transactional_id.text, (size_t)body->transactional_id.size_bytes))
        return KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (body->group_id.size_bytes == 0)
        return KAFKA_INVALID_GROUP_ID;
    return group_may(request, body->group_id, KAFKA_ACL_OPERATION_READ);
}

static void refuse_late(struct group_txn_commit *commit)
{
    transaction_guard_refuse(commit->ask.request, commit->transactional_id);
}

/* False: there is no memory. */
static bool fill_ask(struct group_txn_commit *commit, struct request *request)
{
    const struct txn_offset_commit_request *body = request->body;
    struct group_commit_ask *ask = &commit->ask;

    commit->transactional_id = body->transactional_id;
    commit->adds_partition = request->api_version >= VERSION_ADDS_PARTITION;
    commit->hears_aborted = request->api_version >= VERSION_HEARS_ABORTED;
    commit->late = refuse_late;
    ask->request = request;
    ask->body = as_offset_commit(request);
    ask->response = request_try_alloc(request, 1, sizeof(*ask->response));
    ask->by_id = request->api_version >= VERSION_BY_ID;
    ask->hears_no_group = request->api_version >= VERSION_HEARS_NO_GROUP;
    ask->is_transactional = true;
    ask->producer_id = body->producer_id;
    ask->producer_epoch = body->producer_epoch;
    ask->answer = answer;
    if (ask->body == NULL || ask->response == NULL)
        return false;
    ask->topic_errors = judge_topics(request, ask);
    return ask->topic_errors != NULL;
}

static void on_group_shard(struct request *request)
{
    struct group_txn_commit *commit = request_try_alloc(request, 1, sizeof(*commit));

    if (commit != NULL && fill_ask(commit, request))
        group_txn_commit_start(request->at->groups, commit);
    else
        request_refuse_memory(request);
}

void handle_txn_offset_commit(struct request *request)
{
    const struct txn_offset_commit_request *body = request->body;
    int16_t error_code = may(request);

    if (error_code == KAFKA_NONE)
        request_run_on(request, group_shard(request, body->group_id), on_group_shard);
    else
        request_answer_error(request, error_code, NULL);
}
