/* load_consumers: the consumers of one worker.  Owned by it; its thread alone. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_CONSUMERS_H
#define LEVEE_TOOLS_LOAD_LOAD_CONSUMERS_H

#include "tools/load/load_reader.h"

struct load_consumers {
    struct load_shared *shared;
    struct load_reader *readers;
    uint32_t count;
    uint64_t churn_at_ns; /* when the next member leaves and comes again; UINT64_MAX: never */
    uint32_t churn_next;
};

/* Every threads_count-th consumer of the run, from worker on. */
must_use enum err load_consumers_open(struct load_consumers *consumers, struct load_shared *shared,
                                      struct load_stats *stats, struct load_room *room,
                                      uint32_t worker);

/* When it wants to be called again (monotonic): 0 at once, UINT64_MAX: after the loop has turned.
 */
uint64_t load_consumers_turn(struct load_consumers *consumers, uint64_t now_ns);

bool load_consumers_are_ready(const struct load_consumers *consumers, bool *broken_out);
bool load_consumers_are_at_end(struct load_consumers *consumers);
void load_consumers_close(struct load_consumers *consumers);
bool load_consumers_are_closed(const struct load_consumers *consumers);
void load_consumers_deinit(struct load_consumers *consumers);

#endif
