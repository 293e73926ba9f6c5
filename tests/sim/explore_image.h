/* explore_image: every state that a crash may leave a simulated disk in, one by one.
 *
 * Made at one moment, from a disk and the process that uses it; whoever applies an image does so in
 * a copy of the world (a forked process), because it ends both.  What is open at that moment:
 *   a write that was not synced, or is in flight   it is there or not, or torn, unit by unit
 *   a size that was not synced                     the old one, the new one, any between
 *   a change of names that was not synced          lost, kept, kept beside the old name
 * Without tears all combinations are images while they are no more than combinations_max; beyond
 * that: nothing, everything, each one alone and each one missing, and samples by
 * chance.  A write in flight is torn while everything else is old, and while everything else is
 * new: in all ways when it has few units; else each prefix, each rest, each unit alone and each
 * missing, at some places.  Some of those in the cache are torn at one place, others at each
 * moment.  Units in space that was never written hold garbage, too; and a unit of a torn write has
 * a byte changed.  Source: the persistence model of sim_disk.h (SDK-1 to SDK-6). */
#ifndef LEVEE_TESTS_EXPLORE_IMAGE_H
#define LEVEE_TESTS_EXPLORE_IMAGE_H

#include "tests/sim/sim_process.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct explore_options {
    uint32_t combinations_max;
    uint32_t samples;      /* where there are more */
    uint32_t subset_units; /* a write in flight of so many units is torn in all ways */
    uint32_t tears;        /* places at which another one is */
    uint32_t cached_torn;  /* writes in the cache that are torn, of all at a moment */
};

struct explore_item;
struct explore_image;

enum { EXPLORE_FLIGHTS_MAX = 64 };

/* A write that is in flight. */
struct explore_flight {
    uint64_t inode;
    uint64_t version; /* of the file, with it */
};

struct explore_images {
    struct sim_disk *disk;
    struct explore_item *items; /* what is open */
    uint32_t items_count;
    uint32_t items_capacity;
    struct explore_image *images;
    uint32_t count;
    uint32_t capacity;
    struct explore_flight flights[EXPLORE_FLIGHTS_MAX];
    uint32_t flights_count;
    uint32_t torn_count; /* of the images */
    bool is_exhaustive;  /* but for tears */
    double log2_all;     /* of the number of all legal images, tears included */
    bool writes_overlap; /* a write in flight lies over one that was not synced */
};

/* A number that changes when what a crash may leave does. */
uint64_t explore_image_signature(const struct sim_process *process);

/* Give what is in flight its place among the open things, and list the images.  with_flights false:
 * as if nothing that is in flight had begun (what a write in flight lies over is seen then). inode
 * and write: of a call that is about to write, as sim_process.watch has them; or 0 and NULL. */
void explore_images_make(struct explore_images *images, struct sim_process *process, uint64_t inode,
                         const struct sim_disk_write *write, bool with_flights,
                         const struct explore_options *options);

void explore_images_deinit(struct explore_images *images);

/* The disk becomes that image, all of it durable; the process dies of a power loss. */
void explore_images_apply(const struct explore_images *images, struct sim_process *process,
                          uint32_t index);

/* What is open, and what the image made of it, for people. */
void explore_images_print(const struct explore_images *images, uint32_t index, FILE *to);

#endif
