/* DescribeProducers (key 61): who writes to a partition, and which transactions hang (KIP-664).
 * Each partition is read on its own shard. */
#include "base/hash_map.h"
#include "broker/handlers.h"
#include "broker/shard_tour.h"
#include "broker/topic_name.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_producers.h"
#include "storage/log/producer_state.h"

typedef struct describe_producers_request_topic_request asked_topic;
typedef struct describe_producers_response_partition_response answered_partition;
typedef struct describe_producers_response_producer_state answered_producer;
typedef struct describe_producers_response_topic_response answered_topic;

struct described {
    struct partition_key {
        struct uuid topic_id;
        int32_t index;
    } key;
    answered_partition *answer;
    struct described *next;
};

struct describing {
    struct shard_tour tour;
    struct described *first;
    struct hash_map seen; /* while the request is read */
    bool lacks_memory;
};

static bool fill_partition(struct request *request, const struct partition *partition,
                           answered_partition *out)
{
    const struct producer_state *producers = partition_producers(partition);
    const struct producer_entry *entry = NULL;

    out->active_producers.items =
        request_try_array(request, &describe_producers_response_producer_state_struct,
                          (int32_t)producer_state_count(producers));
    if (out->active_producers.items == NULL)
        return false;
    while ((entry = producer_state_next(producers, entry)) != NULL) {
        answered_producer *producer = &out->active_producers.items[out->active_producers.count++];
        producer->producer_id = entry->producer_id;
        producer->producer_epoch = entry->epoch;
        if (entry->batch_count > 0)
            producer->last_sequence = entry->batches[entry->batch_count - 1].last_sequence;
        producer->last_timestamp = entry->last_timestamp_ms;
        producer->coordinator_epoch = entry->coordinator_epoch;
        producer->current_txn_start_offset = entry->txn_first_offset;
    }
    return true;
}

static void visit(struct shard_tour *tour, struct shard *at)
{
    struct describing *all = container_of(tour, struct describing, tour);

    for (struct described *d = all->first; d != NULL && !all->lacks_memory; d = d->next) {
        const struct partition *partition;
        if (shard_of_partition(at->shards, &d->key.topic_id, d->key.index) != at)
            continue;
        partition = topic_table_find(at->topics, &d->key.topic_id, d->key.index);
        if (partition == NULL)
            d->answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        else if (partition_is_quarantined(partition))
            d->answer->error_code = KAFKA_KAFKA_STORAGE_ERROR;
        else
            all->lacks_memory = !fill_partition(tour->request, partition, d->answer);
    }
}

static void answer(struct shard_tour *tour)
{
    if (container_of(tour, struct describing, tour)->lacks_memory)
        request_refuse_memory(tour->request);
    else
        request_answer(tour->request);
}

/* ---- reading the request */

static enum err add_partition(struct describing *all, const struct image_topic *topic,
                              answered_partition *answer)
{
    struct described *described = request_try_alloc(all->tour.request, 1, sizeof(*described));
    enum err err;

    if (described == NULL)
        return ERR_NOMEM;
    described->key.topic_id = topic->id;
    described->key.index = answer->partition_index;
    described->answer = answer;
    err = hash_map_insert(&all->seen, &described->key, sizeof(described->key), described);
    if (err == ERR_EXISTS) { /* Kafka answers each; that would let a request multiply its cost */
        answer->error_code = KAFKA_INVALID_REQUEST;
        answer->error_message = wire_string("Each partition must appear at most once.");
        return OK;
    }
    if (err != OK)
        return err;
    described->next = all->first;
    all->first = described;
    return OK;
}

static int16_t check_topic(struct request *request, const asked_topic *asked,
                           const struct image_topic **topic_out, struct wire_string *message_out)
{
    int16_t error_code;

    *message_out = wire_string(NULL);
    if (!request_may(request, KAFKA_ACL_OPERATION_READ, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                     asked->name.text, (size_t)asked->name.size_bytes))
        return KAFKA_TOPIC_AUTHORIZATION_FAILED;
    if (!topic_name_check(asked->name, &request->arena, message_out))
        return KAFKA_INVALID_TOPIC_EXCEPTION;
    *topic_out = topic_ref_find(request->home->image, false, asked->name, NULL, &error_code);
    if (*topic_out == NULL)
        *message_out = wire_string("This server does not host this topic-partition.");
    return error_code;
}

static enum err add_topic(struct describing *all, const asked_topic *asked, answered_topic *out)
{
    struct request *request = all->tour.request;
    const struct image_topic *topic = NULL;
    struct wire_string message;
    int16_t error_code = check_topic(request, asked, &topic, &message);
    enum err err = OK;

    out->name = asked->name;
    out->partitions.items =
        request_try_array(request, &describe_producers_response_partition_response_struct,
                          asked->partition_indexes.count);
    if (out->partitions.items == NULL)
        return ERR_NOMEM;
    out->partitions.count = asked->partition_indexes.count;
    for (int32_t p = 0; p < asked->partition_indexes.count && err == OK; p++) {
        answered_partition *answer = &out->partitions.items[p];
        answer->partition_index = asked->partition_indexes.items[p];
        answer->error_code = error_code;
        answer->error_message = message;
        if (topic == NULL)
            continue;
        if (topic_ref_has(topic, answer->partition_index))
            err = add_partition(all, topic, answer);
        else
            answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    }
    return err;
}

void handle_describe_producers(struct request *request)
{
    const struct describe_producers_request *body = request->body;
    struct describe_producers_response *response = request->response;
    struct describing *all = request_try_alloc(request, 1, sizeof(*all));
    enum err err = OK;

    response->topics.items = request_try_array(
        request, &describe_producers_response_topic_response_struct, body->topics.count);
    if (all == NULL || response->topics.items == NULL) {
        request_refuse_memory(request);
        return;
    }
    response->topics.count = body->topics.count;
    all->tour.request = request;
    hash_map_init(&all->seen, prng_u64(&request->home->prng));
    for (int32_t t = 0; t < body->topics.count && err == OK; t++)
        err = add_topic(all, &body->topics.items[t], &response->topics.items[t]);
    hash_map_deinit(&all->seen);
    if (err == OK)
        shard_tour_start(&all->tour, request, visit, answer);
    else
        request_refuse_memory(request);
}
