/* group_rebalance: how a group moves, and the times of its members.  On the coordinator's loop. */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_REBALANCE_H
#define LEVEE_BROKER_COORDINATOR_GROUP_REBALANCE_H

#include "broker/coordinator/group.h"

struct loop *group_loop(const struct group *group);

void group_prepare_rebalance(struct group *group);
void group_try_complete(struct group *group); /* when all have joined */
void group_after_loss(struct group *group);   /* a member is gone: the rest rebalances */
void group_record(struct group *group);       /* as it is now; nobody waits for it */

/* ---- members */

void group_touch(struct group_member *member);        /* heard of: the session starts anew */
void group_hold_session(struct group_member *member); /* its request waits: we are late, not it */
void group_forget(struct group_member *member, int16_t error_code); /* answers what waits */
void group_end_waits(struct group *group, int16_t error_code);      /* all answered with it */

/* ---- ids that were handed out (KIP-394) */

void group_on_pending_end(struct timer *timer);
void group_end_pending(struct group *group); /* they are worth nothing any more */

/* ---- the group's life */

void group_start_sessions(struct group *group); /* it is served from now on */
void group_cancel_timers(struct group *group);

#endif
