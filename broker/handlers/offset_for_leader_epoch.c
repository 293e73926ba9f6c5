/* OffsetForLeaderEpoch (key 23): where an epoch ends here (KIP-101, 279, 320). */
#include "broker/handlers.h"
#include "broker/kafka_error.h"
#include "broker/partition_read.h"
#include "broker/request.h"
#include "broker/scatter.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_offset_for_leader_epoch.h"

#include <string.h>

typedef struct offset_for_leader_epoch_request_offset_for_leader_topic asked_topic;
typedef struct offset_for_leader_epoch_request_offset_for_leader_partition asked_partition;
typedef struct offset_for_leader_epoch_response_epoch_end_offset answered_partition;

struct epoch_piece {
    struct scatter_piece piece;
    struct epoch_piece *next; /* in the order of the request */
    const asked_partition *asked;
    answered_partition *answer;
    struct uuid topic_id;
};

struct epoch_ends {
    struct scatter scatter;
    struct request *request;
    struct epoch_piece *pieces;
    struct epoch_piece **last;
};

static void ask_partition(struct scatter_piece *scattered, struct shard *at)
{
    struct epoch_piece *piece = container_of(scattered, struct epoch_piece, piece);
    struct partition *partition =
        topic_table_find(at->topics, &piece->topic_id, piece->asked->partition);
    enum err err = partition == NULL
                       ? ERR_NOT_FOUND
                       : partition_read_check(partition, piece->asked->current_leader_epoch);

    piece->answer->error_code = kafka_error(err);
    if (err == OK)
        piece->answer->end_offset = partition_read_epoch_end(partition, piece->asked->leader_epoch,
                                                             &piece->answer->leader_epoch);
    scatter_finish(scattered);
}

static void all_answered(struct scatter *scatter)
{
    request_answer(container_of(scatter, struct epoch_ends, scatter)->request);
}

/* False: there is no memory. */
static bool add_topic(struct epoch_ends *all, const asked_topic *asked,
                      struct offset_for_leader_epoch_response_offset_for_leader_topic_result *out)
{
    struct request *request = all->request;
    int16_t topic_error;
    const struct image_topic *topic =
        topic_ref_find(request->home->image, false, asked->topic, NULL, &topic_error);

    if (topic != NULL &&
        !request_may(request, KAFKA_ACL_OPERATION_DESCRIBE, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                     topic->name, strlen(topic->name)))
        topic_error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    out->topic = asked->topic;
    out->partitions.items =
        request_try_array(request, &offset_for_leader_epoch_response_epoch_end_offset_struct,
                          asked->partitions.count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = asked->partitions.count;
    for (int32_t p = 0; p < asked->partitions.count; p++) {
        const asked_partition *partition = &asked->partitions.items[p];
        answered_partition *answer = &out->partitions.items[p];
        struct epoch_piece *piece;
        answer->partition = partition->partition;
        answer->error_code = topic_error;
        if (topic_error == KAFKA_NONE && !topic_ref_has(topic, partition->partition))
            answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        if (answer->error_code != KAFKA_NONE)
            continue;
        piece = request_try_alloc(request, 1, sizeof(*piece));
        if (piece == NULL)
            return false;
        piece->asked = partition;
        piece->answer = answer;
        piece->topic_id = topic->id;
        *all->last = piece;
        all->last = &piece->next;
    }
    return true;
}

/* Everything that needs memory, before the first partition is asked.  False: there is none. */
static bool prepare(struct epoch_ends *all)
{
    const struct offset_for_leader_epoch_request *body = all->request->body;
    struct offset_for_leader_epoch_response *response = all->request->response;

    response->topics.items = request_try_array(
        all->request, &offset_for_leader_epoch_response_offset_for_leader_topic_result_struct,
        body->topics.count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = body->topics.count;
    for (int32_t t = 0; t < body->topics.count; t++)
        if (!add_topic(all, &body->topics.items[t], &response->topics.items[t]))
            return false;
    return true;
}

void handle_offset_for_leader_epoch(struct request *request)
{
    struct shard *home = request->home;
    struct epoch_ends *all = request_try_alloc(request, 1, sizeof(*all));

    if (all != NULL) {
        all->request = request;
        all->last = &all->pieces;
    }
    if (all == NULL || !prepare(all)) {
        request_refuse_memory(request);
        return;
    }
    scatter_begin(&all->scatter, home, all_answered);
    for (struct epoch_piece *piece = all->pieces; piece != NULL; piece = piece->next)
        scatter_start(&all->scatter, &piece->piece,
                      shard_of_partition(home->shards, &piece->topic_id, piece->asked->partition),
                      ask_partition);
    scatter_end(&all->scatter);
}
