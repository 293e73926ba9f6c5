/* group_join: who a member is, and its wait for the generation.  On the coordinator's loop. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_JOIN_H
#define LEVEE_BROKER_COORDINATOR_GROUP_JOIN_H

#include "broker/coordinator/group.h"

/* For the generation, with what its member was told of it; a join that waited before is
 * replaced. */
void group_wait_to_join(struct group_member *member, struct request *request);

/* Who is it?  KAFKA_NONE and the member, or UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID. */
int16_t group_identify(struct group *group, struct wire_string member_id,
                       struct wire_string instance_id, struct group_member **out);

#endif
