#include "broker/metadata/features.h"

#include "base/check.h"

#include <string.h>

const char features_metadata_version[] = "metadata.version";
const char features_transaction_version[] = "transaction.version";

/* metadata.version 30 is 4.3-IV0; eligible leader replicas (23), delegation tokens (14), SCRAM (11)
 * and streams (29) are gates of features that are finalized, configured or created apart, and of
 * which nothing here writes a record.  7 is 3.3-IV3, the oldest that Kafka 4 reads. */
static const struct feature features[FEATURES_COUNT] = {
    {.name = features_metadata_version, .min_level = 7, .max_level = 30, .new_cluster_level = 30},
    {.name = features_transaction_version, .min_level = 0, .max_level = 2, .new_cluster_level = 2},
};

const struct feature *feature_at(uint32_t index)
{
    check(index < FEATURES_COUNT);
    return &features[index];
}

const struct feature *feature_find(const char *name)
{
    for (uint32_t i = 0; i < FEATURES_COUNT; i++)
        if (strcmp(features[i].name, name) == 0)
            return &features[i];
    return NULL;
}

int16_t features_record_version(enum metadata_type type, int16_t level)
{
    switch (type) {
    case METADATA_REGISTER_BROKER:
        return level >= FEATURES_CORDONED      ? 4
               : level >= FEATURES_DIRECTORIES ? 3
               : level >= 8                    ? 2
                                               : 1;
    case METADATA_BROKER_REGISTRATION_CHANGE:
        return level >= FEATURES_CORDONED ? 3 : level >= FEATURES_DIRECTORIES ? 2 : 1;
    case METADATA_PARTITION:
    case METADATA_PARTITION_CHANGE:
        return level >= 23 ? 2 : level >= FEATURES_DIRECTORIES ? 1 : 0;
    default:
        return 0;
    }
}

bool features_differ(int16_t from, int16_t to)
{
    static const int16_t changed[] = {8, 11, 13, 14, 15, 17, 23, 30};
    int16_t low = from < to ? from : to;
    int16_t high = from < to ? to : from;

    for (size_t i = 0; i < array_count(changed); i++)
        if (changed[i] > low && changed[i] <= high)
            return true;
    return false;
}
