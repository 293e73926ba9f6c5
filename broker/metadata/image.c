#include "base/check.h"
#include "base/mem.h"
#include "base/text.h"
#include "broker/metadata/features.h"
#include "broker/metadata/image_private.h"
#include "net/protocol/kafka_enums.h"
#include "net/protocol/msg_config_record.h"
#include "net/protocol/msg_feature_level_record.h"
#include "net/protocol/msg_partition_record.h"
#include "net/protocol/msg_producer_ids_record.h"
#include "net/protocol/msg_register_broker_record.h"
#include "net/protocol/msg_topic_record.h"

#include <stdio.h>
#include <string.h>

struct image *image_create(void)
{
    struct image *image = mem_alloc(sizeof(*image));

    /* the map's order is that of insertion, whatever the seed; names come from admins */
    hash_map_init(&image->topics_by_id, 1);
    hash_map_init(&image->topics_by_name, 2);
    hash_map_init(&image->configs, 3);
    image->config_key = mem_alloc(1 + IMAGE_CONFIG_NAME_MAX);
    image_init_opaque(image);
    image->offset = -1;
    image->epoch = -1;
    return image;
}

void image_destroy(struct image *image)
{
    if (image == NULL)
        return;
    image_free_topics(image);
    image_free_brokers(image);
    image_free_configs(image);
    image_free_opaque(image);
    for (uint32_t i = 0; i < image->feature_count; i++)
        mem_free(image->features[i].name);
    mem_free(image->features);
    mem_free(image->config_key);
    mem_free(image);
}

static enum err add_feature(struct image *image, uint32_t place,
                            const struct feature_level_record *record)
{
    char *name = mem_try_strndup(record->name.text, (size_t)record->name.size_bytes);
    struct image_feature *features = NULL;

    if (name != NULL)
        features = mem_try_realloc(image->features, (image->feature_count + 1) * sizeof(*features));
    if (features == NULL) {
        mem_free(name);
        return ERR_NOMEM;
    }
    image->features = features;
    memmove(&features[place + 1], &features[place],
            (image->feature_count - place) * sizeof(*features));
    features[place] = (struct image_feature){name, record->feature_level};
    image->feature_count++;
    return OK;
}

/* Of a feature that is ours.  Another's level is kept, and nobody here acts on it. */
static bool is_known_level(const struct feature_level_record *record)
{
    for (uint32_t i = 0; i < FEATURES_COUNT; i++) {
        const struct feature *feature = feature_at(i);
        if (wire_string_is(record->name, feature->name))
            return record->feature_level <= feature->max_level;
    }
    return true;
}

static enum err set_feature(struct image *image, const struct feature_level_record *record)
{
    size_t name_bytes = (size_t)record->name.size_bytes;
    uint32_t place = 0;
    int order = -1;

    if (memchr(record->name.text, '\0', name_bytes) != NULL)
        return ERR_MALFORMED; /* it is kept as a C string */
    if (!is_known_level(record))
        return ERR_NEWER_FORMAT;
    for (; place < image->feature_count; place++) {
        order = text_compare(image->features[place].name, record->name.text, name_bytes);
        if (order >= 0)
            break;
    }
    if (place < image->feature_count && order == 0) {
        if (record->feature_level != 0) {
            image->features[place].level = record->feature_level;
            return OK;
        }
        mem_free(image->features[place].name); /* level 0 removes */
        image->feature_count--;
        memmove(&image->features[place], &image->features[place + 1],
                (image->feature_count - place) * sizeof(*image->features));
        return OK;
    }
    return record->feature_level == 0 ? OK : add_feature(image, place, record);
}

enum err image_apply(struct image *image, const struct metadata_record *record, struct delta *delta)
{
    if (record->body == NULL)
        return record->type == METADATA_NO_OP ? OK : image_apply_opaque(image, record);
    switch (record->type) {
    case METADATA_REGISTER_BROKER:
    case METADATA_UNREGISTER_BROKER:
    case METADATA_FENCE_BROKER:
    case METADATA_UNFENCE_BROKER:
    case METADATA_BROKER_REGISTRATION_CHANGE:
        return image_apply_broker(image, record, delta);
    case METADATA_TOPIC:
    case METADATA_REMOVE_TOPIC:
    case METADATA_PARTITION:
    case METADATA_PARTITION_CHANGE:
        return image_apply_topic(image, record, delta);
    case METADATA_CONFIG:
        return image_apply_config(image, record, delta);
    case METADATA_FEATURE_LEVEL:
        delta->features = true;
        return set_feature(image, record->body);
    case METADATA_PRODUCER_IDS:
        image->next_producer_id =
            ((const struct producer_ids_record *)record->body)->next_producer_id;
        return OK;
    default:
        return metadata_type_use((int16_t)record->type) == METADATA_PASSED_OVER ? OK
                                                                                : ERR_UNSUPPORTED;
    }
}

const char *image_refused(const struct image *image)
{
    return image->refused;
}

void image_note_refused(struct image *image, const char *text)
{
    snprintf(image->refused, sizeof(image->refused), "%s", text);
}

int64_t image_offset(const struct image *image)
{
    return image->offset;
}

int32_t image_epoch(const struct image *image)
{
    return image->epoch;
}

void image_set_position(struct image *image, int64_t offset, int32_t epoch)
{
    image->offset = offset;
    image->epoch = epoch;
}

int16_t image_feature_level(const struct image *image, const char *name)
{
    for (uint32_t i = 0; i < image->feature_count; i++)
        if (strcmp(image->features[i].name, name) == 0)
            return image->features[i].level;
    return 0;
}

int16_t image_metadata_level(const struct image *image)
{
    return image_feature_level(image, features_metadata_version);
}

uint32_t image_feature_count(const struct image *image)
{
    return image->feature_count;
}

const struct image_feature *image_feature_at(const struct image *image, uint32_t index)
{
    check(index < image->feature_count);
    return &image->features[index];
}

int64_t image_next_producer_id(const struct image *image)
{
    return image->next_producer_id;
}

/* ---- the records that rebuild the image (Kafka's MetadataImage.write: features, brokers, topics,
 * configs, producer ids) */

struct visit {
    enum err (*call)(void *context, const struct metadata_record *record);
    void *context;
    int16_t level;
};

/* At the version of the image's level: what it lacks is left out. */
static enum err emit(const struct visit *visit, enum metadata_type type, const void *body)
{
    struct metadata_record record = {
        .type = type, .version = features_record_version(type, visit->level), .body = body};

    return visit->call(visit->context, &record);
}

static enum err emit_features(const struct image *image, const struct visit *visit)
{
    enum err err = OK;

    /* metadata.version first: a reader needs it to understand what follows */
    for (int pass = 0; pass < 2; pass++)
        for (uint32_t i = 0; i < image->feature_count && err == OK; i++) {
            const struct image_feature *feature = &image->features[i];
            struct feature_level_record record = {.name = wire_string(feature->name),
                                                  .feature_level = feature->level};
            if ((strcmp(feature->name, features_metadata_version) == 0) == (pass == 0))
                err = emit(visit, METADATA_FEATURE_LEVEL, &record);
        }
    return err;
}

static enum err emit_broker(const struct image_broker *broker, const struct visit *visit)
{
    struct register_broker_record_broker_endpoint *endpoints =
        mem_try_alloc(broker->endpoint_count * sizeof(*endpoints));
    struct register_broker_record record = {
        .broker_id = broker->id,
        .incarnation_id = broker->incarnation_id,
        .broker_epoch = broker->epoch,
        .rack = wire_string(broker->rack),
        .fenced = broker->fenced,
        .in_controlled_shutdown = broker->in_controlled_shutdown,
        .cordoned_log_dirs.count = -1,
    };
    enum err err;

    if (endpoints == NULL)
        return ERR_NOMEM;
    for (uint32_t i = 0; i < broker->endpoint_count; i++)
        endpoints[i] = (struct register_broker_record_broker_endpoint){
            .name = wire_string(broker->endpoints[i].name),
            .host = wire_string(broker->endpoints[i].host),
            .port = broker->endpoints[i].port,
            .security_protocol = broker->endpoints[i].security_protocol};
    record.end_points.items = endpoints;
    record.end_points.count = (int32_t)broker->endpoint_count;
    if (visit->level >= FEATURES_DIRECTORIES) {
        record.log_dirs.items = broker->log_dirs;
        record.log_dirs.count = (int32_t)broker->log_dir_count;
    }
    if (visit->level >= FEATURES_CORDONED) {
        record.cordoned_log_dirs.items = broker->cordoned;
        record.cordoned_log_dirs.count = (int32_t)broker->cordoned_count;
    }
    err = emit(visit, METADATA_REGISTER_BROKER, &record);
    mem_free(endpoints);
    return err;
}

static enum err emit_partition(const struct image_topic *topic,
                               const struct image_partition *partition, const struct visit *visit)
{
    struct partition_record record = {
        .partition_id = partition->index,
        .topic_id = topic->id,
        .leader = partition->leader,
        .leader_recovery_state = partition->recovery_state,
        .leader_epoch = partition->leader_epoch,
        .partition_epoch = partition->partition_epoch,
        .eligible_leader_replicas.count = -1,
        .last_known_elr.count = -1,
    };

    record.replicas.items = partition->replicas;
    record.replicas.count = (int32_t)partition->replica_count;
    record.isr.items = partition->isr;
    record.isr.count = (int32_t)partition->isr_count;
    if (visit->level >= FEATURES_DIRECTORIES && partition->directories != NULL) {
        record.directories.items = partition->directories;
        record.directories.count = (int32_t)partition->replica_count;
    }
    return emit(visit, METADATA_PARTITION, &record);
}

static enum err emit_topic(const struct image_topic *topic, const struct visit *visit)
{
    struct topic_record record = {.name = wire_string(topic->name), .topic_id = topic->id};
    enum err err = emit(visit, METADATA_TOPIC, &record);

    for (uint32_t i = 0; i < topic->partition_count && err == OK; i++)
        err = emit_partition(topic, &topic->partitions[i], visit);
    return err;
}

static enum err emit_configs(const struct image *image, const struct visit *visit)
{
    size_t cursor = 0;
    const struct config_resource *resource;
    enum err err = OK;

    while (err == OK && (resource = hash_map_next(&image->configs, &cursor)) != NULL)
        for (uint32_t i = 0; i < resource->count && err == OK; i++) {
            struct config_record record = {.resource_type = (int8_t)resource->id[0],
                                           .resource_name = wire_string(resource->id + 1),
                                           .name = wire_string(resource->pairs[i].key),
                                           .value = wire_string(resource->pairs[i].value)};
            err = emit(visit, METADATA_CONFIG, &record);
        }
    return err;
}

enum err image_each_record(const struct image *image,
                           enum err (*call)(void *context, const struct metadata_record *record),
                           void *context)
{
    struct visit visit = {call, context, image_metadata_level(image)};
    struct producer_ids_record ids = {
        .broker_id = -1, .broker_epoch = -1, .next_producer_id = image->next_producer_id};
    enum err err = emit_features(image, &visit);

    for (uint32_t i = 0; i < image->broker_count && err == OK; i++)
        err = emit_broker(&image->brokers[i], &visit);
    for (uint32_t i = 0; i < image->topic_count && err == OK; i++)
        err = emit_topic(&image->topics[i]->topic, &visit);
    if (err == OK)
        err = emit_configs(image, &visit);
    if (err == OK && image->next_producer_id > 0)
        err = emit(&visit, METADATA_PRODUCER_IDS, &ids);
    return err == OK ? image_each_opaque(image, call, context) : err;
}
