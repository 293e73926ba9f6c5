/* bench_floor: the smallest honest durable loop: the limit that an append is compared with.
 *
 * What arrived is checked (CRC-32C), copied into a group behind a header, written with one blocking
 * pwrite(2), O_DIRECT | O_DSYNC, into a file that was written before and is recycled, and then
 * acknowledged; what waits meanwhile forms the next group.  One write in flight.  No partitions, no
 * offsets, no segments, nothing to read back. */
#ifndef LEVEE_BENCH_BENCH_FLOOR_H
#define LEVEE_BENCH_BENCH_FLOOR_H

#include "bench/bench_figures.h"

struct floor_loop;

/* Writes its file, 64 MiB, into dir.  Ends the process with a line when that fails. */
struct floor_loop *floor_open(const char *dir);

/* appender_count appenders in a closed loop, one append of size_bytes under way each. */
struct figures floor_run(struct floor_loop *floor, uint32_t appender_count, const uint8_t *batch,
                         uint32_t size_bytes, uint64_t duration_ns);

/* Removes the file. */
void floor_close(struct floor_loop *floor);

#endif
