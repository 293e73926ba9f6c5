/* features: the feature levels that this broker supports (KIP-584, KIP-1022), and what follows from
 * a level.
 *
 * A feature is listed when at least two levels of it mean something here; it is finalized (a
 * FeatureLevel record) only at a level whose code works.  A directory keeps its level until
 * somebody raises it (UpdateFeatures).  Values only; no owner. */
#ifndef LEVEE_BROKER_METADATA_FEATURES_H
#define LEVEE_BROKER_METADATA_FEATURES_H

#include "broker/metadata/records.h"

#include <stdbool.h>
#include <stdint.h>

struct feature {
    const char *name;
    int16_t min_level;
    int16_t max_level;
    int16_t new_cluster_level; /* what a new cluster finalizes; 0: nothing */
};

enum { FEATURES_COUNT = 2 };

/* Levels of metadata.version from which something holds. */
enum {
    FEATURES_DIRECTORIES = 17, /* 3.7-IV2: brokers and partitions name their directories */
    FEATURES_CORDONED = 30,    /* 4.3-IV0: brokers name directories that take nothing new */
};

extern const char features_metadata_version[];
extern const char features_transaction_version[]; /* enum TRANSACTION_V*, transaction.h (KIP-890) */

const struct feature *feature_at(uint32_t index);
const struct feature *feature_find(const char *name);

/* The version in which a record is written at a level of metadata.version: what brokers of that
 * level can read (Kafka's MetadataVersion.registerBrokerRecordVersion and the like). */
int16_t features_record_version(enum metadata_type type, int16_t level);

/* Does lowering metadata.version from one level to another lose what records hold? (Kafka's
 * MetadataVersion.checkIfMetadataChanged.) */
bool features_differ(int16_t from, int16_t to);

#endif
