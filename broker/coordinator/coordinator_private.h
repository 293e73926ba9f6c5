/* coordinator_private: what the coordinator's own files share. */
#ifndef LEVEE_BROKER_COORDINATOR_COORDINATOR_PRIVATE_H
#define LEVEE_BROKER_COORDINATOR_COORDINATOR_PRIVATE_H

#include "broker/config.h"
#include "broker/coordinator/group.h"
#include "broker/coordinator/group_coordinator.h"
#include "broker/coordinator/state_log.h"
#include "broker/request.h"

/* One partition of __consumer_offsets that lives here. */
struct coordinator_partition {
    struct list node;
    struct partition *partition;
    bool failed; /* its records cannot be read: its groups are not served */
};

struct group_coordinator {
    struct shard *shard;
    struct hash_map groups; /* by id */
    struct list partitions;
    struct timer expiry;
    bool started;
    bool stopping;
};

/* ---- group_coordinator.c */
struct coordinator_partition *coordinator_partition_of(struct group_coordinator *groups,
                                                       int32_t index);
struct group *coordinator_find(struct group_coordinator *groups, struct wire_string id);
struct group *coordinator_get(struct group_coordinator *groups, struct wire_string id);
/* Is this group served here?  KAFKA_NONE, NOT_COORDINATOR, COORDINATOR_NOT_AVAILABLE. */
int16_t coordinator_check(struct group_coordinator *groups, struct wire_string group_id,
                          int32_t *partition_index_out);
/* A group without members, offsets and writes is forgotten. */
void coordinator_drop_if_idle(struct group *group);
/* Begin a write to the group's partition; false: the partition is gone. */
bool coordinator_write_init(struct group *group, struct state_write *write,
                            void (*done)(struct state_write *write, enum err err));
int16_t coordinator_write_error(enum err err);
int64_t coordinator_i64(const struct group_coordinator *groups, const char *name);

/* ---- group_expiry.c: records that nothing is left, then done */
void group_delete(struct group *group, void (*done)(void *context, int16_t error_code),
                  void *context);

/* ---- group_records.c */
void group_write_metadata(struct group *group, struct state_write *write,
                          const struct group_bytes *assignments);
void group_write_tombstone(struct group *group, struct state_write *write);
void group_write_offset(struct group *group, struct state_write *write, const char *topic,
                        int32_t partition, int64_t offset, int32_t leader_epoch,
                        struct wire_string metadata, int64_t commit_ms, int64_t expire_ms);
void group_write_offset_tombstone(struct group *group, struct state_write *write, const char *topic,
                                  int32_t partition);
/* Apply one record of the log; ERR_CORRUPT and others: it cannot be understood. */
must_use enum err group_apply_record(struct group_coordinator *groups, const uint8_t *key,
                                     int32_t key_bytes, const uint8_t *value, int32_t value_bytes);

/* ---- group_rebalance.c */
void group_touch(struct group_member *member); /* heard of: the session starts anew */
void group_end_waits(struct group *group, int16_t error_code);
void group_cancel_timers(struct group *group);
void group_start_sessions(struct group *group);

/* Who is it?  KAFKA_NONE and the member, or UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
int16_t group_identify(struct group *group, struct wire_string member_id,
                       struct wire_string instance_id, struct group_member **out);

#endif
