/* disk_space: does the data directory's file system have room to go on?
 *
 * Owned by the store; lives on its loop.  Below the reserve appends of clients are refused, so that
 * what needs the space to heal (coordinators, deletion records) still has it.  Looked at once a
 * second, and only while something is written: an idle store makes no calls.  (durability.md F7) */
#ifndef LEVEE_STORAGE_DISK_SPACE_H
#define LEVEE_STORAGE_DISK_SPACE_H

#include "base/loop.h"

#include <stdbool.h>
#include <stdint.h>

struct disk_space {
    struct loop *loop;
    const char *path;
    uint64_t reserve_bytes;
    uint64_t free_bytes; /* as of the last look */
    bool is_short;
    bool used;    /* something was written since the last look */
    bool refused; /* a write met ENOSPC since the last look */
    struct timer timer;
    void (*changed)(struct disk_space *space);
};

/* path stays the caller's.  changed runs when is_short has changed, from the loop or inside
 * disk_space_look. */
void disk_space_init(struct disk_space *space, struct loop *loop, const char *path,
                     uint64_t reserve_bytes, void (*changed)(struct disk_space *space));
void disk_space_deinit(struct disk_space *space);

/* Something was written: look within a second. */
void disk_space_note_use(struct disk_space *space);

/* A write was refused for want of space. */
void disk_space_note_refusal(struct disk_space *space);

/* Now.  Synchronous. */
void disk_space_look(struct disk_space *space);

#endif
