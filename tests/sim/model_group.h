/* model_group: a client that commits offsets in a group of its own, and asks for them again.
 *
 * It is no member (generation -1, as a consumer that assigns its partitions itself).  Offsets of a
 * partition grow from commit to commit, one request is under way at a time.
 *   MGR-1  a commit that was not acknowledged is of unknown fate, unless the answer says why it was
 *       refused
 *   MGR-3  with pipelines, some commits are followed at once by the question for the same
 *          partitions: its answer is at least what the commit before it was acknowledged with
 *   MGR-2  what is read is told with what was acknowledged when the question was asked (DUR-G3) */
#ifndef LEVEE_TESTS_MODEL_GROUP_H
#define LEVEE_TESTS_MODEL_GROUP_H

#include "tests/sim/model_client.h"
#include "tests/sim/model_topics.h"
#include "tests/sim/oracle.h"

struct model_group {
    struct model_client client;
    const struct model_topics *topics;
    const struct oracle *oracle;
    char name[16];
    struct model_call call;
    struct model_call behind; /* a question right behind a commit */
    struct timer tick;
    uint32_t pause_max_ms;
    int64_t next_offset;
    uint32_t asked_partitions[HISTORY_PARTITIONS_MAX]; /* of the request under way */
    int64_t asked_floors[HISTORY_PARTITIONS_MAX];      /* by partition */
    int64_t asked_offset;
    uint32_t asked_count;
    uint64_t reads_count; /* partitions whose offset was answered */
    bool coordinator_known;
    bool busy;
    bool behind_busy;
    bool pipelines; /* the caller's to set */
    bool finishing; /* no commits any more */
};

void model_group_init(struct model_group *group, struct sim_node *node, struct history *history,
                      const struct model_client_options *client, uint32_t pause_max_ms,
                      const struct model_topics *topics, const struct oracle *oracle);
void model_group_deinit(struct model_group *group);

#endif
