/* in_sync: what the leader of one partition knows of its replicas: who is in sync, how far each is.
 *
 * Pure: no log, no clock, no memory but its own; part of its partition and on its loop.  Committed
 * state comes from the metadata alone; the leader may have one change of it under way, which counts
 * at once where it asks for more and only when it is committed where it asks for less (KIP-497).
 * The maximal set is the committed one and the proposed one together.  A set of one is a value like
 * any other.  Rules: Kafka's Partition and PartitionState (pending expansion, pending shrinking).
 *   ISR-1  the leader is in its own set, committed and proposed; else it leads nothing (ISR-6)
 *   ISR-2  both sets are subsets of the replicas
 *   ISR-3  a high watermark never goes back, and moves only to where the whole maximal set is
 *   ISR-4  epochs never go back; a committed state with a higher partition epoch ends a pending
 *          change
 *   ISR-5  at most one change is pending, and only its own answer ends it
 *   ISR-6  replica_count 0: not led here: nothing is in sync, no high watermark moves
 *   ISR-7  a replica joins only after it has reached the high watermark and the leader epoch's
 *          start
 */
#ifndef LEVEE_BROKER_IN_SYNC_H
#define LEVEE_BROKER_IN_SYNC_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { IN_SYNC_REPLICAS_MAX = 16, IN_SYNC_UNKNOWN_OFFSET = -1 };

struct in_sync {
    int32_t self_id; /* our broker id */
    int32_t leader_epoch;
    int32_t partition_epoch;
    int32_t min_insync_replicas; /* as configured */
    int64_t epoch_start_offset;  /* the leader's log end when leader_epoch began */
    uint32_t replica_count;
    uint32_t own;     /* place of self_id among the replicas */
    uint32_t isr;     /* committed: bit i is the replica at place i */
    uint32_t pending; /* the proposed set, as isr; 0: no change is pending */
    uint32_t isr_count;
    uint32_t proposal; /* number of the newest proposed change */
    int32_t replica_ids[IN_SYNC_REPLICAS_MAX];
    int64_t end_offsets[IN_SYNC_REPLICAS_MAX]; /* as told; IN_SYNC_UNKNOWN_OFFSET: not yet */
};

/* What the metadata says about a partition. */
struct in_sync_state {
    int32_t leader;
    int32_t leader_epoch;
    int32_t partition_epoch;
    const int32_t *replicas;
    uint32_t replica_count;
    const int32_t *isr;
    uint32_t isr_count;
};

/* A change for the controller to commit; with it comes the answer back. */
struct in_sync_change {
    uint32_t proposal;
    int32_t leader_epoch;
    int32_t partition_epoch; /* the one that it was proposed on */
    int32_t isr[IN_SYNC_REPLICAS_MAX];
    uint32_t isr_count;
};

/* Not led, and older than any committed state; in_sync_commit comes next. */
void in_sync_init(struct in_sync *set, int32_t self_id, int32_t min_insync_replicas);
void in_sync_set_min(struct in_sync *set, int32_t min_insync_replicas);

/* Take a committed state; log_end is the leader's.  The epochs that we have: nothing to do, and a
 * pending change stays.  A new leader epoch forgets what the followers told.  A state with another
 * leader is OK, and nothing is led.  ERR_FENCED_EPOCH: older than what we have, nothing changed.
 * ERR_TOO_LARGE (more replicas than IN_SYNC_REPLICAS_MAX), ERR_INVALID (ISR-1, ISR-2, or an id
 * twice): the epochs are taken, and nothing is led. */
must_use enum err in_sync_commit(struct in_sync *set, const struct in_sync_state *state,
                                 int64_t log_end);

/* A replica's end offset, under this leader epoch; a follower's may go back (it lost its tail).
 * ERR_NOT_FOUND: not a replica. */
must_use enum err in_sync_tell(struct in_sync *set, int32_t id, int64_t end_offset);

/* The leader's own, as far as its durability mode lets it count. */
static inline void in_sync_tell_own(struct in_sync *set, int64_t end_offset)
{
    set->end_offsets[set->own] = end_offset;
}

/* Where the high watermark may be, given where it is: the least end offset of the maximal set, or
 * current when that is not more, or while the committed set is smaller than the effective minimum
 * (maybeIncrementLeaderHW). */
int64_t in_sync_high_watermark(const struct in_sync *set, int64_t current);

static inline bool in_sync_leads(const struct in_sync *set)
{
    return set->replica_count > 0;
}

/* min.insync.replicas, but no more than there are replicas (effectiveMinIsr). */
static inline uint32_t in_sync_effective_min(const struct in_sync *set)
{
    uint32_t wanted = set->min_insync_replicas < 0 ? 0 : (uint32_t)set->min_insync_replicas;

    return wanted < set->replica_count ? wanted : set->replica_count;
}

/* May acks=all be promised?  The committed set counts: a proposed one may come to nothing. */
static inline bool in_sync_has_enough(const struct in_sync *set)
{
    return set->isr_count > 0 && set->isr_count >= in_sync_effective_min(set);
}

/* In the committed set; in the maximal set. */
bool in_sync_has(const struct in_sync *set, int32_t id);
bool in_sync_has_maximal(const struct in_sync *set, int32_t id);

/* Begin a change to the set of these ids.  ERR_NOT_FOUND: nothing is led; ERR_EXISTS: one is
 * pending (ISR-5); ERR_INVALID: ISR-1, ISR-2, an id twice, or the committed set itself;
 * ERR_OFFSET_RANGE: one that would join is behind (ISR-7). */
must_use enum err in_sync_propose(struct in_sync *set, const int32_t *ids, uint32_t count,
                                  int64_t high_watermark, struct in_sync_change *out);

/* The controller's answer to a change; false: it is not the pending one any more,
 * and nothing changed.  accepted: committed with partition_epoch.  refused: back to the committed
 * set, and only for an answer that says the change was not and will not be made
 * (INELIGIBLE_REPLICA).  After any other failure it may be committed yet: it stays pending, to be
 * asked again, until the answer or a committed state comes. */
bool in_sync_accepted(struct in_sync *set, const struct in_sync_change *change,
                      int32_t partition_epoch);
bool in_sync_refused(struct in_sync *set, const struct in_sync_change *change);

#endif
