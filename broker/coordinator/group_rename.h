/* group_rename: a static member comes under a new id (KIP-345).  On the coordinator's loop. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_RENAME_H
#define LEVEE_BROKER_COORDINATOR_GROUP_RENAME_H

#include "broker/coordinator/group.h"

/* Answers request, now or when the id is recorded. */
void group_replace_static(struct group_member *member, struct request *request,
                          const char *member_id);

#endif
