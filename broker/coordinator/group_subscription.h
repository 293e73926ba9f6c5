/* group_subscription: the topics that a group's members asked for when they joined.
 *
 * On the stack of one callback of the group's loop: it points into the members' metadata.  Only
 * the embedded protocol "consumer" says topics (ConsumerProtocolSubscription; KIP-211, KIP-496). */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_SUBSCRIPTION_H
#define LEVEE_BROKER_COORDINATOR_GROUP_SUBSCRIPTION_H

#include "broker/coordinator/group.h"

struct group_subscription {
    struct hash_map topics; /* by name */
    bool is_known;          /* else: another protocol, metadata that is not understood, no memory */
    bool is_of_consumers;
};

/* What the members say for the chosen protocol.  seed: of the table. */
void group_subscription_init(struct group_subscription *subscription, const struct group *group,
                             uint64_t seed);
void group_subscription_deinit(struct group_subscription *subscription);

/* Of consumers whose topics are not known: true, to be safe (isSubscribedToTopic of Kafka's
 * ClassicGroup); of another protocol: false. */
bool group_subscription_has(const struct group_subscription *subscription, const char *topic);

/* Do its members speak "consumer"?  What is committed for topics outside the subscription may go
 * while they live. */
bool group_is_of_consumers(const struct group *group);

#endif
