/* image_private: how an image lies in memory; for image*.c alone. */
#ifndef LEVEE_BROKER_METADATA_IMAGE_PRIVATE_H
#define LEVEE_BROKER_METADATA_IMAGE_PRIVATE_H

#include "base/list.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/image.h"

enum { IMAGE_CONFIG_TYPES = 128, IMAGE_CONFIG_NAME_MAX = INT16_MAX /* as a topic's or group's */ };
enum { IMAGE_OPAQUE_FAMILIES = 4, IMAGE_REFUSED_MAX = 192 };

struct topic_entry {
    struct image_topic topic; /* first: lookups return it */
    size_t name_bytes;
};

struct config_pair {
    char *key;
    char *value;
};

/* The set configs of one resource, by rising key. */
struct config_resource {
    char *id; /* type as one byte, then the name */
    size_t id_bytes;
    struct config_pair *pairs;
    uint32_t count;
};

/* Records that nothing here acts on (image_opaque.c). */
struct image_opaque {
    struct list records; /* opaque_record, in the order of the log */
    struct hash_map by_key;
    uint32_t count;
    bool is_unread[IMAGE_OPAQUE_FAMILIES]; /* from here on one is no longer replaced by another */
};

struct image {
    int64_t offset;
    int32_t epoch;
    struct hash_map topics_by_id;   /* topic_entry */
    struct hash_map topics_by_name; /* topic_entry */
    struct topic_entry **topics;    /* by rising name */
    uint32_t topic_count;
    uint32_t topic_max;
    uint64_t partition_count;
    struct image_broker *brokers; /* by rising id */
    uint32_t broker_count;
    struct image_feature *features; /* by rising name */
    uint32_t feature_count;
    struct hash_map configs;                    /* config_resource by id */
    char *config_key;                           /* where the id of one that is looked up is made */
    uint32_t config_counts[IMAGE_CONFIG_TYPES]; /* resources, by type */
    uint64_t broker_config_changes;
    int64_t next_producer_id;
    struct image_opaque opaque;
    char refused[IMAGE_REFUSED_MAX]; /* image_refused */
};

/* image_topics.c */
enum err image_apply_topic(struct image *image, const struct metadata_record *record,
                           struct delta *delta);
void image_free_topics(struct image *image);

/* image_brokers.c */
enum err image_apply_broker(struct image *image, const struct metadata_record *record,
                            struct delta *delta);
void image_free_brokers(struct image *image);

/* image_configs.c */
enum err image_apply_config(struct image *image, const struct metadata_record *record,
                            struct delta *delta);
void image_remove_configs(struct image *image, int8_t type, const char *resource);
void image_free_configs(struct image *image);

/* image_opaque.c */
void image_init_opaque(struct image *image);
enum err image_apply_opaque(struct image *image, const struct metadata_record *record);
enum err image_each_opaque(const struct image *image,
                           enum err (*visit)(void *context, const struct metadata_record *record),
                           void *context);
void image_free_opaque(struct image *image);

#endif
