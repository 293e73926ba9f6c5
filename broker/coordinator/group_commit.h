/* group_commit: offsets that a client commits: who may, the records, the answer (DUR-G2, DUR-G3).
 *
 * OffsetCommit's, and TxnOffsetCommit's in the same shape.  On the group's shard. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_COMMIT_H
#define LEVEE_BROKER_COORDINATOR_GROUP_COMMIT_H

#include "broker/coordinator/group_offsets.h"
#include "broker/coordinator/runtime_write.h"
#include "net/protocol/msg_offset_commit.h"

struct group_coordinator;
struct image_topic;
struct pending_offset;

/* What is asked for; in the request's arena. */
struct group_commit_ask {
    /* in */
    struct request *request;
    const struct offset_commit_request *body;
    struct offset_commit_response *response;
    bool by_id;            /* its topics are named by id */
    bool hears_no_group;   /* its version knows GROUP_ID_NOT_FOUND here */
    bool is_transactional; /* KIP-447: it is of this producer's transaction: */
    int16_t producer_epoch;
    int64_t producer_id;
    const int16_t *topic_errors; /* by topic: why the client may not; NULL: it may */
    /* The error code of each partition is in the response. */
    void (*answer)(struct group_commit_ask *ask);
    /* inside */
    const struct image_topic **topics;
    uint32_t accepted_count;
};

/* Answers for every partition, those of what is not there already with their error; accepted_count
 * says how many others there are.  It may be called again, when time has passed: metadata may be
 * other ones.  False: there is no memory for them. */
must_use bool group_commit_judge(struct group_coordinator *groups, struct group_commit_ask *ask);

/* Partitions that have no error yet have this one; then it is answered. */
void group_commit_refuse(struct group_commit_ask *ask, int16_t error_code);

/* All of it; a transactional one takes its place in the partition's queue inside the call
 * (transaction_registration.h, TXR-1).  Answered later, or inside this call. */
void group_commit_start(struct group_coordinator *groups, struct group_commit_ask *ask);

/* What a commit keeps for the moment when its records are applied: where the record with this index
 * of its write goes.  The offset is begun; metadata is the memory for what the record says,
 * filled.  Who applies it takes metadata and pending. */
struct group_commit_place {
    struct group_offset *entry;
    struct uuid topic_id; /* which older records do not tell */
    struct group_bytes metadata;
    struct pending_offset *pending; /* of a transaction; else NULL */
};
struct group_commit_place *group_commit_place(struct runtime_write *write, uint32_t index);

#endif
