/* DescribeTransactions (key 65; KIP-664): each id is asked about on its shard, and told when what
 * is told is durable. */
#include "base/hash_map.h"
#include "broker/coordinator/transaction_call.h"
#include "broker/coordinator/transaction_coordinator_private.h"
#include "broker/coordinator/transaction_route.h"
#include "broker/handlers.h"
#include "broker/scatter.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_transactions.h"

#include <string.h>

typedef struct describe_transactions_response_transaction_state described;
typedef struct describe_transactions_response_topic_data described_topic;

struct describing;

struct described_id {
    struct scatter_piece piece;
    struct describing *all;
    described *answer;
    struct arena arena;            /* of what it has */
    struct transaction_call *call; /* NULL: none is under way */
};

struct describing {
    struct scatter scatter;
    struct request *request;
    struct described_id *ids;
    uint32_t count;
    struct hash_map seen; /* while the request is read */
};

/* ---- on the id's shard */

static void tell_error(struct described_id *of, int16_t error)
{
    struct wire_string id = of->answer->transactional_id;

    codec_set_struct_defaults(&describe_transactions_response_transaction_state_struct, of->answer);
    of->answer->transactional_id = id;
    of->answer->error_code = error;
}

/* It waits for its newest record (TCO-2); nobody has producer id -1. */
static void on_durable(void *context, const struct transaction_decision *decision, int16_t error)
{
    struct described_id *of = context;

    of->call = NULL;
    if (error != KAFKA_INVALID_PRODUCER_ID_MAPPING)
        tell_error(of, error);
    scatter_finish(&of->piece);
}

static bool fill_topics(struct described_id *of, const struct transaction_partitions *set)
{
    described *out = of->answer;

    out->topics.items = codec_new_array(&describe_transactions_response_topic_data_struct,
                                        &of->arena, set->topic_count);
    for (uint32_t t = 0; out->topics.items != NULL && t < set->topic_count; t++) {
        const struct transaction_topic *topic = &set->topics[t];
        described_topic *told = &out->topics.items[out->topics.count];
        int32_t *indexes = arena_alloc(&of->arena, topic->count * sizeof(*indexes));
        const char *name = arena_strndup(&of->arena, topic->name, strlen(topic->name));
        if (indexes == NULL || name == NULL)
            return false;
        memcpy(indexes, topic->indexes, topic->count * sizeof(*indexes));
        told->topic = wire_string(name);
        told->partitions.items = indexes;
        told->partitions.count = (int32_t)topic->count;
        out->topics.count++;
    }
    return out->topics.items != NULL;
}

static bool fill(struct described_id *of, const struct transaction_entry *entry)
{
    const struct transaction_fields *fields = &entry->transaction.fields;

    of->answer->transaction_state = wire_string(transaction_state_name(fields->state));
    of->answer->transaction_timeout_ms = fields->timeout_ms;
    of->answer->transaction_start_time_ms = fields->started_ms;
    of->answer->producer_id = fields->producer_id;
    of->answer->producer_epoch = fields->epoch;
    return fill_topics(of, &entry->partitions);
}

static void describe(struct scatter_piece *piece, struct shard *at)
{
    struct described_id *of = container_of(piece, struct described_id, piece);
    struct wire_string id = of->answer->transactional_id;
    const struct transaction_entry *entry =
        transaction_coordinator_find(at->transactions, id.text, (size_t)id.size_bytes);
    struct transaction_event event = {.kind = TRANSACTION_VERIFY,
                                      .producer_id = TRANSACTION_NO_PRODUCER,
                                      .epoch = TRANSACTION_NO_EPOCH};
    struct transaction_call *call;
    int32_t index;
    int16_t error =
        transaction_coordinator_check(at->transactions, id.text, (size_t)id.size_bytes, &index);

    if (error == KAFKA_NONE && (entry == NULL || !entry->is_recorded))
        error = KAFKA_TRANSACTIONAL_ID_NOT_FOUND;
    if (error == KAFKA_NONE && !fill(of, entry))
        error = KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
    if (error != KAFKA_NONE) {
        tell_error(of, error);
        scatter_finish(piece);
        return;
    }
    call = transaction_call_start(at->transactions, id, &event, NULL, on_durable, of);
    if (call != NULL) /* else the request may be gone */
        of->call = call;
}

static void cancel_one(struct scatter_piece *piece, int why)
{
    struct described_id *of = container_of(piece, struct described_id, piece);

    if (why < REQUEST_PEER_GONE)
        return;
    transaction_call_forget(of->call);
    on_durable(of, NULL, KAFKA_COORDINATOR_NOT_AVAILABLE);
}

/* ---- at home */

static void on_cancel(struct request *request, enum request_cancel why)
{
    struct describing *all = request->cancel_context;

    scatter_cancel(&all->scatter, (int)why);
}

/* Topics that the client may not know of are left out, as in Kafka. */
static void hide_topics(const struct request *request, described *answer)
{
    int32_t kept = 0;

    for (int32_t t = 0; t < answer->topics.count; t++)
        if (request_may(request, KAFKA_ACL_OPERATION_DESCRIBE, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                        answer->topics.items[t].topic.text,
                        (size_t)answer->topics.items[t].topic.size_bytes))
            answer->topics.items[kept++] = answer->topics.items[t];
    answer->topics.count = kept;
}

static void all_answered(struct scatter *scatter)
{
    struct describing *all = container_of(scatter, struct describing, scatter);

    for (uint32_t i = 0; i < all->count; i++)
        hide_topics(all->request, all->ids[i].answer);
    request_answer(all->request);
}

static void free_ids(void *context)
{
    struct describing *all = context;

    for (uint32_t i = 0; i < all->count; i++)
        arena_deinit(&all->ids[i].arena);
}

/* One that is named again is refused: a request of a few bytes could ask for any number of copies
 * of a large one. */
static int16_t check_id(struct describing *all, struct wire_string id)
{
    int16_t error = transaction_may(all->request, id, KAFKA_ACL_OPERATION_DESCRIBE);
    enum err err;

    if (error == KAFKA_NONE && id.size_bytes == 0)
        error = KAFKA_INVALID_REQUEST;
    if (error != KAFKA_NONE)
        return error;
    err = hash_map_insert(&all->seen, id.text, (size_t)id.size_bytes, all);
    if (err == ERR_EXISTS)
        return KAFKA_INVALID_REQUEST;
    return err == OK ? KAFKA_NONE : KAFKA_COORDINATOR_LOAD_IN_PROGRESS;
}

static bool prepare(struct describing *all, struct request *request)
{
    const struct describe_transactions_request *body = request->body;
    struct describe_transactions_response *response = request->response;
    int32_t count = body->transactional_ids.count < 0 ? 0 : body->transactional_ids.count;

    all->ids = request_try_alloc(request, (size_t)count, sizeof(*all->ids));
    response->transaction_states.items =
        request_try_array(request, &describe_transactions_response_transaction_state_struct, count);
    if (all->ids == NULL || response->transaction_states.items == NULL)
        return false;
    response->transaction_states.count = count;
    all->count = (uint32_t)count;
    for (int32_t i = 0; i < count; i++) {
        struct described_id *of = &all->ids[i];
        of->all = all;
        of->piece.cancel = cancel_one;
        of->answer = &response->transaction_states.items[i];
        of->answer->transactional_id = body->transactional_ids.items[i];
        arena_init(&of->arena, (size_t)1 << 30);
        of->arena.allocs_left = request->arena.allocs_left;
        arena_set_budget(&of->arena, memory_budget(&request->home->memory, MEMORY_DECODED));
    }
    return true;
}

void handle_describe_transactions(struct request *request)
{
    struct describing *all = request_try_alloc(request, 1, sizeof(*all));

    if (all == NULL || !prepare(all, request)) {
        request_refuse_memory(request);
        return;
    }
    all->request = request;
    request_on_release(request, free_ids, all);
    hash_map_init(&all->seen, prng_u64(&request->home->prng));
    for (uint32_t i = 0; i < all->count; i++)
        all->ids[i].answer->error_code = check_id(all, all->ids[i].answer->transactional_id);
    hash_map_deinit(&all->seen);
    request_on_cancel(request, on_cancel, all);
    scatter_begin(&all->scatter, request->home, all_answered);
    for (uint32_t i = 0; i < all->count; i++) {
        struct wire_string id = all->ids[i].answer->transactional_id;
        if (all->ids[i].answer->error_code == KAFKA_NONE)
            scatter_start(&all->scatter, &all->ids[i].piece,
                          transaction_shard(request->home, id.text, (size_t)id.size_bytes),
                          describe);
    }
    scatter_end(&all->scatter);
}
