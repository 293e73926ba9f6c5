/* group_records: groups as records of __consumer_offsets, and back (Kafka's
 * GroupCoordinatorRecordHelpers, GroupMetadataManager).  On the coordinator's loop. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_RECORDS_H
#define LEVEE_BROKER_COORDINATOR_GROUP_RECORDS_H

#include "broker/coordinator/group_write.h"

/* ---- one more record of a write, about its group */

/* As it is now.  assignments: in the order of its members; NULL: those that they have. */
void group_records_metadata(struct group_write *write, const struct group_bytes *assignments);
/* That this generation is being formed: a start goes on with the rebalance. */
void group_records_generation(struct group_write *write, int32_t generation);
void group_records_tombstone(struct group_write *write);
void group_records_offset(struct group_write *write, const char *topic, const struct uuid *topic_id,
                          int32_t partition, int64_t offset, int32_t leader_epoch,
                          struct wire_string metadata, int64_t commit_ms, int64_t expire_ms);
void group_records_offset_tombstone(struct group_write *write, const char *topic,
                                    int32_t partition);

/* Do what one record says, or a marker; of a write it does not fail.  ERR_NOMEM; ERR_CORRUPT and
 * others: it cannot be understood. */
must_use enum err group_records_apply(struct group_coordinator *groups,
                                      const struct runtime_record *record);

#endif
