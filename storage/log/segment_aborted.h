/* segment_aborted: the transaction index of a segment and its file.
 *
 * Owned by the segment; lives on the store's loop.
 *   SGA-1  of a closed segment whose index is saved the entries are in memory while
 *          segment_environment.aborted allows it; all others are always loaded
 *   SGA-2  what the file holds is believed as far as the window file of the mark says so
 *          (log_transactions.h); a segment without entries has no file, as Kafka's */
#ifndef LEVEE_STORAGE_LOG_SEGMENT_ABORTED_H
#define LEVEE_STORAGE_LOG_SEGMENT_ABORTED_H

#include "storage/log/segment.h"

/* The file into memory, at a start.  ERR_NOT_FOUND, and the errors of transaction_index_decode. */
must_use enum err segment_aborted_load(struct segment *segment);

/* What is new of it into the file.  The errors of files. */
must_use enum err segment_aborted_save(struct segment *segment);

/* No entries, to be saved so; what follows is added to it. */
void segment_aborted_clear(struct segment *segment);

/* It was loaded, saved or looked at: others may go from memory for it. */
void segment_aborted_use(struct segment *segment);

/* For index_cache: out of memory, if it may. */
void segment_aborted_unload(struct cached_indexes *indexes);

#endif
