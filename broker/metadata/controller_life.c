/* Start and stop of the controller.  The walk of a start: controller_begin raises the epoch →
 * decide_bootstrap: what a new cluster has from its first moment → started.  Of a stop: what waits
 * is finished → a snapshot → stopped. */
#include "base/check.h"
#include "base/mem.h"
#include "broker/metadata/controller_private.h"
#include "broker/metadata/features.h"
#include "broker/metadata/loader.h"
#include "broker/producer_ids.h"
#include "net/protocol/msg_begin_transaction_record.h"
#include "net/protocol/msg_feature_level_record.h"

#define RECORDS_ARENA_MAX_BYTES ((size_t)256 << 20)

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

/* ---- own steps */

static void on_own_done(struct controller_call *call)
{
    struct controller *controller = container_of(call, struct controller, own);
    void (*done)(struct controller * controller, enum err err) = controller->own_done;

    controller->own_done = NULL;
    done(controller, call->err);
}

void controller_run_own(struct controller *controller, bool goes_first,
                        enum err (*decide)(struct controller *controller,
                                           struct decision *decision),
                        void (*done)(struct controller *controller, enum err err))
{
    check(controller->own_done == NULL); /* CCL-1 */
    controller->own_goes_first = goes_first;
    controller->decide_own = decide;
    controller->own_done = done;
    controller->own = (struct controller_call){.done = on_own_done};
    controller_enqueue(controller, &controller->own, CALL_OWN);
}

/* ---- starting */

/* In one transaction, as Kafka's "Bootstrap records". */
static enum err decide_bootstrap(struct controller *controller, struct decision *decision)
{
    struct begin_transaction_record *begin;

    if (image_metadata_level(decision->image) != 0)
        return OK;
    begin = metadata_records_add(decision->records, METADATA_BEGIN_TRANSACTION, 0);
    if (begin == NULL)
        return ERR_NOMEM;
    begin->name = wire_string("Bootstrap records");
    for (uint32_t i = 0; i < FEATURES_COUNT; i++) {
        const struct feature *feature = feature_at(i);
        struct feature_level_record *level;
        if (feature->new_cluster_level == 0)
            continue;
        level = metadata_records_add(decision->records, METADATA_FEATURE_LEVEL, 0);
        if (level == NULL)
            return ERR_NOMEM;
        level->name = wire_string(feature->name);
        level->feature_level = feature->new_cluster_level;
    }
    return metadata_records_add(decision->records, METADATA_END_TRANSACTION, 0) == NULL ? ERR_NOMEM
                                                                                        : OK;
}

static void end_start(struct controller *controller, enum err err)
{
    if (err == OK && controller->state == CONTROLLER_STARTING)
        controller->state = CONTROLLER_RUNNING;
    controller->started(controller->start_context, err);
}

void controller_begin(struct controller *controller, void (*started)(void *context, enum err err),
                      void *context)
{
    enum err err;

    check(controller->state == CONTROLLER_OPEN);
    controller->state = CONTROLLER_STARTING;
    controller->started = started;
    controller->start_context = context;
    controller->epoch++;
    err = metadata_log_begin(controller->log, controller->epoch);
    if (err != OK)
        end_start(controller, err);
    else
        controller_run_own(controller, true, decide_bootstrap, end_start);
}

/* ---- stopping */

static void end_stop(void *context)
{
    struct controller *controller = context;

    if (controller->state != CONTROLLER_FAILED)
        controller->state = CONTROLLER_STOPPED;
    controller->stopped(controller->context);
}

static enum err decide_nothing(struct controller *controller, struct decision *decision)
{
    return OK;
}

/* Behind all that waited. */
static void on_last(struct controller *controller, enum err err)
{
    loader_stop(controller->loader, err == OK, end_stop, controller);
}

void controller_stop(struct controller *controller, void (*done)(void *context), void *context)
{
    bool is_running = controller->state == CONTROLLER_RUNNING && controller->own_done == NULL;

    controller->stopped = done;
    controller->context = context;
    if (controller->state == CONTROLLER_RUNNING)
        controller->state = CONTROLLER_STOPPING;
    if (!is_running) {
        /* failed, or our broker is not up yet: nothing to wait for */
        loader_stop(controller->loader, false, end_stop, controller);
        return;
    }
    controller_run_own(controller, false, decide_nothing, on_last);
}
