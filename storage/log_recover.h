/* log_recover: what the files of a log's opening share; for log_recover.c, log_adopt.c,
 * log_believe.c and log_replay.c alone.  Synchronous, before the log's loop runs. */
#ifndef LEVEE_STORAGE_LOG_RECOVER_H
#define LEVEE_STORAGE_LOG_RECOVER_H

#include "storage/log_private.h"

/* What the directory holds. */
struct log_found {
    struct log *log;
    int64_t *bases; /* of .log files */
    uint32_t count;
    bool remainder; /* entries of the journal lie beside the segments: keep_entries_aside */
};

/* ---- log_recover.c */

/* Its files stay as they are and nothing of it is served (L13); one log line. */
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

/* What is to be believed of the segments: the mark, less what was cut off and what was deleted
 * since, by the journal.  *cut_out: the deepest cut that is not above the mark (the entries before
 * it append what it took away), or NULL. */
struct mark log_bound_by_journal(const struct mark *mark, const struct journal_replay *first,
                                 const struct journal_replay **cut_out);

/* The segments up to a mark; behind: the entries that follow on it.  A log that contradicts it is
 * quarantined, which is OK here. */
must_use enum err log_believe(struct log *log, struct log_found *found, const struct mark *mark,
                              const struct journal_replay *behind);

/* ---- log_replay.c */

/* cut: what was journaled before it has no effect any more, but for the log's start. */
must_use enum err log_replay(struct log *log, const struct journal_replay *replay,
                             const struct journal_replay *cut);

#endif
