/* The walk of a call: controller_enqueue → controller_pump takes the oldest → decide: records and
 * answer → metadata_log_append: durable, and the loader has brought it to every shard's image and
 * publishers → on_committed → finish: the caller's done → the next one. */
#include "base/check.h"
#include "broker/metadata/controller_private.h"
#include "broker/producer_ids.h"

/* Retention is shortened so often where the journal has no room, a block each: the rest of what it
 * keeps is for what deletes.  It has room again when anything else is written. */
enum { URGENT_ALTERS_MAX = 4 };

/* ---- deciding */

static enum err decide(struct controller *controller, struct controller_call *call)
{
    bool is_auto = call->kind == CALL_AUTO_CREATE;
    struct controller_auto_create *create;
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
        return decide_producer_ids(&decision, CONTROLLER_PRODUCER_ID_BLOCK, &call->first_id);
    case CALL_AUTO_CREATE:
        create = container_of(call, struct controller_auto_create, call);
        return decide_auto_create(&decision, controller->shard->sink, create->name,
                                  &create->error_code);
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
            call->err = ERR_FULL; /* CTL-1 */
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
    metadata_log_fail(controller->log,
                      err); /* what is in flight there comes back, and finds CTL-3 */
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
