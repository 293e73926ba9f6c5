/* client_assignor: which member of a group reads which partition: Kafka's range, roundrobin and
 * cooperative-sticky, as the leader of a group computes them.
 *
 * Pure: no state; memory from the caller's arena.  Range and roundrobin give what Kafka's classes
 * give; cooperative-sticky keeps what is owned, spreads evenly, and moves as little as it can, so
 * its choice need not be that of Kafka's class: only the leader's counts.
 *   CAS-1  each partition of a topic that somebody subscribes to has one owner, or none in this
 *          round because it must first be revoked (cooperative-sticky)
 *   CAS-2  nobody owns a partition of a topic that he has not subscribed to
 *   CAS-3  cooperative-sticky: no partition goes to a member while another one claims it (KIP-429);
 *          of claims to one partition that of the newest generation is believed, of several in the
 *          same generation none (KIP-792) */
#ifndef LEVEE_NET_CLIENT_CLIENT_ASSIGNOR_H
#define LEVEE_NET_CLIENT_CLIENT_ASSIGNOR_H

#include "base/arena.h"
#include "net/client/client_member.h"
#include "net/protocol/wire.h"

#include <stdbool.h>

struct client_assignor_topic {
    const char *name; /* rising */
    int32_t partitions_count;
};

struct client_assignor_place {
    uint32_t topic; /* index */
    int32_t partition;
};

struct client_assignor_member {
    struct wire_string id;
    struct wire_string instance_id;      /* null: dynamic */
    bool *subscribes;                    /* of each topic */
    struct client_assignor_place *owned; /* claimed; may name partitions that are not there */
    uint32_t owned_count;
    int32_t generation; /* of the claims; -1: not told */
};

struct client_assignor_group {
    const struct client_assignor_topic *topics;
    uint32_t topics_count;
    const struct client_assignor_member *members;
    uint32_t members_count;
};

/* Kafka's name of it ("cooperative-sticky"). */
const char *client_assignor_name(enum client_assignor assignor);

/* KIP-429: partitions are kept over a rebalance. */
static inline bool client_assignor_is_cooperative(enum client_assignor assignor)
{
    return assignor == CLIENT_ASSIGNOR_COOPERATIVE_STICKY;
}

/* *owners_out: for each partition of each topic, topic after topic, the index of its member, or -1.
 * ERR_NOMEM. */
must_use enum err client_assignor_run(enum client_assignor assignor,
                                      const struct client_assignor_group *group,
                                      struct arena *arena, const int32_t **owners_out);

#endif
