/* verify_partition: an audit of one partition: what its batches, read in order, must say if no
 * offset, sequence, transaction or byte is wrong.
 *
 * One for each partition; owned by one thread; told first every batch that a reader at
 * read_uncommitted was given, control batches too, then every batch that one at read_committed was.
 * Bounded: producers_max producers, VERIFY_FINDINGS_MAX findings kept (all are counted), and a sum
 * for each VERIFY_STRIPE_OFFSETS offsets.  Of a compacted topic offsets, counts and sequences may
 * have holes, and markers may be gone: what rests on them is not asked.
 *   VFY-1  offsets rise, without a hole, from the log start to the high watermark
 *   VFY-2  a batch has the checksum, the records, the offset deltas and the largest timestamp that
 *          its header tells
 *   VFY-3  sequences of a producer follow each other within an epoch, and begin at 0 in the next
 *          one; epochs never go back (KIP-98, KIP-360)
 *   VFY-4  a marker is not older than what it ends, nor is its coordinator than the one before; no
 *          transaction goes on with another epoch, or without its attribute (KIP-98, KIP-890)
 *   VFY-5  the last stable offset is where the first open transaction begins, or the high watermark
 *   VFY-6  read_committed gives what was committed or in no transaction, all of it, nothing else */
#ifndef LEVEE_TOOLS_LOAD_VERIFY_PARTITION_H
#define LEVEE_TOOLS_LOAD_VERIFY_PARTITION_H

#include "base/err.h"
#include "record/batch.h"
#include "record/compression.h"
#include "record/record.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VERIFY_FINDINGS_MAX = 20,
    VERIFY_TEXT_MAX = 200,
    VERIFY_STRIPE_OFFSETS = 1 << 16,
};

enum verify_kind {
    VERIFY_OFFSET,
    VERIFY_HOLE,
    VERIFY_CHECKSUM,
    VERIFY_HEADER,
    VERIFY_RECORD,
    VERIFY_TIMESTAMP,
    VERIFY_SEQUENCE,
    VERIFY_EPOCH,
    VERIFY_MARKER,
    VERIFY_WATERMARK,
    VERIFY_ISOLATION,
    VERIFY_STAMP,
    VERIFY_KIND_COUNT,
};

/* "offset", "hole", ... */
const char *verify_kind_text(enum verify_kind kind);

struct verify_finding {
    enum verify_kind kind;
    int64_t offset;
    char text[VERIFY_TEXT_MAX];
};

struct verify_partition_options {
    bool is_compacted;      /* cleanup.policy has compact */
    int64_t log_start;      /* as the broker told, before it was read */
    int64_t stable_offset;  /* the last one, told before high_watermark: how far read_committed is
                             * compared */
    int64_t high_watermark; /* told before it was read */
    uint32_t producers_max; /* more are not looked at, and counted in producers_left_out */
    struct compression_context *compression; /* the caller's */
    /* Optional: each record of a batch that is no control batch and whose checksum is right. */
    void (*visit)(void *context, const struct batch_header *header, const struct record *record,
                  int64_t offset);
    void *context;
};

struct verify_partition {
    struct verify_partition_options options; /* the rest is read by the caller */
    uint64_t batches_count, records_count, bytes_count, control_count;
    uint64_t producers_count, producers_left_out;
    uint64_t committed_count, aborted_count, open_count; /* transactions with records here */
    uint64_t visible_count; /* records that read_committed gave below stable_offset */
    int64_t next_offset;
    uint64_t counts[VERIFY_KIND_COUNT];
    struct verify_finding findings[VERIFY_FINDINGS_MAX];
    uint32_t findings_count; /* kept */
    struct verify_producers *producers;
    struct verify_stripes *stripes;
};

/* options are copied.  ERR_NOMEM. */
must_use enum err verify_partition_create(const struct verify_partition_options *options,
                                          struct verify_partition **out);
void verify_partition_destroy(struct verify_partition *partition); /* NULL is allowed */

/* The next batch at read_uncommitted, whole.  ERR_NOMEM: it can't go on. */
must_use enum err verify_partition_batch(struct verify_partition *partition,
                                         const struct batch_header *header, const uint8_t *bytes);

/* All below high_watermark was told.  stable_after: the last stable offset, told after
 * high_watermark was; -1: not known. */
void verify_partition_end(struct verify_partition *partition, int64_t stable_after);

/* A batch that read_committed gave as visible; those at stable_offset and behind it are left out.
 * ERR_NOMEM. */
void verify_partition_committed(struct verify_partition *partition,
                                const struct batch_header *header);
void verify_partition_committed_end(struct verify_partition *partition);

/* Of whoever looks at what the partition does not know. */
void verify_partition_find(struct verify_partition *partition, enum verify_kind kind,
                           int64_t offset, const char *format, ...) printf_like(4, 5);

uint64_t verify_partition_findings_count(const struct verify_partition *partition);

#endif
