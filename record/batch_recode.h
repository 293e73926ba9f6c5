/* batch_recode: the same batch with another codec, for a topic whose compression.type is not
 * "producer".
 *
 * Offsets, timestamps, producer fields, attributes other than the codec, keys, values and headers
 * stay; bytes and checksum change.  Owned by one loop. */
#ifndef LEVEE_RECORD_BATCH_RECODE_H
#define LEVEE_RECORD_BATCH_RECODE_H

#include "record/batch_builder.h"
#include "record/batch_reader.h"

/* Read bytes (a validated batch) with reader and build it anew in builder, whose memory holds the
 * result until its next reset.  codec, level: as in struct batch_builder_options.  The result may
 * be larger than the original: compare with max.message.bytes again.
 * Errors: as batch_reader_open, batch_reader_next, batch_builder_finish. */
must_use enum err batch_recode(struct batch_reader *reader, struct batch_builder *builder,
                               const uint8_t *bytes, size_t size_bytes, enum compression codec,
                               int32_t level, const uint8_t **bytes_out, uint32_t *size_out);

#endif
