#include "broker/coordinator/transaction_route.h"

#include "broker/internal_topics.h"
#include "broker/java_hash.h"
#include "broker/metadata/image.h"
#include "net/protocol/kafka_enums.h"

int32_t transaction_partition_of(const char *id, size_t id_bytes, int32_t partition_count)
{
    return java_hash_partition(id, id_bytes, partition_count);
}

struct shard *transaction_shard(struct shard *from, const char *id, size_t id_bytes)
{
    const struct image_topic *topic =
        internal_topics_image(from->image, KAFKA_COORDINATOR_KEY_TYPE_TRANSACTION);

    if (topic == NULL || topic->partition_count == 0)
        return from;
    return shard_of_partition(
        from->shards, &topic->id,
        transaction_partition_of(id, id_bytes, (int32_t)topic->partition_count));
}

int16_t transaction_may(const struct request *request, struct wire_string id, int8_t operation)
{
    return request_may(request, operation, KAFKA_ACL_RESOURCE_TYPE_TRANSACTIONAL_ID, id.text,
                       (size_t)id.size_bytes)
               ? KAFKA_NONE
               : KAFKA_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
}
