/* client_batches: what a producer has gathered: topics, their partitions, and the batches of each
 * (Kafka's RecordAccumulator).
 *
 * Owned by the producer; same loop.  A record costs no allocation: it is written at the end of its
 * partition's open batch, or a batch is taken from the pool.
 *   CBT-1  every batch that holds records is on the list of ages until it is finished
 *   CBT-2  records whose partition can't be known yet wait, in order, in a partition -1 of their
 *          topic, and leave it together when metadata comes */
#ifndef LEVEE_NET_CLIENT_CLIENT_BATCHES_H
#define LEVEE_NET_CLIENT_CLIENT_BATCHES_H

#include "net/client/client_part.h"
#include "net/client/client_partitioner.h"
#include "net/client/client_producer.h"

struct client_batches_topic {
    struct client_topic *topic;
    struct client_part **parts; /* NULL: not used yet */
    int32_t parts_count;
    struct client_part unassigned; /* CBT-2 */
    struct client_partitioner sticky;
    struct list node; /* of unassigned_topics, while unassigned holds something */
};

struct client_batches {
    const struct client_producer_options *options;
    struct client_cluster *cluster;
    struct client_batch_pool pool;
    struct client_batches_topic **topics; /* by client_topic.index */
    uint32_t topics_count;
    struct list unassigned_topics;
    struct list ages;      /* batches, oldest first (CBT-1) */
    struct list lingering; /* parts with an open batch that is not due, oldest first */
    struct compression_context *compression;
    uint8_t *scratch;
    size_t scratch_bytes;
    uint64_t pending_count; /* records taken and not delivered */
    uint64_t pending_bytes; /* of them, as encoded */
    /* A part may have something to send now. */
    void (*ready)(struct client_batches *batches, struct client_part *part);
    void (*part_timer)(struct timer *timer); /* fire of client_part.backoff */
    void *owner;                             /* client_part.owner */
    uint64_t wall_turn;                      /* the turn of wall_ms */
    int64_t wall_ms;
};

/* options and cluster stay the caller's. */
must_use enum err client_batches_init(struct client_batches *batches,
                                      const struct client_producer_options *options,
                                      struct client_cluster *cluster);

/* Every batch was given back. */
void client_batches_deinit(struct client_batches *batches);

/* Errors as client_producer_send. */
must_use enum err client_batches_add(struct client_batches *batches,
                                     const struct client_record *record);

/* Metadata is new: what waited for a topic's partitions goes to them.  False: no memory now. */
bool client_batches_assign(struct client_batches *batches, struct client_batches_topic *topic);

/* Batches that have lingered until now_ns, or all, become due. */
void client_batches_linger_end(struct client_batches *batches, uint64_t now_ns, bool is_all);

/* When the next one does; TIMER_NEVER: none lingers. */
uint64_t client_batches_linger_ns(const struct client_batches *batches);

/* Close and seal the first batch of part.  ERR_NOMEM, ERR_INVALID. */
must_use enum err client_batches_seal(struct client_batches *batches, struct client_part *part,
                                      struct client_batch *batch);

/* Takes the place of batch by two halves, in its partition and among the ages.  batch is finished
 * with, and given back.  ERR_NOMEM: nothing happened. */
must_use enum err client_batches_split(struct client_batches *batches, struct client_batch *batch);

/* batch, which is on no list of a part, was delivered. */
void client_batches_give(struct client_batches *batches, struct client_batch *batch);

/* The next part, whatever it holds; NULL: no more.  cursor zeroed. */
struct client_batches_cursor {
    uint32_t topic;
    int32_t part; /* the next one, + 1; 0: unassigned */
};
struct client_part *client_batches_next_part(const struct client_batches *batches,
                                             struct client_batches_cursor *cursor);

#endif
