/* broker_lifecycle: this broker's life as the controller sees it: registered, unfenced, and at the
 * end fenced again.
 *
 * The broker's, on shard 0.  It knows the controller by its client alone.  (Kafka's
 * BrokerLifecycleManager.)  A controller in the same process hears of a broker that hangs from
 * nobody else, and hangs with it: so no heartbeat is sent but those that change something.
 *   BLC-1  clients are let in when the controller has unfenced us, and not before
 *   BLC-2  after broker_lifecycle_stop nothing more is asked, but to be fenced */
#ifndef LEVEE_BROKER_BROKER_LIFECYCLE_H
#define LEVEE_BROKER_BROKER_LIFECYCLE_H

#include "base/err.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

struct broker_lifecycle;
struct controller_client;
struct shard;

struct broker_lifecycle_options {
    struct controller_client *client; /* outlives it */
    int32_t node_id;
    struct uuid incarnation_id; /* new at each start */
    struct uuid directory_id;
    bool is_unclean; /* a tail may have been lost */
};

/* shard: shard 0, whose config and image say what is registered. */
struct broker_lifecycle *broker_lifecycle_create(struct shard *shard,
                                                 const struct broker_lifecycle_options *options);

/* When the loops stand still.  NULL is accepted. */
void broker_lifecycle_destroy(struct broker_lifecycle *life);

/* Once, when the controller can be asked: register and be unfenced; then started, with the errors
 * of the client's calls.  It does not run after broker_lifecycle_stop. */
void broker_lifecycle_start(struct broker_lifecycle *life,
                            void (*started)(void *context, enum err err), void *context);

/* Once, when no client is served any more: controlled shutdown, if we were unfenced.  done runs
 * once, possibly inside the call; a controller that cannot be reached is no reason to stay. */
void broker_lifecycle_stop(struct broker_lifecycle *life, void (*done)(void *context),
                           void *context);

/* Of the registration; -1: there is none yet. */
int64_t broker_lifecycle_epoch(const struct broker_lifecycle *life);

#endif
