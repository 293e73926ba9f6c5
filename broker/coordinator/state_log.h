/* state_log: coordinator records into a partition of an internal topic: appended, durable, done.
 *
 * One write is one batch.  Lives on the partition's shard.  The decision is applied by the caller
 * in done, when the records are durable, and not before (design.md 2.4).  Writes of one partition
 * finish in the order in which they were started. */
#ifndef LEVEE_BROKER_COORDINATOR_STATE_LOG_H
#define LEVEE_BROKER_COORDINATOR_STATE_LOG_H

#include "broker/partition.h"
#include "net/protocol/record_types.h"
#include "storage/batch_builder.h"

/* Owned by the caller until done, which is its last use. */
struct state_write {
    struct shard *shard;
    struct uuid topic_id;
    int32_t partition_index;
    struct batch_builder builder;
    struct batch_header header;
    const uint8_t *bytes;
    uint32_t size_bytes;
    enum err err; /* of the adds */
    struct partition_waiter ack;
    struct store_waiter room;
    void (*done)(struct state_write *write, enum err err);
};

void state_write_init(struct state_write *write, struct partition *partition,
                      void (*done)(struct state_write *write, enum err err));

/* One record: key and value of a group record type (net/protocol/record_types.h); value NULL is a
 * tombstone. */
void state_write_add(struct state_write *write, int16_t type, const void *key,
                     int16_t value_version, const void *value);

bool state_write_is_empty(const struct state_write *write);

/* done runs later, or inside this call when nothing could be written or was added (OK). */
void state_write_start(struct state_write *write);

void state_write_deinit(struct state_write *write);

#endif
