#include "broker/scatter.h"

#include "base/check.h"

static void drop_one(struct scatter *scatter)
{
    check(scatter->pending_count > 0);
    if (--scatter->pending_count == 0)
        scatter->gathered(scatter);
}

static void on_run(struct shard_call *call)
{
    struct scatter_piece *piece = container_of(call, struct scatter_piece, call);

    piece->run(piece, call->target);
}

static void on_done(struct shard_call *call)
{
    struct scatter_piece *piece = container_of(call, struct scatter_piece, call);

    piece->is_back = true;
    drop_one(piece->scatter);
}

void scatter_begin(struct scatter *scatter, struct shard *home,
                   void (*gathered)(struct scatter *scatter))
{
    *scatter = (struct scatter){.home = home};
    scatter->pending_count = 1; /* until scatter_end, so that no piece gathers early */
    scatter->gathered = gathered;
}

void scatter_start(struct scatter *scatter, struct scatter_piece *piece, struct shard *target,
                   void (*run)(struct scatter_piece *piece, struct shard *at))
{
    scatter->pending_count++;
    piece->scatter = scatter;
    piece->run = run;
    piece->next = scatter->pieces;
    scatter->pieces = piece;
    shard_call_start(&piece->call, scatter->home, target, on_run, on_done);
}

void scatter_finish(struct scatter_piece *piece)
{
    piece->is_finished = true;
    shard_call_finish(&piece->call);
}

/* ---- canceling */

static void cancel_there(struct shard_call *call)
{
    struct scatter_piece *piece = container_of(call, struct scatter_piece, cancel_call);

    if (!piece->is_finished) /* SCT-2 */
        piece->cancel(piece, piece->why);
    shard_call_finish(call);
}

static void start_cancel(struct scatter_piece *piece);

static void on_cancel_back(struct shard_call *call)
{
    struct scatter_piece *piece = container_of(call, struct scatter_piece, cancel_call);

    piece->is_canceling = false;
    if (piece->why < piece->scatter->canceled)
        start_cancel(piece); /* a stronger reason came meanwhile */
    drop_one(piece->scatter);
}

static void start_cancel(struct scatter_piece *piece)
{
    struct scatter *scatter = piece->scatter;

    if (piece->is_back || piece->is_canceling || piece->cancel == NULL)
        return;
    scatter->pending_count++; /* SCT-1 */
    piece->is_canceling = true;
    piece->why = scatter->canceled;
    shard_call_start(&piece->cancel_call, scatter->home, piece->call.target, cancel_there,
                     on_cancel_back);
}

void scatter_cancel(struct scatter *scatter, int why)
{
    scatter->canceled = why;
    scatter->pending_count++; /* ours, so that the list outlives the walk */
    for (struct scatter_piece *piece = scatter->pieces; piece != NULL; piece = piece->next)
        start_cancel(piece);
    drop_one(scatter);
}

void scatter_end(struct scatter *scatter)
{
    drop_one(scatter);
}
