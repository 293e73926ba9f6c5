/* group_expiry: what goes away by itself: offsets and empty groups by time, offsets with their
 * topic.
 *
 * Part of the group_coordinator, on its loop. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_EXPIRY_H
#define LEVEE_BROKER_COORDINATOR_GROUP_EXPIRY_H

#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/group_removal.h"

void group_expiry_init(struct group_coordinator *groups);
void group_expiry_deinit(struct group_coordinator *groups);
/* Sweep what a crash, or a partition that was loaded late, has left of deleted topics. */
void group_expiry_forget_orphans(struct group_coordinator *groups);
/* Was the topic of a commit deleted while it was being recorded?  Then its tombstone is added to
 * *removal, which is begun with the first one, or a sweep comes for it. */
void group_forget_vanished(struct group_offset *offset, struct group_removal **removal);
/* What is committed of it has changed without a commit of its own (a transaction has ended): was
 * its topic deleted meanwhile? */
void group_expiry_look_again(struct group_offset *offset);
/* The tombstone that a sweep wrote for it is not in the log. */
void group_sweep_again(struct group_offset *offset);

#endif
