/* group_commit: what a commit of offsets keeps for the moment when its records are applied. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_COMMIT_H
#define LEVEE_BROKER_COORDINATOR_GROUP_COMMIT_H

#include "broker/coordinator/group_offsets.h"
#include "broker/coordinator/runtime_write.h"

/* Where the record with this index of a commit's write goes: the offset is begun, and metadata is
 * the memory for what the record says, filled. */
struct group_commit_place {
    struct group_offset *entry;
    const struct uuid *topic_id; /* which older records do not tell */
    struct group_bytes *metadata;
};
struct group_commit_place group_commit_place(struct runtime_write *write, uint32_t index);

#endif
