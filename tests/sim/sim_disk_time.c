/* When a disk does what it was asked: latencies, stalls, and what is held back. */
#include "tests/sim/sim_disk_private.h"

static uint64_t draw_time(struct sim_disk *disk, const struct sim_span *span)
{
    uint64_t low = span->min_ns;
    uint64_t high = span->max_ns > low ? span->max_ns : low;

    if (!prng_chance(&disk->time_prng, 1, 16)) /* mostly near the fast end */
        high = low + (high - low) / 8;
    return low + prng_below(&disk->time_prng, high - low + 1);
}

static void job_due(struct sim_event *event)
{
    struct sim_disk_job *job = container_of(event, struct sim_disk_job, event);
    struct sim_disk *disk = job->disk;

    if ((disk->held_ops & 1U << job->op) != 0) {
        list_push_back(&disk->held, &job->node);
        return;
    }
    if (disk->stalled_until_ns > disk->queue->now_ns) {
        uint64_t wait = disk->stalled_until_ns - disk->queue->now_ns;
        sim_queue_add(disk->queue, event, wait + prng_below(&disk->time_prng, SIM_MS));
        return;
    }
    job->run(job);
}

void sim_disk_submit(struct sim_disk *disk, struct sim_disk_job *job, enum sim_disk_op op,
                     bool dsync, void (*run)(struct sim_disk_job *job))
{
    const struct sim_span *span = &disk->options.write_time;

    if (op == SIM_READ)
        span = &disk->options.read_time;
    else if (op == SIM_SYNC || op == SIM_SYNCFS || dsync)
        span = &disk->options.sync_time;
    *job = (struct sim_disk_job){.event.fire = job_due, .disk = disk, .op = op, .run = run};
    if (sim_disk_by_chance(disk, disk->options.stall_ppm))
        sim_disk_stall(disk, draw_time(disk, &disk->options.stall_time));
    sim_queue_add(disk->queue, &job->event, draw_time(disk, span));
}

void sim_disk_forget(struct sim_disk *disk, struct sim_disk_job *job)
{
    sim_queue_remove(disk->queue, &job->event);
    if (list_is_linked(&job->node))
        list_remove(&job->node);
}

void sim_disk_stall(struct sim_disk *disk, uint64_t time_ns)
{
    uint64_t until = disk->queue->now_ns + time_ns;

    if (until > disk->stalled_until_ns)
        disk->stalled_until_ns = until;
    disk->queue->stats.stalls++;
    sim_queue_note(disk->queue, "disk stall", disk->id, time_ns, 0, 0);
}

void sim_disk_hold(struct sim_disk *disk, enum sim_disk_op op)
{
    disk->held_ops |= 1U << op;
}

void sim_disk_unhold(struct sim_disk *disk, enum sim_disk_op op)
{
    disk->held_ops &= ~(1U << op);
    list_for_each_safe(node, &disk->held)
    {
        struct sim_disk_job *job = container_of(node, struct sim_disk_job, node);
        if (job->op != op)
            continue;
        list_remove(node);
        sim_queue_add(disk->queue, &job->event, prng_below(&disk->time_prng, 100 * SIM_US));
    }
}
