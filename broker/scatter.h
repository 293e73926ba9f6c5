/* scatter: one request's pieces, each run on the shard of its partition, gathered at home.
 *
 * Owned by the request (its arena).  Pieces may end in any order, also inside scatter_start.
 *   SCT-1  gathered runs once, on the home shard, after scatter_end and after the last piece ended
 *          and every cancel has run
 *   SCT-2  cancel runs on the piece's shard, only while the piece has not finished */
#ifndef LEVEE_BROKER_SCATTER_H
#define LEVEE_BROKER_SCATTER_H

#include "broker/shard.h"

struct scatter {
    struct shard *home;
    struct scatter_piece *pieces; /* newest first */
    uint32_t pending_count;
    int canceled; /* why; 0: not */
    void (*gathered)(struct scatter *scatter);
};

struct scatter_piece {
    struct shard_call call;
    struct shard_call cancel_call;
    struct scatter *scatter;
    struct scatter_piece *next; /* of the scatter */
    void (*run)(struct scatter_piece *piece, struct shard *at);
    /* Optional, set before scatter_start: the piece should not wait any longer. */
    void (*cancel)(struct scatter_piece *piece, int why);
    bool is_back;     /* home's */
    bool is_finished; /* its shard's */
    bool is_canceling;
    int why; /* of the cancel that is under way */
};

void scatter_begin(struct scatter *scatter, struct shard *home,
                   void (*gathered)(struct scatter *scatter));

/* run(piece, target) on target; it ends, now or later, in scatter_finish. */
void scatter_start(struct scatter *scatter, struct scatter_piece *piece, struct shard *target,
                   void (*run)(struct scatter_piece *piece, struct shard *at));

/* On the piece's target, once. */
void scatter_finish(struct scatter_piece *piece);

/* At home, after scatter_end, before gathered: tell every piece that waits, on its shard, to end
 * (its cancel).  why: an enum request_cancel, above 0; each call a stronger reason. */
void scatter_cancel(struct scatter *scatter, int why);

/* No more pieces follow. */
void scatter_end(struct scatter *scatter);

#endif
