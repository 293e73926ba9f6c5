/* mem_watch: who is told of each block that base/mem hands out, for the simulator.
 *
 * A simulated process that dies leaves its blocks behind, as a killed one does; the simulator keeps
 * account of them to give them back.  One watcher at a time, set while no other thread runs; it
 * must not call base/mem for what it keeps.  Releases tell nobody. */
#ifndef LEVEE_BASE_MEM_WATCH_H
#define LEVEE_BASE_MEM_WATCH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct mem_watcher {
    /* map_bytes: of mem_try_map; 0: a block of the heap. */
    void (*taken)(void *memory, size_t map_bytes);
    void (*given_back)(void *memory);
};

/* NULL: nobody.  False: this is a release. */
must_use bool mem_watch_set(const struct mem_watcher *watcher);

#endif
