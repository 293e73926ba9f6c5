/* batch_builder: makes one batch out of records, in memory.
 *
 * For coordinators, the metadata log, our own producers, tests, and for another codec.  Owned by
 * one loop; reset keeps the memory, so that a builder per loop allocates nothing in the long run.
 *   BLD-1  records lie uncompressed behind BATCH_HEADER_BYTES of `bytes` until finish
 *   BLD-2  offset deltas of added records grow */
#ifndef LEVEE_RECORD_BATCH_BUILDER_H
#define LEVEE_RECORD_BATCH_BUILDER_H

#include "base/err.h"
#include "record/batch.h"
#include "record/compression.h"
#include "record/control_record.h"
#include "record/record.h"

#include <stdbool.h>
#include <stdint.h>

struct batch_builder_options {
    int64_t base_offset;
    int32_t leader_epoch;
    enum compression codec;
    int32_t level; /* COMPRESSION_LEVEL_DEFAULT */
    bool transactional;
    bool control;
    bool log_append_time; /* max timestamp = append_time_ms */
    int64_t append_time_ms;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    uint32_t max_bytes; /* of the uncompressed batch with its header */
};

/* Offset 0, no epoch, not compressed, no producer, at most 1 GiB. */
struct batch_builder_options batch_builder_options_default(void);

struct batch_builder {
    struct batch_builder_options options;
    uint8_t *bytes;
    size_t size_bytes;
    size_t capacity_bytes;
    uint8_t *compressed; /* the finished batch, when a codec is used */
    size_t compressed_capacity_bytes;
    int64_t base_timestamp_ms;
    int64_t max_timestamp_ms;
    int32_t last_offset_delta; /* -1: no record and none set */
    int32_t record_count;
};

/* Takes no memory yet.  options are copied. */
void batch_builder_init(struct batch_builder *builder, const struct batch_builder_options *options);

/* Begin the next batch with the memory of the last one. */
void batch_builder_reset(struct batch_builder *builder,
                         const struct batch_builder_options *options);

/* A zeroed builder is accepted. */
void batch_builder_deinit(struct batch_builder *builder);

/* Add a record with the next offset.  Its own deltas are ignored.  timestamp_ms: absolute.
 * ERR_TOO_LARGE: the batch would pass max_bytes and is as before; begin another one.
 * ERR_INVALID: the record cannot be encoded.  ERR_NOMEM. */
must_use enum err batch_builder_add(struct batch_builder *builder, const struct record *record,
                                    int64_t timestamp_ms);

/* As batch_builder_add at base offset + offset_delta, leaving a hole; ERR_INVALID also when it does
 * not grow. */
must_use enum err batch_builder_add_at(struct batch_builder *builder, const struct record *record,
                                       int32_t offset_delta, int64_t timestamp_ms);

/* In one call: key and value, no headers; size -1 is null. */
must_use enum err batch_builder_add_pair(struct batch_builder *builder, const void *key,
                                         int32_t key_bytes, const void *value, int32_t value_bytes,
                                         int64_t timestamp_ms);

/* The end of a transaction.  options.control and options.transactional must be set. */
must_use enum err batch_builder_add_marker(struct batch_builder *builder,
                                           const struct control_marker *marker,
                                           int64_t timestamp_ms);

/* Let the batch cover offsets up to this delta, though no record has it (as compaction leaves it);
 * not below the last record's. */
void batch_builder_set_last_offset_delta(struct batch_builder *builder, int32_t delta);

/* Size with the header before compression; what add compares with max_bytes. */
uint32_t batch_builder_size_bytes(const struct batch_builder *builder);

int32_t batch_builder_record_count(const struct batch_builder *builder);

/* The whole batch with its checksum: the builder's memory, valid until reset or deinit.  context
 * may be NULL without a codec.  ERR_NOMEM, ERR_CODEC, ERR_INVALID (level), ERR_TOO_LARGE. */
must_use enum err batch_builder_finish(struct batch_builder *builder,
                                       struct compression_context *context,
                                       const uint8_t **bytes_out, uint32_t *size_out);

#endif
