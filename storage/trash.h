/* trash: files and directories that were renamed out of the way and are unlinked later.
 *
 * Owned by the store; lives on its loop.  One unlink at a time, off the loop (io_unlink).  What a
 * process leaves behind is found again by its name at the next start. */
#ifndef LEVEE_STORAGE_TRASH_H
#define LEVEE_STORAGE_TRASH_H

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct trash_item;

struct trash {
    struct loop *loop;
    struct list items;           /* of trash_item.node, by due time */
    struct trash_item *current;  /* being unlinked */
    struct timer timer;
    bool running; /* the loop turns: before, things only wait */
};

void trash_init(struct trash *trash, struct loop *loop);

/* Nothing is removed.  What is being unlinked is left to the io. */
void trash_deinit(struct trash *trash);

/* Begin. */
void trash_start(struct trash *trash);

/* Unlink path after delay_ms; a directory with all files in it.  path is copied. */
void trash_add(struct trash *trash, const char *path, bool is_dir, uint64_t delay_ms);

static inline bool trash_is_busy(const struct trash *trash)
{
    return trash->current != NULL;
}

#endif
