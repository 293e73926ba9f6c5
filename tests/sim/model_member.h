/* model_member: a client that is a member of a classic group: joins, syncs, beats, commits, leaves.
 *
 * One question at a time.  It is OUT until JoinGroup was answered, JOINED until SyncGroup was, and
 * then a MEMBER that beats; now and then it asks for its assignment again, says something that
 * nobody may take (an old generation, an id that was given to nobody or belongs to the past), is
 * silent for longer than its session, forgets who it was, or leaves.  The name of a static one is
 * the beginning of all its ids, so that they can be known as one identity.
 *   MMB-1  what it assigned as the leader of a generation it assigns whenever it is asked again
 *   MMB-2  its assignments are values of its own (history.h), each of them unique */
#ifndef LEVEE_TESTS_MODEL_MEMBER_H
#define LEVEE_TESTS_MODEL_MEMBER_H

#include "tests/sim/model_client.h"
#include "tests/sim/model_topics.h"

enum {
    MODEL_MEMBERS_MAX = 64,
    MODEL_MEMBER_ID_BYTES = 64,
    MODEL_PROTOCOLS_MAX = 3,
    MODEL_BEATS_SETTLED = 20
};

enum model_member_state { MEMBER_OUT, MEMBER_JOINED, MEMBER_STABLE };

struct model_member_options {
    uint32_t group; /* in the history */
    bool is_static;
    uint32_t session_ms;
    uint32_t rebalance_ms;
    uint32_t pause_max_ms;
};

struct model_assigned {
    char member_id[MODEL_MEMBER_ID_BYTES];
    uint64_t value; /* 0: passed over */
};

struct model_member {
    struct model_client client;
    struct model_member_options options;
    const struct model_topics *topics;
    char group[24];
    char instance[24];
    char protocols[MODEL_PROTOCOLS_MAX][8]; /* as it prefers them */
    uint32_t metadata_bytes;
    struct model_call call;
    struct timer tick;
    enum model_member_state state;
    char id[MODEL_MEMBER_ID_BYTES];     /* empty: none */
    char old_id[MODEL_MEMBER_ID_BYTES]; /* from before it forgot or left */
    int32_t generation;
    char protocol[8];
    bool is_leader;
    struct model_assigned assigned[MODEL_MEMBERS_MAX]; /* by the leader, in this generation */
    uint32_t assigned_count;
    int32_t assigned_generation;
    bool may_assign; /* it was told the members, and not to pass over the assignment */
    uint64_t values_count;
    /* of the question under way */
    char asked_id[MODEL_MEMBER_ID_BYTES];
    int32_t asked_generation;
    bool asked_is_real; /* not something that nobody may take */
    uint64_t silent_until_ns;
    bool coordinator_known;
    bool busy;
    bool finishing;
    uint32_t beats_count; /* since it finishes, in one generation */
};

void model_member_init(struct model_member *member, struct sim_node *node, struct history *history,
                       const struct model_client_options *client,
                       const struct model_member_options *options,
                       const struct model_topics *topics);
void model_member_deinit(struct model_member *member);

/* From now on it stays, and beats until it has been a member for a while. */
void model_member_finish(struct model_member *member);

/* It was asked to finish, and its last beats were all answered as those of a member. */
static inline bool model_member_is_settled(const struct model_member *member)
{
    return member->beats_count >= MODEL_BEATS_SETTLED;
}

#endif
