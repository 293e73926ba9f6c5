/* batch_reader: the records of any batch, also of a compressed one, as a walk.
 *
 * For logs that we read ourselves (coordinators, metadata), for tools, and for another codec.
 * Owned by one loop; holds the uncompressed records of the batch that is open. */
#ifndef LEVEE_RECORD_BATCH_READER_H
#define LEVEE_RECORD_BATCH_READER_H

#include "base/err.h"
#include "record/batch.h"
#include "record/compression.h"
#include "record/record.h"

#include <stdint.h>

struct batch_reader {
    struct compression_context *context; /* the caller's */
    uint8_t *space;                      /* uncompressed records */
    size_t uncompressed_max_bytes;
    struct batch_header header; /* of the batch being read */
    struct record_walk walk;
};

/* uncompressed_max_bytes: no batch may expand to more.  context may be NULL when no batch will be
 * compressed (one that is: ERR_CODEC). */
void batch_reader_init(struct batch_reader *reader, struct compression_context *context,
                       size_t uncompressed_max_bytes);

/* A zeroed reader is accepted. */
void batch_reader_deinit(struct batch_reader *reader);

/* Begin a batch: parse, and uncompress.  bytes stay the caller's and must live while records are
 * used.  Errors as batch_parse and compression_decompress; the checksum is not computed. */
must_use enum err batch_reader_open(struct batch_reader *reader, const uint8_t *bytes,
                                    size_t size_bytes);

/* The next record; it lives until the next open.  offset_out and timestamp_ms_out may be NULL:
 * absolute, with LogAppendTime the batch's max timestamp.  ERR_NOT_FOUND: no more; otherwise as
 * record_next. */
must_use enum err batch_reader_next(struct batch_reader *reader, struct record *out,
                                    int64_t *offset_out, int64_t *timestamp_ms_out);

#endif
