#include "broker/shard_tour.h"

static void go_on(struct request *request);

static void on_shard(struct request *request)
{
    request->tour->visit(request->tour, request->at);
    request_run_on(request, request->home, go_on);
}

static void go_on(struct request *request)
{
    struct shard_tour *tour = request->tour;
    const struct shards *shards = request->home->shards;

    if (tour->next_index == shards->count)
        tour->done(tour);
    else
        request_run_on(request, shards->at[tour->next_index++], on_shard);
}

void shard_tour_start(struct shard_tour *tour, struct request *request,
                      void (*visit)(struct shard_tour *tour, struct shard *at),
                      void (*done)(struct shard_tour *tour))
{
    *tour = (struct shard_tour){.request = request, .visit = visit, .done = done};
    request->tour = tour;
    go_on(request);
}
