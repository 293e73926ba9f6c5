/* What goes wrong on a disk: by chance, and by a test's plan. */
#include "base/io.h"
#include "tests/sim/sim_disk_private.h"

#include <errno.h>
#include <string.h>

enum { MILLION = 1000000 };

void sim_disk_options_init(struct sim_disk_options *options)
{
    *options = (struct sim_disk_options){
        .unit_bytes = SIM_SECTOR_BYTES,
        .read_time = {20 * SIM_US, 200 * SIM_US},
        .write_time = {20 * SIM_US, 300 * SIM_US},
        .sync_time = {100 * SIM_US, 3 * SIM_MS},
        .stall_time = {10 * SIM_MS, SIM_SECOND},
        .writeback_ppm = 250000,
        .loss = {.garbage_ppm = 300000},
    };
}

static uint32_t draw_rate(struct prng *prng, uint32_t max_ppm)
{
    uint32_t rate = 1 + (uint32_t)prng_below(prng, max_ppm);

    return prng_chance(prng, 1, 2) ? rate : 0;
}

void sim_disk_options_draw(struct sim_disk_options *options, struct prng *prng)
{
    uint64_t slowness = 1U << prng_below(prng, 6);

    sim_disk_options_init(options);
    options->unit_bytes = prng_chance(prng, 1, 2) ? SIM_SECTOR_BYTES : SIM_PAGE_BYTES;
    options->read_time.max_ns *= slowness;
    options->write_time.max_ns *= slowness;
    options->sync_time.max_ns *= slowness;
    options->stall_time.max_ns = SIM_SECOND << prng_below(prng, 6);
    options->stall_ppm = draw_rate(prng, 500);
    options->read_error_ppm = draw_rate(prng, 1000);
    options->write_error_ppm = draw_rate(prng, 500);
    options->sync_error_ppm = draw_rate(prng, 1000);
    options->space_error_ppm = draw_rate(prng, 500);
    options->other_error_ppm = draw_rate(prng, 500);
    options->short_read_ppm = draw_rate(prng, 50000);
    options->short_write_ppm = draw_rate(prng, 50000);
    options->transient_ppm = draw_rate(prng, 2000);
    options->evict_ppm = draw_rate(prng, 100000);
    options->loss.garbage_ppm = draw_rate(prng, MILLION);
    options->loss.damage_ppm = draw_rate(prng, 100000);
}

void sim_disk_fail_nth(struct sim_disk *disk, enum sim_disk_op op, uint64_t skip, int error)
{
    disk->planned[op].error = error;
    disk->planned[op].skip = skip;
}

void sim_disk_fail_next(struct sim_disk *disk, enum sim_disk_op op, int error)
{
    sim_disk_fail_nth(disk, op, 0, error);
}

void sim_disk_cap_next(struct sim_disk *disk, enum sim_disk_op op, uint32_t size_bytes)
{
    disk->planned[op].capped = true;
    disk->planned[op].cap_bytes = size_bytes;
}

void sim_disk_set_read_only(struct sim_disk *disk, bool read_only)
{
    disk->read_only = read_only;
}

bool sim_disk_by_chance(struct sim_disk *disk, uint32_t ppm)
{
    return ppm > 0 && prng_chance(&disk->fault_prng, ppm, MILLION);
}

int sim_disk_count_fault(struct sim_disk *disk, enum sim_disk_op op, int error)
{
    struct sim_stats *stats = &disk->queue->stats;

    if (error == ENOSPC || error == EDQUOT)
        stats->space_errors++;
    else if (error == EINTR || error == EAGAIN)
        stats->transient_errors++;
    else if (op == SIM_READ)
        stats->read_errors++;
    else if (op == SIM_WRITE)
        stats->write_errors++;
    else if (op == SIM_SYNC || op == SIM_SYNCFS || op == SIM_DIR_SYNC)
        stats->sync_errors++;
    else
        stats->other_errors++;
    sim_queue_note(disk->queue, "disk fault", disk->id, op, (uint64_t)error, 0);
    return -error;
}

static int random_fault(struct sim_disk *disk, enum sim_disk_op op)
{
    const struct sim_disk_options *options = &disk->options;

    switch (op) {
    case SIM_READ:
        if (sim_disk_by_chance(disk, options->transient_ppm))
            return prng_chance(&disk->fault_prng, 1, 2) ? EINTR : EAGAIN;
        return sim_disk_by_chance(disk, options->read_error_ppm) ? EIO : 0;
    case SIM_WRITE:
        if (sim_disk_by_chance(disk, options->transient_ppm))
            return prng_chance(&disk->fault_prng, 1, 2) ? EINTR : EAGAIN;
        if (sim_disk_by_chance(disk, options->space_error_ppm))
            return ENOSPC;
        return sim_disk_by_chance(disk, options->write_error_ppm) ? EIO : 0;
    case SIM_SYNC:
    case SIM_SYNCFS:
    case SIM_DIR_SYNC:
        if (sim_disk_by_chance(disk, options->sync_error_ppm))
            return prng_chance(&disk->fault_prng, 1, 4) ? ENOSPC : EIO;
        return 0;
    default:
        return sim_disk_by_chance(disk, options->other_error_ppm) ? EIO : 0;
    }
}

int sim_disk_fault_of(struct sim_disk *disk, enum sim_disk_op op)
{
    int error = disk->planned[op].error;

    if (disk->read_only && op != SIM_READ && op != SIM_SYNC && op != SIM_SYNCFS &&
        op != SIM_DIR_SYNC && op != SIM_OPEN)
        return -EROFS;
    if (error != 0 && disk->planned[op].skip-- == 0) {
        disk->planned[op].error = 0;
        return sim_disk_count_fault(disk, op, error);
    }
    error = random_fault(disk, op);
    return error != 0 ? sim_disk_count_fault(disk, op, error) : 0;
}

uint32_t sim_disk_short_of(struct sim_disk *disk, enum sim_disk_op op, uint32_t size_bytes,
                           bool direct)
{
    uint32_t ppm = op == SIM_READ ? disk->options.short_read_ppm : disk->options.short_write_ppm;
    uint32_t step = direct ? IO_ALIGN : 1; /* the rest must stay aligned */
    uint32_t moved = size_bytes;

    if (disk->planned[op].capped) {
        disk->planned[op].capped = false;
        if (disk->planned[op].cap_bytes < moved)
            moved = disk->planned[op].cap_bytes;
    } else if (size_bytes > step && sim_disk_by_chance(disk, ppm)) {
        moved = step * (1 + (uint32_t)prng_below(&disk->fault_prng, (size_bytes - 1) / step));
    }
    if (moved < size_bytes) {
        if (op == SIM_READ)
            disk->queue->stats.short_reads++;
        else
            disk->queue->stats.short_writes++;
    }
    return moved;
}

void sim_disk_heal(struct sim_disk *disk)
{
    struct sim_disk_options *options = &disk->options;

    options->stall_ppm = 0;
    options->read_error_ppm = 0;
    options->write_error_ppm = 0;
    options->sync_error_ppm = 0;
    options->space_error_ppm = 0;
    options->other_error_ppm = 0;
    options->short_read_ppm = 0;
    options->short_write_ppm = 0;
    options->transient_ppm = 0;
    memset(disk->planned, 0, sizeof(disk->planned));
    disk->stalled_until_ns = 0;
    disk->read_only = false;
    for (int op = 0; op < SIM_DISK_OP_COUNT; op++)
        sim_disk_unhold(disk, (enum sim_disk_op)op);
}
