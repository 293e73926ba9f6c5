/* time_lookup: the lookup by time of one partition (storage/log/log.h), in turns and beside the
 * loop.
 *
 * A lookup reads, and looks into batches, each of which may expand to what
 * levee.uncompressed.batch.max.bytes allows.  So the lookups of a shard have some milliseconds of a
 * turn; a batch that takes more is searched by a thread (docs/decisions/0009).
 *   TLK-1  what the lookups of one turn cost the loop is bounded (TURN_NS)
 *   TLK-2  so many of a shard have read something and look at it (ACTIVE_MAX), and one has a batch
 *       with a thread; the others wait and hold nothing, clients having their turns, and of a
 *       client its requests
 *   TLK-3  what a thread needs to uncompress counts in MEMORY_COLD_READS, past the limit where need
 *       be, so that the next reads wait */
#ifndef LEVEE_BROKER_TIME_LOOKUP_H
#define LEVEE_BROKER_TIME_LOOKUP_H

#include "broker/partition_read.h"
#include "broker/turn_lines.h"

struct time_lookup_job;
struct time_lookups;

enum time_lookup_stage {
    TIME_LOOKUP_ENDED,
    TIME_LOOKUP_WAITS,      /* to begin */
    TIME_LOOKUP_ACTIVE,     /* one of ACTIVE_MAX */
    TIME_LOOKUP_WAITS_LONG, /* for the thread */
    TIME_LOOKUP_LONG,       /* the thread is its own: it reads again, and gives it the batch */
};

/* Owned by the caller until it has ended, and embedded in its struct. */
struct time_lookup {
    /* in */
    struct uuid topic_id;
    int32_t partition;
    struct turn_owner owner; /* whose turn it is (TLK-2) */
    enum partition_isolation isolation;
    /* timestamp_ms, max_timestamp; out: what was found, and as which bytes it was read */
    struct log_time_lookup search;
    /* After ERR_AGAIN, from the loop, once.  OK, ERR_NOT_FOUND: the partition is gone, or as
     * log_lookup_time. */
    void (*done)(struct time_lookup *lookup, enum err err);
    /* inside */
    struct shard *at;
    enum time_lookup_stage stage;
    bool has_begun;
    uint32_t memory_waits;
    struct turn_waiter waiter;
    struct list node; /* time_lookups.ready, or in none */
    struct budget_waiter memory_waiter;
    struct time_lookup_job *job; /* a thread searches */
};

/* The lookups of one shard. */
/* Never NULL. */
must_use struct time_lookups *time_lookups_create(struct shard *shard);

/* Nobody waits any more, and no thread works any more (offload_destroy); before the store is
 * closed. NULL is accepted. */
void time_lookups_destroy(struct time_lookups *lookups);

/* On the partition's shard.  ERR_AGAIN: done follows; else that is the answer. */
must_use enum err time_lookup_start(struct time_lookup *lookup, struct shard *shard);

/* done does not run any more, and nothing is held.  Nothing happens to one that has ended. */
void time_lookup_cancel(struct time_lookup *lookup);

#endif
