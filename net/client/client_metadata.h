/* client_metadata: the topics that a client wants, their leaders, and the asking for both.
 *
 * Part of a client_cluster; same loop.  One Metadata request at a time (CLU-2), to any broker.
 *   MTD-1  what is stale is asked for again after the back-off, counted from the last answer; the
 *          back-off grows while answers bring nothing new, and a topic that is new does not wait
 *   MTD-2  an answer with an error that may pass, or with a partition without leader, leaves the
 *          metadata stale
 *   MTD-3  of a partition the leader with the highest epoch counts, as long as the topic's id is
 *          the same (KIP-320, KIP-516) */
#ifndef LEVEE_NET_CLIENT_CLIENT_METADATA_H
#define LEVEE_NET_CLIENT_CLIENT_METADATA_H

#include "base/hash_map.h"
#include "net/client/client_nodes.h"
#include "net/client/client_waits.h"
#include "net/protocol/msg_metadata.h"

struct client_metadata_topic;

struct client_metadata {
    const struct client_env *env;
    const struct client_options *options;
    struct client_nodes *nodes;
    struct client_waits *ends;
    struct client_metadata_topic **topics; /* by client_topic.index */
    uint32_t topics_count;
    uint32_t topics_max;
    struct hash_map by_name;
    struct hash_map by_id;
    struct list waiting;   /* of client_wait.node */
    struct list listeners; /* of client_listener.node */
    struct timer timer;    /* of the next request */
    struct client_call call;
    struct metadata_request request;
    struct arena arena; /* of the request */
    int32_t controller_id;
    uint32_t attempts;      /* answers in a row that did not help */
    uint64_t answers_count; /* rises with each */
    uint64_t version;       /* client_cluster_version */
    uint64_t answered_ns;
    bool is_asking;
    bool is_stale;
    bool is_urgent; /* something new is wanted: no back-off */
    bool is_ending;
};

/* env, options, nodes and ends are set by the caller. */
void client_metadata_init(struct client_metadata *metadata);

/* Asks no more; waits end with ERR_CANCELED. */
void client_metadata_end(struct client_metadata *metadata);

/* When no call is under way any more. */
void client_metadata_deinit(struct client_metadata *metadata);

/* As client_cluster_topic and _topic_by_id. */
struct client_topic *client_metadata_topic(struct client_metadata *metadata, const char *name);
struct client_topic *client_metadata_topic_by_id(const struct client_metadata *metadata,
                                                 const struct uuid *id);

void client_metadata_call_stale(struct client_metadata *metadata);

void client_metadata_wait_topic(struct client_metadata *metadata, struct client_wait *wait,
                                struct client_topic *topic, uint32_t timeout_ms);
void client_metadata_wait_controller(struct client_metadata *metadata, struct client_wait *wait,
                                     uint32_t timeout_ms);

#endif
