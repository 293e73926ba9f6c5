/* explore_counts: what all processes of an explorer count together, in memory that they share. */
#ifndef LEVEE_TESTS_EXPLORE_COUNTS_H
#define LEVEE_TESTS_EXPLORE_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

enum { EXPLORE_JUDGED_MAX = 1 << 22 /* twice as many as a full run has */ };

/* Of crashes of one kind: in operations, or in a recovery. */
struct explore_depth_counts {
    uint64_t points; /* at which images were made */
    uint64_t points_same;
    uint64_t points_left; /* by --every */
    uint64_t points_sampled;
    uint64_t images;
    uint64_t images_same; /* judged before, with the same knowledge */
    uint64_t kills;
};

struct explore_counts {
    uint64_t sequences;
    uint64_t recoveries; /* that were explored themselves */
    struct explore_depth_counts depths[2];
    uint64_t failures;
    uint64_t log2_all_max;               /* of the images of one point */
    uint64_t judged[EXPLORE_JUDGED_MAX]; /* a hash table of images, with what was known; 0: free */
};

/* Never NULL; shared by processes that are forked from now on. */
struct explore_counts *explore_counts_create(void);

static inline void explore_count(uint64_t *count, uint64_t more)
{
    __atomic_fetch_add(count, more, __ATOMIC_RELAXED);
}

/* True: somebody has noted this hash before.  A full table notes nothing. */
bool explore_counts_note(struct explore_counts *counts, uint64_t hash);

void explore_counts_print(const struct explore_counts *counts, uint64_t seconds);

#endif
