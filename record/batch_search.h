/* batch_search: the first record of a batch that is late enough, for lookups by time.
 *
 * Works on bytes that somebody else owns; any thread.  The batch is streamed up to the hit, values
 * are stepped over: memory is what compression_reader needs. */
#ifndef LEVEE_RECORD_BATCH_SEARCH_H
#define LEVEE_RECORD_BATCH_SEARCH_H

#include "base/err.h"
#include "record/batch.h"
#include "record/compression.h"

#include <stdbool.h>
#include <stdint.h>

struct batch_search {
    /* in */
    int64_t timestamp_ms;
    int64_t from_offset;     /* records below it do not count */
    uint64_t work_max_bytes; /* of work_bytes; UINT64_MAX: no limit */
    /* out */
    bool found;
    int64_t found_offset;
    int64_t found_timestamp_ms; /* with LogAppendTime the batch's */
    int32_t found_leader_epoch;
    uint64_t work_bytes; /* what it has cost: compression_reader.work_bytes */
};

/* bytes: a whole batch, header: what batch_parse read of it.  ERR_FULL: it costs more than
 * work_max_bytes; others as record_stream_next.  The checksum is not computed. */
must_use enum err batch_search(struct batch_search *search, struct compression_context *context,
                               const uint8_t *bytes, const struct batch_header *header);

#endif
