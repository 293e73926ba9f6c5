/* delta: what a run of applied records changed, for publishers. */
#ifndef LEVEE_BROKER_METADATA_DELTA_H
#define LEVEE_BROKER_METADATA_DELTA_H

#include "base/err.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum delta_topic_change {
    DELTA_TOPIC_CREATED = 1,
    DELTA_TOPIC_DELETED = 2,
    DELTA_TOPIC_CHANGED = 4, /* partitions added, epochs or leaders changed */
    DELTA_TOPIC_CONFIG = 8,
};

struct delta_topic {
    struct uuid id;
    char *name;       /* owned by the delta, also for a deleted topic */
    uint32_t changes; /* of delta_topic_change; deleted + created under one name are two entries */
    uint32_t old_partition_count;
};

struct delta {
    struct delta_topic *topics;
    uint32_t topic_count;
    uint32_t topic_max;
    bool broker_configs;
    bool brokers;
    bool features;
};

/* How far a publisher has come with a delta that it follows in slices; zeroed at first. */
struct delta_cursor {
    bool has_begun;
    bool lacks_memory;  /* the last slice ended because there was none */
    uint8_t step;       /* the publisher's */
    uint32_t topic;     /* of the delta, or of the image */
    uint32_t partition; /* of the topic */
};

void delta_init(struct delta *delta);
void delta_deinit(struct delta *delta);

/* Note a change of a topic; several changes of one id are merged.  name need not end with a NUL.
 * ERR_NOMEM: nothing was noted. */
must_use enum err delta_note_topic(struct delta *delta, const struct uuid *id, const char *name,
                                   size_t name_bytes, uint32_t change,
                                   uint32_t old_partition_count);

#endif
