/* segment_manifest: which segments a log has: base offset, end offset, bytes and generation of
 * each, in one place.
 *
 * Owned by its log; lives on the store's loop.  Whoever looks for one asks here; whoever adds,
 * drops or replaces one does it here, and files follow (log_roll, log_trim).
 *   MNF-1  they stand by base offset and do not overlap; the last one is active, and no other
 *   MNF-2  a segment's generation is given when it comes in, and grows: an older one of the same
 *        base offset was replaced, and what somebody remembers of it (a position, an index) is
 *        not true of what is there now
 *   MNF-3  one that was replaced lives until the last operation on its file has ended; who reads
 *        it reads the old file to its end */
#ifndef LEVEE_STORAGE_LOG_SEGMENT_MANIFEST_H
#define LEVEE_STORAGE_LOG_SEGMENT_MANIFEST_H

#include "base/check.h"
#include "storage/log/segment.h"

struct segment_manifest {
    struct segment **segments; /* MNF-1 */
    uint32_t count;
    uint32_t capacity;
    uint64_t generation; /* of the newest that came in; 0: none ever did */
    struct list retired; /* of segment.retired_node (MNF-3) */
};

void segment_manifest_init(struct segment_manifest *manifest);
void segment_manifest_deinit(struct segment_manifest *manifest); /* nothing is left in it */

static inline struct segment *segment_manifest_at(const struct segment_manifest *manifest,
                                                  uint32_t index)
{
    check(index < manifest->count);
    return manifest->segments[index];
}

/* There is one. */
static inline struct segment *segment_manifest_active(const struct segment_manifest *manifest)
{
    return segment_manifest_at(manifest, manifest->count - 1);
}

/* The last one whose base offset is not above offset; NULL: there is none, *index_out stays. */
struct segment *segment_manifest_find(const struct segment_manifest *manifest, int64_t offset,
                                      uint32_t *index_out);

/* Bytes of all of them, as they will be in files. */
uint64_t segment_manifest_bytes(const struct segment_manifest *manifest);

/* At the end: the manifest's from now on, and active. */
void segment_manifest_add(struct segment_manifest *manifest, struct segment *segment);

/* The first (there are more), or the last: the caller's from now on. */
struct segment *segment_manifest_take_first(struct segment_manifest *manifest);
struct segment *segment_manifest_take_last(struct segment_manifest *manifest);

/* by stands for the same offsets as the count segments from index on, or some of them, and has its
 * files already: it comes in with a new generation (MNF-2), the old ones go (MNF-3).  None is
 * active. */
void segment_manifest_replace(struct segment_manifest *manifest, uint32_t index, uint32_t count,
                              struct segment *by);
bool segment_manifest_is_retired(const struct segment *segment);

/* One operation less on its file; it may be gone afterwards (MNF-3). */
void segment_manifest_io_ended(struct segment *segment);

/* Is an operation on a file of theirs in flight? */
bool segment_manifest_is_in_use(const struct segment_manifest *manifest);

#endif
