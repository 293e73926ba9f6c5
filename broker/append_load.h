/* append_load: what waits in the append queues of one shard's partitions, and when it is too much.
 *
 * Part of a shard, on its loop.  An append that waits keeps its request, and with it memory that
 * the connections' next requests need.  That slows down who produces too much, and is right as long
 * as nobody else lacks that memory.  Behind a batch whose check takes long it is not: nobody can
 * hurry the check, and others, who write to other partitions, wait for it too.  So once somebody
 * has waited for memory (REQUEST_PRESSED), what waits for checks may hold no more than a part of
 * it, and that stays so for a while.
 *   LOAD-1  what may wait for checks leaves a quarter of the memory to other Produce requests,
 * whichever shards the partitions are on */
#ifndef LEVEE_BROKER_APPEND_LOAD_H
#define LEVEE_BROKER_APPEND_LOAD_H

#include <stdbool.h>
#include <stdint.h>

struct append_queue;
struct log_sink;
struct memory_limits;

struct append_load {
    struct log_sink *sink;
    uint64_t held_bytes;      /* of all that wait; append_queue's */
    uint64_t all_max_bytes;   /* of all that wait for checks */
    uint64_t queue_max_bytes; /* of one queue; one append may always wait */
    uint64_t strict_until_ns; /* until then who comes is refused beyond these */
    uint64_t told_ns;         /* when LVE-3109 was written last; 0: never */
};

/* limits: of one of shard_count shards.  sink stays the caller's. */
void append_load_init(struct append_load *load, const struct memory_limits *limits,
                      uint32_t shard_count, struct log_sink *sink);

/* Others wait for memory: is one that waits in queue to end?  name and index: of the partition, for
 * the log line.  now_ns: the loop's. */
bool append_load_ends(struct append_load *load, const struct append_queue *queue, const char *name,
                      int32_t index, uint64_t now_ns);

/* Is one that comes to queue, and will hold so many bytes, to be refused?  is_preparing: its own
 * check is under way. */
bool append_load_refuses(struct append_load *load, const struct append_queue *queue,
                         uint64_t held_bytes, bool is_preparing, uint64_t now_ns);

#endif
