/* DescribeTopicPartitions (key 75): topics in order of name, so many partitions at a time, and
 * where to go on (KIP-966).  Rules: Kafka's DescribeTopicPartitionsRequestHandler. */
#include "broker/authorized.h"
#include "broker/config.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/partition_facts.h"
#include "broker/topic_ref.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_topic_partitions.h"
#include "storage/dir/log_names.h"

#include <stdlib.h>
#include <string.h>

typedef struct describe_topic_partitions_request_cursor asked_cursor;
typedef struct describe_topic_partitions_response_cursor next_cursor;
typedef struct describe_topic_partitions_response_partition answered_partition;
typedef struct describe_topic_partitions_response_topic answered_topic;

struct pages {
    struct request *request;
    const asked_cursor *cursor;      /* or NULL */
    uint32_t remaining_count;        /* partitions that fit yet */
    next_cursor *next;               /* where to go on; NULL: all is told */
    const struct wire_string *names; /* asked for: sorted, each once */
    int32_t name_count;
};

static int compare(struct wire_string a, struct wire_string b)
{
    int32_t shorter = a.size_bytes < b.size_bytes ? a.size_bytes : b.size_bytes;
    int order = shorter > 0 ? memcmp(a.text, b.text, (size_t)shorter) : 0;

    return order != 0 ? order : (a.size_bytes > b.size_bytes) - (a.size_bytes < b.size_bytes);
}

static int compare_names(const void *a, const void *b)
{
    return compare(*(const struct wire_string *)a, *(const struct wire_string *)b);
}

/* ---- filling: each says false when there is no memory */

static bool fill_partition(struct request *request, const struct image_partition *partition,
                           answered_partition *out)
{
    out->partition_index = partition->index;
    out->leader_epoch = partition->leader_epoch;
    out->leader_id = partition_facts_leader(request->home->image, partition);
    out->eligible_leader_replicas.count = 0; /* known, and none: not null */
    out->last_known_elr.count = 0;
    return partition_facts_copy_ids(request, partition->replicas, partition->replica_count,
                                    &out->replica_nodes.items, &out->replica_nodes.count) &&
           partition_facts_copy_ids(request, partition->isr, partition->isr_count,
                                    &out->isr_nodes.items, &out->isr_nodes.count) &&
           partition_facts_copy_offline(request, partition, &out->offline_replicas.items,
                                        &out->offline_replicas.count);
}

static bool set_next(struct pages *pages, const char *name, uint32_t index)
{
    pages->next = request_try_alloc(pages->request, 1, sizeof(*pages->next));
    if (pages->next == NULL)
        return false;
    *pages->next =
        (next_cursor){.topic_name = wire_string(name), .partition_index = (int32_t)index};
    return true;
}

static bool fill_topic(struct pages *pages, const struct image_topic *topic, answered_topic *out)
{
    const asked_cursor *cursor = pages->cursor;
    uint32_t first = 0;
    uint32_t count;

    if (cursor != NULL && compare(cursor->topic_name, wire_string(topic->name)) == 0)
        first = (uint32_t)cursor->partition_index;
    if (first > topic->partition_count)
        first = topic->partition_count;
    count = topic->partition_count - first;
    if (count > pages->remaining_count)
        count = pages->remaining_count;
    out->name = wire_string(topic->name);
    out->topic_id = topic->id;
    out->is_internal = topic_is_internal(topic->name);
    out->topic_authorized_operations = authorized_on_topic(pages->request, topic->name);
    out->partitions.items = request_try_array(
        pages->request, &describe_topic_partitions_response_partition_struct, (int32_t)count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++)
        if (!fill_partition(pages->request, &topic->partitions[first + i],
                            &out->partitions.items[i]))
            return false;
    pages->remaining_count -= count;
    return first + count == topic->partition_count || set_next(pages, topic->name, first + count);
}

static bool fill_missing(struct pages *pages, struct wire_string name, answered_topic *out)
{
    struct wire_string text;

    if (!request_try_text(pages->request, name, &text))
        return false;
    out->name = name;
    out->error_code = log_names_topic_is_valid(name.text, (size_t)name.size_bytes)
                          ? KAFKA_UNKNOWN_TOPIC_OR_PARTITION
                          : KAFKA_INVALID_TOPIC_EXCEPTION;
    out->topic_authorized_operations = authorized_on_topic(pages->request, text.text);
    return true;
}

/* ---- which topics */

static bool may_describe(const struct pages *pages, struct wire_string name)
{
    return request_may(pages->request, KAFKA_ACL_OPERATION_DESCRIBE, KAFKA_ACL_RESOURCE_TYPE_TOPIC,
                       name.text, (size_t)name.size_bytes);
}

static bool is_before_cursor(const struct pages *pages, struct wire_string name)
{
    return pages->cursor != NULL && compare(name, pages->cursor->topic_name) < 0;
}

static bool fill_all(struct pages *pages, struct describe_topic_partitions_response *response)
{
    const struct image *image = pages->request->home->image;
    uint32_t count_max = image_topic_count(image);
    const struct image_topic *topic;
    size_t position = 0;

    if (count_max > pages->remaining_count + 1) /* one may be told without partitions */
        count_max = pages->remaining_count + 1;
    response->topics.items = request_try_array(
        pages->request, &describe_topic_partitions_response_topic_struct, (int32_t)count_max);
    if (response->topics.items == NULL)
        return false;
    while (pages->next == NULL && (topic = image_topic_next(image, &position)) != NULL) {
        struct wire_string name = wire_string(topic->name);
        if (is_before_cursor(pages, name) || !may_describe(pages, name))
            continue;
        if (pages->remaining_count == 0)
            return set_next(pages, topic->name, 0);
        if (!fill_topic(pages, topic, &response->topics.items[response->topics.count++]))
            return false;
    }
    return true;
}

static bool fill_named(struct pages *pages, struct describe_topic_partitions_response *response)
{
    const struct image *image = pages->request->home->image;

    response->topics.items = request_try_array(
        pages->request, &describe_topic_partitions_response_topic_struct, pages->name_count);
    if (response->topics.items == NULL)
        return false;
    for (int32_t i = 0; i < pages->name_count && pages->next == NULL; i++) {
        struct wire_string name = pages->names[i];
        const struct image_topic *topic =
            image_topic_by_name(image, name.text, (size_t)name.size_bytes);
        answered_topic *out = &response->topics.items[response->topics.count];
        if (is_before_cursor(pages, name))
            continue;
        if (pages->remaining_count == 0) {
            struct wire_string next;
            return request_try_text(pages->request, name, &next) && set_next(pages, next.text, 0);
        }
        response->topics.count++;
        if (!may_describe(pages, name)) {
            out->name = name;
            out->error_code = KAFKA_TOPIC_AUTHORIZATION_FAILED;
        } else if (!(topic == NULL ? fill_missing(pages, name, out)
                                   : fill_topic(pages, topic, out))) {
            return false;
        }
    }
    return true;
}

static bool sort_names(struct pages *pages)
{
    const struct describe_topic_partitions_request *body = pages->request->body;
    struct wire_string *names =
        request_try_alloc(pages->request, (size_t)body->topics.count, sizeof(*names));

    if (names == NULL)
        return false;
    for (int32_t i = 0; i < body->topics.count; i++)
        names[i] = body->topics.items[i].name;
    if (body->topics.count > 0)
        qsort(names, (size_t)body->topics.count, sizeof(*names), compare_names);
    for (int32_t i = 0; i < body->topics.count; i++)
        if (i == 0 || compare(names[i], names[pages->name_count - 1]) != 0)
            names[pages->name_count++] = names[i];
    pages->names = names;
    return true;
}

/* Of the request as a whole; KAFKA_NONE: it can be answered. */
static int16_t error_of(const struct pages *pages)
{
    const asked_cursor *cursor = pages->cursor;
    bool has_cursor_topic = pages->name_count == 0;

    for (int32_t i = 0; i < pages->name_count && cursor != NULL; i++)
        if (compare(pages->names[i], cursor->topic_name) == 0)
            has_cursor_topic = true;
    if (cursor != NULL && (cursor->partition_index < 0 || !has_cursor_topic))
        return KAFKA_INVALID_REQUEST;
    /* an empty name is no resource that Kafka could ask its authorizer about */
    if (pages->name_count > 0 && pages->names[0].size_bytes == 0 &&
        !is_before_cursor(pages, pages->names[0]))
        return KAFKA_UNKNOWN_SERVER_ERROR;
    return KAFKA_NONE;
}

static bool fill_errors(struct pages *pages, struct describe_topic_partitions_response *response,
                        int16_t error_code)
{
    response->topics.items = request_try_array(
        pages->request, &describe_topic_partitions_response_topic_struct, pages->name_count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = pages->name_count;
    for (int32_t i = 0; i < pages->name_count; i++) {
        response->topics.items[i].name = pages->names[i];
        response->topics.items[i].error_code = error_code;
    }
    return true;
}

static bool fill(struct pages *pages)
{
    struct describe_topic_partitions_response *response = pages->request->response;
    int16_t error_code;

    if (!sort_names(pages))
        return false;
    error_code = error_of(pages);
    if (error_code != KAFKA_NONE)
        return fill_errors(pages, response, error_code);
    if (!(pages->name_count == 0 ? fill_all(pages, response) : fill_named(pages, response)))
        return false;
    response->next_cursor = pages->next;
    return true;
}

void handle_describe_topic_partitions(struct request *request)
{
    const struct describe_topic_partitions_request *body = request->body;
    struct pages pages = {.request = request, .cursor = body->cursor};
    int64_t limit = shard_config(request->home)->max_request_partition_size_limit;

    if (body->response_partition_limit < limit)
        limit = body->response_partition_limit;
    pages.remaining_count = limit < 1 ? 1 : (uint32_t)limit;
    if (fill(&pages))
        request_answer(request);
    else
        request_refuse_memory(request);
}
