/* Start and stop of the controller.  The walk of a start: controller_begin raises the epoch →
 * decide_registration: bootstrap records of a new cluster, our broker registered and unfenced →
 * decide_leaders, a thousand partitions at a time: those that Kafka left without a leader when it
 * stopped in order, and after a stop that was not in order all that are led → started.  Of a stop:
 * decide_fencing → a snapshot → stopped. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/cordon.h"
#include "broker/metadata/controller_private.h"
#include "broker/metadata/features.h"
#include "broker/metadata/loader.h"
#include "broker/producer_ids.h"
#include "net/protocol/msg_begin_transaction_record.h"
#include "net/protocol/msg_broker_registration_change_record.h"
#include "net/protocol/msg_feature_level_record.h"
#include "net/protocol/msg_partition_change_record.h"
#include "net/protocol/msg_register_broker_record.h"

#include <string.h>

enum { RAISE_RECORDS_MAX = 1000, FENCE = 1, UNFENCE = -1, BEGIN_SHUTDOWN = 1 };

#define RECORDS_ARENA_MAX_BYTES ((size_t)256 << 20)

/* ---- opening */

struct controller *controller_create(struct shard *shard, struct loader *loader,
                                     const char *cluster_id, int32_t node_id)
{
    struct controller *controller = mem_alloc(sizeof(*controller));

    controller->shard = shard;
    controller->loader = loader;
    controller->log = loader_log(loader);
    controller->cluster_id = mem_strdup(cluster_id);
    controller->node_id = node_id;
    controller->epoch = metadata_log_last_epoch(controller->log);
    controller->broker_epoch = -1;
    list_init(&controller->waiting);
    arena_init(&controller->arena, RECORDS_ARENA_MAX_BYTES);
    controller->producer_ids = producer_ids_create(controller);
    return controller;
}

void controller_destroy(struct controller *controller)
{
    if (controller == NULL)
        return;
    producer_ids_destroy(controller->producer_ids);
    arena_deinit(&controller->arena);
    mem_free(controller->cluster_id);
    mem_free(controller);
}

/* ---- starting */

/* What is finalized, or will be by this batch. */
static int16_t level_of(const struct controller *controller)
{
    int16_t level = image_metadata_level(controller->shard->image);

    return level == 0 ? feature_find(features_metadata_version)->new_cluster_level : level;
}

/* A record at the version of our level; NULL: no memory. */
static void *add_record(struct controller *controller, enum metadata_type type)
{
    return metadata_records_add(&controller->records, type,
                                features_record_version(type, level_of(controller)));
}

static enum err add_bootstrap(struct controller *controller)
{
    struct begin_transaction_record *begin =
        metadata_records_add(&controller->records, METADATA_BEGIN_TRANSACTION, 0);

    if (begin == NULL)
        return ERR_NOMEM;
    begin->name = wire_string("Bootstrap records");
    for (uint32_t i = 0; i < FEATURES_COUNT; i++) {
        const struct feature *feature = feature_at(i);
        struct feature_level_record *level;
        if (feature->new_cluster_level == 0)
            continue;
        level = metadata_records_add(&controller->records, METADATA_FEATURE_LEVEL, 0);
        if (level == NULL)
            return ERR_NOMEM;
        level->name = wire_string(feature->name);
        level->feature_level = feature->new_cluster_level;
    }
    return metadata_records_add(&controller->records, METADATA_END_TRANSACTION, 0) == NULL
               ? ERR_NOMEM
               : OK;
}

static enum err fill_registration(struct controller *controller,
                                  struct register_broker_record *record)
{
    const struct config *config = controller->shard->config;
    struct arena *arena = &controller->arena;
    int16_t level = level_of(controller);
    uint32_t listener_count = config_listener_count(config);

    record->broker_id = controller->node_id;
    record->incarnation_id = controller->start.incarnation_id;
    record->broker_epoch = controller->broker_epoch;
    record->rack = wire_string(config_values(config)->broker_rack);
    record->fenced = true; /* until the change behind it */
    record->end_points.items =
        codec_new_array(&register_broker_record_broker_endpoint_struct, arena, listener_count);
    record->features.items =
        codec_new_array(&register_broker_record_broker_feature_struct, arena, FEATURES_COUNT);
    record->log_dirs.items = arena_alloc_array(arena, 1, sizeof(struct uuid));
    if (record->end_points.items == NULL || record->features.items == NULL ||
        record->log_dirs.items == NULL)
        return ERR_NOMEM;
    record->end_points.count = (int32_t)listener_count;
    for (uint32_t i = 0; i < listener_count; i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        bool is_advertised = listener->advertised_host[0] != '\0';
        record->end_points.items[i] = (struct register_broker_record_broker_endpoint){
            .name = wire_string(listener->name),
            .host = wire_string(is_advertised ? listener->advertised_host : listener->host),
            .port = is_advertised ? listener->advertised_port : listener->port,
            .security_protocol = listener->security_protocol,
        };
    }
    record->features.count = FEATURES_COUNT;
    for (uint32_t i = 0; i < FEATURES_COUNT; i++)
        record->features.items[i] = (struct register_broker_record_broker_feature){
            .name = wire_string(feature_at(i)->name),
            .min_supported_version = feature_at(i)->min_level,
            .max_supported_version = feature_at(i)->max_level,
        };
    record->log_dirs.items[0] = controller->start.directory_id;
    if (level < FEATURES_DIRECTORIES)
        return OK;
    record->log_dirs.count = 1;
    if (level < FEATURES_CORDONED)
        return OK;
    record->cordoned_log_dirs.items = record->log_dirs.items;
    record->cordoned_log_dirs.count = cordon_covers(
        config, config_string(config, controller->shard->image, CONFIG_CORDONED_LOG_DIRS));
    return OK;
}

static enum err add_change(struct controller *controller, int8_t fenced, int8_t shutdown)
{
    struct broker_registration_change_record *change =
        add_record(controller, METADATA_BROKER_REGISTRATION_CHANGE);

    if (change == NULL)
        return ERR_NOMEM;
    change->broker_id = controller->node_id;
    change->broker_epoch = controller->broker_epoch;
    change->fenced = fenced;
    change->in_controlled_shutdown = shutdown;
    return OK;
}

static enum err decide_registration(struct controller *controller)
{
    struct register_broker_record *record;
    enum err err = OK;

    if (image_metadata_level(controller->shard->image) == 0)
        err = add_bootstrap(controller);
    if (err != OK)
        return err;
    /* the epoch of a broker is the offset of its registration */
    controller->broker_epoch =
        metadata_log_end(controller->log) + (int64_t)controller->records.count;
    record = add_record(controller, METADATA_REGISTER_BROKER);
    err = record == NULL ? ERR_NOMEM : fill_registration(controller, record);
    return err == OK ? add_change(controller, UNFENCE, 0) : err;
}

/* Is it without a leader, and are we one that has all of it?  Kafka's controller takes the leader
 * from a broker that stops in order, and with it, where eligible.leader.replicas.version is 1, the
 * last member of the in-sync set; of one that has no other replica nobody knows more. */
static bool is_for_us(const struct image_partition *partition, int32_t node_id)
{
    if (partition->leader >= 0)
        return false;
    for (uint32_t i = 0; i < partition->isr_count; i++)
        if (partition->isr[i] == node_id)
            return true;
    return partition->isr_count == 0 && partition->replica_count == 1 &&
           partition->replicas[0] == node_id;
}

static bool needs_leader_record(const struct controller *controller,
                                const struct image_partition *partition)
{
    if (partition->leader_epoch == INT32_MAX || partition->partition_epoch == INT32_MAX)
        return false; /* what follows has no number */
    return (controller->start.unclean && partition->leader == controller->node_id) ||
           is_for_us(partition, controller->node_id);
}

/* The next thousand partitions that need it: a leader tag raises the leader epoch, also with the
 * same leader (kraft.md section 2, rule 1). */
static enum err decide_leaders(struct controller *controller)
{
    const struct image *image = controller->shard->image;
    const struct image_topic *topic;
    size_t cursor = controller->raise_cursor;

    while ((topic = image_topic_next(image, &cursor)) != NULL) {
        for (; controller->raise_partition < topic->partition_count;
             controller->raise_partition++) {
            const struct image_partition *partition =
                &topic->partitions[controller->raise_partition];
            struct partition_change_record *change;
            if (!needs_leader_record(controller, partition))
                continue;
            if (controller->records.count == RAISE_RECORDS_MAX)
                return OK; /* this topic goes on with the next batch */
            change = add_record(controller, METADATA_PARTITION_CHANGE);
            if (change == NULL)
                return ERR_NOMEM;
            change->topic_id = topic->id;
            change->partition_id = partition->index;
            change->leader = controller->node_id;
            if (partition->isr_count == 0) {
                change->isr.items = &controller->node_id;
                change->isr.count = 1;
            }
        }
        controller->raise_cursor = cursor;
        controller->raise_partition = 0;
    }
    return OK;
}

static void end_start(struct controller *controller, enum err err)
{
    if (err == OK) {
        controller->state = CONTROLLER_RUNNING;
        log_line(controller->shard->sink, LOG_INFO, "LVE-4013", "the metadata is up",
                 log_str("cluster_id", controller->cluster_id),
                 log_i64("controller_epoch", controller->epoch),
                 log_i64("broker_epoch", controller->broker_epoch),
                 log_u64("topics", image_topic_count(controller->shard->image)),
                 log_u64("partitions", image_partition_count(controller->shard->image)));
    }
    controller->started(controller->context, err);
}

static void on_raised(struct controller_call *call)
{
    struct controller *controller = container_of(call, struct controller, own);
    size_t cursor = controller->raise_cursor;

    if (call->err != OK || image_topic_next(controller->shard->image, &cursor) == NULL) {
        end_start(controller, call->err);
        return;
    }
    controller_enqueue(controller, call, CALL_OWN);
}

static void on_registered(struct controller_call *call)
{
    struct controller *controller = container_of(call, struct controller, own);

    if (call->err != OK) {
        end_start(controller, call->err);
        return;
    }
    controller->decide_own = decide_leaders;
    call->done = on_raised;
    controller_enqueue(controller, call, CALL_OWN);
}

void controller_begin(struct controller *controller, const struct controller_start *start,
                      void (*started)(void *context, enum err err), void *context)
{
    enum err err;

    check(controller->state == CONTROLLER_OPEN);
    controller->state = CONTROLLER_STARTING;
    controller->start = *start;
    controller->directory_id = start->directory_id;
    controller->started = started;
    controller->context = context;
    controller->epoch++;
    err = metadata_log_begin(controller->log, controller->epoch);
    if (err != OK) {
        end_start(controller, err);
        return;
    }
    controller->decide_own = decide_registration;
    controller->own.done = on_registered;
    controller_enqueue(controller, &controller->own, CALL_OWN);
}

/* ---- stopping */

static void end_stop(void *context)
{
    struct controller *controller = context;

    if (controller->state != CONTROLLER_FAILED)
        controller->state = CONTROLLER_STOPPED;
    controller->stopped(controller->context);
}

static enum err decide_fencing(struct controller *controller)
{
    return add_change(controller, FENCE, BEGIN_SHUTDOWN);
}

static void on_fenced(struct controller_call *call)
{
    struct controller *controller = container_of(call, struct controller, own);

    loader_stop(controller->loader, call->err == OK, end_stop, controller);
}

void controller_stop(struct controller *controller, void (*done)(void *context), void *context)
{
    controller->stopped = done;
    controller->context = context;
    if (controller->state != CONTROLLER_RUNNING) {
        /* failed, or not up yet: nothing to take back */
        loader_stop(controller->loader, false, end_stop, controller);
        return;
    }
    controller->state = CONTROLLER_STOPPING;
    controller->decide_own = decide_fencing;
    controller->own.done = on_fenced;
    controller_enqueue(controller, &controller->own, CALL_OWN);
}
