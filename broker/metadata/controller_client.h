/* controller_client: what a broker asks of the controller about itself, wherever the controller is.
 *
 * The calls are Kafka's BrokerRegistration and BrokerHeartbeat.  The embedded controller answers
 * them in this process (controller_client_of); one that is elsewhere will by requests.  Lives on
 * shard 0.
 *   CCL-1  a broker has one call under way; the call and what it points at are the broker's until
 *       done, which runs once, possibly inside the starting call
 *   CCL-2  an answer comes when its records are committed and every shard of this process follows
 *       them */
#ifndef LEVEE_BROKER_METADATA_CONTROLLER_CLIENT_H
#define LEVEE_BROKER_METADATA_CONTROLLER_CLIENT_H

#include "base/err.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stdint.h>

struct broker_endpoint {
    const char *name;
    const char *host;
    uint16_t port;
    int16_t security_protocol;
};

/* BrokerRegistration: the broker is known, and fenced.  What was known of its id before is
 * forgotten. */
struct broker_registration {
    void (*done)(struct broker_registration *registration, enum err err);
    int32_t broker_id;
    struct uuid incarnation_id;
    struct uuid directory_id;
    bool is_cordoned; /* the directory takes no new partitions */
    bool is_unclean;  /* a tail may have been lost: what it leads gets new leader epochs when it is
                         unfenced (Kafka: no previous broker epoch) */
    const char *rack; /* NULL: none */
    const struct broker_endpoint *endpoints;
    uint32_t endpoint_count;
    int64_t broker_epoch; /* out, when done with OK */
};

/* BrokerHeartbeat: without a wish the broker is unfenced, and leads what it may.  want_shut_down:
 * it is fenced and takes part in nothing any more. */
struct broker_heartbeat {
    /* ERR_NOT_FOUND: no such broker.  ERR_FENCED_EPOCH: it was registered again since. */
    void (*done)(struct broker_heartbeat *heartbeat, enum err err);
    int32_t broker_id;
    int64_t broker_epoch;
    bool want_fence;
    bool want_shut_down;
    bool is_fenced;        /* out, when done with OK */
    bool should_shut_down; /* out: nothing is left to wait for */
};

/* Errors besides: those of controller_call. */
struct controller_client {
    void (*register_broker)(struct controller_client *client,
                            struct broker_registration *registration);
    void (*heartbeat)(struct controller_client *client, struct broker_heartbeat *heartbeat);
};

#endif
