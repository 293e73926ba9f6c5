/* partition_metadata: Kafka's partition.metadata: which topic a partition directory belongs to.
 *
 * Text, two lines: "version: 0" and "topic_id: <uuid>".  Any thread; holds nothing.  (KIP-516) */
#ifndef LEVEE_STORAGE_DIR_PARTITION_METADATA_H
#define LEVEE_STORAGE_DIR_PARTITION_METADATA_H

#include "base/err.h"
#include "base/uuid.h"

#include <stddef.h>

#define PARTITION_METADATA_NAME "partition.metadata"

enum { PARTITION_METADATA_MAX_BYTES = 64 };

/* Returns the size; no NUL. */
size_t partition_metadata_encode(const struct uuid *topic_id,
                                 char out[static PARTITION_METADATA_MAX_BYTES]);

/* ERR_MALFORMED; ERR_NEWER_FORMAT: another version; a zero id is ERR_MALFORMED, as in Kafka. */
must_use enum err partition_metadata_decode(const char *text, size_t size_bytes, struct uuid *out);

#endif
