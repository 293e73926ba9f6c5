/* log_roll: a log's segments come and go: rolling, and dropping the first and the last.
 *
 * On the store's loop, or at its start.  Which segments there are: segment_manifest. */
#ifndef LEVEE_STORAGE_LOG_LOG_ROLL_H
#define LEVEE_STORAGE_LOG_LOG_ROLL_H

#include "storage/log/log_private.h"

struct segment *log_add_segment(struct log *log, int64_t base_offset);
void log_drop_first_segment(struct log *log, bool delete_files);
void log_drop_last_segment(struct log *log, bool delete_files);
/* Rename a segment's files away, to be unlinked later. */
void log_delete_segment_files(struct log *log, int64_t base_offset);
void log_begin_segment(struct log *log, int64_t base_offset); /* at start: nothing is journaled */
/* Begin a segment at the log's end, after log_protect_end; its errors. */
must_use enum err log_roll(struct log *log, int64_t base_offset, bool urgent);
/* The last block of the active segment into the journal, unless an append since the last mark began
 * has carried it there: its file may be cut where the batches end, once that is committed.  urgent:
 * it is to let space go (journal.h, JRN-5).  The errors of journal_append and of a read. */
must_use enum err log_protect_end(struct log *log, bool urgent);
/* Bytes [pos & ~4095, pos) where pos is the end of the active segment. */
must_use enum err log_block_prefix(struct log *log, uint8_t *bytes, uint32_t *size_out);
bool log_must_roll(const struct log *log, uint32_t size_bytes, int64_t last_offset,
                   int64_t timestamp_ms);

#endif
