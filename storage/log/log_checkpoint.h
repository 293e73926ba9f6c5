/* log_checkpoint: what a checkpoint does to one log: its small files, and what the mark lets go.
 *
 * On the store's loop.  The checkpointer says when. */
#ifndef LEVEE_STORAGE_LOG_LOG_CHECKPOINT_H
#define LEVEE_STORAGE_LOG_LOG_CHECKPOINT_H

#include "storage/log/log_private.h"

/* Indexes, epochs, snapshot and producers up to end_offset; nothing is synced.  ERR_NOSPACE and
 * ERR_NOMEM: call again. */
must_use enum err log_write_small_files(struct log *log, int64_t end_offset);
must_use enum err log_write_epochs(struct log *log);

/* The durable mark names window_pending. */
void log_window_is_marked(struct log *log);

#endif
