/* topic_ref: a topic as a request names it: by name or, in newer versions, by id. */
#ifndef LEVEE_BROKER_TOPIC_REF_H
#define LEVEE_BROKER_TOPIC_REF_H

#include "broker/metadata/image.h"
#include "net/protocol/wire.h"

/* The topic, or NULL with Kafka's error: UNKNOWN_TOPIC_ID for an id that is not known,
 * UNKNOWN_TOPIC_OR_PARTITION for a name.  by_id: the version carries ids only (KIP-516). */
const struct image_topic *topic_ref_find(const struct image *image, bool by_id,
                                         struct wire_string name, const struct uuid *id,
                                         int16_t *error_out);

/* A topic of the broker's own (internal_topics.h). */
bool topic_is_internal(const char *name);

/* Is index a partition of topic?  (topic NULL: no.) */
static inline bool topic_ref_has(const struct image_topic *topic, int32_t index)
{
    return topic != NULL && index >= 0 && (uint32_t)index < topic->partition_count;
}

#endif
