/* DeleteRecords (key 21): raise the log start (KIP-107); answered when the new start is durable, or
 * when the time that was asked for is over. */
#include "base/hash_map.h"
#include "broker/handlers.h"
#include "broker/kafka_error.h"
#include "broker/partition_trim.h"
#include "broker/request.h"
#include "broker/scatter.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_delete_records.h"

#include <string.h>

typedef struct delete_records_request_delete_records_topic asked_topic;
typedef struct delete_records_request_delete_records_partition asked_partition;
typedef struct delete_records_response_delete_records_partition_result answered_partition;

enum {
    NO_TIME_MS = 1000, /* for who gives none: with one replica Kafka knows the outcome at once */
};

/* The same partition, named again. */
struct trim_again {
    struct trim_again *next;
    answered_partition *answer;
};

struct trim_piece {
    struct scatter_piece piece;
    struct trim_piece *next;      /* in the order of the request */
    const asked_partition *asked; /* last */
    answered_partition *answer;
    struct trim_again *again;
    struct trim_key {
        struct uuid topic_id;
        int32_t partition;
    } key;
    int32_t timeout_ms;
    struct shard *at;
    struct partition_trim trim;
    struct timer deadline;
};

struct trims {
    struct scatter scatter;
    struct request *request;
    struct trim_piece *pieces;
    struct trim_piece **last;
    struct hash_map named; /* of trim_piece.key, while they are put together */
};

/* On its shard. */
static void answer(struct trim_piece *piece, int16_t error_code, int64_t low_watermark)
{
    piece->answer->error_code = error_code;
    piece->answer->low_watermark = low_watermark;
    for (struct trim_again *again = piece->again; again != NULL; again = again->next)
        *again->answer = *piece->answer;
    scatter_finish(&piece->piece);
}

static void finish(struct trim_piece *piece, enum err err)
{
    loop_cancel_timer(&piece->at->loop, &piece->deadline);
    answer(piece, kafka_error(err), err == OK ? piece->trim.offset : -1);
}

static void on_trimmed(struct partition_trim *trim, enum err err)
{
    finish(container_of(trim, struct trim_piece, trim), err);
}

static void end_wait(struct trim_piece *piece)
{
    partition_trim_cancel(&piece->trim);
    finish(piece, ERR_TIMEOUT);
}

static void on_deadline(struct timer *timer)
{
    end_wait(container_of(timer, struct trim_piece, deadline));
}

/* What was not begun is an effect that was asked for: it waits on when the peer is gone. */
static void cancel_piece(struct scatter_piece *scattered, int why)
{
    struct trim_piece *piece = container_of(scattered, struct trim_piece, piece);

    if (why == REQUEST_CUT || (why == REQUEST_PEER_GONE && partition_trim_has_begun(&piece->trim)))
        end_wait(piece);
}

static void trim_partition(struct scatter_piece *scattered, struct shard *at)
{
    struct trim_piece *piece = container_of(scattered, struct trim_piece, piece);
    struct partition *partition =
        topic_table_find(at->topics, &piece->key.topic_id, piece->key.partition);

    piece->at = at;
    timer_init(&piece->deadline, on_deadline);
    if (partition == NULL) {
        finish(piece, ERR_NOT_FOUND);
        return;
    }
    if (!partition->config.log.retention_by_delete) {
        answer(piece, KAFKA_POLICY_VIOLATION, -1); /* cleanup.policy lacks delete */
        return;
    }
    loop_set_timer_ms(&at->loop, &piece->deadline, (uint64_t)piece->timeout_ms);
    piece->trim.offset = piece->asked->offset; /* -1: to the high watermark, as KIP-107 has it */
    piece->trim.done = on_trimmed;
    partition_trim(partition, &piece->trim);
}

static void all_answered(struct scatter *scatter)
{
    request_answer(container_of(scatter, struct trims, scatter)->request);
}

/* In Kafka, too, what was said last counts.  False: there is no memory. */
static bool name_again(struct trims *all, struct trim_piece *piece, const asked_partition *asked,
                       answered_partition *answer)
{
    struct trim_again *again = request_try_alloc(all->request, 1, sizeof(*again));

    if (again == NULL)
        return false;
    *again = (struct trim_again){.next = piece->again, .answer = answer};
    piece->again = again;
    piece->asked = asked;
    return true;
}

/* False: there is no memory. */
static bool name(struct trims *all, const struct image_topic *topic, const asked_partition *asked,
                 answered_partition *answer, int32_t timeout_ms)
{
    struct trim_key key = {.topic_id = topic->id, .partition = asked->partition_index};
    struct trim_piece *piece = hash_map_find(&all->named, &key, sizeof(key));

    if (piece != NULL)
        return name_again(all, piece, asked, answer);
    piece = request_try_alloc(all->request, 1, sizeof(*piece));
    if (piece == NULL)
        return false;
    piece->asked = asked;
    piece->answer = answer;
    piece->key = key;
    piece->timeout_ms = timeout_ms;
    piece->piece.cancel = cancel_piece;
    *all->last = piece;
    all->last = &piece->next;
    return hash_map_insert(&all->named, &piece->key, sizeof(piece->key), piece) == OK;
}

/* False: there is no memory. */
static bool add_topic(struct trims *all, int32_t timeout_ms, const asked_topic *asked,
                      struct delete_records_response_delete_records_topic_result *out)
{
    struct request *request = all->request;
    int16_t topic_error;
    const struct image_topic *topic =
        topic_ref_find(request->home->image, false, asked->name, NULL, &topic_error);

    if (topic != NULL &&
        !request_may(request, KAFKA_ACL_OPERATION_DELETE, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                     topic->name, strlen(topic->name)))
        topic_error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    /* internal logs are trimmed by their coordinators alone (Kafka: INVALID_TOPIC_EXCEPTION) */
    if (topic != NULL && topic_is_internal(topic->name))
        topic_error = KAFKA_INVALID_TOPIC_EXCEPTION;
    out->name = asked->name;
    out->partitions.items =
        request_try_array(request, &delete_records_response_delete_records_partition_result_struct,
                          asked->partitions.count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = asked->partitions.count;
    for (int32_t p = 0; p < asked->partitions.count; p++) {
        const asked_partition *partition = &asked->partitions.items[p];
        answered_partition *answer = &out->partitions.items[p];
        answer->partition_index = partition->partition_index;
        answer->low_watermark = -1;
        answer->error_code = topic_error;
        if (topic_error == KAFKA_NONE && !topic_ref_has(topic, partition->partition_index))
            answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        if (answer->error_code == KAFKA_NONE && !name(all, topic, partition, answer, timeout_ms))
            return false;
    }
    return true;
}

/* Everything that needs memory, before the first partition is trimmed.  False: there is none. */
static bool prepare(struct trims *all)
{
    const struct delete_records_request *body = all->request->body;
    struct delete_records_response *response = all->request->response;
    int32_t timeout_ms = body->timeout_ms > 0 ? body->timeout_ms : NO_TIME_MS;
    bool fits = true;

    response->topics.items =
        request_try_array(all->request, &delete_records_response_delete_records_topic_result_struct,
                          body->topics.count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = body->topics.count;
    hash_map_init(&all->named, prng_u64(&all->request->home->prng));
    for (int32_t t = 0; t < body->topics.count && fits; t++)
        fits = add_topic(all, timeout_ms, &body->topics.items[t], &response->topics.items[t]);
    hash_map_deinit(&all->named);
    return fits;
}

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct trims *all = request->cancel_context;

    scatter_cancel(&all->scatter, (int)why);
}

void handle_delete_records(struct request *request)
{
    struct shard *home = request->home;
    struct trims *all = request_try_alloc(request, 1, sizeof(*all));

    if (all != NULL) {
        all->request = request;
        all->last = &all->pieces;
    }
    if (all == NULL || !prepare(all)) {
        request_refuse_memory(request);
        return;
    }
    scatter_begin(&all->scatter, home, all_answered);
    for (struct trim_piece *piece = all->pieces; piece != NULL; piece = piece->next)
        scatter_start(&all->scatter, &piece->piece,
                      shard_of_partition(home->shards, &piece->key.topic_id, piece->key.partition),
                      trim_partition);
    request_on_cancel(request, on_cancel, all);
    scatter_end(&all->scatter);
}
