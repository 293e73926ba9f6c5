/* shard_tour: one request that looks at something on every shard, one after the other.
 *
 * Embedded in the handler's state, in the request's arena.  Unlike the pieces of a scatter, a visit
 * may allocate from the request, because no other one runs meanwhile.
 *   TOUR-1  visit runs once on each shard, by number; done once, at home, after the last of them */
#ifndef LEVEE_BROKER_SHARD_TOUR_H
#define LEVEE_BROKER_SHARD_TOUR_H

#include "broker/request.h"

struct shard_tour {
    struct request *request;
    uint32_t next_index;
    void (*visit)(struct shard_tour *tour, struct shard *at);
    void (*done)(struct shard_tour *tour);
};

/* From the request's home.  done may run inside this call; it ends the request. */
void shard_tour_start(struct shard_tour *tour, struct request *request,
                      void (*visit)(struct shard_tour *tour, struct shard *at),
                      void (*done)(struct shard_tour *tour));

#endif
