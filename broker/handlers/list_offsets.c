/* ListOffsets (key 2): earliest, latest, by time and the other special timestamps
 * (KIP-79, 734, 1005; protocol/enums.tsv). Each partition is asked on its own shard. */
#include "base/hash_map.h"
#include "broker/config.h"
#include "broker/handlers.h"
#include "broker/kafka_error.h"
#include "broker/partition_read.h"
#include "broker/producer_owner.h"
#include "broker/request.h"
#include "broker/scatter.h"
#include "broker/time_lookup.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_list_offsets.h"

typedef struct list_offsets_request_list_offsets_partition asked_partition;
typedef struct list_offsets_response_list_offsets_partition_response answered_partition;

struct list_offsets;

struct offset_piece {
    struct scatter_piece piece;
    struct offset_piece *next; /* of the request */
    const asked_partition *asked;
    answered_partition *answer;
    struct partition_key {
        struct uuid topic_id;
        int32_t partition;
    } key;
    bool is_repeated; /* named more than once */
    enum partition_isolation isolation;
    struct list_offsets *all;
    struct time_lookup lookup;
    struct timer timeout;
};

struct list_offsets {
    struct scatter scatter;
    struct request *request;
    struct offset_piece *first;
    struct offset_piece **last;
    struct hash_map named; /* of offset_piece.key */
    uint64_t timeout_ms;
    uint64_t client; /* producer_owner_of its address */
};

static void finish_with(struct offset_piece *piece, int64_t offset, int64_t timestamp_ms,
                        int32_t leader_epoch)
{
    piece->answer->offset = offset;
    piece->answer->timestamp = timestamp_ms;
    piece->answer->leader_epoch = leader_epoch;
    scatter_finish(&piece->piece);
}

static void finish_with_error(struct offset_piece *piece, int16_t error_code)
{
    piece->answer->error_code = error_code;
    scatter_finish(&piece->piece);
}

/* ---- lookups by time: they have their turns, at most for the time that the request gives them */

static void answer_lookup(struct offset_piece *piece, enum err err)
{
    const struct log_time_lookup *search = &piece->lookup.search;

    loop_cancel_timer(&piece->piece.call.target->loop, &piece->timeout);
    if (err == ERR_NOT_FOUND)
        finish_with_error(piece, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
    else if (err != OK)
        finish_with_error(piece, kafka_error(err));
    else
        finish_with(piece, search->found_offset, search->found_timestamp_ms,
                    search->found_offset < 0 ? -1 : search->found_leader_epoch);
}

static void lookup_is_done(struct time_lookup *lookup, enum err err)
{
    answer_lookup(container_of(lookup, struct offset_piece, lookup), err);
}

static void on_timeout(struct timer *timer)
{
    struct offset_piece *piece = container_of(timer, struct offset_piece, timeout);

    time_lookup_cancel(&piece->lookup);
    answer_lookup(piece, ERR_TIMEOUT);
}

static void cancel_lookup(struct scatter_piece *scattered, int why)
{
    on_timeout(&container_of(scattered, struct offset_piece, piece)->timeout);
}

static void look_up_time(struct offset_piece *piece, struct shard *at)
{
    enum err err;

    piece->timeout.fire = on_timeout;
    loop_set_timer_ms(&at->loop, &piece->timeout, piece->all->timeout_ms);
    piece->lookup = (struct time_lookup){
        .topic_id = piece->key.topic_id,
        .partition = piece->key.partition,
        .owner = {.client = piece->all->client, .request = piece->all->request},
        .isolation = piece->isolation,
        .search = {.timestamp_ms = piece->asked->timestamp,
                   .max_timestamp =
                       piece->asked->timestamp == KAFKA_LIST_OFFSETS_TIMESTAMP_MAX_TIMESTAMP},
        .done = lookup_is_done};
    err = time_lookup_start(&piece->lookup, at);
    if (err != ERR_AGAIN)
        answer_lookup(piece, err);
}

static void ask_partition(struct scatter_piece *scattered, struct shard *at)
{
    struct offset_piece *piece = container_of(scattered, struct offset_piece, piece);
    struct partition *partition =
        topic_table_find(at->topics, &piece->key.topic_id, piece->asked->partition_index);
    enum err err;

    if (partition == NULL) {
        finish_with_error(piece, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    err = partition_read_check(partition, piece->asked->current_leader_epoch);
    if (err != OK) {
        finish_with_error(piece, kafka_error(err));
        return;
    }
    switch (piece->asked->timestamp) {
    case KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST:
        finish_with(piece, partition_read_bound(partition, piece->isolation), -1,
                    partition->leader_epoch);
        return;
    case KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST:
    case KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST_LOCAL:
        finish_with(piece, partition_offsets(partition).log_start, -1,
                    partition_read_start_epoch(partition));
        return;
    case KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST_TIERED: /* nothing is tiered: Kafka answers "unknown"
                                                        with epoch -1 */
    case KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST_PENDING_UPLOAD:
        finish_with(piece, -1, -1, -1);
        return;
    default:
        if (piece->asked->timestamp < KAFKA_LIST_OFFSETS_TIMESTAMP_MAX_TIMESTAMP)
            finish_with_error(piece, KAFKA_UNSUPPORTED_VERSION);
        else
            look_up_time(piece, at);
    }
}

static void all_answered(struct scatter *scatter)
{
    request_answer(container_of(scatter, struct list_offsets, scatter)->request);
}

/* The oldest version in which a special timestamp may be asked (KIP-734, 405, 1005, 1023). */
static bool version_has(int16_t version, int64_t timestamp)
{
    return timestamp >= KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST ||
           (timestamp == KAFKA_LIST_OFFSETS_TIMESTAMP_MAX_TIMESTAMP && version >= 7) ||
           (timestamp == KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST_LOCAL && version >= 8) ||
           (timestamp == KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST_TIERED && version >= 9) ||
           (timestamp == KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST_PENDING_UPLOAD && version >= 11);
}

/* Kafka: a partition that is named twice in one request is answered INVALID_REQUEST each time. */
static void repeat(struct offset_piece *piece, answered_partition *answer)
{
    piece->is_repeated = true;
    piece->answer->error_code = KAFKA_INVALID_REQUEST;
    answer->error_code = KAFKA_INVALID_REQUEST;
}

/* False: there is no memory. */
static bool add_partition(struct list_offsets *all, const struct image_topic *topic,
                          int16_t topic_error, const asked_partition *asked,
                          answered_partition *answer)
{
    const struct list_offsets_request *body = all->request->body;
    struct partition_key key = {.partition = asked->partition_index};
    struct offset_piece *piece;

    answer->partition_index = asked->partition_index;
    answer->error_code = topic_error;
    if (topic_error != KAFKA_NONE)
        return true;
    if (!topic_ref_has(topic, asked->partition_index)) {
        answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return true;
    }
    if (!version_has(all->request->api_version, asked->timestamp)) {
        answer->error_code = KAFKA_UNSUPPORTED_VERSION;
        return true;
    }
    key.topic_id = topic->id;
    piece = hash_map_find(&all->named, &key, sizeof(key));
    if (piece != NULL) {
        repeat(piece, answer);
        return true;
    }
    piece = request_try_alloc(all->request, 1, sizeof(*piece));
    if (piece == NULL)
        return false;
    piece->all = all;
    piece->asked = asked;
    piece->answer = answer;
    piece->key = key;
    piece->isolation = body->isolation_level == KAFKA_ISOLATION_LEVEL_READ_COMMITTED
                           ? PARTITION_COMMITTED
                           : PARTITION_UNCOMMITTED;
    piece->piece.cancel = cancel_lookup;
    if (hash_map_insert(&all->named, &piece->key, sizeof(piece->key), piece) != OK)
        return false;
    *all->last = piece;
    all->last = &piece->next;
    return true;
}

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct list_offsets *all = request->cancel_context;

    scatter_cancel(&all->scatter, (int)why);
}

static void ask_all(struct list_offsets *all)
{
    struct shard *home = all->request->home;

    scatter_begin(&all->scatter, home, all_answered);
    request_on_cancel(all->request, on_cancel, all);
    for (struct offset_piece *piece = all->first; piece != NULL; piece = piece->next)
        if (!piece->is_repeated)
            scatter_start(
                &all->scatter, &piece->piece,
                shard_of_partition(home->shards, &piece->key.topic_id, piece->key.partition),
                ask_partition);
    scatter_end(&all->scatter);
}

/* As in Kafka's ReplicaManager.fetchOffset. */
static uint64_t timeout_ms_of(const struct request *request)
{
    const struct list_offsets_request *body = request->body;
    int64_t timeout_ms = body->timeout_ms;

    if (request->api_version < 10)
        timeout_ms = shard_config(request->home)->remote_list_offsets_request_timeout_ms;
    return timeout_ms < 0 ? 0 : (uint64_t)timeout_ms;
}

static bool add_topic(struct list_offsets *all,
                      const struct list_offsets_request_list_offsets_topic *asked,
                      struct list_offsets_response_list_offsets_topic_response *out)
{
    struct request *request = all->request;
    int16_t topic_error;
    const struct image_topic *topic =
        topic_ref_find(request->home->image, false, asked->name, NULL, &topic_error);

    if (topic != NULL &&
        !request_may(request, KAFKA_ACL_OPERATION_DESCRIBE, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                     topic->name, strlen(topic->name)))
        topic_error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    out->name = asked->name;
    out->partitions.items =
        request_try_array(request, &list_offsets_response_list_offsets_partition_response_struct,
                          asked->partitions.count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = asked->partitions.count;
    for (int32_t p = 0; p < asked->partitions.count; p++)
        if (!add_partition(all, topic, topic_error, &asked->partitions.items[p],
                           &out->partitions.items[p]))
            return false;
    return true;
}

/* Everything that needs memory, before the first partition is asked.  False: there is none. */
static bool prepare(struct list_offsets *all)
{
    const struct list_offsets_request *body = all->request->body;
    struct list_offsets_response *response = all->request->response;
    bool fits = true;

    response->topics.items =
        request_try_array(all->request, &list_offsets_response_list_offsets_topic_response_struct,
                          body->topics.count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = body->topics.count;
    hash_map_init(&all->named, prng_u64(&all->request->home->prng));
    for (int32_t t = 0; t < body->topics.count && fits; t++)
        fits = add_topic(all, &body->topics.items[t], &response->topics.items[t]);
    hash_map_deinit(&all->named);
    return fits;
}

void handle_list_offsets(struct request *request)
{
    struct list_offsets *all = request_try_alloc(request, 1, sizeof(*all));

    if (all != NULL) {
        all->request = request;
        all->client = producer_owner_of(&request->client->peer);
        all->timeout_ms = timeout_ms_of(request);
        all->last = &all->first;
    }
    if (all != NULL && prepare(all))
        ask_all(all);
    else
        request_refuse_memory(request);
}
