/* cleaner_group: some closed segments of a log that become one, and its files while they are made.
 *
 * Owned by a pass.  On the store's loop, but for cleaner_group_note, which may run beside it while
 * nothing else does.
 *   CLG-1  together they are not larger than a segment may be, nor their indexes, nor their
 *          range of offsets
 *   CLG-2  the group is replaced only if every segment is still the one that was read */
#ifndef LEVEE_STORAGE_CLEANER_CLEANER_GROUP_H
#define LEVEE_STORAGE_CLEANER_CLEANER_GROUP_H

#include "storage/cleaner/cleaner_batch.h"
#include "storage/log/log_private.h"

enum { CLEANER_GROUP_MAX = 128 };

/* In the order in which they are synced and closed. */
enum cleaner_file {
    CLEANER_FILE_LOG,
    CLEANER_FILE_INDEX,
    CLEANER_FILE_TIME_INDEX,
    CLEANER_FILE_TXN_INDEX, /* none where it would be empty */
    CLEANER_FILES
};

struct cleaner_group {
    int64_t base_offset;
    int64_t end_offset;
    uint32_t count;
    uint64_t generations[CLEANER_GROUP_MAX];
    int64_t base_offsets[CLEANER_GROUP_MAX];
    int32_t fds[CLEANER_FILES]; /* -1: closed */
    uint64_t old_bytes;         /* of those that are to be replaced */
    uint64_t out_pos;           /* written so far */
    uint64_t noted_pos;         /* in the indexes so far */
    int64_t last_timestamp_ms;  /* of the batch that was noted last */
    struct offset_index index;
    struct time_index times;
};

void cleaner_group_init(struct cleaner_group *group);
void cleaner_group_deinit(struct cleaner_group *group, struct io *io); /* zeroed: not accepted */

/* As many as may be, from the first segment at or above from_offset that is not empty, below
 * end_offset; the new .log is open.  ERR_NOT_FOUND: there is none.  Errors of files. */
must_use enum err cleaner_group_begin(struct cleaner_group *group, struct log *log,
                                      int64_t from_offset, int64_t end_offset);

/* Its at-th segment, if it is the one that it was; else NULL. */
struct segment *cleaner_group_segment(const struct cleaner_group *group, const struct log *log,
                                      uint32_t at);

/* May it be replaced now (CLG-2)?  index_out: of its first segment. */
bool cleaner_group_stands(const struct cleaner_group *group, const struct log *log,
                          uint32_t *index_out);

/* Batches that are to be written behind those noted before. */
void cleaner_group_note(struct cleaner_group *group, const uint8_t *bytes, size_t size_bytes);

/* All batches are written: the indexes, too, open for their sync, and *made_out, the segment that
 * takes the place of the others; aborts: whose entries of their transaction indexes stay.
 * ERR_AGAIN: one of them has changed (CLG-2).  ERR_NOMEM, errors of files. */
must_use enum err cleaner_group_make(struct cleaner_group *group, struct log *log,
                                     const struct cleaner_offsets *aborts,
                                     struct segment **made_out);

#endif
