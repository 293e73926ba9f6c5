#include "tests/sim/explore_counts.h"

#include "base/check.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/mman.h>

struct explore_counts *explore_counts_create(void)
{
    void *counts = mmap(NULL, sizeof(struct explore_counts), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    check(counts != MAP_FAILED);
    return counts;
}

bool explore_counts_note(struct explore_counts *counts, uint64_t hash)
{
    hash |= 1;
    for (uint64_t i = 0; i < EXPLORE_JUDGED_MAX; i++) {
        uint64_t *place = &counts->judged[(hash + i) % EXPLORE_JUDGED_MAX];
        uint64_t is_free = 0;
        if (__atomic_compare_exchange_n(place, &is_free, hash, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return false;
        if (is_free == hash)
            return true;
    }
    return false;
}

static void print_depth(const struct explore_depth_counts *c, const char *what)
{
    printf("  %s: %" PRIu64 " crash points (%" PRIu64
           " of them with all combinations of what was open, %" PRIu64 " with samples; %" PRIu64
           " left out; %" PRIu64 " as the one before), %" PRIu64 " images of the disk (%" PRIu64
           " more were as one before) and %" PRIu64 " kills\n",
           what, c->points, c->points - c->points_sampled, c->points_sampled, c->points_left,
           c->points_same, c->images, c->images_same, c->kills);
}

void explore_counts_print(const struct explore_counts *counts, uint64_t seconds)
{
    printf("explored %" PRIu64 " sequences in %" PRIu64 " s, a point has up to 2^%" PRIu64
           " images: %" PRIu64 " failed\n",
           counts->sequences, seconds, counts->log2_all_max, counts->failures);
    print_depth(&counts->depths[0], "in operations");
    if (counts->recoveries == 0)
        return;
    printf("  and %" PRIu64 " recoveries were explored themselves\n", counts->recoveries);
    print_depth(&counts->depths[1], "in recoveries");
}
