/* group_scatter: a request that names groups, each asked on its shard, gathered at home.
 *
 * Owned by the request (its arena).  One piece for each shard walks the groups that live there, a
 * slice in each turn of the loop, and keeps what they say in memory of its own.
 *   GSC-1  a group is asked once: one that is named again is refused, or a request of a few bytes a
 *       group could ask for any number of copies of a large one
 *   GSC-2  what a piece keeps is counted where the request is, in its shard's budget of decoded
 *       requests and answers, and goes back with the request */
#ifndef LEVEE_BROKER_COORDINATOR_GROUP_SCATTER_H
#define LEVEE_BROKER_COORDINATOR_GROUP_SCATTER_H

#include "base/hash_map.h"
#include "broker/request.h"
#include "broker/scatter.h"

struct group_scatter;

struct group_scatter_piece {
    struct scatter_piece piece;
    struct group_scatter *all;
    struct shard *at;
    struct arena arena;   /* for what its groups say */
    uint32_t first, last; /* of its groups: index + 1; 0: none */
    struct task more;
};

struct group_scatter {
    struct scatter scatter;
    struct request *request;
    struct group_scatter_piece *pieces; /* one a shard */
    uint32_t *next;                     /* by index: the next one of the same shard, as in first */
    struct hash_map seen;               /* by group id, until the pieces start */
    /* On the group's shard: group index of the request; what it cost (1: little), to end slices.
     * NULL from piece->arena is an ordinary answer: group_scatter_refusal. */
    uint32_t (*ask)(struct group_scatter_piece *piece, uint32_t index);
    /* At home, once all were asked. */
    void (*gathered)(struct group_scatter *all);
};

/* count: of groups that will be added at most.  False: there is no memory, and nothing began. */
must_use bool group_scatter_begin(struct group_scatter *all, struct request *request, int32_t count,
                                  uint32_t (*ask)(struct group_scatter_piece *piece,
                                                  uint32_t index),
                                  void (*gathered)(struct group_scatter *all));

/* Ask this group.  KAFKA_NONE; INVALID_REQUEST: it was added before. */
int16_t group_scatter_add(struct group_scatter *all, uint32_t index, struct wire_string group_id);

/* All were added; gathered may run inside this call. */
void group_scatter_end(struct group_scatter *all);

/* What a group is answered whose part of the answer found no memory: COORDINATOR_LOAD_IN_PROGRESS,
 * so that it is asked for again, or UNKNOWN_SERVER_ERROR when it would never fit. */
int16_t group_scatter_refusal(const struct group_scatter_piece *piece);

#endif
