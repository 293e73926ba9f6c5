/* journal: one write-ahead stream for all partitions of a shard: the place where an append becomes
 * durable.
 *
 * Owned by its store; lives on one loop.  Appends gather in the open group, in 4 KiB-aligned
 * memory; the group is written with O_DIRECT + O_DSYNC when the previous one has completed (at once
 * when idle: self-clocked group commit), so one device flush serves everything that arrived
 * meanwhile. The group's memory stays as the tail cache: whoever keeps a slice holds a reference on
 * its buf.
 *
 * Groups stand in extents (journal_extent.h), back to back, each at a multiple of IO_ALIGN; the
 * bytes are described in journal_format.h.  Sequences are contiguous over all extents; an extent's
 * groups are one run from its start.
 *   JRN-1  committed_sequence <= written_sequence < open_sequence; all only grow
 *   JRN-2  on_committed(s) runs after every group <= s is on stable storage, in order
 *   JRN-3  an extent is reused only when every group in it is <= released_sequence
 *   JRN-4  after a failed write nothing is committed any more: on_failed once, then ERR_STORAGE
 *   JRN-5  where there is no room for an append there is some for entries that let space go
 *       (journal_extent.h, EXT-4), and they wait for no append that waits for room
 * Events come from the loop, never inside a call; each may call everything but journal_close.
 * Source: docs/decisions/0006-one-journal-per-shard.md. */
#ifndef LEVEE_STORAGE_JOURNAL_JOURNAL_H
#define LEVEE_STORAGE_JOURNAL_JOURNAL_H

#include "base/err.h"
#include "base/io.h"
#include "base/loop.h"
#include "base/slab.h"
#include "storage/journal/journal_entry.h"

#include <stdbool.h>
#include <stdint.h>

struct journal;
struct storage_metrics;

struct journal_events {
    /* Everything up to sequence is accepted by the kernel (a kill -9 does not lose it). */
    void (*on_written)(void *context, uint64_t sequence);
    /* Everything up to sequence is on stable storage. */
    void (*on_committed)(void *context, uint64_t sequence);
    /* There is room again after ERR_FULL. */
    void (*on_room)(void *context);
    /* Space runs short: the owner should checkpoint and release.  Once per crossing of half, and
     * again when a release has left more than half in use. */
    void (*on_half_full)(void *context);
    /* A write or sync failed: final. */
    void (*on_failed)(void *context, enum err err);
};

struct journal_options {
    const char *dir; /* kept by the caller */
    uint32_t shard;
    uint32_t recovery_epoch;         /* higher than any found by journal_scan */
    uint64_t first_sequence;         /* of the first group; >= 1 */
    uint64_t salt;                   /* drawn anew for each opening: no client can guess it, so no
                                      * payload left in a recycled extent passes for a group */
    uint64_t extent_bytes;           /* size of later extents, 16 MiB; the first one is 4 MiB */
    uint64_t max_bytes;              /* all extents together; an entry has to fit into it */
    uint32_t group_max_bytes;        /* 1 MiB; one larger entry makes its own group */
    uint32_t second_in_flight_bytes; /* 256 KiB: an open group this large may overtake waiting */
    uint32_t pending_max_bytes;      /* open + in flight, beyond which append says ERR_FULL */
    struct slab *slab;               /* group buffers */
    struct storage_metrics *metrics; /* for its times; NULL: nobody measures */
};

/* Find or create extents in dir (synchronous calls; directory synced), adopting existing ones as
 * free space: the caller has made their content durable elsewhere.  Falls back to buffered writes
 * with a sync each where O_DIRECT is refused, with one log line by the caller (journal_is_direct).
 */
must_use enum err journal_open(struct loop *loop, const struct journal_options *options,
                               const struct journal_events *events, void *context,
                               struct journal **out);

/* Appends say ERR_CLOSED and no extent is made any more; done(context) from the loop when nothing
 * is in flight, which failures do not prevent.  What was appended before is written, but committed
 * only if it is not relaxed (journal_sync first).  Once. */
void journal_stop(struct journal *journal, void (*done)(void *context), void *context);

/* Nothing may be in flight: journal_is_idle, or journal_stop is done.  Accepts NULL. */
void journal_close(struct journal *journal);

/* Copy an entry into the open group.  vec: prefix then payload, sum = prefix_bytes + payload_bytes.
 * relaxed: the entry does not ask for a sync of its own; a group of relaxed entries only is written
 * without one and committed by the next synced group or journal_sync.
 * Out (each may be NULL): the buf that the payload lies in (borrowed: take a reference now to keep
 * it; it does not move), where it lies there, and the sequence of its group.
 * In each error case nothing changed.  ERR_FULL: wait for on_room.  ERR_AGAIN: the slab is at its
 * limit; free some cache and call again.  ERR_NOMEM: the process has no memory, and no news will
 * come of any.  ERR_TOO_LARGE: more than max_bytes can hold.  ERR_STORAGE: after a failure.
 * ERR_CLOSED: after journal_stop. */
must_use enum err journal_append(struct journal *journal, const struct journal_entry *entry,
                                 const struct iovec *vec, uint32_t vec_count, bool relaxed,
                                 struct buf **buf_out, uint8_t **payload_out,
                                 uint64_t *sequence_out);

/* Close the open group, so that later appends get a higher sequence, and return the highest
 * sequence that holds anything (first_sequence - 1 when nothing was appended since opening). */
uint64_t journal_seal(struct journal *journal);

/* Make relaxed groups durable too: on_committed follows.  Nothing to do is fine. */
void journal_sync(struct journal *journal);

/* Groups up to sequence (<= committed_sequence) are not needed for recovery any more. */
void journal_release(struct journal *journal, uint64_t sequence);

/* The number of the extent that holds the group of that sequence (not released); 0: it has no place
 * yet.  The file stays until the group is released. */
uint64_t journal_extent_of(struct journal *journal, uint64_t sequence);

uint64_t journal_committed_sequence(const struct journal *journal);
uint64_t journal_used_bytes(const struct journal *journal);     /* not yet released */
uint64_t journal_capacity_bytes(const struct journal *journal); /* of existing extents */
bool journal_is_direct(const struct journal *journal);
bool journal_is_idle(const struct journal *journal); /* nothing open, nothing in flight; an extent
                                                      * in the making is in flight, too */

const struct journal_stats *journal_stats(const struct journal *journal);

/* Remove the journals of shards >= shard_count, which no longer exist; directory synced.  Only when
 * what they held is durable elsewhere.  Synchronous.  ERR_NOMEM: none
 * is removed. */
must_use enum err journal_remove_others(struct io *io, const char *dir, uint32_t shard_count);

#endif
