/* DescribeQuorum (key 55; KIP-595, 836, 853): the metadata's log has one voter, this broker, and
 * what is told of it is what the image of this shard has applied. */
#include "broker/config.h"
#include "broker/endpoint.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/metadata/metadata_log.h"
#include "net/protocol/msg_describe_quorum.h"

typedef struct describe_quorum_request_topic_data asked_topic;
typedef struct describe_quorum_response_partition_data answered_partition;
typedef struct describe_quorum_response_topic_data answered_topic;

static bool asks_for_the_quorum(const struct describe_quorum_request *body)
{
    return body->topics.count == 1 &&
           wire_string_is(body->topics.items[0].topic_name, METADATA_LOG_TOPIC) &&
           body->topics.items[0].partitions.count == 1 &&
           body->topics.items[0].partitions.items[0].partition_index == 0;
}

static bool fill_partition(struct request *request, answered_partition *out)
{
    const struct image *image = request->home->image;
    int32_t node_id = config_node_id(request->home->config);
    const struct image_broker *self = image_broker_find(image, node_id);
    struct describe_quorum_response_replica_state *voter =
        request_try_array(request, &describe_quorum_response_replica_state_struct, 1);

    if (voter == NULL)
        return false;
    out->leader_id = node_id;
    out->leader_epoch = image_epoch(image);
    out->high_watermark = image_offset(image) + 1;
    out->current_voters.items = voter;
    out->current_voters.count = 1;
    voter->replica_id = node_id;
    if (self != NULL && self->log_dir_count > 0 && request->api_version >= 2)
        voter->replica_directory_id = self->log_dirs[0];
    voter->log_end_offset = out->high_watermark;
    voter->last_fetch_timestamp = clock_wall_ms(request->home->clock); /* a leader's: now */
    voter->last_caught_up_timestamp = voter->last_fetch_timestamp;
    return true;
}

/* Controllers are reached where brokers are. */
static bool fill_nodes(struct request *request, struct describe_quorum_response *response)
{
    const char *listener = endpoint_listener(request);
    char *host = request_try_alloc(request, 1, ENDPOINT_HOST_MAX);
    struct describe_quorum_response_node *node =
        request_try_array(request, &describe_quorum_response_node_struct, 1);
    struct describe_quorum_response_listener *out =
        request_try_array(request, &describe_quorum_response_listener_struct, 1);

    if (host == NULL || node == NULL || out == NULL)
        return false;
    endpoint_for(request, host, &out->port);
    out->host = wire_string(host);
    out->name = wire_string(listener == NULL ? "" : listener);
    node->node_id = config_node_id(request->home->config);
    node->listeners.items = out;
    node->listeners.count = 1;
    response->nodes.items = node;
    response->nodes.count = 1;
    return true;
}

static bool fill_topic(struct request *request, const asked_topic *asked, bool is_quorum,
                       answered_topic *out)
{
    out->topic_name = asked->topic_name;
    out->partitions.items = request_try_array(
        request, &describe_quorum_response_partition_data_struct, asked->partitions.count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = asked->partitions.count;
    for (int32_t p = 0; p < asked->partitions.count; p++) {
        answered_partition *answer = &out->partitions.items[p];
        answer->partition_index = asked->partitions.items[p].partition_index;
        if (is_quorum)
            return fill_partition(request, answer);
        answer->error_code = KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
        if (request->api_version >= 2)
            answer->error_message = wire_string("This server does not host this topic-partition.");
    }
    return true;
}

static bool fill(struct request *request)
{
    const struct describe_quorum_request *body = request->body;
    struct describe_quorum_response *response = request->response;
    bool is_quorum = asks_for_the_quorum(body);

    response->topics.items =
        request_try_array(request, &describe_quorum_response_topic_data_struct, body->topics.count);
    if (response->topics.items == NULL)
        return false;
    response->topics.count = body->topics.count;
    for (int32_t t = 0; t < body->topics.count; t++)
        if (!fill_topic(request, &body->topics.items[t], is_quorum, &response->topics.items[t]))
            return false;
    return !is_quorum || request->api_version < 2 || fill_nodes(request, response);
}

void handle_describe_quorum(struct request *request)
{
    if (fill(request))
        request_answer(request);
    else
        request_refuse_memory(request);
}
