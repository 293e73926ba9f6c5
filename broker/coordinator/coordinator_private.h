/* coordinator_private: the group_coordinator from inside, for its own files and for those who list
 * its groups (handlers, scrape).  On its loop. */
#ifndef LEVEE_BROKER_COORDINATOR_COORDINATOR_PRIVATE_H
#define LEVEE_BROKER_COORDINATOR_COORDINATOR_PRIVATE_H

#include "broker/coordinator/group.h"
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/runtime.h"
#include "net/protocol/kafka_errors.h"

struct group_coordinator {
    struct shard *shard;
    struct runtime runtime;        /* the partitions of __consumer_offsets that are led here */
    struct hash_map groups;        /* by id */
    struct list all;               /* of group.node: the same */
    struct hash_map offset_topics; /* of offset_topic, by name */
    struct hash_map transactions;  /* of pending_transaction (group_pending_offsets.h) */
    struct list registering;       /* commits in a transaction (group_txn_commit.c) */
    struct timer expiry;
    struct task sweep;       /* what group_expiry.c does in slices */
    struct timer retry;      /* of a sweep that could not write, or found no memory */
    struct list forgotten;   /* of offset_topic.forgotten */
    uint64_t round;          /* the latest sweep's number */
    uint64_t expiry_round;   /* the number of the sweep by time; 0: none is under way */
    uint32_t tombstones;     /* of sweeps, being recorded */
    struct list elsewhere;   /* of group.elsewhere_node */
    struct group_move *move; /* the one that is under way, or NULL */
    struct timer move_again;
    uint64_t naming; /* the number of the latest request that names offsets */
    bool started;
    bool stopping;
    bool closing; /* being destroyed: requests and their answers are gone */
};

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
/* A group without members, offsets (staged ones, too) and writes is forgotten. */
void coordinator_drop_if_idle(struct group *group);
/* What a client of OffsetCommit or DeleteGroups is told; others hear the same but for
 * ERR_TOO_LARGE. */
int16_t coordinator_write_error(enum err err);
/* What JoinGroup and SyncGroup say of the group's own record: the client asks again, but for one
 * that never fits. */
int16_t coordinator_record_error(enum err err);
/* What is said when a write could not begin: the client asks again. */
int16_t coordinator_begin_error(enum err err);
/* The values of the broker's keys that are in force. */
const struct config_values *coordinator_config(const struct group_coordinator *groups);

#endif
