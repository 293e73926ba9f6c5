/* group_removal: offsets of one group, or the whole group, on their way out: tombstones, applied
 * when they are durable.
 *
 * On the coordinator's loop; it keeps the group alive until it has ended.
 *   GRM-1  a tombstone is written only while the offset's newest record in the log is the one that
 *          is in memory, or because the client asks for it: so none follows a newer commit
 *   GRM-2  a removal of offsets is one batch, so all of it or nothing is in the log.  One of a
 *          whole group that is large is put together, and applied, a slice in each turn; meanwhile
 *          nobody joins the group or commits in it (group.removal), and so the slices cannot miss
 *          anything
 *   GRM-3  a whole group that does not fit in a batch is several, one after the other, the group in
 *       the last one: a crash, or an error, leaves the group with the offsets that are left, and
 *       who asks again removes those */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_REMOVAL_H
#define LEVEE_BROKER_COORDINATOR_GROUP_REMOVAL_H

#include "broker/coordinator/group_offsets.h"

struct group_removal;

/* ERR_NOT_FOUND: the group's partition is gone.  ERR_FULL: all of the group is on its way out.
 * ERR_NOMEM. */
must_use enum err group_removal_begin(struct group *group, struct group_removal **out);

/* These bytes, and those before, were taken from the groups' budget for it: they go back when it
 * has ended. */
void group_removal_charge(struct group_removal *removal, uint64_t taken_bytes);

/* ERR_NOMEM: it stays, and the removal is as it was. */
must_use enum err group_removal_add(struct group_removal *removal, struct group_offset *offset);

/* The group too, unless it has moved on by then: its record, and the ids that it handed out. */
void group_removal_add_group(struct group_removal *removal);

/* Instead of starting it: as if it had never begun.  The group stays. */
void group_removal_drop(struct group_removal *removal);

/* Once all is added: *in_flight counts its offsets until it has ended. */
void group_removal_count_in(struct group_removal *removal, uint32_t *in_flight);

/* done(context, error_code), which may be NULL, runs once, perhaps inside this call; not when the
 * coordinator is being destroyed. */
void group_removal_start(struct group_removal *removal,
                         void (*done)(void *context, int16_t error_code), void *context);

/* The same with everything that the group has, and the group.  Nothing was added before. */
void group_removal_start_all(struct group_removal *removal,
                             void (*done)(void *context, int16_t error_code), void *context);

/* Before done: it does not run any more.  The removal goes on: it was asked for. */
void group_removal_forget(struct group_removal *removal);

/* The group's partition goes away, or all ends, and its writes have ended: what is being put
 * together ends with err. */
void group_removal_cut(struct group *group, enum err err);

#endif
