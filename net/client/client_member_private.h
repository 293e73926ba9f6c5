/* client_member_private: a member from inside, for its own files alone.
 *
 *   client_member.c           life, events, what is owned, heartbeats
 *   client_member_join.c      from FindCoordinator to the answer of SyncGroup */
#ifndef LEVEE_NET_CLIENT_CLIENT_MEMBER_PRIVATE_H
#define LEVEE_NET_CLIENT_CLIENT_MEMBER_PRIVATE_H

#include "net/client/client_leader.h"
#include "net/protocol/msg_heartbeat.h"
#include "net/protocol/msg_leave_group.h"

enum client_member_state {
    CLIENT_MEMBER_LOST,     /* between two attempts */
    CLIENT_MEMBER_JOINING,  /* a call, a search or the leader's work is under way */
    CLIENT_MEMBER_REVOKING, /* until client_member_revoked_done */
    CLIENT_MEMBER_STABLE,
    CLIENT_MEMBER_LEFT,
    CLIENT_MEMBER_FATAL,
};

/* Partitions by topic (its handle's index) and number. */
struct client_member_set {
    struct client_member_partition *items;
    uint32_t count;
};

struct client_member {
    struct client_cluster *cluster;
    const struct client_env *env;
    struct client_member_options options;
    char *group_id;
    char *instance_id; /* NULL: dynamic */
    struct client_topic **topics;
    uint32_t topics_count;
    const struct client_member_events *events;
    void *context;
    enum client_member_state state;
    char *member_id;    /* never NULL; "": none */
    int32_t generation; /* -1: none */
    char *identity_id;  /* member_id and generation of the last assignment */
    int32_t identity_generation;
    struct client_member_set owned;
    struct client_member_set next;    /* that the answer of SyncGroup gives */
    struct client_member_set removed; /* of the event that is being answered */
    bool joins_after_revoked;         /* in REVOKING: the join is next; false: the assignment is */
    bool was_revoked;                 /* client_member_revoked_done came */
    bool was_lost;                    /* in REVOKING: the generation is gone meanwhile */
    bool is_outdated;                 /* in STABLE: join again */
    uint64_t alive_ns; /* when the last request was sent that proved the membership */
    uint32_t attempt;
    struct client_leader leader;
    struct client_listener listener;
    struct client_wait wait;
    struct client_call call; /* JoinGroup, SyncGroup, LeaveGroup */
    struct client_call beat;
    union {
        struct join_group_request join;
        struct sync_group_request sync;
        struct leave_group_request leave;
    } request;
    struct heartbeat_request beat_request;
    struct arena arena; /* of request */
    struct task task;
    struct timer retry;
    struct timer beat_timer;
    struct timer session;
    bool is_finding;
    bool is_calling;
    bool is_beating;
    bool is_leading; /* the leader works */
    bool leads;      /* the last assignment was its own */
    bool is_closing;
    bool has_left;
    void (*closed)(void *context);
    void *closed_context;
};

/* ---- client_member.c */

void client_member_end(struct client_member *member, int16_t error_code, enum err err);
/* The generation is gone: what is owned is lost, and the group is joined anew.  forgets_id: the
 * broker does not know the member id. */
void client_member_lose(struct client_member *member, bool forgets_id);
/* member->next is the assignment of this generation. */
void client_member_take_assignment(struct client_member *member);
/* The coordinator said at that time, or later, that we are a member. */
void client_member_is_alive_since(struct client_member *member, uint64_t sent_ns);
bool client_member_set_id(struct client_member *member, const char *text, size_t size_bytes);
void client_member_sort(struct client_member_set *set);

/* ---- client_member_join.c */

void client_member_join_init(struct client_member *member);
/* Find the coordinator, if it is not known, and join. */
void client_member_join(struct client_member *member);
void client_member_join_later(struct client_member *member);
/* Does the coordinator seem to be another one, or away? */
bool client_member_forgets_coordinator(struct client_member *member, int16_t error_code);

#endif
