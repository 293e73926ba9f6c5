/* log_recover: what the files of a log's opening share; for log_load.c, log_adopt.c, log_believe.c,
 * log_replay.c and log_replay_all.c alone.  Synchronous, before the log's loop runs.
 */
#ifndef LEVEE_STORAGE_LOG_LOG_RECOVER_H
#define LEVEE_STORAGE_LOG_LOG_RECOVER_H

#include "storage/log/log_private.h"

/* Entries of the journal that lie beside the segments: log_replay_all.c. */
#define LOG_REMAINDER_NAME "journal-remainder."

/* What the directory holds. */
struct log_found {
    struct log *log;
    int64_t *bases; /* of .log files */
    uint32_t count;
    bool remainder;    /* entries of the journal lie beside the segments */
    bool lacks_memory; /* for all of them */
};

/* ---- log_recover.c */

/* Its files stay as they are and nothing of it is served (DUR-L13); one log line. */
void log_quarantine(struct log *log, const char *reason, int64_t offset, enum err err);

must_use enum err log_segment_file_size(struct segment *segment, uint64_t *out);

/* What lies in the file above the mark is not believed.  The file is cut at the end of the block: a
 * cut inside it would rewrite durable bytes, and the power may go meanwhile.  The rest of the block
 * is overwritten by the next append, or cut off at the segment's end. */
must_use enum err log_cut_file(struct segment *segment);

/* Unlink the files of a segment that is not believed. */
void log_remove_stale(struct log *log, int64_t base_offset);

/* ---- log_adopt.c */

/* Without any marks: all segments that were found (at least one), the log start and the recovery
 * point from Kafka's checkpoints.  A log that cannot be taken is quarantined, which is OK here.
 * ERR_IO, ERR_NOMEM: no answer from the system; nothing was cut. */
must_use enum err log_adopt(struct log *log, struct log_found *found);

/* ---- log_believe.c */

/* The segments up to mark, which the journal has bounded; prefix: the bytes of its last block,
 * where the journal has them (journal_facts); NULL with prefix_bytes: they are no block's.  A log
 * that contradicts it is quarantined, which is OK here. */
must_use enum err log_believe(struct log *log, struct log_found *found, const struct mark *mark,
                              const uint8_t *prefix, uint32_t prefix_bytes);

/* ---- log_replay.c */

/* The next entry of the journal.  is_cut_off: what it says has no effect any more, but for the
 * log's start.  One that contradicts what is there quarantines the log, which is OK here. */
must_use enum err log_replay(struct log *log, const struct journal_replay *replay, bool is_cut_off);

/* All entries of the log were replayed, or there are none. */
void log_replay_ended(struct log *log);

/* ---- log_replay_all.c */

/* What the journals hold of all logs of all shards, into their segments (store.h:
 * store_replay_all); envs: of every shard. */
must_use enum err log_replay_all(struct log_environment *const *envs, uint32_t count);

/* The journal's entries of this log alone, now, into its segments. */
must_use enum err log_replay_now(struct log *log);

/* What of the tail, or of one of its segments, is not in the file yet: written now, and out of the
 * tail.  At the start alone. */
must_use enum err log_write_tail_now(struct log *log);
must_use enum err log_write_segment_now(struct log *log, struct segment *segment);

#endif
