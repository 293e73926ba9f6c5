/* group_coordinator: the consumer groups whose __consumer_offsets partition lives on this shard.
 *
 * Lives on one loop.  A group is decided, recorded, applied: a decision gives records and an
 * answer; the records are appended to the group's offsets partition (runtime_write), and when they
 * are durable they are applied and the answer goes out.  Starting is applying the log.  Rules:
 * docs/rules.md (DUR-G1 to DUR-G10), Kafka's GroupMetadataManager and ClassicGroup; KIP-134, 345,
 * 394, 429, 447, 559, 792.
 *   GCO-1  a group is served only while its partition is loaded: else COORDINATOR_LOAD_IN_PROGRESS;
 *       partition not here: NOT_COORDINATOR
 *   GCO-2  sessions count on the monotonic clock, from the moment of loading at the earliest
 *          (DUR-G10) */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_COORDINATOR_H
#define LEVEE_BROKER_COORDINATOR_GROUP_COORDINATOR_H

#include "broker/coordinator/runtime_write.h"
#include "broker/partition.h"

struct group_coordinator;
struct request;

must_use enum err group_coordinator_create(struct shard *shard, struct group_coordinator **out);
void group_coordinator_destroy(struct group_coordinator *groups);

/* The shard's topics tell from now on which partitions of __consumer_offsets are to be loaded. */
void group_coordinator_observe(struct group_coordinator *groups);

/* Which partition of __consumer_offsets a group belongs to (java_hash.h). */
int32_t group_partition_of(const char *group_id, size_t group_id_bytes, int32_t partition_count);

/* The handlers' second half: each runs on the group's shard and ends in request_answer.  The first
 * half (handlers/<name>.c) authorizes, finds the shard and hops. */
void group_join(struct group_coordinator *groups, struct request *request);
void group_sync(struct group_coordinator *groups, struct request *request);
void group_heartbeat(struct group_coordinator *groups, struct request *request);
void group_leave(struct group_coordinator *groups, struct request *request);
void group_offset_commit(struct group_coordinator *groups, struct request *request);
void group_offset_delete(struct group_coordinator *groups, struct request *request);

/* The end of a producer's transaction, in one partition of __consumer_offsets.  Embedded in the
 * struct of whoever ends it; on that partition's shard. */
struct group_transaction_end {
    int64_t producer_id; /* these as partition_marker.h has them */
    int16_t epoch;
    int32_t coordinator_epoch;
    bool commit;
    bool txn_v2;
    bool ends_seen;
    struct producer_open seen;
    /* Optional: the marker is in the log, not durable yet; what stands behind it in the same
     * journal may be written now.  Perhaps inside the call, and before done, which may still say an
     * error. */
    void (*appended)(struct group_transaction_end *end);
    /* Once, perhaps inside the call.  OK: it is durable, and the groups show the effect (DUR-G8).
     * ERR_NOT_FOUND: the partition is not served here now; ERR_CLOSED: all ends; ERR_NOMEM; others
     * as partition_append_marker. */
    void (*done)(struct group_transaction_end *end, enum err err);
    /* inside */
    struct runtime_write write;
};

void group_coordinator_end_transaction(struct group_coordinator *groups, int32_t index,
                                       struct group_transaction_end *end);

/* A topic was deleted, and the image has it no more: its offsets go, as records, in slices.  Until
 * then nobody is told them (group_offset_is_orphan). */
void group_coordinator_topic_deleted(struct group_coordinator *groups, const char *topic);

/* On the shard's loop: expiry of offsets and empty groups starts. */
void group_coordinator_start(struct group_coordinator *groups);

/* Stop: nothing more expires, waiting members are answered COORDINATOR_NOT_AVAILABLE. */
void group_coordinator_stop(struct group_coordinator *groups);

#endif
