/* client_leader: what the leader of a group does between JoinGroup and SyncGroup: reads the
 * subscriptions of all members, learns of their topics, runs the assignor, and writes to each its
 * assignment.
 *
 * Part of a client_member; same loop.
 *   CLD-1  done runs once for each client_leader_begin, from the loop, never inside it
 *   CLD-2  a topic that nobody knows within TOPIC_WAIT_MS has no partitions in this round */
#ifndef LEVEE_NET_CLIENT_CLIENT_LEADER_H
#define LEVEE_NET_CLIENT_CLIENT_LEADER_H

#include "net/client/client_assignor.h"
#include "net/protocol/msg_join_group.h"
#include "net/protocol/msg_sync_group.h"

struct client_leader_topic {
    struct client_topic *topic;
    int32_t partitions_count; /* that were assigned */
};

struct client_leader {
    struct client_cluster *cluster;
    enum client_assignor assignor;
    void (*done)(struct client_leader *leader, enum err err);
    /* out, after done(OK) and until the next begin */
    struct sync_group_request_assignment *assignments;
    int32_t assignments_count;
    /* inside */
    struct arena arena;
    struct client_assignor_member *members;
    struct client_leader_topic *topics;
    uint32_t members_count;
    uint32_t topics_count;
    uint32_t waiting; /* index in topics */
    struct client_wait wait;
    struct task task;
    enum err err;
    bool is_waiting;
};

void client_leader_init(struct client_leader *leader, struct client_cluster *cluster,
                        enum client_assignor assignor,
                        void (*done)(struct client_leader *leader, enum err err));

/* Not while it works. */
void client_leader_deinit(struct client_leader *leader);

/* response is not needed any more afterwards.  done: OK; ERR_NOMEM; an error of codec_decode (a
 * subscription); ERR_CANCELED. */
void client_leader_begin(struct client_leader *leader, const struct join_group_response *response);

/* done(ERR_CANCELED) comes soon, if it works. */
void client_leader_cancel(struct client_leader *leader);

/* Since the last assignment a topic has got another count of partitions, or is there now. */
bool client_leader_is_outdated(const struct client_leader *leader);

/* The member does not lead any more. */
void client_leader_forget(struct client_leader *leader);

#endif
