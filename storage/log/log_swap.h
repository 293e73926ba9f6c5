/* log_swap: closed segments of a log are replaced by one with the same offsets, as the cleaner made
 * it; and up to where a log is clean.
 *
 * On the store's loop, or at its start.  The new files are written and synced as .cleaned; then,
 * with a sync of the file system behind each step: they are named .swap, the .log last (that
 * decides: from then on a start goes on, before it a start takes them away) → the old ones are
 * named .deleted, and the log reads the new ones → these get their own names.  (Kafka's
 * LocalLog.replaceSegments, whose tools read what a crash leaves, too)
 *   SWP-1  the new segment ends where the last old one ended: a closed one ends where the next
 *          begins (log.h, LOG-2)
 *   SWP-2  all of them lie below everything that a recovery needs (log_recovery_needs)
 *   SWP-3  while names change the log is not cut, nor do its segments go (log.is_swapping)
 *   SWP-4  cleaned_offset is never above what was cleaned: a file of the partition's directory has
 *          it, which goes when the log is cut below */
#ifndef LEVEE_STORAGE_LOG_LOG_SWAP_H
#define LEVEE_STORAGE_LOG_LOG_SWAP_H

#include "storage/log/log_private.h"

#define LOG_CLEANED_NAME "cleaner-offset-checkpoint" /* in the partition's directory */

/* The new file of kind, before it is named .swap. */
void log_swap_format_cleaned(const struct log *log, int64_t base_offset, enum log_file_kind kind,
                             char *out);

/* .cleaned → .swap; what is not there is passed over, but for the .log.  An error: nothing is
 * decided, log_swap_abandon. */
must_use enum err log_swap_decide(struct log *log, int64_t base_offset);

/* The new files under either name go. */
void log_swap_abandon(struct log *log, int64_t base_offset);

/* by, whose files are .swap and durable, for the count segments from index on.  An error: some of
 * the old files are still there; by counts nevertheless, and stays .swap until the next start. */
must_use enum err log_swap_install(struct log *log, uint32_t index, uint32_t count,
                                   struct segment *by);

/* .swap → their own names.  An error: as of log_swap_install. */
must_use enum err log_swap_finish(struct segment *segment);

/* At a start, before the directory is looked at: what a crash has left is taken back or gone on
 * with; and cleaned_offset.  Errors of files. */
must_use enum err log_swap_recover(struct log *log);

/* The log is clean up to offset; not durable before the next sync. */
must_use enum err log_swap_note_cleaned(struct log *log, int64_t offset);
void log_swap_forget_cleaned(struct log *log);

#endif
