/* internal_topics: the topics of the broker's own, one row each; all that differs between them.
 *
 * Clients may not produce to a topic of these names, nor change how durable it is, whether the
 * broker uses it or Kafka has left it in a directory.  Constant; any thread. */
#ifndef LEVEE_BROKER_INTERNAL_TOPICS_H
#define LEVEE_BROKER_INTERNAL_TOPICS_H

#include "broker/config/config_id.h"

#include <stdbool.h>
#include <stdint.h>

struct image;
struct image_topic;

struct internal_topic {
    const char *name;
    /* Whose coordinator keeps its state in it: the key type of FindCoordinator
     * (KAFKA_COORDINATOR_KEY_TYPE_*).  Then it is created when the first one is asked for: */
    int8_t key_type; /* -1: no coordinator of ours uses it */
    enum config_id partitions_key, replication_key, segment_bytes_key;
    const char *cleanup_policy, *compression_type;
};

/* NULL: a topic of users. */
const struct internal_topic *internal_topics_find(const char *name);

/* May a transaction have records in a topic of this name?  In those of users, and of groups'
 * offsets; an end of one says nothing to the others, and they may not understand it. */
bool internal_topics_takes_transactions(const char *name);

/* NULL: there is no coordinator for keys of this type. */
const struct internal_topic *internal_topics_of_keys(int8_t key_type);

/* The topic that the coordinator for keys of this type uses; NULL: it is not there yet. */
const struct image_topic *internal_topics_image(const struct image *image, int8_t key_type);

#endif
