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

/* The log ends at offset, in segment at pos: the state as after a recovery up to there. */
must_use enum err log_cut_state(struct log *log, struct segment *segment, int64_t offset,
                                uint64_t pos);
void log_forget_trims(struct log *log); /* it is closing: they take no effect on it any more */

#endif
