#include "broker/metadata/features.h"

#include "base/check.h"

/* metadata.version 22 is 4.0-IV0: it writes RegisterBroker 3, BrokerRegistrationChange 2, Partition
 * 1 and PartitionChange 1, as we do; eligible leader replicas (Partition 2) begin at 23.  7 is
 * 3.3-IV3, the oldest that Kafka 4 reads. */
static const struct feature features[FEATURES_COUNT] = {
    {.name = "metadata.version", .min_level = 7, .max_level = 22, .new_cluster_level = 22},
};

const struct feature *feature_at(uint32_t index)
{
    check(index < FEATURES_COUNT);
    return &features[index];
}
