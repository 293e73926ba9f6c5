/* snapshot_file: an image as the bytes of a Kafka snapshot, and back (KIP-630).
 *
 *   control batch   SnapshotHeader 0: version, timestamp of the last record
 *   data batches    records of the image, at most 1,000 in each
 *   control batch   SnapshotFooter 0
 * All batches carry the snapshot's epoch; offsets count from 0.  Holds nothing; shard 0. */
#ifndef LEVEE_BROKER_METADATA_SNAPSHOT_FILE_H
#define LEVEE_BROKER_METADATA_SNAPSHOT_FILE_H

#include "broker/metadata/image.h"

#include <stddef.h>

enum { SNAPSHOT_NAME_MAX = 64 };

struct snapshot_id {
    int64_t end_offset; /* first offset that it does not contain */
    int32_t epoch;
};

/* "00000000000000000042-0000000003.checkpoint" */
void snapshot_format_name(const struct snapshot_id *id, char out[SNAPSHOT_NAME_MAX]);

/* The inverse.  ERR_NOT_FOUND: another kind of name. */
must_use enum err snapshot_parse_name(const char *name, struct snapshot_id *out);

/* The whole file in memory from mem_alloc, which the caller frees. */
must_use enum err snapshot_encode(const struct image *image, const struct snapshot_id *id,
                                  int64_t now_ms, uint8_t **bytes_out, size_t *size_out);

/* Is it whole: header first, footer last, every checksum good?  ERR_TRUNCATED, ERR_CORRUPT,
 * ERR_MALFORMED. */
must_use enum err snapshot_check(const uint8_t *bytes, size_t size_bytes);

/* Apply a checked file to an empty image and set its position.  Errors as image_replay_batch. */
must_use enum err snapshot_apply(const uint8_t *bytes, size_t size_bytes,
                                 const struct snapshot_id *id, struct image *image);

#endif
