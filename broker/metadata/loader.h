/* loader: committed metadata on its way: log → image → publishers.
 *
 * The broker's, on shard 0.  A start makes the image of shard 0 of the newest snapshot and the log
 * behind it, and copies it to the other shards; the publishers see it there for the first time.
 * From then on the metadata log hands over each batch that is committed: every shard applies it to
 * its own image and lets the publishers of the list follow, one behind the other, in slices; shard
 * 0 begins, the others run at the same time.  When all have followed, the log ends the append that
 * wrote the batch, so whoever decided learns of it last.  Until then a shard may know of a topic
 * whose partitions are not open yet, or still have some of a topic that is gone.  (Kafka's
 * MetadataLoader and MetadataPublisher.)
 *   LDR-1  one batch at a time
 *   LDR-2  an image that cannot take a committed record stops the process: the decision that wrote
 *          it was wrong, and shards would disagree
 *   LDR-3  a shard that finds no memory for it tries again where it stopped, until there is: what
 *          is durable is decided, and who asked for it waits or hears that his time is over
 *   LDR-4  a publisher sees the changes of every batch, in order, once: it is told the next ones
 *          when it and those behind it have followed */
#ifndef LEVEE_BROKER_METADATA_LOADER_H
#define LEVEE_BROKER_METADATA_LOADER_H

#include "broker/metadata/delta.h"
#include "broker/shard.h"

struct loader;
struct metadata_log;

/* Who keeps something in step with the image.  Each runs on every shard, on that shard's part. */
struct metadata_publisher {
    const char *name; /* constant */

    /* The image as a start finds it, before the loops run.  An error ends the start.  NULL: it
     * waits for changes. */
    enum err (*open)(struct shard *shard);

    /* The image has the delta.  True: everything follows it now.  False: that was a slice, and the
     * shard's next turn calls it again with the same cursor, zeroed at first, or, when the cursor
     * says that memory was lacking, a later one. */
    bool (*publish)(struct shard *shard, const struct delta *delta, struct delta_cursor *cursor);
};

enum { LOADER_PUBLISHERS_MAX = 8 };

/* Synchronous, before store_recovered: opens the metadata log in the directory that log.dirs (or
 * log.dir) names, and fills the images of all shards, which are empty.  home: shard 0; its config,
 * store, io, clock, sink and shards are used.  Errors as metadata_log_open; ERR_NOMEM. */
must_use enum err loader_open(struct shard *home, struct loader **out);

/* When the loops stand still.  NULL is accepted. */
void loader_close(struct loader *loader);

/* At the end of the list; before the loops run.  publisher is constant and outlives the loader. */
void loader_add(struct loader *loader, const struct metadata_publisher *publisher);

/* Once, when the list is complete: each publisher opens what the images name.  The first error. */
must_use enum err loader_open_publishers(struct loader *loader);

/* For who writes records: the controller. */
struct metadata_log *loader_log(struct loader *loader);

/* At the end: a snapshot that is being written is waited for; with is_wanted one is written when
 * there is anything new.  done runs once, possibly inside the call; a snapshot that failed is told
 * in a log line, and the log has everything. */
void loader_stop(struct loader *loader, bool is_wanted, void (*done)(void *context), void *context);

#endif
