/* log: one partition on disk: five offsets, appends, reads, trimming.
 *
 * Owned by its store; lives on the store's loop.  The partition of broker/ drives it: it validates
 * batches before, publishes after.  Segment files are Kafka's, byte for byte.
 *
 *   LOG-1  log_start <= last_stable <= high_watermark <= log_end;  durable <= log_end
 *       (high_watermark <= durable in `sync` mode; <= accepted in `cache` mode)
 *   LOG-2  batches stand back to back with growing, not overlapping offsets; holes come only from
 *       verbatim appends, from what a directory of Kafka's had, and below log_start from a cut;
 *       they stand inside segments: a closed one ends where the next begins
 *   LOG-3  bytes below durable never change except by log_truncate
 * Files: segment.h (one .log), segment_manifest.h (all), log_append.c, log_read.c, log_lookup.c,
 * log_aborted.h, log_recover.c, log_trim.c, segment_writer.c (late writing).  Rules DUR-L1 to
 * DUR-L16 and DUR-I1 to DUR-I12 of docs/rules.md. */
#ifndef LEVEE_STORAGE_LOG_LOG_H
#define LEVEE_STORAGE_LOG_LOG_H

#include "base/err.h"
#include "base/slab.h"
#include "base/uuid.h"
#include "record/batch.h"
#include "record/batch_search.h"
#include "storage/log/epoch_cache.h"
#include "storage/log/log_config.h"
#include "storage/log/producer_state.h"

struct store;
struct log;
struct file_read;
struct log_loan;

/* Idempotent producers that a log remembers (PST-5): some 16 MiB of them.  Who writes once in the
 * time of so many new producers is not forgotten. */
enum { LOG_PRODUCERS_MAX = 1 << 16 };

struct log_id {
    struct uuid topic_id;
    int32_t partition;
};

struct log_offsets {
    int64_t log_start;
    int64_t last_stable;
    int64_t high_watermark;
    int64_t durable;  /* first offset not known to be on stable storage */
    int64_t accepted; /* first offset not known to be in the kernel's hands (>= durable) */
    int64_t log_end;
};

struct log_events {
    /* durable (or accepted, for a relaxed log) moved; called from the loop, never inside an
     * append; and by store_recovered, where more is durable than was published before.  The
     * partition publishes from here. */
    void (*progress)(void *context, struct log *log);
    /* log_start was raised, by retention or log_delete_records, and that is durable; from the loop.
     * May be NULL. */
    void (*start_moved)(void *context, struct log *log);
    /* Optional: a producer was forgotten for another one (producer_state.h); inside an append,
     * perhaps of another log. */
    void (*producer_forgotten)(void *context, const struct producer_forgotten *forgotten);
};

/* Open or create the partition's directory `name-partition` (partition.metadata, segments), check
 * segments against the mark; the journal entries of the scan follow in store_replay_all, or at once
 * for a required log, and till then it ends where the mark says:
 * damage below it, or missing files, quarantines: OK is returned, log_is_quarantined says so, one
 * log line told it, and every append and read says ERR_QUARANTINED.  Indexes and snapshots that
 * are missing or wrong are rebuilt.  Above the mark, without journal entries, nothing is believed.
 * ERR_IO: of a required log.  name: the topic's, copied.  ERR_FOREIGN: the directory carries
 * another topic id. */
must_use enum err log_open(struct store *store, const struct log_id *id, const char *name,
                           const struct log_config *config, const struct log_events *events,
                           void *context, struct log **out);

/* Stop using it; files stay. */
void log_close(struct log *log);

/* Close, and remove the files: the directory is renamed to `name-partition.<id>-delete` now and
 * unlinked after file_delete_delay_ms (also by a later start). */
void log_delete(struct log *log);

/* Remove what a log_open has left that failed, but with ERR_FOREIGN, as log_delete, at once. */
void log_delete_unopened(struct store *store, const struct log_id *id, const char *name);

void log_set_config(struct log *log, const struct log_config *config);
bool log_is_quarantined(const struct log *log);
const struct log_id *log_id(const struct log *log);
struct log_offsets log_offsets(const struct log *log);
const struct epoch_cache *log_epochs(const struct log *log);
const struct producer_state *log_producers(const struct log *log);
uint64_t log_size_bytes(const struct log *log);
uint32_t log_segment_count(const struct log *log);

/* About when the record at offset was made, by its timestamp, without reading a file: exact for the
 * first record of a batch in memory; else as the time index has it, or the segment: not earlier
 * than that record.  -1: nothing is known. */
int64_t log_timestamp_near(const struct log *log, int64_t offset);

/* ---- appending */

struct log_append_result {
    int64_t base_offset;
    int64_t last_offset;
    int64_t log_append_time_ms; /* -1 with CreateTime */
    int64_t log_start_offset;
    bool duplicate; /* base_offset and last_offset are those of the first time; nothing appended */
};

/* One batch for the leader's path.  The caller's, within the call. */
struct log_append {
    const uint8_t *bytes;
    uint32_t size_bytes;
    int64_t max_timestamp_ms;    /* of its records, as the validation found it */
    int32_t leader_epoch;        /* to be stamped; a newer one enters the epoch cache first */
    int64_t now_ms;              /* wall clock: the batch's time with LogAppendTime */
    struct producer_rules rules; /* what its producer must keep to, and who brings it */
    bool urgent; /* it lets space go (records that delete topics, or shorten what they keep), or
                  * ends what passed before: it waits behind nobody who waits for room, and may
                  * use what the journal keeps (journal.h, JRN-5) */
};

/* The leader's path: one validated batch (batch_validate): checks producer rules, assigns offsets,
 * stamps epoch and time.  The bytes are copied, and everything that is kept of a batch is what one
 * parse of the stamped header says.  Visible to nobody before log_set_high_watermark.
 * ERR_FULL: wait with store_wait_room and call again; ERR_NOMEM: the process has no memory, now;
 * ERR_NOSPACE, ERR_STORAGE, ERR_QUARANTINED, ERR_TOO_LARGE (than a segment), ERR_SEQUENCE,
 * ERR_PRODUCER_EPOCH, ERR_TXN_STATE, ERR_FENCED_EPOCH (producer_state_check); ERR_CORRUPT: not one
 * batch of exactly that size, or stamped with a time it fails its checksum. */
must_use enum err log_append_leader(struct log *log, const struct log_append *append,
                                    struct log_append_result *out);

/* The follower's and mirror's path: one batch as it is, at its own offsets (>= log_end, else
 * ERR_OFFSET_RANGE), which are its producer's, too.  ERR_CORRUPT also: a marker that cannot be
 * read.  Else as the leader's, without rules for producers. */
must_use enum err log_append_verbatim(struct log *log, const uint8_t *bytes, uint32_t size_bytes,
                                      struct log_append_result *out);

/* A new leader epoch begins at log_end, before the first append under it (KIP-101). */
void log_begin_epoch(struct log *log, int32_t leader_epoch);

/* ---- publishing: a step of its own, after durable */

/* Move the high watermark (forward only, <= durable or accepted by mode; check()ed) and with it
 * last_stable: the first offset of a transaction that is open, or whose marker is not below both
 * the high watermark and durable (DUR-T12).  It may move when durable does: progress tells.  After
 * a start it is where the last mark has it, below what is there: progress tells of the rest. */
void log_set_high_watermark(struct log *log, int64_t offset);

/* ---- reading */

/* A read in progress; the caller owns it and embeds it, zeroed but for what goes in. */
struct log_read {
    /* in */
    int64_t offset;     /* log_start <= offset <= bound */
    int64_t bound;      /* exclusive: only batches whose last offset is below it */
    uint32_t max_bytes; /* whole batches up to it ... */
    bool at_least_one;  /* ... but the first one even when larger */
    bool may_borrow;    /* takes a loan, too */
    void (*done)(struct log_read *read, enum err err); /* after ERR_AGAIN, from the loop */
    /* out */
    const uint8_t *bytes;  /* whole batches back to back, the first holds `offset` or follows */
    uint32_t size_bytes;   /* 0: nothing */
    struct buf *buf;       /* they lie in it: a reference that log_read_release gives back */
    struct log_loan *loan; /* or NULL; then they lie in its parts, and buf is its reference */
    int64_t end_offset;    /* last offset of the last batch + 1; = offset when nothing */
    uint64_t need_bytes;   /* ERR_NOMEM: that were not to be had; stays for the next try */
    /* inside */
    struct log *log;
    struct file_read *file; /* in flight; the log's own memory, so that the reader may go first */
};

/* OK: filled now (from the tail cache).  ERR_AGAIN: a file is being read, done follows.
 * ERR_OFFSET_RANGE, ERR_QUARANTINED, ERR_STORAGE, ERR_CORRUPT (bytes on disk fail their CRC: the
 * partition is told apart in the log, nothing is skipped), ERR_NOMEM: readers hold all that they
 * may (store_options.read_slab); wait for need_bytes and call again. */
must_use enum err log_read(struct log *log, struct log_read *read);

/* Bytes of the whole batches from *offset up to bound, at most max_bytes; *offset moves behind what
 * was counted, so that calling again costs what is new.  False: the batch at *offset is not in
 * memory, nothing was counted. */
must_use bool log_count_new_bytes(const struct log *log, int64_t *offset, int64_t bound,
                                  uint32_t max_bytes, uint32_t *bytes_out);

/* Give the bytes back; also before done ran: then done never runs (the memory must live until
 * the device is finished, which log_read_release arranges by detaching its own buffer). */
void log_read_release(struct log_read *read);

/* Visit whole batches from offset to log_end in order, with synchronous reads: for loading the
 * metadata and coordinator logs at start.  visit returns false to stop. */
must_use enum err log_scan(struct log *log, int64_t offset,
                           bool (*visit)(void *context, const uint8_t *batch, uint32_t size_bytes),
                           void *context);

/* ListOffsets by time: the smallest offset below bound whose timestamp is >= timestamp_ms.
 * special: also MAX_TIMESTAMP (the newest of the largest timestamp).  found_offset -1: there is
 * none.  OK: it is known.  ERR_FULL: it has looked at as much as it may at one go.  ERR_AGAIN: a
 * file is being read, and done follows, with ERR_FULL when the bytes have come.  After ERR_FULL,
 * and after ERR_NOMEM once there are read.need_bytes, log_lookup_resume goes on where it was; in
 * between a lookup keeps what it has read.  Others as log_read, and as batch_search. */
struct log_time_lookup {
    int64_t timestamp_ms;
    int64_t bound;
    bool max_timestamp;
    struct compression_context *context; /* used within the calls alone */
    uint64_t work_max_bytes;             /* of work_bytes, at one go */
    void (*done)(struct log_time_lookup *lookup, enum err err);
    /* out */
    uint64_t work_bytes; /* what the last go has cost: as compression_reader.work_bytes */
    /* After ERR_FULL: the batch that took more than batch_had_bytes, which were left of the go; it
     * lies in read.buf, and stays there until the next call.  NULL: between two of them. */
    const uint8_t *batch;
    uint64_t batch_had_bytes;
    int64_t found_offset;
    int64_t found_timestamp_ms;
    int32_t found_leader_epoch;
    struct log_read read; /* inside */
    int64_t scan_offset;  /* inside: read from there */
    uint32_t search_pos;  /* inside: of what was read, searched so far */
};
must_use enum err log_lookup_time(struct log *log, struct log_time_lookup *lookup);
must_use enum err log_lookup_resume(struct log *log, struct log_time_lookup *lookup);

/* Give back what it has read; it is read again from lookup->batch on. */
void log_lookup_pause(struct log_time_lookup *lookup);

/* How to search lookup->batch elsewhere: with a context of one's own and a reference to read.buf.
 */
struct batch_search log_lookup_search(const struct log_time_lookup *lookup);

/* That has ended.  OK: as of log_lookup_time.  ERR_FULL: nothing was found there, or below a log
 * start that has moved meanwhile; go on by log_lookup_resume. */
must_use enum err log_lookup_searched(struct log *log, struct log_time_lookup *lookup,
                                      const struct batch_search *search);

/* Also while a file is being read: done never runs then. */
void log_lookup_release(struct log_time_lookup *lookup);

/* ---- trimming */

/* DeleteRecords: raise log_start to offset (<= high_watermark); journaled; whole segments below go
 * away later.  ERR_OFFSET_RANGE; ERR_FULL: the journal has no room, not even what it keeps for
 * those that let a segment go (journal.h, JRN-5): call again.  Durable when progress has reported
 * the journal's commit: done(context, err) then. */
must_use enum err log_delete_records(struct log *log, int64_t offset,
                                     void (*done)(void *context, enum err err), void *context);

/* Cut the end off at offset (>= log_start); restores indexes, epoch cache, producer state and high
 * watermark; journaled before files change.  Batches go whole: log_end becomes the end of the last
 * one that ends at or below offset, or log_start where that is higher, so that no offset is missing
 * and a follower fetches on from there.  (Kafka's LocalLog.truncateTo takes offset as the end, with
 * a hole behind the last batch; its next start takes the end of that batch.)  At log_end nothing is
 * cut.  ERR_OFFSET_RANGE; ERR_FULL: its files are in use, or a log start is on its way: call again
 * later; ERR_STORAGE, ERR_QUARANTINED, ERR_CLOSED. */
must_use enum err log_truncate(struct log *log, int64_t offset,
                               void (*done)(void *context, enum err err), void *context);

/* Drop whole segments by retention.ms / retention.bytes, below last_stable: the active one,
 * too, when all of the log expires (Kafka's UnifiedLog.deleteOldSegments).  Its files go when a
 * mark names a later one.  now_ms: wall clock; -1: it is not believed, and size alone counts.  What
 * is dated more than an hour ahead is as old as its file.  Returns the number of segments dropped.
 * The caller's timer decides when.  segment.ms acts at appends alone. */
uint32_t log_apply_retention(struct log *log, int64_t now_ms);

/* Forget idempotent producers without open transaction that wrote nothing for idle_max_ms
 * (producer.id.expiration.ms); returns how many.  The next checkpoint makes it durable: until then
 * a crash brings them back, which harms nobody. */
uint32_t log_expire_producers(struct log *log, int64_t now_ms, int64_t idle_max_ms);

#endif
