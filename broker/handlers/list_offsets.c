/* ListOffsets (key 2): earliest, latest, by time and the other special timestamps
 * (KIP-79, 734, 1005; protocol/enums.tsv). Each partition is asked on its own shard. */
#include "broker/handlers.h"
#include "broker/kafka_error.h"
#include "broker/request.h"
#include "broker/scatter.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_list_offsets.h"

typedef struct list_offsets_request_list_offsets_partition asked_partition;
typedef struct list_offsets_response_list_offsets_partition_response answered_partition;

struct offset_piece {
    struct scatter_piece piece;
    const asked_partition *asked;
    answered_partition *answer;
    struct uuid topic_id;
    bool read_committed;
    int32_t leader_epoch;
    struct log_time_lookup lookup;
};

struct list_offsets {
    struct scatter scatter;
    struct request *request;
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

static void lookup_is_done(struct log_time_lookup *lookup, enum err err)
{
    struct offset_piece *piece = container_of(lookup, struct offset_piece, lookup);

    if (err != OK)
        finish_with_error(piece, kafka_error(err));
    else
        finish_with(piece, lookup->found_offset, lookup->found_timestamp_ms,
                    lookup->found_offset < 0 ? -1 : lookup->found_leader_epoch);
}

static void look_up_time(struct offset_piece *piece, struct partition *partition, int64_t bound)
{
    enum err err;

    piece->lookup = (struct log_time_lookup){
        .timestamp_ms = piece->asked->timestamp,
        .bound = bound,
        .max_timestamp = piece->asked->timestamp == KAFKA_LIST_OFFSETS_TIMESTAMP_MAX_TIMESTAMP,
        .done = lookup_is_done};
    err = log_lookup_time(partition->log, &piece->lookup);
    if (err != ERR_AGAIN)
        lookup_is_done(&piece->lookup, err);
}

static void ask_partition(struct scatter_piece *scattered, struct shard *at)
{
    struct offset_piece *piece = container_of(scattered, struct offset_piece, piece);
    struct partition *partition =
        topic_table_find(at->topics, &piece->topic_id, piece->asked->partition_index);
    struct log_offsets offsets;
    int64_t bound;
    enum err err;

    if (partition == NULL) {
        finish_with_error(piece, KAFKA_UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    err = partition_check_epoch(partition, piece->asked->current_leader_epoch);
    if (err == OK && log_is_quarantined(partition->log))
        err = ERR_QUARANTINED;
    if (err != OK) {
        finish_with_error(piece, kafka_error(err));
        return;
    }
    offsets = log_offsets(partition->log);
    bound = piece->read_committed ? offsets.last_stable : offsets.high_watermark;
    switch (piece->asked->timestamp) {
    case KAFKA_LIST_OFFSETS_TIMESTAMP_LATEST:
        finish_with(piece, bound, -1, partition->leader_epoch);
        return;
    case KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST:
    case KAFKA_LIST_OFFSETS_TIMESTAMP_EARLIEST_LOCAL:
        finish_with(piece, offsets.log_start, -1,
                    epoch_cache_find(log_epochs(partition->log), offsets.log_start));
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
            look_up_time(piece, partition, bound);
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

static void start_partition(struct list_offsets *all, const struct image_topic *topic,
                            int16_t topic_error, const asked_partition *asked,
                            answered_partition *answer)
{
    const struct list_offsets_request *body = all->request->body;
    struct shard *home = all->request->home;
    struct offset_piece *piece;

    answer->partition_index = asked->partition_index;
    answer->error_code = topic_error;
    if (topic_error != KAFKA_NONE)
        return;
    if (!topic_ref_has(topic, asked->partition_index)) {
        answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        return;
    }
    if (!version_has(all->request->api_version, asked->timestamp)) {
        answer->error_code = KAFKA_UNSUPPORTED_VERSION;
        return;
    }
    piece = request_alloc(all->request, 1, sizeof(*piece));
    piece->asked = asked;
    piece->answer = answer;
    piece->topic_id = topic->id;
    piece->read_committed = body->isolation_level == KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
    scatter_start(&all->scatter, &piece->piece,
                  shard_of_partition(home->shards, &topic->id, asked->partition_index),
                  ask_partition);
}

void handle_list_offsets(struct request *request)
{
    const struct list_offsets_request *body = request->body;
    struct list_offsets_response *response = request->response;
    struct list_offsets *all = request_alloc(request, 1, sizeof(*all));

    all->request = request;
    scatter_begin(&all->scatter, request->home, all_answered);
    response->topics.items = request_new_array(
        request, &list_offsets_response_list_offsets_topic_response_struct, body->topics.count);
    response->topics.count = body->topics.count;
    for (int32_t t = 0; t < body->topics.count; t++) {
        const struct list_offsets_request_list_offsets_topic *asked = &body->topics.items[t];
        struct list_offsets_response_list_offsets_topic_response *out = &response->topics.items[t];
        int16_t topic_error;
        const struct image_topic *topic =
            topic_ref_find(request->home->image, false, asked->name, NULL, &topic_error);
        if (topic != NULL &&
            !request_may(request, KAFKA_ACL_OPERATION_DESCRIBE, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                         topic->name, strlen(topic->name)))
            topic_error = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        out->name = asked->name;
        out->partitions.items = request_new_array(
            request, &list_offsets_response_list_offsets_partition_response_struct,
            asked->partitions.count);
        out->partitions.count = asked->partitions.count;
        for (int32_t p = 0; p < asked->partitions.count; p++)
            start_partition(all, topic, topic_error, &asked->partitions.items[p],
                            &out->partitions.items[p]);
    }
    scatter_end(&all->scatter);
}
