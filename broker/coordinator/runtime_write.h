/* runtime_write: records that a coordinator has decided on, on their way into a partition of its
 * internal topic: appended as one batch, durable, applied, done.
 *
 * Embedded in the struct of whoever waits for it, which it is until done.  On the partition's
 * shard.
 *   RWR-1  writes of a partition are appended, applied and done well in the order in which they
 *          were started; one that fails says so at once
 *   RWR-2  done(OK) comes when the records are durable and applied (RUN-1), and never before: the
 *          place to answer
 *   RWR-3  a write without records is done when those before it have ended: an answer that tells of
 *        their records is not given before these are durable; and once one that was applied at the
 *        append has failed, whoever was behind it and whoever comes later hears that, too
 *   RWR-4  a marker that the log has already (partition_marker.h) is applied no second time; it is
 *        done when the one that is there is durable */
#ifndef LEVEE_BROKER_COORDINATOR_RUNTIME_WRITE_H
#define LEVEE_BROKER_COORDINATOR_RUNTIME_WRITE_H

#include "broker/coordinator/runtime.h"
#include "record/batch_builder.h"

typedef void runtime_write_fn(struct runtime_write *write, enum err err);

struct runtime_write {
    struct list node; /* runtime_partition.writes */
    struct runtime_partition *partition;
    struct batch_builder builder;
    struct partition_append append;
    struct partition_waiter ack;
    enum err err;     /* of the adds */
    bool is_sliced;   /* the caller's, before the start: a turn applies some of it */
    bool is_appended; /* or has nothing to be */
    bool is_durable;  /* likewise */
    bool is_marker;
    struct control_marker marker;
    uint64_t counted_bytes;     /* of the meter */
    struct batch_reader reader; /* of what is being applied */
    uint32_t applied_count;
    /* Optional, the caller's, before the start: the records are in the log, and so are those of all
     * writes before it, with applies_at_append applied, too; without records only then.  Writes may
     * be started inside, of the same partition, too; done comes later, perhaps with an error. */
    void (*appended)(struct runtime_write *write);
    runtime_write_fn *done;
};

void runtime_write_init(struct runtime_write *write, struct runtime_partition *partition,
                        runtime_write_fn *done);

/* The records are of a producer's transaction (TxnOffsetCommit), which the partition is registered
 * in (transaction_registration.h): before the first add.  start may say ERR_PRODUCER_EPOCH then. */
void runtime_write_set_transaction(struct runtime_write *write, int64_t producer_id, int16_t epoch);

/* Instead of records: the end of a transaction in this partition (partition_marker.h), by whose
 * rules it is written.  start may say ERR_PRODUCER_EPOCH and ERR_FENCED_EPOCH then. */
void runtime_write_set_marker(struct runtime_write *write, const struct control_marker *marker,
                              int64_t producer_id, int16_t epoch, bool txn_v2);

/* One record: key and value of a record type of the kind's family (net/protocol/record_types.h);
 * value NULL is a tombstone. */
void runtime_write_add(struct runtime_write *write, int16_t type, const void *key,
                       int16_t value_version, const void *value);

/* One could not be added: nothing of the write will be. */
void runtime_write_fail(struct runtime_write *write, enum err err);

/* What was added, as a batch. */
uint32_t runtime_write_size_bytes(const struct runtime_write *write);

/* done runs later, or inside this call.  Errors: those of the adds; ERR_NOMEM: the process has no
 * memory for it, or it is large and the meter has no room; ERR_NOT_FOUND: the partition is not led
 * any more; others as partition_append. */
void runtime_write_start(struct runtime_write *write);

/* One that was started: done does not run any more.  Its records may be in the log, and are not
 * applied.  Not inside a done, nor of a marker. */
void runtime_write_cancel(struct runtime_write *write);

/* It was not started, or has ended.  A zeroed one is accepted. */
void runtime_write_deinit(struct runtime_write *write);

/* ---- the runtime's own */

/* The partition's turn: what may be is applied, and done. */
void runtime_write_go_on(struct runtime_partition *partition);

/* The partition goes: what is durable is applied, and is done well; the others end with err, also
 * what was applied at its append.  Nothing may be started afterwards. */
void runtime_write_end_all(struct runtime_partition *partition, enum err err);

#endif
