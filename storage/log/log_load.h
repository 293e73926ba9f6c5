/* log_load: a log from its files: log_open without the store.  (log.h)
 *
 * Synchronous. */
#ifndef LEVEE_STORAGE_LOG_LOG_LOAD_H
#define LEVEE_STORAGE_LOG_LOG_LOAD_H

#include "storage/log/log_private.h"

/* As log_open says. */
must_use enum err log_load(struct log_environment *env, const struct log_id *id, const char *name,
                           const struct log_config *config, const struct log_events *events,
                           void *context, struct log **out);

#endif
