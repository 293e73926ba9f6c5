/* One partition of a fetcher.  Data: asked for from fetch_offset on (client_fetch_node.c) -> _take
 * makes a piece of what came -> the owner pulls its batches (client_fetcher.c) -> _end_piece.
 * Whatever sets fetch_offset anew raises generation, so that an answer to an older question is not
 * taken (CFP-2). */
#include "base/mem.h"
#include "net/client/client_fetcher_private.h"
#include "net/protocol/kafka_errors.h"

/* ---- whom to ask */

void client_fetch_part_leave_node(struct client_fetch_part *part)
{
    if (part->node == NULL)
        return;
    client_fetch_session_drop(&part->node->session, &part->entry);
    list_remove(&part->of_node);
    part->node = NULL;
    part->generation++;
}

static int32_t target_id(const struct client_fetch_part *part)
{
    const struct client_topic *topic = part->topic->topic;

    if (part->preferred_id >= 0)
        return part->preferred_id;
    return part->partition < topic->partitions_count ? topic->partitions[part->partition].leader_id
                                                     : -1;
}

static void forget_preferred(struct client_fetch_part *part)
{
    part->preferred_id = -1;
    part->preferred_until_ns = 0;
}

static void note_failure(struct client_fetch_part *part, int16_t error_code)
{
    if (part->failing_since_ns == 0)
        part->failing_since_ns = loop_now_ns(part->fetcher->env->loop);
    part->failing_code = error_code;
}

void client_fetch_part_place(struct client_fetch_part *part)
{
    struct client_fetcher *fetcher = part->fetcher;
    const struct client_topic *topic = part->topic->topic;
    struct client_fetch_node *node = NULL;
    int32_t id;

    if (topic->error_code == KAFKA_TOPIC_AUTHORIZATION_FAILED ||
        topic->error_code == KAFKA_INVALID_TOPIC_EXCEPTION) {
        client_fetch_part_stop(part, CLIENT_FETCHER_REFUSED, part->fetch_offset, topic->error_code);
        return;
    }
    if (part->preferred_id >= 0 && part->preferred_until_ns <= loop_now_ns(fetcher->env->loop))
        forget_preferred(part);
    id = target_id(part);
    if (id >= 0 && (part->node == NULL || part->node->id != id)) {
        client_fetch_part_leave_node(part);
        node = client_fetch_node_of(fetcher, id);
        if (node == NULL) {
            client_fetcher_wake_at(fetcher, loop_now_ns(fetcher->env->loop) + 1000000000U);
            return;
        }
        part->node = node;
        part->entry.name = topic->name;
        part->entry.id = part->topic->id;
        part->entry.partition = part->partition;
        part->retry_at_ns = 0;
        list_push_back(&node->parts, &part->of_node);
    } else if (id < 0) {
        client_fetch_part_leave_node(part);
        note_failure(part, topic->error_code != KAFKA_NONE ? topic->error_code
                                                           : KAFKA_LEADER_NOT_AVAILABLE);
        client_cluster_call_stale(fetcher->cluster, part->topic->topic);
    }
    client_fetcher_wake(fetcher);
}

bool client_fetch_part_is_due(const struct client_fetch_part *part, uint64_t now_ns)
{
    return !part->is_paused && !part->is_stopped && part->retry_at_ns <= now_ns;
}

/* ---- what waits */

void client_fetch_part_end_piece(struct client_fetch_piece *piece)
{
    struct client_fetch_answer *answer = piece->answer;
    struct client_fetcher *fetcher = piece->part->fetcher;

    list_remove(&piece->of_part);
    if (list_is_linked(&piece->ready)) {
        list_remove(&piece->ready);
        answer->active_count--;
    }
    client_aborted_deinit(&piece->aborted);
    answer->left_count--;
    if (answer->left_count == 0)
        client_fetch_node_end_answer(answer);
    client_fetcher_wake(fetcher);
}

static void drop_pieces(struct client_fetch_part *part)
{
    while (!list_is_empty(&part->pieces))
        client_fetch_part_end_piece(list_first(&part->pieces, struct client_fetch_piece, of_part));
}

void client_fetch_part_rewind(struct client_fetch_part *part)
{
    drop_pieces(part);
    part->fetch_offset = part->position;
    part->fetch_epoch = part->position_epoch;
    part->generation++;
    client_fetcher_wake(part->fetcher);
}

void client_fetch_part_seek(struct client_fetch_part *part, int64_t offset, int32_t leader_epoch)
{
    part->position = offset;
    part->position_epoch = leader_epoch;
    part->is_stopped = false;
    part->attempt = 0;
    part->retry_at_ns = 0;
    part->failing_since_ns = 0;
    part->gone_since_ns = 0;
    if (list_is_linked(&part->troubled))
        list_remove(&part->troubled);
    client_fetch_part_rewind(part);
    client_fetch_part_place(part);
}

void client_fetch_part_pause(struct client_fetch_part *part, bool is_paused)
{
    if (part->is_paused == is_paused)
        return;
    part->is_paused = is_paused;
    list_for_each(node, &part->pieces)
    {
        struct client_fetch_piece *piece = container_of(node, struct client_fetch_piece, of_part);
        if (is_paused) {
            list_remove(&piece->ready);
            piece->answer->active_count--;
        } else {
            list_push_back(&part->fetcher->ready, &piece->ready);
            piece->answer->active_count++;
        }
    }
    client_fetcher_wake(part->fetcher);
}

void client_fetch_part_stop(struct client_fetch_part *part, enum client_fetcher_trouble trouble,
                            int64_t offset, int16_t error_code)
{
    if (part->is_stopped)
        return;
    client_fetch_part_rewind(part);
    part->is_stopped = true;
    part->trouble = trouble;
    part->trouble_offset = offset;
    part->trouble_code = error_code;
    list_push_back(&part->fetcher->troubled, &part->troubled);
    client_fetcher_wake(part->fetcher);
}

/* ---- answers: errors, as in Kafka's FetchCollector.handleInitializeErrors */

static void retry_later(struct client_fetch_part *part)
{
    struct client_fetcher *fetcher = part->fetcher;
    uint32_t pause_ms = client_cluster_backoff_ms(fetcher->cluster, part->attempt++);

    part->retry_at_ns = clock_deadline_ns(loop_now_ns(fetcher->env->loop), pause_ms);
    client_fetcher_wake_at(fetcher, part->retry_at_ns);
}

/* A topic that is not there now may be there soon, or not any more. */
static bool is_gone_for_good(struct client_fetch_part *part)
{
    struct client_fetcher *fetcher = part->fetcher;
    uint64_t now_ns = loop_now_ns(fetcher->env->loop);

    if (part->gone_since_ns == 0)
        part->gone_since_ns = now_ns;
    return now_ns - part->gone_since_ns >=
           clock_ns_of_ms(client_cluster_options(fetcher->cluster)->request_timeout_ms);
}

static void take_error(struct client_fetch_part *part, int16_t error_code)
{
    switch (error_code) {
    case KAFKA_OFFSET_OUT_OF_RANGE:
        if (part->preferred_id >= 0) { /* a follower may be behind (KIP-392) */
            forget_preferred(part);
            client_fetch_part_place(part);
        } else if (!list_is_empty(&part->pieces)) {
            retry_later(part); /* first what waits: it was in the log */
        } else {
            client_fetch_part_stop(part, CLIENT_FETCHER_OUT_OF_RANGE, part->fetch_offset,
                                   error_code);
        }
        return;
    case KAFKA_CORRUPT_MESSAGE:
        client_fetch_part_stop(part, CLIENT_FETCHER_CORRUPT, part->fetch_offset, error_code);
        return;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_INCONSISTENT_TOPIC_ID:
        if (is_gone_for_good(part)) {
            client_fetch_part_stop(part, CLIENT_FETCHER_REFUSED, part->fetch_offset, error_code);
            return;
        }
        break;
    case KAFKA_UNKNOWN_SERVER_ERROR:
        break;
    default:
        if (kafka_error_is_retriable(error_code))
            break;
        client_fetch_part_stop(part, CLIENT_FETCHER_REFUSED, part->fetch_offset, error_code);
        return;
    }
    note_failure(part, error_code);
    forget_preferred(part);
    retry_later(part);
    client_cluster_call_stale(part->fetcher->cluster, part->topic->topic);
}

/* The log does not have what we have read last (KIP-320).  What waits may be of a history that is
 * no more: look from the position on whether that still is one. */
static void take_divergence(struct client_fetch_part *part, int64_t end_offset)
{
    if (!list_is_empty(&part->pieces) || part->fetch_offset != part->position)
        client_fetch_part_rewind(part);
    else
        client_fetch_part_stop(part, CLIENT_FETCHER_TRUNCATED, end_offset, KAFKA_NONE);
}

/* ---- answers: records */

/* How much of the records can be handed out, and where it ends (CFE-2).  A batch that makes no
 * sense counts: it is told when it is its turn. */
static size_t measure(const struct client_fetch_part *part,
                      const struct fetch_response_partition_data *data, int64_t *next_out,
                      int32_t *epoch_out)
{
    const struct wire_slice *slice = data->records.slices;
    bool has_bound = part->fetcher->options.is_committed && data->last_stable_offset >= 0;
    struct batch_walk walk;
    struct batch_header header;
    const uint8_t *bytes;
    enum err err;

    batch_walk_init(&walk, slice->bytes, slice->size_bytes);
    while ((err = batch_next(&walk, &header, &bytes)) == OK) {
        int64_t last_offset = batch_last_offset(&header);
        if (has_bound && header.base_offset >= data->last_stable_offset)
            return (size_t)(bytes - slice->bytes);
        if (header.base_offset < 0 || last_offset < header.base_offset || last_offset == INT64_MAX)
            return walk.pos;
        if (last_offset >= *next_out) {
            *next_out = last_offset + 1;
            *epoch_out = header.leader_epoch;
        }
    }
    return err == ERR_NOT_FOUND || err == ERR_TRUNCATED ? walk.pos : slice->size_bytes;
}

static void take_records(struct client_fetch_part *part, struct client_fetch_answer *answer,
                         const struct fetch_response_partition_data *data)
{
    struct client_fetch_piece *piece = &answer->pieces[answer->pieces_count];
    int64_t next = part->fetch_offset;
    int32_t epoch = part->fetch_epoch;
    size_t size_bytes = measure(part, data, &next, &epoch);

    if (size_bytes == 0 || client_aborted_init(&piece->aborted, data) != OK) {
        retry_later(part);
        return;
    }
    answer->pieces_count++;
    answer->left_count++;
    piece->part = part;
    piece->answer = answer;
    piece->high_watermark = data->high_watermark;
    piece->last_stable_offset = data->last_stable_offset;
    piece->log_start_offset = data->log_start_offset;
    batch_walk_init(&piece->walk, data->records.slices->bytes, size_bytes);
    list_push_back(&part->pieces, &piece->of_part);
    if (!part->is_paused) {
        list_push_back(&part->fetcher->ready, &piece->ready);
        answer->active_count++;
    }
    part->fetch_offset = next;
    part->fetch_epoch = epoch;
}

void client_fetch_part_take(struct client_fetch_part *part, struct client_fetch_answer *answer,
                            const struct fetch_response_partition_data *data)
{
    struct client_fetcher *fetcher = part->fetcher;

    if (data->error_code != KAFKA_NONE) {
        take_error(part, data->error_code);
        return;
    }
    if (data->diverging_epoch.epoch >= 0 || data->diverging_epoch.end_offset >= 0) {
        take_divergence(part, data->diverging_epoch.end_offset);
        return;
    }
    part->attempt = 0;
    part->failing_since_ns = 0;
    part->gone_since_ns = 0;
    if (data->preferred_read_replica >= 0 && data->preferred_read_replica != part->node->id) {
        part->preferred_id = data->preferred_read_replica;
        part->preferred_until_ns =
            clock_deadline_ns(loop_now_ns(fetcher->env->loop),
                              client_cluster_options(fetcher->cluster)->metadata_max_age_ms);
        client_fetch_part_place(part);
        return;
    }
    part->high_watermark = data->high_watermark;
    part->last_stable_offset = data->last_stable_offset;
    if (data->records.slice_count > 0 && data->records.slices->size_bytes > 0)
        take_records(part, answer, data);
}
