/* stall_watch: who held a loop for how long.
 *
 * One per shard, on its loop.  A turn that takes longer than the limit is a stall: counted, and
 * told in a log line (LVE-3107) with the request whose code ran longest in that turn.  It costs a
 * look at the clock per turn and two per request. */
#ifndef LEVEE_BROKER_STALL_WATCH_H
#define LEVEE_BROKER_STALL_WATCH_H

#include "base/io.h"
#include "base/log_line.h"
#include "base/loop.h"
#include "base/metrics.h"

/* A piece of work and for whom it is; api NULL: for none. */
struct stall_work {
    const char *api; /* a literal */
    struct io_address peer;
    uint64_t took_ns;
};

struct stall_watch {
    struct loop *loop;
    struct log_sink *sink;
    uint64_t limit_ns;
    struct stall_work longest; /* of this turn */
    struct counter stalls;
    struct counter stalled_ms; /* of all stalls together */
    struct counter busy_us;    /* of all turns together */
};

/* limit_ms 0: turns are timed, and none is a stall.  loop and sink stay the caller's. */
void stall_watch_init(struct stall_watch *watch, struct loop *loop, struct log_sink *sink,
                      uint64_t limit_ms);

/* Around work for a request, which may be gone at its end; watch may be NULL. */
uint64_t stall_watch_begin(const struct stall_watch *watch);
void stall_watch_end(struct stall_watch *watch, uint64_t began_ns, const char *api,
                     const struct io_address *peer);

/* The same in one, where the clock was read anyway. */
void stall_watch_note(struct stall_watch *watch, uint64_t took_ns, const char *api,
                      const struct io_address *peer);

void stall_watch_register_metrics(const struct stall_watch *watch, struct metrics *metrics);

#endif
