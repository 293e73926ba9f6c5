/* partition_read: what is read of a partition's log, each reader up to its bound.
 *
 * On the partition's loop.  A reader says by its isolation how far it may see, and no reader knows
 * where that is kept.
 *   PRD-1  a batch is given out only when its last offset is below the reader's bound; the bounds
 *       stand in this order: last stable offset <= high watermark <= log end (KIP-98, KIP-101) */
#ifndef LEVEE_BROKER_PARTITION_READ_H
#define LEVEE_BROKER_PARTITION_READ_H

#include "broker/partition.h"
#include "storage/log/log_aborted.h"

enum partition_isolation {
    PARTITION_UNCOMMITTED, /* a consumer: up to the high watermark */
    PARTITION_COMMITTED,   /* one that reads committed: up to the last stable offset */
    PARTITION_FOLLOWER,    /* a replica: up to the log's end */
};

/* Where a reader ends: the first offset that it may not see. */
int64_t partition_read_bound(const struct partition *partition, enum partition_isolation isolation);

/* May a request read it?  expected_epoch: the leader epoch that it names, -1: none.
 * ERR_FENCED_EPOCH, ERR_UNKNOWN_EPOCH (partition_check_epoch), ERR_QUARANTINED. */
must_use enum err partition_read_check(const struct partition *partition, int32_t expected_epoch);

/* Read batches from read->offset on, as log_read does; read->bound is set here.  OK with
 * size_bytes 0: there is nothing below the bound, or nothing that read->max_bytes allows; then
 * end_offset is the offset.  ERR_OFFSET_RANGE: it is below the log's start or above its end;
 * ERR_AGAIN and the others as log_read. */
must_use enum err partition_read(struct partition *partition, enum partition_isolation isolation,
                                 struct log_read *read);

/* The aborted transactions that a reader of committed data has to leave out of what partition_read
 * returned (DUR-T13), as log_aborted_find tells them: aborted->from is the base offset of the first
 * byte's batch, aborted->bound read->end_offset.  ERR_AGAIN: a file is being read, and done tells
 * the answer. */
must_use enum err partition_read_aborted(struct partition *partition, struct log_aborted *aborted);

/* done does not run any more. */
void partition_release_aborted(struct log_aborted *aborted);

/* Give back what was read; also while a file is being read: done never runs then. */
void partition_read_release(struct log_read *read);

/* Bytes of the batches from *offset up to the bound, at most max_bytes, and *offset behind them.
 * False: the batch at *offset is not in memory, nothing was counted (log_count_new_bytes). */
must_use bool partition_read_count(const struct partition *partition,
                                   enum partition_isolation isolation, int64_t *offset,
                                   uint32_t max_bytes, uint32_t *bytes_out);

/* Visit the batches of a log of ours from offset on, in order, with synchronous reads, to its end:
 * what is not published yet was written by us, and counts.  visit returns false to stop.
 * ERR_QUARANTINED, and the errors of log_scan. */
must_use enum err partition_read_all(struct partition *partition, int64_t offset,
                                     bool (*visit)(void *context, const uint8_t *batch,
                                                   uint32_t size_bytes),
                                     void *context);

/* Where the batches of leader_epoch end, and of which epoch that is: the newest one that is not
 * newer; EPOCH_UNDEFINED: none is known, and the end is EPOCH_OFFSET_UNDEFINED.  Of the newest
 * epoch it is the log's end for every reader, as in Kafka's lastOffsetForLeaderEpoch (KIP-101,
 * 279). */
int64_t partition_read_epoch_end(const struct partition *partition, int32_t leader_epoch,
                                 int32_t *epoch_out);

/* The leader epoch of the batch at the log's start; EPOCH_UNDEFINED: none is known. */
int32_t partition_read_start_epoch(const struct partition *partition);

#endif
