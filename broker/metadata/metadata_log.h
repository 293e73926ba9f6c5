/* metadata_log: the log of metadata records, with its snapshots.
 *
 * A storage log like any other: topic __cluster_metadata, its fixed id (0, 1), partition 0, in
 * shard 0's store; batches carry the controller epoch as leader epoch.  Snapshots are files
 * `<end offset, 20 digits>-<epoch, 10 digits>.checkpoint` in the log's directory, as Kafka's: a
 * control batch with a SnapshotHeader, batches of records, a control batch with a SnapshotFooter;
 * magic 2, not compressed, offsets from 0, every batch with its checksum (KIP-630).
 * Lives on shard 0's loop; open and replay are synchronous and come before.
 *   MLG-1  one append in flight at a time; a batch is handed over, to be applied, only when it is
 *       durable, and its append ends when that is done
 *   MLG-2  a snapshot is visible under its name only when it is whole and synced: written as
 *       `.checkpoint.part`, synced, renamed, directory synced
 *   MLG-3  the log is cut at the older of the two snapshots that are kept, so that either one can
 *          be continued from */
#ifndef LEVEE_BROKER_METADATA_METADATA_LOG_H
#define LEVEE_BROKER_METADATA_METADATA_LOG_H

#include "base/log_line.h"
#include "broker/append_queue.h"
#include "broker/metadata/image.h"
#include "storage/log/log.h"

struct metadata_log;

#define METADATA_LOG_TOPIC "__cluster_metadata"

/* Everything is the caller's and outlives the log. */
struct metadata_log_world {
    struct store *store;
    struct io *io;
    struct clock *clock;
    struct log_sink *sink;
    const char *dir; /* the store's directory; copied */
};

struct metadata_log_options {
    uint32_t segment_bytes;
    uint64_t snapshot_interval_bytes; /* metadata.log.max.record.bytes.between.snapshots */
};

/* Open the log (before store_recovered), load the newest snapshot that is whole into image, which
 * is empty, and apply the log behind it.  A transaction that was never ended is dropped.
 * ERR_CORRUPT: snapshots and log leave a gap; ERR_MALFORMED, ERR_NEWER_FORMAT: a record that cannot
 * be applied; log_open's errors.  One log line has told it. */
must_use enum err metadata_log_open(const struct metadata_log_world *world,
                                    const struct metadata_log_options *options, struct image *image,
                                    struct metadata_log **out);

/* Nothing is written.  NULL is accepted. */
void metadata_log_close(struct metadata_log *log);

/* The highest controller epoch seen; 0 for a new log. */
int32_t metadata_log_last_epoch(const struct metadata_log *log);

/* The offset that the next record gets. */
int64_t metadata_log_end(const struct metadata_log *log);

/* After store_recovered, once: everything replayed is published (high watermark), and batches carry
 * epoch, which is above every earlier one, from now on.  When the old tail holds the beginning of a
 * transaction that was never ended, it is aborted by a batch of its own.  Errors as
 * metadata_log_append. */
must_use enum err metadata_log_begin(struct metadata_log *log, int32_t epoch);

/* Each batch is handed to committed when it is durable, from the loop, inside no call of this
 * header; bytes stay until metadata_log_taken, which may come inside the call.  Without a follower
 * nobody is waited for. */
void metadata_log_follow(struct metadata_log *log,
                         void (*committed)(void *context, const uint8_t *bytes,
                                           uint32_t size_bytes),
                         void *context);

/* Is one handed over, and not taken yet? */
bool metadata_log_is_handing_over(const struct metadata_log *log);

/* The batch is in every image: its append ends. */
void metadata_log_taken(struct metadata_log *log);

/* One batch on its way.  The caller owns it. */
struct metadata_append {
    /* From the loop: OK, durable and taken; or not durable, and nobody has seen it. */
    void (*done)(struct metadata_append *append, enum err err);
    bool urgent; /* in: the records let space go (log_append) */
    /* inside */
    const uint8_t *bytes;
    uint32_t size_bytes;
    bool is_committed; /* and not taken yet */
    struct append_op op;
    struct metadata_log *log;
    enum err put_err;
    bool is_starting; /* metadata_log_append has not returned yet */
};

/* Write records as one batch.  OK: done follows, later.  Otherwise nothing was written:
 * ERR_STORAGE, ERR_NOSPACE, ERR_QUARANTINED, ERR_TOO_LARGE, ERR_NOMEM. */
must_use enum err metadata_log_append(struct metadata_log *log,
                                      const struct metadata_records *records,
                                      struct metadata_append *append);

/* The append in flight is not written when it still waits for room, and done does not run.  False:
 * it is written already, or there is none. */
must_use bool metadata_log_retract(struct metadata_log *log);

/* The storage failed: an append in flight ends with err, once, unless it is committed: then it ends
 * well, later. */
void metadata_log_fail(struct metadata_log *log, enum err err);

/* Is a snapshot due (enough bytes since the last one)? */
bool metadata_log_wants_snapshot(const struct metadata_log *log);

/* Is one being written?  The log must not be closed then. */
bool metadata_log_is_writing(const struct metadata_log *log);

/* Is there anything that the newest snapshot lacks? */
bool metadata_log_has_news(const struct metadata_log *log, const struct image *image);

/* Write image as a snapshot, delete what is older than the newest two, cut the log.  image is read
 * during the call only.  done (may be NULL) runs once, possibly inside the call; not being able to
 * write is told in a log line and tried again with the next one.  When one is being written
 * already, done follows that one. */
void metadata_log_snapshot(struct metadata_log *log, const struct image *image,
                           void (*done)(void *context, enum err err), void *context);

#endif
