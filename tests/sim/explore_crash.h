/* explore_crash: crashes of a world at every point where its disk is about to change, and what
 * becomes of each: recovered, judged, counted.
 *
 * A point is a fork of the process: a copy lists the images that a crash there may leave
 * (explore_image), and each image is a copy again, in which the broker recovers from it
 * (explore_world_recover, explore_world_prove).  Points at which neither the disk nor anybody's
 * knowledge is another than at the one before are one point.
 *   XCR-1  the recovery of one image of so many (again_every) is explored in the same way: crashes
 *       in it, depth 1; recoveries from those are not explored once more
 *   XCR-2  a process that has become an image ends in explore_crash_end_image */
#ifndef LEVEE_TESTS_EXPLORE_CRASH_H
#define LEVEE_TESTS_EXPLORE_CRASH_H

#include "tests/sim/explore_counts.h"
#include "tests/sim/explore_image.h"
#include "tests/sim/explore_world.h"

#include <stddef.h>

/* Which crashes of one depth. */
struct explore_chosen {
    uint64_t every;     /* of so many points, one */
    int64_t only_point; /* -1: all */
    int64_t only_image; /* -1: all; above the images: kills */
};

struct explorer {
    struct explore_world *w;
    struct explore_counts *counts; /* shared */
    struct explore_options options;
    struct explore_world_options world;
    struct explore_chosen chosen[2]; /* by depth */
    uint64_t again_every;            /* of so many images, one; 0: none */
    uint32_t workers_max;
    bool until_failure;
    bool only_count; /* judge nothing */
    bool trace;
    /* inside */
    uint32_t workers;
    uint32_t depth; /* of the crashes that are looked for: 0 in operations, 1 in a recovery */
    uint64_t points[2];
    int64_t images[2]; /* that this process has become; -1: none */
    uint64_t last_signature;
    size_t last_history;
    char sequence[64];
};

/* A copy of this process; a worker of which nobody hears is told as a failure. */
int explore_crash_fork(void);

/* Points of the broker's process count from now on, or no more. */
void explore_crash_watch(struct explorer *e, bool on);

/* One more point, now. */
void explore_crash_here(struct explorer *e);

/* This process has become an image: it is judged, and the process ends.  Else nothing. */
void explore_crash_end_image(struct explorer *e);

/* Wait for those who judge. */
void explore_crash_reap(struct explorer *e);

#endif
