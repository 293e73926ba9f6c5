/* scatter: one request's pieces, each run on the shard of its partition, gathered at home.
 *
 * Owned by the request (its arena).  Pieces may end in any order, also inside scatter_start.
 *   C1  gathered runs once, on the home shard, after scatter_end and after the last piece ended */
#ifndef LEVEE_BROKER_SCATTER_H
#define LEVEE_BROKER_SCATTER_H

#include "broker/shard.h"

struct scatter {
    struct shard *home;
    uint32_t pending_count;
    void (*gathered)(struct scatter *scatter);
};

struct scatter_piece {
    struct shard_call call;
    struct scatter *scatter;
    void (*run)(struct scatter_piece *piece, struct shard *at);
};

void scatter_begin(struct scatter *scatter, struct shard *home,
                   void (*gathered)(struct scatter *scatter));

/* run(piece, target) on target; it ends, now or later, in scatter_finish. */
void scatter_start(struct scatter *scatter, struct scatter_piece *piece, struct shard *target,
                   void (*run)(struct scatter_piece *piece, struct shard *at));

/* On the piece's target, once. */
void scatter_finish(struct scatter_piece *piece);

/* No more pieces follow. */
void scatter_end(struct scatter *scatter);

#endif
