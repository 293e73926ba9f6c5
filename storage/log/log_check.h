/* log_check: what is true of a log between two changes: LOG-1 and LOG-2 of log.h, the order and the
 * sums of its tail.  Called after each change; a broken rule ends the process.  Not in releases. */
#ifndef LEVEE_STORAGE_LOG_LOG_CHECK_H
#define LEVEE_STORAGE_LOG_LOG_CHECK_H

struct log;

/* Of one that is quarantined, or whose store does not run yet, nothing is said. */
#ifdef LEVEE_RELEASE
static inline void log_check_invariants(const struct log *log)
{
}
#else
void log_check_invariants(const struct log *log);
#endif

#endif
