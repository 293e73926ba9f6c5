/* AlterReplicaLogDirs (key 34; KIP-113): replicas move between the log directories of a broker.
 * Here is one directory: whatever is there stays there, and no other one exists. */
#include "broker/config.h"
#include "broker/handlers.h"
#include "broker/metadata/image.h"
#include "broker/request.h"
#include "broker/topic_ref.h"
#include "net/protocol/msg_alter_replica_log_dirs.h"

typedef struct alter_replica_log_dirs_request_alter_replica_log_dir asked_dir;
typedef struct alter_replica_log_dirs_request_alter_replica_log_dir_topic asked_topic;
typedef struct alter_replica_log_dirs_response_alter_replica_log_dir_topic_result answered_topic;

static int16_t error_of(const struct request *request, const asked_dir *dir,
                        const struct image_topic *topic, int32_t index)
{
    if (!wire_string_is(dir->path, config_log_dir(request->home->config)))
        return KAFKA_LOG_DIR_NOT_FOUND;
    return topic != NULL && topic_ref_has(topic, index) ? KAFKA_NONE
                                                        : KAFKA_UNKNOWN_TOPIC_OR_PARTITION;
}

static bool answer_topic(struct request *request, const asked_dir *dir, const asked_topic *asked,
                         answered_topic *out)
{
    const struct image_topic *topic =
        image_topic_by_name(request->home->image, asked->name.text, (size_t)asked->name.size_bytes);

    out->topic_name = asked->name;
    out->partitions.items = request_try_array(
        request, &alter_replica_log_dirs_response_alter_replica_log_dir_partition_result_struct,
        asked->partitions.count);
    if (out->partitions.items == NULL)
        return false;
    out->partitions.count = asked->partitions.count;
    for (int32_t p = 0; p < asked->partitions.count; p++) {
        out->partitions.items[p].partition_index = asked->partitions.items[p];
        out->partitions.items[p].error_code =
            error_of(request, dir, topic, asked->partitions.items[p]);
    }
    return true;
}

static bool answer_all(struct request *request)
{
    const struct alter_replica_log_dirs_request *body = request->body;
    struct alter_replica_log_dirs_response *response = request->response;
    int32_t count = 0;

    for (int32_t d = 0; d < body->dirs.count; d++)
        count += body->dirs.items[d].topics.count;
    response->results.items = request_try_array(
        request, &alter_replica_log_dirs_response_alter_replica_log_dir_topic_result_struct, count);
    if (response->results.items == NULL)
        return false;
    for (int32_t d = 0; d < body->dirs.count; d++)
        for (int32_t t = 0; t < body->dirs.items[d].topics.count; t++)
            if (!answer_topic(request, &body->dirs.items[d], &body->dirs.items[d].topics.items[t],
                              &response->results.items[response->results.count++]))
                return false;
    return true;
}

void handle_alter_replica_log_dirs(struct request *request)
{
    if (answer_all(request))
        request_answer(request);
    else
        request_refuse_memory(request);
}
