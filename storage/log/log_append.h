/* log_append: what a batch that is appended, adopted or replayed changes of a log.  (log.h)
 *
 * On the store's loop, or at its start. */
#ifndef LEVEE_STORAGE_LOG_LOG_APPEND_H
#define LEVEE_STORAGE_LOG_LOG_APPEND_H

#include "storage/log/log_private.h"

/* The batch that begins at pos of segment, the last of the log: indexes, epochs, the log's end. */
void log_note_batch(struct log *log, struct segment *segment, const struct batch_header *header,
                    uint64_t pos);

#endif
