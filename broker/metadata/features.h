/* features: the feature levels that this broker supports (KIP-584, KIP-1022).
 *
 * A feature is listed when at least two levels of it mean something here; it is finalized (a
 * FeatureLevel record) only at a level whose code works. */
#ifndef LEVEE_BROKER_METADATA_FEATURES_H
#define LEVEE_BROKER_METADATA_FEATURES_H

#include <stdint.h>

struct feature {
    const char *name;
    int16_t min_level;
    int16_t max_level;
    int16_t new_cluster_level; /* what a new cluster finalizes; 0: nothing */
};

enum { FEATURES_COUNT = 1 };

const struct feature *feature_at(uint32_t index);

#endif
