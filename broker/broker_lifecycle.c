/* The walk: broker_lifecycle_start: register_broker → on_registered: heartbeat → on_unfenced:
 * started
 * ... broker_lifecycle_stop: heartbeat that wants to shut down → on_shut_down: stopped. */
#include "broker/broker_lifecycle.h"

#include "base/check.h"
#include "base/mem.h"
#include "broker/config.h"
#include "broker/cordon.h"
#include "broker/metadata/controller_client.h"
#include "broker/shard.h"

enum lifecycle_state {
    LIFECYCLE_NOT_RUNNING,
    LIFECYCLE_STARTING, /* a call of the start is under way */
    LIFECYCLE_RUNNING,  /* unfenced */
    LIFECYCLE_FAILED,   /* the start was; told */
    LIFECYCLE_SHUTTING_DOWN,
};

struct broker_lifecycle {
    struct shard *shard;
    struct broker_lifecycle_options options;
    enum lifecycle_state state;
    int64_t broker_epoch;
    struct broker_endpoint *endpoints; /* as configured */
    struct broker_registration registration;
    struct broker_heartbeat heartbeat;
    void (*started)(void *context, enum err err);
    void (*stopped)(void *context);
    void *context;
};

struct broker_lifecycle *broker_lifecycle_create(struct shard *shard,
                                                 const struct broker_lifecycle_options *options)
{
    struct broker_lifecycle *life = mem_alloc(sizeof(*life));

    life->shard = shard;
    life->options = *options;
    life->broker_epoch = -1;
    return life;
}

void broker_lifecycle_destroy(struct broker_lifecycle *life)
{
    if (life == NULL)
        return;
    mem_free(life->endpoints);
    mem_free(life);
}

static void end_start(struct broker_lifecycle *life, enum err err)
{
    life->state = err == OK ? LIFECYCLE_RUNNING : LIFECYCLE_FAILED;
    life->started(life->context, err);
}

static void on_unfenced(struct broker_heartbeat *heartbeat, enum err err)
{
    struct broker_lifecycle *life = container_of(heartbeat, struct broker_lifecycle, heartbeat);

    if (life->state != LIFECYCLE_STARTING)
        return;                                /* BLC-2 */
    check(err != OK || !heartbeat->is_fenced); /* BLC-1 */
    end_start(life, err);
}

static void send_heartbeat(struct broker_lifecycle *life, bool want_shut_down,
                           void (*done)(struct broker_heartbeat *heartbeat, enum err err))
{
    life->heartbeat = (struct broker_heartbeat){
        .done = done,
        .broker_id = life->options.node_id,
        .broker_epoch = life->broker_epoch,
        .want_shut_down = want_shut_down,
    };
    life->options.client->heartbeat(life->options.client, &life->heartbeat);
}

static void on_registered(struct broker_registration *registration, enum err err)
{
    struct broker_lifecycle *life =
        container_of(registration, struct broker_lifecycle, registration);

    if (err == OK)
        life->broker_epoch = registration->broker_epoch;
    if (life->state != LIFECYCLE_STARTING)
        return; /* BLC-2 */
    if (err != OK)
        end_start(life, err);
    else
        send_heartbeat(life, false, on_unfenced);
}

/* What clients are told of our listeners. */
static void fill_endpoints(struct broker_lifecycle *life)
{
    const struct config *config = life->shard->config;
    uint32_t count = config_listener_count(config);

    life->endpoints = mem_alloc((count + 1) * sizeof(*life->endpoints));
    for (uint32_t i = 0; i < count; i++) {
        const struct config_listener *listener = config_listener_at(config, i);
        bool is_advertised = listener->advertised_host[0] != '\0';
        life->endpoints[i] = (struct broker_endpoint){
            .name = listener->name,
            .host = is_advertised ? listener->advertised_host : listener->host,
            .port = is_advertised ? listener->advertised_port : listener->port,
            .security_protocol = listener->security_protocol,
        };
    }
    life->registration.endpoints = life->endpoints;
    life->registration.endpoint_count = count;
}

void broker_lifecycle_start(struct broker_lifecycle *life,
                            void (*started)(void *context, enum err err), void *context)
{
    const struct config *config = life->shard->config;

    if (life->state != LIFECYCLE_NOT_RUNNING)
        return; /* stopped before it began */
    life->state = LIFECYCLE_STARTING;
    life->started = started;
    life->context = context;
    life->registration = (struct broker_registration){
        .done = on_registered,
        .broker_id = life->options.node_id,
        .incarnation_id = life->options.incarnation_id,
        .directory_id = life->options.directory_id,
        .is_cordoned = cordon_covers(
            config, config_string(config, life->shard->image, CONFIG_CORDONED_LOG_DIRS)),
        .is_unclean = life->options.is_unclean,
        .rack = config_values(config)->broker_rack,
    };
    fill_endpoints(life);
    life->options.client->register_broker(life->options.client, &life->registration);
}

static void on_shut_down(struct broker_heartbeat *heartbeat, enum err err)
{
    struct broker_lifecycle *life = container_of(heartbeat, struct broker_lifecycle, heartbeat);

    life->stopped(life->context);
}

void broker_lifecycle_stop(struct broker_lifecycle *life, void (*done)(void *context),
                           void *context)
{
    bool was_running = life->state == LIFECYCLE_RUNNING;

    life->state = LIFECYCLE_SHUTTING_DOWN;
    life->stopped = done;
    life->context = context;
    if (was_running)
        send_heartbeat(life, true, on_shut_down);
    else
        done(context); /* nothing to take back */
}

int64_t broker_lifecycle_epoch(const struct broker_lifecycle *life)
{
    return life->broker_epoch;
}
