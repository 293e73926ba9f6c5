/* load_pipes: the pipelines of one worker.  Owned by it; its thread alone. */
#ifndef LEVEE_TOOLS_LOAD_LOAD_PIPES_H
#define LEVEE_TOOLS_LOAD_LOAD_PIPES_H

#include "tools/load/load_pipe.h"

struct load_pipes {
    struct load_pipe *pipes;
    uint32_t count;
};

/* As many pipes as the workload has producers; every threads_count-th from worker on; none if it is
 * no pipeline. */
must_use enum err load_pipes_open(struct load_pipes *pipes, struct load_shared *shared,
                                  struct load_stats *stats, struct load_room *room,
                                  uint32_t worker);

/* When it wants to be called again (monotonic): 0 at once, UINT64_MAX: after the loop has turned.
 */
uint64_t load_pipes_turn(struct load_pipes *pipes, uint64_t now_ns);

bool load_pipes_are_ready(const struct load_pipes *pipes, bool *broken_out);
void load_pipes_close(struct load_pipes *pipes);
bool load_pipes_are_closed(const struct load_pipes *pipes);
void load_pipes_deinit(struct load_pipes *pipes);

#endif
