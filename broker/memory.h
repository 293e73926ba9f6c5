/* memory: the budgets of one shard, one a purpose; none lends to another.
 *
 * Owned by its shard.  Each is a slab: bufs are made in it, and other memory is counted in its
 * budget.  Each has a gauge and a counter of refusals under its name, and a refusal is a log line
 * (LVE-1109).  What the limits are made of: memory_limits.h.
 *   B1  taken and waited for on the shard's loop; given back on any thread
 *   B2  a limit holds for a purpose in the whole process; each shard has an equal part */
#ifndef LEVEE_BROKER_MEMORY_H
#define LEVEE_BROKER_MEMORY_H

#include "base/slab.h"
#include "broker/memory_limits.h"

struct log_sink;
struct metrics;

struct memory {
    struct slab slabs[MEMORY_PURPOSE_COUNT];
    struct log_sink *sink;
};

/* limits: of one shard.  loop and sink stay the caller's. */
void memory_init(struct memory *memory, const struct memory_limits *limits, struct loop *loop,
                 struct log_sink *sink);

static inline struct slab *memory_slab(struct memory *memory, enum memory_purpose purpose)
{
    return &memory->slabs[purpose];
}

static inline struct budget *memory_budget(struct memory *memory, enum memory_purpose purpose)
{
    return &memory->slabs[purpose].budget;
}

void memory_register_metrics(const struct memory *memory, struct metrics *metrics);

#endif
