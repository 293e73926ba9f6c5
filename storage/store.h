/* store: the storage of one shard: its journal, tail cache, segment writer, checkpoint, and the
 * logs that live on it.
 *
 * Owned by broker/serve (one per shard); lives on that shard's loop after store_start; opened on
 * the starting thread with synchronous calls before.
 *
 * Life of an append: log_append_* copies the batch into the journal's open group and indexes it in
 * the tail cache → group written → on_committed: log.durable moves, events.durable tells the
 * partition, which publishes (moves the high watermark) → later segment_writer copies whole chunks
 * into the segment files → checkpoint: journal sealed at S, segments drained up to what S holds,
 * small files written (indexes, epochs, producer windows), one syncfs, marks written, journal
 * released up to S.
 *   STO-1  segment files contain only batches that the journal has committed
 *   STO-2  a mark is written after the syncfs that covers it completed without error
 *   STO-3  after a failed write or sync of journal, segment or marks (EIO): state FAILED for good:
 *       appends say ERR_STORAGE, nothing more becomes durable, events.failed runs once
 *   STO-4  bytes of the tail cache that are not in a segment are never evicted
 *   STO-5  no space: client appends say ERR_NOSPACE while free space is below the reserve and what
 *          is not in segments yet; reads and deletes go on; the segment writer retries; heals by
 *          itself
 * when space returns */
#ifndef LEVEE_STORAGE_STORE_H
#define LEVEE_STORAGE_STORE_H

#include "base/err.h"
#include "base/log_line.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/prng.h"
#include "storage/dir/log_dir.h"
#include "storage/room_queue.h"
#include "storage/store_options.h"

struct store;
struct log;
struct journal_scan;
struct marks_set;

/* marks and scan: what the directory held at start; used until store_recovered. */
must_use enum err store_open(const struct store_world *world, const struct store_options *options,
                             const struct marks_set *marks, struct journal_scan *scan,
                             const struct store_events *events, void *context, struct store **out);

/* All logs of all shards that exist were opened with log_open.  stores: of every shard, by number.
 * The journals' entries into the logs, whichever shard had journaled them, and from there into
 * segments: what the logs say of their ends and starts is true from now on.  An extent of the
 * journal is in memory at a time.  ERR_CORRUPT: the journal has changed since it was scanned; else
 * the errors of files.  Synchronous; store_recovered_all does it where it was not done. */
must_use enum err store_replay_all(struct store *const *stores, uint32_t count);

/* Write what is not in segments yet, sync, write marks with a new recovery epoch, remove the
 * journals and marks of shards that are no more, open the journals: from here on appends are
 * possible and nothing that will be served can be lost (DUR-F3).  Interruptible at any
 * point (DUR-L12), also when the number of shards has changed.  Synchronous. */
must_use enum err store_recovered_all(struct store *const *stores, uint32_t count);
must_use enum err store_recovered(struct store *store); /* the only one */

/* On the shard's loop: timers (checkpoint, retention of deleted files) start. */
void store_start(struct store *store);

/* Orderly stop: commit what is open, checkpoint with everything in segments, trim the files to
 * their true size, write Kafka's epoch checkpoints and snapshots and clean marks; then
 * done(context, err).  The logs stay readable until store_close. */
void store_stop(struct store *store, void (*done)(void *context, enum err err), void *context);

/* When all stores of the directory have stopped: Kafka's recovery-point-offset-checkpoint,
 * replication-offset-checkpoint, log-start-offset-checkpoint and cleaner-offset-checkpoint, which
 * a Kafka broker or one of its tools may read next; levee reads them only where it has no marks.
 * stores: of every shard, by number; their loops may not run them meanwhile.  ERR_STORAGE: one did
 * not stop in order.  Synchronous. */
must_use enum err store_stopped_all(struct store *const *stores, uint32_t count);

/* Free everything, also after a failure or before store_recovered; nothing is written. */
void store_close(struct store *store);

/* Who got ERR_FULL gets a turn when there may be room (room_queue.h).  Turns come in the order of
 * waiting, one per store_wait_room.  While somebody waits for room in the journal, other appends
 * say ERR_FULL, too (but for those of logs with reserved_space). */
void store_wait_room(struct store *store, struct store_waiter *waiter);
void store_cancel_wait(struct store_waiter *waiter);

/* Start a checkpoint now (tests, tools, before a planned stop); done may be NULL. */
void store_checkpoint(struct store *store, void (*done)(void *context, enum err err),
                      void *context);

enum store_state store_state(const struct store *store);
bool store_is_short_of_space(const struct store *store);

/* Grows with all that the store does; any thread. */
uint64_t store_progress(const struct store *store);

/* Counters for the metrics (groups, bytes, syncs, segment bytes, checkpoints, cache). */
void store_register_metrics(struct store *store, struct metrics *metrics);

#endif
