/* group_answer: what members are answered.  On the coordinator's loop. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_ANSWER_H
#define LEVEE_BROKER_COORDINATOR_GROUP_ANSWER_H

#include "broker/coordinator/group.h"
#include "broker/request.h"

bool group_is_leader(const struct group_member *member);

/* member_id NULL: as the client said, or none when the join has waited, as in Kafka. */
void group_refuse_join(struct request *request, int16_t error_code, const char *member_id);
void group_refuse_sync(struct request *request, int16_t error_code);

/* The join of a member: its generation; leader_id: whom it is told as the leader. */
void group_answer_join(struct group_member *member, struct request *request, const char *leader_id,
                       bool with_members, bool skip_assignment);

/* The sync that waits: its assignment. */
void group_answer_sync(struct group_member *member);

#endif
