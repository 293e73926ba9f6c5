/* model_batch: the bytes of one batch that a model producer sends, honest or not.
 *
 * Records stand in one batch with values that follow each other.  A lie of the first kind must be
 * put right by the broker (the records count, not the header); one of the second kind must be
 * refused.  Pure but for the chance that is handed in; the bytes are the caller's. */
#ifndef LEVEE_TESTS_MODEL_BATCH_H
#define LEVEE_TESTS_MODEL_BATCH_H

#include "base/prng.h"
#include "record/compression.h"

#include <stdbool.h>
#include <stdint.h>

enum model_lie {
    MODEL_HONEST,
    /* to be put right */
    MODEL_LIE_MAX_TIMESTAMP, /* any number, and the checksum is that of the lie */
    MODEL_LIE_REST,          /* a batch cut short stands behind */
    MODEL_LIE_BOTH,
    MODEL_LIE_EPOCH, /* a leader epoch that the broker never had */
    /* to be refused */
    MODEL_BAD_CRC,
    MODEL_BAD_COUNT,
    MODEL_BAD_LAST_DELTA,
    MODEL_BAD_SIZE,  /* more bytes than there are */
    MODEL_BAD_CODEC, /* one that nobody has */
    MODEL_BAD_CONTROL,
    MODEL_BAD_OFFSET,
    MODEL_BAD_TWO,  /* two batches */
    MODEL_BAD_BODY, /* a byte of the records, and the checksum is that of it */
    MODEL_LIE_COUNT
};

static inline bool model_lie_is_bad(enum model_lie lie)
{
    return lie >= MODEL_BAD_CRC;
}

struct model_batch_record {
    int32_t value_bytes; /* -1: null */
    int64_t timestamp_ms;
};

struct model_batch_spec {
    uint64_t first_value;
    const struct model_batch_record *records;
    int32_t records_count;
    bool plain; /* see model_record */
    enum compression codec;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    enum model_lie lie;
};

/* *bytes_out: to be freed with mem_free. */
void model_batch_make(const struct model_batch_spec *spec, struct compression_context *compression,
                      struct prng *prng, uint8_t **bytes_out, uint32_t *size_out);

#endif
