#include "net/client/client_produce_call.h"

#include "base/check.h"
#include "base/mem.h"
#include "net/client/client_part.h"
#include "net/protocol/kafka_tables.h"

#include <stdlib.h>

enum {
    FIRST_CAPACITY = 8,
    VERSION_MAX = 13,
    VERSION_NAMES_MAX = 12,
    VERSION_V1_MAX = 11,
};

struct client_produce_call *client_produce_call_create(void)
{
    return mem_try_alloc(sizeof(struct client_produce_call));
}

void client_produce_call_destroy(struct client_produce_call *call)
{
    if (call == NULL)
        return;
    mem_free(call->batches);
    mem_free(call->topics);
    mem_free(call->parts);
    mem_free(call->slices);
    mem_free(call);
}

static bool grow(void **memory, uint32_t count, size_t size_bytes)
{
    void *larger = mem_try_realloc(*memory, count * size_bytes);

    if (larger == NULL)
        return false;
    *memory = larger;
    return true;
}

enum err client_produce_call_reserve(struct client_produce_call *call)
{
    uint32_t wanted = call->capacity == 0 ? FIRST_CAPACITY : call->capacity * 2;
    void *arrays[4] = {call->batches, call->topics, call->parts, call->slices};
    bool is_grown;

    if (call->count < call->capacity)
        return OK;
    is_grown = grow(&arrays[0], wanted, sizeof(*call->batches)) &&
               grow(&arrays[1], wanted, sizeof(*call->topics)) &&
               grow(&arrays[2], wanted, sizeof(*call->parts)) &&
               grow(&arrays[3], wanted, sizeof(*call->slices));
    call->batches = arrays[0];
    call->topics = arrays[1];
    call->parts = arrays[2];
    call->slices = arrays[3];
    if (!is_grown)
        return ERR_NOMEM;
    call->capacity = wanted;
    return OK;
}

void client_produce_call_add(struct client_produce_call *call, struct client_batch *batch)
{
    check(call->count < call->capacity);
    call->batches[call->count++] = batch;
    call->size_bytes += batch->size_bytes;
}

static int compare(const void *a, const void *b)
{
    const struct client_part *left = (*(struct client_batch *const *)a)->part;
    const struct client_part *right = (*(struct client_batch *const *)b)->part;

    if (left->topic->index != right->topic->index)
        return left->topic->index < right->topic->index ? -1 : 1;
    return left->partition < right->partition ? -1 : left->partition > right->partition;
}

static bool is_in_one_topic(const struct client_produce_call *call)
{
    for (uint32_t i = 1; i < call->count; i++)
        if (call->batches[i]->part->topic != call->batches[0]->part->topic)
            return false;
    return true;
}

static struct produce_request_topic_produce_data *begin_topic(struct client_produce_call *call,
                                                              uint32_t from)
{
    const struct client_topic *handle = call->batches[from]->part->topic;
    struct produce_request_topic_produce_data *topic =
        &call->topics[call->request.topic_data.count++];

    codec_set_struct_defaults(&produce_request_topic_produce_data_struct, topic);
    topic->name = wire_string(handle->name);
    topic->topic_id = handle->id;
    topic->partition_data.items = &call->parts[from];
    return topic;
}

void client_produce_call_fill(struct client_produce_call *call,
                              const struct client_producer_options *options, bool is_transaction_v1)
{
    struct produce_request_topic_produce_data *topic = NULL;
    int16_t max_version = is_transaction_v1 ? VERSION_V1_MAX : VERSION_MAX;

    if (!is_in_one_topic(call))
        qsort(call->batches, call->count, sizeof(*call->batches), compare);
    codec_set_defaults(&produce_request_desc, &call->request);
    call->request.acks = options->acks;
    call->request.timeout_ms = (int32_t)options->request_timeout_ms;
    call->request.transactional_id = wire_string(options->transactional_id);
    call->request.topic_data.items = call->topics;
    for (uint32_t i = 0; i < call->count; i++) {
        struct client_batch *batch = call->batches[i];
        const struct client_topic *handle = batch->part->topic;

        if (i == 0 || handle != call->batches[i - 1]->part->topic)
            topic = begin_topic(call, i);
        if (uuid_is_zero(&handle->id) && max_version > VERSION_NAMES_MAX)
            max_version = VERSION_NAMES_MAX;
        call->slices[i] =
            (struct wire_slice){.bytes = batch->bytes, .size_bytes = batch->size_bytes};
        call->parts[i] = (struct produce_request_partition_produce_data){
            .index = batch->part->partition,
            .records = {
                .slices = &call->slices[i], .slice_count = 1, .size_bytes = batch->size_bytes}};
        topic->partition_data.count++;
    }
    call->call = (struct client_call){.key = API_PRODUCE,
                                      .max_version = max_version,
                                      .has_no_answer = options->acks == 0,
                                      .request = &call->request};
    call->topic_cursor = 0;
    call->part_cursor = 0;
}

/* ---- the answer */

static bool is_topic(const struct produce_response_topic_produce_response *topic,
                     const struct client_topic *handle)
{
    if (!uuid_is_zero(&topic->topic_id))
        return uuid_equal(&topic->topic_id, &handle->id);
    return wire_string_is(topic->name, handle->name);
}

/* From the cursor on, around once: answers stand in the order of the request, as a rule. */
const struct produce_response_partition_produce_response *client_produce_call_answer(
    struct client_produce_call *call, const struct produce_response *response, uint32_t index)
{
    const struct client_part *part = call->batches[index]->part;

    for (int32_t i = 0; i < response->responses.count; i++) {
        int32_t t = (call->topic_cursor + i) % response->responses.count;
        const struct produce_response_topic_produce_response *topic = &response->responses.items[t];
        int32_t count = topic->partition_responses.count;

        if (!is_topic(topic, part->topic))
            continue;
        for (int32_t j = 0; j < count; j++) {
            int32_t p = (call->part_cursor + j) % count;

            if (topic->partition_responses.items[p].index != part->partition)
                continue;
            call->topic_cursor = t;
            call->part_cursor = p + 1;
            return &topic->partition_responses.items[p];
        }
    }
    return NULL;
}

void client_produce_call_reset(struct client_produce_call *call)
{
    call->count = 0;
    call->size_bytes = 0;
}
