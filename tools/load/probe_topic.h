/* probe_topic: the topic of a canary: made if it is missing, with one partition for each broker,
 * and grown to as many (as kminion does).
 *
 * An operation of the caller's, zeroed but for what goes in, until done, which runs once, from the
 * loop of the cluster.  One try: who wants another one asks again. */
#ifndef LEVEE_TOOLS_LOAD_PROBE_TOPIC_H
#define LEVEE_TOOLS_LOAD_PROBE_TOPIC_H

#include "net/client/client_cluster.h"
#include "net/protocol/msg_create_partitions.h"
#include "net/protocol/msg_create_topics.h"
#include "net/protocol/msg_metadata.h"

enum { PROBE_TOPIC_CONFIGS = 2 };

struct probe_topic {
    struct client_cluster *cluster;
    const char *name;
    uint32_t timeout_ms; /* of each step */
    /* ERR_TIMEOUT, ERR_REFUSED, ...: problem says what went wrong, and error_code what Kafka said
     */
    void (*done)(struct probe_topic *topic, enum err err);
    /* out */
    int32_t brokers_count;
    int16_t error_code;
    char problem[160];
    /* inside */
    struct client_call call;
    struct client_wait wait;
    bool is_missing;
    int32_t partitions_count;
    union {
        struct metadata_request metadata;
        struct create_topics_request create;
        struct create_partitions_request grow;
    } request;
    union {
        struct metadata_request_topic metadata;
        struct create_topics_request_creatable_topic create;
        struct create_partitions_request_create_partitions_topic grow;
    } item;
    struct create_topics_request_creatable_topic_config configs[PROBE_TOPIC_CONFIGS];
};

void probe_topic_make(struct probe_topic *topic);

#endif
