/* The embedded controller's side of controller_client: a broker is registered, unfenced, fenced.
 * The walk of a heartbeat that unfences: decide_broker_heartbeat → decide_broker_leaders, as often
 * as partitions are left → done. */
#include "base/check.h"
#include "broker/metadata/controller_private.h"

/* ---- registration */

static enum err decide_own_registration(struct controller *controller, struct decision *decision)
{
    return decide_broker_registration(decision, controller->registration,
                                      metadata_log_end(controller->log));
}

static void on_registered(struct controller *controller, enum err err)
{
    struct broker_registration *registration = controller->registration;

    controller->registration = NULL;
    if (err == OK) {
        controller->directory_id = registration->directory_id;
        controller->raises_all = registration->is_unclean;
        registration->broker_epoch = controller_broker_epoch(controller);
    }
    registration->done(registration, err);
}

static void register_broker(struct controller_client *client,
                            struct broker_registration *registration)
{
    struct controller *controller = container_of(client, struct controller, client);

    check(registration->broker_id == controller->node_id); /* the only one that it serves */
    controller->registration = registration;
    controller_run_own(controller, true, decide_own_registration, on_registered);
}

/* ---- heartbeats */

static enum err decide_own_fencing(struct controller *controller, struct decision *decision)
{
    return decide_broker_heartbeat(decision, controller->heartbeat);
}

static enum err decide_own_leaders(struct controller *controller, struct decision *decision)
{
    return decide_broker_leaders(decision, controller->raises_all, &controller->leader_cursor);
}

static void end_heartbeat(struct controller *controller, enum err err)
{
    struct broker_heartbeat *heartbeat = controller->heartbeat;

    controller->heartbeat = NULL;
    heartbeat->is_fenced = heartbeat->want_fence || heartbeat->want_shut_down;
    heartbeat->should_shut_down = heartbeat->want_shut_down; /* nobody else could lead */
    heartbeat->done(heartbeat, err);
}

static void on_raised(struct controller *controller, enum err err)
{
    size_t at = controller->leader_cursor.topics;

    if (err == OK && image_topic_next(controller->shard->image, &at) != NULL) {
        controller_run_own(controller, true, decide_own_leaders, on_raised);
        return;
    }
    controller->raises_all = controller->raises_all && err != OK;
    end_heartbeat(controller, err);
}

static void on_fenced(struct controller *controller, enum err err)
{
    if (err != OK || controller->heartbeat->want_fence || controller->heartbeat->want_shut_down) {
        end_heartbeat(controller, err);
        return;
    }
    controller->leader_cursor = (struct leader_cursor){0};
    controller_run_own(controller, true, decide_own_leaders, on_raised);
}

static void heartbeat(struct controller_client *client, struct broker_heartbeat *call)
{
    struct controller *controller = container_of(client, struct controller, client);

    controller->heartbeat = call;
    controller_run_own(controller, !call->want_shut_down, decide_own_fencing, on_fenced);
}

struct controller_client *controller_client_of(struct controller *controller)
{
    controller->client =
        (struct controller_client){.register_broker = register_broker, .heartbeat = heartbeat};
    return &controller->client;
}
