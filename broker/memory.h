/* memory: the budgets of one shard, one a purpose; none lends to another.
 *
 * Owned by its shard.  Each is a slab: bufs are made in it, and other memory is counted in its
 * budget.  The larger bufs of all are pages of one pool of the shard.  Each has a gauge and a
 * counter of refusals under its name, and a refusal is a log line (LVE-1109).  What the limits are
 * made of: memory_limits.h.
 *   MEM-1  taken and waited for on the shard's loop; given back on any thread
 *   MEM-2  a limit holds for a purpose in the whole process; each shard has an equal part */
#ifndef LEVEE_BROKER_MEMORY_H
#define LEVEE_BROKER_MEMORY_H

#include "base/buffer_pool.h"
#include "base/loop.h"
#include "base/slab.h"
#include "broker/memory_limits.h"

struct log_sink;
struct metrics;

struct memory {
    struct buffer_pool
        buffers; /* what the larger bufs of all slabs, and arenas of requests, are of */
    struct slab slabs[MEMORY_PURPOSE_COUNT];
    struct loop *loop;
    struct mail trim_mail;
    struct task trim_task;
    bool is_trimming; /* atomic: trim_mail or trim_task is under way */
    struct log_sink *sink;
};

/* limits: of one shard.  loop and sink stay the caller's. */
void memory_init(struct memory *memory, const struct memory_limits *limits, struct loop *loop,
                 struct log_sink *sink);

/* All bufs and arenas must be back; a zeroed one is accepted. */
void memory_deinit(struct memory *memory);

/* The calling thread turns the loop from now on. */
void memory_own(struct memory *memory);

/* From any thread: the loop is to give what idle buffers keep back to the system, in steps. */
void memory_trim(struct memory *memory);

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
