#include "broker/coordinator/group_route.h"

#include "broker/coordinator/group_coordinator.h"
#include "broker/internal_topics.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

struct shard *group_shard(const struct request *request, struct wire_string group_id)
{
    const struct shard *home = request->home;
    const struct image_topic *topic =
        internal_topics_image(home->image, KAFKA_COORDINATOR_KEY_TYPE_GROUP);

    if (topic == NULL || topic->partition_count == 0)
        return request->home;
    return shard_of_partition(home->shards, &topic->id,
                              group_partition_of(group_id.text, (size_t)group_id.size_bytes,
                                                 (int32_t)topic->partition_count));
}

int16_t group_may(const struct request *request, struct wire_string group_id, int8_t operation)
{
    if (group_id.text == NULL)
        return KAFKA_INVALID_GROUP_ID;
    if (!request_may(request, operation, KAFKA_ACL_RESOURCE_TYPE_GROUP, group_id.text,
                     (size_t)group_id.size_bytes))
        return KAFKA_GROUP_AUTHORIZATION_FAILED;
    return KAFKA_NONE;
}
