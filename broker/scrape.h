/* scrape: what the loops tell for one answer of /metrics: topics, partitions, groups.
 *
 * One per broker.  A tour: shard 0 plans which partitions are told (in order of topic names, whole
 * topics, at most levee.metrics.rows.max partitions), each shard tells its groups, then each shard
 * its partitions and how far behind the groups are; then done, and the thread that scrapes takes
 * the facts with the registry (scrape_register).
 *   SCR-1  at most one tour at a time; its facts belong to the loop where it is, and after done to
 *          the thread that scrapes
 *   SCR-2  a loop is held for a slice of rows in one turn; between two nothing is kept that could
 *          go away: names and numbers, no pointers
 *   SCR-3  what is beyond the limit is counted, and told in one log line (LVE-1112) at the first
 *          time
 *   SCR-4  what is created, deleted or moved during a tour may be missing in its facts */
#ifndef LEVEE_BROKER_SCRAPE_H
#define LEVEE_BROKER_SCRAPE_H

#include "base/metrics.h"

#include <stdbool.h>
#include <stdint.h>

struct scrape;
struct shards;

/* rows_max: of partitions, and of committed offsets.  shards must be complete before the first
 * scrape_start. */
struct scrape *scrape_create(const struct shards *shards, uint32_t rows_max);

/* No tour is under way, or no loop runs any more.  NULL is allowed. */
void scrape_destroy(struct scrape *scrape);

/* The facts of the last tour go with the registry's text, once. */
void scrape_register(struct scrape *scrape, struct metrics *metrics);

/* From any thread, while the loops run: begin a tour; done(context) runs on the loop where it ends.
 * False: one is under way, and nothing was begun. */
bool scrape_start(struct scrape *scrape, void (*done)(void *context), void *context);

#endif
