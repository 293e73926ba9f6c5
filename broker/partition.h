/* partition: one partition that this broker leads: epochs, in-sync set, publishing, waiters.
 *
 * Owned by the topic_table of its shard.  Its log is driven only through it.
 *   P1  the high watermark moves in partition_publish and nowhere else, never past what the log's
 *       durability mode allows, nor past a member of the maximal in-sync set
 *   P2  a waiter is woken exactly once: by the high watermark, or by an error that ends the wait
 *       (deleted, failed, not led any more)
 *   P3  leader_epoch and in_sync's committed state change only by committed metadata records */
#ifndef LEVEE_BROKER_PARTITION_H
#define LEVEE_BROKER_PARTITION_H

#include "broker/in_sync.h"
#include "broker/shard.h"
#include "broker/topic_config.h"
#include "storage/log.h"

struct partition {
    struct shard *shard;
    struct uuid topic_id;
    int32_t index;
    char *topic_name; /* owned */
    struct log *log;
    struct topic_config config; /* effective, renewed by the topic table */
    int32_t leader_epoch;
    struct in_sync in_sync; /* its replicas; after a change of it: partition_publish */
    bool deleted;
    bool internal;            /* a topic of ours: clients may not produce to it */
    struct list ack_waiters;  /* of partition_waiter, by rising offset */
    struct list data_waiters; /* of partition_waiter */
    struct counter bytes_in, bytes_out, messages_in;
};

/* Waits for high_watermark >= offset.  Embedded in the caller's struct. */
struct partition_waiter {
    struct list node;
    int64_t offset;
    int64_t from_offset; /* data: or until the log starts above it */
    void (*wake)(struct partition_waiter *waiter, enum err err);
};

/* The log's progress callback: tell the in-sync set how far we are by our durability mode, move the
 * high watermark to what the set allows, and wake those who waited for it. */
void partition_publish(struct partition *partition);

/* Take what the committed metadata says; a new leader epoch begins before the first append under
 * it (kraft.md 5b).  Not led any more: every wait ends with ERR_NOT_FOUND.  A smaller set may allow
 * more: partition_publish, once the log is recovered.  Errors: as in_sync_commit; ERR_FENCED_EPOCH
 * changed nothing, after the others nothing is led. */
must_use enum err partition_follow(struct partition *partition, const struct in_sync_state *state);

/* config was renewed: the log and the in-sync set act by it from now on. */
void partition_follow_config(struct partition *partition);

/* The log start was raised: who waits for data behind an offset below it is woken. */
void partition_start_moved(struct partition *partition);

/* End every wait with err (deleted, storage failed, not led here). */
void partition_end_waits(struct partition *partition, enum err err);

/* Epoch check of a request: expected -1 is no check.  ERR_FENCED_EPOCH, ERR_UNKNOWN_EPOCH. */
must_use enum err partition_check_epoch(const struct partition *partition, int32_t expected_epoch);

/* Append one validated batch as leader, for every in-sync replica to have (acks=all); see
 * log_append_leader for max_timestamp_ms and the errors.  ERR_REPLICAS: fewer are in sync than
 * min.insync.replicas wants, nothing was appended; ERR_NOT_FOUND: deleted, or not led here. Visible
 * and acknowledged only later: wait for last_offset + 1. */
must_use enum err partition_append(struct partition *partition, const uint8_t *bytes,
                                   uint32_t size_bytes, int64_t max_timestamp_ms, int64_t now_ms,
                                   struct log_append_result *out);

/* The same without ERR_REPLICAS: the leader's log is enough (acks 0 and 1). */
must_use enum err partition_append_leader(struct partition *partition, const uint8_t *bytes,
                                          uint32_t size_bytes, int64_t max_timestamp_ms,
                                          int64_t now_ms, struct log_append_result *out);

/* Wake waiter once high_watermark >= waiter->offset (now, inside the call, when it is already),
 * or with an error.  acks: offsets come in rising order, ERR_NOT_FOUND also when not led; data:
 * any. */
void partition_wait_ack(struct partition *partition, struct partition_waiter *waiter);
void partition_wait_data(struct partition *partition, struct partition_waiter *waiter);
void partition_cancel_wait(struct partition_waiter *waiter);

#endif
