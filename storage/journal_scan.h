/* journal_scan: what the journals of a directory hold after a stop, in order, per partition.
 *
 * Used once at start, by one thread, before any loop runs; synchronous reads.  For each shard's
 * journal found in the directory (also of shards that no longer exist) the contiguous run of valid
 * groups of that journal's last recovery epoch, from the sequence that its marks name, is
 * believed; the first hole or bad checksum ends it.  Older epochs are old content of recycled
 * extents.  A group that starts inside the run and fails its checksum is a torn tail when nothing
 * valid follows it, which is always the case for a crash, because sequences end the run. */
#ifndef LEVEE_STORAGE_JOURNAL_SCAN_H
#define LEVEE_STORAGE_JOURNAL_SCAN_H

#include "base/err.h"
#include "base/io.h"
#include "base/slab.h"
#include "storage/journal.h"
#include "storage/marks.h"

/* One entry to replay, in the order in which it was journaled. */
struct journal_replay {
    struct journal_replay *next; /* of the same partition */
    struct journal_entry entry;
    const uint8_t *prefix;  /* entry.prefix_bytes */
    const uint8_t *payload; /* entry.payload_bytes */
    struct buf *buf;        /* that both lie in; owned by the scan */
};

struct journal_scan;

/* Read everything.  marks: of all shards found (journal_scan asks marks_find for the start
 * sequence of each shard).  slab: for the bytes read. */
must_use enum err journal_scan_open(struct io *io, const char *dir, const struct marks_set *marks,
                                    struct slab *slab, struct journal_scan **out);

/* The entries of one partition, oldest first; NULL when there are none.  The list is the scan's
 * and lives until journal_scan_close. */
struct journal_replay *journal_scan_take(struct journal_scan *scan, const struct uuid *topic_id,
                                         int32_t partition);

/* Visit the partitions that have entries and were not taken (deleted topics, strays). */
void journal_scan_each_left(struct journal_scan *scan,
                            void (*visit)(void *context, const struct uuid *topic_id,
                                          int32_t partition, const struct journal_replay *first),
                            void *context);

/* Highest epoch and sequence seen for a shard; zero when it has no journal. */
void journal_scan_position(const struct journal_scan *scan, uint32_t shard,
                           uint32_t *recovery_epoch_out, uint64_t *last_sequence_out);

struct journal_scan_stats {
    uint64_t extents, groups, entries, bytes, torn_groups;
};
const struct journal_scan_stats *journal_scan_stats(const struct journal_scan *scan);

void journal_scan_close(struct journal_scan *scan);

#endif
