/* marks: how far each partition's segments are believed after a crash.
 *
 * One set per shard, two slots (`marks-<shard>-0.levee`, `marks-<shard>-1.levee`) written in turn:
 * generation, checksum, content.  A mark is written only after the sync that made its bytes
 * durable; it may lag, it must never lead.  The newest slot with a good checksum counts; a torn
 * newest slot means that the older one does, and the journal still holds what that one lacks
 * (journal_release comes after the mark is durable).
 * A first write goes to slot 0 and then, when that is durable, to slot 1 as well, with the same
 * generation; so a bad slot 0 beside no slot 1 is a first write that never finished, and means: no
 * marks.
 * Format: marks_format.h (versioned, so that a newer one is refused with ERR_NEWER_FORMAT). */
#ifndef LEVEE_STORAGE_DIR_MARKS_H
#define LEVEE_STORAGE_DIR_MARKS_H

#include "base/err.h"
#include "base/io.h"
#include "base/loop.h"
#include "base/uuid.h"

#include <stdint.h>

struct mark {
    struct uuid topic_id;
    int32_t partition;
    int64_t log_start_offset;
    int64_t end_offset;          /* first offset that is not believed from segments */
    int64_t high_watermark;      /* published up to there at least; <= end_offset */
    int64_t segment_base_offset; /* of the segment that holds end_offset */
    uint64_t pos;                /* bytes of that segment that are believed */
    int64_t window_offset;       /* name of the producer window file; -1: none */
};

struct marks {
    uint32_t shard;
    uint64_t generation;     /* reading; a writer counts its own */
    uint32_t recovery_epoch; /* of the journal */
    uint64_t first_sequence; /* the journal is replayed from this group */
    uint64_t salt;           /* of the journal's groups; 0: not said */
    uint64_t extent_number;  /* of the journal: where that group stands; 0: not said, or it did not
                              * stand anywhere yet.  The file exists as long as these marks count */
    uint32_t shard_count;    /* all have marks once those of shard 0 say so; 0: not said */
    bool clean;              /* written by an orderly stop: nothing to replay */
    struct mark *marks;
    uint32_t count;
};

struct marks_set; /* the believed marks of every shard found in a directory */

/* Read both slots of every shard.  ERR_CORRUPT: slots were written and none is good;
 * ERR_NEWER_FORMAT. */
must_use enum err marks_load(struct io *io, const char *dir, struct marks_set **out);
void marks_set_free(struct marks_set *set); /* accepts NULL */

uint32_t marks_set_shard_count(const struct marks_set *set);
const struct marks *marks_set_at(const struct marks_set *set, uint32_t index);

/* Of one shard; NULL: none. */
const struct marks *marks_set_of(const struct marks_set *set, uint32_t shard);

/* The highest of all shards; 0 without any.  A start takes it + 1 as each writer's next one, so
 * that generations of different shards compare. */
uint64_t marks_set_generation(const struct marks_set *set);

/* Was an orderly stop the last thing that a process of levee did here?  A start that has recovered
 * writes marks that are not clean before it appends. */
bool marks_set_is_clean(const struct marks_set *set);

/* How many shards have lost their marks: of the shards that those of shard 0 tell of. */
uint32_t marks_set_missing_count(const struct marks_set *set);

/* The mark of a partition, from whichever shard has the newest generation for it; NULL: none. */
const struct mark *marks_find(const struct marks_set *set, const struct uuid *topic_id,
                              int32_t partition);

/* Writing, on a loop.  One write in flight at a time; done runs when the slot is durable.  Writes
 * go to the slot that does not hold the newest good marks.  A failed write is final: every later
 * one has its error.  Not ERR_NOSPACE and ERR_NOMEM: the marks before are good, and the caller may
 * write again. */
struct marks_writer;

/* Opens or creates both slots (synchronous; directory synced). */
must_use enum err marks_writer_open(struct loop *loop, const char *dir, uint32_t shard,
                                    uint64_t next_generation, struct marks_writer **out);

/* Nothing may be in flight.  Accepts NULL. */
void marks_writer_close(struct marks_writer *writer);

/* content is encoded before the call returns. */
void marks_write(struct marks_writer *writer, const struct marks *content,
                 void (*done)(void *context, enum err err), void *context);

/* The same, now (start and stop).  The first write of a shard has to be this one. */
must_use enum err marks_write_now(struct marks_writer *writer, const struct marks *content);

/* The same into both slots: the last ones of a shard that is no more.  Its journal goes, and then
 * its marks, one slot after the other: none of them may still name what is gone. */
must_use enum err marks_write_last(struct marks_writer *writer, const struct marks *content);

/* Remove the marks of shards >= shard_count, after journal_remove_others; directory synced.  Slot 1
 * goes first: slot 0 alone can always be read, be it a bad one. */
must_use enum err marks_remove_others(struct io *io, const char *dir, uint32_t shard_count);

#endif
