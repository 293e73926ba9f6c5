/* image_publish: committed records on their way to the images of all shards.
 *
 * Owned by the controller; starts and ends on shard 0.  Each shard applies the bytes to its own
 * image and tells its publishers, which follow in slices; shard 0 is first, the others run at the
 * same time.  Until the shipment has ended a shard may know of a topic whose partitions are not
 * open yet, or still have some of a topic that is gone.
 *   P1  one shipment at a time
 *   P2  an image that cannot take a committed record stops the process: the decision that wrote it
 *       was wrong, and shards would disagree
 *   P3  a shard that finds no memory for it tries again where it stopped, until there is: what is
 *       durable is decided, and who asked for it waits or hears that his time is over */
#ifndef LEVEE_BROKER_METADATA_IMAGE_PUBLISH_H
#define LEVEE_BROKER_METADATA_IMAGE_PUBLISH_H

#include "broker/metadata/image_replay.h"
#include "broker/shard.h"

/* True: everything follows the image now.  False: that was a slice, and the shard's next turn calls
 * it again, or, when the cursor says that memory was lacking, a later one. */
typedef bool image_published_fn(struct shard *shard, const struct delta *delta,
                                struct delta_cursor *cursor);

struct image_publish;

/* One shard's part; touched by that shard alone while a shipment is under way. */
struct image_publish_slot {
    struct shard_call call;
    struct image_publish *publish;
    struct image_replay replay;
    bool ready; /* replay is initialized */
    struct delta delta;
    struct delta_cursor cursor;
    struct task next_turn;
    struct timer again; /* P3 */
    bool is_applied;    /* the image has it */
    bool lacks_memory;  /* and that was told */
};

struct image_publish {
    struct shard *home;
    image_published_fn *published; /* runs on each shard; may be NULL */
    const uint8_t *bytes;          /* one batch */
    uint32_t size_bytes;
    uint32_t pending_count;
    void (*done)(struct image_publish *publish);
    struct image_publish_slot slots[SHARD_COUNT_MAX];
};

/* home: shard 0. */
void image_publish_init(struct image_publish *publish, struct shard *home);

/* When the loops stand still. */
void image_publish_deinit(struct image_publish *publish);

/* Apply one committed batch everywhere; bytes must live until done, which may run inside the call
 * when there is one shard. */
void image_publish_start(struct image_publish *publish, const uint8_t *bytes, uint32_t size_bytes,
                         void (*done)(struct image_publish *publish));

#endif
