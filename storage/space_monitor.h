/* space_monitor: how much space the file system has, against the reserve (store.h, STO-5).
 *
 * Owned by a store; lives on its loop.  It looks each second while something happens, and for each
 * few MiB written, or each part of a small reserve: a fast device fills it in less.
 *   SPM-1  is_short is what `told` was told last; false at first
 *   SPM-2  a refused write (ENOSPC) counts until a write has gone well, or nothing is left that
 *          would try: a quota or the blocks kept for root end the space before the numbers say
 *          so */
#ifndef LEVEE_STORAGE_SPACE_MONITOR_H
#define LEVEE_STORAGE_SPACE_MONITOR_H

#include "base/loop.h"
#include "storage/storage_metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct space_monitor_events {
    void (*told)(void *context, bool is_short); /* it has become so */
    void (*tick)(void *context);                /* a second is over, and it has looked */
    bool (*goes_on)(void *context);             /* does anything still wait for the next second? */
    bool (*writes)(void *context);              /* is anything left that would try a write? */
    uint64_t (*written_bytes)(void *context);   /* since the opening; never falls */
};

struct space_monitor {
    struct loop *loop;
    const char *dir;
    uint64_t reserve_bytes;      /* 0: nothing is refused before a write fails */
    const uint64_t *dirty_bytes; /* what was taken and has to have its place, too */
    struct storage_metrics *metrics;
    const struct space_monitor_events *events;
    void *context;
    struct timer timer;
    uint64_t seen_bytes; /* written at the last look */
    bool is_short;
    bool write_refused;
};

/* All that is pointed to outlives it. */
void space_monitor_init(struct space_monitor *monitor, struct loop *loop, const char *dir,
                        uint64_t reserve_bytes, const uint64_t *dirty_bytes,
                        struct storage_metrics *metrics, const struct space_monitor_events *events,
                        void *context);
void space_monitor_deinit(struct space_monitor *monitor);

/* Is there so much above the reserve and what has to have its place?  As of now; true where the
 * file system does not say. */
bool space_monitor_has_room(struct space_monitor *monitor, uint64_t size_bytes);

void space_monitor_look(struct space_monitor *monitor);       /* now */
void space_monitor_on_written(struct space_monitor *monitor); /* now, if it was much */
void space_monitor_touch(struct space_monitor *monitor);      /* something happens */
void space_monitor_refused(struct space_monitor *monitor);    /* ENOSPC; whoever got it retries */
void space_monitor_succeeded(struct space_monitor *monitor);  /* a write has gone well (SPM-2) */

#endif
