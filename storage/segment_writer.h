/* segment_writer: late writing: committed batches go into segment files in aligned copies, without
 * a sync.
 *
 * Owned by a store; lives on its loop.  A log is queued when it holds a chunk's worth of committed
 * bytes, or when somebody wants its last partial block; a write takes all that has gathered since,
 * up to what may be in flight, because a file grows twice as fast by 1 MiB as by 256 KiB.
 *   SGW-1  one write per log is in flight, so bytes enter a file in order; the block below an
 *        unaligned position is rewritten from head_block, under the protection of the journal
 *        (journal.h, prefix_bytes)
 *   SGW-2  only what the journal has committed is written (store.h, STO-1)
 *   SGW-3  without space or memory it tries again each second: the journal and the cache have it
 *          all (STO-5); any other error is final (STO-3) */
#ifndef LEVEE_STORAGE_SEGMENT_WRITER_H
#define LEVEE_STORAGE_SEGMENT_WRITER_H

#include "storage/log/log_environment.h"

struct segment_writer_events {
    /* Are small pieces of log to be written, too? */
    bool (*wants_flush)(void *context, const struct log *log);
    void (*written)(void *context); /* a write has gone well */
    void (*failed)(void *context, enum err err);
};

struct segment_writer {
    struct log_environment *env;
    const struct slab *groups; /* its copies come from their pool */
    const struct segment_writer_events *events;
    void *context;
    struct list queue; /* of log.write_node: due */
    uint64_t in_flight_bytes;
    uint32_t in_flight_count;
    uint64_t written_bytes; /* since the opening */
    struct task task;
    struct timer retry_timer;
};

void segment_writer_init(struct segment_writer *writer, struct log_environment *env,
                         const struct slab *groups, const struct segment_writer_events *events,
                         void *context);

/* What is in flight ends by itself; events do not run any more. */
void segment_writer_deinit(struct segment_writer *writer);

/* log may be due: look, soon; NULL: at those that are queued. */
void segment_writer_kick(struct segment_writer *writer, struct log *log);

/* It is closing: its bytes are not written any more. */
void segment_writer_forget(struct segment_writer *writer, struct log *log);

#endif
