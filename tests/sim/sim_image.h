/* sim_image: a simulated disk seen from outside: by a test, by the offline checker, by bit rot. */
#ifndef LEVEE_TESTS_SIM_IMAGE_H
#define LEVEE_TESTS_SIM_IMAGE_H

#include "tests/sim/sim_disk.h"

#include <stddef.h>
#include <stdint.h>

/* Bytes of a file in a view; the names of that view count too.  A count, or -ENOENT. */
int64_t sim_image_peek(const struct sim_disk *disk, enum sim_view view, const char *path,
                       uint64_t pos, void *bytes, size_t size_bytes);

/* Each file and directory below the root, parents first, sorted by name. */
typedef void sim_image_seen_fn(void *context, const char *path, bool is_dir, uint64_t size_bytes);
void sim_image_walk(const struct sim_disk *disk, enum sim_view view, sim_image_seen_fn *seen,
                    void *context);

/* Copy a view into an existing directory of the real file system, byte for byte.  0, or the
 * negative errno value of what failed. */
int sim_image_dump(const struct sim_disk *disk, enum sim_view view, const char *real_dir);

/* Bit rot: xor the byte at pos of the file, in both views.  -ENOENT, or -EINVAL behind the end. */
int sim_image_flip(struct sim_disk *disk, const char *path, uint64_t pos, uint8_t mask);

/* A hash of all names and bytes of a view. */
uint64_t sim_image_hash(const struct sim_disk *disk, enum sim_view view);

#endif
