#include "base/log_stderr.h"

#include "base/check.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum {
    WAIT_MS = 100, /* for a reader of our pipe that has fallen behind */
};

/* False: the rest could not be written. */
static bool write_all(int fd, const char *bytes, size_t size_bytes)
{
    bool has_waited = false;

    while (size_bytes > 0) {
        ssize_t written = write(fd, bytes, size_bytes);
        if (written > 0) {
            bytes += written;
            size_bytes -= (size_t)written;
        } else if (written < 0 && errno == EAGAIN && !has_waited) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            has_waited = true;
            (void)poll(&ready, 1, WAIT_MS);
        } else if (written == 0 || errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void write_line(struct log_sink *sink, enum log_level level, const char *line,
                       size_t size_bytes)
{
    struct log_stderr *log = container_of(sink, struct log_stderr, sink);

    if (log->cut && !write_all(log->fd, "\n", 1)) {
        log->lost_count++;
        return;
    }
    log->cut = !write_all(log->fd, line, size_bytes);
    if (log->cut)
        log->lost_count++;
}

void log_stderr_init(struct log_stderr *log, int fd, struct clock *clock, enum log_level min_level,
                     enum log_format format)
{
    *log = (struct log_stderr){.fd = fd};
    log_sink_init(&log->sink, write_line, clock, min_level, format);
}
