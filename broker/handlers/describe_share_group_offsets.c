/* DescribeShareGroupOffsets (key 90; KIP-932): of no partition is there one, since there are no
 * share groups; Kafka says so with -1, and without an error, whatever the group is. */
#include "broker/coordinator/group_route.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_describe_share_group_offsets.h"

typedef struct describe_share_group_offsets_request_group asked_group;
typedef struct describe_share_group_offsets_request_topic asked_topic;
typedef struct describe_share_group_offsets_response_group answered_group;
typedef struct describe_share_group_offsets_response_topic answered_topic;

enum { NO_OFFSET = -1 };

static bool fill_topic(struct request *request, const asked_topic *asked, answered_topic *out)
{
    const struct image_topic *topic = image_topic_by_name(
        request->home->image, asked->topic_name.text, (size_t)asked->topic_name.size_bytes);

    out->topic_name = asked->topic_name;
    if (topic != NULL)
        out->topic_id = topic->id;
    out->partitions.items = request_try_array(
        request, &describe_share_group_offsets_response_partition_struct, asked->partitions.count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = asked->partitions.count;
    for (int32_t p = 0; p < asked->partitions.count; p++) {
        out->partitions.items[p].partition_index = asked->partitions.items[p];
        out->partitions.items[p].start_offset = NO_OFFSET;
    }
    return true;
}

static bool fill_group(struct request *request, const asked_group *asked, answered_group *out)
{
    out->group_id = asked->group_id;
    out->error_code = group_may(request, asked->group_id, KAFKA_ACL_OPERATION_DESCRIBE);
    if (out->error_code != KAFKA_NONE || asked->topics.count <= 0)
        return true;
    out->topics.items = request_try_array(
        request, &describe_share_group_offsets_response_topic_struct, asked->topics.count);
    if (out->topics.items == NULL)
        return false;
    out->topics.count = asked->topics.count;
    for (int32_t t = 0; t < asked->topics.count; t++)
        if (!fill_topic(request, &asked->topics.items[t], &out->topics.items[t]))
            return false;
    return true;
}

void handle_describe_share_group_offsets(struct request *request)
{
    const struct describe_share_group_offsets_request *body = request->body;
    struct describe_share_group_offsets_response *response = request->response;
    bool is_fine;

    response->groups.items = request_try_array(
        request, &describe_share_group_offsets_response_group_struct, body->groups.count);
    is_fine = response->groups.items != NULL;
    for (int32_t i = 0; i < body->groups.count && is_fine; i++)
        is_fine = fill_group(request, &body->groups.items[i],
                             &response->groups.items[response->groups.count++]);
    if (is_fine)
        request_answer(request);
    else
        request_refuse_memory(request);
}
