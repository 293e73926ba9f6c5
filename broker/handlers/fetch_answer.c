/* The answer of a fetch: what is new in its session, in one array of partitions that its topics
 * share, so that its memory grows with the parts. */
#include "broker/handlers/fetch_private.h"
#include "storage/log/log_loan.h"

#include <assert.h>

/* A list of them is one of the answer's. */
static_assert(sizeof(struct aborted_transaction) ==
                      sizeof(struct fetch_response_aborted_transaction) &&
                  offsetof(struct aborted_transaction, producer_id) ==
                      offsetof(struct fetch_response_aborted_transaction, producer_id) &&
                  offsetof(struct aborted_transaction, first_offset) ==
                      offsetof(struct fetch_response_aborted_transaction, first_offset),
              "aborted_transaction");

static bool has_news(const struct fetch_part *part, const struct fetch_interest *interest)
{
    return interest == NULL || interest->answer_due || part->error_code != KAFKA_NONE ||
           part->slice.size_bytes > 0 || part->diverging.epoch >= 0 ||
           part->offsets.high_watermark != interest->answered_high_watermark ||
           part->offsets.log_start != interest->answered_log_start;
}

/* The batches of a part.  Without memory to list them: none, and the client asks again. */
static struct wire_records records_of(struct fetch *fetch, const struct fetch_part *part)
{
    const struct log_loan *loan = part->loan;
    struct wire_slice *slices;

    if (loan == NULL)
        return (struct wire_records){.slices = &part->slice,
                                     .slice_count = part->slice.size_bytes > 0,
                                     .size_bytes = part->slice.size_bytes};
    slices = arena_alloc_array(&fetch->request->arena, part->loan_count, sizeof(*slices));
    if (slices == NULL)
        return (struct wire_records){0};
    for (uint32_t i = 0; i < part->loan_count; i++)
        slices[i] = (struct wire_slice){.bytes = loan->parts[i].bytes,
                                        .size_bytes = loan->parts[i].size_bytes,
                                        .owner = part->slice.owner};
    return (struct wire_records){
        .slices = slices, .slice_count = part->loan_count, .size_bytes = part->slice.size_bytes};
}

/* Null says "not asked for", or "not read"; an empty list "nothing was aborted".  As in Kafka it is
 * empty, too, where nobody came to a log. */
static void fill_aborted(const struct fetch *fetch, const struct fetch_part *part,
                         struct fetch_response_partition_data *out)
{
    bool is_empty = fetch->isolation == PARTITION_COMMITTED && part->diverging.epoch < 0;

    switch (part->error_code) {
    case KAFKA_NONE:
        break;
    case KAFKA_UNKNOWN_TOPIC_OR_PARTITION:
    case KAFKA_UNKNOWN_TOPIC_ID:
    case KAFKA_TOPIC_AUTHORIZATION_FAILED:
        is_empty = true;
        break;
    default:
        is_empty = false;
    }
    out->aborted_transactions.count = is_empty ? 0 : -1;
    if (part->aborted != NULL) {
        out->aborted_transactions.items = (void *)part->aborted->bytes;
        out->aborted_transactions.count = (int32_t)part->aborted_count;
    }
}

static void fill_part(struct fetch *fetch, const struct fetch_part *part,
                      struct fetch_response_partition_data *out)
{
    out->partition_index = part->partition;
    out->error_code = part->error_code;
    out->high_watermark = part->error_code == KAFKA_NONE ? part->offsets.high_watermark : -1;
    out->last_stable_offset = part->error_code == KAFKA_NONE ? part->offsets.last_stable : -1;
    out->log_start_offset = part->error_code == KAFKA_NONE ? part->offsets.log_start : -1;
    out->diverging_epoch = part->diverging;
    fill_aborted(fetch, part, out);
    out->records = records_of(fetch, part);
}

static bool same_topic(const struct fetch_part *a, const struct fetch_part *b)
{
    return uuid_equal(&a->key.topic, &b->key.topic);
}

static struct fetch_interest *interest_of(const struct fetch *fetch, const struct fetch_part *part)
{
    return fetch->session == NULL ? NULL : fetch_session_find(fetch->session, &part->key);
}

static bool is_told(const struct fetch *fetch, const struct fetch_part *part)
{
    return !fetch->incremental || has_news(part, interest_of(fetch, part));
}

/* How many parts the answer has, and how many times another topic begins. */
static void count_told(const struct fetch *fetch, uint32_t *parts_out, uint32_t *topics_out)
{
    const struct fetch_part *last = NULL;

    *parts_out = 0;
    *topics_out = 0;
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        const struct fetch_part *part = &fetch->parts[i];
        if (!is_told(fetch, part))
            continue;
        *parts_out += 1;
        *topics_out += last == NULL || !same_topic(last, part);
        last = part;
    }
}

static void note_told(struct fetch *fetch, const struct fetch_part *part)
{
    struct fetch_interest *interest = interest_of(fetch, part);

    if (interest == NULL)
        return;
    interest->answer_due = part->error_code != KAFKA_NONE;
    interest->answered_high_watermark = part->offsets.high_watermark;
    interest->answered_log_start = part->offsets.log_start;
    if (part->slice.size_bytes > 0)
        fetch_session_rotate(fetch->session, interest);
}

void fetch_answer(struct fetch *fetch)
{
    struct request *request = fetch->request;
    struct fetch_response *response = request->response;
    struct fetch_response_fetchable_topic_response *topic = NULL;
    struct fetch_response_partition_data *data;
    const struct fetch_part *last = NULL;
    uint32_t topic_count;
    uint32_t part_count;

    response->session_id = fetch->session == NULL ? 0 : fetch->session->id;
    count_told(fetch, &part_count, &topic_count);
    response->responses.items = request_try_array(
        request, &fetch_response_fetchable_topic_response_struct, (int32_t)topic_count);
    data = request_try_array(request, &fetch_response_partition_data_struct, (int32_t)part_count);
    if (response->responses.items == NULL || data == NULL) {
        request_refuse_memory(request);
        return;
    }
    for (uint32_t i = 0; i < fetch->part_count; i++) {
        const struct fetch_part *part = &fetch->parts[i];
        if (!is_told(fetch, part))
            continue;
        if (last == NULL || !same_topic(last, part)) {
            topic = &response->responses.items[response->responses.count++];
            topic->topic = part->topic_name;
            if (request->api_version >= 13)
                topic->topic_id = part->key.topic;
            topic->partitions.items = data;
        }
        fill_part(fetch, part, data++);
        topic->partitions.count++;
        last = part;
    }
    for (uint32_t i = 0; i < fetch->part_count; i++)
        if (is_told(fetch, &fetch->parts[i]))
            note_told(fetch, &fetch->parts[i]);
    request_answer(request);
}
