#include "broker/authorized.h"

#include "net/protocol/kafka_enums.h"

#include <string.h>

static int32_t authorized(const struct request *request, int8_t resource_type, const char *name,
                          const int8_t *operations, size_t count)
{
    int32_t bits = 0;

    for (size_t i = 0; i < count; i++)
        if (request_may(request, operations[i], resource_type, name, strlen(name)))
            bits |= 1 << operations[i];
    return bits;
}

int32_t authorized_on_topic(const struct request *request, const char *topic)
{
    static const int8_t operations[] = {KAFKA_ACL_OPERATION_READ,
                                        KAFKA_ACL_OPERATION_WRITE,
                                        KAFKA_ACL_OPERATION_CREATE,
                                        KAFKA_ACL_OPERATION_DELETE,
                                        KAFKA_ACL_OPERATION_ALTER,
                                        KAFKA_ACL_OPERATION_DESCRIBE,
                                        KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS,
                                        KAFKA_ACL_OPERATION_ALTER_CONFIGS};

    return authorized(request, KAFKA_ACL_RESOURCE_TYPE_TOPIC, topic, operations,
                      array_count(operations));
}

int32_t authorized_on_cluster(const struct request *request)
{
    static const int8_t operations[] = {
        KAFKA_ACL_OPERATION_CREATE,           KAFKA_ACL_OPERATION_ALTER,
        KAFKA_ACL_OPERATION_DESCRIBE,         KAFKA_ACL_OPERATION_CLUSTER_ACTION,
        KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, KAFKA_ACL_OPERATION_ALTER_CONFIGS,
        KAFKA_ACL_OPERATION_IDEMPOTENT_WRITE};

    return authorized(request, KAFKA_ACL_RESOURCE_TYPE_CLUSTER, "kafka-cluster", operations,
                      array_count(operations));
}

int32_t authorized_on_group(const struct request *request, const char *group)
{
    static const int8_t operations[] = {
        KAFKA_ACL_OPERATION_READ, KAFKA_ACL_OPERATION_DELETE, KAFKA_ACL_OPERATION_DESCRIBE,
        KAFKA_ACL_OPERATION_DESCRIBE_CONFIGS, KAFKA_ACL_OPERATION_ALTER_CONFIGS};

    return authorized(request, KAFKA_ACL_RESOURCE_TYPE_GROUP, group, operations,
                      array_count(operations));
}
