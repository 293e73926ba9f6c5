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
    drop_one(container_of(call, struct scatter_piece, call)->scatter);
}

void scatter_begin(struct scatter *scatter, struct shard *home,
                   void (*gathered)(struct scatter *scatter))
{
    scatter->home = home;
    scatter->pending_count = 1; /* until scatter_end, so that no piece gathers early */
    scatter->gathered = gathered;
}

void scatter_start(struct scatter *scatter, struct scatter_piece *piece, struct shard *target,
                   void (*run)(struct scatter_piece *piece, struct shard *at))
{
    scatter->pending_count++;
    piece->scatter = scatter;
    piece->run = run;
    shard_call_start(&piece->call, scatter->home, target, on_run, on_done);
}

void scatter_finish(struct scatter_piece *piece)
{
    shard_call_finish(&piece->call);
}

void scatter_end(struct scatter *scatter)
{
    drop_one(scatter);
}
