/* serve: a broker as a process: rings, threads, signals, exit codes. */
#ifndef LEVEE_BROKER_SERVE_H
#define LEVEE_BROKER_SERVE_H

#include "broker/config.h"

/* Exit codes of a server, in docs/operations.md; those of the other commands are in tools/. */
enum serve_exit {
    SERVE_STOPPED = 0,       /* asked to, and everything was put in order */
    SERVE_FAILED = 1,        /* could not start */
    SERVE_STORAGE_DEAD = 10, /* a write or sync of the data directory failed while running */
    SERVE_STOP_TIMED_OUT =
        11, /* asked to stop, but not in order within the limit; a start recovers */
};

/* Run until SIGTERM, SIGINT or SIGHUP, or until the storage fails.  config stays the caller's.
 * ready (may be NULL) runs once, on the thread of shard 0, when clients are served. */
enum serve_exit serve(const struct config *config, void (*ready)(const struct config *config));

#endif
