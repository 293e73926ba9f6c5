/* log_trim: a log's ends: what is below its start goes, what was cut off is as if it had never
 * been. (log.h: log_delete_records, log_truncate, log_apply_retention)
 *
 * On the store's loop, or at its start. */
#ifndef LEVEE_STORAGE_LOG_LOG_TRIM_H
#define LEVEE_STORAGE_LOG_LOG_TRIM_H

#include "storage/log/log_private.h"

/* Segments that end at or below log_start go; those that cannot yet go after the next mark, or when
 * retention is looked at. */
void log_drop_below_start(struct log *log);

/* A recovery begins in the segment that the mark names, or where the journal cuts the log: without
 * its file it would have to believe that something is missing.  While a checkpoint is under way,
 * which may wait for space, that is the durable mark, the one being written, or the next one:
 * segments below all of them can go, and must, for it is they that give space back.  A cut that the
 * mark being written knows is replayed until that one is durable. */
bool log_recovery_needs(const struct log *log, const struct segment *segment);

/* The time of the youngest record of segment as it says, or of its file where no batch has one; -1:
 * not known. */
int64_t log_segment_newest_ms(struct segment *segment);

/* The log ends at offset, in segment at pos: the state as after a recovery up to there. */
must_use enum err log_cut_state(struct log *log, struct segment *segment, int64_t offset,
                                uint64_t pos);
void log_forget_trims(struct log *log); /* it is closing: they take no effect on it any more */

#endif
