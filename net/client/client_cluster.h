/* client_cluster: what a client knows of a cluster: its brokers, its controller, topics and their
 * leaders, coordinators; and the connections to them.
 *
 * Owned by whoever runs a client: one for each client in Kafka's sense (a producer, a consumer, an
 * admin), as each has connections of its own.  Lives on the loop of its env.
 *   CLU-1  a topic handle, once given out, stays valid until the cluster is destroyed
 *   CLU-2  at most one Metadata request is under way; what is wanted meanwhile joins the next one
 *   CLU-3  metadata older than metadata_max_age_ms, or called stale, is asked for again with
 *          back-off (retry.backoff.ms, KIP-580); leader epochs never go back (KIP-320)
 *   CLU-4  done of a wait runs exactly once, from the loop, never inside the starting call */
#ifndef LEVEE_NET_CLIENT_CLIENT_CLUSTER_H
#define LEVEE_NET_CLIENT_CLIENT_CLUSTER_H

#include "base/uuid.h"
#include "net/client/client_broker.h"

struct client_options {
    const char *bootstrap_servers; /* "host:port,host:port"; copied */
    uint32_t request_timeout_ms;   /* request.timeout.ms, 30000 */
    uint32_t connect_max_ms;       /* socket.connection.setup.timeout.ms, 10000 */
    uint32_t reconnect_first_ms;   /* reconnect.backoff.ms, 50 */
    uint32_t reconnect_max_ms;     /* reconnect.backoff.max.ms, 1000 */
    uint32_t retry_first_ms;       /* retry.backoff.ms, 100 */
    uint32_t retry_max_ms;         /* retry.backoff.max.ms, 1000 */
    uint32_t metadata_max_age_ms;  /* metadata.max.age.ms, 300000 */
    uint32_t frame_max_bytes;      /* of an answer, 128 MiB */
    uint32_t calls_max;            /* of one connection, 1024 */
    bool allow_auto_create;        /* allow.auto.create.topics */
};

/* Kafka's defaults; no addresses. */
struct client_options client_options_default(void);

/* Requests of different lanes have connections of their own, so that a fetch that waits at the
 * broker delays no commit (Kafka's consumer does the same for its coordinator). */
enum client_lane {
    CLIENT_LANE_DATA,
    CLIENT_LANE_FETCH,
    CLIENT_LANE_COORDINATOR,
    CLIENT_LANE_COUNT
};

enum client_coordinator_kind { CLIENT_COORDINATOR_GROUP = 0, CLIENT_COORDINATOR_TRANSACTION = 1 };

struct client_partition {
    int32_t leader_id;    /* -1: none, or not known */
    int32_t leader_epoch; /* -1: not known */
    int16_t error_code;   /* Kafka's, of the last Metadata answer */
};

struct client_topic {
    const char *name;
    struct uuid id;     /* zero: the broker told none */
    int16_t error_code; /* Kafka's, of the last answer: KAFKA_UNKNOWN_TOPIC_OR_PARTITION, ... */
    bool is_known;      /* an answer has come */
    int32_t partitions_count; /* of the last answer without error_code */
    struct client_partition *partitions;
    uint32_t index; /* dense, in the order of client_cluster_topic: for tables of others */
};

struct client_cluster;

/* Whoever waits for something of the cluster.  Zeroed but for done. */
struct client_wait {
    struct list node;
    struct timer expiry;
    struct client_cluster *cluster;
    void (*done)(struct client_wait *wait, enum err err);
    const void *subject; /* inside */
    uint64_t since;      /* inside */
    enum err err;        /* inside, once it has ended */
    bool has_ended;      /* inside */
    int16_t kafka_error; /* out: what the broker said last, or 0 */
};

/* Nothing is dialled before it is needed.  ERR_INVALID: the addresses, told in problem.  ERR_NOMEM.
 */
must_use enum err client_cluster_create(const struct client_env *env,
                                        const struct client_options *options,
                                        struct client_cluster **out, char *problem,
                                        size_t problem_max);

/* All calls and waits end with ERR_CANCELED, from the loop; then closed (may be NULL), once; all is
 * freed.  Producers, fetchers and members of this cluster are destroyed before; it is not called
 * any more. */
void client_cluster_destroy(struct client_cluster *cluster, void (*closed)(void *context),
                            void *context);

const struct client_env *client_cluster_env(const struct client_cluster *cluster);
const struct client_options *client_cluster_options(const struct client_cluster *cluster);

/* The handle of a topic, which is wanted in each Metadata request from now on.  NULL: no memory. */
struct client_topic *client_cluster_topic(struct client_cluster *cluster, const char *name);

/* The same by id, among those known; NULL: none. */
struct client_topic *client_cluster_topic_by_id(const struct client_cluster *cluster,
                                                const struct uuid *id);

/* Wait until topic is known without error and every partition has a leader; timeout_ms at most.
 * ERR_TIMEOUT (wait->kafka_error tells what the broker says), ERR_PERMISSION, ERR_INVALID (no name
 * of a topic), ERR_NOT_FOUND (several answers in a row: the topic does not exist, and is not made),
 * ERR_CANCELED. */
void client_cluster_wait_topic(struct client_cluster *cluster, struct client_wait *wait,
                               struct client_topic *topic, uint32_t timeout_ms);

/* What is known of topic proved wrong (NOT_LEADER_OR_FOLLOWER, UNKNOWN_TOPIC_OR_PARTITION, ...):
 * ask again, after the back-off.  topic NULL: of brokers or the controller. */
void client_cluster_call_stale(struct client_cluster *cluster, struct client_topic *topic);

/* Rises with each Metadata answer that changed something. */
uint64_t client_cluster_version(const struct client_cluster *cluster);

/* changed(context) runs from the loop after each such answer; several may listen. */
struct client_listener {
    struct list node;
    void (*changed)(struct client_listener *listener);
};
void client_cluster_listen(struct client_cluster *cluster, struct client_listener *listener);
void client_cluster_unlisten(struct client_listener *listener);

/* Connections that these three give are to be used at once, not kept: a broker that moves or leaves
 * takes its connections along (its calls end with ERR_CLOSED). */

/* The connection to the leader of a partition, made when needed.  NULL: not known now (or no
 * memory); listen, or wait_topic. */
struct client_broker *client_cluster_leader(struct client_cluster *cluster,
                                            const struct client_topic *topic, int32_t partition,
                                            enum client_lane lane);

/* The connection to a node; NULL: no such node is known. */
struct client_broker *client_cluster_node(struct client_cluster *cluster, int32_t node_id,
                                          enum client_lane lane);

/* Any broker that is up, else one that is dialled, each time another one that could not be reached:
 * a bootstrap one at first.  Never NULL.  Calls of it had better be fails_with_connection, and be
 * tried again. */
struct client_broker *client_cluster_any(struct client_cluster *cluster);

/* Find the coordinator of key (a group or a transactional id, copied); done(OK): call
 * client_cluster_coordinator.  Retried with back-off within timeout_ms.  ERR_TIMEOUT,
 * ERR_PERMISSION, ERR_INVALID (kafka_error tells), ERR_CANCELED. */
void client_cluster_find_coordinator(struct client_cluster *cluster, struct client_wait *wait,
                                     enum client_coordinator_kind kind, const char *key,
                                     uint32_t timeout_ms);

/* The connection to it, as far as is known; NULL: find it. */
struct client_broker *client_cluster_coordinator(struct client_cluster *cluster,
                                                 enum client_coordinator_kind kind,
                                                 const char *key);

/* It is another one (NOT_COORDINATOR) or gone: find it again. */
void client_cluster_forget_coordinator(struct client_cluster *cluster,
                                       enum client_coordinator_kind kind, const char *key);

/* done(OK): the controller is known, client_cluster_controller. */
void client_cluster_find_controller(struct client_cluster *cluster, struct client_wait *wait,
                                    uint32_t timeout_ms);
struct client_broker *client_cluster_controller(struct client_cluster *cluster);

/* End a wait: done(ERR_CANCELED) comes soon. */
void client_cluster_cancel(struct client_wait *wait);

/* Milliseconds to wait before try number attempt (from 0): retry.backoff.ms, doubled up to
 * retry.backoff.max.ms, a fifth more or less by chance (KIP-580). */
uint32_t client_cluster_backoff_ms(struct client_cluster *cluster, uint32_t attempt);

/* A sentence for people about the last thing that went wrong with its connections ("127.0.0.1:9092:
 * connection refused"); "" when nothing did. */
const char *client_cluster_problem(const struct client_cluster *cluster);

/* How often that was: connections that ended, and attempts that failed. */
uint64_t client_cluster_failures_count(const struct client_cluster *cluster);

#endif
