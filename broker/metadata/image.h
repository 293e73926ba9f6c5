/* image: the state that the committed metadata records add up to.
 *
 * Each shard holds its own image and applies the same records, so no lock and no sharing.  Only
 * image_apply changes it; lookups are plain reads by the shard.  Facts: Kafka's MetadataImage;
 * section 2 (table and the three rules). */
#ifndef LEVEE_BROKER_METADATA_IMAGE_H
#define LEVEE_BROKER_METADATA_IMAGE_H

#include "base/err.h"
#include "base/hash_map.h"
#include "base/uuid.h"
#include "broker/metadata/records.h"

#include <stdbool.h>
#include <stdint.h>

struct delta;

struct image_partition {
    int32_t index;
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;
    int8_t recovery_state;
    uint32_t replica_count;
    int32_t *replicas;
    uint32_t isr_count;
    int32_t *isr;
    struct uuid *directories; /* replica_count, or NULL */
};

struct image_topic {
    struct uuid id;
    char *name;
    uint32_t partition_count;
    struct image_partition *partitions; /* by index */
};

struct image_endpoint {
    char *name;
    char *host;
    uint16_t port;
    int16_t security_protocol;
};

struct image_broker {
    int32_t id;
    struct uuid incarnation_id;
    int64_t epoch;
    bool fenced;
    bool in_controlled_shutdown;
    char *rack; /* or NULL */
    uint32_t endpoint_count;
    struct image_endpoint *endpoints;
    uint32_t log_dir_count;
    struct uuid *log_dirs;
    uint32_t cordoned_count;
    struct uuid *cordoned; /* of log_dirs: they take no new replicas (KIP-1066) */
};

struct image_feature {
    char *name;
    int16_t level;
};

struct image; /* opaque; made by image_create */

struct image *image_create(void);
void image_destroy(struct image *image);

/* Apply one committed record and note in delta what changed.  One without a body is kept as it is,
 * and written again by image_each_record; what it says is nobody's business yet.  ERR_MALFORMED: a
 * record that cannot follow on the state (unknown topic, wrong epoch); ERR_NEWER_FORMAT: the level
 * of a feature is above what features.h has, so that other records may mean what we do not know.
 * The caller stops the process's start then. ERR_NOMEM: the image is as it was, and the same record
 * may be tried again with the same delta, which may name more than changed. */
must_use enum err image_apply(struct image *image, const struct metadata_record *record,
                              struct delta *delta);

/* Position of the last applied record. */
int64_t image_offset(const struct image *image);
int32_t image_epoch(const struct image *image);
void image_set_position(struct image *image, int64_t offset, int32_t epoch);

const struct image_topic *image_topic_by_id(const struct image *image, const struct uuid *id);
const struct image_topic *image_topic_by_name(const struct image *image, const char *name,
                                              size_t name_bytes);
uint32_t image_topic_count(const struct image *image);
/* Topics in order of name. cursor starts at 0; NULL at the end.  The image must not change. */
const struct image_topic *image_topic_next(const struct image *image, size_t *cursor);
/* The first topic whose name is behind this one ("": of all); NULL: there is none.  For a walk
 * during which the image changes. */
const struct image_topic *image_topic_after(const struct image *image, const char *name);
uint64_t image_partition_count(const struct image *image);

uint32_t image_broker_count(const struct image *image);
const struct image_broker *image_broker_at(const struct image *image, uint32_t index);
const struct image_broker *image_broker_find(const struct image *image, int32_t id);

/* Finalized feature level; 0 when absent. */
int16_t image_feature_level(const struct image *image, const char *name);
/* Of metadata.version. */
int16_t image_metadata_level(const struct image *image);
uint32_t image_feature_count(const struct image *image);
const struct image_feature *image_feature_at(const struct image *image, uint32_t index);

/* A stored config value, or NULL: not set.  type: 2 topic, 4 broker ("" = cluster default), 16
 * client metrics, 32 group (Kafka's numbers). */
const char *image_config(const struct image *image, int8_t type, const char *resource,
                         const char *key);
/* Rises with each record of a broker's config that was applied: what was made of them is old. */
uint64_t image_broker_config_changes(const struct image *image);
/* Visit the set configs of a resource in order of key. */
void image_config_each(const struct image *image, int8_t type, const char *resource,
                       void (*visit)(void *context, const char *key, const char *value),
                       void *context);

/* How many resources of a type have configs, and their names, the oldest first: visit may run
 * nothing that changes the image. */
uint32_t image_config_resource_count(const struct image *image, int8_t type);
bool image_config_has_resource(const struct image *image, int8_t type, const char *resource);
void image_config_each_resource(const struct image *image, int8_t type,
                                void (*visit)(void *context, const char *resource), void *context);

/* Records that are kept without a body: how many, and the names of their types. */
uint32_t image_opaque_count(const struct image *image);
void image_opaque_types(const struct image *image, char *out, size_t out_max_bytes);

/* Which record image_replay could not apply, for a log line; "" when none. */
const char *image_refused(const struct image *image);
void image_note_refused(struct image *image, const char *text);

/* First producer id not yet in a reserved block. */
int64_t image_next_producer_id(const struct image *image);

/* Visit the records that rebuild this image, in the order of Kafka's snapshots.  ERR_NOMEM, and
 * what visit says.  Those without a body come last, in the order of the log. */
must_use enum err image_each_record(const struct image *image,
                                    enum err (*visit)(void *context,
                                                      const struct metadata_record *record),
                                    void *context);

#endif
