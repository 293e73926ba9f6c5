/* image_replay: committed batches of the metadata log, applied to an image in order.
 *
 * One for each image, on the image's shard.  Between a BeginTransaction and its end nothing is
 * applied: the records are held back, applied together at the end, or forgotten when it aborts
 * (KIP-868; Kafka's MetadataDelta).  Control batches never touch the image. */
#ifndef LEVEE_BROKER_METADATA_IMAGE_REPLAY_H
#define LEVEE_BROKER_METADATA_IMAGE_REPLAY_H

#include "base/arena.h"
#include "broker/metadata/delta.h"
#include "broker/metadata/image.h"
#include "record/batch_reader.h"

struct image_replay {
    struct image *image;
    struct batch_reader reader;
    struct arena arena; /* the body of one record */
    bool in_transaction;
    uint32_t applied_count; /* of the batch that found no memory: it goes on behind them */
    uint8_t *held;          /* values of an open transaction: uint32 size (host order), bytes */
    size_t held_bytes;
    size_t held_max_bytes;
    size_t held_pos; /* where the transaction that found no memory goes on */
};

/* image stays the caller's. */
void image_replay_init(struct image_replay *replay, struct image *image);

/* A zeroed one is accepted. */
void image_replay_deinit(struct image_replay *replay);

/* Apply one batch of the log and move the image's position behind it (unless a transaction stays
 * open).  The checksum is the caller's business.  ERR_MALFORMED: a record that cannot follow, or a
 * transaction that begins twice or ends without a beginning; ERR_NEWER_FORMAT: a record that we
 * would have to obey and cannot; image_refused has it then.  Other errors as batch_reader_open. The
 * image is then half changed.
 * ERR_NOMEM: so it is, and the next call takes the same batch and delta, and goes on where this one
 * ended. */
must_use enum err image_replay_batch(struct image_replay *replay, const uint8_t *bytes,
                                     size_t size_bytes, struct delta *delta);

/* As image_replay_batch, for a batch of a snapshot, whose offsets say nothing: the position stays.
 */
must_use enum err image_replay_snapshot_batch(struct image_replay *replay, const uint8_t *bytes,
                                              size_t size_bytes, struct delta *delta);

#endif
