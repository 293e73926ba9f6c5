/* marks: how far each partition's segments are believed after a crash.
 *
 * One set per shard, two slots (`marks-<shard>-0.levee`, `marks-<shard>-1.levee`) written in turn:
 * generation, checksum, content.  A mark is written only after the sync that made its bytes
 * durable; it may lag, it must never lead.  The newest slot with a good checksum counts; a torn
 * newest slot means that the older one does, and the journal still holds what that one lacks
 * (journal_release comes after the mark is durable).
 * Format: described in storage/schema/ and written by the generated codec (versioned, so that a
 * newer format is refused with ERR_NEWER_FORMAT). */
#ifndef LEVEE_STORAGE_MARKS_H
#define LEVEE_STORAGE_MARKS_H

#include "base/err.h"
#include "base/io.h"
#include "base/loop.h"
#include "base/uuid.h"

#include <stdint.h>

struct mark {
    struct uuid topic_id;
    int32_t partition;
    int64_t log_start_offset;
    int64_t end_offset;           /* first offset that is not believed from segments */
    int64_t segment_base_offset;  /* of the segment that holds end_offset */
    uint64_t pos;                 /* bytes of that segment that are believed */
    int64_t window_offset;        /* name of the producer window file; -1: none */
};

struct marks {
    uint32_t shard;
    uint64_t generation;
    uint32_t recovery_epoch;      /* of the journal */
    uint64_t first_sequence;      /* the journal is replayed from this group */
    bool clean;                   /* written by an orderly stop: nothing to replay */
    struct mark *marks;
    uint32_t count;
};

struct marks_set; /* the believed marks of every shard found in a directory */

/* Read both slots of every shard.  ERR_CORRUPT: slots exist and none is good;
 * ERR_NEWER_FORMAT. */
must_use enum err marks_load(struct io *io, const char *dir, struct marks_set **out);
void marks_set_free(struct marks_set *set);

uint32_t marks_set_shard_count(const struct marks_set *set);
const struct marks *marks_set_at(const struct marks_set *set, uint32_t index);

/* The mark of a partition, from whichever shard has the newest generation for it; NULL: none. */
const struct mark *marks_find(const struct marks_set *set, const struct uuid *topic_id,
                              int32_t partition);

/* Writing, on a loop.  One write in flight at a time; done runs when the slot is durable. */
struct marks_writer;
must_use enum err marks_writer_open(struct loop *loop, const char *dir, uint32_t shard,
                                    uint64_t next_generation, struct marks_writer **out);
void marks_writer_close(struct marks_writer *writer);
/* content is encoded before the call returns. */
void marks_write(struct marks_writer *writer, const struct marks *content,
                 void (*done)(void *context, enum err err), void *context);
/* The same, now (start and stop). */
must_use enum err marks_write_now(struct marks_writer *writer, const struct marks *content);

#endif
