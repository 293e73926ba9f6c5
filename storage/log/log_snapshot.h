/* log_snapshot: Kafka's <offset>.snapshot of a log's producers.
 *
 * Owned by the log; lives on the store's loop. */
#ifndef LEVEE_STORAGE_LOG_LOG_SNAPSHOT_H
#define LEVEE_STORAGE_LOG_LOG_SNAPSHOT_H

#include "storage/log/log_private.h"

/* Of the producers as they are; none are known: no file. */
must_use enum err log_write_snapshot(struct log *log, int64_t offset);
void log_freeze_snapshot(struct log *log, int64_t offset); /* a segment begins there */
void log_thaw_snapshot(struct log *log);
must_use enum err log_write_frozen_snapshot(struct log *log, int64_t end_offset);
void log_remove_strays(struct log *log); /* window files of no mark, too */

#endif
