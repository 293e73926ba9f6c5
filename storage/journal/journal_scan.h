/* journal_scan: what the journals of a directory hold after a stop, in order, per partition.
 *
 * Nothing that it keeps grows with the journal: where runs stand (per extent) and a few facts per
 * partition.  Whoever wants the entries has them visited, an extent at a time.
 *
 * Used once at start, by one thread, before any loop runs; synchronous reads, from the device where
 * O_DIRECT works.  For each shard's journal found in the directory (also of shards that no longer
 * exist) the contiguous run of valid groups of that journal's last recovery epoch, from the
 * sequence that its marks name, is believed; the first hole or bad checksum ends it.  (Without
 * marks: from the lowest sequence of that epoch.)  Older epochs are old content of recycled
 * extents.
 *
 * After a crash the run ends in a torn group, or in none.  Every group also says what was durable
 * when it was written: a group beyond the end, in whatever extent, that knows of more than the run
 * holds proves that acknowledged bytes were damaged later (stats.lost_groups), and so does an
 * extent that the marks name and that is gone: the caller decides what that means.  Only after an
 * orderly stop nothing is looked for: nothing was written behind its marks.
 * The same when marks were given and those of a shard are missing (stats.unmarked_shards): they are
 * durable before its journal begins, and go after it. */
#ifndef LEVEE_STORAGE_JOURNAL_JOURNAL_SCAN_H
#define LEVEE_STORAGE_JOURNAL_JOURNAL_SCAN_H

#include "base/err.h"
#include "base/io.h"
#include "base/slab.h"
#include "storage/dir/marks.h"
#include "storage/journal/journal.h"

/* One entry to replay; visited in the order in which it was journaled. */
struct journal_replay {
    struct journal_entry entry;
    const uint8_t *prefix;  /* entry.prefix_bytes */
    const uint8_t *payload; /* entry.payload_bytes */
    struct buf *buf;        /* that both lie in: take a reference to keep them */
};

/* What the journal says of a partition, as a whole.  Owned by the scan, until it is closed. */
struct journal_facts {
    struct uuid topic_id; /* with partition: the key */
    int32_t partition;
    struct journal_entry first; /* its oldest entry */
    uint64_t entry_count;
    /* Where the marks know the partition: what is to be believed of its segments, which is the
     * mark, less what was cut off and what was deleted since. */
    bool has_bound;
    struct mark bound;
    uint64_t cut_number;   /* of the deepest cut that is not above the mark, from 1: the entries
                            * before   it append what it took away; 0: there is none */
    uint8_t *prefix;       /* of the first append that follows on bound: the block below it was */
    uint32_t prefix_bytes; /* perhaps being rewritten; 0: none.  NULL: they are no block's */
    uint64_t number;       /* of the entry that is being visited, from 1 */
    void *context;         /* whoever took it; NULL at first */
    bool taken;
    uint32_t first_piece, last_piece; /* inside */
};

struct journal_scan;

/* Read everything once.  marks: of all shards found; they name each shard's epoch and first
 * sequence; NULL: none.  slab: for the bytes read, an extent's size at a time, and up to
 * keep_max_bytes that stay for journal_scan_replay, which reads the others again.  io, dir and slab
 * are used until journal_scan_close.  ERR_NOMEM: the slab is too small, or
 * the process has none; ERR_NEWER_FORMAT; ERR_IO and the like. */
must_use enum err journal_scan_open(struct io *io, const char *dir, const struct marks_set *marks,
                                    struct slab *slab, uint64_t keep_max_bytes,
                                    struct journal_scan **out);

/* What there is of one partition; NULL when there is nothing.  It counts as taken. */
struct journal_facts *journal_scan_take(struct journal_scan *scan, const struct uuid *topic_id,
                                        int32_t partition);

struct journal_replayer {
    enum err (*visit)(void *context, struct journal_facts *facts,
                      const struct journal_replay *replay);
    /* An extent ends: without a reference to its buf its bytes go now. */
    enum err (*rest)(void *context);
    void *context;
};

/* Visit every entry, in order, or those of one partition alone.  What was not kept in memory is
 * read once more, an extent at a time; what was kept goes when it has been visited.  May be called
 * again.  An error of visit or rest ends it; ERR_CORRUPT: what was there is not there any more;
 * else as journal_scan_open. */
must_use enum err journal_scan_replay(struct journal_scan *scan, struct journal_facts *only,
                                      const struct journal_replayer *to);

/* Visit the partitions that have entries and were not taken (deleted topics, strays). */
void journal_scan_each_left(struct journal_scan *scan,
                            void (*visit)(void *context, const struct journal_facts *facts),
                            void *context);

/* The epoch and the last sequence that are believed for a shard, from its journal and its marks;
 * zero when it has neither.  The next journal_open of it takes both + 1. */
void journal_scan_position(const struct journal_scan *scan, uint32_t shard,
                           uint32_t *recovery_epoch_out, uint64_t *last_sequence_out);

struct journal_scan_stats {
    uint64_t extents, groups, entries; /* groups, entries, bytes: of the runs */
    uint64_t bytes;
    uint64_t torn_groups; /* runs that ended in a group with the right number and a wrong content */
    uint64_t unmarked_shards; /* marks missing or older than the journal; 0 after any crash */
    uint64_t lost_groups; /* known to have been durable, and not readable now; 0 after any crash */
};
const struct journal_scan_stats *journal_scan_stats(const struct journal_scan *scan);

void journal_scan_close(struct journal_scan *scan);

#endif
