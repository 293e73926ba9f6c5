/* log_stderr: log lines to standard error, or another open descriptor. */
#ifndef LEVEE_BASE_LOG_STDERR_H
#define LEVEE_BASE_LOG_STDERR_H

#include "base/log_line.h"

struct log_stderr {
    struct log_sink sink;
    int fd;
    uint64_t lost_count; /* lines that could not be written whole */
    bool cut;            /* the last line has no end */
};

/* fd: 2, usually; it stays the caller's. */
void log_stderr_init(struct log_stderr *log, int fd, struct clock *clock, enum log_level min_level,
                     enum log_format format);

#endif
