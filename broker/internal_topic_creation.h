/* internal_topic_creation: makes a coordinator's topic, when the first one asks for it.
 *
 * Embedded in the struct of whoever waits, on his shard; the controller does it.
 * Source: Kafka's AutoTopicCreationManager. */
#ifndef LEVEE_BROKER_INTERNAL_TOPIC_CREATION_H
#define LEVEE_BROKER_INTERNAL_TOPIC_CREATION_H

#include "broker/internal_topics.h"
#include "broker/metadata/controller.h"
#include "broker/shard.h"

struct internal_topic_creation {
    /* in */
    const struct internal_topic *topic;
    /* failed: it is not there.  Else it is committed, and a shard's image has it soon. */
    void (*done)(struct internal_topic_creation *creation, bool failed);
    /* inside */
    struct shard_call hop;
    struct controller_auto_create create;
};

/* From home; done may run inside this call. */
void internal_topic_creation_start(struct internal_topic_creation *creation, struct shard *home);

#endif
