/* The walk of a call: controller_enqueue → controller_pump takes the oldest → decide: records and
 * answer → metadata_log_append: durable, and the loader has brought it to every shard's image and
 * publishers → on_committed → finish: the caller's done → the next one. */
#include "base/check.h"
#include "broker/config/config_value.h"
#include "broker/internal_topics.h"
#include "broker/metadata/controller_private.h"
#include "broker/producer_ids.h"
#include "broker/topic_config.h"
#include "net/protocol/kafka_errors.h"
#include "net/protocol/msg_producer_ids_record.h"

#include <inttypes.h>

/* Retention is shortened so often where the journal has no room, a block each: the rest of what it
 * keeps is for what deletes.  It has room again when anything else is written. */
enum { URGENT_ALTERS_MAX = 4 };

/* ---- deciding */

static enum err decide_producer_ids(struct controller *controller, struct controller_call *call)
{
    struct producer_ids_record *record =
        metadata_records_add(&controller->records, METADATA_PRODUCER_IDS, 0);

    if (record == NULL)
        return ERR_NOMEM;
    call->first_id = image_next_producer_id(controller->shard->image);
    record->broker_id = controller->node_id;
    record->broker_epoch = controller_broker_epoch(controller);
    record->next_producer_id = call->first_id + CONTROLLER_PRODUCER_ID_BLOCK;
    return OK;
}

static void set_config(struct create_topics_request_creatable_topic_config *config,
                       enum topic_config_id id, const char *value)
{
    config->name = wire_string(topic_config_key(id)->name);
    config->value = wire_string(value);
}

/* The configured size, or the least that a topic may have (KIP-1030): Kafka takes any, and then
 * cannot make the topic. */
static const char *segment_bytes_of(const struct internal_topic *internal,
                                    struct decision *decision, struct log_sink *sink)
{
    int64_t asked = config_value_i64(decision->values, config_key(internal->segment_bytes_key));
    int64_t least = topic_config_key(TOPIC_CONFIG_SEGMENT_BYTES)->min;

    if (asked < least) {
        log_line(sink, LOG_INFO, "LVE-4014",
                 "the segments of an internal topic are made as large as a topic's must be",
                 log_i64("asked", asked), log_i64("segment_bytes", least));
        asked = least;
    }
    return arena_printf(decision->arena, "%" PRId64, asked);
}

/* It has settings of its own; its factor is what one broker can give. */
static enum err prepare_internal(const struct internal_topic *internal, struct decision *decision,
                                 struct log_sink *sink,
                                 struct create_topics_request_creatable_topic *topic)
{
    int64_t factor = config_value_i64(decision->values, config_key(internal->replication_key));
    int32_t first = 0;
    uint32_t live = decision_live_brokers(decision, &first);
    const char *segment_bytes = segment_bytes_of(internal, decision, sink);

    topic->num_partitions =
        (int32_t)config_value_i64(decision->values, config_key(internal->partitions_key));
    topic->configs.items =
        codec_new_array(&create_topics_request_creatable_topic_config_struct, decision->arena, 3);
    if (topic->configs.items == NULL || segment_bytes == NULL)
        return ERR_NOMEM;
    topic->configs.count = 3;
    set_config(&topic->configs.items[0], TOPIC_CONFIG_CLEANUP_POLICY, internal->cleanup_policy);
    set_config(&topic->configs.items[1], TOPIC_CONFIG_COMPRESSION_TYPE, internal->compression_type);
    set_config(&topic->configs.items[2], TOPIC_CONFIG_SEGMENT_BYTES, segment_bytes);
    if (factor > (int64_t)live && live > 0) {
        log_line(sink, LOG_INFO, "LVE-4010",
                 "the replication factor of an internal topic was lowered to the live brokers",
                 log_text("topic", topic->name.text, (size_t)topic->name.size_bytes),
                 log_i64("asked", factor), log_i64("brokers", live));
        factor = live;
    }
    topic->replication_factor = (int16_t)factor;
    return OK;
}

static enum err decide_auto_create(struct decision *decision, struct log_sink *sink,
                                   struct controller_auto_create *create)
{
    struct create_topics_request_creatable_topic topic = {
        .name = wire_string(create->name), .num_partitions = -1, .replication_factor = -1};
    struct create_topics_request request = {.topics = {&topic, 1}};
    struct create_topics_response response = {0};
    const struct internal_topic *internal = internal_topics_find(create->name);
    enum err err = OK;

    if (internal != NULL && internal->key_type >= 0)
        err = prepare_internal(internal, decision, sink, &topic);
    if (err == OK)
        err = decide_create_topics(decision, &request, &response);
    if (err != OK)
        return err;
    create->error_code = response.topics.items[0].error_code;
    if (create->error_code == KAFKA_TOPIC_ALREADY_EXISTS)
        create->error_code = KAFKA_NONE;
    return OK;
}

static enum err decide(struct controller *controller, struct controller_call *call)
{
    bool is_auto = call->kind == CALL_AUTO_CREATE;
    struct decision decision = {
        .config = controller->shard->config,
        .values = shard_config(controller->shard),
        .image = controller->shard->image,
        .prng = &controller->shard->prng,
        .node_id = controller->node_id,
        .broker_epoch = controller_broker_epoch(controller),
        .directory_id = controller->directory_id,
        .arena = is_auto ? &controller->arena : call->arena,
        .records = &controller->records,
    };

    switch ((enum controller_kind)call->kind) {
    case CALL_CREATE_TOPICS:
        return decide_create_topics(&decision, call->request, call->response);
    case CALL_DELETE_TOPICS:
        return decide_delete_topics(&decision, call->version, call->request, call->response);
    case CALL_CREATE_PARTITIONS:
        return decide_create_partitions(&decision, call->request, call->response);
    case CALL_ALTER_CONFIGS:
        return decide_alter_configs(&decision, call->request, call->response);
    case CALL_UPDATE_FEATURES:
        return decide_update_features(&decision, call->request, call->response);
    case CALL_ALTER_PARTITION:
        return decide_alter_partition(&decision, call->version, call->request, call->response);
    case CALL_PRODUCER_IDS:
        return decide_producer_ids(controller, call);
    case CALL_AUTO_CREATE:
        return decide_auto_create(&decision, controller->shard->sink,
                                  container_of(call, struct controller_auto_create, call));
    case CALL_OWN:
        break;
    }
    return controller->decide_own(controller, &decision);
}

/* ---- committing */

static void finish(struct controller *controller, enum err err)
{
    struct controller_call *call = controller->current;

    controller->current = NULL;
    call->err = err;
    call->done(call);
    controller_pump(controller);
}

static void on_committed(struct metadata_append *append, enum err err)
{
    struct controller *controller = container_of(append, struct controller, append);

    if (err != OK) {
        controller_fail(controller, err);
        return;
    }
    if (!append->urgent)
        controller->urgent_alter_count = 0;
    else if (controller->current->kind == CALL_ALTER_CONFIGS)
        controller->urgent_alter_count++;
    finish(controller, OK);
}

/* On a full disk topics are deleted, or keep less, to make it less full. */
static bool lets_space_go(const struct controller *controller, const struct controller_call *call)
{
    return call->kind == CALL_DELETE_TOPICS ||
           (call->kind == CALL_ALTER_CONFIGS &&
            decide_alters_retention(controller->shard->image, call->request));
}

/* ... of what the journal keeps for that, in its turn. */
static bool is_urgent(const struct controller *controller, const struct controller_call *call)
{
    return call->lets_space_go &&
           (call->kind != CALL_ALTER_CONFIGS || controller->urgent_alter_count < URGENT_ALTERS_MAX);
}

/* One that waits for room gives way to one that may use what the journal keeps: else nobody could
 * make room by deleting topics.  It is decided anew when its turn comes; the steps of a start are
 * not, and nobody passes them. */
static bool give_way(struct controller *controller)
{
    struct controller_call *current = controller->current;
    struct list *urgent = NULL;

    if (current == NULL || current->kind == CALL_OWN || is_urgent(controller, current))
        return false;
    list_for_each(node, &controller->waiting)
    {
        if (is_urgent(controller, container_of(node, struct controller_call, node))) {
            urgent = node;
            break;
        }
    }
    if (urgent == NULL || !metadata_log_retract(controller->log))
        return false;
    controller->current = NULL;
    list_push_front(&controller->waiting, &current->node);
    controller->waiting_count++;
    list_remove(urgent);
    list_push_front(&controller->waiting, urgent);
    return true;
}

/* What is urgent has what the journal keeps only where there is no other room. */
static enum err append_records(struct controller *controller, const struct controller_call *call)
{
    enum err err;

    controller->append.done = on_committed;
    controller->append.urgent = false;
    err = metadata_log_append(controller->log, &controller->records, &controller->append);
    if (err != OK || !is_urgent(controller, call) || !metadata_log_retract(controller->log))
        return err;
    controller->append.urgent = true;
    return metadata_log_append(controller->log, &controller->records, &controller->append);
}

/* Decide the oldest call and bring its records on their way. */
static void run_next(struct controller *controller)
{
    struct controller_call *call =
        container_of(list_pop_front(&controller->waiting), struct controller_call, node);
    enum err err;

    controller->waiting_count--;
    controller->current = call;
    arena_reset(&controller->arena);
    metadata_records_init(&controller->records, &controller->arena);
    err = decide(controller, call);
    if (call->kind == CALL_ALTER_CONFIGS)
        call->lets_space_go &= decide_altered_retention(&controller->records);
    if (err == OK && controller->records.count > 0) {
        err = append_records(controller, call);
        if (err == OK)
            return;
        log_line(controller->shard->sink, LOG_ERROR, "LVE-4011",
                 "metadata records could not be written", log_err(err));
        if (err == ERR_STORAGE || err == ERR_QUARANTINED) {
            controller_fail(controller, err);
            return;
        }
    }
    finish(controller, err);
}

void controller_pump(struct controller *controller)
{
    if (controller->pumping)
        return; /* a done inside run_next: the loop below goes on */
    controller->pumping = true;
    while (controller->waiting_count > 0 && controller->state != CONTROLLER_FAILED &&
           (controller->current == NULL || give_way(controller)))
        run_next(controller);
    controller->pumping = false;
}

void controller_enqueue(struct controller *controller, struct controller_call *call,
                        enum controller_kind kind)
{
    call->kind = (uint8_t)kind;
    call->lets_space_go = lets_space_go(controller, call);
    call->err = OK;
    if (kind != CALL_OWN || controller->state == CONTROLLER_FAILED) {
        if (controller->state == CONTROLLER_FAILED)
            call->err = controller->failure;
        else if (controller->state == CONTROLLER_OPEN || controller->state >= CONTROLLER_STOPPING)
            call->err = ERR_CLOSED;
        else if (controller->waiting_count >= CONTROLLER_CALLS_MAX)
            call->err = ERR_FULL; /* K1 */
        if (call->err != OK) {
            call->done(call);
            return;
        }
    }
    if (kind == CALL_OWN && controller->own_goes_first)
        list_push_front(&controller->waiting, &call->node); /* nobody overtakes a start */
    else
        list_push_back(&controller->waiting, &call->node);
    controller->waiting_count++;
    controller_pump(controller);
}

static void on_forgotten(struct controller_call *call)
{
}

void controller_abandon(struct controller *controller, struct controller_call *call)
{
    if (call != controller->current) {
        list_remove(&call->node);
        controller->waiting_count--;
    } else if (metadata_log_retract(controller->log)) {
        controller->current = NULL;
    } else { /* it goes on, and nobody hears of it */
        controller->abandoned = (struct controller_call){
            .kind = call->kind, .lets_space_go = call->lets_space_go, .done = on_forgotten};
        controller->current = &controller->abandoned;
    }
    call->err = ERR_TIMEOUT;
    call->done(call);
    controller_pump(controller);
}

void controller_fail(struct controller *controller, enum err err)
{
    struct list ended;

    if (controller->state == CONTROLLER_FAILED)
        return;
    controller->state = CONTROLLER_FAILED;
    controller->failure = err;
    log_line(controller->shard->sink, LOG_ERROR, "LVE-4012",
             "the controller has stopped: the metadata log has failed", log_err(err));
    metadata_log_fail(controller->log, err); /* what is in flight there comes back, and finds K3 */
    list_init(&ended);
    list_splice_back(&ended, &controller->waiting);
    controller->waiting_count = 0;
    if (controller->current != NULL && !metadata_log_is_handing_over(controller->log)) {
        list_push_front(&ended, &controller->current->node);
        controller->current = NULL; /* what is committed ends well */
    }
    while (!list_is_empty(&ended)) {
        struct controller_call *call =
            container_of(list_pop_front(&ended), struct controller_call, node);
        call->err = err;
        call->done(call);
    }
}

/* ---- the calls */

void controller_create_topics(struct controller *controller, struct controller_call *call)
{
    controller_enqueue(controller, call, CALL_CREATE_TOPICS);
}

void controller_delete_topics(struct controller *controller, struct controller_call *call)
{
    controller_enqueue(controller, call, CALL_DELETE_TOPICS);
}

void controller_create_partitions(struct controller *controller, struct controller_call *call)
{
    controller_enqueue(controller, call, CALL_CREATE_PARTITIONS);
}

void controller_alter_configs(struct controller *controller, struct controller_call *call)
{
    controller_enqueue(controller, call, CALL_ALTER_CONFIGS);
}

void controller_update_features(struct controller *controller, struct controller_call *call)
{
    controller_enqueue(controller, call, CALL_UPDATE_FEATURES);
}

void controller_alter_partition(struct controller *controller, struct controller_call *call)
{
    controller_enqueue(controller, call, CALL_ALTER_PARTITION);
}

void controller_allocate_producer_ids(struct controller *controller, struct controller_call *call)
{
    controller_enqueue(controller, call, CALL_PRODUCER_IDS);
}

void controller_auto_create_topic(struct controller *controller,
                                  struct controller_auto_create *create)
{
    controller_enqueue(controller, &create->call, CALL_AUTO_CREATE);
}

const char *controller_cluster_id(const struct controller *controller)
{
    return controller->cluster_id;
}

struct producer_ids *controller_producer_ids(struct controller *controller)
{
    return controller->producer_ids;
}

int32_t controller_epoch(const struct controller *controller)
{
    return controller->epoch;
}

int64_t controller_broker_epoch(const struct controller *controller)
{
    const struct image_broker *broker =
        image_broker_find(controller->shard->image, controller->node_id);

    return broker == NULL ? -1 : broker->epoch;
}
