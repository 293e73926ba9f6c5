/* state_log: coordinator records into a partition of an internal topic: appended, durable, done.
 *
 * One write is one batch.  Lives on the partition's shard.  The decision is applied by the caller
 * in done, when the records are durable, and not before (design.md 2.4).
 *   W1  writes of one queue are appended, and finish well, in the order in which they were started
 *       (append_queue.h, Q1) */
#ifndef LEVEE_BROKER_COORDINATOR_STATE_LOG_H
#define LEVEE_BROKER_COORDINATOR_STATE_LOG_H

#include "broker/partition.h"
#include "net/protocol/record_types.h"
#include "record/batch_builder.h"

/* What large writes hold until they have ended: in a budget, but that one of them may always be
 * under way.  One for all partitions of a shard. */
struct state_meter {
    struct budget *budget;
    uint64_t bytes;
};

/* The writes to one partition; one queue for each partition. */
struct state_queue {
    struct partition *partition;
    struct state_meter *meter;
    struct list started; /* of state_write, oldest first: not durable yet */
};

/* meter stays the caller's. */
void state_queue_init(struct state_queue *queue, struct partition *partition,
                      struct state_meter *meter);

/* The partition goes away, or all ends: every write ends with err.  Nothing may be started
 * afterwards. */
void state_queue_end(struct state_queue *queue, enum err err);

/* Owned by the caller until done, which is its last use. */
struct state_write {
    struct list node; /* state_queue.started */
    struct state_queue *queue;
    struct batch_builder builder;
    struct partition_append append;
    enum err err;           /* of the adds */
    uint64_t counted_bytes; /* of the meter */
    struct partition_waiter ack;
    void (*done)(struct state_write *write, enum err err);
};

void state_write_init(struct state_write *write, struct state_queue *queue,
                      void (*done)(struct state_write *write, enum err err));

/* One record: key and value of a group record type (net/protocol/record_types.h); value NULL is a
 * tombstone. */
void state_write_add(struct state_write *write, int16_t type, const void *key,
                     int16_t value_version, const void *value);

/* One could not be added: nothing of the write will be. */
void state_write_fail(struct state_write *write, enum err err);

bool state_write_is_empty(const struct state_write *write);

/* done runs later, or inside this call when nothing could be written or was added (OK).  ERR_NOMEM:
 * the process has no memory for it, or it is large and the meter has no room. */
void state_write_start(struct state_write *write);

void state_write_deinit(struct state_write *write);

#endif
