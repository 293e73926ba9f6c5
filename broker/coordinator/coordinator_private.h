/* coordinator_private: what the coordinator's own files share. */
#ifndef LEVEE_BROKER_COORDINATOR_COORDINATOR_PRIVATE_H
#define LEVEE_BROKER_COORDINATOR_COORDINATOR_PRIVATE_H

#include "broker/config.h"
#include "broker/coordinator/group.h"
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/runtime.h"
#include "broker/request.h"

struct group_coordinator {
    struct shard *shard;
    struct runtime runtime;        /* the partitions of __consumer_offsets that are led here */
    struct hash_map groups;        /* by id */
    struct list all;               /* of group.node: the same */
    struct hash_map offset_topics; /* of offset_topic, by name */
    struct timer expiry;
    struct task sweep;     /* what group_expiry.c does in slices */
    struct timer retry;    /* of a sweep that could not write, or found no memory */
    struct list forgotten; /* of offset_topic.forgotten */
    uint64_t round;        /* the latest sweep's number */
    uint64_t expiry_round; /* the number of the sweep by time; 0: none is under way */
    uint32_t tombstones;   /* of sweeps, being recorded */
    uint64_t naming;       /* the number of the latest request that names offsets */
    bool started;
    bool stopping;
    bool closing; /* being destroyed: requests and their answers are gone */
};

/* ---- group_coordinator.c */
struct group *coordinator_find(struct group_coordinator *groups, struct wire_string id);
/* It is made when there is none; NULL: there is no memory. */
must_use struct group *coordinator_get(struct group_coordinator *groups, struct wire_string id);
/* Is this group served here?  KAFKA_NONE, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE,
 * COORDINATOR_LOAD_IN_PROGRESS. */
int16_t coordinator_check(struct group_coordinator *groups, struct wire_string group_id,
                          int32_t *partition_index_out);
/* May the groups of this shard hold so much more?  Some of their budget is kept for what serves
 * those that there are. */
bool coordinator_admit(struct group_coordinator *groups, uint64_t bytes);
/* The same of offsets, which stay for days: they leave more, so that members can join. */
bool coordinator_admit_offsets(struct group_coordinator *groups, uint64_t bytes);
/* A group without members, offsets and writes is forgotten. */
void coordinator_drop_if_idle(struct group *group);
/* What a client of OffsetCommit or DeleteGroups is told; others hear the same but for
 * ERR_TOO_LARGE. */
int16_t coordinator_write_error(enum err err);
/* What is said when a write could not begin: the client asks again. */
int16_t coordinator_begin_error(enum err err);
/* The values of the broker's keys that are in force. */
const struct config_values *coordinator_config(const struct group_coordinator *groups);

/* ---- group_answer.c */
bool group_is_leader(const struct group_member *member);
/* member_id NULL: as the client said, or none when the join has waited, as in Kafka. */
void group_refuse_join(struct request *request, int16_t error_code, const char *member_id);
void group_refuse_sync(struct request *request, int16_t error_code);
void group_answer_join(struct group_member *member, struct request *request, const char *leader_id,
                       bool with_members, bool skip_assignment);
void group_answer_sync(struct group_member *member);

/* ---- group_join.c */
/* For the generation, with what its member was told of it; a join that waited before is
 * replaced. */
void group_wait_to_join(struct group_member *member, struct request *request);

/* ---- group_rename.c */
void group_replace_static(struct group_member *member, struct request *request,
                          const char *member_id);

/* ---- group_rebalance.c */
struct loop *group_loop(const struct group *group);
void group_prepare_rebalance(struct group *group);
void group_try_complete(struct group *group);         /* when all have joined */
void group_hold_session(struct group_member *member); /* its request waits: we are late, not it */
void group_forget(struct group_member *member, int16_t error_code); /* answers what waits */
void group_after_loss(struct group *group);
void group_on_pending_end(struct timer *timer);
void group_end_pending(struct group *group);   /* ids handed out are worth nothing any more */
void group_record(struct group *group);        /* as it is now; nobody waits for it */
void group_touch(struct group_member *member); /* heard of: the session starts anew */
void group_end_waits(struct group *group, int16_t error_code);
void group_cancel_timers(struct group *group);
void group_start_sessions(struct group *group);

/* What JoinGroup and SyncGroup say when the group's record was not written: the client asks again,
 * but for one that never fits. */
int16_t group_record_error(enum err err);

/* Who is it?  KAFKA_NONE and the member, or UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
int16_t group_identify(struct group *group, struct wire_string member_id,
                       struct wire_string instance_id, struct group_member **out);

#endif
