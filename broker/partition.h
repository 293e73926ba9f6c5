/* partition: one partition that this broker leads: epochs, in-sync set, publishing, waiters.
 *
 * Owned by the topic_table of its shard, which opens and deletes its log.  Else its log is used
 * only through it: what is here, partition_read.h, partition_trim.h, time_lookup.h.
 *   PRT-1  the high watermark moves in partition_publish and nowhere else, never past what the
 *          log's durability mode allows, nor past a member of the maximal in-sync set
 *   PRT-2  a waiter is woken exactly once: by the offset that it waits for (the high watermark, or
 *       the last stable one), or by an error that ends the wait (deleted, failed, not led any more)
 *   PRT-3  leader_epoch and in_sync's committed state change only by committed metadata records */
#ifndef LEVEE_BROKER_PARTITION_H
#define LEVEE_BROKER_PARTITION_H

#include "broker/append_queue.h"
#include "broker/in_sync.h"
#include "broker/refused_batches.h"
#include "broker/shard.h"
#include "broker/topic_config.h"
#include "storage/log/log.h"

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
    bool internal; /* a topic of ours: clients may not produce to it */
    struct append_queue appends;
    struct refused_batches refused;
    struct list own_waiters;     /* of partition_waiter, by rising offset */
    struct list ack_waiters;     /* of partition_waiter, by rising offset */
    struct list durable_waiters; /* of partition_waiter, by rising offset */
    struct list data_waiters;    /* of partition_waiter */
    int64_t told_stable;         /* the last stable offset that they were told of last */
    struct list trims;           /* of partition_trim: they wait for room */
    struct topic_metrics metrics;
};

/* One batch for the log.  Embedded in the caller's struct. */
struct partition_append {
    struct append_op op; /* op.wait, op.is_preparing and op.held_bytes: the caller's
                          * (append_queue.h); the rest is inside */
    const uint8_t
        *bytes; /* one validated batch (while it prepares: what will be one); until done */
    uint32_t size_bytes;
    int64_t max_timestamp_ms;    /* of its records (log_append) */
    bool for_all;                /* acks=all: enough replicas are to have it */
    bool urgent;                 /* it may use what the journal keeps back (log_append) */
    struct producer_rules rules; /* of its producer; rules.owner: who brings it
                                  * (producer_owner.h); origin 0: a client */
    void (*done)(struct partition_append *append, enum err err);
    struct partition *partition;     /* out */
    struct log_append_result result; /* out, when OK */
};

/* Waits for an offset.  Embedded in the caller's struct. */
struct partition_waiter {
    struct list node;
    int64_t offset;
    int64_t from_offset; /* data: or until the log starts above it */
    bool is_committed;   /* data: by the last stable offset, not by the high watermark */
    void (*wake)(struct partition_waiter *waiter, enum err err);
};

/* Count for the partition, and for all of its shard; on its loop. */
void partition_count(struct partition *partition, enum topic_metric metric, uint64_t n);

/* What it holds, as of now. */
static inline struct log_offsets partition_offsets(const struct partition *partition)
{
    return log_offsets(partition->log);
}

static inline bool partition_is_quarantined(const struct partition *partition)
{
    return log_is_quarantined(partition->log);
}

static inline uint64_t partition_size_bytes(const struct partition *partition)
{
    return log_size_bytes(partition->log);
}

static inline uint32_t partition_segment_count(const struct partition *partition)
{
    return log_segment_count(partition->log);
}

/* Its idempotent producers. */
static inline const struct producer_state *partition_producers(const struct partition *partition)
{
    return log_producers(partition->log);
}

/* About when the record at offset was made; -1: nothing is known (log_timestamp_near). */
static inline int64_t partition_timestamp_near(const struct partition *partition, int64_t offset)
{
    return log_timestamp_near(partition->log, offset);
}

/* Nobody waits; shard is set. */
void partition_init_waits(struct partition *partition);

/* The log's progress callback: tell the in-sync set how far we are by our durability mode, move the
 * high watermark to what the set allows, and wake those who waited for it, or for the last stable
 * offset, which moves with it and where a transaction's end has become durable. */
void partition_publish(struct partition *partition);

/* Take what the committed metadata says; a new leader epoch begins before the first append under
 * it (KIP-101).  Not led any more: every wait ends with ERR_NOT_FOUND.  A smaller set may allow
 * more: partition_publish, once the log is recovered.  Errors: as in_sync_commit; ERR_FENCED_EPOCH
 * changed nothing, after the others nothing is led. */
must_use enum err partition_follow(struct partition *partition, const struct in_sync_state *state);

/* Let go of what its configuration does not keep: segments, and producers that wrote nothing for
 * producer_idle_max_ms.  now_ms: wall clock; -1: it is not believed, and no age counts. */
void partition_maintain(struct partition *partition, int64_t now_ms, int64_t producer_idle_max_ms);

/* config was renewed: the log and the in-sync set act by it from now on. */
void partition_follow_config(struct partition *partition);

/* The log's start_moved callback: who waits for data behind an offset below it is woken. */
void partition_start_moved(struct partition *partition);

/* End every wait with err (deleted, storage failed, not led here); also of appends and trims that
 * have no room yet: they are not written. */
void partition_end_waits(struct partition *partition, enum err err);

/* Epoch check of a request: expected -1 is no check.  ERR_FENCED_EPOCH, ERR_UNKNOWN_EPOCH. */
must_use enum err partition_check_epoch(const struct partition *partition, int32_t expected_epoch);

/* Append one batch as leader, behind those that wait for room.  done runs once, inside this call or
 * later, with log_append_leader's errors but ERR_FULL, or ERR_REPLICAS: for_all, and fewer are in
 * sync than min.insync.replicas wants; ERR_NOT_FOUND: deleted, or not led here; ERR_TIMEOUT: too
 * much waits for checks (append_load.h); ERR_SEQUENCE also: behind one that was refused
 * (refused_batches.h).  Visible and acknowledged only later: wait for last_offset + 1. */
void partition_append(struct partition *partition, struct partition_append *append);

/* The same for a follower or a mirror: the batch as it is, at its own offsets, behind those that
 * wait; bytes and size_bytes are set.  done with log_append_verbatim's errors but ERR_FULL, or
 * ERR_NOT_FOUND: deleted.  It need not be led, and publishes nothing by itself. */
void partition_append_verbatim(struct partition *partition, struct partition_append *append);

/* It is not appended any more, and done does not run; what waits behind it, or comes soon, of the
 * same idempotent producer ends with ERR_SEQUENCE.  Nothing happens when it was appended. */
void partition_cancel_append(struct partition_append *append);

/* Others wait for memory: is it to be canceled, because of what it and others hold that wait for
 * long checks? */
bool partition_presses_append(const struct partition_append *append);

/* What was preparing (append_queue.h) may be appended: bytes, size_bytes and max_timestamp_ms are
 * there. */
static inline void partition_append_ready(struct partition_append *append)
{
    append_queue_ready(&append->op);
}

/* One batch of a client is refused with an error after which it comes again, and did not get as far
 * as partition_append: the same producer's later ones do not overtake it (refused_batches.h). */
void partition_note_refused(struct partition *partition, const uint8_t *bytes, uint32_t size_bytes);

/* What was preparing is not to be appended, and done does not run.  What waits behind it is judged
 * by the log, as if this one had never come. */
void partition_refuse_append(struct partition_append *append);

/* Wake waiter once this broker's own log has what lies below waiter->offset by its durability mode
 * (acks=1), or once high_watermark >= waiter->offset (acks=all; data, where waiter->is_committed
 * the last stable offset); now, inside the call, when it is so already, or with an error.  For acks
 * ERR_NOT_FOUND also when not led. */
void partition_wait_own(struct partition *partition, struct partition_waiter *waiter);
void partition_wait_ack(struct partition *partition, struct partition_waiter *waiter);
void partition_wait_data(struct partition *partition, struct partition_waiter *waiter);

/* The same, as partition_wait_ack, and not before it is on stable storage here, also where the
 * topic counts what the kernel has: a transaction's end. */
void partition_wait_durable(struct partition *partition, struct partition_waiter *waiter);

void partition_cancel_wait(struct partition_waiter *waiter);

#endif
