/* oracle_group: what no correct broker lets the members of a classic group see.
 *
 * Part of an oracle, which hands it the events of members.  Each client asks one thing at a time;
 * what was known when it asked is kept until its answer.  Complaints (docs/rules.md):
 *   DUR-G1   a generation is lower than one that somebody knew when the question was asked; or one
 *        generation has two leaders, two protocols or two sets of members
 *   DUR-G2   taken from a member that cannot be one: an older generation, an id that was given to
 *        nobody, one that left, one whose instance has another id by now
 *   DUR-G9   an assignment that is not the one which the generation's leader sent for this member
 *   DUR-G10  a member whose generation had an assignment is out of it, and was heard of all the
 *   time
 *        that a broker ran; a start of the broker begins that time anew.  Or a rebalance runs after
 *        a start, and all members had their assignment, and none has asked for anything else
 * A leader's second request for an assignment must bring the same. */
#ifndef LEVEE_TESTS_ORACLE_GROUP_H
#define LEVEE_TESTS_ORACLE_GROUP_H

#include "tests/sim/history.h"

struct oracle;

enum { ORACLE_GROUPS_MAX = 4 };

struct oracle_generation; /* as it was told */

struct oracle_group {
    struct oracle_generation *generations; /* by number */
    uint64_t generations_count;            /* 1 + the largest that was told */
    uint64_t generations_capacity;
    uint64_t doubtful_life; /* of the broker: what a member has asked may still arrive */
};

struct oracle_member {
    /* the question that waits for its answer */
    bool is_open;
    uint64_t asked_api;
    uint64_t asked_ns;
    uint64_t asked_life;     /* of the broker, then */
    int32_t asked_floor;     /* the largest generation that anybody knew */
    const char *asked_stale; /* why it cannot be taken; NULL: it may */
    /* what this client is */
    bool is_used;
    uint32_t group;
    uint64_t member; /* told last; 0: none */
    uint64_t left;   /* told that it is out; 0: none */
    uint64_t left_life;
    int32_t generation;  /* in which it had its assignment, */
    bool is_sure;        /* and must still be a member in it, */
    uint64_t proof_ns;   /* as it was when it asked then, */
    uint64_t proof_life; /* in this life of the broker */
    uint64_t patience_ns;
};

struct oracle_groups {
    struct oracle_group at[ORACLE_GROUPS_MAX];
    struct oracle_member members[HISTORY_CLIENTS_MAX];
    uint64_t life; /* of the broker */
    uint64_t life_began_ns;
    bool is_down;
    bool lacks_memory; /* a broker may have to read its groups again: it takes any heartbeat then */
    uint64_t generations_count; /* that were told */
    uint64_t kept_count;        /* memberships that outlived a broker */
};

struct oracle_groups *oracle_groups_create(void);
void oracle_groups_destroy(struct oracle_groups *groups);

/* An event of the kinds BROKER_UP to MEMBER_REFUSED. */
void oracle_groups_take(struct oracle *oracle, const struct history_event *event);

#endif
