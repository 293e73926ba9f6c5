/* client_member: a member of a consumer group, by the classic protocol (JoinGroup, SyncGroup,
 * Heartbeat, LeaveGroup), eager and cooperative (KIP-429), static too (KIP-345).
 *
 * Owned by whoever consumes; lives on the loop of its cluster.  It knows which partitions are its
 * own; fetching them is the owner's (client_fetcher), committing too (client_offsets_commit with
 * client_member_identity).
 *   CMB-1  states: LOST -> JOINING -> STABLE -> (REVOKING ->) JOINING ...; LEFT and FATAL are ends;
 *          the member has a generation in STABLE and REVOKING, whose heartbeats are sent
 *   CMB-2  revoked and assigned alternate as in Kafka's ConsumerRebalanceListener: eager revokes
 *          all before each join, cooperative only what goes to another
 *   CMB-3  after the session timed out, or the broker forgot the member, partitions are lost
 *          (is_lost): what is not committed must not be committed any more
 *   CMB-4  revoked is answered by client_member_revoked_done before the member joins again, within
 *          the rebalance timeout */
#ifndef LEVEE_NET_CLIENT_CLIENT_MEMBER_H
#define LEVEE_NET_CLIENT_CLIENT_MEMBER_H

#include "net/client/client_cluster.h"
#include "net/client/client_transaction.h"

struct client_member;

enum client_assignor {
    CLIENT_ASSIGNOR_RANGE,
    CLIENT_ASSIGNOR_ROUNDROBIN,
    CLIENT_ASSIGNOR_COOPERATIVE_STICKY,
};

struct client_member_options {
    const char *group_id;
    const char *group_instance_id; /* NULL: dynamic */
    enum client_assignor assignor;
    uint32_t session_timeout_ms;   /* 45000 */
    uint32_t heartbeat_ms;         /* 3000 */
    uint32_t rebalance_timeout_ms; /* max.poll.interval.ms, 300000 */
};

struct client_member_options client_member_options_default(void);

struct client_member_partition {
    struct client_topic *topic;
    int32_t partition;
};

struct client_member_events {
    /* Also with count 0: the rebalance is over. */
    void (*assigned)(void *context, const struct client_member_partition *added, uint32_t count);
    /* Then call client_member_revoked_done (unless is_lost). */
    void (*revoked)(void *context, const struct client_member_partition *removed, uint32_t count,
                    bool is_lost);
    /* The member can't go on: fenced (another with its instance id), not allowed, ... */
    void (*fatal)(void *context, int16_t error_code, enum err err);
};

/* It joins from the next turn of the loop on; events come from the loop.  topics: handles of the
 * cluster, subscribed to; copied, as the texts of options are.  ERR_NOMEM. */
must_use enum err client_member_create(struct client_cluster *cluster,
                                       const struct client_member_options *options,
                                       struct client_topic *const *topics, uint32_t topics_count,
                                       const struct client_member_events *events, void *context,
                                       struct client_member **out);

/* No event comes any more: commit before.  Leaves the group (a dynamic member); then closed (may be
 * NULL), once, from the loop. */
void client_member_destroy(struct client_member *member, void (*closed)(void *context),
                           void *context);

void client_member_revoked_done(struct client_member *member);

/* For commits: of the generation in which the last assignment was made; once partitions are lost
 * the coordinator refuses it.  Its texts live until the next event. */
struct client_group_identity client_member_identity(const struct client_member *member);

/* It has its partitions and its heartbeats are answered. */
bool client_member_is_stable(const struct client_member *member);

#endif
