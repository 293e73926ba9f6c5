/* group_removal: offsets of one group, or the whole group, on their way out: tombstones, applied
 * when they are durable.
 *
 * On the coordinator's loop; it keeps the group alive until it has ended.
 *   R1  a tombstone is written only while the offset's newest record in the log is the one that is
 *       in memory, or because the client asks for it: so none follows a newer commit */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_REMOVAL_H
#define LEVEE_BROKER_COORDINATOR_GROUP_REMOVAL_H

#include "broker/coordinator/group_offsets.h"

struct group_removal;

/* NULL: the group's partition is gone. */
must_use struct group_removal *group_removal_begin(struct group *group);

void group_removal_add(struct group_removal *removal, struct group_offset *offset);

/* The group too, unless it has moved on by then: its record, and the ids that it handed out. */
void group_removal_add_group(struct group_removal *removal);

/* Everything that the group has, and the group. */
must_use struct group_removal *group_removal_begin_all(struct group *group);

/* Once all is added: *in_flight counts its offsets until it has ended. */
void group_removal_count_in(struct group_removal *removal, uint32_t *in_flight);

/* done(context, error_code), which may be NULL, runs once, perhaps inside this call; not when the
 * coordinator is being destroyed. */
void group_removal_start(struct group_removal *removal,
                         void (*done)(void *context, int16_t error_code), void *context);

/* Before done: it does not run any more.  The removal goes on: it was asked for. */
void group_removal_forget(struct group_removal *removal);

#endif
