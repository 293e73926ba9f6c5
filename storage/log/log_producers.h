/* log_producers: the producers that a log remembers, on disk and after a loss: the window file that
 * a checkpoint's mark names, and what the batches say where there is none.
 *
 * Owned by the log; lives on the store's loop.  The rules are producer_state's, the format
 * producer_files'. */
#ifndef LEVEE_STORAGE_LOG_LOG_PRODUCERS_H
#define LEVEE_STORAGE_LOG_LOG_PRODUCERS_H

#include "storage/log/log_private.h"

/* The producers as a checkpoint's mark will have them.  ERR_NOMEM: nothing changed. */
must_use enum err log_freeze_window(struct log *log);
void log_thaw_window(struct log *log); /* as if it had not been frozen */

/* What was frozen into its file; it is frozen no more if that went well.  The errors of files. */
must_use enum err log_write_window(struct log *log, int64_t end_offset);

/* From the window file that the mark names; without it, from all batches that there are. */
must_use enum err log_restore_producers(struct log *log, int64_t end_offset, int64_t window_offset);
must_use enum err log_rebuild_producers(struct log *log); /* from batches alone */

void log_note_producers(const struct log *log); /* how many there are, for the metrics */
void log_producer_forgotten(void *context, const struct producer_forgotten *forgotten);

#endif
