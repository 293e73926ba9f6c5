/* WriteTxnMarkers (key 27; KIP-98, 664): an administrator ends what hangs in a partition
 * (kafka-transactions.sh abort).  Our own markers do not come this way.
 *
 * What a coordinator still has open, or is ending, is refused with INVALID_TXN_STATE: Kafka would
 * abort a part of a transaction that is committed later.  Such a transaction is ended as a whole by
 * fencing its producer (Admin.fenceProducers).  So each partition is looked at first, then the
 * coordinators of all shards are asked, then the markers are written, one after the other.  A
 * marker ends what was seen at the look and nothing else: what is the same as before the
 * coordinators were asked is of none of their transactions, and what has changed may be.
 *
 * Nor does a marker bring in what nobody has: where nothing is open none is written, and epochs are
 * no newer than those that the partition or the coordinator knows, or the coordinator's own markers
 * would be refused from then on. */
#include "base/hash_map.h"
#include "broker/coordinator/asked_marker.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/handlers.h"
#include "broker/internal_topics.h"
#include "broker/kafka_error.h"
#include "broker/shard_tour.h"
#include "broker/topic_ref.h"
#include "broker/topic_table.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_write_txn_markers.h"

typedef struct write_txn_markers_request_writable_txn_marker marker_asked;
typedef struct write_txn_markers_request_writable_txn_marker_topic asked_topic;
typedef struct write_txn_markers_response_writable_txn_marker_result marker_result;
typedef struct write_txn_markers_response_writable_txn_marker_topic_result topic_result;
typedef struct write_txn_markers_response_writable_txn_marker_partition_result partition_result;

/* Partitions that are gone through in one turn of the loop, where none of them is waited for. */
enum { SLICE_PARTITIONS = 256 };

/* One of the request's markers. */
struct asked_of {
    const marker_asked *asked;
    marker_result *result;
    struct asked_of *next; /* of the same producer */
    /* what a coordinator has: */
    bool is_known; /* the producer is that of a transactional id */
    int16_t epoch;
    int32_t coordinator_epoch;
};

/* What a partition has of the marker's producer. */
struct look {
    struct producer_open open;
    int16_t epoch;
    int32_t coordinator_epoch;
};

struct writing {
    struct shard_tour tour;
    struct asked_of *asked;           /* as many as the answer has markers */
    struct look *looks;               /* as many as it has partitions */
    struct hash_map by_producer;      /* of asked_of: the first of each producer */
    int32_t coordinator_epoch;        /* the newest of all coordinators */
    bool has_looked;                  /* and is writing */
    int32_t marker, topic, partition; /* the next one */
    int32_t index;                    /* of it, among all */
    struct uuid topic_id;             /* of the one that is looked at */
    struct task turn;
    struct asked_marker *under_way; /* NULL: none */
    bool is_running;
};

/* ---- asking the coordinators */

static void refuse(const struct asked_of *asked, const struct transaction_partitions *set)
{
    for (int32_t t = 0; t < asked->result->topics.count; t++) {
        const topic_result *topic = &asked->result->topics.items[t];
        for (int32_t p = 0; p < topic->partitions.count; p++) {
            partition_result *result = &topic->partitions.items[p];
            if (result->error_code == KAFKA_NONE &&
                transaction_partitions_has(set, topic->name.text, (size_t)topic->name.size_bytes,
                                           result->partition_index))
                result->error_code = KAFKA_INVALID_TXN_STATE;
        }
    }
}

static void refuse_all(const struct writing *all, int16_t error)
{
    const struct write_txn_markers_response *response = all->tour.request->response;

    for (int32_t m = 0; m < response->markers.count; m++)
        for (int32_t t = 0; t < response->markers.items[m].topics.count; t++) {
            const topic_result *topic = &response->markers.items[m].topics.items[t];
            for (int32_t p = 0; p < topic->partitions.count; p++)
                if (topic->partitions.items[p].error_code == KAFKA_NONE)
                    topic->partitions.items[p].error_code = error;
        }
}

static void visit(struct shard_tour *tour, struct shard *at)
{
    struct writing *all = container_of(tour, struct writing, tour);
    const struct transaction_entry *entry = NULL;

    if (runtime_is_loading(&at->transactions->runtime)) {
        refuse_all(all, KAFKA_NOT_LEADER_OR_FOLLOWER); /* that the client asks again after */
        return;
    }
    while ((entry = transaction_coordinator_next(at->transactions, entry)) != NULL) {
        const struct transaction_fields *fields = &entry->transaction.fields;
        bool is_open =
            fields->state == TRANSACTION_ONGOING || transaction_is_ending(&entry->transaction);
        struct asked_of *asked =
            hash_map_find(&all->by_producer, &fields->producer_id, sizeof(fields->producer_id));
        for (; asked != NULL; asked = asked->next) {
            asked->is_known = true;
            asked->epoch = fields->epoch;
            asked->coordinator_epoch = transaction_coordinator_epoch(entry);
            if (is_open)
                refuse(asked, &entry->partitions);
        }
    }
}

/* ---- the place */

static partition_result *result_of(const struct writing *all)
{
    const struct write_txn_markers_response *response = all->tour.request->response;

    return &response->markers.items[all->marker]
                .topics.items[all->topic]
                .partitions.items[all->partition];
}

static void begin_round(struct writing *all)
{
    all->marker = all->topic = all->partition = all->index = 0;
}

static void step_over(struct writing *all)
{
    const struct write_txn_markers_response *response = all->tour.request->response;
    const marker_result *marker = &response->markers.items[all->marker];

    all->index++;
    if (++all->partition < marker->topics.items[all->topic].partitions.count)
        return;
    all->partition = 0;
    if (++all->topic < marker->topics.count)
        return;
    all->topic = 0;
    all->marker++;
}

/* The place is at a partition.  False: it is at the end. */
static bool has_next(struct writing *all)
{
    const struct write_txn_markers_response *response = all->tour.request->response;

    while (all->marker < response->markers.count) {
        const marker_result *marker = &response->markers.items[all->marker];
        if (marker->topics.count == 0) {
            all->marker++;
        } else if (marker->topics.items[all->topic].partitions.count == 0) {
            if (++all->topic == marker->topics.count) {
                all->topic = 0;
                all->marker++;
            }
        } else {
            return true;
        }
    }
    return false;
}

/* ---- looking at partitions */

static void go_on(struct writing *all);

static void look_at(struct writing *all, struct shard *at)
{
    const marker_asked *asked = all->asked[all->marker].asked;
    struct look *look = &all->looks[all->index];
    partition_result *result = result_of(all);
    const struct partition *partition =
        topic_table_find(at->topics, &all->topic_id, result->partition_index);
    const struct producer_entry *entry;

    if (partition == NULL) {
        result->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
        return;
    }
    entry = producer_state_find(partition_producers(partition), asked->producer_id);
    look->open = producer_state_open_of(entry);
    look->epoch = entry == NULL ? BATCH_NO_PRODUCER_EPOCH : entry->epoch;
    look->coordinator_epoch = entry == NULL ? -1 : entry->coordinator_epoch;
}

static void on_looked(struct request *request)
{
    struct writing *all = container_of(request->tour, struct writing, tour);

    step_over(all);
    go_on(all);
}

static void look_there(struct request *request)
{
    look_at(container_of(request->tour, struct writing, tour), request->at);
    request_run_on(request, request->home, on_looked);
}

static const struct image_topic *find_topic(const struct writing *all, int16_t *error_out)
{
    const struct write_txn_markers_response *response = all->tour.request->response;

    return topic_ref_find(all->tour.request->home->image, false,
                          response->markers.items[all->marker].topics.items[all->topic].name, NULL,
                          error_out);
}

/* False: it goes on later; here and below. */
static bool look_at_next(struct writing *all)
{
    struct request *request = all->tour.request;
    partition_result *result = result_of(all);
    const struct image_topic *topic = find_topic(all, &result->error_code);
    struct shard *target;

    if (topic != NULL && !internal_topics_takes_transactions(topic->name))
        result->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
    else if (!topic_ref_has(topic, result->partition_index))
        result->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
    if (result->error_code == KAFKA_NONE) {
        all->topic_id = topic->id;
        target = shard_of_partition(request->home->shards, &topic->id, result->partition_index);
        if (target != request->home) {
            request_run_on(request, target, look_there);
            return false;
        }
        look_at(all, target);
    }
    step_over(all);
    return true;
}

/* ---- writing */

static int16_t error_of(enum err err)
{
    if (err == ERR_FENCED_EPOCH)
        return KAFKA_TRANSACTION_COORDINATOR_FENCED;
    if (err == ERR_NOT_FOUND || err == ERR_NOMEM)
        return KAFKA_NOT_LEADER_OR_FOLLOWER;
    return kafka_error(err);
}

/* Epochs newer than what anybody has, where the marker would be written. */
static int16_t judge(const struct writing *all)
{
    const struct asked_of *of = &all->asked[all->marker];
    const struct look *look = &all->looks[all->index];
    int16_t epoch = of->asked->producer_epoch;
    int32_t newest = look->epoch + (of->asked->transaction_version >= TRANSACTION_V2);
    int32_t coordinator_epoch = of->is_known ? of->coordinator_epoch : all->coordinator_epoch;

    if (look->open.first_offset < 0)
        return KAFKA_NONE;
    if (of->is_known && of->epoch > newest)
        newest = of->epoch;
    if (epoch > newest || (epoch == INT16_MAX && look->epoch != INT16_MAX))
        return KAFKA_INVALID_PRODUCER_EPOCH;
    if (look->coordinator_epoch > coordinator_epoch)
        coordinator_epoch = look->coordinator_epoch;
    return of->asked->coordinator_epoch > coordinator_epoch ? KAFKA_INVALID_REQUEST : KAFKA_NONE;
}

static void on_written(void *context, enum err err)
{
    struct writing *all = context;

    all->under_way = NULL;
    result_of(all)->error_code = err == OK ? KAFKA_NONE : error_of(err);
    step_over(all);
    if (!all->is_running)
        go_on(all);
    else
        all->is_running = false; /* write_one is above */
}

static bool write_one(struct writing *all, const struct image_topic *topic)
{
    struct shard *home = all->tour.request->home;
    const marker_asked *asked = all->asked[all->marker].asked;
    struct transaction_marker marker = {
        .topic_id = topic->id,
        .index = result_of(all)->partition_index,
        .is_offsets = topic == internal_topics_image(home->image, KAFKA_COORDINATOR_KEY_TYPE_GROUP),
        .producer_id = asked->producer_id,
        .epoch = asked->producer_epoch,
        .coordinator_epoch = asked->coordinator_epoch,
        .commit = asked->transaction_result,
        .txn_v2 = asked->transaction_version >= TRANSACTION_V2,
        .ends_seen = true,
        .seen = all->looks[all->index].open,
        .is_awaited = true,
    };
    enum err err;

    all->is_running = true;
    err = asked_marker_start(&home->transactions->asked, home, &marker, on_written, all,
                             &all->under_way);
    if (err != OK)
        on_written(all, err);
    if (!all->is_running)
        return true;
    all->is_running = false; /* it ends later */
    return false;
}

static bool write_next(struct writing *all)
{
    partition_result *result = result_of(all);
    const struct image_topic *topic;
    int16_t error;

    if (result->error_code == KAFKA_NONE) {
        topic = find_topic(all, &error);
        result->error_code = topic == NULL ? error : judge(all);
        if (result->error_code == KAFKA_NONE)
            return write_one(all, topic);
    }
    step_over(all);
    return true;
}

/* ---- round by round */

static void answer(struct writing *all)
{
    loop_undefer(&all->turn);
    hash_map_deinit(&all->by_producer);
    request_answer(all->tour.request);
}

/* What was asked for goes on while the answer may still come; then what is under way does. */
static void on_cancel(struct request *request, enum request_cancel why)
{
    struct writing *all = request->cancel_context;

    if (why != REQUEST_CUT)
        return;
    if (all->under_way != NULL)
        asked_marker_forget(all->under_way);
    for (; has_next(all); step_over(all))
        if (result_of(all)->error_code == KAFKA_NONE)
            result_of(all)->error_code = KAFKA_NOT_LEADER_OR_FOLLOWER;
    answer(all);
}

/* By the image of here: what is known of no coordinator may be of any. */
static int32_t newest_epoch(const struct image *image)
{
    const struct image_topic *topic =
        internal_topics_image(image, KAFKA_COORDINATOR_KEY_TYPE_TRANSACTION);
    int32_t newest = 0;

    for (uint32_t i = 0; topic != NULL && i < topic->partition_count; i++)
        if (topic->partitions[i].leader_epoch > newest)
            newest = topic->partitions[i].leader_epoch;
    return newest;
}

static void on_asked(struct shard_tour *tour)
{
    struct writing *all = container_of(tour, struct writing, tour);

    all->coordinator_epoch = newest_epoch(tour->request->home->image);
    all->has_looked = true;
    begin_round(all);
    go_on(all);
}

/* The request may be gone afterwards. */
static void go_on(struct writing *all)
{
    struct request *request = all->tour.request;
    uint32_t count = 0;

    while (has_next(all) && count++ < SLICE_PARTITIONS) {
        if (all->has_looked ? write_next(all) : look_at_next(all))
            continue;
        if (all->under_way != NULL)
            request_on_cancel(request, on_cancel, all);
        return;
    }
    if (has_next(all)) {
        loop_defer(&request->home->loop, &all->turn);
        request_on_cancel(request, on_cancel, all);
    } else if (all->has_looked) {
        answer(all);
    } else {
        shard_tour_start(&all->tour, request, visit, on_asked);
    }
}

static void on_turn(struct task *task)
{
    go_on(container_of(task, struct writing, turn));
}

/* ---- the request */

/* False: there is no memory; here and below. */
static bool add_topic(struct request *request, const asked_topic *asked, topic_result *out)
{
    out->name = asked->name;
    out->partitions.items = request_try_array(
        request, &write_txn_markers_response_writable_txn_marker_partition_result_struct,
        asked->partition_indexes.count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = asked->partition_indexes.count;
    for (int32_t p = 0; p < out->partitions.count; p++) {
        out->partitions.items[p].partition_index = asked->partition_indexes.items[p];
        out->partitions.items[p].error_code = KAFKA_NONE;
    }
    return true;
}

static bool add_marker(struct writing *all, const marker_asked *asked, marker_result *out,
                       struct asked_of *of)
{
    struct request *request = all->tour.request;
    struct asked_of *first =
        hash_map_find(&all->by_producer, &asked->producer_id, sizeof(asked->producer_id));

    out->producer_id = asked->producer_id;
    out->topics.items = request_try_array(
        request, &write_txn_markers_response_writable_txn_marker_topic_result_struct,
        asked->topics.count);
    if (out->topics.items == NULL)
        return false;
    out->topics.count = asked->topics.count;
    for (int32_t t = 0; t < asked->topics.count; t++)
        if (!add_topic(request, &asked->topics.items[t], &out->topics.items[t]))
            return false;
    of->asked = asked;
    of->result = out;
    if (first == NULL)
        return hash_map_insert(&all->by_producer, &asked->producer_id, sizeof(asked->producer_id),
                               of) == OK;
    of->next = first->next;
    first->next = of;
    return true;
}

static bool prepare(struct writing *all, struct request *request)
{
    const struct write_txn_markers_request *body = request->body;
    struct write_txn_markers_response *response = request->response;
    int32_t count = body->markers.count < 0 ? 0 : body->markers.count;
    size_t partition_count = 0;

    for (int32_t m = 0; m < count; m++)
        for (int32_t t = 0; t < body->markers.items[m].topics.count; t++)
            partition_count +=
                (size_t)body->markers.items[m].topics.items[t].partition_indexes.count;
    all->looks = request_try_alloc(request, partition_count, sizeof(*all->looks));
    all->asked = request_try_alloc(request, (size_t)count, sizeof(*all->asked));
    response->markers.items = request_try_array(
        request, &write_txn_markers_response_writable_txn_marker_result_struct, count);
    if (all->looks == NULL || all->asked == NULL || response->markers.items == NULL)
        return false;
    for (int32_t m = 0; m < count; m++) {
        int32_t at = response->markers.count;
        if (body->markers.items[m].topics.count <= 0)
            continue; /* Kafka leaves it out of its answer */
        if (!add_marker(all, &body->markers.items[m], &response->markers.items[at],
                        &all->asked[at]))
            return false;
        response->markers.count++;
    }
    return true;
}

static bool is_allowed(const struct request *request)
{
    return request_may(request, KAFKA_ACL_OPERATION_CLUSTER_ACTION, KAFKA_ACL_RESOURCE_TYPE_CLUSTER,
                       "kafka-cluster", 13) ||
           request_may(request, KAFKA_ACL_OPERATION_ALTER, KAFKA_ACL_RESOURCE_TYPE_CLUSTER,
                       "kafka-cluster", 13);
}

void handle_write_txn_markers(struct request *request)
{
    struct writing *all;

    if (!is_allowed(request)) {
        request_answer_error(request, KAFKA_CLUSTER_AUTHORIZATION_FAILED, NULL);
        return;
    }
    all = request_try_alloc(request, 1, sizeof(*all));
    if (all == NULL) {
        request_refuse_memory(request);
        return;
    }
    all->tour.request = request;
    all->turn.run = on_turn;
    request->tour = &all->tour;
    hash_map_init(&all->by_producer, prng_u64(&request->home->prng));
    if (prepare(all, request)) {
        go_on(all);
        return;
    }
    hash_map_deinit(&all->by_producer);
    request_refuse_memory(request);
}
