/* log_close: the end of a log, also of one that is still being read or written.  (log.h)
 *
 * On the store's loop. */
#ifndef LEVEE_STORAGE_LOG_LOG_CLOSE_H
#define LEVEE_STORAGE_LOG_LOG_CLOSE_H

#include "storage/log/log_private.h"

/* An operation on one of its segments has ended: a log that is closing may be free now. */
void log_io_ended(struct log *log);

/* Rename a partition's directory away, to be removed after delay_ms. */
void log_delete_dir(struct log_environment *env, const struct log_id *id, const char *name,
                    const char *dir, int64_t delay_ms);

#endif
