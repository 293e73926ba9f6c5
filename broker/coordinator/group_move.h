/* group_move: groups of which an earlier levee wrote into another partition of __consumer_offsets
 * than Kafka does.
 *
 * Kafka puts a group into the partition of its Java hash's absolute value (java_hash.h), levee 0.1
 * into that of the hash without its sign bit: another one for negative hashes.  So the records of a
 * group may stand in its old partition, in its own, or in both.  On the coordinator's loop.
 *   GMV-1  a group lives in its own partition.  What its old one has of it is read, written anew
 *       into its own, and when that is durable deleted from the old one: a crash between leaves
 *       both, and the next start goes on
 *   GMV-2  of an offset of which both have one the one counts that was committed later by its time,
 *       at the same time its own; of the group's state its own partition's.  A tombstone takes only
 *       what stands in the same partition
 *   GMV-3  where the own partition is on another shard, the group stays where it is, is not found
 *       by clients, and that is told (LVE-5009): a start with one shard moves it */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_MOVE_H
#define LEVEE_BROKER_COORDINATOR_GROUP_MOVE_H

#include "broker/coordinator/group_coordinator.h"

struct group;

void group_move_init(struct group_coordinator *groups);
void group_move_deinit(struct group_coordinator *groups);

/* A record of the group was read in this partition. */
void group_move_note(struct group *group, int32_t partition_index);

/* Was it read in the group's old partition? */
bool group_move_is_foreign(const struct group *group, const struct runtime_record *record);

/* Is a record of the group's state to be applied (GMV-2)?  It is noted as such. */
bool group_move_takes_state(struct group *group, const struct runtime_record *record);

/* A tombstone was applied: does the old partition still have something of the group? */
void group_move_settle(struct group *group);

/* The partition goes: what is under way of its groups in another one is left alone. */
void group_move_cut(struct group_coordinator *groups, int32_t index);

/* The partition was read: tell of groups that stay where they were found. */
void group_move_tell(struct group_coordinator *groups, int32_t index);

/* A partition was read, or the coordinator starts: groups of which all was read say what counts,
 * and are moved, one after the other. */
void group_move_start(struct group_coordinator *groups);

/* Was all read that the old partition of a group with this id may say of it?  KAFKA_NONE;
 * COORDINATOR_LOAD_IN_PROGRESS: not yet; COORDINATOR_NOT_AVAILABLE: it cannot be (half a truth is
 * not told, DUR-G3). */
int16_t group_move_check(const struct group_coordinator *groups, const char *id, size_t id_bytes,
                         const struct image_topic *offsets_topic);

#endif
