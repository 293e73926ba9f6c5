/* cleaner: which log of a store is compacted next, and when.
 *
 * Owned by a store; lives on its loop.  One pass at a time; the log that wants one most comes
 * first; when none does, it looks again after the backoff.
 *   CLN-1  a log whose batches cannot be read is set aside, told once (LVE-2230), and not tried
 *          again by this process; what lacks memory or space is tried again
 *   CLN-2  only logs whose cleanup.policy contains compact, as it is now
 *   CLN-3  a file system that could not be synced fails the store (store.h, STO-3)
 *   CLN-4  one for which there is no space or no memory, or of which a file is missing, leaves
 *          others their turn for a while, twice as long each time
 *   CLN-5  a look reads the indexes of a few segments, where it has to; what they say stays known,
 *          and another look follows soon */
#ifndef LEVEE_STORAGE_CLEANER_CLEANER_H
#define LEVEE_STORAGE_CLEANER_CLEANER_H

#include "storage/cleaner/cleaner_pass.h"

struct cleaner_events {
    void (*ask)(void *context, struct store_cleaning *cleaning); /* of store_events */
    void (*idle)(void *context);                 /* it was told to stop, and no pass is left */
    void (*failed)(void *context, enum err err); /* CLN-3 */
    void (*replaced)(void *context);             /* a mark is wanted soon (LTX-3) */
};

struct cleaner {
    struct log_environment *env;
    const struct cleaner_events *events;
    void *context;
    struct offload *offload; /* or NULL */
    int32_t dir_fd;
    bool is_on;
    struct cleaner_pass *pass; /* or NULL */
    struct timer timer;
    uint32_t uncleanable_count;
};

void cleaner_init(struct cleaner *cleaner, struct log_environment *env, struct offload *offload,
                  int32_t dir_fd, const struct cleaner_events *events, void *context);
void cleaner_deinit(struct cleaner *cleaner); /* a pass in flight ends by itself, untold */

void cleaner_start(struct cleaner *cleaner);
/* No pass begins any more.  True: none is under way; else events.idle follows. */
bool cleaner_stop(struct cleaner *cleaner);
void cleaner_forget(struct cleaner *cleaner, struct log *log); /* it is closing */

/* Look now (tests): begins a pass, if one is due and none is under way. */
void cleaner_look(struct cleaner *cleaner);

#endif
