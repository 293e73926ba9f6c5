/* group_write: records of one group on their way into its partition (runtime_write.h).
 *
 * Embedded in the struct of whoever waits for it.  It keeps the group alive until group_write_end.
 * On the coordinator's loop.  Committed offsets change when their records are applied
 * (group_records.h).  Members are ahead of the log, as in Kafka's ClassicGroup: they are in memory
 * when they have joined, and the group's record tells of them later; what follows from that record
 * being durable is recorded(). */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_WRITE_H
#define LEVEE_BROKER_COORDINATOR_GROUP_WRITE_H

#include "broker/coordinator/group.h"
#include "broker/coordinator/runtime_write.h"

struct group_write {
    struct runtime_write records;
    struct group *group;
    /* The group's own record is being applied; it needs no memory and answers nobody.  NULL: what
     * it says is in memory already. */
    void (*recorded)(struct group_write *write);
    /* It says what is known: instead of applying its record of an offset, which stands there.
     * NULL: it says something new. */
    void (*restated)(struct group_write *write, uint32_t index, int64_t record_offset);
    void (*done)(struct group_write *write, enum err err);
};

/* Add records (group_records.h), then runtime_write_start, or group_write_end.  done as of any
 * write (RWR-1, RWR-2).  False: the group's partition is not served. */
must_use bool group_write_begin(struct group_write *write, struct group *group,
                                void (*done)(struct group_write *write, enum err err));

/* The same into another partition of __consumer_offsets (group_move.h). */
must_use bool group_write_begin_in(struct group_write *write, struct group *group,
                                   int32_t partition_index,
                                   void (*done)(struct group_write *write, enum err err));

/* It was done, or is not started.  Then the group may go: coordinator_drop_if_idle. */
void group_write_end(struct group_write *write);

#endif
