/* group: one consumer group in memory: members, generation, committed offsets.
 *
 * Owned by the group_coordinator of its shard.  group.c keeps the data and group_offsets.c the
 * offsets, group_rebalance.c moves the state, group_records.c turns both into records and back.
 *   EMPTY → PREPARING (a first member joins) → COMPLETING (all joined; generation + 1; the leader
 * is to send the assignment) → STABLE (the assignment is recorded) → PREPARING (somebody joins,
 *   leaves, or is gone) ...; no members left → EMPTY.  (KIP-62, KIP-134; Kafka's ClassicGroup)
 *   GRP-1  generation never decreases (DUR-G1), but for starting again at 1 behind the last one
 *          there is; a generation is recorded before any member is told its number
 *   GRP-2  a member that waits has exactly one request: join in PREPARING, sync in COMPLETING; in
 *       STABLE join, while the new id of a static member is being recorded
 *   GRP-3  what a group holds is counted in its budget; whether it may grow is decided before
 *       (coordinator_admit), not here
 *   GRP-4  memory that cannot be had is an ordinary error: what needs some says so and has changed
 *       nothing; what is applied when its record is durable needs none */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_H
#define LEVEE_BROKER_COORDINATOR_GROUP_H

#include "base/budget.h"
#include "base/hash_map.h"
#include "base/list.h"
#include "base/timer.h"
#include "base/uuid.h"
#include "broker/coordinator/group_terms.h"
#include "net/protocol/wire.h"

#include <stdbool.h>
#include <stdint.h>

struct request;
struct group_removal;

/* More of them are refused: choosing one costs members times protocols. */
enum { GROUP_PROTOCOLS_MAX = 100 };

/* What the members of a group hold, their assignments too: more would never be recorded. */
enum { GROUP_MEMBERS_BYTES_MAX = 16 << 20 };

enum group_state { GROUP_EMPTY, GROUP_PREPARING, GROUP_COMPLETING, GROUP_STABLE, GROUP_DEAD };

struct group_member {
    struct list node; /* group.members, in order of joining */
    struct group *group;
    char *id;
    char *instance_id; /* NULL: dynamic */
    struct group_terms terms;
    struct group_bytes assignment;
    struct request *join;         /* waits for the generation */
    struct request *sync;         /* waits for the assignment */
    bool synced;                  /* has asked for the assignment of this generation */
    bool is_new;                  /* knows its id only from a join that is not answered yet */
    bool is_excused;              /* its session began anew because we were late, not it */
    uint32_t place;               /* among the members, while an assignment is being taken */
    struct protocol_name *choice; /* while they vote; NULL: none */
    uint64_t counted_bytes;
    struct timer session;
};

/* An id that was handed out and has not joined yet (KIP-394). */
struct group_pending {
    struct list node;
    struct group *group;
    char *id;
    uint64_t timeout_ms;
    bool is_excused; /* as a member's */
    struct timer expiry;
};

struct group {
    struct list node; /* of the coordinator's; what a sweep has looked at last is at the end */
    uint64_t round;   /* of that sweep */
    bool is_expiring; /* its writes are the sweep's, which has not come to all of its offsets */
    char *id;
    size_t id_bytes;
    struct group_coordinator *coordinator;
    int32_t partition_index;    /* of __consumer_offsets */
    struct list elsewhere_node; /* of group_move.h: its old partition has records of it, too */
    bool is_left_elsewhere;     /* that is where it stays: its own is on another shard */
    bool has_own_record;        /* of its state, from its own partition; */
    bool is_foreign;            /* its state is of a record of the old one, */
    bool has_old_record;        /* which is there still */
    uint32_t elsewhere_count;   /* of its offsets of which the old one has a record */
    enum group_state state;
    int32_t generation;
    char *protocol_type;         /* NULL: none yet */
    char *protocol;              /* chosen; NULL: none */
    struct group_member *leader; /* NULL: none */
    int64_t state_timestamp_ms;
    struct budget *budget;
    struct list members;
    struct hash_map member_ids;           /* of group_member, by id */
    struct hash_map instances;            /* those of them that have an instance, by instance_id */
    struct protocol_names protocol_names; /* of their protocols */
    uint64_t members_bytes;               /* what they hold */
    uint32_t member_count;
    bool has_lost_members; /* its newest record was read, and the budget had no room for them */
    struct list pending;
    struct hash_map pending_ids; /* of group_pending, by id */
    uint32_t pending_count;
    struct group_removal *removal; /* of all of it, that takes more than a turn; or NULL */
    struct list renames; /* of group_rename.c: new ids of static members that are being recorded */
    struct hash_map offsets; /* of group_offsets.h */
    uint32_t offset_count;   /* of them, recorded */
    uint32_t staged_count;   /* of pending_offset: what open transactions have committed */
    struct timer rebalance;  /* who has not joined by then, or later synced, is out */
    uint64_t delay_left_ms;  /* of the initial delay */
    bool initial_delay;      /* the rebalance timer is the initial delay */
    bool is_excused;         /* it began anew because we were late */
    bool joined_since_delay;
    int32_t reserving_generation; /* its number is being recorded; 0: none */
    int32_t reserved_generation;  /* the next one, when it equals that; 0: none */
    int32_t recording_generation; /* whose assignment is being recorded; -1: none */
    uint32_t writes;              /* state writes in flight: the group must live */
};

const char *group_state_name(enum group_state state);

/* NULL: there is no memory. */
must_use struct group *group_create(struct group_coordinator *coordinator, struct budget *budget,
                                    const char *id, size_t id_bytes, int32_t partition_index,
                                    uint64_t seed);
/* As if it had never been, but for committed offsets and ids handed out: its records are deleted.
 * It has no members. */
void group_reset(struct group *group);
/* Kafka's ClassicGroup adds 1 whatever there is, and so becomes negative, which is how clients say
 * that they have none; here 1 follows on INT32_MAX. */
int32_t group_next_generation(int32_t generation);

/* Timers must be cancelled and nobody may wait. */
void group_destroy(struct group *group);

struct group_member *group_find(const struct group *group, struct wire_string member_id);
struct group_member *group_find_instance(const struct group *group, struct wire_string instance_id);
struct group_pending *group_find_pending(const struct group *group, struct wire_string member_id);

/* *terms are the member's from now on.  NULL: there is no memory, and nothing has changed (GRP-4).
 */
must_use struct group_member *group_add_member(struct group *group, struct wire_string id,
                                               struct wire_string instance_id,
                                               struct group_terms *terms);
/* id: the member's from now on; the old one is the caller's. */
must_use char *group_rename_member(struct group_member *member, char *id);
/* *terms are the member's from now on, and those that it had are the caller's. */
void group_swap_terms(struct group_member *member, struct group_terms *terms);
/* What the member holds has changed: count it anew. */
void group_count_member(struct group_member *member);
void group_remove_member(struct group_member *member); /* frees; it leads no longer */
/* NULL: there is no memory. */
must_use struct group_pending *group_add_pending(struct group *group, const char *id);
void group_remove_pending(struct group_pending *pending);

/* *field is text, which is the group's from now on, or NULL; the old one is freed. */
void group_set_text(char **field, char *text);

/* Of its leader; NULL: there is none. */
const char *group_leader_id(const struct group *group);

/* Have all members this protocol? */
bool group_all_have(const struct group *group, struct wire_string protocol);

/* The protocol that most members prefer among those that all have (Kafka's vote); of equal ones the
 * choice of the older member.  NULL: they have none in common.  Looks once at each protocol of each
 * member. */
const char *group_vote(struct group *group);

#endif
