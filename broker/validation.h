/* validation: the tools for looking into batches, of a shard or of one look: codecs' state, a
 * reader, a builder.
 *
 * Memory is taken when a compressed batch first needs it and kept for the next one. */
#ifndef LEVEE_BROKER_VALIDATION_H
#define LEVEE_BROKER_VALIDATION_H

#include "record/batch_builder.h"
#include "record/batch_reader.h"
#include "record/batch_validate.h"

struct config;

struct validation {
    struct compression_context *context;
    struct batch_reader reader;
    struct batch_builder builder;
    bool compressed;                 /* levee.validate.compressed */
    uint64_t uncompressed_max_bytes; /* levee.uncompressed.batch.max.bytes */
    uint64_t recode_max_bytes;       /* the same of a batch that is written anew, with its limit */
};

/* ERR_NOMEM: nothing is to be given back. */
must_use enum err validation_init(struct validation *validation, uint64_t uncompressed_max_bytes);
void validation_deinit(struct validation *validation);

/* recode_max_bytes: memory_limits.recode_bytes. */
must_use enum err validation_create(const struct config *config, uint64_t recode_max_bytes,
                                    struct validation **out);
void validation_destroy(struct validation *validation);

/* The same batch with another codec (a topic's compression.type).  On OK *bytes and *size_bytes are
 * the new batch, valid until the next call.  What was made is judged as what came: ERR_TOO_LARGE
 * above max_message_bytes (as Kafka's UnifiedLog), ERR_CORRUPT when its checksum is wrong. */
must_use enum err validation_recode(struct validation *validation, int8_t codec,
                                    uint32_t max_message_bytes, const uint8_t **bytes,
                                    uint32_t *size_bytes);

#endif
