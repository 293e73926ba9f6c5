/* batch_validate: may this batch of a client be stored?
 *
 * What Kafka's ProduceRequest, UnifiedLog and LogValidator ask of a produce request's batch, and
 * that the offsets of its records are 0..n-1.  Records are walked, inside compressed batches too:
 * streamed, values skipped.  Pure but for the context's scratch; owned by one loop.
 * Source: Kafka's LogValidator. */
#ifndef LEVEE_RECORD_BATCH_VALIDATE_H
#define LEVEE_RECORD_BATCH_VALIDATE_H

#include "base/err.h"
#include "record/batch.h"
#include "record/compression.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct batch_rules {
    int16_t produce_version;         /* of the request: zstd from 7 up */
    bool log_append_time;            /* message.timestamp.type */
    bool compact;                    /* cleanup.policy contains compact: keys are required */
    bool validate_compressed;        /* levee.validate.compressed: false trusts the header */
    uint32_t max_message_bytes;      /* max.message.bytes: the whole batch as sent */
    uint64_t uncompressed_max_bytes; /* a batch that expands to more is refused */
    uint64_t work_max_bytes;         /* of info.work_bytes, then ERR_FULL; 0: no limit */
    int64_t now_ms;                  /* wall clock */
    int64_t timestamp_before_max_ms; /* message.timestamp.before.max.ms */
    int64_t timestamp_after_max_ms;  /* message.timestamp.after.max.ms */
};

enum {
    BATCH_RECORD_ERRORS_MAX = 8,
    BATCH_TEXT_MAX = 224,
};

enum batch_fault {
    BATCH_FAULT_NO_KEY,    /* the topic is compacted */
    BATCH_FAULT_TIME,      /* outside message.timestamp.{before,after}.max.ms */
    BATCH_FAULT_TIME_TYPE, /* the producer set the bit for LogAppendTime */
};

struct batch_record_error {
    int32_t record_index;
    enum batch_fault fault;
    int64_t timestamp_ms; /* of the record */
    char text[BATCH_TEXT_MAX];
};

struct batch_info {
    struct batch_header header; /* zeroed when not even that could be read */
    int32_t record_count;
    /* The largest of the records' own times, -1 where none has one, whatever the header says of it;
     * the header's where the records were not looked at (validate_compressed).  The log stores this
     * one, or the time of the append. */
    int64_t max_timestamp_ms;
    uint64_t walked_bytes; /* of records, uncompressed */
    uint64_t work_bytes;   /* what the look has cost: compression_reader.work_bytes */

    /* When the answer is not OK: */
    char text[BATCH_TEXT_MAX];  /* for the client and the log; no topic name in it */
    int32_t record_error_count; /* records at fault: key or timestamp */
    struct batch_record_error record_errors[BATCH_RECORD_ERRORS_MAX]; /* the first ones; all of
                                                                       * them: batch_each_error */
};

/* Exactly one batch in bytes, as one partition of a produce request carries it.  What follows is
 * dropped when it is a batch cut short, as in Kafka: store out->header.size_bytes, not size_bytes.
 * *out is written in every case.
 *   ERR_RECORD       nothing, more than one batch, magic not 2, attributes, counts, offsets,
 *                    sequence, broken records or compressed data, missing key
 *                    (Kafka's INVALID_RECORD)
 *   ERR_CORRUPT      checksum or size (CORRUPT_MESSAGE)
 *   ERR_TIMESTAMP    a record outside the allowed time (INVALID_TIMESTAMP)
 *   ERR_TOO_LARGE    above max_message_bytes or uncompressed_max_bytes (MESSAGE_TOO_LARGE)
 *   ERR_CODEC        zstd before version 7 (UNSUPPORTED_COMPRESSION_TYPE)
 *   ERR_FULL         it costs more than work_max_bytes to know
 *   ERR_NOMEM */
must_use enum err batch_validate(const struct batch_rules *rules,
                                 struct compression_context *context, const uint8_t *bytes,
                                 size_t size_bytes, struct batch_info *out);

/* Again, under the same rules, over a batch that was refused with record_error_count > 0: every
 * record at fault, in order, so that nobody has to have room for all of them.  visit returns false
 * to end the walk, which rules->work_max_bytes ends, too.  What it has cost (info.work_bytes). */
typedef bool batch_error_fn(void *context, const struct batch_record_error *error);
uint64_t batch_each_error(const struct batch_rules *rules, struct compression_context *context,
                          const uint8_t *bytes, size_t size_bytes, batch_error_fn *visit,
                          void *visit_context);

#endif
